//! Ufunc loops, on a ufunc that needs no Python; NumPy's own are tested from Python.

use raptors_hooks::{Report, loops};
use raptors_recording::{Alias, Alignments, LoopCall, LoopShape, Record};
use std::ffi::{c_char, c_void};
use std::ptr::null_mut;

use crate::support::ufunc::{LoopFn, Ufunc, replace, ufunc};
use crate::support::{Recording, alone, loop_call};

const FLOAT: u8 = 11;
const DOUBLE: u8 = 12;
const OBJECT: u8 = 17;

unsafe extern "C" fn multiply(args: *mut *mut c_char, n: *const isize, steps: *const isize, _: *mut c_void) {
    // SAFETY: the tests hand in three operands of *n floats each.
    unsafe {
        for i in 0..*n {
            let at = |k: usize| (*args.add(k)).offset(i * *steps.add(k)).cast::<f32>();
            at(2).write(at(0).read() * at(1).read());
        }
    }
}

unsafe extern "C" fn other(_: *mut *mut c_char, _: *const isize, _: *const isize, _: *mut c_void) {}

/// Advances what it was handed, as numpy.linalg's loops do.
unsafe extern "C" fn advancing(args: *mut *mut c_char, _: *const isize, _: *const isize, _: *mut c_void) {
    // SAFETY: three operands.
    unsafe { (0..3).for_each(|k| *args.add(k) = null_mut()) };
}

/// Calls the loop whose address lies in `data`.
unsafe extern "C" fn nesting(args: *mut *mut c_char, n: *const isize, steps: *const isize, data: *mut c_void) {
    // SAFETY: the test hands in a ufunc of the same operands.
    unsafe { (*(*data.cast::<Ufunc>()).functions)(args, n, steps, null_mut()) };
}

fn arm(ufuncs: &[*mut Ufunc]) -> Report {
    let pointers: Vec<*mut c_void> = ufuncs.iter().map(|u| u.cast()).collect();
    // SAFETY: ufuncs that live forever, and the function that replaces their loops; there is no GIL.
    unsafe { loops::arm(loops::UfuncApi { replace }, &pointers) }.unwrap()
}

fn disarm() -> Report {
    // SAFETY: as for `arm`.
    unsafe { loops::disarm() }
}

fn binary(name: &str, function: LoopFn) -> *mut Ufunc {
    std::ptr::from_mut(ufunc(name, 2, &[&[FLOAT; 3]], &[function]))
}

fn call(ufunc: *mut Ufunc, operands: [*mut f32; 3], n: isize, steps: [isize; 3]) {
    let mut args = operands.map(|p| p.cast::<c_char>());
    let data = ufunc.cast();
    // SAFETY: the caller's operands are as long as n and the steps say.
    unsafe { (*(*ufunc).functions)(args.as_mut_ptr(), &n, steps.as_ptr(), data) };
}

/// Records one call.
fn observed(operands: [*mut f32; 3], n: isize, steps: [isize; 3]) -> Record {
    let ufunc = binary("multiply", multiply);
    let recording = Recording::start();
    arm(&[ufunc]);
    call(ufunc, operands, n, steps);
    let _ = disarm();
    let recorded = recording.finish();
    assert_eq!(recorded.records.len(), 1);
    recorded.records[0]
}

/// How the two inputs lie to the output.
fn aliases(record: &Record) -> [Alias; 2] {
    [0, 1].map(|input| loop_call(record).aliasing.of(input))
}

#[repr(align(64))]
struct Aligned([f32; 64]);

fn memory() -> Aligned {
    Aligned(std::array::from_fn(|i| i as f32))
}

#[test]
fn an_array_times_a_scalar() {
    let _alone = alone();
    let (mut a, mut out) = (memory(), [0.0_f32; 64]);
    let mut factor = 2.5_f32;
    let p = a.0.as_mut_ptr();
    let record = observed([p, &mut factor, out.as_mut_ptr()], 64, [4, 0, 4]);
    assert_eq!(out[3], 7.5);
    assert_eq!(record.depth, 0);
    let call = loop_call(&record);
    assert_eq!((call.n, call.shape), (64, LoopShape::Strides([4, 0, 4, 0])));
    assert!(call.alignments.log2()[0] >= 6, "64-byte alignment");
    assert_eq!([0, 1].map(|input| call.aliasing.of(input)), [Alias::Apart; 2]);
    assert_eq!(call.scalar, Some(2.5_f32.to_bits().into()));
}

