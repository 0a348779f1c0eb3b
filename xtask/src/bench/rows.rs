//! What is compared, row by row.

use super::Case;

/// One row of a table: a pair of statements.
pub struct Row {
    /// What it is called.
    pub title: &'static str,
    /// What NumPy's side or the other library is called.
    pub against: &'static str,
    /// Threads that the Raptors kernel may use.
    pub threads: u32,
    /// The smallest size that says anything.
    pub from: u32,
    /// Whether results are kept.
    pub kept: bool,
    /// Arguments of `compare`.
    pub arguments: &'static [&'static str],
}

impl Row {
    /// Whether a case of the run is of this row: the main job has several.
    pub fn wants(&self, case: &Case) -> bool {
        let kept = case.results == "kept";
        case.name != "round trip" && kept == self.kept
    }
}

const OUT: &str = "a = rng.random(shape, dtype=dtype); r = kernel.from_numpy(a); o = np.empty_like(a); \
                   t = kernel.from_numpy(np.empty_like(a))";
const IN: &str = "a = rng.random(shape, dtype=dtype); r = kernel.from_numpy(a)";
const NUMEXPR: &str = "import numexpr as ne; ne.set_num_threads(1); a = rng.random(shape, dtype=dtype); \
                       k = a.dtype.type(2.5); o = np.empty_like(a); r = kernel.from_numpy(a); \
                       t = kernel.from_numpy(np.empty_like(a))";
const SSCAL: &str = "from scipy.linalg.blas import sscal, dscal; a = rng.random(shape, dtype=dtype); \
                     v = a.reshape(-1); f = sscal if a.itemsize == 4 else dscal; r = kernel.from_numpy(a)";
const C_LOOP: &str = "import ctypes, os; a = rng.random(shape, dtype=dtype); o = np.empty_like(a); \
                      r = kernel.from_numpy(a); t = kernel.from_numpy(np.empty_like(a)); \
                      f = getattr(ctypes.CDLL(os.environ['RAPTORS_BENCH_C']), 'scale_' + a.dtype.name); \
                      f.restype = None; c = ctypes.c_float if a.itemsize == 4 else ctypes.c_double; \
                      f.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, c]; \
                      p, q, n = a.ctypes.data, o.ctypes.data, a.size";

/// All rows, NumPy's first.
pub const ALL: &[Row] = &[
    Row {
        title: "fresh result, dropped, 1 thread",
        against: "NumPy",
        threads: 1,
        from: 1,
        kept: false,
        arguments: &["--setup", IN, "--a", "a * 2.5", "--b", "r.scale(2.5)"],
    },
    Row {
        title: "fresh results, kept, 1 thread",
        against: "NumPy",
        threads: 1,
        from: 1,
        kept: true,
        arguments: &[],
    },
    Row {
        title: "`out=`, 1 thread",
        against: "NumPy",
        threads: 1,
        from: 1,
        kept: false,
        arguments: &[
            "--setup",
            OUT,
            "--a",
            "np.multiply(a, 2.5, out=o)",
            "--b",
            "r.scale(2.5, out=t)",
        ],
    },
    Row {
        title: "`out=` with `stores=\"stream\"`, 1 thread",
        against: "NumPy",
        threads: 1,
        from: 2048,
        kept: false,
        arguments: &[
            "--setup",
            OUT,
            "--a",
            "np.multiply(a, 2.5, out=o)",
            "--b",
            "r.scale(2.5, out=t, stores='stream')",
        ],
    },
    Row {
        title: "in place, 1 thread",
        against: "NumPy",
        threads: 1,
        from: 1,
        kept: false,
        arguments: &[
            "--setup",
            IN,
            "--a",
            "np.multiply(a, s, out=a)",
            "--b",
            "r.scale_inplace(s)",
            "--in-place",
        ],
    },
    Row {
        title: "scale, then sum of the result, 1 thread",
        against: "NumPy",
        threads: 1,
        from: 1,
        kept: false,
        arguments: &[
            "--setup",
            IN,
            "--a",
            "(a * 2.5).sum()",
            "--b",
            "r.scale(2.5).to_numpy().sum()",
        ],
    },
    Row {
        title: "fresh result, dropped, 2 threads",
        against: "NumPy",
        threads: 2,
        from: 1,
        kept: false,
        arguments: &["--setup", IN, "--a", "a * 2.5", "--b", "r.scale(2.5)"],
    },
    Row {
        title: "numexpr `a * k`, `out=`, 1 thread",
        against: "numexpr",
        threads: 1,
        from: 1,
        kept: false,
        arguments: &[
            "--setup",
            NUMEXPR,
            "--a",
            "ne.evaluate('a * k', out=o)",
            "--b",
            "r.scale(2.5, out=t)",
        ],
    },
    Row {
        title: "`scipy.linalg.blas.sscal`/`dscal`, in place, 1 thread",
        against: "SciPy's OpenBLAS",
        threads: 1,
        from: 1,
        kept: false,
        arguments: &[
            "--setup",
            SSCAL,
            "--a",
            "f(s, v)",
            "--b",
            "r.scale_inplace(s)",
            "--in-place",
            "--allow-different",
        ],
    },
    Row {
        title: "C loop, `cc -O3 -march=native`, `out=`, 1 thread",
        against: "C",
        threads: 1,
        from: 1,
        kept: false,
        arguments: &[
            "--setup",
            C_LOOP,
            "--a",
            "f(p, q, n, 2.5)",
            "--b",
            "r.scale(2.5, out=t)",
            "--allow-different",
        ],
    },
];
