//! Where a tracer finds the sizes of a call: in registers and behind pointers, in the C of bpftrace and D alike.

use raptors_routines::{ArgTy, Elem, Routine};

/// Integer and pointer arguments that are passed in registers: System V on x86-64, AAPCS64 on AArch64. Further ones lie
/// on the stack and are not read.
const REGISTERS: usize = if cfg!(target_arch = "aarch64") { 8 } else { 6 };

/// How one of a call's integers is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// It is argument `.0` of the probe, `.1` bits wide.
    Value(usize, u32),
    /// It lies `.1` bytes behind argument `.0` of the probe, `.2` bits wide.
    Behind(usize, usize, u32),
    /// It is not to be had, or there is none.
    Absent,
}

/// A loop's length and up to three strides, or core dimensions of a generalised one:
/// `loop(char **args, npy_intp const *dimensions, npy_intp const *strides, void *data)`, `numpy/ufuncobject.h`.
pub fn of_loop(operands: u32, generalised: bool) -> [Source; 4] {
    let operands = operands.min(3) as usize;
    let detail = |i: usize| match generalised {
        _ if i >= operands => Source::Absent,
        true => Source::Behind(1, 8 * (i + 1), 64),
        false => Source::Behind(2, 8 * i, 64),
    };
    [Source::Behind(1, 0, 64), detail(0), detail(1), detail(2)]
}

/// A routine's m, n and k. `width` is the bits of the library's integers.
pub fn of_routine(routine: &Routine, width: u32) -> [Source; 4] {
    let shape = routine.shape();
    let source = |at: Option<u8>| at.map_or(Source::Absent, |at| argument(routine, at, width));
    [source(shape.m), source(shape.n), source(shape.k), Source::Absent]
}

fn argument(routine: &Routine, at: u8, width: u32) -> Source {
    let at = usize::from(at);
    let in_integer_register = |ty: ArgTy| !matches!(ty, ArgTy::F32 | ArgTy::F64);
    let before = routine.args[..at].iter();
    let register = before.filter(|arg| in_integer_register(arg.ty)).count();
    if register >= REGISTERS {
        return Source::Absent;
    }
    match routine.args[at].ty {
        ArgTy::Int => Source::Value(register, width),
        ArgTy::Enum => Source::Value(register, 32),
        ArgTy::Length | ArgTy::Stride => Source::Value(register, 64),
        ArgTy::Const(elem) | ArgTy::Mut(elem) => match elem {
            Elem::Int => Source::Behind(register, 0, width),
            Elem::Int32 => Source::Behind(register, 0, 32),
            Elem::Length => Source::Behind(register, 0, 64),
            _ => Source::Absent,
        },
        _ => Source::Absent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use raptors_routines::find;

    #[test]
    fn sizes_are_found_among_the_integers_only() {
        let gemm = of_routine(find("cblas_sgemm").unwrap(), 64);
        let expected = [3, 4, 5].map(|register| Source::Value(register, 64));
        assert_eq!(gemm[..3], expected);
        let scal = of_routine(find("cblas_dscal").unwrap(), 32);
        assert_eq!(scal[0], Source::Value(0, 32));
        let vsmul = of_routine(find("vDSP_vsmul").unwrap(), 64);
        assert_eq!(vsmul[0], Source::Value(5, 64), "a, ia, b, c, ic, n");
        let solve = of_routine(find("dgesv").unwrap(), 32);
        assert_eq!(solve[0], Source::Behind(0, 0, 32), "Fortran passes pointers");
    }

    #[test]
    fn what_lies_on_the_stack_is_not_read() {
        let symm = of_routine(find("cblas_ssyr2k").unwrap(), 64);
        assert!(matches!(symm[0], Source::Value(3, 64)));
        let imatcopy = find("vDSP_mmul").unwrap();
        let all = of_routine(imatcopy, 64);
        assert!(all.contains(&Source::Absent), "{all:?}");
    }

    #[test]
    fn a_loops_strides_are_as_many_as_it_has_operands() {
        assert_eq!(of_loop(2, false)[2], Source::Behind(2, 8, 64));
        assert_eq!(of_loop(2, false)[3], Source::Absent);
        assert_eq!(of_loop(3, true)[1], Source::Behind(1, 8, 64));
    }
}
