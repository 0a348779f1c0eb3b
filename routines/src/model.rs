//! The description of a routine: its name, its arguments and the meaning of each.

/// One function of a math library, under its canonical name.
#[derive(Debug)]
pub struct Routine {
    /// The name without any mangling: `cblas_sgemm`, `sgemm` (the Fortran one), `dgesv`, `vDSP_vsmul`, `vvexpf`.
    pub name: &'static str,
    /// The library family it belongs to.
    pub family: Family,
    /// How it takes its arguments.
    pub convention: Convention,
    /// Its place inside the family.
    pub level: Level,
    /// Its arguments in order, hidden Fortran string lengths included at the end.
    pub args: &'static [Arg],
    /// Its return value.
    pub returns: Ret,
    /// A short description of what it computes.
    pub purpose: &'static str,
}

/// One argument of a routine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arg {
    /// Its name in the reference documentation, lower case; a hidden string length is `NAME_len`.
    pub name: &'static str,
    /// Its C type.
    pub ty: ArgTy,
    /// Its meaning.
    pub role: Role,
}

/// The library families of the catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// The C interface to the BLAS.
    Cblas,
    /// The BLAS under its Fortran names.
    Fortran,
    /// LAPACK under its Fortran names.
    Lapack,
    /// Apple's vDSP: strided vector arithmetic.
    Vdsp,
    /// Apple's vForce: elementary functions on contiguous vectors.
    Vforce,
    /// Extensions of the BLAS in OpenBLAS and Accelerate, in either convention.
    BlasExtension,
}

impl Family {
    /// A name for files and tables: `cblas`, `blas`, `lapack`, `vdsp`, `vforce`, `blas_extension`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cblas => "cblas",
            Self::Fortran => "blas",
            Self::Lapack => "lapack",
            Self::Vdsp => "vdsp",
            Self::Vforce => "vforce",
            Self::BlasExtension => "blas_extension",
        }
    }
}

/// How a routine takes its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Convention {
    /// Numbers by value, arrays by pointer.
    C,
    /// Everything by pointer, and a hidden length at the end for each character argument.
    Fortran,
}

/// The place of a routine inside its family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Level {
    /// Vector with vector.
    Blas1,
    /// Matrix with vector.
    Blas2,
    /// Matrix with matrix.
    Blas3,
    /// A whole problem: solve, eigenvalues, least squares.
    Driver,
    /// A step of a driver: factorise, substitute, reduce.
    Computational,
    /// A helper: norms, copies, rotations.
    Auxiliary,
    /// One result per element (vDSP, vForce).
    Elementwise,
    /// One result per vector (vDSP).
    Reduction,
    /// Matrix arithmetic of vDSP.
    Matrix,
}

/// The width of the integers of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Width {
    /// 32-bit integers.
    Lp64,
    /// 64-bit integers.
    Ilp64,
}

impl Width {
    /// 32 or 64.
    #[must_use]
    pub const fn bits(self) -> u32 {
        match self {
            Self::Lp64 => 32,
            Self::Ilp64 => 64,
        }
    }
}

/// The type behind a pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Elem {
    /// An integer of the interface's width.
    Int,
    /// A C `int`, 32 bits in every interface (vForce's counts).
    Int32,
    /// A `vDSP_Length`.
    Length,
    /// A single-precision number.
    F32,
    /// A double-precision number.
    F64,
    /// A single-precision complex number: two `f32`.
    C32,
    /// A double-precision complex number: two `f64`.
    C64,
    /// A Fortran LOGICAL, as wide as an integer of the interface.
    Logical,
    /// A Fortran CHARACTER; only its first character has a meaning.
    Char,
}

impl Elem {
    /// Bytes of one element.
    #[must_use]
    pub const fn size(self, width: Width) -> usize {
        match self {
            Self::Int | Self::Logical => width.bits() as usize / 8,
            Self::Int32 | Self::F32 => 4,
            Self::F64 | Self::C32 | Self::Length => 8,
            Self::C64 => 16,
            Self::Char => 1,
        }
    }

