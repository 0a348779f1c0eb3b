//! Comparisons made by hand for the tests of tables and schema. None of these figures was measured.

use std::collections::BTreeMap;

use raptors_trace::model::comparison::*;

/// Three sizes of the operation and one of the round trip, everything measured, nothing wrong.
pub fn whole() -> Comparison {
    Comparison {
        schema: SCHEMA.into(),
        tool_version: "0.0.0-hand-made".into(),
        command: vec!["raptors-trace".into(), "compare".into()],
        started_unix_s: Some(1.0),
        machine: machine(),
        software: software(),
        cases: vec![large(), small(), kept(), round_trip()],
        controls: vec![control(true)],
        observer_cost: Some(ObserverCost {
            engine: "inprocess".into(),
            ns_per_call: Some(26.0),
            ns_per_call_ci95: Some([25.0, 27.5]),
            wall_ratio_observed_to_unobserved: Some(1.012),
        }),
        engines: Vec::new(),
        explained: Vec::new(),
        findings: Vec::new(),
        against: None,
        gate: None,
        warnings: Vec::new(),
        lost_records: 0,
        complete: true,
    }
}

/// One case of [`whole`] alone.
pub fn single() -> Comparison {
    Comparison { cases: vec![large()], ..whole() }
}

/// Everything that can be wrong at once.
pub fn troubled() -> Comparison {
    let mut case = large();
    case.ratio = Ratio { median: 1.004, ci95: [0.991, 1.018], verdict: Verdict::NoDifferenceShown };
    case.rounds.drift = Drift { a: Some(0.071), b: Some(0.01), ratio: Some(0.06), verdict: DriftVerdict::A };
    case.sides.b.wall_ns.median = 546_000.0;
    case.sides.b.phases_ns.kernel = Some(496_000.0);
    case.sides.b.phases_ns.residual = Some(48_700.0);
    case.sides.b.phases_ns.page_fault = None;
    case.sides.b.faults_per_op = None;
    case.sides.b.threads = None;
    case.sides.b.gb_s = None;
    case.sides.b.bytes_per_op = None;
    case.sides.b.memory_level = None;
    Comparison {
        cases: vec![case],
        controls: vec![control(false)],
        warnings: vec![
            "page faults of raptors were not measured: this kernel counts none per thread".into(),
            "in 2 of 4 cases the phases differ from the time by more than 3 %, most in operation float32 2048 × 2048: \
             48.7 µs of raptors (8.9 %) could not be attributed to a phase"
                .into(),
            "12345 records did not fit into the run file, so calls per operation and phases are too low".into(),
            "the run was cut short: the output shows the measurements up to that point".into(),
        ],
        lost_records: 12_345,
        complete: false,
        ..whole()
    }
}

/// Statements, names and a warning that try to move the cursor, to hide text and to be too long.
pub fn hostile() -> Comparison {
    let mut case = small();
    case.name = CaseName::Custom;
    case.dtype = None;
    case.shape = Vec::new();
    case.sides.a.name = "num\u{1b}[2Jpy".into();
    case.sides.a.statement = "x = \"\u{1b}]0;title\u{7}\"\ny = '\u{202e}evil'".into();
    case.sides.b.name = "数組演算".into();
    case.sides.b.statement = format!("very_long_name({})", "argument, ".repeat(12));
    case.sides.b.calls[0].name = "raptors\tscale\u{9b}31m".into();
    Comparison { cases: vec![case], warnings: vec!["odd \u{1b}[31m warning\nof two lines".into()], ..whole() }
}

