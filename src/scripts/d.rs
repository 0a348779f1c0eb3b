//! The parts of D scripts that are made from the catalogue.

use raptors_routines::Width;

use super::select::{Place, Read};
use super::watch::{Armed, ArmedLoop};

/// A clause's probes, one a line.
pub fn probes<'a>(places: impl Iterator<Item = &'a String>, end: &str) -> String {
    places.map(|place| format!("{place}:{end}")).collect::<Vec<_>>().join(",\n")
}

/// A clause for each layout, which counts calls by their shape: `counted` is what is done with the key.
pub fn shape_clauses(armed: &[Armed], counted: &dyn Fn(&str) -> String) -> String {
    armed
        .iter()
        .map(|group| {
            let wide = if group.width.is_none() && uses_width(group) {
                "\tthis->wide = strstr(probefunc, \"64\") != NULL || strstr(probemod, \"blas64\") != NULL\n\
                 \t    || strstr(probemod, \"ilp64\") != NULL;\n"
            } else {
                ""
            };
            let values: Vec<String> = group.layout.0.iter().map(|place| value(*place, group.width)).collect();
            let key = format!("probefunc,\n\t    {}", values.join(",\n\t    "));
            format!("{}\n{{\n{wide}\t{}\n}}\n\n", probes(group.places.iter(), "entry"), counted(&key))
        })
        .collect()
}

fn uses_width(group: &Armed) -> bool {
    let narrow = |place: &Place| matches!(place.read, Read::Int | Read::IntAt);
    group.layout.0.iter().flatten().any(narrow)
}

/// A value in D; 0 for what is not there.
fn value(place: Option<Place>, width: Option<Width>) -> String {
    let Some(Place { argument, read }) = place else {
        return "(int64_t)0".into();
    };
    let argument = format!("arg{argument}");
    let narrow_at = format!("(int64_t)*(int *)copyin({argument}, 4)");
    let wide_at = format!("*(int64_t *)copyin({argument}, 8)");
    match (read, width) {
        (Read::Int, Some(Width::Lp64)) => format!("(int64_t)(int){argument}"),
        (Read::Int, Some(Width::Ilp64)) | (Read::Long, _) => format!("(int64_t){argument}"),
        (Read::Int, None) => format!("this->wide ? (int64_t){argument} : (int64_t)(int){argument}"),
        (Read::IntAt, Some(Width::Lp64)) | (Read::Int32At, _) => narrow_at,
        (Read::IntAt, Some(Width::Ilp64)) => wide_at,
        (Read::IntAt, None) => format!("this->wide ? {wide_at} : {narrow_at}"),
        (Read::BitsAt(4), _) => format!("(int64_t)*(uint32_t *)copyin({argument}, 4)"),
        (Read::BitsAt(_), _) => wide_at,
    }
}

/// The values of a loop's call in the columns of routines: n, then the inner dimensions or the strides.
pub fn loop_values(armed: &ArmedLoop) -> [String; 7] {
    let mut values = std::array::from_fn(|_| "(int64_t)0".to_owned());
    let at = |argument: &str, index: usize| format!("*(int64_t *)copyin({argument} + {}, 8)", 8 * index);
    values[0] = at("arg1", 0);
    if armed.core_dimensions > 0 {
        for inner in 1..=armed.core_dimensions.min(3) {
            values[inner + 2] = at("arg1", inner);
        }
    } else {
        for operand in 0..armed.operands.min(3) {
            values[operand + 3] = at("arg2", operand);
        }
    }
    values
}
