//! The role of a frame, by its name.
//!
//! A frame without a role of its own has the role of its caller: `memcpy` counts for the code that needs the copy.

mod table;

use crate::profile::{Frame, Kind, Profile, StackId};
use crate::role::Role;
use table::{KERNEL, NATIVE};

/// Assigns roles: by the caller's additions, then by the tables.
#[derive(Clone, Debug, Default)]
pub struct Roles {
    added: Vec<(Role, String)>,
}

impl Roles {
    /// Assigns the role to native frames with this name, in which `*` stands for any text and `?` for one character;
    /// takes precedence over the tables, and over earlier additions.
    #[must_use]
    pub fn with(mut self, role: Role, pattern: &str) -> Roles {
        self.added.insert(0, (role, pattern.to_owned()));
        self
    }

    /// The frame's own role.
    pub fn of(&self, frame: &Frame) -> Option<Role> {
        match frame.kind {
            Kind::Python => return Some(Role::Interpreter),
            Kind::Derived => return Some(Role::PageFault),
            Kind::Kernel => return listed(KERNEL, &frame.name),
            Kind::Native => {}
        }
        // Debug information gives only the last part of an inlined Rust function's name, which a function of another
        // library may share.
        let is_short = frame.inlined && frame.file.as_ref().is_some_and(|file| file.ends_with(".rs"));
        let listed_native = || match is_short && !frame.name.contains("::") {
            true => None,
            false => listed(NATIVE, &frame.name),
        };
        let added = self.added.iter().find(|(_, pattern)| fits(pattern, &frame.name));
        added.map(|(role, _)| *role).or_else(listed_native)
    }

    /// The role of every frame of a profile, in the order of [`Profile::frames`].
    pub fn of_all(&self, profile: &Profile) -> Vec<Option<Role>> {
        profile.frames().iter().map(|frame| self.of(frame)).collect()
    }
}

impl Profile {
    /// The role of a stack: that of its innermost frame that has one. `roles` are
    /// [`Roles::of_all`] of this profile.
    pub fn role_of(&self, stack: StackId, roles: &[Option<Role>]) -> Option<Role> {
        self.frames_of(stack).find_map(|frame| roles[frame.0 as usize])
    }
}

fn listed(table: &[(Role, &[&str])], name: &str) -> Option<Role> {
    let row = table.iter().find(|(_, patterns)| patterns.iter().any(|pattern| fits(pattern, name)));
    row.map(|(role, _)| *role)
}

/// Whether `name` matches `pattern`. Compares bytes, because patterns are ASCII.
fn fits(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    let (mut at, mut from) = (0, 0);
    // The position of the last star, and the number of bytes of the name that it stands for.
    let mut star: Option<(usize, usize)> = None;
    while from < name.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, from));
                at += 1;
            }
            Some(&wanted) if wanted == b'?' || wanted == name[from] => {
                at += 1;
                from += 1;
            }
            _ => {
                let Some((star_at, taken)) = star else {
                    return false;
                };
                star = Some((star_at, taken + 1));
                at = star_at + 1;
                from = taken + 1;
            }
        }
    }
    pattern[at..].iter().all(|rest| *rest == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(name: &str) -> Option<Role> {
        Roles::default().of(&Frame::native(name))
    }

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, name, fit) in [
            ("free", "free", true),
            ("free", "freed", false),
            ("*a*b", "xaxbxb", true),
            ("*a*b", "xaxbx", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*", "", true),
            ("np.*[*->*]*", "np.multiply[ff->f] or np.square[f->f]", true),
        ] {
            assert_eq!(fits(pattern, name), fit, "{pattern} {name}");
        }
    }

    #[test]
    fn an_operation_of_numpy_is_told_apart() {
        for (name, expected) in [
            ("FLOAT_multiply_X86_V3", Role::Kernel),
            ("np.multiply[ff->f]", Role::Kernel),
            ("sgemm_kernel_SKYLAKEX", Role::Kernel),
            ("array_multiply", Role::Dispatch),
            ("ufunc_generic_fastcall", Role::Dispatch),
            ("PyUFunc_GenericReduction", Role::Dispatch),
            ("PyArray_NewFromDescr_int", Role::Allocation),
            ("npy_alloc_cache", Role::Allocation),
            ("malloc", Role::Allocation),
            ("array_dealloc", Role::Free),
            ("munmap", Role::Free),
            ("PyArray_FromAny_int", Role::Conversion),
            ("_aligned_contig_cast_double_to_float", Role::Conversion),
            ("_PyEval_EvalFrameDefault", Role::Interpreter),
            ("blas_thread_server", Role::Sync),
        ] {
            assert_eq!(role(name), Some(expected), "{name}");
        }
        assert_eq!(role("memcpy"), None);
        assert_eq!(role("main"), None);
    }

    #[test]
    fn an_operation_of_the_rust_kernel_is_told_apart() {
        for (name, expected) in [
            ("raptors_kernel::loops::x86::avx512::f32_stream", Role::Kernel),
            ("raptors_kernel::split::run", Role::Kernel),
            ("raptors_kernel::choice::plan", Role::Dispatch),
            ("_native::scale::scale", Role::Dispatch),
            ("<raptors_kernel::buffer::Buffer<f32> as core::ops::drop::Drop>::drop", Role::Free),
            ("raptors_kernel::buffer::Buffer<core::mem::MaybeUninit<f32>>::uninit", Role::Allocation),
            ("raptors_kernel::pool::Pool::run", Role::Sync),
            ("rayon_core::sleep::Sleep::sleep", Role::Sync),
            ("raptors_hooks::loops::trampolines::trampoline", Role::Observer),
        ] {
            assert_eq!(role(name), Some(expected), "{name}");
        }
    }

    #[test]
    fn the_systems_kernel_has_names_of_its_own() {
        let kernel = |name: &str| {
            let frame = Frame { kind: Kind::Kernel, ..Frame::native(name) };
            Roles::default().of(&frame)
        };
        for (name, expected) in [
            ("asm_exc_page_fault", Role::PageFault),
            ("clear_huge_page", Role::PageFault),
            ("clear_page_erms", Role::PageFault),
            ("do_anonymous_page", Role::PageFault),
            ("__x64_sys_munmap", Role::Free),
            ("unmap_page_range", Role::Free),
            ("do_mmap", Role::Allocation),
            ("do_futex", Role::Sync),
        ] {
            assert_eq!(kernel(name), Some(expected), "{name}");
        }
        assert_eq!(kernel("entry_SYSCALL_64_after_hwframe"), None);
        assert_eq!(kernel("free"), None);
    }

    #[test]
    fn an_inlined_rust_function_is_no_c_function_of_that_name() {
        let inlined = |file: &str| Frame { file: Some(file.into()), inlined: true, ..Frame::native("free") };
        assert_eq!(Roles::default().of(&inlined("pool.rs")), None);
        assert_eq!(Roles::default().of(&inlined("malloc.c")), Some(Role::Free));
    }

    #[test]
    fn what_the_caller_adds_comes_first() {
        let roles = Roles::default().with(Role::Sync, "my_*").with(Role::Kernel, "my_loop");
        assert_eq!(roles.of(&Frame::native("my_loop")), Some(Role::Kernel));
        assert_eq!(roles.of(&Frame::native("my_wait")), Some(Role::Sync));
    }
}
