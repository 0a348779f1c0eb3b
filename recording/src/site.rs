//! What the `site` of a record means: the run file has one document for each call site, under [`Site::KEY`].

use serde::{Deserialize, Serialize};

/// A call site: a loop, a routine or a part of the kernel that observers can see.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Site {
    /// What records name it by, from 1 on.
    pub id: u32,
    /// What runs there.
    pub kind: SiteKind,
    /// `np.multiply[ff->f]`, `cblas_sgemm`, `simd`.
    pub name: String,
    /// The code's own name.
    pub symbol: Option<String>,
    /// The file the code is in.
    pub module: Option<String>,
    /// The code's address in its file's own numbering, if it was found.
    pub offset: Option<u64>,
    /// The kernel's reason for a branch; only for a dispatch.
    pub reason: Option<String>,
    /// Bits of a routine's integers.
    pub width: Option<u32>,
    /// Inputs of a loop.
    pub nin: usize,
    /// Outputs of a loop.
    pub nout: usize,
    /// Bytes of one element of each operand of a loop.
    pub item_sizes: Vec<u64>,
    /// `(n?,k),(k,m?)->(n?,m?)` of a generalised ufunc's loop.
    pub core_signature: Option<String>,
}

/// What runs at a call site.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SiteKind {
    /// The inner loop of a ufunc.
    #[default]
    Loop,
    /// A routine of a math library.
    Routine,
    /// A backend of the kernel.
    Backend,
    /// A choice among the kernel's backends.
    Dispatch,
    /// A conversion between arrays of the kernel and others.
    Convert,
}

impl Site {
    /// What its document is called.
    pub const KEY: &str = "site";
}
