"""The scale kernel from Python: the values, the memory, the errors."""

import os
import subprocess
import sys
import threading
import warnings

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from kernel_values import BACKENDS, BITS, DTYPES, EXACT, LENGTHS, SIGNALLING, assert_same_bits, numpy_scale

from raptors_trace import kernel


@st.composite
def bit_patterns(draw, dtypes=DTYPES):
    """Arrays of any bits at all, the rare ones often: NaN payloads, denormals, infinities."""
    dtype = draw(st.sampled_from(dtypes))
    width = np.dtype(dtype).itemsize * 8
    exponent = {32: 0xFF << 23, 64: 0x7FF << 52}[width]
    mantissa = {32: (1 << 23) - 1, 64: (1 << 52) - 1}[width]
    sign = 1 << (width - 1)
    any_bits = st.integers(0, (1 << width) - 1)
    special = st.sampled_from([0, exponent, 1, mantissa, exponent | 1, exponent | mantissa])
    nan = st.integers(1, mantissa).map(lambda m: exponent | m)
    value = st.one_of(any_bits, special, nan, st.integers(1, mantissa))
    signed = st.builds(lambda v, s: v | (sign if s else 0), value, st.booleans())
    items = draw(st.lists(signed, max_size=90))
    return np.array(items, dtype=BITS[dtype]).view(dtype)


factors = st.one_of(
    st.floats(width=32),
    st.sampled_from([2.5, -0.0, 0.0, 1.0, -1.0, 1e-45, 3e38, float("inf"), float("nan")]),
)


# --- values ---------------------------------------------------------------------------------


@given(a=bit_patterns(), factor=factors)
def test_every_bit_pattern_is_scaled_as_numpy_scales_it(a, factor):
    expected = numpy_scale(a, factor)
    for backend in EXACT:
        r = kernel.from_numpy(a)
        assert_same_bits(r.scale(factor, backend=backend).to_numpy(), expected)
        out = np.empty_like(a)
        r.scale(factor, out=out, backend=backend)
        assert_same_bits(out, expected)
        inplace = a.copy()
        kernel.from_numpy(inplace).scale_inplace(factor, backend=backend)
        assert_same_bits(inplace, expected)


@given(a=bit_patterns([np.float32]), payload=st.integers(1, (1 << 22) - 1), quiet=st.booleans())
def test_a_nan_factor_keeps_its_payload_as_in_numpy(a, payload, quiet):
    pattern = 0x7F800000 | payload | (1 << 22 if quiet else 0)
    factor = np.array([pattern], dtype=np.uint32).view(np.float32)[0]
    with np.errstate(all="ignore"):
        expected = a * factor
    for backend in EXACT:
        assert_same_bits(kernel.from_numpy(a).scale(factor, backend=backend), expected)


@pytest.mark.parametrize("dtype", DTYPES)
def test_nan_times_nan_keeps_the_payload_that_numpy_keeps(dtype):
    quiet = {np.float32: 0x7FC00000, np.float64: 0x7FF8000000000000}[dtype]
    element, factor = np.array([quiet | 0x12, quiet | 0x34], dtype=BITS[dtype]).view(dtype)
    for n in LENGTHS:
        a = np.full(n, element)
        for backend in EXACT:
            assert_same_bits(kernel.from_numpy(a).scale(factor, backend=backend), a * factor)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", LENGTHS)
