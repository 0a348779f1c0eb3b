//! Call patterns: calls of one side grouped by routine and argument shape.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use raptors_recording::{Kind, Record, flags};

use super::arguments::{Arguments, bytes_of, operands};
use super::documents::Site;
use super::phases::Scale;
use super::stats;
use crate::model::comparison::{Call, CallKind, CallTime, Scalar};

/// Times kept per pattern for its median, and lengths kept per pattern: bounds on memory, not on counts.
const SAMPLES: usize = 4096;
const LENGTHS: usize = 64;

#[derive(PartialEq, Eq, Hash, PartialOrd, Ord, Clone, Copy)]
struct Shape {
    kind: u8,
    site: u32,
    depth: u8,
    flags: u16,
    arguments: Arguments,
}

impl Shape {
    fn generalised(&self) -> bool {
        self.flags & flags::GUFUNC != 0
    }
}

#[derive(Default)]
struct Pattern {
    calls: u64,
    total_ns: f64,
    times: Vec<f64>,
    lengths: BTreeMap<u64, u64>,
    alignment: Option<[u8; 8]>,
    scalar: Option<u64>,
    scalar_varies: bool,
    item_size: u64,
    threads: BTreeSet<u32>,
    bytes: f64,
}

/// The patterns of one side of one case.
#[derive(Default)]
pub struct Patterns {
    patterns: HashMap<Shape, Pattern>,
    bytes_unknown: bool,
}

impl Patterns {
    /// Takes one record of a loop, a routine or a backend; others are not calls and are left out.
    pub fn take(&mut self, thread: u32, record: &Record, site: Option<&Site>, scale: Scale) {
        let kind @ (Kind::Loop | Kind::Routine | Kind::Backend) = record.kind else {
            return;
        };
        let bytes = bytes_of(kind, record, site);
        if record.depth == 0 || kind == Kind::Backend {
            self.bytes_unknown |= bytes.is_none();
        }
        let pattern = self.patterns.entry(shape_of(kind, record)).or_default();
        pattern.calls += 1;
        let ns = scale.ns(record.duration);
        pattern.total_ns += ns;
        if pattern.times.len() < SAMPLES {
            pattern.times.push(ns);
        }
        if pattern.lengths.len() < LENGTHS || pattern.lengths.contains_key(&record.args[0]) {
            *pattern.lengths.entry(record.args[0]).or_default() += 1;
        }
        pattern.threads.insert(thread);
        pattern.bytes += bytes.unwrap_or(0.0);
        pattern.align(kind, record);
        pattern.scalar(kind, record);
    }

    /// The patterns for `operations` operations, those with most time first.
    pub fn calls(&self, sites: &HashMap<u32, Site>, operations: f64) -> Vec<Call> {
        let mut rows: Vec<(&Shape, &Pattern)> = self.patterns.iter().collect();
        rows.sort_by(|(shape_a, a), (shape_b, b)| b.total_ns.total_cmp(&a.total_ns).then_with(|| shape_a.cmp(shape_b)));
        rows.into_iter().map(|(shape, pattern)| pattern.call(shape, sites.get(&shape.site), operations)).collect()
    }

    /// The call sites of all calls.
    pub fn sites(&self) -> impl Iterator<Item = u32> + '_ {
        self.patterns.keys().map(|shape| shape.site)
    }

    /// Distinct threads that made calls.
    pub fn threads(&self) -> usize {
        let all: BTreeSet<u32> = self.patterns.values().flat_map(|pattern| pattern.threads.iter().copied()).collect();
        all.len()
    }

    /// How often an operation goes over its memory: twice where every call writes into its operand, else once.
    pub fn passes(&self) -> f64 {
        let in_place = |shape: &Shape| shape.arguments.in_place();
        let all = !self.patterns.is_empty() && self.patterns.keys().all(in_place);
        if all { 2.0 } else { 1.0 }
    }

    /// Bytes that outermost calls read and wrote, `None` where one of them does not tell.
    pub fn bytes(&self) -> Option<f64> {
        let outermost = |shape: &Shape| shape.depth == 0 || shape.kind == Kind::Backend as u8;
        let known = !self.bytes_unknown && !self.patterns.is_empty();
        known
            .then(|| self.patterns.iter().filter(|(shape, _)| outermost(shape)).map(|(_, pattern)| pattern.bytes).sum())
    }
}

fn shape_of(kind: Kind, record: &Record) -> Shape {
    Shape {
        kind: kind as u8,
        site: record.site,
        depth: record.depth,
        flags: record.flags,
        arguments: Arguments::of(kind, record),
    }
}

