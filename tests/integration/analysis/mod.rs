//! What a run file is boiled down to: ratios, phases, counts, verdicts and warnings from records that a test chose.

mod warnings;

use raptors_recording::{
    Alias, Aliasing, Alloc, BackendCall, Chunk, Convert, Dispatch, Free, LoopCall, RoutineCall, Touch,
};
use raptors_trace::model::comparison::*;
use raptors_trace::model::error::Exit;
use serde_json::json;

use crate::run::*;

/// Equal up to the rounding of sums.
#[track_caller]
fn close(found: f64, expected: f64) {
    let margin = 1e-9 * expected.abs().max(1.0);
    assert!((found - expected).abs() <= margin, "{found}, not {expected}");
}

#[track_caller]
fn measured(found: Option<f64>, expected: f64) {
    close(found.expect("was measured"), expected);
}

/// One case with these timed rounds, A's and B's ns per operation.
fn timed(walls: impl IntoIterator<Item = (u64, u64)>) -> Comparison {
    let mut recording = Recording::plain(64);
    recording.timed(0, walls);
    recording.finish().comparison()
}

#[test]
fn the_ratio_is_the_time_of_a_over_that_of_b() {
    // Noise of its own for each side, so that an interval has a width.
    let noisy = |a: u64, b: u64| (0..30).map(move |i| (a + i * 7 % 11, b + i * 5 % 13));
    for (a, b, ratio, verdict) in [
        (20_000, 10_000, 2.0, Verdict::BFaster),
        (10_000, 20_000, 0.5, Verdict::AFaster),
        (10_000, 10_000, 1.0, Verdict::NoDifferenceShown),
    ] {
        let comparison = timed(noisy(a, b));
        let case = &comparison.cases[0];
        let Ratio { median, ci95: [low, high], .. } = case.ratio;
        assert!((median - ratio).abs() < 0.01, "{median} for {a} and {b}");
        assert!(low < high && low <= median && median <= high);
        assert_eq!(case.ratio.verdict, verdict);
        assert_eq!(case.rounds.count, 30);
        assert_eq!(case.sides.a.wall_ns.samples, 30);
    }
}

#[test]
fn equal_times_show_no_difference_even_without_noise() {
    let comparison = timed([(10_000, 10_000); 12]);
    let ratio = &comparison.cases[0].ratio;
    assert_eq!((ratio.median, ratio.ci95), (1.0, [1.0, 1.0]));
    assert_eq!(ratio.verdict, Verdict::NoDifferenceShown);
}

#[test]
fn what_slows_both_sides_for_a_while_does_not_widen_the_ratio() {
    let comparison = timed((0..30).map(|i| {
        let slow = 1 + i / 10;
        (2_000 * slow, 1_000 * slow)
    }));
    let case = &comparison.cases[0];
    assert_eq!(case.ratio.ci95, [2.0, 2.0]);
    let [low, high] = case.sides.a.wall_ns.ci95;
    assert!(high > low, "the times themselves did move");
}

#[test]
fn what_moves_between_placements_widens_the_interval() {
    let placed = |placements: bool| {
        let mut recording = Recording::plain(64);
        for i in 0..108 {
            // A is slow in the last quarter of the run, which is one of four placements.
            let a = if i < 81 { 1_000 } else { 2_000 };
            let at = |side, wall| Round {
                placement: if placements { i / 27 } else { 0 },
                ..round(0, side, TIMED).lasting(wall)
            };
            recording.round(at(A, a), &[]);
            recording.round(at(B, 990), &[]);
        }
        recording.finish().comparison().cases.remove(0)
    };
    let [known, unknown] = [true, false].map(placed);
    // Of 108 rounds a quarter never becomes half; of four placements, the slow one is drawn twice in a quarter of
    // cases.
    assert_eq!(unknown.sides.a.wall_ns.ci95, [1_000.0, 1_000.0]);
    let [low, high] = known.sides.a.wall_ns.ci95;
    assert!(low == 1_000.0 && high >= 1_500.0, "[{low}, {high}]");
    assert!(known.ratio.ci95[1] > 1.5 && unknown.ratio.ci95[1] < 1.1);
    assert_eq!(known.sides.b.wall_ns.ci95, [990.0, 990.0]);
}