#[test]
fn in_place_overlap_and_negative_strides() {
    let _alone = alone();
    let mut a = memory();
    let p = a.0.as_mut_ptr();
    let same = observed([p, p.wrapping_add(32), p], 16, [4, 4, 4]);
    assert_eq!(aliases(&same), [Alias::Same, Alias::Apart], "the first input is the output");
    assert_eq!(loop_call(&same).scalar, None);
    let overlap = observed([p.wrapping_add(1), p.wrapping_add(32), p], 16, [4, 4, 4]);
    assert_eq!(aliases(&overlap), [Alias::Overlap, Alias::Apart]);
    let backwards = observed([p.wrapping_add(15), p.wrapping_add(63), p.wrapping_add(16)], 16, [-4, -4, 4]);
    assert_eq!(loop_call(&backwards).shape, LoopShape::Strides([-4, -4, 4, 0]));
    assert_eq!(aliases(&backwards), [Alias::Apart; 2], "two arrays side by side");
}

#[test]
fn a_reduction_has_no_scalar() {
    let _alone = alone();
    let mut a = memory();
    let mut total = 1.0_f32;
    let sum = &raw mut total;
    let record = observed([sum, a.0.as_mut_ptr().wrapping_add(1), sum], 3, [0, 4, 0]);
    assert_eq!(loop_call(&record).scalar, None);
    assert_eq!(aliases(&record), [Alias::Same, Alias::Apart]);
    assert_eq!(total, 6.0);
}

#[test]
fn an_empty_call_reads_nothing() {
    let _alone = alone();
    let record = observed([null_mut(); 3], 0, [0; 3]);
    let LoopCall { n, scalar, .. } = loop_call(&record);
    assert_eq!((n, scalar), (0, None));
}

#[test]
fn operands_are_read_before_a_loop_advances_them() {
    let _alone = alone();
    let ufunc = binary("advancing", advancing);
    let mut a = memory();
    let p = a.0.as_mut_ptr().wrapping_add(1);
    let recording = Recording::start();
    arm(&[ufunc]);
    call(ufunc, [p; 3], 4, [4; 3]);
    let _ = disarm();
    let record = recording.finish().records[0];
    let four = Alignments::NONE.with(0, 4).with(1, 4).with(2, 4);
    assert_eq!(loop_call(&record).alignments, four, "4-byte alignment, not a null pointer's");
    assert_eq!(aliases(&record), [Alias::Same; 2]);
}

#[test]
fn a_loop_inside_a_loop_is_an_inner_call() {
    let _alone = alone();
    let (inner, outer) = (binary("inner", multiply), binary("outer", nesting));
    let mut a = memory();
    let p = a.0.as_mut_ptr();
    let recording = Recording::start();
    arm(&[inner, outer]);
    let mut args = [p.cast::<c_char>(); 3];
    // SAFETY: `nesting` takes a ufunc as its data, and four floats of each operand are there.
    unsafe { (*(*outer).functions)(args.as_mut_ptr(), &4, [4; 3].as_ptr(), inner.cast()) };
    call(inner, [p; 3], 4, [4; 3]);
    let _ = disarm();
    let recorded = recording.finish();
    let seen: Vec<_> = recorded.records.iter().map(|r| (recorded.name(r), r.depth)).collect();
    let expected = [("inner[ff->f]", 1), ("outer[ff->f]", 0), ("inner[ff->f]", 0)];
    assert_eq!(seen, expected.map(|(name, depth)| (name.to_owned(), depth)));
    assert!(recorded.records[0].duration <= recorded.records[1].duration);
}

