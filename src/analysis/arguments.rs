//! What a record says of a call's arguments: sizes, strides, aliasing, and the bytes that follow from them.

use std::collections::BTreeMap;

use raptors_recording::{Kind, Record, flags};
use raptors_routines::{Role, Routine, find};

use super::documents::Site;
use crate::model::comparison::CallKind;

/// Arguments by which calls are told apart, as a record packs them (`FORMAT.md` of raptors-recording).
#[derive(PartialEq, Eq, Hash, PartialOrd, Ord, Clone, Copy, Default)]
pub struct Arguments {
    /// A routine's m where it also has an n or a k; the length of vectors and loops varies freely and is not in here.
    rows: u64,
    /// Strides of a loop, core dimensions of a generalised one; sizes and increments of a routine.
    words: [u64; 2],
    /// How the first output lies to each input, 2 bits an input.
    aliasing: u32,
}

/// Bytes that a call reads and writes, from its arguments.
pub fn bytes_of(kind: Kind, record: &Record, site: Option<&Site>) -> Option<f64> {
    match kind {
        Kind::Backend => Some(2.0 * record.args[0] as f64 * record.args[4] as f64),
        Kind::Loop if record.flags & flags::GUFUNC == 0 => {
            let site = site?;
            let arguments = Arguments::of(kind, record);
            // A record tells the strides of four operands; one beyond is taken to move.
            let moves = |operand: usize| operand >= 4 || arguments.stride_at(operand) != 0;
            let per_element: u64 = site
                .item_sizes
                .iter()
                .enumerate()
                // An operand that stands still is read once and stays in a register.
                .filter(|(operand, _)| moves(*operand))
                .map(|(_, size)| *size)
                .sum();
            Some(record.args[0] as f64 * per_element as f64)
        }
        Kind::Loop => core_bytes(record, site?),
        Kind::Routine => {
            let [m, words] = [record.args[0], record.args[1]];
            let [n, k] = halves(words).map(u64::from);
            Some(find(&site?.name)?.bytes(m, n, k)? as f64)
        }
        _ => None,
    }
}

/// Bytes of a generalised ufunc's call: every element of every operand's core once, for each turn of its loop.
/// `None` where the signature has more dimensions than a record holds.
///
/// Core dimensions are numbered in the order in which their names first stand in the signature (NumPy's
/// "Generalized universal function API").
fn core_bytes(record: &Record, site: &Site) -> Option<f64> {
    let signature = site.core_signature.as_deref()?;
    let lengths = [record.args[1], record.args[2]].map(halves).concat();
    let names = core_names(signature);
    let length = |name: &str| {
        let at = names.iter().position(|known| *known == name)?;
        lengths.get(at).map(|length| f64::from(*length))
    };
    let mut bytes = 0.0;
    for (core, size) in cores(signature).zip(&site.item_sizes) {
        let elements = core.map(length).product::<Option<f64>>()?;
        bytes += elements * *size as f64;
    }
    Some(bytes * record.args[0] as f64)
}

/// The names of each operand's core dimensions.
fn cores(signature: &str) -> impl Iterator<Item = impl Iterator<Item = &str>> {
    let inside = signature.split(')').filter_map(|part| part.split_once('('));
    inside
        .map(|(_, core)| core.split(',').map(|name| name.trim().trim_end_matches('?')).filter(|name| !name.is_empty()))
}