#[test]
fn a_round_that_was_cut_is_left_out() {
    let mut recording = Recording::plain(64);
    recording.timed(0, [(2_000, 1_000); 10]);
    recording.round(round(0, A, TIMED).lasting(2_000), &[]);
    recording.begin(round(0, B, TIMED).lasting(1));
    let comparison = recording.finish().killed().comparison();
    let case = &comparison.cases[0];
    assert_eq!(case.ratio.median, 2.0);
    assert_eq!(case.sides.a.wall_ns.samples, 11);
    assert_eq!(case.sides.b.wall_ns.samples, 10, "the one without its end is not there");
    assert_eq!(case.rounds.count, 10);
    assert!(!comparison.complete);
}

#[test]
fn a_control_that_was_not_seen_refuses_every_figure() {
    for calls in [None, Some(0), Some(2)] {
        let mut recording = Recording::of(&[case("operation", 64)]);
        if let Some(calls) = calls {
            recording.control(calls);
        }
        recording.timed(0, [(2_000, 1_000); 10]);
        recording.done(0);
        let error = recording.finish().read().unwrap_err();
        assert_eq!(error.exit_code(), Exit::NothingObserved);
        let (ran, seen) = calls.map_or((0, 0), |calls| (CONTROL_OPS, CONTROL_OPS * calls as u64));
        let expected = format!("{ran} operations `a @ a` gave {seen} BLAS calls");
        assert!(error.to_string().contains(&expected), "{error}");
        assert!(error.help_text().unwrap().contains("shared library"));
    }
}

#[test]
fn the_control_counts_calls_of_a_gemm_only() {
    let with = |calls: &[Entry]| {
        let mut recording = Recording::of(&[case("operation", 64)]);
        let control = Round { ops: CONTROL_OPS, ..round(1, A, CONTROL) };
        recording.round(control, calls);
        recording.timed(0, [(2_000, 1_000); 10]);
        recording.finish().read()
    };
    let dot = call(RoutineCall::default(), SDOT, 10);
    let error = with(&[dot, multiply(4, 20)]).unwrap_err();
    assert_eq!(error.exit_code(), Exit::NothingObserved);
    let control = with(&[dot, gemm(64)]).unwrap().controls.remove(0);
    assert!(control.ok);
    assert_eq!((control.expected, control.seen), (CONTROL_OPS, CONTROL_OPS));
    assert_eq!(control.routine.as_deref(), Some("cblas_sgemm"));
}

#[test]
fn without_a_whole_round_of_both_sides_nothing_was_observed() {
    let nothing = |recording: Recording, sentence: &str| {
        let error = recording.finish().read().unwrap_err();
        assert_eq!(error.exit_code(), Exit::NothingObserved);
        assert!(error.to_string().contains(sentence), "{error}");
    };
    nothing(Recording::empty(8), "has no comparison");
    nothing(Recording::plain(64), "no complete round of either side");
    let mut one_side = Recording::plain(64);
    one_side.round(round(0, A, TIMED), &[]);
    one_side.round(round(0, A, OBSERVED), &[multiply(4096, 100)]);
    nothing(one_side, "no complete round of either side");
}

#[test]
fn documents_of_a_later_version_and_documents_that_nobody_knows_are_refused() {
    let refused = |key: &str, document: serde_json::Value| {
        let recording = Recording::empty(64);
        recording.document(key, &document);
        recording.finish().read().unwrap_err().report()
    };
    let later = refused("spec", json!({"protocol": 3, "cases": []}));
    assert!(later.contains("has documents of version 3; this raptors-trace reads version 2"), "{later}");
    assert!(later.contains("help: "), "{later}");
    let unknown = refused("spek", json!({}));
    assert!(unknown.contains("`spek`"), "{unknown}");
    let field = refused("clock", json!({"read_ns": 1.0, "colour": "green"}));
    assert!(field.contains("its document `clock` is damaged") && field.contains("colour"), "{field}");
}

#[test]
fn a_case_that_was_left_out_or_not_reached_is_no_case() {
    let cases = ["operation", "operation", "round trip"].map(|name| case(name, 64));
    let mut recording = Recording::of(&cases);
    recording.control(1);
    recording.timed(0, [(2_000, 1_000); 10]);
    recording.done(0);
    recording.document("case", &json!({"index": 1, "skipped": "same page faults", "no_unit": null}));
    let comparison = recording.finish().comparison();
    assert_eq!(comparison.cases.len(), 1);
    assert!(!comparison.complete);
    let not_run = "round trip float32 64 × 64 was not run";
    assert!(comparison.warnings.iter().any(|w| w == not_run), "{:?}", comparison.warnings);
    assert!(!comparison.warnings.iter().any(|w| w.contains("operation float32")));
}

