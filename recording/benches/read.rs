//! The speed at which 10 million records are read, in a process that has done nothing else:
//! `cargo bench -p raptors-recording --bench read`.

use std::{path::PathBuf, process::Command, time::Instant};

use raptors_recording::{BackendCall, Event, Options, Reader, Writer, push};

const RECORDS: u64 = 10_000_000;

fn main() {
    if let Some(path) = std::env::var_os("RECORDING_READ") {
        return read(&PathBuf::from(path));
    }
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let path = dir.path().join("run");
    let writer = Writer::create(&path, Options::default()).expect("a writer");
    for i in 0..RECORDS {
        push(BackendCall { n: i, src: i, dst: i, factor_bits: i, item_size: i as u32 }, 0, 1, i, i + 1);
    }
    writer.finish().expect("finished");
    // The peak of resident memory belongs to the process for its whole life, so the reader gets its own.
    let status = Command::new(std::env::current_exe().expect("own name")).env("RECORDING_READ", &path).status();
    assert!(status.expect("started").success());
}

fn read(path: &std::path::Path) {
    for state in ["complete", "complete, again", "as left by a killed target"] {
        if state.starts_with("as") {
            let file = std::fs::OpenOptions::new().write(true).open(path).expect("the run");
            let len = file.metadata().expect("its length").len();
            std::os::unix::fs::FileExt::write_all_at(&file, &[1], 128).expect("state");
            std::os::unix::fs::FileExt::write_all_at(&file, &len.to_le_bytes(), 136).expect("len");
        }
        let begun = Instant::now();
        let reader = Reader::open(path).expect("a run");
        let (mut n, mut sum) = (0_u64, 0_u64);
        reader
            .for_each(|_, record| {
                n += 1;
                if let Event::Backend(call) = record.event {
                    sum = sum.wrapping_add(call.n);
                }
            })
            .expect("whole");
        let seconds = begun.elapsed().as_secs_f64();
        assert_eq!(n + reader.header().lost.total(), RECORDS);
        std::hint::black_box(sum);
        println!("{state}: {n} records in {seconds:.2} s, at most {} MiB resident", resident_mib());
    }
}

/// The peak of resident memory in this process.
fn resident_mib() -> u64 {
    // SAFETY: all-zero is a valid rusage, filled by the call.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut usage);
        usage
    };
    usage.ru_maxrss as u64 / 1024 / if cfg!(target_vendor = "apple") { 1024 } else { 1 }
}
