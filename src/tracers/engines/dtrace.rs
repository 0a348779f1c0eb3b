//! The program that DTrace runs, and what it prints. One program serves macOS and DTrace 2 on Linux.

use std::os::unix::ffi::OsStrExt as _;

use minijinja::context;

use super::prepare::Armed;
use super::{FIRST_KIND, Seen};
use crate::model::error::Error;
use crate::tracers::scripts::template::{Spelling, render};
use crate::tracers::scripts::{Tool, probe_part};

/// Functions that are watched at most: DTrace 2 takes 0.26 s to withdraw the two probes of each, so half a minute.
const MOST_POINTS: usize = 120;
/// Files that DTrace 2 has open beside those for functions: 27 were seen on 2 cores, and one for each site of the
/// Raptors probes; each core has a buffer of its own.
const OTHER_FILES: u64 = 64;

/// How many functions DTrace can watch where it may open `files` files, on a machine of `cores`, and what keeps it from
/// more. It raises its own limit as far as the hard one. It has a file open for each probe, entry and return, and fails
/// where they are not enough ("Bad file descriptor").
pub fn most_points(files: u64, cores: u32) -> (usize, String) {
    let room = files.saturating_sub(OTHER_FILES + 2 * u64::from(cores)) / 2;
    match usize::try_from(room) {
        Ok(room) if room < MOST_POINTS => (
            room,
            format!(
                "DTrace opens two files a function, so {room} functions at most are watched where {files} may be open; \
                 `ulimit -Hn` of more allows more"
            ),
        ),
        _ => (
            MOST_POINTS,
            format!("DTrace takes 0.26 s to withdraw from a function, so {MOST_POINTS} functions at most are watched"),
        ),
    }
}

/// DTrace's program.
///
/// # Errors
/// A fault in the template.
pub fn program(extension: bool, in_rounds: bool, points: &[Armed]) -> Result<String, Error> {
    let point = |point: &Armed| {
        let (module, symbol) = (point.module.file_name()?, point.symbol.as_ref()?);
        Some(context! {
            site => point.site,
            place => format!("pid$target:{}:{}", probe_part(module.as_bytes()), probe_part(symbol)),
            values => point.sources.map(|source| source.spelled(Tool::Dtrace)),
        })
    };
    let values = context! {
        us => std::process::id(),
        in_rounds,
        first_kind => FIRST_KIND,
        extension,
        points => points.iter().filter_map(point).collect::<Vec<_>>(),
    };
    render("engine.d", Spelling::D, &values)
}

/// What DTrace printed at its end. Lines of any other shape are left alone.
pub fn parse(text: &str) -> Seen {
    let mut seen = Seen::default();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let [kind, round, called, arguments @ .., value] = words.as_slice()
            && let Ok(value) = value.parse()
        {
            seen.add(kind, round, called, arguments, value);
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::super::{Called, arguments::Source};
    use super::*;

    #[test]
    fn as_many_functions_are_watched_as_files_allow_and_time() {
        let (most, why) = most_points(256, 2);
        assert_eq!(most, 94);
        assert!(why.contains("94 functions at most are watched where 256"), "{why}");
        assert_eq!(most_points(u64::MAX, 2).0, MOST_POINTS);
        assert_eq!(most_points(64, 128).0, 0);
    }

    /// Only digits of ours, and what stands for any one byte: the file's directory is not in it at all.
    #[test]
    fn nothing_of_a_name_is_syntax() {
        let odd = "a:b{/*\"$(touch x)`id`\n*/}%s\\";
        let point = Armed {
            site: 7,
            symbol: Some(odd.into()),
            module: std::path::Path::new("/$(touch x)").join(odd.replace('/', "|")),
            path: "/tmp/file0".into(),
            address: 0x40,
            sources: [Source::Absent; 4],
        };
        let text = program(true, true, &[point]).unwrap();
        let probe = "pid$target:a?b??????touch?x??id??????s?:a?b??????touch?x??id??????s?:entry /on/ {\n\t@c[";
        assert!(text.contains(&format!("\n{probe}round_number, 7, ")), "{text}");
        assert_eq!(text.matches("touch").count(), 4, "{text}");
    }

    #[test]
    fn lines_are_read_and_everything_else_is_left() {
        let text = "\nc 0 867 4096 4 0 4 10\nt 0 867 17585\nb 2 simd 4096 10\nbt 2 simd 900\ndtrace: error 1 2 3\n";
        let Seen { counts, spent } = parse(text);
        assert_eq!(counts.len(), 2);
        assert_eq!(counts[0].called, Called::Site(867));
        assert_eq!(counts[0].arguments, [4096, 4, 0, 4]);
        assert_eq!(counts[1].arguments, [4096]);
        assert_eq!(spent.len(), 2);
        assert_eq!((spent[1].total_ns, spent[1].round.side), (900, 1));
    }
}