/// Names and statements that are markup.
pub fn markup() -> Comparison {
    let mut case = large();
    case.sides.a.name = "<script>alert(1)</script>".into();
    case.sides.a.statement = "f\"`x` ``\" | a[0] * <b>".into();
    case.sides.b.name = "a | b `c` \"d\" 'e' @f".into();
    case.sides.b.statement = "f(\"`\")".into();
    case.sides.b.calls[0].name = "</td><img src=x onerror=alert(1)>".into();
    Comparison {
        command: ["raptors-trace", "compare", "--a", "f\"```\" | x", "--b", "it's"].map(String::from).into(),
        cases: vec![case],
        warnings: vec!["<i>odd</i> | `warning`".into()],
        ..found()
    }
}

/// One case with causes of every verdict.
pub fn found() -> Comparison {
    let finding = |cause: &str, effect_ns: Option<f64>, verdict| Finding {
        cause: cause.into(),
        case: large().label(),
        evidence: vec![format!("{cause} was switched off and the time changed")],
        effect_ns,
        effect_ns_ci95: effect_ns.map(|ns| [ns - 1_000.0, ns + 1_000.0]),
        share_of_gap: effect_ns.map(|ns| ns / -124_000.0),
        alone_ns: effect_ns,
        alone_ns_interval: effect_ns.map(|ns| [ns - 2_000.0, ns + 2_000.0]),
        verdict,
        fix: None,
    };
    let streaming = Finding {
        fix: Some("keep `stores=\"stream\"`".into()),
        ..finding("stores", Some(-120_000.0), FindingVerdict::Supported)
    };
    Comparison {
        findings: vec![
            streaming,
            finding("page faults", Some(300.0), FindingVerdict::Refuted),
            finding("alignment", None, FindingVerdict::Undecided),
        ],
        explained: vec![explained()],
        ..single()
    }
}

fn explained() -> Explained {
    Explained {
        case: large().label(),
        gap_ns: -124_000.0,
        gap_ns_ci95: [-130_000.0, -118_000.0],
        gap: true,
        confirmed: true,
        residual_ns: -4_000.0,
        residual_ns_ci95: [-10_000.0, 2_000.0],
        interactions: vec!["stores: −120 µs alone, −3 µs once a | lock is off".into()],
        not_tried: vec![NotTried { cause: "a lock".into(), why: "neither setup makes a lock of `threading`".into() }],
        confidence: 0.996,
        experiments: 14,
        complete: true,
        hypotheses: vec![HypothesisFound {
            name: "H1".into(),
            says: "the vendor library".into(),
            verdict: FindingVerdict::Refuted,
            because: vec!["vendor routine: refuted".into()],
        }],
        sizes: [(64, 400.0, 300.0), (256, 6_000.0, 5_900.0), (1024, 250_000.0, 126_000.0)]
            .map(|(length, a_ns, b_ns)| SizePoint {
                shape: vec![length, length],
                elements: length * length,
                a_ns,
                b_ns,
            })
            .into(),
    }
}

fn changed(case: &Case, [change, low, high]: [f64; 3], verdict: ChangeVerdict) -> Change {
    let both = |then: f64, now: f64| ThenAndNow { then: estimate(then), now: estimate(now) };
    let (a, b) = (case.sides.a.wall_ns.median, case.sides.b.wall_ns.median);
    Change {
        case: case.label(),
        change,
        ci95: [low, high],
        verdict,
        ratio: both(a / b / change, a / b),
        a_ns: both(a * 1.1, a),
        b_ns: both(b * 1.1 * change, b),
        differences: Vec::new(),
    }
}

