//! The memory of results: alignment, advice, and the effect of `RAPTORS_ALLOC`.

use std::mem::MaybeUninit;

use raptors_kernel::{ALIGNMENT, Buffer, Error};

use crate::common;

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
        assert_eq!(error, Error::OutOfMemory { bytes: len.saturating_mul(8) });
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

/// Prints the memory of a large result and a small one.
#[cfg(target_os = "linux")]
#[test]
#[ignore = "run by the tests below, in a process of its own"]
fn show() {
    for len in [2 << 20, 1 << 18] {
        let (result, _) = raptors_kernel::scaled(&vec![1.0f32; len], 2.0, &Default::default()).unwrap();
        let middle = result[len / 2..].as_ptr() as usize;
        println!("{len}: advised {} offset {}", advised(middle), result.as_ptr() as usize % 64);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn large_results_are_advised_to_use_huge_pages_unless_plain() {
    if !std::path::Path::new("/sys/kernel/mm/transparent_hugepage").exists() {
        return common::skip("this kernel has no transparent huge pages");
    }
    let said = common::in_new_process("buffer::show", &[]);
    assert!(said.contains("2097152: advised true offset 0"), "{said}");
    assert!(said.contains("262144: advised false offset 0"), "{said}");
    let said = common::in_new_process("buffer::show", &[("RAPTORS_ALLOC", "plain")]);
    assert!(said.contains("2097152: advised false"), "{said}");
}

/// Prints the effect of dropping results and making new ones: whether the memory is the same, how much is idle, how
/// much `trim` returns.
#[cfg(target_os = "linux")]
#[test]
#[ignore = "run by the tests below, in a process of its own"]
fn show_reuse() {
    let source = vec![1.5f32; 1 << 20];
    let scaled = |factor| raptors_kernel::scaled(&source, factor, &Default::default()).unwrap().0;
    let first = scaled(2.0);
    let address = first.as_ptr();
    drop(first);
    let idle = raptors_kernel::idle_bytes();
    let again = scaled(3.0);
    println!("idle {idle} again {} value {}", again.as_ptr() == address, again[(1 << 20) - 1]);
    let beside = scaled(4.0);
    println!("apart {}", beside.as_ptr() != again.as_ptr() && again[0] == 4.5 && beside[0] == 6.0);
    drop((again, beside));
    println!("trimmed {} left {}", raptors_kernel::trim(), raptors_kernel::idle_bytes());
}

#[cfg(target_os = "linux")]
#[test]
fn a_dropped_results_memory_is_the_next_ones() {
    let said = common::in_new_process("buffer::show_reuse", &[]);
    assert!(said.contains("idle 4194304 again true value 4.5"), "{said}");
    assert!(said.contains("apart true"), "{said}");
    assert!(said.contains("trimmed 8388608 left 0"), "{said}");
    let said = common::in_new_process("buffer::show_reuse", &[("RAPTORS_BUFFER_CACHE", "5M")]);
    assert!(said.contains("trimmed 4194304 left 0"), "{said}");
    for (variable, value) in [("RAPTORS_BUFFER_CACHE", "0"), ("RAPTORS_ALLOC", "plain")] {
        let said = common::in_new_process("buffer::show_reuse", &[(variable, value)]);
        assert!(said.contains("idle 0 ") && said.contains("value 4.5"), "{said}");
        assert!(said.contains("trimmed 0 left 0"), "{said}");
    }
}

/// The pages of this process that are in memory.
#[cfg(target_os = "linux")]
fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

#[cfg(target_os = "linux")]
#[test]
#[ignore = "run by the test below, in a process of its own"]
fn show_resident() {
    let source = vec![1.5f32; 4 << 20];
    let request = Default::default();
    let scale = |times| (0..times).for_each(|_| drop(raptors_kernel::scaled(&source, 2.0, &request).unwrap()));
    scale(10);
    let tenth = resident();
    scale(300);
    let grown = resident().saturating_sub(tenth);
    let before = resident();
    let trimmed = raptors_kernel::trim();
    println!("grown {} trimmed {}", grown > 1 << 20, before - resident() >= trimmed / 2);
    println!("bytes {trimmed}");
}

#[cfg(target_os = "linux")]
#[test]
fn memory_does_not_grow_with_the_calls_and_goes_back_when_it_is_trimmed() {
    let said = common::in_new_process("buffer::show_resident", &[]);
    assert!(said.contains("grown false trimmed true"), "{said}");
    assert!(said.contains("bytes 16777216"), "{said}");
}

#[test]
fn eight_threads_at_once_get_right_results() {
    let request = raptors_kernel::Request { threads: Some(2), ..Default::default() };
    std::thread::scope(|scope| {
        for thread in 0..8 {
            scope.spawn(move || {
                let source: Vec<f64> = (0..100_000).map(|i| f64::from(i + thread)).collect();
                for factor in 1..40 {
                    let factor = f64::from(factor);
                    let (result, _) = raptors_kernel::scaled(&source, factor, &request).unwrap();
                    let right = source.iter().zip(result.iter()).all(|(a, b)| a * factor == *b);
                    assert!(right, "thread {thread}, factor {factor}");
                }
            });
        }
    });
}
