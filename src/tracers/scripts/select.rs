//! Which routines a script watches, and where their sizes stand.

use raptors_routines::{ArgTy, CATALOGUE, Convention, Elem, Family, Routine, find};

use crate::model::error::Error;

/// What is watched unless somebody asks for more: what scaling, adding, multiplying and solving can come down to.
/// DTrace needs one open file for each probe, and a routine is two.
const CBLAS: [(&str, &str); 11] = [
    ("sd", "scal"),
    ("sd", "axpy"),
    ("sd", "copy"),
    ("sd", "dot"),
    ("sd", "nrm2"),
    ("sd", "asum"),
    ("sd", "gemv"),
    ("sd", "ger"),
    ("sdcz", "gemm"),
    ("sd", "syrk"),
    ("sd", "trsm"),
];
const LAPACK: [&str; 6] = ["gesv", "getrf", "potrf", "geqrf", "gesdd", "syevd"];
const VDSP: [&str; 13] =
    ["vsmul", "vsadd", "vsdiv", "vsma", "vsmsa", "vadd", "vsub", "vmul", "vdiv", "vma", "dotpr", "sve", "mmul"];
const VFORCE: [&str; 10] = ["sqrt", "rsqrt", "rec", "exp", "log", "pow", "sin", "cos", "tanh", "div"];

/// The routines that a script watches by itself.
pub fn default_routines() -> Vec<&'static Routine> {
    let mut names = Vec::new();
    for (letters, stem) in CBLAS {
        names.extend(letters.chars().map(|letter| format!("cblas_{letter}{stem}")));
    }
    for stem in LAPACK {
        names.extend(["s", "d"].map(|letter| format!("{letter}{stem}")));
    }
    for stem in VDSP {
        names.extend(["", "D"].map(|suffix| format!("vDSP_{stem}{suffix}")));
    }
    for stem in VFORCE {
        names.extend(["f", ""].map(|suffix| format!("vv{stem}{suffix}")));
    }
    names.iter().filter_map(|name| find(name)).collect()
}

/// The routines of these names.
///
/// # Errors
/// Where the catalogue does not know one.
pub fn named_routines(names: &[String]) -> Result<Vec<&'static Routine>, Error> {
    names
        .iter()
        .map(|name| {
            find(name).ok_or_else(|| Error::new(format!("`{name}` is no routine of the catalogue")).help(near(name)))
        })
        .collect()
}

/// Names of the catalogue that hold this one, or how names are written.
fn near(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    let close: Vec<&str> = CATALOGUE
        .iter()
        .map(|routine| routine.name)
        .filter(|known| lower.len() > 2 && known.to_ascii_lowercase().contains(&lower))
        .take(6)
        .collect();
    if close.is_empty() {
        "names are written without a library's own spelling: cblas_sgemm, dgesv, vDSP_vsmul, vvexpf".into()
    } else {
        format!("did you mean {}?", close.join(", "))
    }
}

/// Where one value of a call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// Which of the integer and pointer arguments it is, from 0: a number in a vector register takes no place there.
    pub argument: u8,
    /// How it is read.
    pub read: Read,
}

/// How a value is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Read {
    /// An integer of the interface's width, by value.
    Int,
    /// A 64-bit integer by value.
    Long,
    /// An integer of the interface's width behind a pointer.
    IntAt,
    /// A 32-bit integer behind a pointer.
    Int32At,
    /// The bits of a number behind a pointer, 4 or 8 bytes.
    BitsAt(u8),
}

/// Where the sizes, the increments and the scalar of a call stand: m, n, k, three increments, the scalar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Layout(pub [Option<Place>; 7]);

