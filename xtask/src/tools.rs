//! The Cargo subcommands that the checks need, and the system tools that the tests use.

use anyhow::{Context, Result};

use crate::machine;
use crate::session::Session;

/// A Cargo subcommand, built from crates.io if it is missing.
pub struct Subcommand {
    name: &'static str,
    version: &'static str,
    /// Only the features that the checks use: each one left out saves a minute.
    features: &'static [&'static str],
    minutes: &'static str,
}

/// The test runner.
pub const NEXTEST: Subcommand = Subcommand {
    name: "cargo-nextest",
    version: "0.9.143",
    features: &["--no-default-features", "--features", "default-no-update"],
    minutes: "four to eight",
};

/// The check of licences, bans and sources.
pub const DENY: Subcommand =
    Subcommand { name: "cargo-deny", version: "0.20.2", features: &["--no-default-features"], minutes: "two to four" };

/// Installs `tool` into `target/tools` unless there is one on PATH.
pub fn ensure(session: &mut Session<'_>, tool: &Subcommand) -> Result<()> {
    let tools = session.project.target().join("tools");
    if tools.join("bin").join(tool.name).exists() || machine::find_program(tool.name).is_some() {
        return Ok(());
    }
    let Subcommand { name, version, minutes, .. } = tool;
    session
        .say(format_args!("{name} is missing: building {version} into {} ({minutes} minutes, once)", tools.display()));
    let mut cargo = session.project.cargo();
    // Unoptimised builds in half the time, and these programs do not take the time here.
    cargo.args(["install", "--locked", "--debug", "--version", version]).args(tool.features);
    cargo.arg("--root").arg(&tools).arg(name).env("CARGO_PROFILE_DEV_DEBUG", "0");
    cargo.env_remove("CARGO_TARGET_DIR");
    session.run(&mut cargo).with_context(|| format!("{name} could not be installed"))?;
    Ok(())
}

/// A tool that only the system can provide.
pub struct SystemTool {
    /// The program.
    pub name: &'static str,
    /// The Debian packages that contain it, or none if a script of this project installs it.
    packages: &'static [&'static str],
    /// What needs it.
    pub needed_for: &'static str,
}

/// All system tools, in the order of their installation.
pub const SYSTEM_TOOLS: [SystemTool; 10] = [
    SystemTool { name: "gcc", packages: &["gcc", "libc6-dev"], needed_for: "stand-in libraries" },
    SystemTool { name: "readelf", packages: &["binutils"], needed_for: "the notes of the probes" },
    SystemTool { name: "valgrind", packages: &["valgrind"], needed_for: "instruction counts" },
    SystemTool { name: "bpftrace", packages: &["bpftrace"], needed_for: "probes and counts" },
    SystemTool { name: "dtrace", packages: &[], needed_for: "probes and D scripts" },
    SystemTool { name: PERF, packages: &["linux-perf"], needed_for: "recorded stacks" },
    SystemTool {
        name: OPENBLAS,
        packages: &["libopenblas0-pthread"],
        needed_for: "D scripts on a BLAS that DTrace can watch",
    },
    SystemTool {
        name: "chromedriver",
        packages: &["chromium", "chromium-driver", "fonts-dejavu-core"],
        needed_for: "the pictures in a browser",
    },
    SystemTool { name: "go", packages: &["golang-go"], needed_for: "pprof's own reader of the export" },
    SystemTool {
        name: "npm",
        packages: &["npm"],
        needed_for: "speedscope, which opens the exports, and axe, which looks at the report",
    },
];

/// Debian's name for the package; Ubuntu had others, one for each kernel.
const PERF: &str = "perf";
/// A library, not a program.
const OPENBLAS: &str = "libopenblas.so.0";

impl SystemTool {
    /// Whether it is there.
    pub fn is_installed(&self) -> bool {
        match self.name {
            "dtrace" => machine::find_dtrace().is_some(),
            OPENBLAS => machine::has_debian_openblas(),
            name => machine::find_program(name).is_some(),
        }
    }
}

/// Installs the missing [`SYSTEM_TOOLS`] as root on Debian or Ubuntu, and says so; elsewhere lists the missing ones and
/// the tests that need them.
pub fn install_system_tools(session: &mut Session<'_>) -> Result<()> {
    let missing: Vec<&SystemTool> = SYSTEM_TOOLS.iter().filter(|t| !t.is_installed()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    if !(machine::is_debian() && machine::is_root()) {
        for tool in missing {
            session.note(format!(
                "{} is missing, so what needs it is skipped: {} (installed by this command as \
                 root on Debian or Ubuntu)",
                tool.name, tool.needed_for
            ));
        }
        return Ok(());
    }
    let packages: Vec<&str> =
        missing.iter().filter(|tool| tool.name != PERF).flat_map(|tool| tool.packages).copied().collect();
    if !packages.is_empty() {
        install_packages(session, &packages)?;
    }
    if let Some(perf) = missing.iter().find(|tool| tool.name == PERF)
        && let Err(error) = install_packages(session, perf.packages)
    {
        session.note(format!("perf is missing, so what needs it is skipped: {} ({error:#})", perf.needed_for));
    }
    if missing.iter().any(|tool| tool.name == "dtrace") {
        session.say("installing DTrace under /opt/dtrace (scripts/install-dtrace)");
        let script = session.project.root().join("scripts/install-dtrace");
        session.run(&mut session.project.command(script)).context("DTrace was not installed")?;
    }
    Ok(())
}

/// Installs Debian packages.
pub fn install_packages(session: &mut Session<'_>, packages: &[&str]) -> Result<()> {
    session.say(format_args!("installing by apt: {}", packages.join(" ")));
    let apt = || {
        let mut command = session.project.command("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive").arg("-qq");
        command
    };
    let (mut update, mut install) = (apt(), apt());
    install.args(["install", "-y", "--no-install-recommends"]).args(packages);
    session.run(update.arg("update")).context("apt's lists could not be updated")?;
    session.run(&mut install).context("the packages could not be installed")?;
    Ok(())
}
