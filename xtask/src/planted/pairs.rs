//! Pairs of statements with a known difference, because its cause was planted.

/// One pair.
pub struct Pair {
    /// The planted cause in words.
    pub name: &'static str,
    /// The cause that has to be named first; none if there is no difference.
    pub cause: Option<&'static str>,
    /// Run once per side.
    pub setup: &'static str,
    /// Side A.
    pub a: &'static str,
    /// Side B, which has the cause.
    pub b: &'static str,
    /// The arrays' size, n × n.
    pub size: u32,
    /// Whether the values differ because the cause is in the data.
    pub allow_different: bool,
    /// Python code that prints why this machine does not have the cause, nothing if it has.
    pub absence: Option<&'static str>,
}

const fn pair(
    name: &'static str,
    cause: &'static str,
    size: u32,
    setup: &'static str,
    a: &'static str,
    b: &'static str,
) -> Pair {
    Pair { name, cause: Some(cause), setup, a, b, size, allow_different: false, absence: None }
}

const fn same(name: &'static str, size: u32, setup: &'static str, a: &'static str, b: &'static str) -> Pair {
    Pair { cause: None, ..pair(name, "", size, setup, a, b) }
}

const fn of_other_values(pair: Pair) -> Pair {
    Pair { allow_different: true, ..pair }
}

const fn unless(absence: &'static str, pair: Pair) -> Pair {
    Pair { absence: Some(absence), ..pair }
}

/// Denormal numbers are slow on Intel's processors and cost nothing on AMD's Zen.
const FAST_DENORMALS: &str = "import timeit, numpy as np\n\
    a, d = np.full(1 << 16, 0.5, 'f'), np.full(1 << 16, np.finfo('f').tiny / 8, 'f')\n\
    a, d = (min(timeit.repeat(lambda: x * 2.5, number=20, repeat=20)) for x in (a, d))\n\
    if d < 5 * a: print(f'this processor takes {d / a:.1f} times as long with denormal numbers')";

const ONE_CPU: &str = "import os\nif (os.cpu_count() or 1) < 2: print('there is one CPU')";

const NO_HUGE_PAGES: &str = "import pathlib\n\
    setting = pathlib.Path('/sys/kernel/mm/transparent_hugepage/enabled')\n\
    if not setting.exists() or '[never]' in setting.read_text(): print('the system gives no huge pages')";

/// Arrays of 36 MB: glibc never keeps more than 32 MiB for the next one, however its threshold adapts.
const PAST_THE_HEAP: u32 = 3000;

const ARRAY: &str = "a = rng.random(shape, dtype=dtype)";
const RAPTORS: &str = "a = rng.random(shape, dtype=dtype)\nr = kernel.from_numpy(a)";

const COPIES: &str = "hidden copies and extra passes";
const CONVERSION: &str = "conversion";
const ALIGNMENT: &str = "alignment and 4 KiB aliasing";
const CODE: &str = "code path and vector width";

