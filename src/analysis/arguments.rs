//! The meaning of a record's arguments: sizes, strides, aliasing, and the number of bytes.

use std::collections::BTreeMap;

use raptors_recording::{Alias, Aliasing, Alignments, Event, LoopShape, RoutineCall, Site};
use raptors_routines::{Role, Routine, find};

use crate::model::comparison::CallKind;

/// What patterns keep of one call.
pub struct Arguments {
    /// Turns of a loop, elements of a backend, the first size of a routine.
    pub n: u64,
    /// What tells patterns apart.
    pub shape: Shape,
    /// How the operands are aligned.
    pub alignments: Alignments,
    /// Bits of the scalar operand.
    pub scalar: Option<u64>,
}

/// Arguments by which calls are told apart.
#[derive(PartialEq, Eq, Hash, PartialOrd, Ord, Clone, Copy)]
pub struct Shape {
    sizes: Sizes,
    /// How the first output lies to each input.
    aliasing: Aliasing,
}

#[derive(PartialEq, Eq, Hash, PartialOrd, Ord, Clone, Copy)]
enum Sizes {
    Loop(LoopShape),
    /// m only where there is an n or a k: the length of vectors varies freely, as that of loops does.
    Routine {
        m: Option<u64>,
        n: u32,
        k: u32,
        steps: [i32; 2],
    },
    Backend {
        item_size: u32,
    },
}

/// Bytes that a call reads and writes, from its arguments.
pub fn bytes_of(event: &Event, site: Option<&Site>) -> Option<f64> {
    match event {
        Event::Backend(call) => Some(2.0 * call.n as f64 * f64::from(call.item_size)),
        Event::Loop(call) => match call.shape {
            LoopShape::Strides(strides) => Some(call.n as f64 * bytes_per_turn(&strides, site?) as f64),
            LoopShape::Core(lengths) => core_bytes(call.n, lengths, site?),
        },
        Event::Routine(call) => Some(find(&site?.name)?.bytes(call.m, call.n.into(), call.k.into())? as f64),
        _ => None,
    }
}

/// Bytes of one turn of a loop. A record tells the strides of four operands; one beyond is taken to move.
fn bytes_per_turn(strides: &[i32; 4], site: &Site) -> u64 {
    let moves = |operand: usize| strides.get(operand).is_none_or(|stride| *stride != 0);
    // An operand with stride 0 is read once and stays in a register.
    site.item_sizes.iter().enumerate().filter(|(operand, _)| moves(*operand)).map(|(_, size)| *size).sum()
}

