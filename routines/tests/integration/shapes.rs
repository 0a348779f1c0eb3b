//! The signatures of the catalogue against the C headers of the libraries, and against themselves.

use raptors_routines::{Arg, ArgTy, CATALOGUE, Convention, Elem, Family, Ret, Role, Routine, find};
use std::collections::{BTreeMap, BTreeSet};

fn elem(elem: Elem) -> &'static str {
    match elem {
        Elem::Int => "int",
        Elem::Int32 => "int32",
        Elem::Length => "length",
        Elem::F32 => "f32",
        Elem::F64 => "f64",
        Elem::C32 => "c32",
        Elem::C64 => "c64",
        Elem::Logical => "logical",
        Elem::Char => "char",
    }
}

/// An argument's type in the words of the fixtures.
fn word(arg: &Arg) -> String {
    match arg.ty {
        ArgTy::Int => "int".into(),
        ArgTy::Enum => "enum".into(),
        ArgTy::F32 => "f32".into(),
        ArgTy::F64 => "f64".into(),
        ArgTy::Stride => "stride".into(),
        ArgTy::Length => "length".into(),
        ArgTy::CharLen => "len".into(),
        ArgTy::Const(e) | ArgTy::Mut(e) => format!("*{}", elem(e)),
        ArgTy::Callback => "fn".into(),
    }
}

fn ret(ret: Ret) -> &'static str {
    match ret {
        Ret::Void => "void",
        Ret::F32 => "f32",
        Ret::F64 => "f64",
        Ret::Int => "int",
        Ret::Size => "size",
        Ret::C32 => "c32",
        Ret::C64 => "c64",
    }
}

fn signature(routine: &Routine) -> Vec<String> {
    let mut words = vec![ret(routine.returns).to_string()];
    words.extend(routine.args.iter().map(word));
    words
}

fn prototypes(text: &str) -> BTreeMap<&str, Vec<&str>> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.split(' ')).map(|mut w| (w.next().unwrap(), w.collect())).collect()
}

/// `void *` and the real type of a complex number stand for a complex pointer in the BLAS headers.
fn same(ours: &str, theirs: &str) -> bool {
    ours == theirs
        || (ours.starts_with("*c") && theirs == "*void")
        || matches!((ours, theirs), ("*c32", "*f32") | ("*c64", "*f64"))
}

/// How many routines of a header agree; panics at the first that does not.
fn agree(text: &str, wanted: impl Fn(&Routine) -> bool, with_lengths: bool) -> usize {
    let prototypes = prototypes(text);
    let mut checked = 0;
    for routine in CATALOGUE.iter().filter(|routine| wanted(routine)) {
        let Some(theirs) = prototypes.get(routine.name) else {
            continue;
        };
        let mut ours = signature(routine);
        if !with_lengths {
            ours.retain(|word| word != "len");
        }
        let equal = ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(a, b)| same(a, b));
        assert!(equal, "{}\n  catalogue {ours:?}\n  header    {theirs:?}", routine.name);
        checked += 1;
    }
    checked
}

#[test]
fn cblas_agrees_with_openblas_header() {
    let wanted = |r: &Routine| r.convention == Convention::C;
    assert_eq!(agree(include_str!("../fixtures/prototypes-cblas.txt"), wanted, true), 184);
}

#[test]
fn fortran_blas_agrees_with_openblas_header() {
    let wanted = |r: &Routine| r.convention == Convention::Fortran;
    let n = agree(include_str!("../fixtures/prototypes-f77blas.txt"), wanted, false);
    assert!(n > 150, "{n}");
}

#[test]
fn lapack_agrees_with_lapack_header() {
    let wanted = |r: &Routine| r.family == Family::Lapack;
    let header = agree(include_str!("../fixtures/prototypes-lapack.txt"), wanted, true);
    // SciPy's declarations of what lapack.h lacks.
    let scipy = agree(include_str!("../fixtures/prototypes-cython-lapack.txt"), wanted, false);
    let all = CATALOGUE.iter().filter(|r| wanted(r)).count();
    println!("{header} LAPACK routines are in lapack.h, {scipy} in cython_lapack, of {all}");
    assert_eq!(header + scipy, all);
}

