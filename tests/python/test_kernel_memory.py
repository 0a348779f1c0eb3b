"""The memory of the scale kernel from Python: what is viewed, what is copied and why, and where results are written."""

import gc
import sys

import numpy as np
import pytest
from kernel_values import DTYPES, assert_same_bits

from raptors_trace import kernel


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "make",
    [
        lambda t: np.ones(5, t),
        lambda t: np.ones((3, 4), t),
        lambda t: np.asfortranarray(np.ones((3, 4), t)),
        lambda t: np.ones((2, 3, 4), t).T,
        lambda t: np.array(2.0, t),
        lambda t: np.ones((0, 3), t),
        lambda t: np.ones((1,) * 40, t),
        lambda t: np.ones((4, 1), t)[::2][:1],
        lambda t: np.ones(9, t)[3:7],
    ],
    ids=["1d", "2d", "fortran", "3d.T", "0d", "empty", "40d", "one", "slice"],
)
def test_contiguous_memory_is_viewed(make, dtype):
    a = make(dtype)
    r = kernel.from_numpy(a)
    assert not r.copied
    assert "contiguous" in r.reason
    back = r.to_numpy()
    assert (back.shape, back.strides, back.dtype) == (a.shape, back.strides, a.dtype)
    assert back.__array_interface__["data"][0] == a.__array_interface__["data"][0]
    assert back.flags.aligned
    assert not back.flags.owndata
    assert back.flags.c_contiguous == a.flags.c_contiguous
    assert back.flags.f_contiguous == a.flags.f_contiguous
    if a.size:
        assert np.shares_memory(a, back)
        assert back.strides == a.strides or a.size == 1
        back[...] = 8.0
        assert (a == 8.0).all()
    result = r.scale(3.0).to_numpy()
    assert result.shape == a.shape
    assert (result == a * 3).all()
    assert result.flags.c_contiguous == a.flags.c_contiguous


def misaligned(n):
    raw = np.zeros(n * 8 + 1, dtype=np.uint8)
    a = raw[1:].view(np.float64)
    a[:] = np.arange(n)
    return a


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: np.arange(10.0)[::2], "not contiguous"),
        (lambda: np.arange(10.0)[::-1], "not contiguous"),
        (lambda: np.arange(24.0).reshape(4, 6)[:, 1:3], "not contiguous"),
        (lambda: np.broadcast_to(np.arange(3.0), (4, 3)), "not contiguous"),
        (lambda: np.arange(24.0).reshape(2, 3, 4).transpose(1, 0, 2), "not contiguous"),
        (lambda: np.arange(5, dtype=">f8"), "not in native byte order"),
        (lambda: np.arange(5, dtype=">f4"), "not in native byte order"),
        (lambda: misaligned(5), "not aligned"),
    ],
)
def test_other_memory_is_copied_and_it_says_why(make, why):
    a = make()
    before = a.copy()
    r = kernel.from_numpy(a)
    assert r.copied
    assert why in r.reason
    assert "memory=copy" in repr(r)
    back = r.to_numpy()
    assert back.dtype.isnative
    assert not np.shares_memory(a, back)
    assert (back == a).all()
    assert (r.scale(2.5).to_numpy() == before * 2.5).all()
    r.scale_inplace(2.5)
    assert (back == before * 2.5).all()
    assert (a == before).all(), "the NumPy array behind a copy has changed"


@pytest.mark.skipif(sys.byteorder == "big", reason="'<' is native on little-endian machines only")
def test_an_explicit_native_byte_order_is_viewed():
    assert not kernel.from_numpy(np.arange(3, dtype="<f4")).copied


def test_in_place_changes_the_numpy_array():
    a = np.arange(6, dtype=np.float32).reshape(2, 3)
    address = a.__array_interface__["data"][0]
    assert kernel.from_numpy(a).scale_inplace(2.0) is None
    assert a.__array_interface__["data"][0] == address
    assert (a == [[0, 2, 4], [6, 8, 10]]).all()


def test_the_view_keeps_the_numpy_array_alive():
    r = kernel.from_numpy(np.arange(1000.0))
    gc.collect()
    np.full(1000, 7.0)  # would take the memory, were it free
    assert (r.to_numpy() == np.arange(1000.0)).all()


def test_the_ndarray_keeps_the_result_alive():
    got = kernel.from_numpy(np.arange(1000.0)).scale(1.0).to_numpy()
    gc.collect()
    np.full(1000, 7.0)
    assert isinstance(got.base, kernel.Array)
    assert (got == np.arange(1000.0)).all()


def test_references_are_given_back():
    a = np.ones(1000)
    before = sys.getrefcount(a)
    for _ in range(100):
        r = kernel.from_numpy(a)
        back = r.to_numpy()
        r.scale(2.0, out=back)
        r.scale(2.0, out=a)
        np.asarray(r)
        with pytest.raises(ValueError, match="shape"):
            r.scale(2.0, out=a[:3])
    dtype_before = sys.getrefcount(a.dtype)
    for _ in range(100):
        assert r.dtype == r.to_numpy().dtype
    assert sys.getrefcount(a.dtype) < dtype_before + 50
    del r, back
    assert sys.getrefcount(a) == before