/// The layout of a routine, as far as its places are among the first `registers` integer arguments.
pub fn layout(routine: &Routine, registers: u8) -> Layout {
    use raptors_routines::Role;
    let shape = routine.shape();
    let mut steps = (0..routine.args.len())
        .filter(|&i| matches!(routine.args[i].role, Role::Increment { .. } | Role::LeadingDim { .. }));
    let at = |index: Option<u8>| place(routine, usize::from(index?), registers);
    let step = |index: Option<usize>| place(routine, index?, registers);
    Layout([
        at(shape.m),
        at(shape.n),
        at(shape.k),
        step(steps.next()),
        step(steps.next()),
        step(steps.next()),
        at(shape.scalar),
    ])
}

fn place(routine: &Routine, index: usize, registers: u8) -> Option<Place> {
    let read = match routine.args[index].ty {
        ArgTy::Int | ArgTy::Enum => Read::Int,
        ArgTy::Stride | ArgTy::Length | ArgTy::CharLen => Read::Long,
        ArgTy::Const(Elem::Int) | ArgTy::Mut(Elem::Int) => Read::IntAt,
        ArgTy::Const(Elem::Int32) => Read::Int32At,
        ArgTy::Const(Elem::F32) => Read::BitsAt(4),
        ArgTy::Const(Elem::F64) => Read::BitsAt(8),
        // By value it is in a vector register, which no tracer here can read; a complex one has two halves.
        _ => return None,
    };
    let before = routine.args[..index].iter().filter(|arg| !matches!(arg.ty, ArgTy::F32 | ArgTy::F64)).count();
    let argument = u8::try_from(before).ok()?;
    (argument < registers).then_some(Place { argument, read })
}

/// Routines with the same layout, in the order in which the layouts come.
pub fn by_layout<T>(items: &[T], layout: impl Fn(&T) -> Layout) -> Vec<(Layout, Vec<&T>)> {
    let mut groups: Vec<(Layout, Vec<&T>)> = Vec::new();
    for item in items {
        let of = layout(item);
        match groups.iter_mut().find(|(known, _)| *known == of) {
            Some((_, group)) => group.push(item),
            None => groups.push((of, vec![item])),
        }
    }
    groups
}

/// Where a routine's letter for the element type stands in its name, if it has one.
pub fn letter(routine: &Routine) -> Option<usize> {
    match (routine.family, routine.convention) {
        (Family::Cblas, _) => Some("cblas_".len()),
        (Family::Lapack | Family::Fortran, Convention::Fortran) => Some(0),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(name: &str, registers: u8) -> Vec<Option<(u8, Read)>> {
        let Layout(places) = layout(find(name).unwrap(), registers);
        places.iter().map(|place| place.map(|place| (place.argument, place.read))).collect()
    }

    #[test]
    fn every_default_routine_is_in_the_catalogue() {
        let written = CBLAS.iter().map(|(letters, _)| letters.len()).sum::<usize>();
        let all = written + 2 * (LAPACK.len() + VDSP.len() + VFORCE.len());
        assert_eq!(default_routines().len(), all);
    }

    #[test]
    fn sizes_stand_where_the_prototype_says() {
        // cblas_sgemm(layout, transa, transb, m, n, k, float alpha, a, lda, …): alpha is in a vector register.
        let int = |argument| Some((argument, Read::Int));
        assert_eq!(places("cblas_sgemm", 8), [int(3), int(4), int(5), int(7), None, None, None]);
        assert_eq!(places("cblas_sgemm", 6)[3], None);
        let long = |argument| Some((argument, Read::Long));
        assert_eq!(places("vDSP_vsmul", 8), [long(5), None, None, long(1), long(4), None, Some((2, Read::BitsAt(4)))]);
        assert_eq!(places("vvexpf", 8)[0], Some((2, Read::Int32At)));
        assert_eq!(places("dgesv", 8)[0], Some((0, Read::IntAt)));
        assert_eq!(places("cblas_zgemm", 8)[6], None);
    }

    #[test]
    fn an_unknown_routine_names_those_like_it() {
        let error = named_routines(&["SGEMM".into()]).unwrap_err();
        assert!(error.help_text().unwrap().contains("cblas_sgemm"));
        assert!(named_routines(&["cblas_sgemm".into(), "vvexp".into()]).is_ok());
    }
}