/// Held against an earlier run: lost, gained and unchanged, cases of one run only, a gate with every outcome.
pub fn held() -> Comparison {
    let mut comparison = whole();
    let figures = [
        ([0.93, 0.91, 0.9497], ChangeVerdict::BLost),
        ([1.12, 1.10, 1.13], ChangeVerdict::BGained),
        ([0.94, 0.90, 1.004], ChangeVerdict::NoChangeShown),
    ];
    let cases: Vec<Change> = comparison
        .cases
        .iter()
        .zip(figures)
        .map(|(case, (figures, verdict))| changed(case, figures, verdict))
        .collect();
    let gated = cases.iter().map(|change| GateCase {
        case: change.case.clone(),
        median: change.change,
        ci95: change.ci95,
        outcome: GateOutcome::of(change.change, change.ci95, 0.95),
    });
    comparison.gate =
        Some(Gate { fail_below: 0.95, on: GateOn::Change, outcome: GateOutcome::Missed, cases: gated.collect() });
    comparison.against = Some(Against {
        file: "runs/of \u{1b}[2Jmain.rtrace".into(),
        tool_version: "0.0.0-hand-made".into(),
        started_unix_s: Some(1.0 - 3.2 * 86_400.0),
        differences: vec![Difference { what: "NumPy".into(), then: Some("2.4.5".into()), now: Some("2.4.6".into()) }],
        cases,
        only_now: vec![comparison.cases[3].label()],
        only_then: vec!["operation float64 512 × 512".into()],
    });
    comparison
}

fn estimate(median: f64) -> Estimate {
    Estimate { median, ci95: [0.99 * median, 1.01 * median] }
}

/// Calls of many patterns, nested ones among them, with counters of the hardware.
pub fn many_calls() -> Comparison {
    let mut case = large();
    let counters = |factor: f64| Counters {
        cycles: Some(2.1e6 * factor),
        instructions: Some(4.4e6 * factor),
        cache_misses: Some(131_072.0 * factor),
        tlb_misses: None,
    };
    case.sides.a.counters = Some(counters(1.0));
    case.sides.b.counters = Some(counters(0.5));
    let inner = Call { depth: 1, ..routine("scipy_cblas_sgemm64_", 2.5) };
    case.sides.a.calls.push(routine("scipy_spotrf_64_", 1.0));
    case.sides.a.calls.push(inner);
    case.sides.a.calls.extend((0..14).map(|i| routine(&format!("cblas_d{i}axpy"), 0.002 + 0.5 * f64::from(i))));
    case.sides.a.blas_calls_per_op = Some(3.5);
    Comparison { cases: vec![case], ..whole() }
}

fn machine() -> Machine {
    Machine {
        os: "linux".into(),
        arch: "x86_64".into(),
        cpu: "Hand-made Processor 9000".into(),
        cores: 2,
        cores_online: 4,
        l1d: Some(48 << 10),
        l2: Some(1 << 20),
        l3: Some(32 << 20),
        thp: Some("madvise".into()),
        kernel: "Linux 6.18.0".into(),
        page_size: Some(4096),
        memory: Some(24 << 30),
        limit_gb_s: threads([50.2, 54.1]),
        limit_details: vec![LimitDetail { work: "scale".into(), stores: "streaming".into(), threads: 1, gb_s: 50.2 }],
        peak_gflop_s: BTreeMap::from([
            ("float32".into(), threads([101.5, 190.0])),
            ("float64".into(), threads([50.4, 95.0])),
        ]),
        peak_details: vec![PeakDetail {
            dtype: "float32".into(),
            vectors: "AVX-512 FMA".into(),
            threads: 1,
            gflop_s: 101.5,
        }],
    }
}

/// Of one thread, and of all.
fn threads([one, all]: [f64; 2]) -> BTreeMap<String, f64> {
    BTreeMap::from([("1".into(), one), ("all".into(), all)])
}

fn software() -> Software {
    let blas = |user: &str| Blas {
        library: "OpenBLAS 0.3.31".into(),
        file: "/venv/numpy.libs/libscipy_openblas64_-hand.so".into(),
        linked_by: format!("/venv/numpy/{user}.cpython-311-x86_64-linux-gnu.so"),
        threads: Some(2),
    };
    Software {
        python: "3.11.2".into(),
        python_path: Some(".venv/bin/python".into()),
        numpy: "2.4.6".into(),
        numpy_cpu_targets: vec!["X86_V3".into(), "X86_V4".into()],
        blas: vec![blas("_multiarray_umath"), blas("_umath_linalg")],
        raptors: Some("0.1.0".into()),
        allocator: Some("glibc 2.36 malloc".into()),
    }
}

