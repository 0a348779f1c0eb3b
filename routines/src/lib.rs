#![doc = include_str!("../README.md")]

mod catalogue;
mod model;
mod symbol;
mod traffic;

pub use catalogue::{CATALOGUE, find};
pub use model::{Arg, ArgTy, Complex32, Complex64, Convention, Elem, Family, Level, Ret, Role, Routine, Shape, Width};
pub use symbol::{Mangling, TargetOs, library_width, parse_symbol, strip_mach_o_underscore};
