//! The parts of D scripts that are made from the catalogue.

use std::collections::BTreeMap;

use raptors_routines::Width;

use super::select::{Place, Read};
use super::watch::{Armed, ArmedLoop};

/// A clause's probes, one a line.
pub fn probes<'a>(places: impl Iterator<Item = &'a String>, end: &str) -> String {
    places.map(|place| format!("{place}:{end}")).collect::<Vec<_>>().join(",\n")
}

/// A clause for each layout, which counts calls by their shape: `counted` is what is done with the key.
///
/// A value behind a pointer cannot be read where its page is not in memory, and DTrace leaves a clause there. Such a
/// call is counted by a clause after that one: `unread` has the key without the scalar, or the name alone.
pub fn shape_clauses(
    armed: &[Armed],
    counted: &dyn Fn(&str) -> String,
    unread: &dyn Fn(Unread, &str) -> String,
) -> String {
    let mut clauses: String = armed.iter().map(|group| shape_clause(group, counted)).collect();
    // Layouts that differ in the scalar only have one clause.
    let mut by_key: BTreeMap<String, Vec<&String>> = BTreeMap::new();
    for group in armed.iter().filter(|group| lacks(group) == Some(Unread::Scalar)) {
        by_key.entry(key(&values(group)[..6])).or_default().extend(&group.places);
    }
    for (key, places) in by_key {
        clauses += &unread_clause(places.into_iter(), &unread(Unread::Scalar, &key));
    }
    let whole = armed.iter().filter(|group| lacks(group) == Some(Unread::Shape)).flat_map(|group| &group.places);
    clauses + &unread_clause(whole, &unread(Unread::Shape, "probefunc"))
}

/// What of a call's shape could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unread {
    /// The scalar: the sizes are known.
    Scalar,
    /// The sizes.
    Shape,
}

/// The lines of the report that show what `unread` counts: `printa` takes no aggregation that nothing is counted in.
pub fn unread_rows(armed: &[Armed], loops: &[ArmedLoop], row: &dyn Fn(Unread) -> String) -> String {
    let any = |what| armed.iter().any(|group| lacks(group) == Some(what));
    let rows = [(Unread::Scalar, any(Unread::Scalar)), (Unread::Shape, any(Unread::Shape) || !loops.is_empty())];
    rows.iter().filter(|(_, counted)| *counted).map(|(what, _)| format!("\n\t{}", row(*what))).collect()
}

/// What of the group's shape may be unreadable, because it stands behind a pointer.
fn lacks(group: &Armed) -> Option<Unread> {
    let behind = |place: &Option<Place>| place.is_some_and(|place| !matches!(place.read, Read::Int | Read::Long));
    let [sizes @ .., scalar] = &group.layout.0;
    if sizes.iter().any(behind) { Some(Unread::Shape) } else { behind(scalar).then_some(Unread::Scalar) }
}

fn shape_clause(group: &Armed, counted: &dyn Fn(&str) -> String) -> String {
    let wide = if group.width.is_none() && uses_width(group) {
        "\tthis->wide = strstr(probefunc, \"64\") != NULL || strstr(probemod, \"blas64\") != NULL\n\
         \t    || strstr(probemod, \"ilp64\") != NULL;\n"
    } else {
        ""
    };
    let mut action = counted(&key(&values(group)));
    if lacks(group).is_some() {
        action = attempt(&action);
    }
    format!("{}\n{{\n{wide}\t{action}\n}}\n\n", probes(group.places.iter(), "entry"))
}

/// An action that reads memory, and whether all of it was done.
pub fn attempt(action: &str) -> String {
    format!("this->done = 0;\n\t{action}\n\tthis->done = 1;")
}

/// What is done at these places where the attempt before it was not.
pub fn unread_clause<'a>(places: impl Iterator<Item = &'a String>, action: &str) -> String {
    let probes = probes(places, "entry");
    if probes.is_empty() { probes } else { format!("{probes}\n/!this->done/\n{{\n\t{action}\n}}\n\n") }
}

fn key(values: &[String]) -> String {
    format!("probefunc,\n\t    {}", values.join(",\n\t    "))
}

fn values(group: &Armed) -> Vec<String> {
    group.layout.0.iter().map(|place| value(*place, group.width)).collect()
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
