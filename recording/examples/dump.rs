//! Prints a run file: `cargo run -p raptors-recording --example dump -- FILE [--lossy]`.

use std::{path::Path, process::ExitCode};

use raptors_recording::{Error, Reader};

fn main() -> ExitCode {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let lossy = arguments.iter().position(|a| a == "--lossy").map(|at| arguments.remove(at));
    let [file] = arguments.as_slice() else {
        eprintln!("usage: dump FILE [--lossy]");
        return ExitCode::from(2);
    };
    match dump(Path::new(file), lossy.is_some()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn dump(file: &Path, lossy: bool) -> Result<(), Error> {
    let reader = if lossy { Reader::open_lossy(file)? } else { Reader::open(file)? };
    println!("{:#?}", reader.header());
    for (key, json) in reader.documents() {
        println!("{key}\t{json}");
    }
    let unit = reader.header().calibration;
    let zero = reader.header().start_ticks;
    reader.for_each(|thread, record| {
        let start = unit.nanoseconds(record.start.saturating_sub(zero));
        println!(
            "{}\tdepth {}\tsite {}\tat {start:.0} ns\ttook {:.0} ns\t{:?}",
            thread.index,
            record.depth,
            record.site,
            unit.nanoseconds(record.duration),
            record.event,
        );
    })?;
    for warning in reader.warnings() {
        eprintln!("warning: {warning}");
    }
    Ok(())
}
