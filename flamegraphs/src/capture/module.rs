//! The file that an address of this process belongs to.

use std::ffi::{CStr, c_char, c_void};
use std::path::Path;
use std::sync::Arc;

use crate::profile::{Frame, Named};

/// A piece of this process's code, as the loader reports it.
struct Place {
    module: Arc<str>,
    base: usize,
    symbol: Option<String>,
}

/// The path of the module that holds the code at `address`, and the offset in bytes from the module's start. These fill
/// a [`Table`](crate::names::Table).
pub fn locate(address: usize) -> Option<(Arc<str>, u64)> {
    let place = place(address)?;
    Some((place.module, (address - place.base) as u64))
}

/// The frame at `address`, to be named later. If no file can be asked, it has the loader's name, as for the code that
/// the kernel maps into each process.
pub(super) fn frame(address: usize) -> Frame {
    let Some(place) = place(address) else {
        let name = format!("{address:#x}").into();
        return Frame { name, named: Named::Offset, ..Frame::default() };
    };
    let frame = Frame::unnamed(place.module.clone(), (address - place.base) as u64);
    match place.symbol {
        Some(symbol) if !Path::new(&*place.module).is_file() => {
            Frame { name: symbol.into(), named: Named::Symbols, ..frame }
        }
        _ => frame,
    }
}

fn place(address: usize) -> Option<Place> {
    let mut info = std::mem::MaybeUninit::<libc::Dl_info>::zeroed();
    // SAFETY: `dladdr` takes any address, valid or not, and writes to `info` only, which is large
    // enough; all-zero bytes are a valid Dl_info (null pointers).
    let (found, info) = unsafe { (libc::dladdr(address as *const c_void, info.as_mut_ptr()), info.assume_init()) };
    if found == 0 {
        return None;
    }
    Some(Place {
        module: path(&text(info.dli_fname)?).into(),
        base: info.dli_fbase as usize,
        symbol: text(info.dli_sname),
    })
}

/// The loader lists the main program as it was called, which need not be a path.
fn path(listed: &str) -> String {
    let is_mapped_by_kernel = listed.starts_with("linux-vdso") || listed.starts_with("linux-gate");
    if Path::new(listed).is_absolute() || is_mapped_by_kernel {
        return listed.to_owned();
    }
    std::env::current_exe().map_or(listed.to_owned(), |path| path.display().to_string())
}

fn text(name: *const c_char) -> Option<String> {
    if name.is_null() {
        return None;
    }
    // SAFETY: not null, and `dladdr` points it at a NUL-terminated name in the loader's own tables. Unloading a module
    // would free it; sampled modules stay loaded.
    let name = unsafe { CStr::from_ptr(name) };
    Some(name.to_string_lossy().into_owned())
}
