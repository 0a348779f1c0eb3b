//! The comparisons, row by row.

use super::Case;

/// One row of a table: a pair of statements.
pub struct Row {
    /// Its title.
    pub title: &'static str,
    /// Threads that the Raptors kernel may use.
    pub threads: u32,
    /// The smallest size for which the row makes sense.
    pub from: u32,
    /// Whether results are kept.
    pub kept: bool,
    /// Arguments of `compare`.
    pub arguments: &'static [&'static str],
}

impl Row {
    /// Whether a case of the run belongs to this row: the main job has several.
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

/// The values of most rows.
const ONE_THREAD: Row = Row { title: "", threads: 1, from: 1, kept: false, arguments: &[] };

/// All rows, NumPy's first.
pub const ALL: &[Row] = &[
    Row {
        title: "fresh result, dropped, 1 thread",
        arguments: &["--setup", IN, "--a", "a * 2.5", "--b", "r.scale(2.5)"],
        ..ONE_THREAD
    },
    Row { title: "fresh results, kept, 1 thread", kept: true, ..ONE_THREAD },
    Row {
        title: "`out=`, 1 thread",
        arguments: &["--setup", OUT, "--a", "np.multiply(a, 2.5, out=o)", "--b", "r.scale(2.5, out=t)"],
        ..ONE_THREAD
    },
    Row {
        title: "`out=` with `stores=\"stream\"`, 1 thread",
        from: 2048,
        arguments: &[
            "--setup",
            OUT,
            "--a",
            "np.multiply(a, 2.5, out=o)",
            "--b",
            "r.scale(2.5, out=t, stores='stream')",
        ],
        ..ONE_THREAD
    },
    Row {
        title: "in place, 1 thread",
        arguments: &["--setup", IN, "--a", "np.multiply(a, s, out=a)", "--b", "r.scale_inplace(s)", "--in-place"],
        ..ONE_THREAD
    },
    Row {
        title: "scale, then sum of the result, 1 thread",
        arguments: &["--setup", IN, "--a", "(a * 2.5).sum()", "--b", "r.scale(2.5).to_numpy().sum()"],
        ..ONE_THREAD
    },
    Row {
        title: "fresh result, dropped, 2 threads",
        threads: 2,
        arguments: &["--setup", IN, "--a", "a * 2.5", "--b", "r.scale(2.5)"],
        ..ONE_THREAD
    },
    Row {
        title: "against numexpr `a * k`, `out=`, 1 thread",
        arguments: &["--setup", NUMEXPR, "--a", "ne.evaluate('a * k', out=o)", "--b", "r.scale(2.5, out=t)"],
        ..ONE_THREAD
    },
    Row {
        title: "against `scipy.linalg.blas.sscal`/`dscal`, in place, 1 thread",
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
        ..ONE_THREAD
    },
    Row {
        title: "against C loop, `cc -O3 -march=native`, `out=`, 1 thread",
        arguments: &["--setup", C_LOOP, "--a", "f(p, q, n, 2.5)", "--b", "r.scale(2.5, out=t)", "--allow-different"],
        ..ONE_THREAD
    },
];
