//! The backends compared: `cargo bench -p raptors-kernel`, one group for each way and size.
//!
//! `out` writes into existing memory, `fresh` allocates each result, `in place` alternates the factors 2 and 0.5.
//! Backends that this machine does not have are left out; OpenBLAS needs `RAPTORS_OPENBLAS` or the system's library.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use raptors_kernel::{Backend, Request, available, scale, scale_in_place, scaled};

const SIDES: [usize; 3] = [512, 1024, 2048];

/// The backends to compare; a variant for each kind of vector, and pieces with the default one.
const BACKENDS: &[&str] = &[
    "scalar",
    "simd:sse2",
    "simd:avx2",
    "simd:avx512",
    "simd:neon",
    "accelerate",
    "openblas",
    "chunked",
    "chunked:accelerate",
    "parallel",
    "parallel:accelerate",
    "parallel:simd+accelerate",
    "parallel:simd+openblas",
];

fn requests() -> impl Iterator<Item = (&'static str, Request)> {
    let here = available();
    let named = BACKENDS.iter().map(|name| (*name, name.parse::<Backend>().expect("a listed name")));
    named
        .filter(move |(_, backend)| here.contains(backend))
        .map(|(name, backend)| (name, Request { backend: Some(backend), threads: None, ..Request::default() }))
}

fn bench(c: &mut Criterion) {
    for side in SIDES {
        let src = vec![1.5f32; side * side];
        let mut dst = vec![0.0f32; side * side];
        for (way, kind) in [("out", 0), ("fresh", 1), ("in place", 2)] {
            let mut group = c.benchmark_group(format!("float32 {side}x{side}, {way}"));
            group.throughput(Throughput::Bytes(2 * size_of_val(src.as_slice()) as u64));
            for (name, request) in requests() {
                let mut factors = [2.0, 0.5].into_iter().cycle();
                group.bench_function(BenchmarkId::from_parameter(name), |b| {
                    b.iter(|| match kind {
                        0 => drop(scale(black_box(&src), 2.5, &mut dst, &request)),
                        1 => drop(black_box(scaled(black_box(&src), 2.5, &request))),
                        _ => drop(scale_in_place(&mut dst, factors.next().unwrap_or(1.0), &request)),
                    });
                });
            }
            group.finish();
        }
    }
}

criterion_group! {
    name = scale_benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(std::time::Duration::from_millis(300))
        .measurement_time(std::time::Duration::from_millis(700));
    targets = bench
}
criterion_main!(scale_benches);