/// All pairs: first those with a cause, then those without a difference.
pub const PAIRS: &[Pair] = &[
    pair("an extra copy", COPIES, 1024, ARRAY, "a * 2.5", "(a * 2.5).copy()"),
    pair(
        "a copy inside a function",
        COPIES,
        512,
        "a = rng.random(shape, dtype=dtype)\ndef careful(x):\n    x = np.array(x)\n    return x * 2.5",
        "a * 2.5",
        "careful(a)",
    ),
    pair("an extra pass over the data", COPIES, 1024, ARRAY, "a * 2.5", "a * 1.25 * 2.0"),
    pair(
        "a float64 scalar that forces casts",
        CONVERSION,
        512,
        ARRAY,
        "a * 2.5",
        "(a * np.float64(2.5)).astype(np.float32)",
    ),
    pair(
        "a float64 array beside float32",
        CONVERSION,
        512,
        "a = rng.random(shape, dtype=dtype)\nw = np.full(shape, 2.5, np.float32)\nwide = w.astype(np.float64)",
        "np.multiply(a, w, dtype=np.float32)",
        "np.multiply(a, wide, dtype=np.float32, casting='same_kind')",
    ),
    pair(
        "a view that is not contiguous",
        CONVERSION,
        512,
        "a = rng.random(shape, dtype=dtype)\nv = np.empty((2 * shape[0], 2 * shape[1]), dtype)[::2, ::2]\nv[...] = a",
        "a * 2.5",
        "v * 2.5",
    ),
    pair(
        "bytes in the other order",
        CONVERSION,
        256,
        "a = rng.random(shape, dtype=dtype)\nother = a.astype(dtype.newbyteorder('>'))",
        "a * 2.5",
        "other * 2.5",
    ),
    pair(
        "an array column by column",
        CONVERSION,
        1024,
        "a = rng.random(shape, dtype=dtype)\nf = np.asfortranarray(a)\nc = np.ones(shape, dtype)",
        "a + c",
        "f + c",
    ),
    pair(
        "a buffer that begins at an odd byte",
        ALIGNMENT,
        256,
        "a = rng.random(shape, dtype=dtype)\nm = np.frombuffer(bytearray(a.nbytes + 1), dtype, \
         offset=1).reshape(shape)\nm[...] = a",
        "a * 2.5",
        "m * 2.5",
    ),
    unless(
        NO_HUGE_PAGES,
        pair(
            "missing huge pages",
            "huge pages",
            PAST_THE_HEAP,
            "a = rng.random(shape, dtype=dtype)\nadvise = np._core.multiarray._set_madvise_hugepage\n\
         def small(x):\n    advise(False)\n    try:\n        return x * 2.5\n    finally:\n        advise(True)",
            "a * 2.5",
            "small(a)",
        ),
    ),
    pair(
        "results whose pages are new",
        "page faults and allocation",
        PAST_THE_HEAP,
        "a = rng.random(shape, dtype=dtype)\no = np.empty_like(a)",
        "np.multiply(a, 2.5, out=o)",
        "a * 2.5",
    ),
    pair(
        "a lock that somebody else holds",
        "a lock",
        256,
        // One thread for the whole process, as a program would have, however often the setup runs.
        "import threading, time\na = rng.random(shape, dtype=dtype)\n\
         def hold(l, sleep=time.sleep):\n    while True:\n        with l:\n            sleep(3e-4)\n        \
         sleep(1e-4)\n\
         holders = [thread for thread in threading.enumerate() if thread.name == 'holder']\n\
         if not holders:\n    \
         holder = threading.Thread(target=hold, args=(threading.Lock(),), name='holder', daemon=True)\n    \
         holder.lock = holder._args[0]\n    holder.start()\n    holders = [holder]\n\
         l = holders[0].lock\ndel holders\n\
         def locked():\n    with l:\n        return a * 2.5",
        "a * 2.5",
        "locked()",
    ),
    pair(
        "a thread started in every call",
        "thread wake-up and join",
        256,
        "import threading\na = rng.random(shape, dtype=dtype)\no = np.empty_like(a)\n\
         def threaded():\n    t = threading.Thread(target=np.multiply, args=(a, 2.5, o))\n    t.start()\n    \
         t.join()\n    return o",
        "np.multiply(a, 2.5, o)",
        "threaded()",
    ),
    pair(
        "a lock let go while another thread computes in Python",
        "hand-over of the interpreter's lock",
        512,
        // CRC-32 releases the interpreter's lock for pieces of more than 5 KiB.
        "import threading, zlib\nm = memoryview(rng.random(shape, dtype=dtype)).cast('B')\n\
         def spin():\n    while True:\n        sum(range(100))\n\
         if all(thread.name != 'spin' for thread in threading.enumerate()):\n    \
         threading.Thread(target=spin, name='spin', daemon=True).start()\n\
         def pieces():\n    crc = 0\n    for i in range(0, len(m), 4096):\n        crc = zlib.crc32(m[i:i + 4096], \
         crc)\n    return crc",
        "pieces()",
        "zlib.crc32(m)",
    ),
    unless(
        ONE_CPU,
        pair(
            "a limit of one thread",
            "threads",
            2048,
            RAPTORS,
            "r.scale(2.5, threads=2, backend='parallel')",
            "r.scale(2.5, threads=1)",
        ),
    ),
    pair(
        "a slow wrapper of fixed cost",
        "dispatch and binding",
        64,
        "a = rng.random(shape, dtype=dtype)\ndef wrapped(x):\n    checks = [i for i in range(100) if i % 7]\n    \
         return x * 2.5",
        "a * 2.5",
        "wrapped(a)",
    ),
    unless(
        FAST_DENORMALS,
        of_other_values(pair(
            "denormals",
            "denormals",
            512,
            "a = rng.random(shape, dtype=dtype)\nd = np.full(shape, np.finfo(dtype).tiny / 8, dtype)",
            "a * 2.5",
            "d * 2.5",
        )),
    ),
    pair("a forced scalar loop", CODE, 256, RAPTORS, "r.scale(2.5)", "r.scale(2.5, backend='scalar')"),
    pair(
        "streaming stores inside the caches",
        "store kind",
        256,
        RAPTORS,
        "r.scale(2.5)",
        "r.scale(2.5, stores='stream')",
    ),
    of_other_values(pair(
        "a product without BLAS",
        "vendor routine",
        256,
        ARRAY,
        "a @ a",
        "np.einsum('ij,jk->ik', a, a)",
    )),
    same("the factor in front", 1024, ARRAY, "a * 2.5", "2.5 * a"),
    same("the ufunc by its name", 1024, ARRAY, "a * 2.5", "np.multiply(a, 2.5)"),
    same(
        "two functions that do the same",
        512,
        "a = rng.random(shape, dtype=dtype)\ndef f(x):\n    return x * 2.5\ndef g(x):\n    return x * 2.5",
        "f(a)",
        "g(a)",
    ),
    same("the kernel twice", 2048, RAPTORS, "r.scale(2.5)", "r.scale(2.5)"),
    same("a product by its name", 512, ARRAY, "a @ a", "np.matmul(a, a)"),
];