    /// The Rust type behind the pointer; a complex number is seen as its real part.
    #[must_use]
    pub const fn rust(self, width: Width) -> &'static str {
        match (self, width) {
            (Self::Int | Self::Logical, Width::Lp64) | (Self::Int32, _) => "i32",
            (Self::Int | Self::Logical, Width::Ilp64) => "i64",
            (Self::F32 | Self::C32, _) => "f32",
            (Self::F64 | Self::C64, _) => "f64",
            (Self::Length, _) => "usize",
            (Self::Char, _) => "u8",
        }
    }
}

/// The C type of an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ArgTy {
    /// An integer of the interface's width, by value.
    Int,
    /// A CBLAS enumeration: a C `int`, 32 bits in every interface.
    Enum,
    /// A `float` by value.
    F32,
    /// A `double` by value.
    F64,
    /// A `vDSP_Stride`: `isize` by value.
    Stride,
    /// A `vDSP_Length`: `usize` by value.
    Length,
    /// The hidden length of a Fortran CHARACTER argument: `usize` by value. Not every caller passes it; declare it to
    /// pass it on, never use it.
    CharLen,
    /// A pointer to data that the routine only reads.
    Const(Elem),
    /// A pointer to data that the routine may write.
    Mut(Elem),
    /// A pointer to a function (the SELECT of ?gees).
    Callback,
}

impl ArgTy {
    /// The element type behind a pointer to data.
    #[must_use]
    pub const fn elem(self) -> Option<Elem> {
        match self {
            Self::Const(elem) | Self::Mut(elem) => Some(elem),
            _ => None,
        }
    }

    /// The Rust spelling for an `extern "C"` function: `i64`, `*const f32`, `*mut f64`.
    #[must_use]
    pub fn rust(self, width: Width) -> String {
        match self {
            Self::Int => Elem::Int.rust(width).into(),
            Self::Enum => "i32".into(),
            Self::F32 => "f32".into(),
            Self::F64 => "f64".into(),
            Self::Stride => "isize".into(),
            Self::Length | Self::CharLen => "usize".into(),
            Self::Const(elem) => format!("*const {}", elem.rust(width)),
            Self::Mut(elem) => format!("*mut {}", elem.rust(width)),
            Self::Callback => "*const ()".into(),
        }
    }
}

/// The return value of a routine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ret {
    /// Nothing.
    Void,
    /// A `float`.
    F32,
    /// A `double`.
    F64,
    /// An integer of the interface's width.
    Int,
    /// A `CBLAS_INDEX`: `usize`.
    Size,
    /// A complex number by value, as gfortran and C return it ([`Complex32`]).
    C32,
    /// A complex number by value, as gfortran and C return it ([`Complex64`]).
    C64,
}

impl Ret {
    /// The Rust spelling for an `extern "C"` function; empty for [`Ret::Void`].
    #[must_use]
    pub const fn rust(self, width: Width) -> &'static str {
        match self {
            Self::Void => "",
            Self::F32 => "f32",
            Self::F64 => "f64",
            Self::Int => Elem::Int.rust(width),
            Self::Size => "usize",
            Self::C32 => "raptors_routines::Complex32",
            Self::C64 => "raptors_routines::Complex64",
        }
    }
}

/// A single-precision complex number as C's `float _Complex` is passed and returned.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[repr(C)]
pub struct Complex32 {
    /// Real part.
    pub re: f32,
    /// Imaginary part.
    pub im: f32,
}

/// A double-precision complex number as C's `double _Complex` is passed and returned.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[repr(C)]
pub struct Complex64 {
    /// Real part.
    pub re: f64,
    /// Imaginary part.
    pub im: f64,
}

