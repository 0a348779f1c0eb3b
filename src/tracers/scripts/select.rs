//! Which routines a script watches.

use raptors_routines::{CATALOGUE, Convention, Family, Routine, find};

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

    #[test]
    fn every_default_routine_is_in_the_catalogue() {
        let written = CBLAS.iter().map(|(letters, _)| letters.len()).sum::<usize>();
        let all = written + 2 * (LAPACK.len() + VDSP.len() + VFORCE.len());
        assert_eq!(default_routines().len(), all);
    }

    #[test]
    fn an_unknown_routine_names_those_like_it() {
        let error = named_routines(&["SGEMM".into()]).unwrap_err();
        assert!(error.help_text().unwrap().contains("cblas_sgemm"));
        assert!(named_routines(&["cblas_sgemm".into(), "vvexp".into()]).is_ok());
    }
}