impl Pattern {
    /// Keeps the least alignment seen of each operand, as log2 of bytes.
    fn align(&mut self, kind: Kind, record: &Record) {
        let seen: [u8; 8] = match kind {
            Kind::Backend => {
                let log2 = |address: u64| address.trailing_zeros().min(12) as u8;
                let mut both = [0; 8];
                both[0] = log2(record.args[1]);
                both[1] = log2(record.args[2]);
                both
            }
            _ => std::array::from_fn(|i| ((record.args[3] >> (4 * i)) & 0xf) as u8),
        };
        let least = self.alignment.get_or_insert(seen);
        for (least, seen) in least.iter_mut().zip(seen) {
            *least = (*least).min(seen);
        }
    }

    fn scalar(&mut self, kind: Kind, record: &Record) {
        let bits = match kind {
            Kind::Backend => record.args[3],
            _ if record.flags & flags::SCALAR != 0 => record.args[4],
            _ => return,
        };
        self.item_size = record.args[4];
        self.scalar_varies |= self.scalar.is_some_and(|before| before != bits);
        self.scalar = Some(bits);
    }

    fn call(&self, shape: &Shape, site: Option<&Site>, operations: f64) -> Call {
        let unknown = Site::default();
        let named = site.unwrap_or(&unknown);
        let kind = match shape.kind {
            k if k == Kind::Loop as u8 => CallKind::Loop,
            k if k == Kind::Routine as u8 => CallKind::Routine,
            _ => CallKind::Backend,
        };
        let operands = operands(kind, named);
        let (name, symbol) = match kind {
            CallKind::Backend => ("raptors scale".to_owned(), Some(named.name.clone())),
            _ if site.is_none() => (format!("call site {}", shape.site), None),
            _ => (named.name.clone(), named.symbol.clone()),
        };
        Call {
            kind,
            name,
            symbol,
            module: named.module.clone(),
            calls_per_op: self.calls as f64 / operations,
            n: self.lengths.iter().map(|(n, count)| (*n, *count as f64 / operations)).collect(),
            strides: shape.arguments.strides(kind, named, shape.generalised()),
            sizes: shape.arguments.sizes(kind, named, shape.generalised()),
            alignment: self
                .alignment
                .filter(|_| operands > 0)
                .map(|log2| log2[..operands].iter().map(|l| 1_u64 << l).collect()),
            aliasing: Some(shape.arguments.aliasing(kind, named)),
            scalar: self.scalar_value(kind, named, shape),
            threads: u32::try_from(self.threads.len()).ok(),
            // Around a backend there is only its own operation, which is no call.
            depth: if kind == CallKind::Backend { 0 } else { u32::from(shape.depth) },
            time_ns: Some(CallTime { median: stats::median(&self.times), total_per_op: self.total_ns / operations }),
        }
    }

    fn scalar_value(&self, kind: CallKind, site: &Site, shape: &Shape) -> Option<Scalar> {
        let bits = self.scalar?;
        if self.scalar_varies {
            return Some(Scalar::Text("varies".into()));
        }
        let code = match kind {
            CallKind::Loop => {
                let still = (0..site.nin.min(4)).find(|i| shape.arguments.stride_at(*i) == 0)?;
                type_codes(&site.name).nth(still)?
            }
            CallKind::Routine => {
                let wide = |letter: char| matches!(letter, 'd' | 'z');
                let stem = site.name.trim_start_matches("cblas_").trim_start_matches("catlas_");
                let double = stem.chars().next().is_some_and(wide) || stem.ends_with('D');
                if double { 'd' } else { 'f' }
            }
            CallKind::Backend if self.item_size == 8 => 'd',
            CallKind::Backend => 'f',
        };
        number(code, bits)
    }
}

/// The type codes of a loop's name: `np.multiply[ff->f]` gives f, f, f.
fn type_codes(name: &str) -> impl Iterator<Item = char> + '_ {
    let inside = name.split_once('[').map_or("", |(_, rest)| rest);
    inside.chars().filter(|c| c.is_ascii_alphabetic() || *c == '?')
}

/// Bits as a number of NumPy's type `code`.
fn number(code: char, bits: u64) -> Option<Scalar> {
    let value = match code {
        'f' | 'F' => f64::from(f32::from_bits(bits as u32)),
        'd' | 'D' => f64::from_bits(bits),
        'b' => f64::from(bits as i8),
        'h' => f64::from(bits as i16),
        'i' => f64::from(bits as i32),
        'l' | 'q' => bits as i64 as f64,
        '?' | 'B' => f64::from(bits as u8),
        'H' => f64::from(bits as u16),
        'I' => f64::from(bits as u32),
        'L' | 'Q' => bits as f64,
        _ => return None,
    };
    Some(value.into())
}
