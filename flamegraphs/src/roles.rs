//! Which role a frame has, by its name.
//!
//! The tables follow the sources of CPython 3.11 to 3.14, NumPy 1.26 to 2.5, OpenBLAS, glibc, Linux,
//! rayon and this workspace. A frame that has no role of its own takes part in that of the frame which
//! called it: `memcpy` copies for whoever needs the copy.

use crate::profile::{Frame, Kind, Profile, StackId};
use crate::role::Role;

/// Names of the operating system's kernel. A `*` stands for anything; the first that fits decides.
const KERNEL: &[(Role, &[&str])] = &[
    (
        Role::Free,
        &[
            "*munmap*",
            "unmap_*",
            "zap_*",
            "exit_mmap",
            "tlb_*",
            "*free_unref*",
            "*madvise_dontneed*",
            "release_pages",
            "folios_put*",
            "free_pages_and_swap*",
        ],
    ),
    (
        Role::PageFault,
        &[
            "*page_fault*",
            "*handle_mm_fault",
            "handle_pte_fault",
            "*clear_*page*",
            "clear_page*",
            "clear_subpage",
            "do_anonymous_page",
            "*huge_pmd*",
            "*alloc_pages*",
            "*alloc_frozen_pages*",
            "vma_alloc_*",
            "folio_*",
            "alloc_anon_folio",
            "get_page_from_freelist",
            "prep_new_page",
            "rmqueue*",
            "do_user_addr_fault",
            "do_translation_fault",
            "do_mem_abort",
            "el0_da",
            "vm_fault",
        ],
    ),
    (
        Role::Allocation,
        &["*mmap*", "*brk*", "*madvise*", "*mremap*"],
    ),
    (
        Role::Sync,
        &[
            "*futex*",
            "*schedule*",
            "*sched_yield*",
            "ep_poll*",
            "*nanosleep*",
            "try_to_wake_up",
            "wake_up_*",
            "psynch_*",
        ],
    ),
];

