//! Where the sizes of a call stand where the function begins, and how each tracer's language reads them: the one table
//! of it, for the scripts and for the engines.
//!
//! | integer or pointer argument | x86-64 (System V) | AArch64 (AAPCS64) |
//! |---|---|---|
//! | 1st to 6th | register; `arg0` … `arg5` | register; `arg0` … `arg5` |
//! | 7th, 8th | stack; DTrace `arg6`, `arg7`, bpftrace `sarg0`, `sarg1` | register; `arg6`, `arg7` |
//! | 9th and later | not read | stack, whose slots differ between Linux and macOS: not read |
//!
//! A number in a vector register takes no place in this order, and neither tracer can read it.

use raptors_routines::{ArgTy, Elem, Role, Routine, Width};

use super::Tool;

/// Integer and pointer arguments that both tracers read on both architectures.
const READABLE: usize = 8;
/// Of these, the ones that bpftrace calls `arg0` and so on; it has another name for those on the stack.
const BPFTRACE_REGISTERS: u8 = if cfg!(target_arch = "aarch64") { 8 } else { 6 };

/// How many bits are read, and as what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bits {
    /// A signed integer of 32 bits.
    I32,
    /// 64 bits.
    I64,
    /// The 32 bits of a float, as a number.
    U32,
    /// A signed integer of the interface's width: 32 bits, or 64 in an ILP64 library.
    Interface,
}

/// How one of a call's values is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// It is this argument of the probe, counted from 0.
    Value(u8, Bits),
    /// It lies so many bytes behind this argument of the probe.
    Behind(u8, u8, Bits),
    /// The call has no such value, or no tracer reads it.
    Absent,
}

impl Source {
    /// An argument of a routine, by its index in the prototype.
    fn argument(routine: &Routine, index: usize) -> Self {
        let in_integer_register = |ty: ArgTy| !matches!(ty, ArgTy::F32 | ArgTy::F64);
        let place = routine.args[..index].iter().filter(|arg| in_integer_register(arg.ty)).count();
        let Some(place) = u8::try_from(place).ok().filter(|_| place < READABLE) else {
            return Self::Absent;
        };
        match routine.args[index].ty {
            ArgTy::Int => Self::Value(place, Bits::Interface),
            ArgTy::Enum => Self::Value(place, Bits::I32),
            ArgTy::Stride | ArgTy::Length | ArgTy::CharLen => Self::Value(place, Bits::I64),
            ArgTy::Const(Elem::Int) | ArgTy::Mut(Elem::Int) => Self::Behind(place, 0, Bits::Interface),
            ArgTy::Const(Elem::Int32) | ArgTy::Mut(Elem::Int32) => Self::Behind(place, 0, Bits::I32),
            ArgTy::Const(Elem::Length) | ArgTy::Mut(Elem::Length) => Self::Behind(place, 0, Bits::I64),
            ArgTy::Const(Elem::F32) => Self::Behind(place, 0, Bits::U32),
            ArgTy::Const(Elem::F64) => Self::Behind(place, 0, Bits::I64),
            // A complex number has two halves.
            _ => Self::Absent,
        }
    }

    fn bits(self) -> Option<Bits> {
        match self {
            Self::Value(_, bits) | Self::Behind(_, _, bits) => Some(bits),
            Self::Absent => None,
        }
    }

    /// The same with the width of the interface known.
    fn of_width(self, width: Width) -> Self {
        let known = |bits| match (bits, width) {
            (Bits::Interface, Width::Lp64) => Bits::I32,
            (Bits::Interface, Width::Ilp64) => Bits::I64,
            _ => bits,
        };
        match self {
            Self::Value(argument, bits) => Self::Value(argument, known(bits)),
            Self::Behind(argument, offset, bits) => Self::Behind(argument, offset, known(bits)),
            Self::Absent => Self::Absent,
        }
    }

