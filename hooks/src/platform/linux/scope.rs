//! The function that the loader would bind a symbol to, for one object.
//!
//! glibc searches a list of scopes for each object: the global scope, and the object's own with the scopes of those
//! that were opened with it. RTLD_DEEPBIND turns the order round, which the loader tells nobody. So every scope that
//! may be in the list is asked; only if all that have the symbol give the same function is the answer certain,
//! whatever their order.

use super::{Hold, Image, clear_error, images};
use crate::platform::{Dlsym, Import};
use std::collections::HashSet;
use std::ffi::{CStr, CString, c_void};

/// The scopes that the loader may search for one object.
pub(crate) struct Scopes {
    images: Vec<Image>,
    /// The global scope, and one of each object whose opening may have brought this one in.
    handles: Vec<Hold>,
    /// Whether every such scope is among the handles.
    complete: bool,
}

/// What one scope gives.
enum Answer {
    Nothing,
    Function(usize),
    /// It depends on rules that cannot be asked for.
    Unclear,
}

impl Scopes {
    pub(crate) fn of(image: &Image) -> Self {
        let images = images();
        let handles: Vec<Option<Hold>> = with_users(image, &images).into_iter().map(Image::hold).collect();
        let complete = handles.iter().all(Option::is_some);
        // SAFETY: null asks for the program, which is always open; its scope is the global one.
        let program = Hold(unsafe { libc::dlopen(std::ptr::null(), libc::RTLD_LAZY | libc::RTLD_NOLOAD) });
        let handles = handles.into_iter().flatten().chain([program]).filter(|h| !h.0.is_null()).collect();
        Scopes { images, handles, complete }
    }

    /// The function that the loader binds the import to at its first call.
    ///
    /// # Errors
    /// A sentence, if that is not certain or there is none yet.
    pub(crate) fn resolve(&self, import: &Import, dlsym: Dlsym) -> Result<usize, String> {
        let name = CString::new(import.name.as_str()).map_err(|e| e.to_string())?;
        let version = import.version.as_deref().map(CString::new).transpose().map_err(|e| e.to_string())?;
        let ask = |scope: &Hold| match &version {
            Some(version) => self.versioned(scope, &name, version, dlsym),
            None => self.plain(scope, &name, dlsym),
        };
        let found = self.agreed(ask).ok_or(
            "the loader binds it at its first call, and more than one function of this name is loaded; its calls are \
             seen from the next scan after the first call",
        )?;
        found.filter(|f| !self.is_stub_of_program(&import.name, *f)).ok_or_else(|| {
            "the loader binds it at its first call, and no loaded library has it yet; its calls are seen from the next \
             scan after the first call"
                .into()
        })
    }

    /// `None` if scopes differ or cannot be asked; else what those that have the symbol give.
    fn agreed(&self, ask: impl Fn(&Hold) -> Answer) -> Option<Option<usize>> {
        let mut found = None;
        for scope in &self.handles {
            let answer = ask(scope);
            clear_error();
            match answer {
                Answer::Nothing => {}
                Answer::Function(function) if found.is_none_or(|f| f == function) => found = Some(function),
                Answer::Function(_) | Answer::Unclear => return None,
            }
        }
        self.complete.then_some(found)
    }

    /// A symbol without a version. The loader binds it to a library's oldest, `dlsym` gives the newest.
    fn plain(&self, scope: &Hold, name: &CStr, dlsym: Dlsym) -> Answer {
        match default(scope, name, dlsym) {
            None => Answer::Nothing,
            Some(function) if self.image_of(function).is_some_and(Image::has_versions) => Answer::Unclear,
            Some(function) => Answer::Function(function),
        }
    }

    /// A symbol with a version. The loader takes it, or the same symbol of a library without versions, whichever comes
    /// first; that is certain where both ways lead into one object.
    fn versioned(&self, scope: &Hold, name: &CStr, version: &CStr, dlsym: Dlsym) -> Answer {
        match (exact(scope, name, version), default(scope, name, dlsym)) {
            (None, None) => Answer::Nothing,
            (Some(exact), None) => Answer::Function(exact),
            (Some(exact), Some(default)) if exact == default || self.one_object(exact, default) => {
                Answer::Function(exact)
            }
            _ => Answer::Unclear,
        }
    }

