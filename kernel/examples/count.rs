//! Scales an array of SIZE elements CALLS times on a backend, and prints the sum of the results.
//!
//! The program that `tests/cost.rs` runs under callgrind, built with and without probes and spans,
//! to count the instructions these cost when nobody watches.
//!
//! Usage: `count BACKEND SIZE CALLS`

use raptors_kernel::{Request, scale};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [backend, size, calls] = arguments.as_slice() else {
        return Err("usage: count BACKEND SIZE CALLS".into());
    };
    let request = Request {
        backend: Some(backend.parse()?),
        threads: Some(1),
    };
    let src = vec![1.5f32; size.parse()?];
    let mut dst = vec![0.0; src.len()];
    for _ in 0..calls.parse::<u64>()? {
        scale(std::hint::black_box(&src), 2.0, &mut dst, &request)?;
    }
    println!("{}", dst.iter().sum::<f32>());
    Ok(())
}
