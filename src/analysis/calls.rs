//! Call patterns: calls of one side grouped by routine and argument shape.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use raptors_recording::{Kind, Record, flags};

use super::documents::Site;
use super::phases::Scale;
use super::stats;
use crate::comparison::{Call, CallKind, CallTime, Scalar};

/// Times kept per pattern for its median, and lengths kept per pattern: bounds on memory, not on counts.
const SAMPLES: usize = 4096;
const LENGTHS: usize = 64;

#[derive(PartialEq, Eq, Hash, PartialOrd, Ord, Clone, Copy)]
struct Shape {
    kind: u8,
    site: u32,
    depth: u8,
    flags: u16,
    strides: [u64; 2],
    aliasing: u32,
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
        rows.sort_by(|(shape_a, a), (shape_b, b)| {
            b.total_ns
                .total_cmp(&a.total_ns)
                .then_with(|| shape_a.cmp(shape_b))
        });
        rows.into_iter()
            .map(|(shape, pattern)| pattern.call(shape, sites.get(&shape.site), operations))
            .collect()
    }

    /// Distinct threads that made calls.
    pub fn threads(&self) -> usize {
        let all: BTreeSet<u32> = self
            .patterns
            .values()
            .flat_map(|pattern| pattern.threads.iter().copied())
            .collect();
        all.len()
    }

    /// Bytes that outermost calls read and wrote, `None` where one of them does not tell.
    pub fn bytes(&self) -> Option<f64> {
        let outermost = |shape: &Shape| shape.depth == 0 || shape.kind == Kind::Backend as u8;
        let known = !self.bytes_unknown && !self.patterns.is_empty();
        known.then(|| {
            self.patterns
                .iter()
                .filter(|(shape, _)| outermost(shape))
                .map(|(_, pattern)| pattern.bytes)
                .sum()
        })
    }
}

fn shape_of(kind: Kind, record: &Record) -> Shape {
    let backend = kind == Kind::Backend;
    Shape {
        kind: kind as u8,
        site: record.site,
        depth: record.depth,
        flags: record.flags,
        // A backend's arguments are addresses, which say nothing about the pattern.
        strides: if backend {
            [0; 2]
        } else {
            [record.args[1], record.args[2]]
        },
        aliasing: if backend {
            u32::from(record.args[1] == record.args[2])
        } else {
            (record.args[3] >> 32) as u32
        },
    }
}

/// Bytes that a call reads and writes, from its arguments.
fn bytes_of(kind: Kind, record: &Record, site: Option<&Site>) -> Option<f64> {
    match kind {
        Kind::Backend => Some(2.0 * record.args[0] as f64 * record.args[4] as f64),
        Kind::Loop if record.flags & flags::GUFUNC == 0 => {
            let site = site?;
            let strides = strides_of(record);
            let per_element: u64 = site
                .item_sizes
                .iter()
                .enumerate()
                // An operand that stands still is read once and stays in a register.
                .filter(|(operand, _)| strides.get(*operand).is_none_or(|stride| *stride != 0))
                .map(|(_, size)| *size)
                .sum();
            Some(record.args[0] as f64 * per_element as f64)
        }
        Kind::Loop => core_bytes(record, site?),
        Kind::Routine => {
            let [m, words] = [record.args[0], record.args[1]];
            let [n, k] = halves(words).map(u64::from);
            Some(raptors_routines::find(&site?.name)?.bytes(m, n, k)? as f64)
        }
        _ => None,
    }
}

/// Core dimensions that a record has room for.
const CORE_DIMENSIONS: usize = 4;

/// Bytes of a generalised ufunc's call: every element of every operand's core once, for each turn of its loop.
///
/// Core dimensions are numbered in the order in which their names first stand in the signature (NumPy's
/// "Generalized universal function API").
fn core_bytes(record: &Record, site: &Site) -> Option<f64> {
    let signature = site.core_signature.as_deref()?;
    let [first, second] = [record.args[1], record.args[2]].map(halves);
    let lengths = [first, second].concat();
    let mut names: Vec<&str> = Vec::new();
    let mut bytes = 0.0;
    let operands = signature.split(')').filter_map(|part| part.split_once('('));
    for ((_, core), size) in operands.zip(&site.item_sizes) {
        let mut elements = 1.0;
        for name in core
            .split(',')
            .map(|name| name.trim().trim_end_matches('?'))
        {
            if name.is_empty() {
                continue;
            }
            let at = names.iter().position(|known| *known == name);
            let at = at.unwrap_or_else(|| {
                names.push(name);
                names.len() - 1
            });
            if at >= CORE_DIMENSIONS {
                return None;
            }
            elements *= f64::from(lengths[at]);
        }
        bytes += elements * *size as f64;
    }
    Some(bytes * record.args[0] as f64)
}

/// The two counts in one word of a record, the low half first.
fn halves(word: u64) -> [u32; 2] {
    [word as u32, (word >> 32) as u32]
}