def test_every_remainder_of_a_vector(dtype, n):
    rng = np.random.default_rng(n)
    a = rng.standard_normal(n).astype(dtype)
    a[: n // 3] = np.frombuffer(rng.bytes(a[: n // 3].nbytes), dtype=dtype)
    expected = numpy_scale(a, 2.5)
    for backend in EXACT:
        guarded = np.full(n + 2, 7.0, dtype=dtype)
        kernel.from_numpy(a).scale(2.5, out=guarded[1:-1], backend=backend)
        assert_same_bits(guarded[1:-1], expected)
        assert guarded[0] == guarded[-1] == 7.0, "the kernel wrote beside the result"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("backend", BACKENDS)
def test_every_backend_computes_the_ordinary_values_exactly(backend, dtype):
    a = np.random.default_rng(1).standard_normal(10_001).astype(dtype)
    expected = numpy_scale(a, 2.5)
    r = kernel.from_numpy(a)
    calls = {
        "out": lambda: r.scale(2.5, backend=backend).to_numpy(),
        "in place": lambda: scaled_in_place(a, backend),
    }
    ran = 0
    for place, call in calls.items():
        try:
            got = call()
        except ValueError as error:
            # A routine such as cblas_sscal knows one of the two ways only, and says so.
            assert "works" in str(error), f"{backend} {place}: {error}"  # noqa: PT017
            continue
        assert_same_bits(got, expected)
        assert kernel.last_choice().backend == backend
        ran += 1
    assert ran > 0


def scaled_in_place(a, backend):
    copy = a.copy()
    kernel.from_numpy(copy).scale_inplace(2.5, backend=backend)
    return copy


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_automatic_choice_is_exact_for_signalling_nans(dtype):
    a = np.full(100_000, SIGNALLING[dtype], dtype=BITS[dtype]).view(dtype)
    for factor in (2.5, float("nan"), 0.0):
        assert_same_bits(kernel.from_numpy(a).scale(factor), numpy_scale(a, factor))


# --- the factor -----------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "factor",
    [2, True, -3, 2**60 + 1, 10**30, 0.1, np.float16(0.1), np.float32(0.1), np.float64(0.1),
     np.longdouble(0.5), np.int8(-3), np.uint64(2**63), 1e-50, float("inf")],
    ids=repr,
)  # fmt: skip
def test_a_factor_is_rounded_to_the_type_of_the_array(dtype, factor):
    a = np.linspace(-3, 3, 37, dtype=dtype)
    assert_same_bits(kernel.from_numpy(a).scale(factor), numpy_scale(a, factor))


@pytest.mark.parametrize("factor", [1e39, -1e39, 10**40, np.float64(1e300)], ids=repr)
def test_a_factor_beyond_float32_warns_as_numpy_does(factor):
    a = np.array([1.0, -2.0], dtype=np.float32)
    r = kernel.from_numpy(a)
    with pytest.warns(RuntimeWarning, match="overflow encountered in cast"):
        got = r.scale(factor).to_numpy()
    with pytest.warns(RuntimeWarning, match="overflow encountered in cast"):
        expected = a * np.float32(factor)
    assert_same_bits(got, expected)
    with np.errstate(over="raise"), pytest.raises(FloatingPointError, match="overflow"):
        r.scale(factor)
    with np.errstate(over="ignore"):
        assert_same_bits(r.scale(factor), expected)


@pytest.mark.parametrize("dtype", DTYPES)
def test_an_int_beyond_float64_overflows_as_in_numpy(dtype):
    a = np.ones(2, dtype=dtype)
    with pytest.raises(OverflowError, match="int too large to convert to float"):
        kernel.from_numpy(a).scale(10**400)
    with pytest.raises(OverflowError, match="int too large to convert to float"):
        a * 10**400


@pytest.mark.parametrize(
    ("factor", "given_type"),
    [(1j, "complex"), ("2", "str"), (None, "NoneType"), (np.ones(1), "ndarray"), (b"2", "bytes"),
     (np.array(2.5), "ndarray"), ([2.5], "list"), (np.complex64(1), "complex64")],
    ids=repr,
)  # fmt: skip
def test_what_is_no_real_number_is_no_factor(factor, given_type):
    r = kernel.from_numpy(np.ones(3))
    message = f"factor has to be a Python or NumPy float or int, got {given_type}"
    with pytest.raises(TypeError, match=message):
        r.scale(factor)
    with pytest.raises(TypeError, match=message):
        r.scale_inplace(factor)
    with pytest.raises(TypeError, match=message):
        kernel.scale(np.ones(3), factor)


# --- what is taken --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "dtype",
    ["int64", "float16", "complex64", "bool", "longdouble", "object", "uint8", "S3", "datetime64[s]"],
)
def test_other_types_are_refused_with_the_fix(dtype):
    a = np.zeros(3, dtype=dtype)
    message = r"takes float32 or float64, got .*; convert with a\.astype\(np\.float64\)"
    with pytest.raises(TypeError, match=message) as caught:
        kernel.from_numpy(a)
    assert str(a.dtype) in str(caught.value)
    with pytest.raises(TypeError, match=message):
        kernel.scale(a, 2.5)


@pytest.mark.parametrize("value", [[1.0], 2.5, np.float32(1), None, "a", memoryview(b"12345678")])
def test_what_is_no_array_is_refused(value):
    given_type = type(value).__name__
    with pytest.raises(TypeError, match=f"NumPy array of float32 or float64, got {given_type}"):
        kernel.from_numpy(value)
    with pytest.raises(TypeError, match=f"float32 or float64, got {given_type}"):
        kernel.scale(value, 2.5)