/// The meaning of an argument. `of` is the index in [`Routine::args`] of the array that the argument belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Rows.
    M,
    /// Columns, or the order of a square matrix.
    N,
    /// The inner dimension, or the number of off-diagonals.
    K,
    /// Elements of a vector (BLAS level 1, vDSP, vForce).
    Count,
    /// Right-hand sides (LAPACK).
    Nrhs,
    /// Any other size or index going in: bandwidths, ranges, counts of reflectors.
    Dimension,
    /// The distance between neighbouring elements of an array, in elements.
    Increment {
        /// Index of the array.
        of: u8,
    },
    /// The distance between neighbouring columns (or rows) of a matrix, in elements.
    LeadingDim {
        /// Index of the matrix.
        of: u8,
    },
    /// A number going in, by value or by pointer: alpha, beta, a cosine.
    Scalar,
    /// An array that is read.
    Input,
    /// An array or a number that is written.
    Output,
    /// An array that is read and written.
    InOut,
    /// Row-major or column-major.
    Layout,
    /// Transposed or not.
    Trans,
    /// Upper or lower triangle.
    Uplo,
    /// Unit diagonal or not.
    Diag,
    /// Left or right.
    Side,
    /// Any other choice: jobs, norms, ranges.
    Flag,
    /// Workspace.
    Work,
    /// The size of a workspace; −1 asks for the best one.
    WorkSize,
    /// LAPACK's INFO.
    Info,
    /// A function the routine calls back.
    Callback,
    /// The hidden length of a character argument.
    CharLen {
        /// Index of the character argument.
        of: u8,
    },
}

impl Role {
    /// A lower-case name for files and tables: `m`, `leading_dim`, `scalar`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::M => "m",
            Self::N => "n",
            Self::K => "k",
            Self::Count => "count",
            Self::Nrhs => "nrhs",
            Self::Dimension => "dimension",
            Self::Increment { .. } => "increment",
            Self::LeadingDim { .. } => "leading_dim",
            Self::Scalar => "scalar",
            Self::Input => "input",
            Self::Output => "output",
            Self::InOut => "inout",
            Self::Layout => "layout",
            Self::Trans => "trans",
            Self::Uplo => "uplo",
            Self::Diag => "diag",
            Self::Side => "side",
            Self::Flag => "flag",
            Self::Work => "work",
            Self::WorkSize => "work_size",
            Self::Info => "info",
            Self::Callback => "callback",
            Self::CharLen { .. } => "char_len",
        }
    }
}

/// The positions of the arguments that give the size of a call; each an index into [`Routine::args`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// Rows, or the elements of a vector, or n if there is no m.
    pub m: Option<u8>,
    /// Columns; `None` if `m` already is n.
    pub n: Option<u8>,
    /// The inner dimension, else the number of right-hand sides.
    pub k: Option<u8>,
    /// The first two increments or leading dimensions of arrays, in order.
    pub steps: [Option<u8>; 2],
    /// The first scalar: alpha.
    pub scalar: Option<u8>,
}

impl Routine {
    /// The positions of this routine's sizes, increments and first scalar.
    #[must_use]
    pub fn shape(&self) -> Shape {
        let place = |role: Role| self.args.iter().position(|arg| arg.role == role).map(|i| i as u8);
        let (m, n) = (place(Role::M).or_else(|| place(Role::Count)), place(Role::N));
        let mut steps = self.indices(|arg| matches!(arg.role, Role::Increment { .. } | Role::LeadingDim { .. }));
        Shape {
            m: m.or(n),
            n: if m.is_some() { n } else { None },
            k: place(Role::K).or_else(|| place(Role::Nrhs)),
            steps: [steps.next(), steps.next()],
            scalar: place(Role::Scalar),
        }
    }

    /// Indices of the data arrays in order: read, written or both; no scalars, workspaces or INFO.
    pub fn arrays(&self) -> impl Iterator<Item = u8> {
        self.indices(|arg| matches!(arg.role, Role::Input | Role::Output | Role::InOut))
    }

    fn indices(&self, wanted: impl Fn(&Arg) -> bool) -> impl Iterator<Item = u8> {
        self.args.iter().enumerate().filter(move |(_, arg)| wanted(arg)).map(|(i, _)| i as u8)
    }
}