fn control(ok: bool) -> Control {
    Control {
        engine: "inprocess".into(),
        name: "a @ a".into(),
        routine: Some("scipy_cblas_sgemm64_".into()),
        expected: 1,
        seen: u64::from(ok),
        ok,
    }
}

fn wall(median: f64) -> Wall {
    let quantiles = Quantiles { p05: median * 0.98, p25: median * 0.99, p75: median * 1.01, p95: median * 1.05 };
    Wall { median, ci95: [median * 0.995, median * 1.006], samples: 212, quantiles: Some(quantiles) }
}

/// dispatch, conversion, allocation, page_fault, kernel, sync, free; the residual is what is left of `wall`.
fn phases(wall: f64, parts: [f64; 7]) -> Phases {
    let [dispatch, conversion, allocation, page_fault, kernel, sync, free] = parts.map(Some);
    let residual = Some(wall - parts.iter().sum::<f64>());
    Phases { dispatch, conversion, allocation, page_fault, kernel, sync, free, residual }
}

fn intervals(phases: &Phases) -> PhaseIntervals {
    let around = |value: Option<f64>| value.map(|ns| [ns * 0.99 - 1.0, ns * 1.01 + 1.0]);
    PhaseIntervals {
        dispatch: around(phases.dispatch),
        conversion: around(phases.conversion),
        allocation: around(phases.allocation),
        page_fault: around(phases.page_fault),
        kernel: around(phases.kernel),
        sync: around(phases.sync),
        free: around(phases.free),
        residual: around(phases.residual),
    }
}

fn side(name: &str, statement: &str, ns: f64, parts: [f64; 7], call: Call) -> Side {
    let phases_ns = phases(ns, parts);
    let n = call.n.keys().copied().max().unwrap_or(0) as f64;
    Side {
        name: name.into(),
        statement: statement.into(),
        wall_ns: wall(ns),
        phases_ns_ci95: intervals(&phases_ns),
        phases_ns,
        faults_per_op: Some(0.0),
        threads: Some(1),
        cpu_ns_per_op: Some(ns * 1.001),
        bytes_per_op: Some(n * 8.0),
        gb_s: Some(n * 8.0 / parts[4]),
        memory_level: Some(MemoryLevel::L3),
        calls: vec![call],
        blas_calls_per_op: Some(0.0),
        dispatch_reason: None,
        counters: None,
        counters_why_not: Some("this machine offers none, as most virtual machines".into()),
        wall_ratio_observed_to_unobserved: Some(1.004),
    }
}

fn multiply(n: u64, ns: f64) -> Call {
    Call {
        kind: CallKind::Loop,
        name: "np.multiply[ff->f]".into(),
        symbol: Some("FLOAT_multiply_X86_V3".into()),
        module: Some("/venv/numpy/_core/_multiarray_umath.so".into()),
        calls_per_op: 1.0,
        n: BTreeMap::from([(n, 1.0)]),
        sizes: None,
        strides: Some(vec![4, 0, 4]),
        alignment: Some(vec![64, 4, 64]),
        aliasing: Some("none".into()),
        scalar: Some(2.5.into()),
        threads: Some(1),
        depth: 0,
        time_ns: Some(CallTime { median: ns, total_per_op: ns }),
    }
}

fn scale(n: u64, ns: f64) -> Call {
    Call {
        kind: CallKind::Backend,
        name: "raptors scale".into(),
        symbol: Some("simd".into()),
        module: None,
        strides: None,
        scalar: Some(f64::NAN.into()),
        ..multiply(n, ns)
    }
}

