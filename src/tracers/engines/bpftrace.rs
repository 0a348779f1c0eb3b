//! The program that bpftrace runs, and what it prints.

use std::path::Path;

use minijinja::context;

use super::prepare::Armed;
use super::{FIRST_KIND, Seen};
use crate::model::error::Error;
use crate::tracers::scripts::Tool;
use crate::tracers::scripts::template::{Spelling, render};

/// bpftrace's program. Files are named by paths that hold nothing which bpftrace could read as syntax; places by their
/// addresses.
///
/// # Errors
/// A fault in the template.
pub fn program(pid: u32, extension: Option<&Path>, in_rounds: bool, points: &[Armed]) -> Result<String, Error> {
    let quoted = |path: &Path| format!("\"{}\"", path.display());
    let point = |point: &Armed| {
        context! {
            site => point.site,
            place => format!("{}:{:#x}", quoted(&point.path), point.address),
            values => point.sources.map(|source| source.spelled(Tool::Bpftrace)),
        }
    };
    let values = context! {
        pid,
        us => std::process::id(),
        in_rounds,
        first_kind => FIRST_KIND,
        extension => extension.is_some(),
        points => points.iter().map(point).collect::<Vec<_>>(),
    };
    render("engine.bt", Spelling::Bpftrace(extension.map(quoted).into_iter().collect()), &values)
}

/// What bpftrace printed at its end. Lines that are no map are left alone.
pub fn parse(text: &str) -> Seen {
    let mut seen = Seen::default();
    for (map, keys, value) in text.lines().filter_map(entry) {
        if let [round, called, arguments @ ..] = keys.as_slice() {
            seen.add(map, round, called, arguments, value);
        }
    }
    seen
}

/// `@c[4, 867, 4096, 4, 0, 4]: 10`.
fn entry(line: &str) -> Option<(&str, Vec<&str>, u64)> {
    let (map, rest) = line.strip_prefix('@')?.split_once('[')?;
    let (keys, value) = rest.rsplit_once("]: ")?;
    let keys = keys.split(',').map(str::trim).collect();
    Some((map, keys, value.trim().parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::super::Called;
    use super::*;

    #[test]
    fn maps_are_read_and_everything_else_is_left() {
        let text = "Attaching 4 probes...\n\n@b[2, simd, 4096]: 10\n@bt[2, simd]: 900\n\
                    @c[0, 867, 4096, 4, 0, 4]: 10\n@t[0, 867]: 17585\n@odd: 3\nERROR: x\n";
        let Seen { counts, spent } = parse(text);
        assert_eq!(counts.len(), 2);
        assert_eq!(counts[1].called, Called::Site(867));
        assert_eq!(counts[1].arguments, [4096, 4, 0, 4]);
        assert_eq!((counts[0].calls, counts[0].round.side), (10, 1));
        assert_eq!(counts[0].called, Called::Backend("simd".into()));
        let times: Vec<u64> = spent.iter().map(|spent| spent.total_ns).collect();
        assert_eq!(times, [900, 17585]);
    }
}
