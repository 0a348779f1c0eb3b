//! Maps a symbol to its routine, with or without the catalogue.

use raptors_routines::{Convention, Mangling, Width, library_width, parse_symbol};

use super::model::Family;

/// The routine behind a symbol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Routine {
    /// Its own name, without the mangling.
    pub name: String,
    /// Where it belongs.
    pub family: Family,
    /// Whether the catalogue knows it.
    pub in_catalogue: bool,
    /// Width of the interface's integers, if the spelling shows it.
    pub width: Option<Width>,
}

/// The knowledge about the library of a symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It is a math library.
    Math,
    /// It may be one: one of the needed libraries is a math library.
    MayBeMath,
    /// Unknown.
    Unknown,
}

/// The routine of a symbol, from the catalogue alone.
pub fn catalogued(symbol: &str) -> Option<Routine> {
    let (routine, width, mangling) = parse_symbol(symbol)?;
    let told = matches!(mangling, Mangling::Suffix64 | Mangling::Scipy | Mangling::NewLapack);
    let family = Family::from(routine.family);
    let integers = !matches!(family, Family::Vdsp | Family::Vforce);
    Some(Routine {
        name: routine.name.to_owned(),
        family,
        in_catalogue: true,
        width: (told && integers).then_some(width),
    })
}

/// The routine of an imported symbol. The catalogue leaves out whole parts of the libraries (vDSP's Fourier transforms,
/// most of LAPACK), and a count of 0 must not come from that: for symbols that it does not have, name and origin
/// decide.
pub fn imported(symbol: &str, origin: Origin) -> Option<Routine> {
    if let Some(routine) = catalogued(symbol) {
        return Some(routine);
    }
    let (base, mangling) = unmangled(symbol);
    let family = by_prefix(base, origin)
        .or_else(|| by_form(symbol, base, mangling, origin))
        .or_else(|| (origin == Origin::Math || mangling.telling).then_some(Family::Other))?;
    let integers = !matches!(family, Family::Vdsp | Family::Vforce | Family::Other);
    Some(Routine { name: base.to_owned(), family, in_catalogue: false, width: mangling.width.filter(|_| integers) })
}

/// Families with common name prefixes.
fn by_prefix(base: &str, origin: Origin) -> Option<Family> {
    let begins = |prefixes: &[&str]| prefixes.iter().any(|prefix| base.starts_with(prefix));
    if begins(&["cblas_"]) {
        return Some(Family::Cblas);
    }
    if begins(&["catlas_", "appleblas_"]) {
        return Some(Family::BlasExtension);
    }
    if begins(&["LAPACKE_"]) {
        return Some(Family::Lapack);
    }
    if begins(&["vDSP_", "vDSPx_"]) {
        return Some(Family::Vdsp);
    }
    let vforce = base.strip_prefix("vv").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase()));
    (vforce && origin == Origin::Math).then_some(Family::Vforce)
}

/// LAPACK has some 1,900 names of one form: a letter for the type, then a few more, all lower case.
fn by_form(symbol: &str, base: &str, mangling: Spelling, origin: Origin) -> Option<Family> {
    let form = (4..=12).contains(&base.len())
        && base.starts_with(['s', 'd', 'c', 'z', 'i'])
        && base.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let fortran = symbol.ends_with('_') || mangling.new_lapack;
    let from_library = mangling.telling || origin != Origin::Unknown;
    (form && fortran && from_library).then_some(Family::Lapack)
}

/// The mangling that was removed from a symbol.
#[derive(Clone, Copy, Debug, Default)]
struct Spelling {
    /// Only a math library uses this spelling.
    telling: bool,
    new_lapack: bool,
    width: Option<Width>,
}