fn routine(name: &str, calls_per_op: f64) -> Call {
    Call {
        kind: CallKind::Routine,
        name: name.into(),
        symbol: None,
        module: Some("/venv/numpy.libs/libscipy_openblas64_-hand.so".into()),
        calls_per_op,
        n: BTreeMap::from([(64, 2.5)]),
        sizes: Some([("m", 64), ("n", 48), ("k", 512)].map(|(name, size)| (name.into(), size)).into()),
        strides: Some(vec![64, 512]),
        ..multiply(64, 1200.0)
    }
}

fn case(name: CaseName, length: u64, a: Side, b: Side, ci95: Ci95) -> Case {
    let median = a.wall_ns.median / b.wall_ns.median;
    Case {
        name,
        results: Results::Dropped,
        dtype: Some("float32".into()),
        shape: vec![length, length],
        in_place: false,
        sides: Sides { a, b },
        ratio: Ratio { median, ci95, verdict: Verdict::of(ci95) },
        rounds: Rounds {
            count: 212,
            observed: 60,
            warmup: 7,
            settled: Some(true),
            placements: Some(12),
            ops_per_round: OpsPerRound { a: 16, b: 20 },
            drift: Drift { a: Some(0.001), b: Some(-0.002), ratio: Some(0.0), verdict: DriftVerdict::None },
        },
    }
}

fn large() -> Case {
    let n = 2048 * 2048;
    let a = side("numpy", "a * 2.5", 548_000.0, [900.0, 0.0, 4100.0, 0.0, 542_000.0, 0.0, 700.0], multiply(n, 542e3));
    let mut b =
        side("raptors", "r.scale(2.5)", 424_000.0, [300.0, 0.0, 1000.0, 0.0, 422_000.0, 0.0, 400.0], scale(n, 422e3));
    b.dispatch_reason = Some("streaming stores, beyond the last-level cache".into());
    case(CaseName::Operation, 2048, a, b, [1.27, 1.31])
}

fn small() -> Case {
    let n = 512 * 512;
    let a = side("numpy", "a * 2.5", 21_300.0, [450.0, 0.0, 300.0, 0.0, 20_300.0, 0.0, 100.0], multiply(n, 20.3e3));
    let b = side("raptors", "r.scale(2.5)", 25_700.0, [190.0, 0.0, 200.0, 0.0, 25_100.0, 0.0, 90.0], scale(n, 25.1e3));
    case(CaseName::Operation, 512, a, b, [0.82, 0.84])
}

fn kept() -> Case {
    let n = 4096 * 4096;
    let mut a = side("numpy", "a * 2.5", 6.4e6, [900.0, 0.0, 12e3, 2.9e6, 3.4e6, 0.0, 80e3], multiply(n, 6.3e6));
    let mut b = side("raptors", "r.scale(2.5)", 30.9e6, [300.0, 0.0, 15e3, 27e6, 3.44e6, 0.0, 400e3], scale(n, 30e6));
    (a.faults_per_op, b.faults_per_op) = (Some(6.0), Some(16_385.0));
    (a.memory_level, b.memory_level) = (Some(MemoryLevel::Memory), Some(MemoryLevel::Memory));
    Case { results: Results::Kept, ..case(CaseName::Operation, 4096, a, b, [0.205, 0.209]) }
}

fn round_trip() -> Case {
    let n = 1024 * 1024;
    let a = side("numpy", "a * 2.5", 90_500.0, [500.0, 0.0, 900.0, 0.0, 88_300.0, 0.0, 200.0], multiply(n, 88.3e3));
    let statement = "kernel.from_numpy(a).scale(2.5).to_numpy()";
    let mut b =
        side("raptors", statement, 61_000.0, [700.0, 1200.0, 800.0, 0.0, 44_000.0, 13_000.0, 300.0], scale(n, 44e3));
    (b.threads, b.cpu_ns_per_op) = (Some(2), Some(104_000.0));
    case(CaseName::RoundTrip, 1024, a, b, [1.46, 1.51])
}
