//! The run file's life: recorded under a temporary name, given its own when it is whole.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::analysis;
use crate::error::Error;

/// A run file being recorded.
pub struct RunFile {
    recording: PathBuf,
    save: Option<PathBuf>,
    /// Holds the recording of a run that nobody saves; gone when dropped.
    directory: Option<TempDir>,
}

impl RunFile {
    /// Prepares `save`, or a place that is gone afterwards.
    ///
    /// # Errors
    /// When the directory is not there or cannot be written to: said before anything is measured.
    pub fn create(save: Option<&Path>) -> Result<Self, Error> {
        let Some(save) = save else {
            let directory = tempfile::Builder::new()
                .prefix("raptors-trace-")
                .tempdir()
                .map_err(|error| {
                    Error::new("there is no place for the recording")
                        .caused_by(error)
                        .mend("set TMPDIR to a directory that can be written to")
                })?;
            return Ok(Self {
                recording: directory.path().join("run.rtrace"),
                save: None,
                directory: Some(directory),
            });
        };
        let cannot = |why: String| {
            Error::new(format!(
                "the run cannot be saved as `{}`: {why}",
                save.display()
            ))
            .mend("choose another --save FILE")
        };
        let name = save
            .file_name()
            .ok_or_else(|| cannot("that is not a file name".into()))?;
        if save.is_dir() {
            return Err(cannot("it is a directory".into()));
        }
        let mut hidden = OsString::from(".");
        hidden.push(name);
        hidden.push(format!(".partial-{}", std::process::id()));
        let recording = save.with_file_name(hidden);
        // Made and removed: whether it can be made is known now, not after a minute of measuring.
        fs::File::create_new(&recording).map_err(|error| cannot(error.to_string()))?;
        fs::remove_file(&recording).map_err(|error| cannot(error.to_string()))?;
        Ok(Self {
            recording,
            save: Some(save.to_owned()),
            directory: None,
        })
    }

    /// Where the driver records.
    pub fn recording(&self) -> &Path {
        &self.recording
    }

    /// Gives the recording its name, where it was asked to be saved.
    ///
    /// # Errors
    /// When it cannot be renamed.
    pub fn keep(mut self) -> Result<(), Error> {
        if let Some(save) = self.save.take() {
            rename(&self.recording, &save)?;
        }
        Ok(())
    }

    /// Keeps what a driver that died had recorded, if a comparison can be read from it; says where.
    ///
    /// # Errors
    /// When it cannot be renamed.
    pub fn keep_what_is_whole(mut self) -> Result<Option<PathBuf>, Error> {
        if self.save.is_none() || analysis::read(&self.recording, false).is_err() {
            return Ok(None);
        }
        let save = self.save.take().expect("looked at above");
        rename(&self.recording, &save)?;
        Ok(Some(save))
    }
}

impl Drop for RunFile {
    fn drop(&mut self) {
        if self.directory.is_none() && self.save.is_some() {
            // Nothing half-written stays behind; that it was never made is fine too.
            let _ = fs::remove_file(&self.recording);
        }
    }
}

fn rename(from: &Path, to: &Path) -> Result<(), Error> {
    fs::rename(from, to).map_err(|error| {
        Error::new(format!("the run cannot be saved as `{}`", to.display())).caused_by(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_is_not_there_is_said_before_measuring() {
        let error = RunFile::create(Some(Path::new("/no/such/place/x.rtrace")))
            .err()
            .unwrap();
        assert!(
            error.to_string().contains("/no/such/place/x.rtrace"),
            "{error}"
        );
        assert!(RunFile::create(Some(Path::new("/"))).is_err());
    }

    #[test]
    fn a_recording_that_is_not_kept_leaves_nothing() {
        let place = tempfile::tempdir().unwrap();
        let run = RunFile::create(Some(&place.path().join("x.rtrace"))).unwrap();
        fs::write(run.recording(), b"half").unwrap();
        drop(run);
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_kept_recording_has_its_name_and_only_that() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("x.rtrace");
        let run = RunFile::create(Some(&path)).unwrap();
        fs::write(run.recording(), b"whole").unwrap();
        run.keep().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"whole");
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
    }
}
