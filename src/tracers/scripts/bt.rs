//! The parts of bpftrace scripts that are made from the catalogue.

use raptors_routines::Width;

use super::select::{Place, Read};
use super::text::literal;
use super::watch::{Armed, ArmedLoop};

/// A clause's probes, one a line; `kind` is `uprobe` or `uretprobe`.
pub fn probes<'a>(places: impl Iterator<Item = &'a String>, kind: &str) -> String {
    places.map(|place| format!("{kind}:{place}")).collect::<Vec<_>>().join(",\n")
}

/// A name in a key, in quotes. bpftrace 0.17 makes a key's string as long as the literal, and what stands after it has to
/// begin at a multiple of 8, or the kernel refuses the program ("misaligned stack access"). So names are filled up, which
/// also puts the numbers below each other.
pub fn label(name: &str) -> String {
    const SHORTEST: usize = 31;
    let name = literal(name);
    let length = name.len().max(SHORTEST).next_multiple_of(8);
    let length = if length == name.len() { length + 7 } else { length - 1 };
    format!("\"{name:length$}\"")
}

/// The key of a call by its shape: name, m, n, k, steps, scalar.
pub fn shape_key(armed: &Armed) -> String {
    let values = armed.layout.0.iter().map(|place| value(*place, armed.width));
    let values: Vec<String> = values.collect();
    format!("{}, {}", label(armed.label), values.join(", "))
}

/// The key of a loop's call: name, n, and the inner dimensions or the strides.
pub fn loop_key(armed: &ArmedLoop) -> String {
    format!("{}, {}", label(&armed.label), loop_values(armed).join(", "))
}

/// n, and three inner dimensions or strides.
pub fn loop_values(armed: &ArmedLoop) -> [String; 4] {
    let mut values = std::array::from_fn(|_| "0".to_owned());
    values[0] = "*(int64*)arg1".to_owned();
    let (argument, count, first) = match armed.core_dimensions {
        0 => ("arg2", armed.operands, 0),
        inner => ("arg1", inner, 1),
    };
    for i in 0..count.min(3) {
        values[i + 1] = format!("*(int64*)({argument} + {})", 8 * (first + i));
    }
    values
}

/// A value in bpftrace's words; 0 for what is not there. Keys of one map have to be of one type.
fn value(place: Option<Place>, width: Option<Width>) -> String {
    let Some(Place { argument, read }) = place else {
        return "0".into();
    };
    let narrow = width != Some(Width::Ilp64);
    match read {
        Read::Int if narrow => format!("(int64)(int32)arg{argument}"),
        Read::Int | Read::Long => format!("(int64)arg{argument}"),
        Read::IntAt if narrow => format!("(int64)*(int32*)arg{argument}"),
        Read::Int32At => format!("(int64)*(int32*)arg{argument}"),
        Read::BitsAt(4) => format!("(int64)*(uint32*)arg{argument}"),
        Read::IntAt | Read::BitsAt(_) => format!("*(int64*)arg{argument}"),
    }
}
