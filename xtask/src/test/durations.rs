//! How long each step last took, kept in `target/xtask/durations.json` for `--list`.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

/// The last duration of each step that passed.
#[derive(Default)]
pub struct Durations {
    seconds: BTreeMap<String, f64>,
}

fn path(directory: &Path) -> PathBuf {
    directory.join("durations.json")
}

impl Durations {
    /// The durations that earlier runs left in `directory`, none where there was no run. The second value says why a
    /// file is ignored.
    pub fn read(directory: &Path) -> (Durations, Option<String>) {
        let path = path(directory);
        let Ok(text) = std::fs::read(&path) else {
            return Default::default();
        };
        match serde_json::from_slice::<BTreeMap<String, f64>>(&text) {
            Ok(seconds) => (Durations { seconds }, None),
            Err(error) => {
                let note = format!("{} is ignored, it holds no durations: {error}", path.display());
                (Durations::default(), Some(note))
            }
        }
    }

    /// The last duration of `step`; none where it never ran or the file gives no time for it.
    pub fn of(&self, step: &str) -> Option<Duration> {
        self.seconds.get(step).and_then(|seconds| Duration::try_from_secs_f64(*seconds).ok())
    }

    /// Keeps a duration for the next run. Replaces the file as a whole, as another run may read it.
    pub fn keep(directory: &Path, step: &str, time: Duration) -> Result<()> {
        let path = path(directory);
        let (mut durations, _) = Durations::read(directory);
        durations.seconds.insert(step.to_owned(), (time.as_secs_f64() * 10.0).round() / 10.0);
        std::fs::create_dir_all(directory)?;
        let mut file = tempfile::NamedTempFile::new_in(directory)?;
        writeln!(file, "{}", serde_json::to_string_pretty(&durations.seconds)?)?;
        file.persist(&path).with_context(|| format!("cannot write {path:?}"))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_duration_of_each_step_is_kept() {
        let place = tempfile::tempdir().unwrap();
        assert!(Durations::read(place.path()).0.of("fmt").is_none());
        for (step, millis) in [("fmt", 900), ("clippy", 61_040), ("fmt", 1_200)] {
            Durations::keep(place.path(), step, Duration::from_millis(millis)).unwrap();
        }
        let (durations, note) = Durations::read(place.path());
        assert_eq!(note, None);
        assert_eq!(durations.of("fmt"), Some(Duration::from_millis(1_200)));
        assert_eq!(durations.of("clippy"), Some(Duration::from_secs(61)));
    }

    #[test]
    fn a_file_that_holds_something_else_is_ignored_with_a_note_and_replaced() {
        let place = tempfile::tempdir().unwrap();
        for text in ["", "{\"fmt\": ", "{\"fmt\": \"long\"}", "[1]", "\u{0}\u{ff}"] {
            std::fs::write(path(place.path()), text).unwrap();
            let (durations, note) = Durations::read(place.path());
            assert!(durations.of("fmt").is_none(), "{text}");
            assert!(note.unwrap().contains("durations.json is ignored"), "{text}");
        }
        std::fs::write(path(place.path()), "{\"fmt\": -3.0, \"ruff\": 1e300}").unwrap();
        let durations = Durations::read(place.path()).0;
        assert_eq!((durations.of("fmt"), durations.of("ruff")), (None, None), "no such times");
        Durations::keep(place.path(), "fmt", Duration::from_secs(2)).unwrap();
        assert_eq!(Durations::read(place.path()).0.of("fmt"), Some(Duration::from_secs(2)));
    }
}