/// The symbol without the manglings of [`parse_symbol`].
fn unmangled(symbol: &str) -> (&str, Spelling) {
    let symbol = symbol.split('@').next().unwrap_or(symbol);
    if let Some((base, rest)) = symbol.split_once("$NEWLAPACK") {
        let width = if rest == "$ILP64" { Width::Ilp64 } else { Width::Lp64 };
        let spelling = Spelling { telling: true, new_lapack: true, width: Some(width) };
        return (base.trim_end_matches('_'), spelling);
    }
    // SciPy's own C functions may begin like this too; the symbols of its OpenBLAS also end like this, or with
    // Fortran's underscore.
    let inner = symbol.strip_prefix("scipy_");
    let rest = inner.unwrap_or(symbol);
    if let Some(base) = rest.strip_suffix("_64_").or_else(|| rest.strip_suffix("64_")) {
        let spelling = Spelling { telling: inner.is_some(), new_lapack: false, width: Some(Width::Ilp64) };
        return (base, spelling);
    }
    let telling = inner.is_some_and(|rest| rest.starts_with("cblas_") || rest.ends_with('_'));
    let spelling = Spelling { telling, new_lapack: false, width: telling.then_some(Width::Lp64) };
    (rest.trim_end_matches('_'), spelling)
}

/// The width of the interface's integers: from the symbol, else from the library's name if the family's integers can
/// have either width.
pub fn integer_bits(routine: &Routine, libraries: &[String]) -> Option<u32> {
    if matches!(routine.family, Family::Vdsp | Family::Vforce | Family::Other) {
        return None;
    }
    let by_library = || match libraries {
        [one] if one.contains("Accelerate.framework") || one.contains("vecLib.framework") => Some(Width::Lp64),
        [one] => library_width(one),
        _ => None,
    };
    routine.width.or_else(by_library).map(Width::bits)
}

/// Whether a symbol is a Fortran routine's name without any mangling, which may be a function of the program's own.
pub fn is_doubtful(symbol: &str) -> bool {
    parse_symbol(symbol)
        .is_some_and(|(routine, _, mangling)| routine.convention == Convention::Fortran && mangling == Mangling::Plain)
}

/// Whether a library's name shows that it contains BLAS, LAPACK, vDSP or vForce.
pub fn is_math_library(name: &str) -> bool {
    const STEMS: [&str; 18] = [
        "libblas",
        "libcblas",
        "liblapack",
        "openblas",
        "libmkl",
        "libblis",
        "libflexiblas",
        "libatlas",
        "libsatlas",
        "libtatlas",
        "libf77blas",
        "libptcblas",
        "libarmpl",
        "libaocl",
        "libnvblas",
        "libvdsp",
        "libvmisc",
        "libnvpl",
    ];
    if name.contains("/Accelerate.framework/") || name.contains("/vecLib.framework/") {
        return true;
    }
    let file = name.rsplit('/').next().unwrap_or(name).to_ascii_lowercase();
    STEMS.iter().any(|stem| file.contains(stem))
}