/// Names of the process's own code, what is more special before what is more general.
const NATIVE: &[(Role, &[&str])] = &[
    (
        Role::Observer,
        &[
            "*raptors_hooks::*",
            "*raptors_recording::*",
            "*_native::observe*",
            "raptors_probes::*",
            "pprof::*",
            "perf_signal_handler",
            "*raptors_flamegraphs::capture*",
            "raptors_kernel::trace::*",
        ],
    ),
    (
        Role::Free,
        &[
            "free",
            "cfree",
            "__libc_free",
            "_int_free*",
            "munmap",
            "__munmap",
            "unmap_chunk",
            "munmap_chunk",
            "systrim*",
            "malloc_consolidate",
            "array_dealloc",
            "npy_free_cache*",
            "_npy_free_cache",
            "default_free*",
            "PyDataMem_FREE",
            "PyDataMem_UserFREE",
            "PyMem_Free",
            "PyMem_RawFree",
            "_PyMem_RawFree",
            "__rust_dealloc",
            "__rdl_dealloc",
            "*drop_in_place*Buffer*",
            "*raptors_kernel::buffer::Buffer* as *Drop>::drop",
        ],
    ),
    (
        Role::Allocation,
        &[
            "malloc",
            "__libc_malloc",
            "calloc",
            "__libc_calloc",
            "realloc",
            "__libc_realloc",
            "_int_malloc",
            "_int_realloc",
            "sysmalloc*",
            "aligned_alloc",
            "posix_memalign",
            "memalign",
            "mmap",
            "mmap64",
            "__mmap",
            "brk",
            "sbrk",
            "madvise",
            "__madvise",
            "PyArray_NewFromDescr*",
            "PyArray_NewLikeArray*",
            "PyArray_Empty*",
            "PyArray_Zeros*",
            "npy_alloc_cache*",
            "_npy_alloc_cache",
            "default_malloc",
            "default_calloc",
            "default_realloc",
            "PyDataMem_NEW*",
            "PyDataMem_UserNEW*",
            "PyDataMem_RENEW",
            "PyDataMem_UserRENEW",
            "PyMem_Malloc",
            "PyMem_RawMalloc",
            "_PyMem_RawMalloc",
            "__rust_alloc*",
            "__rdl_alloc*",
            "__rust_realloc",
            "*raptors_kernel::buffer::*",
            "alloc::raw_vec::*",
            "alloc::alloc::*",
            "_malloc_*",
            "szone_malloc*",
            "nanov2_malloc*",
        ],
    ),
    (
        Role::Sync,
        &[
            "*futex*",
            "pthread_cond_*",
            "__pthread_cond_*",
            "pthread_mutex_*",
            "__pthread_mutex_*",
            "___pthread_mutex_*",
            "__lll_lock_*",
            "pthread_join*",
            "__pthread_clockjoin_ex",
            "sched_yield",
            "__sched_yield",
            "blas_thread_server",
            "exec_blas_async*",
            "blas_lock",
            "rayon_core::sleep::*",
            "rayon_core::registry::*",
            "rayon_core::latch::*",
            "<rayon_core::latch::*",
            "rayon_core::scope::*",
            "crossbeam_deque::*",
            "crossbeam_epoch::*",
            "std::thread::yield_now",
            "std::thread::park*",
            "*std::sys::sync::*",
            "raptors_kernel::pool::*",
            "take_gil",
            "drop_gil",
            "PyThread_acquire_lock*",
            "gomp_*wait*",
            "GOMP_barrier",
            "__kmp_*wait*",
            "__kmp_*barrier*",
            "__psynch_*",
            "__ulock_*",
            "semaphore_wait_trap",
        ],
    ),
    (
        Role::Kernel,
        &[
            "np.*[*->*]*",
            "*gemm*",
            "*gemv*",
            "cblas_*",
            "scipy_cblas_*",
            "*axpy*",
            "*scal_k*",
            "sscal_*",
            "dscal_*",
            "*dot_k*",
            "inner_thread",
            "exec_blas",
            "vDSP_*",
            "vv*f",
            "BOOL_*",
            "BYTE_*",
            "UBYTE_*",
            "SHORT_*",
            "USHORT_*",
            "INT_*",
            "UINT_*",
            "LONG_*",
            "ULONG_*",
            "LONGLONG_*",
            "ULONGLONG_*",
            "HALF_*",
            "FLOAT_*",
            "DOUBLE_*",
            "LONGDOUBLE_*",
            "CFLOAT_*",
            "CDOUBLE_*",
            "CLONGDOUBLE_*",
            "DATETIME_*",
            "TIMEDELTA_*",
            "OBJECT_*",
            "PyUFunc_??_?",
            "PyUFunc_?_?",
            "PyUFunc_??_?_As_??_?",
            "PyUFunc_?_?_As_?_?",
            "*raptors_kernel::loops::*",
            "raptors_kernel::split::*",
            "*raptors_kernel::split::Pieces*",
            "raptors_kernel::openblas::*",
            "raptors_kernel::platform::*accelerate*",
        ],
    ),
    (
        Role::Conversion,
        &[
            "PyArray_FromAny*",
            "PyArray_CheckFromAny*",
            "PyArray_FromArray*",
            "PyArray_FromScalar*",
            "PyArray_FromBuffer",
            "PyArray_CastToType",
            "PyArray_CopyInto",
            "PyArray_AssignArray*",
            "PyArray_AssignFromCache*",
            "PyArray_DiscoverDTypeAndShape*",
            "PyArray_Pack",
            "PyArray_NewCopy",
            "PyArray_CopyAsFlat",
            "raw_array_assign_*",
            "_contig_*to*",
            "_aligned_*to*",
            "_strided_*to*",
            "_strided_to_*",
            "_contig_to_*",
            "_aligned_strided_to_*",
            "*_cast_*",
            "cast_*_to_*",
            "npyiter_copy_*",
            "npyiter_coerce*",
            "array_astype*",
            "array_tolist",
            "array_asarray*",
            "array_array*",
            "array_ascontiguousarray*",
            "_array_fromobject_generic",
            "*_native::convert*",
            "*_native::ndarray*",
            "*numpy::borrow*",
        ],
    ),
    (
        Role::Dispatch,
        &[
            "array_*",
            "ufunc_*",
            "PyUFunc_*",
            "try_trivial_*",
            "execute_ufunc_loop",
            "execute_legacy_*",
            "convert_ufunc_arguments",
            "promote_and_get_*",
            "resolve_descriptors*",
            "resolve_implementation_info*",
            "legacy_promote_using_*",
            "get_*_ufunc*",
            "generic_wrapped_legacy_loop",
            "get_wrapped_legacy_*",
            "check_for_trivial_loop",
            "NpyIter_*",
            "npyiter_*",
            "npy_*",
            "PyArray_*",
            "PyArrayMethod_*",
            "float_multiply",
            "double_multiply",
            "gentype_*",
            "find_binary_operation_path",
            "_multiarray_*",
            "iterator_loop",
            "trivial_two_operand_loop",
            "trivial_three_operand_loop",
            "fast_scalar_power*",
            "raptors_kernel::choice::*",
            "*raptors_kernel::scale::*",
            "raptors_kernel::trace*",
            "*raptors_kernel::*",
            "*_native::*",
            "*pyo3::*",
            "*numpy::*",
        ],
    ),
    (
        Role::Interpreter,
        &[
            "_PyEval_*",
            "PyEval_*",
            "_PyFunction_*",
            "_PyObject_*",
            "PyObject_*",
            "_PyVectorcall_*",
            "PyVectorcall_*",
            "PyNumber_*",
            "PySequence_*",
            "PyIter_*",
            "binary_op1",
            "binary_iop1",
            "cfunction_*",
            "method_vectorcall*",
            "vectorcall_*",
            "slot_*",
            "builtin_*",
            "_PyStack_*",
            "PyFloat_*",
            "PyLong_*",
            "PyUnicode_*",
            "PyDict_*",
            "_PyDict_*",
            "PyTuple_*",
            "PyList_*",
            "PyErr_*",
            "_PyErr_*",
            "Py_*",
            "_Py_*",
            "pymain_*",
            "run_mod",
            "run_eval_code_obj",
            "_PyRun_*",
            "PyRun_*",
            "_PyGen_*",
            "gen_*",
            "gc_*",
            "PyGC_*",
            "_PyGC_*",
            "PyType_*",
            "_PyType_*",
            "type_call",
            "subtype_dealloc",
            "tuple_*",
            "list_*",
            "dict_*",
            "long_*",
            "float_*",
            "unicode_*",
            "object_*",
            "PyCFunction_*",
            "lookdict*",
            "_PyInterpreterState_*",
            "PyMethod_*",
            "_TAIL_CALL_*",
        ],
    ),
];