/// Every phase of both sides, in ticks, and a residual.
fn with_all_phases() -> RunFile {
    let mut recording = Recording::plain(64);
    recording.timed(0, [(WALL, WALL); 10]);
    let at = |start, entry| Entry { start, ..entry };
    // NumPy gets its buffer inside the loop's call; an inner call ends, and is recorded, first.
    let inner = Entry { depth: 1, ..call(Alloc::default(), 0, 30) };
    let numpy = [
        call(Convert::default(), 0, 70),
        at(100, call(Alloc::default(), 0, 200)),
        at(310, inner),
        at(300, multiply(4096, 1_000)),
        at(2_000, call(Free::default(), 0, 50)),
    ];
    let chunk = |start, ticks| Entry { depth: 1, ..at(start, call(Chunk::default(), 0, ticks)) };
    let raptors = [chunk(110, 300), at(100, call(BackendCall::default(), PARALLEL, 900))];
    let elsewhere = [chunk(150, 400), chunk(600, 100)];
    let unit = [multiply(1, 100)];
    for _ in 0..5 {
        recording.round(round(0, A, OBSERVED), &numpy);
        recording.shared_round(round(0, B, OBSERVED), &raptors, &elsewhere);
        for (side, wall) in [(A, WALL / 10), (B, WALL / 5)] {
            recording.round(round(0, side, UNIT_TIMED).lasting(wall), &[]);
            recording.round(round(0, side, UNIT_OBSERVED).lasting(wall), &unit);
        }
    }
    recording.finish()
}

#[test]
fn phases_are_what_the_records_say_and_sum_to_the_wall_time() {
    let file = with_all_phases();
    let (comparison, tick) = (file.comparison(), file.ns_per_tick());
    let Sides { a, b } = &comparison.cases[0].sides;
    measured(a.phases_ns.conversion, 70.0 * tick);
    measured(a.phases_ns.allocation, 230.0 * tick);
    measured(a.phases_ns.kernel, 970.0 * tick);
    measured(a.phases_ns.free, 50.0 * tick);
    measured(a.phases_ns.sync, 0.0);
    measured(a.phases_ns.dispatch, WALL as f64 / 10.0 - 100.0 * tick);
    // The busiest thread had 400 + 100 of the call's 900.
    measured(b.phases_ns.kernel, 500.0 * tick);
    measured(b.phases_ns.sync, 400.0 * tick);
    measured(b.phases_ns.conversion, 0.0);
    measured(b.phases_ns.dispatch, WALL as f64 / 5.0 - 100.0 * tick);
    for side in [a, b] {
        measured(side.phases_ns.page_fault, 0.0);
        close(side.phases_ns.sum(), side.wall_ns.median);
        close(side.wall_ns.median, WALL as f64);
        assert!(side.phases_ns.residual.unwrap() > 0.0);
        let [low, high] = side.phases_ns_ci95.kernel.unwrap();
        let kernel = side.phases_ns.kernel.unwrap();
        assert!(low <= kernel && kernel <= high);
    }
}

#[test]
fn the_clocks_own_time_is_in_no_phase() {
    let mut recording = Recording::plain(64);
    recording.document("clock", &json!({"read_ns": 20.0}));
    recording.timed(0, [(WALL, WALL); 10]);
    let calls = [multiply(4096, 1_000), Entry { start: 2_000, ..call(Free::default(), 0, 0) }];
    recording.round(round(0, A, OBSERVED), &calls);
    let file = recording.finish();
    let phases = file.comparison().cases.remove(0).sides.a.phases_ns;
    measured(phases.kernel, 1_000.0 * file.ns_per_tick() - 20.0);
    measured(phases.free, 0.0);
}

#[test]
fn what_was_not_observed_is_not_0() {
    let mut recording = Recording::plain(64);
    recording.timed(0, [(2_000, 1_000); 10]);
    recording.document("case", &json!({"index": 0, "skipped": null, "no_unit": "no size in it"}));
    recording.round(round(0, A, OBSERVED), &[multiply(4096, 10)]);
    let comparison = recording.finish().comparison();
    let Sides { a, b } = &comparison.cases[0].sides;
    assert_eq!(a.phases_ns.dispatch, None);
    assert!(a.phases_ns.kernel.is_some());
    assert_eq!(b.phases_ns, Phases::default());
    let unknown = (b.blas_calls_per_op, b.bytes_per_op, b.gb_s, b.memory_level, b.threads);
    assert_eq!(unknown, (None, None, None, None, None));
    assert_eq!(b.wall_ratio_observed_to_unobserved, None);
    assert!(comparison.warnings.iter().any(|w| w == "no size in it"));
}

