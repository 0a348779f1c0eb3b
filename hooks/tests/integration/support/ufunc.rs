//! A ufunc without NumPy, for what needs no Python: the same structure, and NumPy's way of replacing loops.

use std::ffi::{CString, c_char, c_int, c_void};

pub type LoopFn = unsafe extern "C" fn(*mut *mut c_char, *const isize, *const isize, *mut c_void);

/// `PyUFuncObject` up to where this crate reads it.
#[repr(C)]
pub struct Ufunc {
    header: [usize; 2],
    pub nin: c_int,
    pub nout: c_int,
    pub nargs: c_int,
    identity: c_int,
    pub functions: *mut LoopFn,
    data: usize,
    pub ntypes: c_int,
    reserved: c_int,
    pub name: *const c_char,
    pub types: *const c_char,
    rest: [usize; 4],
    pub core_enabled: c_int,
    pub core_dimensions: c_int,
    pointers: [usize; 3],
    pub core_signature: *const c_char,
}

/// A ufunc that lives forever: name, inputs, type numbers per loop, loops.
pub fn ufunc(name: &str, nin: usize, types: &[&[u8]], functions: &[LoopFn]) -> &'static mut Ufunc {
    let nargs = types.first().map_or(nin + 1, |t| t.len());
    Box::leak(Box::new(Ufunc {
        header: [1, 0],
        nin: nin as c_int,
        nout: (nargs - nin) as c_int,
        nargs: nargs as c_int,
        identity: 0,
        functions: functions.to_vec().leak().as_mut_ptr(),
        data: 0,
        ntypes: functions.len() as c_int,
        reserved: 0,
        name: CString::new(name).unwrap().into_raw(),
        types: types.concat().leak().as_ptr().cast(),
        rest: [0; 4],
        core_enabled: 0,
        core_dimensions: 0,
        pointers: [0; 3],
        core_signature: std::ptr::null(),
    }))
}

/// `PyUFunc_ReplaceLoopBySignature` as NumPy has it: the first loop of equal types.
pub unsafe extern "C" fn replace(
    ufunc: *mut c_void,
    new: *mut c_void,
    signature: *const c_int,
    old: *mut *mut c_void,
) -> c_int {
    // SAFETY: the tests hand in what `ufunc` made, and a type number per operand.
    unsafe {
        let ufunc = &*ufunc.cast::<Ufunc>();
        let nargs = ufunc.nargs as usize;
        let wanted = std::slice::from_raw_parts(signature, nargs);
        let types = std::slice::from_raw_parts(ufunc.types, ufunc.ntypes as usize * nargs);
        let same = |own: &[c_char]| own.iter().zip(wanted).all(|(a, b)| c_int::from(*a) == *b);
        let Some(index) = types.chunks(nargs).position(same) else {
            return -1;
        };
        let slot = ufunc.functions.add(index);
        *old = *slot as *mut c_void;
        *slot = std::mem::transmute::<*mut c_void, LoopFn>(new);
        0
    }
}