/// Whether a library is a system library without such routines.
pub fn is_base_library(name: &str) -> bool {
    const STEMS: [&str; 14] = [
        "libc.",
        "libm.",
        "libdl.",
        "librt.",
        "libpthread.",
        "libgcc_s",
        "libstdc++",
        "libc++",
        "ld-linux",
        "ld-musl",
        "libpython",
        "libgfortran",
        "libquadmath",
        "libgomp",
    ];
    let file = name.rsplit('/').next().unwrap_or(name);
    STEMS.iter().any(|stem| file.starts_with(stem))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(symbol: &str, origin: Origin) -> Option<(String, Family, bool)> {
        imported(symbol, origin).map(|r| (r.name, r.family, r.in_catalogue))
    }

    #[test]
    fn the_catalogue_comes_first() {
        let of = |symbol| told(symbol, Origin::Unknown).unwrap();
        assert_eq!(of("cblas_sgemm$NEWLAPACK$ILP64"), ("cblas_sgemm".into(), Family::Cblas, true));
        assert_eq!(of("scipy_dgesv_64_"), ("dgesv".into(), Family::Lapack, true));
        assert_eq!(of("scopy_"), ("scopy".into(), Family::Blas, true));
        assert_eq!(of("vDSP_vsmul"), ("vDSP_vsmul".into(), Family::Vdsp, true));
        assert_eq!(of("vvexpf"), ("vvexpf".into(), Family::Vforce, true));
    }

    #[test]
    fn what_the_catalogue_leaves_out_is_not_called_none() {
        for symbol in ["vDSP_fft_zrip", "vDSP_conv"] {
            assert!(parse_symbol(symbol).is_none(), "{symbol} is known by now: take another");
            let (_, family, known) = told(symbol, Origin::Unknown).unwrap();
            assert_eq!((family, known), (Family::Vdsp, false));
        }
        let of = |symbol| told(symbol, Origin::Unknown).map(|(name, family, _)| (name, family));
        assert_eq!(of("LAPACKE_dgesv64_"), Some(("LAPACKE_dgesv".into(), Family::Lapack)));
        assert_eq!(of("dlaqz0$NEWLAPACK"), Some(("dlaqz0".into(), Family::Lapack)));
        assert_eq!(of("scipy_dlaqz0_64_"), Some(("dlaqz0".into(), Family::Lapack)));
        assert_eq!(of("cblas_gemm_bf16x64_"), Some(("cblas_gemm_bf16x".into(), Family::Cblas)));
    }

    #[test]
    fn a_name_alone_is_not_enough_for_the_rest() {
        assert_eq!(told("dlaqz0_", Origin::Unknown), None);
        assert_eq!(told("dlaqz0_", Origin::MayBeMath).unwrap().1, Family::Lapack);
        assert_eq!(told("vvcosisin", Origin::Unknown), None);
        assert_eq!(told("vvcosisin", Origin::Math).unwrap().1, Family::Vforce);
        assert_eq!(told("openblas_get_config", Origin::Math).unwrap().1, Family::Other);
        assert_eq!(told("openblas_get_config", Origin::MayBeMath), None);
        for symbol in ["malloc", "PyList_New", "scipy_helper", "sin", "exp", "memcpy", "int64_"] {
            assert_eq!(told(symbol, Origin::MayBeMath), None, "{symbol}");
        }
    }

    #[test]
    fn widths_are_said_where_something_tells_them() {
        let bits =
            |symbol: &str, library: &str| integer_bits(&imported(symbol, Origin::Math).unwrap(), &[library.to_owned()]);
        assert_eq!(bits("scipy_cblas_sgemm64_", "libscipy_openblas64_-1.so"), Some(64));
        assert_eq!(bits("scipy_dgesv_", "libscipy_openblas-1.so"), Some(32));
        assert_eq!(bits("dgesv_", "libblas.so.3"), None);
        assert_eq!(bits("dgesv_", "libopenblas64.so.0"), Some(64));
        let accelerate = "/System/Library/Frameworks/Accelerate.framework/Versions/A/Accelerate";
        assert_eq!(bits("dgesv_", accelerate), Some(32));
        assert_eq!(bits("vDSP_vsmul", accelerate), None);
    }

    #[test]
    fn libraries_are_known_by_their_names() {
        for name in [
            "/System/Library/Frameworks/Accelerate.framework/Versions/A/Accelerate",
            "/System/Library/Frameworks/Accelerate.framework/Versions/A/Frameworks/vecLib.framework/Versions/A/\
             libBLAS.dylib",
            "@loader_path/../.dylibs/libscipy_openblas64_.dylib",
            "liblapack.so.3",
            "libmkl_rt.so.2",
        ] {
            assert!(is_math_library(name) && !is_base_library(name), "{name}");
        }
        for name in ["libc.so.6", "libm.so.6", "/usr/lib/libc++.1.dylib", "libgfortran-040.so.5"] {
            assert!(is_base_library(name) && !is_math_library(name), "{name}");
        }
    }
}