#[test]
fn sites_describe_loops_and_stay_the_same() {
    let _alone = alone();
    let ufunc = binary("described", multiply);
    let recording = Recording::start();
    assert!(arm(&[ufunc]).not_armed.is_empty());
    let mut a = memory();
    let p = a.0.as_mut_ptr();
    for _ in 0..3 {
        call(ufunc, [p; 3], 4, [4; 3]);
        assert_eq!(disarm().restored, 1);
        assert_eq!(arm(&[ufunc]).armed, 1);
        assert_eq!(arm(&[ufunc]).armed, 1, "armed twice is armed once");
    }
    let _ = disarm();
    let recorded = recording.finish();
    let sites: Vec<u32> = recorded.records.iter().map(|r| r.site).collect();
    assert_eq!(sites, [sites[0]; 3]);
    let site = &recorded.sites[&sites[0]];
    assert!(site["symbol"].as_str().unwrap().contains("multiply"), "{site}");
    assert!(site["module"].as_str().unwrap().contains("integration-"), "{site}");
    assert_eq!(site["item_sizes"], serde_json::json!([4, 4, 4]));
    assert_eq!((&site["nin"], &site["nout"]), (&2.into(), &1.into()));
    // A second run file in the same process has the description, too.
    let recording = Recording::start();
    arm(&[ufunc]);
    call(ufunc, [p; 3], 4, [4; 3]);
    let _ = disarm();
    assert_eq!(recording.finish().one("described[ff->f]").site, sites[0]);
}

#[test]
fn equal_signatures_are_wrapped_once_and_objects_have_no_scalar() {
    let _alone = alone();
    let types: [&[u8]; 3] = [&[FLOAT; 3], &[FLOAT; 3], &[OBJECT; 3]];
    let twice = std::ptr::from_mut(ufunc("twice", 2, &types, &[multiply, multiply, other]));
    let recording = Recording::start();
    let report = arm(&[twice]);
    assert_eq!((report.armed, report.not_armed.len()), (2, 0), "{report:?}");
    // SAFETY: the table has three entries.
    let table = unsafe { std::slice::from_raw_parts((*twice).functions, 3) };
    assert_eq!(table[1] as usize, multiply as *const () as usize, "NumPy never calls the second one");
    let mut objects = [16_usize; 3];
    let mut args = objects.each_mut().map(|o| std::ptr::from_mut(o).cast::<c_char>());
    // SAFETY: `other` touches nothing.
    unsafe { table[2](args.as_mut_ptr(), &1, [0, 0, 8].as_ptr(), null_mut()) };
    assert_eq!(disarm().restored, 2);
    let recorded = recording.finish();
    assert_eq!(loop_call(&recorded.one("twice[OO->O]")).scalar, None);
}

#[test]
fn a_loop_that_somebody_else_replaced_is_left_alone() {
    let _alone = alone();
    let ufunc = binary("foreign", multiply);
    arm(&[ufunc]);
    // SAFETY: the table has one entry.
    let trampoline = unsafe { (*ufunc).functions.replace(other) };
    let report = disarm();
    assert_eq!((report.restored, report.not_armed.len()), (0, 1), "{report:?}");
    // SAFETY: as above.
    let held = unsafe { *(*ufunc).functions };
    assert_eq!(held as usize, other as *const () as usize);
    // Whoever kept our trampoline gets the original's work, unrecorded.
    let recording = Recording::start();
    let (mut a, n) = (memory(), 4);
    let mut args = [a.0.as_mut_ptr().cast::<c_char>(); 3];
    // SAFETY: four floats of each operand are there.
    unsafe { trampoline(args.as_mut_ptr(), &n, [4; 3].as_ptr(), null_mut()) };
    assert_eq!(a.0[3], 9.0);
    assert!(recording.finish().records.is_empty());
}

