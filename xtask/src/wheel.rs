//! The extension as a wheel: built from the working tree, and built and installed again only where an input changed.

use std::collections::hash_map::DefaultHasher;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result, bail};

use crate::project::Project;
use crate::session::Session;

/// How the extension is compiled.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Build {
    /// As `pip install .` does it: what a user gets.
    Release,
    /// For the quick run of the tests.
    Test,
}

/// Paths from the root that a wheel does not depend on. Anything else counts, so a new file is never missed.
const NO_INPUTS: [&str; 8] = ["tests/", "docs/", "xtask/", "fuzz/", "scripts/", ".ci/", ".config/", ".github/"];
/// The same within a crate.
const NO_INPUTS_OF_CRATES: [&str; 3] = ["/tests/", "/benches/", "/examples/"];

impl Build {
    /// The profile of Cargo.toml.
    fn profile(self) -> &'static str {
        match self {
            Build::Release => "release",
            Build::Test => "dev",
        }
    }

    fn directory(self, project: &Project) -> PathBuf {
        project.target().join("wheels").join(self.profile())
    }
}

/// Builds the wheel unless there is one of the same inputs, and returns its path.
///
/// The build uses `target` and the pinned maturin of `.venv`, so the second one is quick.
///
/// # Errors
/// When the build fails, with its output.
pub fn build(session: &mut Session<'_>, build: Build) -> Result<PathBuf> {
    let project = session.project;
    let directory = build.directory(project);
    let stamp = directory.join("inputs");
    let inputs = inputs(session, build);
    if let Ok(wheel) = only_wheel(&directory)
        && inputs.is_some()
        && fs::read_to_string(&stamp).ok() == inputs
    {
        return Ok(wheel);
    }
    if directory.exists() {
        fs::remove_dir_all(&directory).with_context(|| format!("cannot remove {directory:?}"))?;
    }
    session.say(format_args!("building the extension, profile {} (the first time takes minutes)", build.profile()));
    let mut pip = project.python();
    pip.args(["-m", "pip", "wheel", "--no-deps", "--no-build-isolation"])
        .args(["--disable-pip-version-check", "--wheel-dir"])
        .arg(&directory)
        .arg(".")
        .env("MATURIN_PEP517_ARGS", format!("--locked --profile {}", build.profile()));
    session.run(&mut pip).context("the extension could not be built")?;
    if let Some(inputs) = inputs {
        fs::write(&stamp, inputs).with_context(|| format!("cannot write {stamp:?}"))?;
    }
    only_wheel(&directory)
}

/// Builds the wheel and installs it into `.venv`, each only where an input changed.
///
/// # Errors
/// As [`build`], and when the installation fails.
pub fn install(session: &mut Session<'_>, how: Build) -> Result<()> {
    let wheel = build(session, how)?;
    let project = session.project;
    let stamp = project.venv().join("installed-extension");
    let there = installed(project, &wheel);
    if there.is_some() && fs::read_to_string(&stamp).ok() == there {
        return Ok(());
    }
    let mut pip = project.python();
    pip.args(["-m", "pip", "install", "--no-deps", "--force-reinstall", "--disable-pip-version-check"]).arg(&wheel);
    session.run(&mut pip).context("the extension could not be installed into .venv")?;
    if let Some(there) = installed(project, &wheel) {
        fs::write(&stamp, there).with_context(|| format!("cannot write {stamp:?}"))?;
    }
    Ok(())
}

/// What tells one build from another: the files, the compiler and its flags. None where git cannot list the files, so
/// that nothing is known and the wheel is built.
fn inputs(session: &mut Session<'_>, build: Build) -> Option<String> {
    let project = session.project;
    let mut git = project.command("git");
    git.args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"]);
    let listed = session.run(&mut git).ok()?;
    let compiler = session.run(project.command("rustc").arg("-vV")).ok()?;
    let mut paths: Vec<&str> = listed.split('\0').filter(|path| is_input(path)).collect();
    paths.sort_unstable();
    let mut hasher = DefaultHasher::new();
    (compiler, build.profile(), project.root(), flags()).hash(&mut hasher);
    for path in &paths {
        // A listed file that is gone is a change, too.
        (path, fs::read(project.root().join(path)).ok()).hash(&mut hasher);
    }
    Some(format!("{} files, {:016x}\n", paths.len(), hasher.finish()))
}

fn is_input(path: &str) -> bool {
    !path.is_empty()
        && !NO_INPUTS.iter().any(|no| path.starts_with(no))
        && !NO_INPUTS_OF_CRATES.iter().any(|no| path.contains(no))
        && !path.ends_with(".md")
}