/// 4 operations a round with 10 page faults each; `seen` of them where memory was touched ahead.
fn faulting(seen: u64) -> RunFile {
    let mut recording = Recording::plain(1024);
    let fault = |kind| Round { faults: 10, ..round(0, A, kind) };
    // What touching took in all is time of the allocation's call and no allocating.
    let touch = Entry { depth: 1, ..call(Touch { bytes: 4 << 20, pages: 1024, faults: seen, ticks: 700 }, 0, 600) };
    let later = |call| Entry { start: 10_000, ..call };
    let ahead = [touch, call(Alloc::default(), 0, 800), later(multiply(1 << 20, 2_000))];
    let cold = [call(Alloc::default(), 0, 100), later(multiply(1 << 20, 5_000))];
    for _ in 0..10 {
        recording.round(fault(TIMED), &[]);
        recording.round(round(0, B, TIMED), &[]);
        recording.round(fault(OBSERVED), &cold);
        recording.round(fault(TOUCHED), &ahead);
    }
    recording.finish()
}

#[test]
fn first_touch_is_the_time_that_touching_ahead_saves() {
    let file = faulting(10);
    let (comparison, tick) = (file.comparison(), file.ns_per_tick());
    let Sides { a, b } = &comparison.cases[0].sides;
    measured(a.faults_per_op, 10.0);
    measured(b.faults_per_op, 0.0);
    measured(a.phases_ns.allocation, 100.0 * tick);
    measured(a.phases_ns.kernel, 2_000.0 * tick);
    measured(a.phases_ns.page_fault, 3_000.0 * tick);
    close(a.phases_ns.sum(), WALL as f64);
    let of_faults = |w: &String| w.contains("page faults");
    assert!(!comparison.warnings.iter().any(of_faults), "{:?}", comparison.warnings);
    let half = faulting(5).comparison();
    let told = half.warnings.iter().find(|w| of_faults(w)).unwrap();
    assert!(told.contains("side A: 5 of 10 page faults per operation"), "{told}");
}

#[test]
fn a_sides_figures_are_per_operation() {
    let mut recording = Recording::plain(64);
    for i in 0..10 {
        let a = Round { cpu: WALL * 2, faults: i, ..round(0, A, TIMED) };
        recording.round(a, &[]);
        recording.round(round(0, B, TIMED), &[]);
        let calls = [multiply(4096, 500), gemm(8), gemm(8)];
        let threads = 3;
        recording.round(Round { threads, ..round(0, A, OBSERVED) }, &calls);
        let backend = BackendCall { n: 4096, src: 64, dst: 128, factor_bits: 0, item_size: 8 };
        let backend = call(backend, SIMD, 500);
        recording.round(round(0, B, OBSERVED).lasting(2 * WALL), &[backend]);
    }
    let file = recording.finish();
    let (comparison, tick) = (file.comparison(), file.ns_per_tick());
    let Sides { a, b } = &comparison.cases[0].sides;
    measured(a.faults_per_op, 4.5);
    measured(a.cpu_ns_per_op, 2.0 * WALL as f64);
    assert_eq!((a.threads, b.threads), (Some(3), Some(1)));
    measured(a.blas_calls_per_op, 2.0);
    measured(b.blas_calls_per_op, 0.0);
    // The scalar stays in a register; a gemm touches each of its three matrices once.
    let bytes = (2 * 4096 * 4 + 2 * 3 * 8 * 8 * 4) as f64;
    measured(a.bytes_per_op, bytes);
    measured(a.gb_s, bytes / (600.0 * tick));
    measured(b.bytes_per_op, 2.0 * 4096.0 * 8.0);
    measured(b.gb_s, 2.0 * 4096.0 * 8.0 / (500.0 * tick));
    measured(b.wall_ratio_observed_to_unobserved, 2.0);
    let rounds = &comparison.cases[0].rounds;
    assert_eq!((rounds.count, rounds.observed, rounds.warmup), (10, 10, 7));
    assert_eq!(rounds.ops_per_round, OpsPerRound { a: 4, b: 4 });
}

#[test]
fn bytes_are_unknown_where_one_call_does_not_tell_them() {
    let mut recording = Recording::plain(64);
    recording.timed(0, [(WALL, WALL); 3]);
    let calls = [multiply(4096, 100), call(RoutineCall::default(), DGESV, 100)];
    recording.round(round(0, A, OBSERVED), &calls);
    let side = recording.finish().comparison().cases.remove(0).sides.a;
    let unknown = (side.bytes_per_op, side.gb_s, side.memory_level);
    assert_eq!(unknown, (None, None, None));
    measured(side.blas_calls_per_op, 1.0);
}