#[test]
fn hidden_lengths_match_the_character_arguments() {
    for routine in CATALOGUE {
        let is_char = |arg: &&Arg| arg.ty.elem() == Some(Elem::Char);
        let characters = routine.args.iter().filter(is_char).count();
        let lengths: Vec<&Arg> = routine.args.iter().filter(|arg| arg.ty == ArgTy::CharLen).collect();
        assert_eq!(characters, lengths.len(), "{}", routine.name);
        assert!(
            routine.args.iter().skip(routine.args.len() - lengths.len()).all(|arg| arg.ty == ArgTy::CharLen),
            "{}",
            routine.name
        );
        for length in lengths {
            let Role::CharLen { of } = length.role else { panic!("{}: {length:?}", routine.name) };
            assert!(is_char(&&routine.args[usize::from(of)]), "{}", routine.name);
        }
    }
}

/// The twin in the other precision: sgemm → dgemm, vvexpf → vvexp, vDSP_vadd → vDSP_vaddD.
fn twin(routine: &Routine) -> Option<&'static Routine> {
    let name = routine.name;
    match routine.family {
        Family::Vdsp => return find(&format!("{name}D")),
        Family::Vforce => {
            return find(name.strip_suffix('f')?).filter(|r| r.family == Family::Vforce);
        }
        _ => {}
    }
    let start = name.find('_').filter(|_| routine.convention == Convention::C).map_or(0, |at| at + 1);
    let (prefix, rest) = name.split_at(start);
    let (index, rest) = rest.strip_prefix('i').map_or(("", rest), |rest| ("i", rest));
    for (one, other) in [("sc", "dz"), ("cs", "zd"), ("s", "d"), ("c", "z")] {
        let other = rest.strip_prefix(one).and_then(|tail| find(&format!("{prefix}{index}{other}{tail}")));
        if other.is_some() {
            return other;
        }
    }
    None
}

#[test]
fn single_and_double_have_the_same_shape() {
    let doubled = |word: &String| word.replace("f32", "f64").replace("c32", "c64");
    let mut paired = BTreeSet::new();
    for routine in CATALOGUE {
        let Some(other) = twin(routine) else { continue };
        let ours: Vec<String> = signature(routine).iter().map(doubled).collect();
        assert_eq!(ours, signature(other), "{} and {}", routine.name, other.name);
        let roles = |r: &Routine| r.args.iter().map(|arg| arg.role).collect::<Vec<_>>();
        assert_eq!(roles(routine), roles(other), "{} and {}", routine.name, other.name);
        assert!(paired.insert(other.name), "{} and another", other.name);
        assert!(paired.insert(routine.name), "{} and another", routine.name);
    }
    let alone: Vec<_> = CATALOGUE.iter().map(|r| r.name).filter(|name| !paired.contains(name)).collect();
    assert_eq!(alone, ["cblas_dsdot", "cblas_sdsdot", "dsdot", "sdsdot", "vDSP_vdpsp", "vDSP_vspdp"]);
}

#[test]
fn increments_and_leading_dimensions_point_at_arrays() {
    for routine in CATALOGUE {
        for arg in routine.args {
            if let Role::Increment { of } | Role::LeadingDim { of } = arg.role {
                let array = &routine.args[usize::from(of)];
                assert!(
                    matches!(array.role, Role::Input | Role::Output | Role::InOut | Role::Work),
                    "{}: {arg:?} of {array:?}",
                    routine.name
                );
                assert!(array.ty.elem().is_some(), "{}", routine.name);
            }
        }
    }
}

#[test]
fn shape_finds_the_sizes() {
    let shape = |name: &str| {
        let routine = find(name).unwrap();
        let s = routine.shape();
        let named = |i: Option<u8>| i.map_or("", |i| routine.args[usize::from(i)].name);
        [named(s.m), named(s.n), named(s.k), named(s.steps[0]), named(s.steps[1]), named(s.scalar)]
    };
    assert_eq!(shape("cblas_sgemm"), ["m", "n", "k", "lda", "ldb", "alpha"]);
    assert_eq!(shape("saxpy"), ["n", "", "", "incx", "incy", "alpha"]);
    assert_eq!(shape("dgesv"), ["n", "", "nrhs", "lda", "ldb", ""]);
    assert_eq!(shape("vDSP_vsmul"), ["n", "", "", "ia", "ic", "b"]);
    assert_eq!(shape("vvexpf"), ["n", "", "", "", "", ""]);
    assert_eq!(shape("vDSP_mmul"), ["m", "n", "p", "ia", "ib", ""]);
}