def test_attributes():
    r = kernel.from_numpy(np.zeros((2, 3), dtype=np.float32))
    assert (r.shape, r.dtype, r.size, r.nbytes, r.ndim, len(r)) == ((2, 3), np.float32, 6, 24, 2, 2)
    assert isinstance(r.dtype, np.dtype)
    assert repr(r) == "Array(shape=(2, 3), dtype=float32, memory=view)"
    assert repr(r.scale(1.0)) == "Array(shape=(2, 3), dtype=float32, memory=own)"
    assert r.scale(1.0).reason == "the result of an operation"
    with pytest.raises(TypeError, match="0-d"):
        len(kernel.from_numpy(np.array(1.0)))
    with pytest.raises(AttributeError):
        r.copied = True
    with pytest.raises(TypeError):
        kernel.Array()
    assert kernel.Array[np.float32] is not None


def test_scale_of_the_module_returns_the_kind_it_was_given():
    a = np.arange(3.0)
    assert type(kernel.scale(a, 2.0)) is np.ndarray
    assert type(kernel.scale(kernel.from_numpy(a), 2.0)) is kernel.Array
    assert type(kernel.scale(a[::-1], 2.0)) is np.ndarray
    assert (kernel.scale(a[::-1], 2.0) == [4, 2, 0]).all()


# --- __array__ ------------------------------------------------------------------------------


def test_numpy_takes_an_array_without_a_copy():
    a = np.arange(4.0)
    r = kernel.from_numpy(a)
    assert np.shares_memory(np.asarray(r), a)
    assert np.shares_memory(np.asarray(r, copy=False), a)
    assert np.shares_memory(np.asarray(r, dtype=np.float64), a)
    assert not np.shares_memory(np.array(r), a)
    assert not np.shares_memory(np.array(r, copy=True), a)
    assert not np.shares_memory(r.__array__(copy=True), a)
    assert np.asarray(r, dtype=np.float32).dtype == np.float32
    assert (r + np.ones(4) == a + 1).all() if hasattr(r, "__add__") else True
    assert (np.add(r, 1) == a + 1).all()
    with pytest.raises(ValueError, match="float64 Array as float32 takes a copy, and copy=False"):
        np.asarray(r, dtype=np.float32, copy=False)
    with pytest.raises(TypeError):
        r.__array__("no such type")


# --- choices --------------------------------------------------------------------------------


def test_the_backends_and_the_last_choice():
    names = kernel.backends()
    assert {"scalar", "simd", "chunked", "parallel"} <= set(names)
    r = kernel.from_numpy(np.ones(100_000))
    r.scale(2.0, backend="scalar")
    choice = kernel.last_choice()
    assert (choice.backend, choice.threads) == ("scalar", 1)
    assert choice.reason
    assert "backend='scalar'" in repr(choice)
    r.scale(2.0, backend="parallel", threads=2)
    assert kernel.last_choice().threads <= 2
    r.scale(2.0, backend="simd")
    assert kernel.last_choice().isa
    assert choice.backend == "scalar", "an earlier choice has changed"


def test_the_last_choice_is_of_the_thread():
    kernel.from_numpy(np.ones(10)).scale(2.0, backend="scalar")
    seen = []
    thread = threading.Thread(target=lambda: seen.append(kernel.last_choice()))
    thread.start()
    thread.join()
    assert seen == [None]
    assert kernel.last_choice().backend == "scalar"


def test_a_bad_backend_or_number_of_threads_is_named():
    r = kernel.from_numpy(np.ones(10))
    with pytest.raises(ValueError, match="mkl"):
        r.scale(2.0, backend="mkl")
    with pytest.raises(ValueError, match="mkl"):
        r.scale_inplace(2.0, backend="mkl")
    with pytest.raises(ValueError, match="0"):
        r.scale(2.0, threads=0)
    with pytest.raises(OverflowError):
        r.scale(2.0, threads=-1)