#[test]
fn threads_are_those_that_made_calls_where_nobody_counted_them() {
    let mut recording = Recording::plain(64);
    recording.timed(0, [(WALL, WALL); 10]);
    let uncounted = Round { threads: 0, ..round(0, A, OBSERVED) };
    let dot = [call(RoutineCall::default(), SDOT, 10)];
    recording.shared_round(uncounted, &dot, &dot);
    let side = recording.finish().comparison().cases.remove(0).sides.a;
    assert_eq!(side.threads, Some(2));
    measured(side.blas_calls_per_op, 2.0);
}

#[test]
fn a_kernel_that_ran_elsewhere_was_not_measured() {
    let run = |own: &[Entry]| {
        let mut recording = Recording::plain(64);
        recording.timed(0, [(WALL, WALL); 10]);
        recording.shared_round(round(0, A, OBSERVED), own, &[multiply(4096, 100)]);
        recording.finish()
    };
    let file = run(&[]);
    let comparison = file.comparison();
    let phases = &comparison.cases[0].sides.a.phases_ns;
    assert_eq!(phases.kernel, None);
    close(phases.sum(), WALL as f64);
    let elsewhere = "side A: 1.00 calls per operation ran on other threads";
    let is_told = |w: &String| w.contains(elsewhere);
    assert!(comparison.warnings.iter().any(is_told), "{:?}", comparison.warnings);
    let both = run(&[multiply(4096, 300)]);
    let comparison = both.comparison();
    let kernel = comparison.cases[0].sides.a.phases_ns.kernel;
    measured(kernel, 300.0 * both.ns_per_tick());
    assert!(comparison.warnings.iter().any(is_told));
}

#[test]
fn the_level_is_the_smallest_cache_that_holds_what_is_moved() {
    // 8 bytes an element; the caches have 32 KiB, 1 MiB and 8 MiB.
    for (n, level) in [
        (4 << 10, MemoryLevel::L1),
        ((4 << 10) + 1, MemoryLevel::L2),
        (128 << 10, MemoryLevel::L2),
        (1 << 20, MemoryLevel::L3),
        ((1 << 20) + 1, MemoryLevel::Memory),
    ] {
        let mut recording = Recording::plain(64);
        recording.timed(0, [(WALL, WALL); 3]);
        recording.round(round(0, A, OBSERVED), &[multiply(n, 100)]);
        let side = recording.finish().comparison().cases.remove(0).sides.a;
        assert_eq!(side.memory_level, Some(level), "{n} elements");
    }
}

#[test]
fn memory_that_is_read_and_written_in_place_is_held_once() {
    let mut recording = Recording::plain(64);
    recording.timed(0, [(WALL, WALL); 3]);
    // The first output is the first input.
    let aliasing = Aliasing::NONE.with(0, Alias::Same);
    let in_place = |n| call(LoopCall { aliasing, ..multiply_call(n) }, MULTIPLY, 100);
    recording.round(round(0, A, OBSERVED), &[in_place(8 << 10)]);
    recording.round(round(0, B, OBSERVED), &[in_place((8 << 10) + 1)]);
    let Sides { a, b } = recording.finish().comparison().cases.remove(0).sides;
    measured(a.bytes_per_op, 8.0 * f64::from(8 << 10));
    let levels = (a.memory_level, b.memory_level);
    assert_eq!(levels, (Some(MemoryLevel::L1), Some(MemoryLevel::L2)));
}

#[test]
fn the_kernels_choice_is_told_with_its_reason() {
    let mut recording = Recording::plain(64);
    recording.timed(0, [(WALL, WALL); 3]);
    let chosen = call(Dispatch::default(), CHOICE, 0);
    recording.round(round(0, B, OBSERVED), &[chosen]);
    let Sides { a, b } = recording.finish().comparison().cases.remove(0).sides;
    assert_eq!(a.dispatch_reason, None);
    assert_eq!(b.dispatch_reason.as_deref(), Some("parallel: enough elements to share"));
}

#[test]
fn a_recorded_call_costs_what_observed_rounds_take_longer() {
    let mut recording = Recording::plain(64);
    recording.timed(0, [(WALL, WALL); 3]);
    let unit = [multiply(1, 10), call(Free::default(), 0, 10)];
    for side in [A, B] {
        recording.round(round(0, side, UNIT_TIMED).lasting(500), &[]);
        recording.round(round(0, side, UNIT_OBSERVED).lasting(560), &unit);
    }
    let cost = recording.finish().comparison().observer_cost.unwrap();
    measured(cost.ns_per_call, 30.0);
}
