//! The catalogue itself, generated from `tables/` by the build script.

use crate::model::{Arg, ArgTy, Convention, Elem, Family, Level, Ret, Role, Routine};

include!(concat!(env!("OUT_DIR"), "/catalogue.rs"));

/// The routine of this canonical name (`cblas_sgemm`, `dgesv`, `vDSP_vsmul`), without any mangling.
#[must_use]
pub fn find(name: &str) -> Option<&'static Routine> {
    let index = CATALOGUE.binary_search_by(|routine| routine.name.cmp(name)).ok()?;
    Some(&CATALOGUE[index])
}