/// Strides of the first four operands, bytes.
fn strides_of(record: &Record) -> [i64; 4] {
    let signed = |word: u64| halves(word).map(|half| i64::from(half as i32));
    let ([a, b], [c, d]) = (signed(record.args[1]), signed(record.args[2]));
    [a, b, c, d]
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
            n: self
                .lengths
                .iter()
                .map(|(n, count)| (*n, *count as f64 / operations))
                .collect(),
            strides: strides(kind, shape, operands),
            alignment: self
                .alignment
                .filter(|_| operands > 0)
                .map(|log2| log2[..operands].iter().map(|l| 1_u64 << l).collect()),
            aliasing: aliasing(kind, shape, named),
            scalar: self.scalar_value(kind, named, shape),
            threads: u32::try_from(self.threads.len()).ok(),
            // Around a backend there is only its own operation, which is no call.
            depth: if kind == CallKind::Backend {
                0
            } else {
                u32::from(shape.depth)
            },
            time_ns: Some(CallTime {
                median: stats::median(&self.times),
                total_per_op: self.total_ns / operations,
            }),
        }
    }

    fn scalar_value(&self, kind: CallKind, site: &Site, shape: &Shape) -> Option<Scalar> {
        let bits = self.scalar?;
        if self.scalar_varies {
            return Some(Scalar::Text("varies".into()));
        }
        let code = match kind {
            CallKind::Loop => {
                let still = (0..site.nin.min(4)).find(|i| stride_at(shape, *i) == 0)?;
                type_codes(&site.name).nth(still)?
            }
            CallKind::Routine => {
                let wide = |letter: char| matches!(letter, 'd' | 'z');
                let stem = site
                    .name
                    .trim_start_matches("cblas_")
                    .trim_start_matches("catlas_");
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
    inside
        .chars()
        .filter(|c| c.is_ascii_alphabetic() || *c == '?')
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

fn operands(kind: CallKind, site: &Site) -> usize {
    match kind {
        CallKind::Loop => (site.nin + site.nout).min(8),
        CallKind::Routine => 0,
        CallKind::Backend => 2,
    }
}

fn stride_at(shape: &Shape, operand: usize) -> i64 {
    let word = shape.strides[operand / 2];
    i64::from((word >> (32 * (operand % 2))) as i32)
}

fn strides(kind: CallKind, shape: &Shape, operands: usize) -> Option<Vec<i64>> {
    let plain = kind == CallKind::Loop && shape.flags & flags::GUFUNC == 0 && operands > 0;
    plain.then(|| (0..operands.min(4)).map(|i| stride_at(shape, i)).collect())
}

/// How the first output lies to the inputs, in words.
fn aliasing(kind: CallKind, shape: &Shape, site: &Site) -> Option<String> {
    let codes: Vec<u32> = match kind {
        CallKind::Backend => vec![shape.aliasing],
        CallKind::Loop => (0..site.nin.min(8))
            .map(|i| (shape.aliasing >> (2 * i)) & 3)
            .collect(),
        CallKind::Routine => vec![shape.aliasing & 3],
    };
    let word = if codes.contains(&2) {
        "overlaps"
    } else if codes.contains(&1) {
        "in place"
    } else {
        "none"
    };
    Some(word.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: Kind, flags: u16, args: [u64; 5]) -> Record {
        Record {
            kind,
            depth: 0,
            flags,
            site: 1,
            start: 0,
            duration: 0,
            args,
        }
    }

    #[test]
    fn a_generalised_ufunc_moves_its_cores_once_a_turn() {
        let site = Site {
            item_sizes: vec![4, 4, 8],
            core_signature: Some("(n?,k),(k,m?)->(n?,m?)".into()),
            ..Site::default()
        };
        // Two turns of n = 2, k = 3, m = 5.
        let call = record(Kind::Loop, flags::GUFUNC, [2, 3 << 32 | 2, 5, 0, 0]);
        let expected = 2.0 * (6.0 * 4.0 + 15.0 * 4.0 + 10.0 * 8.0);
        assert_eq!(bytes_of(Kind::Loop, &call, Some(&site)), Some(expected));
        let many = Site {
            core_signature: Some("(a,b,c),(d,e)->()".into()),
            ..site
        };
        let told = bytes_of(Kind::Loop, &call, Some(&many));
        assert_eq!(told, None, "a record holds four of the five dimensions");
    }

    #[test]
    fn a_routine_moves_what_its_sizes_say() {
        let site = Site {
            name: "cblas_sgemm".into(),
            ..Site::default()
        };
        let call = record(Kind::Routine, 0, [2, 5 << 32 | 3, 0, 0, 0]);
        let told = bytes_of(Kind::Routine, &call, Some(&site));
        assert_eq!(told, Some(f64::from((10 + 15 + 6) * 4)));
        let lapack = Site {
            name: "dgesv".into(),
            ..Site::default()
        };
        assert_eq!(bytes_of(Kind::Routine, &call, Some(&lapack)), None);
    }
}
