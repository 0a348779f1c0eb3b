//! Call patterns: calls of one side grouped by routine and argument shape.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use raptors_recording::{Alignments, Record, Site};

use super::arguments::{Arguments, Shape, bytes_of, operands};
use super::phases::Scale;
use super::stats;
use crate::model::comparison::{Call, CallKind, CallTime, Scalar};

/// The number of times kept per pattern for its median, and of lengths kept per pattern: limits of memory, not of
/// counts.
const SAMPLES: usize = 4096;
const LENGTHS: usize = 64;

#[derive(PartialEq, Eq, Hash, PartialOrd, Ord, Clone, Copy)]
struct Key {
    site: u32,
    depth: u8,
    has_scalar: bool,
    shape: Shape,
}

impl Key {
    /// Around a backend there is only its own operation, which is no call.
    fn depth(&self) -> u8 {
        if self.shape.kind() == CallKind::Backend { 0 } else { self.depth }
    }
}

#[derive(Default)]
struct Pattern {
    calls: u64,
    total_ns: f64,
    times: Vec<f64>,
    lengths: BTreeMap<u64, u64>,
    /// The least of each operand, as log2 of bytes.
    alignment: Option<[u8; Alignments::OPERANDS]>,
    scalar: Option<u64>,
    scalar_varies: bool,
    threads: BTreeSet<u32>,
    bytes: f64,
}

/// The patterns of one side of one case.
#[derive(Default)]
pub struct Patterns {
    patterns: HashMap<Key, Pattern>,
    bytes_unknown: bool,
}

impl Patterns {
    /// Adds one record of a loop, a routine or a backend; other records are not calls and are ignored.
    pub fn take(&mut self, thread: u32, record: &Record, site: Option<&Site>, scale: Scale) {
        let Some(arguments) = Arguments::of(&record.event) else {
            return;
        };
        let Arguments { n, shape, alignments, scalar } = arguments;
        let key = Key { site: record.site, depth: record.depth, has_scalar: scalar.is_some(), shape };
        let bytes = bytes_of(&record.event, site);
        self.bytes_unknown |= key.depth() == 0 && bytes.is_none();
        let pattern = self.patterns.entry(key).or_default();
        pattern.calls += 1;
        let ns = scale.ns(record.duration);
        pattern.total_ns += ns;
        if pattern.times.len() < SAMPLES {
            pattern.times.push(ns);
        }
        if pattern.lengths.len() < LENGTHS || pattern.lengths.contains_key(&n) {
            *pattern.lengths.entry(n).or_default() += 1;
        }
        pattern.threads.insert(thread);
        pattern.bytes += bytes.unwrap_or(0.0);
        pattern.align(alignments.log2());
        if let Some(bits) = scalar {
            pattern.scalar_varies |= pattern.scalar.is_some_and(|before| before != bits);
            pattern.scalar = Some(bits);
        }
    }

    /// The patterns for `operations` operations, those with most time first.
    pub fn calls(&self, sites: &HashMap<u32, Site>, operations: f64) -> Vec<Call> {
        let mut rows: Vec<(&Key, &Pattern)> = self.patterns.iter().collect();
        rows.sort_by(|(key_a, a), (key_b, b)| b.total_ns.total_cmp(&a.total_ns).then_with(|| key_a.cmp(key_b)));
        rows.into_iter().map(|(key, pattern)| pattern.call(key, sites.get(&key.site), operations)).collect()
    }

    /// The call sites of all calls.
    pub fn sites(&self) -> impl Iterator<Item = u32> + '_ {
        self.patterns.keys().map(|key| key.site)
    }

    /// Distinct threads that made calls.
    pub fn threads(&self) -> usize {
        let all: BTreeSet<u32> = self.patterns.values().flat_map(|pattern| pattern.threads.iter().copied()).collect();
        all.len()
    }

    /// The number of passes of an operation over its memory: two if every call writes into its operand, else one.
    pub fn passes(&self) -> f64 {
        let in_place = |key: &Key| key.shape.in_place();
        let all = !self.patterns.is_empty() && self.patterns.keys().all(in_place);
        if all { 2.0 } else { 1.0 }
    }

    /// Bytes that outermost calls read and wrote, `None` if one of them is unknown.
    pub fn bytes(&self) -> Option<f64> {
        let known = !self.bytes_unknown && !self.patterns.is_empty();
        let outermost = self.patterns.iter().filter(|(key, _)| key.depth() == 0);
        known.then(|| outermost.map(|(_, pattern)| pattern.bytes).sum())
    }
}

impl Pattern {
    /// Keeps the least alignment seen of each operand.
    fn align(&mut self, seen: [u8; Alignments::OPERANDS]) {
        let least = self.alignment.get_or_insert(seen);
        for (least, seen) in least.iter_mut().zip(seen) {
            *least = (*least).min(seen);
        }
    }

    fn call(&self, key: &Key, site: Option<&Site>, operations: f64) -> Call {
        let unknown = Site::default();
        let named = site.unwrap_or(&unknown);
        let (shape, kind) = (&key.shape, key.shape.kind());
        let operands = operands(kind, named);
        let (name, symbol) = match kind {
            CallKind::Backend => ("raptors scale".to_owned(), Some(named.name.clone())),
            _ if site.is_none() => (format!("call site {}", key.site), None),
            _ => (named.name.clone(), named.symbol.clone()),
        };
        Call {
            kind,
            name,
            symbol,
            module: named.module.clone(),
            calls_per_op: self.calls as f64 / operations,
            n: self.lengths.iter().map(|(n, count)| (*n, *count as f64 / operations)).collect(),
            strides: shape.strides(named),
            sizes: shape.sizes(named),
            alignment: self
                .alignment
                .filter(|_| operands > 0)
                .map(|log2| log2[..operands].iter().map(|l| 1_u64 << l).collect()),
            aliasing: Some(shape.aliasing(named)),
            scalar: self.scalar_value(shape, named),
            threads: u32::try_from(self.threads.len()).ok(),
            depth: key.depth().into(),
            time_ns: Some(CallTime { median: stats::median(&self.times), total_per_op: self.total_ns / operations }),
        }
    }

    fn scalar_value(&self, shape: &Shape, site: &Site) -> Option<Scalar> {
        let bits = self.scalar?;
        if self.scalar_varies {
            return Some(Scalar::Text("varies".into()));
        }
        number(shape.scalar_type(site)?, bits)
    }
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