    /// The value in a tracer's language, a signed integer of 64 bits; 0 where there is none. Where the interface's
    /// width is not known, the D script has it in `this->wide`.
    pub fn spelled(self, tool: Tool) -> String {
        if self.bits() == Some(Bits::Interface) {
            let [wide, narrow] = [Width::Ilp64, Width::Lp64].map(|width| self.of_width(width).spelled(tool));
            return format!("this->wide ? {wide} : {narrow}");
        }
        match tool {
            Tool::Dtrace => self.in_d(),
            Tool::Bpftrace => self.in_bpftrace(),
        }
    }

    fn in_d(self) -> String {
        match self {
            Self::Value(argument, Bits::I32) => format!("(int64_t)(int)arg{argument}"),
            Self::Value(argument, _) => format!("(int64_t)arg{argument}"),
            Self::Behind(argument, offset, bits) => {
                let at = behind(format!("arg{argument}"), offset);
                match bits {
                    Bits::I32 => format!("(int64_t)*(int *)copyin({at}, 4)"),
                    Bits::U32 => format!("(int64_t)*(uint32_t *)copyin({at}, 4)"),
                    _ => format!("*(int64_t *)copyin({at}, 8)"),
                }
            }
            Self::Absent => "(int64_t)0".into(),
        }
    }

    fn in_bpftrace(self) -> String {
        let named = |argument: u8| match argument.checked_sub(BPFTRACE_REGISTERS) {
            None => format!("arg{argument}"),
            Some(on_stack) => format!("sarg{on_stack}"),
        };
        match self {
            Self::Value(argument, Bits::I32) => format!("(int64)(int32){}", named(argument)),
            Self::Value(argument, _) => format!("(int64){}", named(argument)),
            Self::Behind(argument, offset, bits) => {
                let at = match offset {
                    0 => named(argument),
                    _ => format!("({})", behind(named(argument), offset)),
                };
                match bits {
                    Bits::I32 => format!("(int64)*(int32*){at}"),
                    Bits::U32 => format!("(int64)*(uint32*){at}"),
                    _ => format!("*(int64*){at}"),
                }
            }
            Self::Absent => "(int64)0".into(),
        }
    }
}

fn behind(argument: String, offset: u8) -> String {
    if offset == 0 { argument } else { format!("{argument} + {offset}") }
}

/// Where the values of a call stand, in the columns of the scripts' tables: m, n, k, three increments, the scalar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout(pub [Source; 7]);

impl Layout {
    /// That of a routine; with its interface's width, where that is known.
    pub fn of_routine(routine: &Routine, width: Option<Width>) -> Self {
        let shape = routine.shape();
        let is_step = |&i: &usize| matches!(routine.args[i].role, Role::Increment { .. } | Role::LeadingDim { .. });
        let mut steps = (0..routine.args.len()).filter(is_step);
        let source = |index: Option<usize>| index.map_or(Source::Absent, |index| Source::argument(routine, index));
        let [m, n, k, scalar] = [shape.m, shape.n, shape.k, shape.scalar].map(|index| source(index.map(usize::from)));
        let all = Self([m, n, k, source(steps.next()), source(steps.next()), source(steps.next()), scalar]);
        match width {
            Some(width) => Self(all.0.map(|source| source.of_width(width))),
            None => all,
        }
    }

    /// That of a ufunc's inner loop, whose n stands in the column of m, and `count` strides (or core dimensions of a
    /// generalised one), at most three, in those of the increments:
    /// `loop(char **args, npy_intp const *dimensions, npy_intp const *strides, void *data)`, `numpy/ufuncobject.h`.
    pub fn of_loop(count: usize, generalised: bool) -> Self {
        let detail = |i: u8| match generalised {
            _ if usize::from(i) >= count => Source::Absent,
            true => Source::Behind(1, 8 * (i + 1), Bits::I64),
            false => Source::Behind(2, 8 * i, Bits::I64),
        };
        let n = Source::Behind(1, 0, Bits::I64);
        Self([n, Source::Absent, Source::Absent, detail(0), detail(1), detail(2), Source::Absent])
    }

    /// Whether some value is as wide as the interface, and that is not known.
    pub fn asks_for_width(&self) -> bool {
        self.0.iter().any(|source| source.bits() == Some(Bits::Interface))
    }
}