/// Distinct core dimensions, in the order in which NumPy numbers them.
fn core_names(signature: &str) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for name in cores(signature).flatten() {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// The two counts in one word of a record, the low half first.
fn halves(word: u64) -> [u32; 2] {
    [word as u32, (word >> 32) as u32]
}

impl Arguments {
    /// Those of one record.
    pub fn of(kind: Kind, record: &Record) -> Self {
        match kind {
            // A backend's arguments are addresses, which say nothing about the pattern.
            Kind::Backend => Self { aliasing: u32::from(record.args[1] == record.args[2]), ..Self::default() },
            _ => Self {
                rows: if kind == Kind::Routine && record.args[1] != 0 { record.args[0] } else { 0 },
                words: [record.args[1], record.args[2]],
                aliasing: (record.args[3] >> 32) as u32,
            },
        }
    }

    /// The stride of one of a loop's first four operands, bytes.
    pub fn stride_at(&self, operand: usize) -> i64 {
        i64::from(halves(self.words[operand / 2])[operand % 2] as i32)
    }

    /// Bytes between elements of each operand of a loop; increments or leading dimensions of a routine.
    pub fn strides(&self, kind: CallKind, site: &Site, generalised: bool) -> Option<Vec<i64>> {
        let steps = match kind {
            CallKind::Loop if !generalised => {
                return (operands(kind, site) > 0).then(|| {
                    let shown = operands(kind, site).min(4);
                    (0..shown).map(|i| self.stride_at(i)).collect()
                });
            }
            CallKind::Routine => find(&site.name)?.shape().steps,
            _ => return None,
        };
        let values = halves(self.words[1]).map(|step| i64::from(step as i32));
        let present = steps.iter().zip(values).filter(|(step, _)| step.is_some());
        let present: Vec<i64> = present.map(|(_, value)| value).collect();
        (!present.is_empty()).then_some(present)
    }

    /// The sizes of a call on matrices by the names that its routine or its ufunc's signature gives them.
    pub fn sizes(&self, kind: CallKind, site: &Site, generalised: bool) -> Option<BTreeMap<String, u64>> {
        let sizes: BTreeMap<String, u64> = match kind {
            CallKind::Routine => {
                let routine = find(&site.name)?;
                let shape = routine.shape();
                if shape.n.is_none() && shape.k.is_none() {
                    return None;
                }
                let [n, k] = halves(self.words[0]).map(u64::from);
                let named = [(shape.m, self.rows), (shape.n, n), (shape.k, k)];
                let name = |at: u8| routine.args[usize::from(at)].name.to_owned();
                named.into_iter().filter_map(|(at, size)| Some((name(at?), size))).collect()
            }
            CallKind::Loop if generalised => {
                let lengths = self.words.map(halves).concat();
                let names = core_names(site.core_signature.as_deref()?);
                let sizes = names.into_iter().zip(lengths);
                sizes.map(|(n, size)| (n.to_owned(), size.into())).collect()
            }
            _ => return None,
        };
        (!sizes.is_empty()).then_some(sizes)
    }

    /// Whether the first output is the first input.
    pub fn in_place(&self) -> bool {
        self.aliasing & 3 == 1
    }

    /// How the first output lies to the inputs, in words.
    pub fn aliasing(&self, kind: CallKind, site: &Site) -> String {
        let code = |input: usize| (self.aliasing >> (2 * input)) & 3;
        let inputs = match kind {
            CallKind::Backend => 1,
            CallKind::Loop => site.nin.min(16),
            CallKind::Routine => find(&site.name).map_or(1, inputs).min(16),
        };
        let codes: Vec<u32> = (0..inputs).map(code).collect();
        let word = if codes.contains(&2) {
            "overlaps"
        } else if codes.contains(&1) {
            "in place"
        } else {
            "none"
        };
        word.to_owned()
    }
}

/// Arrays that a routine only reads.
fn inputs(routine: &Routine) -> usize {
    routine.arrays().filter(|i| routine.args[usize::from(*i)].role == Role::Input).count()
}

/// Operands of a call whose alignment a record tells.
pub fn operands(kind: CallKind, site: &Site) -> usize {
    match kind {
        CallKind::Loop => (site.nin + site.nout).min(8),
        CallKind::Routine => find(&site.name).map_or(0, |routine| routine.arrays().count().min(8)),
        CallKind::Backend => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: Kind, flags: u16, args: [u64; 5]) -> Record {
        Record { kind, depth: 0, flags, site: 1, start: 0, duration: 0, args }
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
        let many = Site { core_signature: Some("(a,b,c),(d,e)->()".into()), ..site };
        let told = bytes_of(Kind::Loop, &call, Some(&many));
        assert_eq!(told, None, "a record holds four of the five dimensions");
    }

    #[test]
    fn a_routine_moves_what_its_sizes_say() {
        let site = Site { name: "cblas_sgemm".into(), ..Site::default() };
        let call = record(Kind::Routine, 0, [2, 5 << 32 | 3, 0, 0, 0]);
        let told = bytes_of(Kind::Routine, &call, Some(&site));
        assert_eq!(told, Some(f64::from((10 + 15 + 6) * 4)));
        let lapack = Site { name: "dgesv".into(), ..Site::default() };
        assert_eq!(bytes_of(Kind::Routine, &call, Some(&lapack)), None);
    }
}
