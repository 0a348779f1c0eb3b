//! Scales an array of SIZE elements CALLS times on a backend.
//!
//! `tests/integration/cost.rs` runs this program under callgrind, built with and without probes and spans, to count
//! their instructions when no tracer watches.
//!
//! Usage: `count BACKEND SIZE CALLS`; `count pieces SIZE` prints the number of pieces into which `chunked` cuts such an
//! array (with probes only).

use std::error::Error;
use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};

use raptors_kernel::{Backend, Request, scale};
use raptors_probes::{Observer, set_observer};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["pieces", size] => pieces(size.parse()?),
        [backend, size, calls] => count(backend.parse()?, size.parse()?, calls.parse()?),
        _ => Err("usage: count BACKEND SIZE CALLS, or count pieces SIZE".into()),
    }
}

fn count(backend: Backend, size: usize, calls: u64) -> Result<(), Box<dyn Error>> {
    let request = Request { backend: Some(backend), threads: Some(1), ..Request::default() };
    let (mut src, mut dst) = (vec![1.5f32; size + LINE], vec![0.0; size + LINE]);
    let (src, dst) = (aligned(&mut src, size), aligned(&mut dst, size));
    for _ in 0..calls {
        // Neither build may know the factor.
        scale(black_box(src), black_box(2.0), dst, &request)?;
    }
    black_box(dst);
    Ok(())
}

/// Elements of a cache line.
const LINE: usize = 16;

/// `size` elements from the first whole cache line on. A loop computes the elements before an aligned one singly.
/// Otherwise its number of instructions would depend on the array's address, and that on the length of this program's
/// path.
fn aligned(memory: &mut [f32], size: usize) -> &mut [f32] {
    let start = memory.as_ptr().align_offset(LINE * size_of::<f32>());
    &mut memory[start..start + size]
}

fn pieces(size: usize) -> Result<(), Box<dyn Error>> {
    static SEEN: AtomicUsize = AtomicUsize::new(0);
    static COUNTER: Observer =
        Observer { chunk_entry: |_, _, _| _ = SEEN.fetch_add(1, Ordering::Relaxed), ..Observer::NOOP };
    set_observer(Some(&COUNTER));
    count(Backend::CHUNKED, size, 1)?;
    println!("{}", SEEN.load(Ordering::Relaxed));
    Ok(())
}