/// The variables that change what the compiler makes.
fn flags() -> Vec<(OsString, OsString)> {
    let changes = |name: &str| {
        name.ends_with("RUSTFLAGS") || name.starts_with("CARGO_PROFILE_") || name.starts_with("CARGO_BUILD_")
    };
    let mut flags: Vec<_> = env::vars_os().filter(|(name, _)| name.to_str().is_some_and(changes)).collect();
    flags.sort();
    flags
}

/// The extension in `.venv` and the wheel that it came from, each with its size and time: another build in either
/// place has others. None where there is no extension.
fn installed(project: &Project, wheel: &Path) -> Option<String> {
    let libraries = fs::read_dir(project.venv().join("lib")).ok()?;
    let packages = libraries.flatten().map(|entry| entry.path().join("site-packages/raptors_trace"));
    let modules = packages.filter_map(|package| fs::read_dir(package).ok()).flatten().flatten();
    let extension =
        modules.map(|entry| entry.path()).find(|path| path.extension().is_some_and(|extension| extension == "so"))?;
    let state = |path: &Path| {
        let metadata = fs::metadata(path).ok()?;
        let time = metadata.modified().ok()?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        Some(format!("{} {} {}\n", path.display(), metadata.len(), time.as_nanos()))
    };
    Some(state(wheel)? + &state(&extension)?)
}

fn only_wheel(directory: &Path) -> Result<PathBuf> {
    let entries = fs::read_dir(directory).with_context(|| format!("cannot list {directory:?}"))?;
    let paths = entries.flatten().map(|entry| entry.path());
    let wheels: Vec<PathBuf> = paths.filter(|path| path.extension().is_some_and(|e| e == "whl")).collect();
    match wheels.as_slice() {
        [wheel] => Ok(wheel.clone()),
        found => bail!("there are {} wheels in {directory:?} instead of one", found.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn git(directory: &Path, arguments: &[&str]) {
        let output = std::process::Command::new("git").args(arguments).current_dir(directory).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    #[test]
    fn a_build_is_told_from_another_by_its_inputs_and_nothing_else() {
        let place = tempfile::tempdir().unwrap();
        git(place.path(), &["init", "-q"]);
        let write = |name: &str, text: &str| {
            let path = place.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let project = Project::at(place.path());
        let ask = |build: Build| inputs(&mut Session::new(&project, false), build).unwrap();
        write("src/lib.rs", "one");
        let first = ask(Build::Release);
        assert_eq!(first, ask(Build::Release));
        assert_ne!(first, ask(Build::Test), "another profile");
        for name in ["tests/python/test_a.py", "docs/a.schema.json", "xtask/src/a.rs", "hooks/tests/a.rs", "README.md"]
        {
            write(name, "new");
            assert_eq!(first, ask(Build::Release), "{name} is in no wheel");
        }
        let mut seen = vec![first];
        for (name, text) in [("src/lib.rs", "two"), ("src/new.rs", ""), ("python/raptors_trace/a.py", ""), ("a", "")] {
            write(name, text);
            seen.push(ask(Build::Release));
        }
        git(place.path(), &["add", "."]);
        fs::remove_file(place.path().join("src/new.rs")).unwrap();
        seen.push(ask(Build::Release));
        let different: std::collections::BTreeSet<&String> = seen.iter().collect();
        assert_eq!(different.len(), seen.len(), "{seen:?}");
    }

    #[test]
    fn an_installed_extension_is_told_from_one_that_replaced_it() {
        let place = tempfile::tempdir().unwrap();
        let project = Project::at(place.path());
        let wheel = place.path().join("a.whl");
        fs::write(&wheel, "wheel").unwrap();
        assert_eq!(installed(&project, &wheel), None);
        let package = project.venv().join("lib/python3.11/site-packages/raptors_trace");
        fs::create_dir_all(&package).unwrap();
        fs::write(package.join("_native.abi3.so"), "first").unwrap();
        let first = installed(&project, &wheel).unwrap();
        assert_eq!(installed(&project, &wheel).unwrap(), first);
        fs::write(package.join("_native.abi3.so"), "another").unwrap();
        let second = installed(&project, &wheel).unwrap();
        assert_ne!(second, first);
        fs::write(&wheel, "a new wheel").unwrap();
        assert_ne!(installed(&project, &wheel).unwrap(), second);
    }

    #[test]
    fn a_directory_with_no_wheel_or_several_is_refused() {
        let place = tempfile::tempdir().unwrap();
        assert!(only_wheel(&place.path().join("nowhere")).is_err());
        assert!(only_wheel(place.path()).unwrap_err().to_string().contains("0 wheels"));
        fs::write(place.path().join("a.whl"), "").unwrap();
        assert_eq!(only_wheel(place.path()).unwrap(), place.path().join("a.whl"));
        fs::write(place.path().join("b.whl"), "").unwrap();
        assert!(only_wheel(place.path()).unwrap_err().to_string().contains("2 wheels"));
    }
}
