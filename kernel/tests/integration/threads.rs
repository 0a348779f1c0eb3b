//! The pool: fork, affinity, many callers at once.

use raptors_kernel::{Backend, Request, scale_in_place};

const N: usize = 1 << 18;

fn parallel(threads: Option<usize>) -> Request {
    Request { backend: Some(Backend::PARALLEL), threads, ..Request::default() }
}

fn doubles(request: &Request) -> bool {
    let mut data = vec![1.5f32; N];
    scale_in_place(&mut data, 2.0, request).unwrap();
    data.iter().all(|value| *value == 3.0)
}

#[test]
fn a_forked_child_runs_on_a_pool_of_its_own() {
    assert!(doubles(&parallel(Some(3))));
    // SAFETY: the child calls the kernel, which is what is under test, and then _exit.
    let child = unsafe { libc::fork() };
    assert!(child >= 0);
    if child == 0 {
        // SAFETY: alarm ends the child, should it hang; _exit runs no handlers of the parent.
        unsafe {
            libc::alarm(20);
            libc::_exit(if doubles(&parallel(Some(3))) { 0 } else { 1 });
        }
    }
    let mut status = 0;
    // SAFETY: waits for the child made above.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    assert!(libc::WIFEXITED(status), "the child hung or died: status {status:#x}");
    assert_eq!(libc::WEXITSTATUS(status), 0);
    assert!(doubles(&parallel(Some(3))), "the parent's pool still works");
}

#[test]
fn many_callers_at_once() {
    std::thread::scope(|scope| {
        for threads in [2, 3, 2, 4] {
            scope.spawn(move || {
                for _ in 0..50 {
                    assert!(doubles(&parallel(Some(threads))));
                }
            });
        }
    });
}

#[cfg(target_os = "linux")]
#[test]
fn as_many_threads_as_the_affinity_allows() {
    let mut data = vec![1.0f32; N];
    // Affinity is a thread's own, so this test's thread alone is bound.
    let mut set = [0u64; 16];
    // SAFETY: reads this thread's CPUs into a set of the size given.
    unsafe { libc::sched_getaffinity(0, size_of_val(&set), set.as_mut_ptr().cast()) };
    let word = set.iter().position(|word| *word != 0).unwrap();
    let mut one = [0u64; 16];
    one[word] = set[word] & set[word].wrapping_neg();
    // SAFETY: binds this thread to one of the CPUs it has.
    let bound = unsafe { libc::sched_setaffinity(0, size_of_val(&one), one.as_ptr().cast()) };
    assert_eq!(bound, 0);
    let choice = scale_in_place(&mut data, 2.0, &parallel(None)).unwrap();
    assert_eq!(choice.threads, 1);
    // Requested by name, more threads are used; they share the one CPU.
    assert_eq!(scale_in_place(&mut data, 2.0, &parallel(Some(2))).unwrap().threads, 2);
}