def run_python(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


SCALE_ONCE = (
    "import numpy as np; from raptors_trace import kernel as k;"
    "k.from_numpy(np.ones(300_000)).scale(2.0); c = k.last_choice(); print(c.backend, c.threads)"
)


@pytest.mark.parametrize("backend", ["scalar", "simd", "chunked", "parallel"])
def test_the_environment_forces_a_backend(backend):
    done = run_python(SCALE_ONCE, RAPTORS_BACKEND=backend)
    assert done.stdout.split()[:1] == [backend], done.stderr


def test_one_thread_means_one():
    done = run_python(SCALE_ONCE, RAPTORS_THREADS="1")
    assert done.stdout.split()[1:] == ["1"], done.stderr


def test_a_bad_environment_is_named():
    done = run_python(SCALE_ONCE, RAPTORS_BACKEND="mkl")
    assert done.returncode == 1
    assert "ValueError" in done.stderr
    assert "mkl" in done.stderr


# --- the log --------------------------------------------------------------------------------


def test_spans_are_shown_on_demand_only():
    assert run_python(SCALE_ONCE).stderr == ""
    shown = run_python(SCALE_ONCE, RAPTORS_LOG="trace").stderr
    for span in ("scale", "backend", "alloc", "convert"):
        assert span in shown
    assert run_python(SCALE_ONCE, RAPTORS_LOG="error").stderr == ""


def test_a_bad_filter_is_a_warning():
    done = run_python(SCALE_ONCE, RAPTORS_LOG="raptors=louder")
    assert done.returncode == 0
    assert "RuntimeWarning: RAPTORS_LOG=raptors=louder is not a filter" in done.stderr


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS has signposts")
def test_signposts_elsewhere_are_a_warning():
    done = run_python(SCALE_ONCE, RAPTORS_SIGNPOSTS="1")
    assert done.returncode == 0
    assert "RuntimeWarning: RAPTORS_SIGNPOSTS has no effect here" in done.stderr
    assert run_python(SCALE_ONCE, RAPTORS_SIGNPOSTS="0").stderr == ""
    assert "neither 0 nor 1" in run_python(SCALE_ONCE, RAPTORS_SIGNPOSTS="yes").stderr


# --- threads and the floating-point environment ---------------------------------------------


def test_the_gil_is_released_for_large_arrays():
    """While one thread is in the kernel, this one makes progress in Python."""
    r = kernel.from_numpy(np.ones(16 * kernel.GIL_RELEASE_SIZE))
    running, progressed = threading.Event(), threading.Event()
    seen = []

    def work():
        running.set()
        for _ in range(500):
            r.scale(1.0, out=r, backend="scalar")
            if progressed.is_set():
                break
        seen.append(progressed.is_set())

    interval = sys.getswitchinterval()
    # Nobody is asked to give the GIL up within the test: progress means that the kernel let it go.
    sys.setswitchinterval(1000)
    thread = threading.Thread(target=work)
    try:
        thread.start()
        running.wait()
        progressed.set()
        thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert seen == [True]


def test_small_arrays_keep_the_gil():
    """The other way round: without a release the waiting thread gets no turn."""
    r = kernel.from_numpy(np.ones(8))
    turns = []
    ready = threading.Barrier(2)

    def wait():
        ready.wait()
        turns.append("other")

    interval = sys.getswitchinterval()
    thread = threading.Thread(target=wait)
    thread.start()
    ready.wait()
    thread.join()
    try:
        sys.setswitchinterval(1000)
        thread = threading.Thread(target=turns.append, args=("second",))
        seen = []
        thread._started.wait = lambda *_: None  # start() would itself give the GIL up
        thread.start()
        for _ in range(100):
            r.scale(2.0)
            seen.append(len(turns))
        assert seen == [1] * 100
    finally:
        sys.setswitchinterval(interval)
        while len(turns) < 2:
            threading.Event().wait(0.001)


def test_eight_threads_on_arrays_of_their_own():
    def work(i):
        a = np.full(40_000, float(i))
        r = kernel.from_numpy(a)
        for _ in range(50):
            results[i] &= bool((r.scale(2.0).to_numpy() == 2.0 * i).all())

    results = [True] * 8
    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(results)


@pytest.mark.parametrize("backend", BACKENDS)
def test_no_floating_point_flag_reaches_numpy(backend):
    """Each operation overflows, is invalid and underflows; NumPy's next one is none of it."""
    a = np.array([3e38, np.inf, -np.inf, 1e-45] * 10_000, dtype=np.float32)
    r = kernel.from_numpy(a)
    quiet = np.ones(4, dtype=np.float32)
    with np.errstate(all="raise"), warnings.catch_warnings():
        warnings.simplefilter("error")
        for factor in (10.0, 0.0, 1e-30):
            for place in (r.scale, kernel.from_numpy(a.copy()).scale_inplace):
                try:
                    place(factor, backend=backend)
                except ValueError as error:
                    assert "works" in str(error)  # noqa: PT017
                assert (quiet * 2 == 2).all()
                assert (np.add(quiet, quiet) == 2).all()
    with pytest.warns(RuntimeWarning, match="overflow encountered in multiply"):
        _ = a * np.float32(10)
