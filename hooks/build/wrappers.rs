//! One typed wrapper per routine of the catalogue, and the tables of their copies.

use raptors_routines::{ArgTy, CATALOGUE, Elem, Family, Ret, Role, Routine, Width};
use std::fmt::Write as _;

/// The number of functions of one name that can be observed at the same time, per width if widths have separate
/// wrappers.
const COPIES: usize = 4;
const COPIES_PER_WIDTH: usize = 3;

/// `packed`: whether each width needs its own wrapper.
pub fn all(packed: bool) -> String {
    let widths: &[Option<Width>] = if packed { &[Some(Width::Lp64), Some(Width::Ilp64)] } else { &[None] };
    let copies = if packed { COPIES_PER_WIDTH } else { COPIES };
    let rows = CATALOGUE.len() * widths.len();
    let mut text = String::new();
    let mut table = String::new();
    for (row, (routine, width)) in CATALOGUE.iter().flat_map(|r| widths.iter().map(move |w| (r, *w))).enumerate() {
        let wrapper = Wrapper { routine, width, row };
        text += &wrapper.function();
        let name = wrapper.name();
        let copy = |c| format!("Wrapper({name}::<{c}> as *const ())");
        let all: Vec<String> = (0..copies).map(copy).collect();
        writeln!(table, "    [{}],", all.join(", ")).expect("a String takes all text");
    }
    let names: Vec<String> = widths.iter().map(|w| spelled(*w)).collect();
    text + &format!(
        "pub(super) const COPIES: usize = {copies};\n\
         pub(super) static WIDTHS: [Option<Width>; {}] = [{}];\n\
         pub(super) static INSTANCES: [[Instance; COPIES]; {rows}] = [const {{ [const {{ Instance::free() }}; COPIES] \
         }}; {rows}];\n\
         pub(super) static WRAPPERS: [[Wrapper; COPIES]; {rows}] = [\n{table}];\n",
        widths.len(),
        names.join(", "),
    )
}

fn spelled(width: Option<Width>) -> String {
    width.map_or("None".into(), |w| format!("Some(Width::{w:?})"))
}

struct Wrapper<'a> {
    routine: &'a Routine,
    /// `None` serves both.
    width: Option<Width>,
    row: usize,
}