    fn image_of(&self, address: usize) -> Option<&Image> {
        self.images.iter().find(|image| image.contains(address))
    }

    fn one_object(&self, a: usize, b: usize) -> bool {
        self.image_of(a).is_some_and(|image| image.contains(b))
    }

    /// A program that takes the address of a library's function may stand in for it with a stub of its own, which
    /// `dlsym` gives and the loader's binding passes over.
    fn is_stub_of_program(&self, name: &str, function: usize) -> bool {
        let program = self.images.first().filter(|program| program.contains(function));
        program.is_some_and(|program| !program.imports(&|symbol| symbol == name).is_empty())
    }
}

/// The object and all that may have been opened with it: those that ask for it by name, and so on. One that asks for a
/// library under a name that nobody has may mean any.
fn with_users<'a>(image: &Image, images: &'a [Image]) -> Vec<&'a Image> {
    let names: Vec<HashSet<&str>> = images.iter().map(names).collect();
    let known = |name: &str| names.iter().any(|all| all.contains(name));
    let needed: Vec<Vec<&str>> = images.iter().map(Image::needed).collect();
    let vague: Vec<bool> = needed.iter().map(|all| !all.iter().all(|name| known(name))).collect();
    let mut member: Vec<bool> = images.iter().map(|i| i.bias == image.bias && i.path == image.path).collect();
    loop {
        let wanted: HashSet<&str> = (0..images.len()).filter(|&i| member[i]).flat_map(|i| names[i].clone()).collect();
        let asks = |i: usize| vague[i] || needed[i].iter().any(|name| wanted.contains(name));
        let new: Vec<usize> = (0..images.len()).filter(|&i| !member[i] && asks(i)).collect();
        if new.is_empty() {
            return images.iter().zip(member).filter_map(|(image, member)| member.then_some(image)).collect();
        }
        new.into_iter().for_each(|i| member[i] = true);
    }
}

/// The names under which others may ask for an object.
fn names(image: &Image) -> HashSet<&str> {
    let file = image.path.rsplit('/').next().unwrap_or_default();
    [image.soname(), Some(&image.path), Some(file)].into_iter().flatten().filter(|name| !name.is_empty()).collect()
}

/// `dlsym`'s answer.
fn default(scope: &Hold, name: &CStr, dlsym: Dlsym) -> Option<usize> {
    // SAFETY: an open handle and a string; `dlsym` is the loader's function.
    let address = unsafe { dlsym(scope.0, name.as_ptr()) };
    (!address.is_null()).then_some(address as usize)
}

/// The symbol of exactly this version.
#[cfg(target_env = "gnu")]
fn exact(scope: &Hold, name: &CStr, version: &CStr) -> Option<usize> {
    // SAFETY: an open handle and two strings.
    let address = unsafe { libc::dlvsym(scope.0, name.as_ptr(), version.as_ptr()) };
    (!address.is_null()).then_some(address as usize)
}

/// Other loaders bind everything at once and have no such question.
#[cfg(not(target_env = "gnu"))]
fn exact(_: &Hold, _: &CStr, _: &CStr) -> Option<usize> {
    None
}

/// The result of `dlsym(handle, name)`, called from the code at `caller`. `None` lets dlsym answer itself: nothing was
/// found, it depends on the order of the caller's scopes, or the request (RTLD_NEXT) is meant to skip interposers such
/// as this.
///
/// # Safety
/// As for `dlsym`, which `dlsym` is.
pub(crate) unsafe fn look_up(handle: *mut c_void, name: &CStr, caller: usize, dlsym: Dlsym) -> Option<usize> {
    if handle == libc::RTLD_NEXT {
        return None;
    }
    if handle == libc::RTLD_DEFAULT {
        let image = images().into_iter().find(|image| image.contains(caller))?;
        let ask = |scope: &Hold| default(scope, name, dlsym).map_or(Answer::Nothing, Answer::Function);
        return Scopes::of(&image).agreed(ask)?;
    }
    // SAFETY: as the caller promises.
    let address = unsafe { dlsym(handle, name.as_ptr()) };
    (!address.is_null()).then_some(address as usize)
}