/// A loop's n and up to three strides, or core dimensions of a generalised one: what the engines count its calls by.
pub fn of_loop(operands: u32, generalised: bool) -> [Source; 4] {
    let Layout([n, _, _, first, second, third, _]) = Layout::of_loop(operands as usize, generalised);
    [n, first, second, third]
}

/// A routine's m, n and k, likewise. `width` is the bits of the library's integers.
pub fn of_routine(routine: &Routine, width: u32) -> [Source; 4] {
    let width = if width == Width::Ilp64.bits() { Width::Ilp64 } else { Width::Lp64 };
    let Layout([m, n, k, ..]) = Layout::of_routine(routine, Some(width));
    [m, n, k, Source::Absent]
}

#[cfg(test)]
mod tests {
    use raptors_routines::find;

    use super::*;

    fn layout(name: &str, width: Option<Width>) -> [Source; 7] {
        Layout::of_routine(find(name).unwrap(), width).0
    }

    #[test]
    fn sizes_stand_where_the_prototype_says() {
        // cblas_sgemm(layout, transa, transb, m, n, k, float alpha, a, lda, …): alpha is in a vector register.
        let int = |argument| Source::Value(argument, Bits::Interface);
        let none = Source::Absent;
        assert_eq!(layout("cblas_sgemm", None), [int(3), int(4), int(5), int(7), none, none, none]);
        let narrow = [3, 4, 5].map(|argument| Source::Value(argument, Bits::I32));
        assert_eq!(layout("cblas_sgemm", Some(Width::Lp64))[..3], narrow);
        let long = |argument| Source::Value(argument, Bits::I64);
        let scalar = Source::Behind(2, 0, Bits::U32);
        assert_eq!(
            layout("vDSP_vsmul", None),
            [long(5), none, none, long(1), long(4), none, scalar],
            "a, ia, b, c, ic, n"
        );
        assert_eq!(layout("vvexpf", None)[0], Source::Behind(2, 0, Bits::I32));
        assert_eq!(layout("dgesv", None)[0], Source::Behind(0, 0, Bits::Interface), "Fortran passes pointers");
        assert_eq!(layout("cblas_zgemm", None)[6], none);
    }

    #[test]
    fn the_seventh_and_eighth_argument_are_read_and_the_ninth_is_not() {
        // cblas_strsm(layout, side, uplo, transa, diag, m, n, …); vDSP_mmul(a, ia, b, ib, c, ic, m, n, p).
        let trsm = of_routine(find("cblas_strsm").unwrap(), 32);
        assert_eq!(trsm[..2], [5, 6].map(|argument| Source::Value(argument, Bits::I32)));
        let mmul = of_routine(find("vDSP_mmul").unwrap(), 64);
        assert_eq!(mmul[..3], [Source::Value(6, Bits::I64), Source::Value(7, Bits::I64), Source::Absent]);
        assert_eq!(mmul[1].spelled(Tool::Dtrace), "(int64_t)arg7");
        let on_stack = if cfg!(target_arch = "aarch64") { "(int64)arg7" } else { "(int64)sarg1" };
        assert_eq!(mmul[1].spelled(Tool::Bpftrace), on_stack);
    }

    #[test]
    fn a_width_that_is_not_known_is_asked_for_in_the_script() {
        let n = layout("dgesv", None)[0];
        assert_eq!(
            n.spelled(Tool::Dtrace),
            "this->wide ? *(int64_t *)copyin(arg0, 8) : (int64_t)*(int *)copyin(arg0, 4)"
        );
        let known = layout("dgesv", Some(Width::Lp64))[0];
        assert_eq!(known.spelled(Tool::Bpftrace), "(int64)*(int32*)arg0");
    }

    #[test]
    fn a_loops_strides_are_as_many_as_it_has_operands() {
        assert_eq!(of_loop(2, false)[2], Source::Behind(2, 8, Bits::I64));
        assert_eq!(of_loop(2, false)[3], Source::Absent);
        assert_eq!(of_loop(3, true)[1], Source::Behind(1, 8, Bits::I64));
        assert_eq!(of_loop(3, false)[2].spelled(Tool::Bpftrace), "*(int64*)(arg2 + 8)");
    }
}