impl Wrapper<'_> {
    fn name(&self) -> String {
        let width = self.width.map_or(String::new(), |w| format!("_{}", w.bits()));
        format!("raptors_{}{width}", self.routine.name)
    }

    fn function(&self) -> String {
        let types: Vec<&str> = self.routine.args.iter().map(|a| self.argument(a.ty)).collect();
        let names: Vec<String> = (0..types.len()).map(|i| format!("a{i}")).collect();
        let declared: Vec<String> = names.iter().zip(&types).map(|(n, t)| format!("{n}: {t}")).collect();
        let returns = match self.result() {
            "" => String::new(),
            result => format!(" -> {result}"),
        };
        format!(
            "#[allow(non_snake_case, unused_unsafe, unused_parens, clippy::all)]\n\
             unsafe extern \"C-unwind\" fn {name}<const COPY: usize>({declared}){returns} {{\n\
             \x20   let instance = &INSTANCES[{row}][COPY];\n\
             \x20   // SAFETY: assigned before this wrapper was handed out: a function of this signature.\n\
             \x20   let original = unsafe {{ std::mem::transmute::<*const (), unsafe extern \"C-unwind\" \
             fn({types}){returns}>(instance.original()) }};\n\
             \x20   if !instance.recording() {{\n\
             \x20       // SAFETY: the caller's own arguments.\n\
             \x20       return unsafe {{ original({args}) }};\n\
             \x20   }}\n\
             \x20   // SAFETY: pointers to sizes and scalars are what the routine itself reads, or null.\n\
             \x20   let call: Encoded = unsafe {{ {call} }}.into();\n\
             \x20   let running = Running::begin();\n\
             \x20   // SAFETY: the caller's own arguments.\n\
             \x20   let result = unsafe {{ original({args}) }};\n\
             \x20   finish(running, instance, call);\n\
             \x20   result\n\
             }}\n",
            name = self.name(),
            declared = declared.join(", "),
            row = self.row,
            types = types.join(", "),
            args = names.join(", "),
            call = self.call(),
        )
    }

    fn argument(&self, ty: ArgTy) -> &'static str {
        match ty {
            ArgTy::Int if self.width == Some(Width::Lp64) => "i32",
            ArgTy::Int | ArgTy::Stride => "isize",
            ArgTy::Enum => "i32",
            ArgTy::F32 => "f32",
            ArgTy::F64 => "f64",
            ArgTy::Length | ArgTy::CharLen => "usize",
            ArgTy::Const(_) | ArgTy::Mut(_) | ArgTy::Callback => "*const std::ffi::c_void",
        }
    }

    fn result(&self) -> &'static str {
        match self.routine.returns {
            Ret::Int => self.argument(ArgTy::Int),
            other => other.rust(Width::Ilp64),
        }
    }

    /// The event, as an expression.
    fn call(&self) -> String {
        let shape = self.routine.shape();
        let size = |at: Option<u8>| at.map_or("0".into(), |i| self.integer(i));
        let sizes: Vec<String> = [shape.m, shape.n, shape.k].into_iter().flatten().map(|i| self.integer(i)).collect();
        let scalar = shape.scalar.and_then(|i| self.scalar(i, &sizes)).unwrap_or("None".into());
        format!(
            "RoutineCall {{ m: {}.max(0_isize) as u64, n: count({}), k: count({}), steps: [step({}), step({})], \
             alignments: {}, aliasing: {}, scalar: {scalar} }}",
            size(shape.m),
            size(shape.n),
            size(shape.k),
            size(shape.steps[0]),
            size(shape.steps[1]),
            self.alignments(),
            self.aliasing(),
        )
    }

    /// Argument `i`, a size or a step, as an `isize`.
    fn integer(&self, i: u8) -> String {
        match self.routine.args[usize::from(i)].ty {
            ArgTy::Int if self.width.is_some() => format!("(a{i} as isize)"),
            ArgTy::Int => format!("instance.wide(a{i})"),
            ArgTy::Stride => format!("a{i}"),
            ArgTy::Length | ArgTy::CharLen | ArgTy::Enum => format!("(a{i} as isize)"),
            ArgTy::Const(Elem::Int) | ArgTy::Mut(Elem::Int) => format!("instance.integer(a{i})"),
            ArgTy::Const(Elem::Int32) | ArgTy::Mut(Elem::Int32) => {
                format!("(load::<i32>(a{i}) as isize)")
            }
            ArgTy::Const(Elem::Length) | ArgTy::Mut(Elem::Length) => format!("load::<isize>(a{i})"),
            other => panic!("{}: a size of type {other:?}", self.routine.name),
        }
    }

    /// The bits of argument `i` as an `Option`, for a complex number those of the real part; `None` if it has no such
    /// bits.
    ///
    /// What is behind a pointer is read only where the routine reads it too, because callers leave the pointer as it is
    /// where it does not: with nothing to compute, and in LAPACK, where other arguments decide (RANGE, and LWORK = -1,
    /// with which NumPy passes a pointer that it has not set yet).
    fn scalar(&self, i: u8, sizes: &[String]) -> Option<String> {
        let behind = |load: &str| {
            let is_read: String = sizes.iter().map(|size| format!(" && {size} > 0")).collect();
            format!("(if true{is_read} {{ Some({load}) }} else {{ None }})")
        };
        match self.routine.args[usize::from(i)].ty {
            ArgTy::F32 => Some(format!("Some(u64::from(a{i}.to_bits()))")),
            ArgTy::F64 => Some(format!("Some(a{i}.to_bits())")),
            ArgTy::Const(_) if self.routine.family == Family::Lapack => None,
            ArgTy::Const(Elem::F32 | Elem::C32) => Some(behind(&format!("u64::from(load::<u32>(a{i}))"))),
            ArgTy::Const(Elem::F64 | Elem::C64) => Some(behind(&format!("load::<u64>(a{i})"))),
            _ => None,
        }
    }

    fn alignments(&self) -> String {
        let one = |(k, i): (usize, u8)| format!(".with({k}, a{i} as usize)");
        let all: String = self.pointers(|_| true).take(8).enumerate().map(one).collect();
        format!("Alignments::NONE{all}")
    }

    /// How each array that is only read aliases the first array that is written.
    fn aliasing(&self) -> String {
        let Some(output) = self.pointers(|r| matches!(r, Role::Output | Role::InOut)).next() else {
            return "Aliasing::NONE".into();
        };
        let one = |(k, i): (usize, u8)| match (self.vector(output), self.vector(i)) {
            (Some(output), Some(input)) => format!(".with({k}, alias({output}, {input}))"),
            // The extent of a matrix is unknown here; only an equal start is reported.
            _ => format!(".with({k}, Alias::same(a{output} == a{i}))"),
        };
        let all: String = self.pointers(|r| r == Role::Input).take(16).enumerate().map(one).collect();
        format!("Aliasing::NONE{all}")
    }

    /// The data arrays of the wanted role, as indices of arguments.
    fn pointers(&self, wanted: impl Fn(Role) -> bool) -> impl Iterator<Item = u8> {
        let args = self.routine.args;
        self.routine.arrays().filter(move |&i| {
            let arg = &args[usize::from(i)];
            wanted(arg.role) && arg.ty.elem().is_some()
        })
    }

    /// The memory of array `i`, if it is a vector of known length and stride.
    fn vector(&self, i: u8) -> Option<String> {
        let args = self.routine.args;
        let size = args[usize::from(i)].ty.elem().expect("a data array is a pointer").size(Width::Ilp64);
        let place = |role| args.iter().position(|a| a.role == role).map(|at| at as u8);
        let n = self.integer(place(Role::Count)?);
        let stride = match (place(Role::Increment { of: i }), self.routine.family) {
            (Some(step), Family::Vdsp) => self.integer(step),
            // BLAS vectors with a negative step begin at the other end of the same memory.
            (Some(step), _) => format!("{}.saturating_abs()", self.integer(step)),
            (None, Family::Vforce) => "1_isize".into(),
            _ => return None,
        };
        Some(format!(
            "Memory {{ pointer: a{i} as usize, stride: {stride}.wrapping_mul({size}), n: {n}, size: {size} }}"
        ))
    }
}