/// Assigns roles: the tables above, and before them what the caller adds.
#[derive(Clone, Debug, Default)]
pub struct Roles {
    added: Vec<(Role, String)>,
}

impl Roles {
    /// Gives the role to native frames with this name, in which `*` stands for any text and `?` for one
    /// character; before the tables, and before what was added earlier.
    #[must_use]
    pub fn with(mut self, role: Role, pattern: &str) -> Roles {
        self.added.insert(0, (role, pattern.to_owned()));
        self
    }

    /// The role that a frame has by itself.
    pub fn of(&self, frame: &Frame) -> Option<Role> {
        match frame.kind {
            Kind::Python => return Some(Role::Interpreter),
            Kind::Derived => return Some(Role::PageFault),
            Kind::Kernel => return listed(KERNEL, &frame.name),
            Kind::Native => {}
        }
        // Debug information calls an inlined Rust function by its last name only, which may be one that
        // another library's function has.
        let is_short = frame.inlined
            && frame
                .file
                .as_ref()
                .is_some_and(|file| file.ends_with(".rs"));
        let listed_native = || match is_short && !frame.name.contains("::") {
            true => None,
            false => listed(NATIVE, &frame.name),
        };
        let added = self
            .added
            .iter()
            .find(|(_, pattern)| fits(pattern, &frame.name));
        added.map(|(role, _)| *role).or_else(listed_native)
    }

    /// The role of every frame of a profile, in the order of [`Profile::frames`].
    pub fn of_all(&self, profile: &Profile) -> Vec<Option<Role>> {
        profile
            .frames()
            .iter()
            .map(|frame| self.of(frame))
            .collect()
    }
}

impl Profile {
    /// The role of a stack: that of its innermost frame that has one. `roles` are
    /// [`Roles::of_all`] of this profile.
    pub fn role_of(&self, stack: StackId, roles: &[Option<Role>]) -> Option<Role> {
        self.frames_of(stack)
            .find_map(|frame| roles[frame.0 as usize])
    }
}

fn listed(table: &[(Role, &[&str])], name: &str) -> Option<Role> {
    let row = table
        .iter()
        .find(|(_, patterns)| patterns.iter().any(|pattern| fits(pattern, name)));
    row.map(|(role, _)| *role)
}

/// Whether `name` is what `pattern` says. Bytes, as every letter of a pattern is ASCII.
fn fits(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    let (mut at, mut from) = (0, 0);
    // Where the last star was, and how much of the name it stands for.
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
            (
                "raptors_kernel::loops::x86::avx512::f32_stream",
                Role::Kernel,
            ),
            ("raptors_kernel::split::run", Role::Kernel),
            ("raptors_kernel::choice::plan", Role::Dispatch),
            ("_native::scale::scale", Role::Dispatch),
            (
                "<raptors_kernel::buffer::Buffer<f32> as core::ops::drop::Drop>::drop",
                Role::Free,
            ),
            (
                "raptors_kernel::buffer::Buffer<core::mem::MaybeUninit<f32>>::uninit",
                Role::Allocation,
            ),
            ("raptors_kernel::pool::Pool::run", Role::Sync),
            ("rayon_core::sleep::Sleep::sleep", Role::Sync),
            (
                "raptors_hooks::loops::trampolines::trampoline",
                Role::Observer,
            ),
        ] {
            assert_eq!(role(name), Some(expected), "{name}");
        }
    }

    #[test]
    fn the_systems_kernel_has_names_of_its_own() {
        let kernel = |name: &str| {
            let frame = Frame {
                kind: Kind::Kernel,
                ..Frame::native(name)
            };
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
        let inlined = |file: &str| Frame {
            file: Some(file.into()),
            inlined: true,
            ..Frame::native("free")
        };
        assert_eq!(Roles::default().of(&inlined("pool.rs")), None);
        assert_eq!(Roles::default().of(&inlined("malloc.c")), Some(Role::Free));
    }

    #[test]
    fn what_the_caller_adds_comes_first() {
        let roles = Roles::default()
            .with(Role::Sync, "my_*")
            .with(Role::Kernel, "my_loop");
        assert_eq!(roles.of(&Frame::native("my_loop")), Some(Role::Kernel));
        assert_eq!(roles.of(&Frame::native("my_wait")), Some(Role::Sync));
    }
}