#[test]
fn a_generalised_loop_tells_its_core() {
    let _alone = alone();
    let gufunc = ufunc("matmul", 2, &[&[DOUBLE; 3]], &[other]);
    gufunc.core_enabled = 1;
    gufunc.core_dimensions = 3;
    gufunc.core_signature = c"(n?,k),(k,m?)->(n?,m?)".as_ptr();
    let pointer = std::ptr::from_mut(gufunc);
    let recording = Recording::start();
    arm(&[pointer]);
    let mut a = [0.0_f64; 4];
    let mut args = [a.as_mut_ptr().cast::<c_char>(); 3];
    let dimensions = [2_isize, 5, 6, 7, 999];
    // SAFETY: `other` touches nothing.
    unsafe { (*(*pointer).functions)(args.as_mut_ptr(), dimensions.as_ptr(), [0; 9].as_ptr(), null_mut()) };
    let _ = disarm();
    let recorded = recording.finish();
    let record = recorded.one("matmul[dd->d]");
    let call = loop_call(&record);
    assert_eq!((call.n, call.shape), (2, LoopShape::Core([5, 6, 7, 0])), "and nothing beyond the core");
    assert_eq!(recorded.sites[&record.site]["core_signature"], "(n?,k),(k,m?)->(n?,m?)");
}

#[test]
fn what_is_no_ufunc_is_refused() {
    let _alone = alone();
    let refuse = |pointer: *mut c_void| {
        // SAFETY: each leads to readable memory of a ufunc's size, or nowhere.
        let armed = unsafe { loops::arm(loops::UfuncApi { replace }, &[pointer]) };
        armed.unwrap_err().to_string()
    };
    assert!(refuse(null_mut()).contains("address"));
    let odd = binary("odd", multiply);
    // SAFETY: just made.
    unsafe { (*odd).nargs = 4 };
    assert!(refuse(odd.cast()).contains("2 inputs + 1 outputs = 4"));
    let nameless = binary("nameless", multiply);
    // SAFETY: just made.
    unsafe { (*nameless).name = std::ptr::null() };
    assert!(refuse(nameless.cast()).contains("name"));
    let empty = std::ptr::from_mut(ufunc("empty", 1, &[], &[]));
    let report = arm(&[empty]);
    assert!(report.not_armed.iter().any(|n| n.what == "empty"), "{report:?}");
    let _ = disarm();
}

#[test]
fn a_constant_table_of_loops_is_left_alone() {
    let _alone = alone();
    static TABLE: [LoopFn; 1] = [multiply];
    let ufunc = binary("constant", multiply);
    // SAFETY: just made. The table lies in read-only memory, into which NumPy's function would write.
    unsafe { (*ufunc).functions = TABLE.as_ptr().cast_mut() };
    let report = arm(&[ufunc]);
    let refused = report.not_armed.iter().find(|n| n.what == "constant");
    assert!(refused.is_some_and(|n| n.why.contains("read-only")), "{report:?}");
    let _ = disarm();
}

/// The loop that [`wrapping`] calls.
static INNER: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);

/// Another tool's wrapper.
unsafe extern "C" fn wrapping(args: *mut *mut c_char, n: *const isize, steps: *const isize, data: *mut c_void) {
    let inner = INNER.load(std::sync::atomic::Ordering::SeqCst);
    // SAFETY: the tests store a loop before they install this one.
    unsafe { std::mem::transmute::<usize, LoopFn>(inner)(args, n, steps, data) };
}

/// Installs [`wrapping`] around what is in the ufunc's table; returns that.
fn wrap(ufunc: *mut Ufunc) -> LoopFn {
    // SAFETY: the table has one entry.
    unsafe {
        let inner = *(*ufunc).functions;
        INNER.store(inner as usize, std::sync::atomic::Ordering::SeqCst);
        (*ufunc).functions.replace(wrapping)
    }
}

/// The products of the first numbers by themselves.
fn squares(ufunc: *mut Ufunc) -> [f32; 4] {
    let (mut a, mut out) = (memory(), [0.0_f32; 4]);
    let p = a.0.as_mut_ptr();
    call(ufunc, [p, p, out.as_mut_ptr()], 4, [4; 3]);
    out
}

