//! What is written is read.

use raptors_recording::{
    ClockSource, Error, Free, Options, Reader, Touch, Writer, active, append_document, clock, push,
};

use crate::common::{check_numbered, one_at_a_time, place, push_numbered, records};

#[test]
fn records_and_documents_come_back_as_they_were() {
    let _turn = one_at_a_time();
    let (_dir, path) = place();
    let writer = Writer::create(&path, Options::default()).unwrap();
    assert!(active());
    writer.document("site", r#"{"id":1}"#).unwrap();
    writer.document("site", r#"{"id":2,"name":"µ"}"#).unwrap();
    for i in 0..3000 {
        push_numbered(9, i);
    }
    writer.document("warning", "{}").unwrap();
    writer.finish().unwrap();
    assert!(!active());
    assert_eq!(writer.lost(), 0);

    let reader = Reader::open(&path).unwrap();
    let header = reader.header();
    assert!(header.complete);
    assert_eq!(header.pid, std::process::id());
    assert_eq!(header.lost.total(), 0);
    assert!(header.started.elapsed().unwrap().as_secs() < 600);
    assert_eq!(reader.warnings(), Vec::<String>::new());
    let all = records(&reader);
    assert_eq!(all.len(), 3000);
    for (i, (thread, record)) in all.iter().enumerate() {
        assert_eq!(check_numbered(record), (9, i as u64));
        assert_eq!(*thread, all[0].0);
    }
    let documents: Vec<_> = reader.documents().iter().map(|(k, j)| (k.as_str(), j.as_str())).collect();
    let expected = [("site", r#"{"id":1}"#), ("site", r#"{"id":2,"name":"µ"}"#), ("warning", "{}")];
    assert_eq!(documents, expected);
    assert_eq!(reader.documents_of("site").count(), 2);
    // Four segments: one of documents, three of records; nothing of the growth is left.
    assert_eq!(std::fs::metadata(&path).unwrap().len(), 5 * 65536);
}

#[test]
fn a_document_is_added_to_a_finished_file() {
    let _turn = one_at_a_time();
    let (_dir, path) = place();
    let writer = Writer::create(&path, Options::default()).unwrap();
    writer.document("site", r#"{"id":1}"#).unwrap();
    push_numbered(9, 0);
    assert!(append_document(&path, "late", "{}").is_err(), "it is not finished");
    writer.finish().unwrap();
    // Longer than a segment, and twice: what was added before is behind nothing.
    let long = format!("[{}]", "1,".repeat(60_000) + "1");
    append_document(&path, "late", &long).unwrap();
    append_document(&path, "later", "{}").unwrap();
    let reader = Reader::open(&path).unwrap();
    assert_eq!(reader.warnings(), Vec::<String>::new());
    assert_eq!(reader.documents().len(), 3);
    assert_eq!(reader.documents_of("late").next(), Some(long.as_str()));
    assert_eq!(reader.documents()[2], ("later".into(), "{}".into()));
    assert_eq!(records(&reader).len(), 1);
}

#[test]
fn the_files_clock_is_that_of_the_process() {
    let _turn = one_at_a_time();
    let (_dir, path) = place();
    let writer = Writer::create(&path, Options::default()).unwrap();
    // The system's clock is read around and between the file's: however long another program has the CPU there, the
    // file's time is between the two.
    let around = std::time::Instant::now();
    let start = clock::ticks();
    let between = std::time::Instant::now();
    std::thread::sleep(std::time::Duration::from_millis(40));
    let shortest = between.elapsed().as_nanos() as f64;
    let end = clock::ticks();
    let longest = around.elapsed().as_nanos() as f64;
    push(Free::default(), 0, 0, start, end);
    writer.finish().unwrap();
    let reader = Reader::open(&path).unwrap();
    let unit = reader.header().calibration;
    if reader.header().clock != ClockSource::System {
        assert!(unit.span_ns >= 20_000_000, "{unit:?}");
    }
    let ns = unit.nanoseconds(records(&reader)[0].1.duration);
    assert!(shortest * 0.95 < ns && ns < longest * 1.05, "{ns} ns, which are {shortest} to {longest}");
    assert!(records(&reader)[0].1.start >= reader.header().start_ticks);
}

#[test]
fn documents_may_be_longer_than_a_segment_and_empty() {
    let _turn = one_at_a_time();
    let (_dir, path) = place();
    let writer = Writer::create(&path, Options::default()).unwrap();
    let texts: Vec<String> = [0, 1, 65_000, 65_472, 200_000, 7].iter().map(|n| "x".repeat(*n)).collect();
    for text in &texts {
        writer.document("facts", text).unwrap();
    }
    writer.finish().unwrap();
    let reader = Reader::open(&path).unwrap();
    assert_eq!(reader.documents_of("facts").collect::<Vec<_>>(), texts);
}

#[test]
fn a_writer_that_is_finished_takes_nothing_more() {
    let _turn = one_at_a_time();
    let (_dir, path) = place();
    let writer = Writer::create(&path, Options::default()).unwrap();
    push_numbered(0, 0);
    writer.finish().unwrap();
    for i in 0..5000 {
        push_numbered(0, i);
    }
    assert_eq!(writer.lost(), 0);
    assert!(matches!(writer.document("site", "{}"), Err(Error::Closed(_))));
    assert!(matches!(writer.finish(), Err(Error::Closed(_))));
    assert_eq!(records(&Reader::open(&path).unwrap()).len(), 1);
}

#[test]
fn recordings_follow_each_other_in_one_process() {
    let _turn = one_at_a_time();
    for round in 1..=20 {
        let (_dir, path) = place();
        let writer = Writer::create(&path, Options::default()).unwrap();
        let busy = Writer::create(&path.with_extension("2"), Options::default());
        assert!(matches!(busy, Err(Error::Active(p)) if p == path));
        for i in 0..round * 100 {
            push_numbered(round, i);
        }
        writer.finish().unwrap();
        let all = records(&Reader::open(&path).unwrap());
        assert_eq!(all.len() as u64, round * 100);
        assert!(all.iter().all(|(_, r)| check_numbered(r).0 == round));
    }
}

#[test]
fn an_end_before_its_start_is_no_time() {
    let _turn = one_at_a_time();
    let (_dir, path) = place();
    let writer = Writer::create(&path, Options::default()).unwrap();
    let event = Touch { bytes: u64::MAX, pages: u64::MAX, faults: u64::MAX, ticks: u64::MAX };
    push(event, 255, u32::MAX, 10, 9);
    writer.finish().unwrap();
    let (_, record) = records(&Reader::open(&path).unwrap())[0];
    assert_eq!((record.start, record.duration, record.end()), (10, 0, 10));
    assert_eq!((record.depth, record.site, record.event), (255, u32::MAX, event.into()));
}

#[test]
fn a_file_that_is_still_written_can_be_read() {
    let _turn = one_at_a_time();
    let (_dir, path) = place();
    let writer = Writer::create(&path, Options::default()).unwrap();
    writer.document("spec", "{}").unwrap();
    let pushers: Vec<_> = (0..2)
        .map(|thread| {
            std::thread::spawn(move || {
                for i in 0..400_000 {
                    push_numbered(thread, i);
                }
            })
        })
        .collect();
    let mut before = 0;
    while !pushers.iter().all(|p| p.is_finished()) {
        let reader = Reader::open(&path).unwrap();
        assert!(!reader.header().complete);
        assert_eq!(reader.documents().len(), 1);
        let mut next = [0; 2];
        reader
            .for_each(|_, record| {
                let (thread, i) = check_numbered(record);
                assert_eq!(i, next[thread as usize]);
                next[thread as usize] += 1;
            })
            .unwrap();
        let now = next[0] + next[1];
        assert!(now >= before, "{now} records after {before}");
        before = now;
    }
    writer.finish().unwrap();
    assert_eq!(records(&Reader::open(&path).unwrap()).len() as u64 + writer.lost(), 800_000);
}

#[cfg(target_os = "linux")]
#[test]
fn a_finished_recording_holds_no_file() {
    let _turn = one_at_a_time();
    let (_dir, path) = place();
    let writer = Writer::create(&path, Options::default()).unwrap();
    push_numbered(0, 0);
    let held = || {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let open = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
        let open = open.filter(|fd| std::fs::read_link(fd.path()).is_ok_and(|to| to == path));
        (maps.contains(path.to_str().unwrap()), open.count())
    };
    assert_eq!(held(), (true, 1));
    writer.finish().unwrap();
    assert_eq!(held(), (false, 0));
}