/// Bytes of a generalised ufunc's call: every element of every operand's core once, for each turn of its loop. `None`
/// if the signature has more dimensions than a record holds.
///
/// Core dimensions are numbered in the order in which their names first stand in the signature (NumPy's
/// "Generalized universal function API").
fn core_bytes(turns: u64, lengths: [u32; 4], site: &Site) -> Option<f64> {
    let signature = site.core_signature.as_deref()?;
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
    Some(bytes * turns as f64)
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

impl Arguments {
    /// Those of a loop, a routine or a backend; other events are not calls.
    pub fn of(event: &Event) -> Option<Self> {
        Some(match event {
            Event::Loop(call) => Self {
                n: call.n,
                shape: Shape { sizes: Sizes::Loop(call.shape), aliasing: call.aliasing },
                alignments: call.alignments,
                scalar: call.scalar,
            },
            Event::Routine(RoutineCall { m, n, k, steps, alignments, aliasing, scalar }) => {
                let rows = (*n != 0 || *k != 0).then_some(*m);
                let sizes = Sizes::Routine { m: rows, n: *n, k: *k, steps: *steps };
                Self { n: *m, shape: Shape { sizes, aliasing: *aliasing }, alignments: *alignments, scalar: *scalar }
            }
            Event::Backend(call) => {
                let [src, dst] = [call.src, call.dst].map(|address| address as usize);
                let aliasing = Aliasing::NONE.with(0, Alias::same(src == dst));
                Self {
                    n: call.n,
                    shape: Shape { sizes: Sizes::Backend { item_size: call.item_size }, aliasing },
                    alignments: Alignments::NONE.with(0, src).with(1, dst),
                    scalar: Some(call.factor_bits),
                }
            }
            _ => return None,
        })
    }
}

impl Shape {
    /// What kind of code was called.
    pub fn kind(&self) -> CallKind {
        match self.sizes {
            Sizes::Loop(_) => CallKind::Loop,
            Sizes::Routine { .. } => CallKind::Routine,
            Sizes::Backend { .. } => CallKind::Backend,
        }
    }

    /// Bytes between elements of each operand of a loop; increments or leading dimensions of a routine.
    pub fn strides(&self, site: &Site) -> Option<Vec<i64>> {
        let strides: Vec<i64> = match self.sizes {
            Sizes::Loop(LoopShape::Strides(strides)) => {
                strides.into_iter().take(operands(CallKind::Loop, site)).map(i64::from).collect()
            }
            Sizes::Routine { steps, .. } => {
                let known = find(&site.name)?.shape().steps;
                let present = known.iter().zip(steps).filter(|(step, _)| step.is_some());
                present.map(|(_, value)| value.into()).collect()
            }
            _ => return None,
        };
        (!strides.is_empty()).then_some(strides)
    }

    /// The sizes of a call on matrices by their names in its routine or its ufunc's signature.
    pub fn sizes(&self, site: &Site) -> Option<BTreeMap<String, u64>> {
        let sizes: BTreeMap<String, u64> = match self.sizes {
            Sizes::Routine { m, n, k, .. } => {
                let routine = find(&site.name)?;
                let shape = routine.shape();
                if shape.n.is_none() && shape.k.is_none() {
                    return None;
                }
                let named = [(shape.m, m.unwrap_or(0)), (shape.n, n.into()), (shape.k, k.into())];
                let name = |at: u8| routine.args[usize::from(at)].name.to_owned();
                named.into_iter().filter_map(|(at, size)| Some((name(at?), size))).collect()
            }
            Sizes::Loop(LoopShape::Core(lengths)) => {
                let names = core_names(site.core_signature.as_deref()?);
                names.into_iter().zip(lengths).map(|(name, size)| (name.to_owned(), size.into())).collect()
            }
            _ => return None,
        };
        (!sizes.is_empty()).then_some(sizes)
    }

    /// The code of NumPy's type that the scalar operand has.
    pub fn scalar_type(&self, site: &Site) -> Option<char> {
        Some(match self.sizes {
            Sizes::Loop(LoopShape::Strides(strides)) => {
                let still = strides.iter().take(site.nin).position(|stride| *stride == 0)?;
                type_codes(&site.name).nth(still)?
            }
            Sizes::Loop(LoopShape::Core(_)) => return None,
            Sizes::Routine { .. } => {
                let wide = |letter: char| matches!(letter, 'd' | 'z');
                let stem = site.name.trim_start_matches("cblas_").trim_start_matches("catlas_");
                let double = stem.chars().next().is_some_and(wide) || stem.ends_with('D');
                if double { 'd' } else { 'f' }
            }
            Sizes::Backend { item_size: 8 } => 'd',
            Sizes::Backend { .. } => 'f',
        })
    }

    /// Whether the first output is the first input.
    pub fn in_place(&self) -> bool {
        self.aliasing.of(0) == Alias::Same
    }

    /// The aliasing of the first output with the inputs, in words.
    pub fn aliasing(&self, site: &Site) -> String {
        let inputs = match self.kind() {
            CallKind::Backend => 1,
            CallKind::Loop => site.nin,
            CallKind::Routine => find(&site.name).map_or(1, inputs),
        };
        let worst = (0..inputs).map(|input| self.aliasing.of(input)).max();
        let word = match worst {
            Some(Alias::Overlap) => "overlaps",
            Some(Alias::Same) => "in place",
            Some(Alias::Apart) | None => "none",
        };
        word.to_owned()
    }
}

/// The type codes of a loop's name: `np.multiply[ff->f]` gives f, f, f.
fn type_codes(name: &str) -> impl Iterator<Item = char> + '_ {
    let inside = name.split_once('[').map_or("", |(_, rest)| rest);
    inside.chars().filter(|c| c.is_ascii_alphabetic() || *c == '?')
}

/// Arrays that a routine only reads.
fn inputs(routine: &Routine) -> usize {
    routine.arrays().filter(|i| routine.args[usize::from(*i)].role == Role::Input).count()
}

/// The number of operands of a call whose alignment a record holds.
pub fn operands(kind: CallKind, site: &Site) -> usize {
    match kind {
        CallKind::Loop => (site.nin + site.nout).min(8),
        CallKind::Routine => find(&site.name).map_or(0, |routine| routine.arrays().count().min(8)),
        CallKind::Backend => 2,
    }
}

#[cfg(test)]
mod tests {
    use raptors_recording::LoopCall;

    use super::*;

    #[test]
    fn a_generalised_ufunc_moves_its_cores_once_a_turn() {
        let site = Site {
            item_sizes: vec![4, 4, 8],
            core_signature: Some("(n?,k),(k,m?)->(n?,m?)".into()),
            ..Site::default()
        };
        // Two turns of n = 2, k = 3, m = 5.
        let call = LoopCall { n: 2, shape: LoopShape::Core([2, 3, 5, 0]), ..LoopCall::default() }.into();
        let expected = 2.0 * (6.0 * 4.0 + 15.0 * 4.0 + 10.0 * 8.0);
        assert_eq!(bytes_of(&call, Some(&site)), Some(expected));
        let many = Site { core_signature: Some("(a,b,c),(d,e)->()".into()), ..site };
        let told = bytes_of(&call, Some(&many));
        assert_eq!(told, None, "a record holds four of the five dimensions");
    }

    #[test]
    fn a_routine_moves_what_its_sizes_say() {
        let site = Site { name: "cblas_sgemm".into(), ..Site::default() };
        let call = RoutineCall { m: 2, n: 3, k: 5, ..RoutineCall::default() }.into();
        let told = bytes_of(&call, Some(&site));
        assert_eq!(told, Some(f64::from((10 + 15 + 6) * 4)));
        let lapack = Site { name: "dgesv".into(), ..Site::default() };
        assert_eq!(bytes_of(&call, Some(&lapack)), None);
    }
}