#[test]
fn a_loop_that_could_not_be_restored_is_not_observed_again() {
    let _alone = alone();
    let ufunc = binary("wrapped", multiply);
    arm(&[ufunc]);
    let trampoline = wrap(ufunc);
    let refused = |report: &Report| report.not_armed.iter().any(|n| n.what == "wrapped[ff->f]");
    assert!(refused(&disarm()));
    for _ in 0..2 {
        let report = arm(&[ufunc]);
        assert!(refused(&report), "{report:?}");
        assert_eq!(squares(ufunc), [0.0, 1.0, 4.0, 9.0], "theirs calls ours, and ours must not call theirs");
        assert_eq!(disarm().not_armed.len(), 0, "it was said before");
    }
    // Once the other tool has gone, all is as before.
    // SAFETY: the table has one entry.
    unsafe { (*ufunc).functions.write(trampoline) };
    let recording = Recording::start();
    assert!(!refused(&arm(&[ufunc])));
    squares(ufunc);
    assert_eq!(disarm().restored, 1);
    assert_eq!(recording.finish().records.len(), 1);
}

#[test]
fn arming_twice_around_another_tools_loop_does_not_recurse() {
    let _alone = alone();
    let ufunc = binary("twice_wrapped", multiply);
    arm(&[ufunc]);
    wrap(ufunc);
    let report = arm(&[ufunc]);
    assert!(report.not_armed.iter().any(|n| n.what == "twice_wrapped[ff->f]"), "{report:?}");
    assert_eq!(squares(ufunc), [0.0, 1.0, 4.0, 9.0]);
    let _ = disarm();
    assert_eq!(squares(ufunc), [0.0, 1.0, 4.0, 9.0]);
}

#[test]
fn a_loop_that_was_replaced_after_it_was_restored_gets_another_trampoline() {
    let _alone = alone();
    let ufunc = binary("wrapped_later", multiply);
    arm(&[ufunc]);
    let trampoline = wrap(ufunc);
    // SAFETY: the table has one entry. The other tool leaves, and comes back with what it kept.
    unsafe { (*ufunc).functions.write(trampoline) };
    assert_eq!(disarm().restored, 1);
    // SAFETY: as above.
    unsafe { (*ufunc).functions.write(wrapping) };
    let recording = Recording::start();
    arm(&[ufunc]);
    assert_eq!(squares(ufunc), [0.0, 1.0, 4.0, 9.0]);
    assert_eq!(disarm().restored, 1);
    // SAFETY: as above.
    assert_eq!(unsafe { *(*ufunc).functions } as usize, wrapping as *const () as usize);
    assert_eq!(recording.finish().counts().get("wrapped_later[ff->f]"), Some(&1), "one outermost call");
}

#[test]
#[cfg(target_os = "linux")]
fn a_forked_child_computes_and_records_nothing() {
    let _alone = alone();
    let ufunc = binary("forked", multiply);
    let recording = Recording::start();
    arm(&[ufunc]);
    let mut a = memory();
    let p = a.0.as_mut_ptr();
    // SAFETY: the child calls a loop, which takes no lock, and leaves without unwinding.
    let child = unsafe { libc::fork() };
    if child == 0 {
        call(ufunc, [p; 3], 4, [4; 3]);
        // SAFETY: as above.
        unsafe { libc::_exit(if a.0[3] == 9.0 { 42 } else { 1 }) };
    }
    let mut status = 0;
    // SAFETY: the child just made.
    unsafe { libc::waitpid(child, &mut status, 0) };
    assert_eq!(libc::WEXITSTATUS(status), 42);
    call(ufunc, [p; 3], 4, [4; 3]);
    let _ = disarm();
    assert_eq!(recording.finish().records.len(), 1);
}

#[test]
fn threads_call_while_loops_come_and_go() {
    let _alone = alone();
    let ufunc = binary("busy", multiply);
    let address = ufunc as usize;
    let recording = Recording::start();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    let (mut a, mut out) = (memory(), [0.0_f32; 64]);
                    let p = a.0.as_mut_ptr();
                    call(address as *mut Ufunc, [p, p, out.as_mut_ptr()], 64, [4; 3]);
                    assert_eq!(out[9], 81.0);
                }
            });
        }
        for _ in 0..1000 {
            arm(&[ufunc]);
            assert_eq!(disarm().restored, 1);
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    let recorded = recording.finish();
    assert!(recorded.records.iter().all(|r| loop_call(r).n == 64 && r.depth == 0));
}
