//! The memory of results: alignment, advice, and what `RAPTORS_ALLOC` changes.

mod common;

use std::mem::MaybeUninit;

use raptors_kernel::{ALIGNMENT, Buffer, Error};

#[test]
fn memory_is_aligned_at_every_size() {
    for len in [0, 1, 15, 16, 17, 1000, 1 << 20, (1 << 20) + 1] {
        let memory = Buffer::<MaybeUninit<f32>>::uninit(len).unwrap();
        assert_eq!(memory.as_ptr() as usize % ALIGNMENT, 0, "len = {len}");
        assert_eq!(memory.len(), len);
    }
}

#[test]
fn contents_are_those_of_the_slice_on_another_thread_too() {
    let source: Vec<f64> = (0..10_000).map(f64::from).collect();
    let buffer = Buffer::from_slice(&source).unwrap();
    let back = std::thread::spawn(move || buffer.to_vec()).join().unwrap();
    assert_eq!(back, source);
}

#[test]
fn no_memory_is_an_error_that_names_the_bytes() {
    for len in [usize::MAX, usize::MAX / 8, 1 << 60] {
        let error = Buffer::<MaybeUninit<f64>>::uninit(len).unwrap_err();
        assert_eq!(
            error,
            Error::OutOfMemory {
                bytes: len.saturating_mul(8)
            }
        );
    }
}

/// Whether the mapping of `address` is advised to use huge pages (`hg` among its flags).
#[cfg(target_os = "linux")]
fn advised(address: usize) -> bool {
    let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
    let mut within = false;
    for line in maps.lines() {
        let range = line.split(' ').next().unwrap().split_once('-');
        if let Some((Ok(start), Ok(end))) =
            range.map(|(a, b)| (usize::from_str_radix(a, 16), usize::from_str_radix(b, 16)))
        {
            within = (start..end).contains(&address);
        } else if within && line.starts_with("VmFlags:") {
            return line.split(' ').any(|flag| flag == "hg");
        }
    }
    panic!("no mapping holds {address:#x}");
}

/// Prints what the memory of a large result and a small one is like.
#[cfg(target_os = "linux")]
#[test]
#[ignore = "run by the tests below, in a process of its own"]
fn show() {
    for len in [2 << 20, 1 << 18] {
        let (result, _) =
            raptors_kernel::scaled(&vec![1.0f32; len], 2.0, &Default::default()).unwrap();
        let middle = result[len / 2..].as_ptr() as usize;
        println!(
            "{len}: advised {} offset {}",
            advised(middle),
            result.as_ptr() as usize % 64
        );
    }
}

#[cfg(target_os = "linux")]
#[test]
fn large_results_are_advised_to_use_huge_pages_unless_plain() {
    if !std::path::Path::new("/sys/kernel/mm/transparent_hugepage").exists() {
        return common::skip("this kernel has no transparent huge pages");
    }
    let said = common::in_new_process("show", &[]);
    assert!(said.contains("2097152: advised true offset 0"), "{said}");
    assert!(said.contains("262144: advised false offset 0"), "{said}");
    let said = common::in_new_process("show", &[("RAPTORS_ALLOC", "plain")]);
    assert!(said.contains("2097152: advised false"), "{said}");
}
