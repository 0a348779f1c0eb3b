//! The part of NumPy's `PyUFuncObject` that lists its loops.

use crate::Error;
use std::ffi::{CStr, c_char, c_int, c_void};

/// Most operands a ufunc may have (`NPY_MAXARGS` of NumPy 2, and 32 before).
const MOST_OPERANDS: c_int = 64;

/// The largest accepted number of loops; NumPy's own ufuncs have at most a few dozen.
const MOST_LOOPS: c_int = 512;

/// `PyUFuncObject` up to the core signature, with the layout of `numpy/ufuncobject.h` since NumPy 1.16 on 64-bit
/// machines with the ordinary (not free-threaded) object header.
#[repr(C)]
pub(super) struct Ufunc {
    references: isize,
    class: *mut c_void,
    nin: c_int,
    nout: c_int,
    nargs: c_int,
    identity: c_int,
    functions: *mut *mut c_void,
    data: *const *mut c_void,
    ntypes: c_int,
    reserved: c_int,
    name: *const c_char,
    types: *const c_char,
    doc: *const c_char,
    owner: *mut c_void,
    object: *mut c_void,
    user_loops: *mut c_void,
    core_enabled: c_int,
    core_dimensions: c_int,
    core_sizes: *mut c_int,
    core_indices: *mut c_int,
    core_offsets: *mut c_int,
    core_signature: *const c_char,
}

const _: () = {
    assert!(std::mem::offset_of!(Ufunc, functions) == 32);
    assert!(std::mem::offset_of!(Ufunc, types) == 64);
    assert!(std::mem::offset_of!(Ufunc, core_signature) == 136);
};

/// One loop of a ufunc: its signature as type numbers and in NumPy's notation.
pub(super) struct Signature {
    /// Type number per operand, inputs first.
    pub numbers: Vec<c_int>,
    /// `ff->f`.
    pub text: String,
}

/// A ufunc's fields after the checks.
pub(super) struct Checked<'a> {
    ufunc: &'a Ufunc,
    /// `multiply`.
    pub name: &'a str,
}

impl Ufunc {
    /// Checks everything that needs no call of NumPy.
    ///
    /// # Safety
    /// `pointer` leads to a live `PyUFuncObject`, or at least to that many readable bytes whose pointer fields
    /// are null or lead to readable memory.
    pub(super) unsafe fn check<'a>(pointer: *const c_void) -> Result<Checked<'a>, Error> {
        let refuse = |why: String| Error::NotRecognised {
            what: "the object handed in as a ufunc",
            expected: "NumPy's PyUFuncObject",
            why,
        };
        if pointer.is_null() || !(pointer as usize).is_multiple_of(8) {
            return Err(refuse(format!("its address is {pointer:p}")));
        }
        // SAFETY: the caller promises that the bytes are readable.
        let ufunc = unsafe { &*pointer.cast::<Ufunc>() };
        let (nin, nout, nargs) = (ufunc.nin, ufunc.nout, ufunc.nargs);
        if !(0..=MOST_OPERANDS).contains(&nin) || !(0..=MOST_OPERANDS).contains(&nout) || nargs != nin + nout {
            return Err(refuse(format!("it claims {nin} inputs + {nout} outputs = {nargs} operands")));
        }
        if !(0..=MOST_LOOPS).contains(&ufunc.ntypes) {
            return Err(refuse(format!("it claims {} loops", ufunc.ntypes)));
        }
        if ufunc.name.is_null() {
            return Err(refuse("it has no name".into()));
        }
        if ufunc.ntypes > 0 && (ufunc.functions.is_null() || ufunc.types.is_null()) {
            return Err(refuse(format!("it claims {} loops but has no table of them", ufunc.ntypes)));
        }
        // SAFETY: not null, so by the caller's promise a readable string, which lives as long as the ufunc.
        let name = unsafe { CStr::from_ptr(ufunc.name) };
        let name = name.to_str().map_err(|e| refuse(format!("its name: {e}")))?;
        Ok(Checked { ufunc, name })
    }
}