def test_a_readonly_array_is_viewed_and_stays_so():
    a = np.arange(4.0)
    a.flags.writeable = False
    r = kernel.from_numpy(a)
    assert not r.copied
    assert not r.to_numpy().flags.writeable
    assert (r.scale(2.0).to_numpy() == [0, 2, 4, 6]).all()
    with pytest.raises(ValueError, match="scale_inplace takes a writeable array, got a view of a"):
        r.scale_inplace(2.0)
    with pytest.raises(ValueError, match="out has to be writeable, got a read-only array"):
        r.scale(2.0, out=r)


def test_numpy_decides_about_writing_at_the_time_of_the_call():
    a = np.arange(4.0)
    r = kernel.from_numpy(a)
    a.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        r.scale_inplace(2.0)
    a.flags.writeable = True
    r.scale_inplace(2.0)
    assert (a == [0, 2, 4, 6]).all()


def test_subclasses_are_taken_as_plain_data_and_masks_are_not_lost():
    class Mine(np.ndarray):
        pass

    plain = np.arange(4.0)
    r = kernel.from_numpy(plain.view(Mine))
    assert not r.copied
    assert type(r.to_numpy()) is np.ndarray
    masked = np.ma.array(plain, mask=[0, 1, 0, 0])
    for call in (kernel.from_numpy, lambda m: kernel.scale(m, 2.0)):
        with pytest.raises(TypeError, match=r"got a MaskedArray, whose mask would be lost; pass a"):
            call(masked)
    with pytest.raises(TypeError, match="mask would be lost"):
        r.scale(2.0, out=masked)


# --- out ------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
def test_out_is_filled_and_returned(dtype):
    a = np.arange(6, dtype=dtype).reshape(2, 3)
    r = kernel.from_numpy(a)
    out = np.empty_like(a)
    assert r.scale(2.5, out=out) is out
    assert_same_bits(out, a * dtype(2.5))
    array = kernel.from_numpy(np.empty_like(a))
    assert r.scale(2.5, out=array) is array
    assert_same_bits(array.to_numpy(), a * dtype(2.5))
    assert kernel.scale(a, 2.5, out) is out
    assert kernel.scale(r, 2.5, array) is array


@pytest.mark.parametrize("kind", ["the same Array", "the ndarray", "another view"])
def test_out_that_is_the_array_itself_works_in_place(kind):
    a = np.arange(6.0)
    r = kernel.from_numpy(a)
    out = {"the same Array": r, "the ndarray": a, "another view": a[:]}[kind]
    assert r.scale(2.0, out=out) is out
    assert (a == np.arange(6.0) * 2).all()


@pytest.mark.parametrize("shift", [1, 3, 5])
def test_out_that_overlaps_in_part_is_refused(shift):
    whole = np.arange(16.0)
    ahead, behind = whole[shift : shift + 6], whole[:6]
    before = whole.copy()
    given = f"memory that overlaps it in part, starting {shift * 8} bytes"
    with pytest.raises(ValueError, match=f"the array's own memory or apart from it, got {given} after"):
        kernel.from_numpy(behind).scale(2.0, out=ahead)
    with pytest.raises(ValueError, match=f"{given} before it"):
        kernel.from_numpy(ahead).scale(2.0, out=kernel.from_numpy(behind))
    assert (whole == before).all()


def test_neighbouring_memory_is_no_overlap():
    whole = np.arange(12.0)
    kernel.from_numpy(whole[:6]).scale(2.0, out=whole[6:])
    assert (whole[6:] == np.arange(6.0) * 2).all()
    kernel.from_numpy(whole[6:]).scale(0.5, out=whole[:6])
    assert (whole[:6] == np.arange(6.0)).all()


@pytest.mark.parametrize(
    ("out", "error", "message"),
    [
        ([0.0] * 6, TypeError, "out has to be an Array or a NumPy array, got list"),
        (np.empty((2, 3), np.float64), TypeError, "out has to be float32 as the array is, got float64"),
        (np.empty((2, 3), np.int64), TypeError, "out has to be float32 as the array is, got int64"),
        (np.empty((2, 3), ">f4"), ValueError, "got one that is not in native byte order"),
        (np.empty((3, 2), np.float32), ValueError, r"out has to be of shape \(2, 3\), got shape \(3, 2\)"),
        (np.empty(6, np.float32), ValueError, r"out has to be of shape \(2, 3\), got shape \(6,\)"),
        (np.empty((), np.float32), ValueError, r"out has to be of shape \(2, 3\), got shape \(\)"),
        (np.empty((4, 3), np.float32)[::2], ValueError, "aligned and in native byte order, got one that is not c"),
        (np.empty((2, 3), np.float32, order="F"), ValueError, "out has to be C-contiguous as the array is, got an F"),
        (np.broadcast_to(np.float32(0), (2, 3)), ValueError, "not contiguous"),
        (np.frombuffer(bytes(24), np.float32).reshape(2, 3), ValueError, "out has to be writeable, got a read-only"),
    ],
)  # fmt: skip
def test_an_out_that_does_not_fit_says_what_was_given_and_what_is_taken(out, error, message):
    a = np.arange(6, dtype=np.float32).reshape(2, 3)
    with pytest.raises(error, match=message):
        kernel.from_numpy(a).scale(2.5, out=out)
    if isinstance(out, np.ndarray) and out.flags.c_contiguous and out.dtype == np.float32:
        with pytest.raises(error, match=message):
            kernel.from_numpy(a).scale(2.5, out=kernel.from_numpy(out))
