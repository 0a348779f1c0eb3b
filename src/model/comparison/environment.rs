//! Where a comparison was run: the machine and the software.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The machine.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Machine {
    /// `linux`, `macos`, …
    pub os: String,
    /// `x86_64`, `aarch64`, …
    pub arch: String,
    /// Marketing name of the processor.
    pub cpu: String,
    /// Logical cores that this process may use.
    pub cores: u32,
    /// Logical cores of the machine.
    pub cores_online: u32,
    /// Level-1 data cache of one core, bytes.
    pub l1d: Option<u64>,
    /// Level-2 cache of one core, bytes.
    pub l2: Option<u64>,
    /// Level-3 cache one core can use, bytes.
    pub l3: Option<u64>,
    /// Transparent huge pages: `always`, `madvise` or `never`.
    pub thp: Option<String>,
    /// Version of the operating system's kernel.
    pub kernel: String,
    /// Size of a page, bytes.
    pub page_size: Option<u64>,
    /// Physical memory (or the control group's limit if that is less), bytes.
    pub memory: Option<u64>,
    /// The highest memory traffic measured here, GB/s (1e9 bytes read or written): key `"1"` for one thread, `"all"`
    /// for all.
    pub limit_gb_s: BTreeMap<String, f64>,
    /// The single measurements behind `limit_gb_s`.
    pub limit_details: Vec<LimitDetail>,
    /// The highest rate of floating-point operations measured here, in GFLOP/s (1e9 a second; a fused multiply-add is
    /// two), by element type (`float32`, `float64`), then by threads as in `limit_gb_s`. Empty if it was not measured,
    /// as in older run files.
    #[serde(default)]
    pub peak_gflop_s: BTreeMap<String, BTreeMap<String, f64>>,
    /// The single measurements behind `peak_gflop_s`.
    #[serde(default)]
    pub peak_details: Vec<PeakDetail>,
}

/// One measurement behind the memory limit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LimitDetail {
    /// `copy` or `scale`.
    pub work: String,
    /// `plain` or `streaming` (non-temporal).
    pub stores: String,
    /// Threads that ran it.
    pub threads: u32,
    /// Bytes read plus bytes written, in GB/s; best of several runs.
    pub gb_s: f64,
}

/// One measurement behind the compute peak.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PeakDetail {
    /// `float32` or `float64`.
    pub dtype: String,
    /// The vectors used, e.g. `AVX-512 FMA`.
    pub vectors: String,
    /// Threads that ran it.
    pub threads: u32,
    /// Additions and multiplications in registers, in GFLOP/s; best of several runs.
    pub gflop_s: f64,
}

/// The interpreter and the libraries.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Software {
    /// Version of Python.
    pub python: String,
    /// Path of the interpreter that ran both sides.
    pub python_path: Option<String>,
    /// Version of NumPy.
    pub numpy: String,
    /// CPU targets above its baseline that NumPy's dispatcher found on this machine.
    pub numpy_cpu_targets: Vec<String>,
    /// Each loaded BLAS (or Accelerate) library, once per extension that links it.
    pub blas: Vec<Blas>,
    /// Version of the Raptors kernel.
    pub raptors: Option<String>,
    /// The C library's allocator, e.g. `glibc 2.36 malloc`.
    pub allocator: Option<String>,
}

/// A BLAS library and one user of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Blas {
    /// `OpenBLAS 0.3.29`, `Accelerate`, …
    pub library: String,
    /// The loaded file.
    pub file: String,
    /// The extension that imports it.
    pub linked_by: String,
    /// The number of threads that it reports.
    pub threads: Option<u32>,
}
