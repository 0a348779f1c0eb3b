//! The wheel on other Pythons and NumPys: the oldest that are supported, and the newest that Debian and PyPI have.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::plan::Plan;
use super::step::{Need, Runs, Step};
use super::tier::Tier;
use crate::session::Session;
use crate::wheel::{self, Build};

/// The wheel on several versions.
pub const TESTS: &[Step] = &[Step {
    name: "versions",
    what: "the wheel installs and compare runs on the oldest and the newest Python and NumPy; nightly on more",
    runs: Runs::InAll,
    after: &["venv"],
    beside: None,
    needs: &[Need::DebianRoot],
    run: every_pair,
}];

/// One Python with one NumPy.
struct Pair {
    /// Its minor version: Debian forky packages those above that of `.venv`.
    python: u32,
    /// What pip is asked for; nothing for the newest.
    numpy: &'static str,
    /// The smallest run that has the pair.
    tier: Tier,
}

/// There are no wheels of NumPy 2.0 and 2.2 for the newest Pythons.
const PAIRS: [Pair; 5] = [
    Pair { python: 11, numpy: "==2.0.*", tier: Tier::All },
    Pair { python: 15, numpy: "", tier: Tier::All },
    Pair { python: 11, numpy: "==2.2.*", tier: Tier::Nightly },
    Pair { python: 11, numpy: "", tier: Tier::Nightly },
    Pair { python: 14, numpy: "", tier: Tier::Nightly },
];

impl Pair {
    fn label(&self) -> String {
        let numpy = if self.numpy.is_empty() { "newest" } else { self.numpy.trim_matches(['=', '.', '*']) };
        format!("python3.{}-numpy-{numpy}", self.python)
    }
}

fn every_pair(session: &mut Session<'_>, plan: &Plan) -> Result<()> {
    let wheel = wheel::build(session, Build::Release)?;
    for pair in PAIRS.iter().filter(|pair| plan.tier >= pair.tier) {
        match Place::of(session, pair) {
            Ok(place) => try_pair(session, pair, &place, &wheel).with_context(|| pair.label())?,
            Err(why) => session.note(format!("not tried: {}: {why:#}", pair.label())),
        }
    }
    Ok(())
}

/// Where a Python runs: on this machine, or in a small Debian forky.
struct Place {
    /// The words before each command.
    enter: Vec<OsString>,
    python: OsString,
}

impl Place {
    /// The place that has this Python; an error where none has.
    fn of(session: &mut Session<'_>, pair: &Pair) -> Result<Self> {
        let name = format!("python3.{}", pair.python);
        let own = session.project.venv_program("python");
        for python in [own.into_os_string(), name.clone().into()] {
            let here = Self { enter: Vec::new(), python };
            let version = "import sys, venv, ensurepip; print('minor', sys.version_info.minor)";
            let asked = session.run(here.command(session, &here.python).args(["-c", version]));
            if asked.is_ok_and(|said| said.trim() == format!("minor {}", pair.python)) {
                return Ok(here);
            }
        }
        let script = session.project.root().join("scripts/in-forky");
        let with = format!("{name}-venv");
        let enter = [script.into_os_string(), "--with".into(), with.into(), "--".into()];
        let forky = Self { enter: enter.to_vec(), python: name.into() };
        session
            .run(forky.command(session, &forky.python).arg("--version"))
            .context("Debian forky has no such Python")?;
        Ok(forky)
    }

    /// A program that knows nothing of the clone.
    fn command(&self, session: &Session<'_>, program: impl Into<OsString>) -> Command {
        let mut words = self.enter.iter().cloned().chain([program.into()]);
        let mut command = Command::new(words.next().expect("the program is one"));
        for variable in ["VIRTUAL_ENV", "RAPTORS_TRACE_PYTHON", "PYTHON", "PYTHONPATH"] {
            command.env_remove(variable);
        }
        command.args(words).current_dir(session.project.target());
        command
    }
}

/// Installs the wheel beside that NumPy, in an environment that stays, and compares.
fn try_pair(session: &mut Session<'_>, pair: &Pair, place: &Place, wheel: &Path) -> Result<()> {
    let venv = environment(session, pair, place)?;
    let mut pip = place.command(session, venv.join("bin/python"));
    pip.args(["-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps", "--force-reinstall"]);
    session.run(pip.arg(wheel)).context("the wheel could not be installed")?;
    let mut compare = place.command(session, venv.join("bin/raptors-trace"));
    compare.args(["compare", "--size", "64", "--time", "0.2", "--json", "--quiet"]);
    let output = session.run(&mut compare).context("compare does not run")?;
    let found = check(&output, pair)?;
    session.note(found);
    Ok(())
}

/// The virtual environment of a pair, with its NumPy: made once, and again where it was not finished.
fn environment(session: &mut Session<'_>, pair: &Pair, place: &Place) -> Result<PathBuf> {
    let venv = session.project.target().join("versions").join(pair.label());
    let stamp = venv.join("finished");
    if stamp.exists() {
        return Ok(venv);
    }
    let mut make = place.command(session, &place.python);
    session.run(make.args(["-m", "venv", "--clear"]).arg(&venv)).context("no virtual environment")?;
    let mut pip = place.command(session, venv.join("bin/python"));
    pip.args(["-m", "pip", "install", "-q", "--disable-pip-version-check", "--only-binary", "numpy"]);
    session.run(pip.arg(format!("numpy{}", pair.numpy))).context("NumPy could not be installed")?;
    std::fs::write(&stamp, "").with_context(|| format!("cannot write {stamp:?}"))?;
    Ok(venv)
}

/// Whether a comparison is whole and of these versions; what it was made with.
fn check(json: &str, pair: &Pair) -> Result<String> {
    let begin = json.find('{').unwrap_or_default();
    // Behind it may stand what it said on standard error.
    let first = serde_json::Deserializer::from_str(&json[begin..]).into_iter().next();
    let document: Value = first.context("compare printed nothing")?.context("compare's output is no JSON")?;
    let [python, numpy] = ["python", "numpy"].map(|name| document["software"][name].as_str().unwrap_or_default());
    ensure!(python.starts_with(&format!("3.{}.", pair.python)), "it ran on Python {python}");
    let wanted = pair.numpy.trim_matches(['=', '*']);
    ensure!(numpy.starts_with(wanted), "it ran with NumPy {numpy}");
    let cases = document["cases"].as_array().map_or(&[][..], Vec::as_slice);
    ensure!(!cases.is_empty(), "it has no case");
    for case in cases {
        for side in ["a", "b"] {
            let side = &case["sides"][side];
            ensure!(side["wall_ns"]["median"].as_f64() > Some(0.0), "a side of {} has no time", case["name"]);
            let calls = side["calls"].as_array().map_or(0, Vec::len);
            ensure!(calls > 0, "no call of a side of {} was seen", case["name"]);
        }
    }
    Ok(format!("Python {python} with NumPy {numpy}: {} cases compared", cases.len()))
}
