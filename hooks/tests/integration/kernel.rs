//! The kernel's observer, by firing the probes that the kernel fires.

use raptors_hooks::kernel;
use raptors_probes as probes;
use raptors_recording::{Alloc, BackendCall, Chunk, Convert, Dispatch, Event, Free, Kind, Scale};

use crate::support::{Recording, alone};

/// One operation as the kernel fires it.
fn operation() {
    probes::scale_entry(100, 4, 7, 1);
    probes::dispatch(c"simd", c"small enough for one thread", 1, 100);
    probes::backend_entry(c"simd", 100, 16, 32, 7, 4);
    probes::backend_return(c"simd", 100);
    probes::scale_return(100, 1);
}

#[test]
fn an_operation_with_all_its_steps() {
    let _alone = alone();
    let recording = Recording::start();
    assert_eq!(kernel::arm().armed, probes::PROBES.len());
    probes::convert_entry(c"from_numpy", 100, 4);
    probes::convert_return(c"from_numpy", 100, 1);
    probes::alloc_entry(400);
    probes::alloc_return(4096, 400, 1);
    operation();
    probes::chunk_entry(2, 10, 20);
    probes::chunk_return(2, 10, 20);
    probes::free_entry(4096, 400);
    probes::free_return(4096, 400);
    let _ = kernel::disarm();
    operation();
    let recorded = recording.finish();
    let seen: Vec<_> = recorded.records.iter().map(|r| (r.depth, r.event)).collect();
    let expected = [
        (0, Convert { n: 100, copied: true, item_size: 4 }.into()),
        (0, Alloc { bytes: 400, data: 4096, recycled: true }.into()),
        (1, Dispatch { n: 100, threads: 1 }.into()),
        (1, BackendCall { n: 100, src: 16, dst: 32, factor_bits: 7, item_size: 4 }.into()),
        (0, Scale { n: 100, item_size: 4, factor_bits: 7, variant: 1, ok: true }.into()),
        (0, Chunk { thread: 2, start: 10, end: 20 }.into()),
        (0, Free { bytes: 400, data: 4096 }.into()),
    ];
    assert_eq!(seen, expected);
    assert_eq!(recorded.name(&recorded.records[0]), "from_numpy");
    assert_eq!(recorded.name(&recorded.records[3]), "simd");
    let dispatch = &recorded.sites[&recorded.records[2].site];
    assert_eq!((&dispatch["kind"], &dispatch["name"]), (&"dispatch".into(), &"simd".into()));
    assert_eq!(dispatch["reason"], "small enough for one thread");
    let [backend, scale] = [recorded.records[3], recorded.records[4]];
    assert!(scale.start <= backend.start && backend.end() <= scale.end());
}

#[test]
fn a_name_has_one_site_whoever_asks_first() {
    let _alone = alone();
    let recording = Recording::start();
    kernel::arm();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..100).for_each(|_| operation()));
        }
    });
    let _ = kernel::disarm();
    let recorded = recording.finish();
    assert_eq!(recorded.records.len(), 4 * 100 * 3);
    let sites: std::collections::HashSet<_> =
        recorded.records.iter().filter(|r| r.kind() == Kind::Backend && r.site != 0).map(|r| r.site).collect();
    assert_eq!(sites.len(), 1);
}

#[test]
fn a_panic_inside_an_operation_leaves_no_depth_behind() {
    let _alone = alone();
    let recording = Recording::start();
    kernel::arm();
    probes::scale_entry(1, 4, 0, 0);
    probes::alloc_entry(64);
    // Unwound here: no return of either. The next operation is outermost all the same.
    operation();
    probes::backend_return(c"simd", 1);
    let _ = kernel::disarm();
    let recorded = recording.finish();
    let seen: Vec<_> = recorded.records.iter().map(|r| (r.kind(), r.depth)).collect();
    assert_eq!(seen, [(Kind::Dispatch, 1), (Kind::Backend, 1), (Kind::Scale, 0)]);
}

#[test]
fn more_frames_than_the_stack_holds_are_not_mixed_up() {
    let _alone = alone();
    let recording = Recording::start();
    kernel::arm();
    for n in 0..20 {
        probes::backend_entry(c"simd", n, 0, 0, 0, 4);
    }
    for n in (16..20).rev() {
        probes::backend_return(c"simd", n);
    }
    let dropped = raptors_recording::clock::ticks();
    for n in (0..16).rev() {
        probes::backend_return(c"simd", n);
    }
    operation();
    let _ = kernel::disarm();
    let recorded = recording.finish();
    assert!(recorded.records.iter().all(|r| r.end() >= dropped), "the return of a dropped frame closed another one");
    let backends = recorded.records.iter().filter_map(|r| match r.event {
        Event::Backend(call) => Some((call.n, u64::from(r.depth))),
        _ => None,
    });
    let lengths: Vec<_> = backends.take(16).collect();
    assert_eq!(lengths, (0..16).rev().map(|n| (n, n)).collect::<Vec<_>>());
    assert_eq!(recorded.records.last().map(|r| (r.kind(), r.depth)), Some((Kind::Scale, 0)));
}