impl Checked<'_> {
    pub(super) fn inputs(&self) -> usize {
        self.ufunc.nin as usize
    }

    pub(super) fn operands(&self) -> usize {
        self.ufunc.nargs as usize
    }

    pub(super) fn loops(&self) -> usize {
        self.ufunc.ntypes as usize
    }

    /// Distinct core dimensions, if the loops have such (`np.matmul`: 3).
    pub(super) fn core(&self) -> Option<u8> {
        (self.ufunc.core_enabled != 0).then(|| self.ufunc.core_dimensions.clamp(0, 64) as u8)
    }

    /// Whether its table of loops is writable. A table that its extension declared constant is in memory that is
    /// read-only after loading, and NumPy's replacing function does not check that.
    pub(super) fn is_replaceable(&self) -> bool {
        let table = self.ufunc.functions as usize;
        let last = table + self.loops().saturating_sub(1) * size_of::<*mut c_void>();
        crate::platform::is_writable(table) && crate::platform::is_writable(last)
    }

    /// The current function in loop `index`'s entry of the table.
    pub(super) fn function(&self, index: usize) -> *mut c_void {
        assert!(index < self.loops(), "loop {index} of {}", self.loops());
        // SAFETY: the table holds `ntypes` entries, and the index is below that.
        unsafe { self.ufunc.functions.add(index).read() }
    }

    /// `(n?,k),(k,m?)->(n?,m?)` of a generalised ufunc.
    pub(super) fn core_signature(&self) -> Option<String> {
        if self.core().is_none() || self.ufunc.core_signature.is_null() {
            return None;
        }
        // SAFETY: a generalised ufunc's signature is a string that lives as long as the ufunc.
        let text = unsafe { CStr::from_ptr(self.ufunc.core_signature) };
        Some(text.to_string_lossy().into_owned())
    }

    /// Loop `index`'s signature; `None` if a type number is not one of NumPy's own.
    pub(super) fn signature(&self, index: usize) -> Option<Signature> {
        let numbers: Vec<c_int> = (0..self.operands())
            // SAFETY: `types` holds `nargs` bytes for each of the `ntypes` loops; `index` is below `ntypes`.
            .map(|k| c_int::from(unsafe { *self.ufunc.types.add(index * self.operands() + k) }))
            .collect();
        let codes: String = numbers.iter().map(|&n| code(n)).collect::<Option<_>>()?;
        let (inputs, outputs) = codes.split_at(self.inputs());
        Some(Signature { text: format!("{inputs}->{outputs}"), numbers })
    }
}

/// NumPy's type numbers in order: the letter of each, and its items' size in bytes (0 if it depends on the array), on
/// machines with a 64-bit `long`.
const TYPES: [(char, u8); 24] = [
    ('?', 1),
    ('b', 1),
    ('B', 1),
    ('h', 2),
    ('H', 2),
    ('i', 4),
    ('I', 4),
    ('l', 8),
    ('L', 8),
    ('q', 8),
    ('Q', 8),
    ('f', 4),
    ('d', 8),
    ('g', LONG_DOUBLE),
    ('F', 8),
    ('D', 16),
    ('G', 2 * LONG_DOUBLE),
    ('O', 8),
    ('S', 0),
    ('U', 0),
    ('V', 0),
    ('M', 8),
    ('m', 8),
    ('e', 2),
];

/// `long double` is `double` on Apple's arm64, 16 bytes elsewhere on 64-bit machines.
const LONG_DOUBLE: u8 = if cfg!(all(target_vendor = "apple", target_arch = "aarch64")) { 8 } else { 16 };

fn code(number: c_int) -> Option<char> {
    usize::try_from(number).ok().and_then(|n| TYPES.get(n)).map(|t| t.0)
}

/// Bytes per item of a type number, 0 if it depends on the array.
pub(super) fn item_size(number: c_int) -> u8 {
    usize::try_from(number).ok().and_then(|n| TYPES.get(n)).map_or(0, |t| t.1)
}

/// Whether an item's bytes are a number worth recording: not an object, string or structure.
pub(super) fn numeric(number: c_int) -> bool {
    code(number).is_some_and(|c| !matches!(c, 'O' | 'S' | 'U' | 'V'))
}
