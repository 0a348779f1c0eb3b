//! `--changed`: what of the checks a change can break, from the paths that it touches.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::project::Project;
use crate::session::Session;

/// What a change under a path can break.
struct Rule {
    /// Where it is, from the root. Of several rules that fit a path, the longest decides.
    path: &'static str,
    /// The packages whose tests run, those of the packages that depend on them included.
    packages: &'static [&'static str],
    /// The test programs that run beside them: package and program.
    programs: &'static [(&'static str, &'static str)],
    /// The files of tests/python, by the beginnings of their names behind `test_`.
    python: &'static [&'static str],
    /// The steps beside the tests of Rust and Python, which follow from the other columns.
    steps: &'static [&'static str],
}

impl Rule {
    const fn on(path: &'static str) -> Rule {
        Rule { path, packages: &[], programs: &[], python: &[], steps: &[] }
    }

    const fn packages(self, packages: &'static [&'static str]) -> Rule {
        Rule { packages, ..self }
    }

    const fn programs(self, programs: &'static [(&'static str, &'static str)]) -> Rule {
        Rule { programs, ..self }
    }

    const fn python(self, python: &'static [&'static str]) -> Rule {
        Rule { python, ..self }
    }

    const fn steps(self, steps: &'static [&'static str]) -> Rule {
        Rule { steps, ..self }
    }
}

/// Every file of tests/python.
const ALL: &[&str] = &[""];
const RUST: &[&str] = &["fmt", "clippy"];
const PYTHON: &[&str] = &["ruff", "mypy"];
const BOTH: &[&str] = &["fmt", "clippy", "ruff", "mypy"];
const TRACED: &[&str] = &["fmt", "clippy", "tracers"];
const COMPARE: &[&str] = &["compare", "against", "driver", "saving", "errors", "interrupts"];
const DRAWN: &[&str] = &["report", "exports", "compare", "pictures"];
const FLAMEGRAPHS: &[&str] = &["flamegraph", "exports", "pictures", "python_frames"];
const KERNEL: &[&str] = &["kernel", "memory", "nan", "tune", "observers", "probes"];
const HOOKS: &[&str] = &["observers", "numpy_suite", "hooks_against_uprobes", "compare"];
const TRACERS: &[&str] = &[
    "engines",
    "flamegraph_",
    "hooks_against_uprobes",
    "other_processes",
    "probes",
    "script",
    "start_barrier",
    "tracers_surroundings",
];
/// The packages that are on top of no other one: with those that depend on them they are the workspace.
const WORKSPACE: &[&str] =
    &["raptors-probes", "raptors-routines", "raptors-recording", "raptors-flamegraphs", "raptors-signposts", "xtask"];
/// The test program of the toolkit.
const INTEGRATION: &[(&str, &str)] = &[("raptors-trace", "integration")];

/// What a path that no rule knows can break, and a manifest: everything.
const EVERYTHING: Rule =
    Rule::on("Cargo.toml").packages(WORKSPACE).python(ALL).steps(&["fmt", "clippy", "ruff", "mypy", "one-per-tracer"]);

/// The one table of it.
const RULES: &[Rule] =
    &[
        Rule::on("src/").packages(&["raptors-trace"]).python(ALL).steps(RUST),
        Rule::on("src/analysis/").packages(&["raptors-trace"]).python(COMPARE).steps(RUST),
        Rule::on("src/explain/").packages(&["raptors-trace"]).python(&["explain", "lab", "switches"]).steps(RUST),
        Rule::on("src/tracers/").packages(&["raptors-trace"]).python(TRACERS).steps(TRACED),
        Rule::on("src/views/").packages(&["raptors-trace"]).python(DRAWN).steps(RUST),
        Rule::on("build.rs").packages(&["raptors-trace"]).steps(RUST),
        Rule::on("tests/integration/").programs(INTEGRATION).steps(RUST),
        Rule::on("tests/shared/").packages(WORKSPACE).steps(RUST),
        Rule::on("tests/golden/").programs(INTEGRATION),
        Rule::on("tests/data/").programs(INTEGRATION).python(&["saving", "errors"]),
        Rule::on("tests/protocol.json").programs(INTEGRATION).python(&["protocol", "driver"]),
        Rule::on("docs/").programs(INTEGRATION),
        Rule::on("dtrace/").programs(INTEGRATION).python(&["script"]).steps(&["tracers"]),
        Rule::on("kernel/").packages(&["raptors-kernel"]).python(KERNEL).steps(RUST),
        Rule::on("kernel/tests/")
            .programs(&[("raptors-kernel", "integration"), ("raptors-kernel", "process")])
            .steps(&["fmt", "clippy", "callgrind"]),
        Rule::on("probes/").packages(&["raptors-probes"]).python(&["probes", "scripts", "kernel"]).steps(TRACED),
        Rule::on("probes/tests/").programs(&[("raptors-probes", "integration")]).steps(RUST),
        Rule::on("routines/").packages(&["raptors-routines"]).python(&["observers", "scripts"]).steps(RUST),
        Rule::on("routines/tests/").programs(&[("raptors-routines", "integration")]).steps(RUST),
        Rule::on("recording/").packages(&["raptors-recording"]).python(&["observers", "compare", "saving"]).steps(RUST),
        Rule::on("recording/tests/")
            .programs(&[("raptors-recording", "integration"), ("raptors-recording", "ten_million")])
            .steps(RUST),
        Rule::on("hooks/").packages(&["raptors-hooks"]).python(HOOKS).steps(RUST),
        Rule::on("hooks/tests/").programs(&[("raptors-hooks", "integration")]).steps(RUST),
        Rule::on("flamegraphs/").packages(&["raptors-flamegraphs"]).python(FLAMEGRAPHS).steps(RUST),
        Rule::on("flamegraphs/tests/")
            .programs(&[("raptors-flamegraphs", "integration"), ("raptors-flamegraphs", "capture")])
            .steps(RUST),
        Rule::on("signposts/").packages(&["raptors-signposts"]).steps(RUST),
        Rule::on("python/").packages(&["raptors-trace-python"]).python(ALL).steps(BOTH),
        Rule::on("python/raptors_trace/").python(ALL).steps(PYTHON),
        Rule::on("tests/python/").python(ALL).steps(PYTHON),
        Rule::on("pyproject.toml").python(ALL).steps(PYTHON),
        Rule::on("requirements").python(ALL).steps(PYTHON),
        Rule::on("xtask/").packages(&["xtask"]).steps(RUST),
        Rule::on("fuzz/").steps(&["fmt", "clippy", "fuzz"]),
        Rule::on("scripts/").steps(&["tools", "one-per-tracer"]),
        Rule::on("Cargo.lock").packages(WORKSPACE).python(ALL).steps(&["clippy", "deny"]),
        Rule::on("deny.toml").steps(&["deny"]),
        Rule::on("rustfmt.toml").steps(&["fmt"]),
        Rule::on(".cargo/").packages(WORKSPACE).steps(RUST),
        Rule::on(".config/").packages(WORKSPACE),
        Rule::on(".ci/").packages(&["xtask"]),
        // Read by people and by the service that runs CI.
        Rule::on(".github/"),
        Rule::on(".gitignore"),
        Rule::on("README.md").programs(INTEGRATION),
        Rule::on("CHANGELOG.md"),
        Rule::on("CONTRIBUTING.md").programs(INTEGRATION),
        Rule::on("LICENSE"),
        EVERYTHING,
    ];

/// What of the checks a change can break.
#[derive(Default)]
pub struct Selection {
    /// The steps.
    pub steps: BTreeSet<&'static str>,
    packages: BTreeSet<&'static str>,
    programs: BTreeSet<(&'static str, &'static str)>,
    python: BTreeSet<String>,
}

impl Selection {
    /// What a change of these paths can break. A path that no rule knows selects the whole quick run.
    pub fn of<'a>(paths: impl IntoIterator<Item = &'a str>) -> Selection {
        let mut selection = Selection::default();
        for path in paths {
            selection.add(rule(path).unwrap_or(&EVERYTHING), path);
        }
        if !selection.packages.is_empty() || !selection.programs.is_empty() {
            selection.steps.extend(["build", "nextest"]);
        }
        if !selection.python.is_empty() {
            selection.steps.insert("pytest");
        }
        selection
    }

    fn add(&mut self, rule: &Rule, path: &str) {
        self.packages.extend(rule.packages);
        self.programs.extend(rule.programs);
        self.steps.extend(rule.steps);
        match test_file(path) {
            Some(name) => {
                self.python.insert(format!("{name}.py"));
                self.steps.insert("tracers");
            }
            None => self.python.extend(rule.python.iter().map(|name| name.to_string())),
        }
    }

    /// The tests of Rust, in nextest's language of filters.
    pub fn nextest_filter(&self) -> String {
        let packages = self.packages.iter().map(|name| format!("rdeps({name})"));
        let programs =
            self.programs.iter().map(|(package, program)| format!("(package({package}) & binary({program}))"));
        packages.chain(programs).collect::<Vec<_>>().join(" | ")
    }

    /// The tests of Python below `root`, as pytest takes them. A file that the change removes is none of them.
    pub fn pytest_files(&self, root: &Path) -> Vec<String> {
        if self.python.contains("") {
            return vec!["tests/python".to_owned()];
        }
        let chosen = |file: &String| self.python.iter().any(|name| file.starts_with(&format!("test_{name}")));
        test_files(root).into_iter().filter(chosen).map(|file| format!("tests/python/{file}")).collect()
    }
}

/// The names of the files of Python tests below `root`, in order.
fn test_files(root: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(root.join("tests/python")).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.retain(|name| name.starts_with("test_") && name.ends_with(".py"));
    names.sort_unstable();
    names
}

/// The rule for a path: the longest that fits.
fn rule(path: &str) -> Option<&'static Rule> {
    RULES.iter().filter(|rule| path.starts_with(rule.path)).max_by_key(|rule| rule.path.len())
}

/// The name of a file of Python tests, which is all that a change of it needs.
fn test_file(path: &str) -> Option<&str> {
    path.strip_prefix("tests/python/test_")?.strip_suffix(".py")
}

/// The paths that differ from the commit where this branch left `base`. Those that are not committed and those that git
/// does not know yet are among them.
///
/// # Errors
/// When git fails or `base` names no commit.
pub fn paths(session: &mut Session<'_>, base: Option<&str>) -> Result<Vec<String>> {
    let base = match base {
        Some(base) => base.to_owned(),
        None => default_base(session)?,
    };
    let fork = git(session, &["merge-base", &base, "HEAD"])
        .with_context(|| format!("{base:?} names no commit that this branch comes from; name one: --changed=COMMIT"))?;
    let mut paths = BTreeSet::new();
    for arguments in [&["diff", "--name-only", "--no-renames", "-z", fork.trim()][..], UNTRACKED] {
        let listed = git(session, arguments)?;
        paths.extend(listed.split('\0').filter(|path| !path.is_empty()).map(str::to_owned));
    }
    Ok(paths.into_iter().collect())
}

const UNTRACKED: &[&str] = &["ls-files", "--others", "--exclude-standard", "-z"];

fn default_base(session: &mut Session<'_>) -> Result<String> {
    for base in ["origin/main", "main"] {
        if git(session, &["rev-parse", "--verify", "--quiet", base]).is_ok() {
            return Ok(base.to_owned());
        }
    }
    bail!("there is neither origin/main nor main to compare with; name a commit: --changed=COMMIT")
}

fn git(session: &mut Session<'_>, arguments: &[&str]) -> Result<String> {
    let project: &Project = session.project;
    let mut git = project.command("git");
    session.run(git.args(arguments))
}

#[cfg(test)]
mod tests {
    use super::super::steps;
    use super::*;

    fn tracked() -> Vec<String> {
        let project = Project::find();
        let listed = git(&mut Session::new(&project, false), &["ls-files", "-z"]).unwrap();
        listed.split('\0').filter(|path| !path.is_empty()).map(str::to_owned).collect()
    }

    #[test]
    fn every_path_of_the_repository_has_a_rule_and_every_rule_a_path() {
        let paths = tracked();
        assert!(paths.len() > 300);
        let unknown: Vec<&String> = paths.iter().filter(|path| rule(path).is_none()).collect();
        assert!(unknown.is_empty(), "what can these break? xtask/src/test/changed.rs does not say: {unknown:?}");
        for rule in RULES {
            let one = RULES.iter().filter(|other| other.path == rule.path).count();
            assert_eq!(one, 1, "{} is there twice", rule.path);
            assert!(paths.iter().any(|path| path.starts_with(rule.path)), "nothing is at {}", rule.path);
        }
    }

    #[test]
    fn what_a_rule_names_exists() {
        let project = Project::find();
        let steps: Vec<&str> = steps().iter().map(|step| step.name).collect();
        let manifests: Vec<String> = tracked().into_iter().filter(|path| path.ends_with("Cargo.toml")).collect();
        let directory_of = |package: &str| {
            let named = |path: &&String| {
                let text = std::fs::read_to_string(project.root().join(path)).unwrap();
                text.contains(&format!("\nname = \"{package}\"\n"))
            };
            let manifest = manifests.iter().find(named).unwrap_or_else(|| panic!("there is no package {package}"));
            project.root().join(manifest).parent().unwrap().to_owned()
        };
        for rule in RULES {
            rule.steps.iter().for_each(|step| assert!(steps.contains(step), "{}: no step {step}", rule.path));
            rule.packages.iter().for_each(|package| drop(directory_of(package)));
            for (package, program) in rule.programs {
                let tests = directory_of(package).join("tests");
                let there =
                    tests.join(format!("{program}.rs")).exists() || tests.join(program).join("main.rs").exists();
                assert!(there, "{}: {package} has no test program {program}", rule.path);
            }
            for name in rule.python {
                let there = test_files(project.root()).iter().any(|file| file.starts_with(&format!("test_{name}")));
                assert!(there, "{}: no file of tests/python begins with test_{name}", rule.path);
            }
        }
    }

    #[test]
    fn paths_select_what_they_can_break() {
        let root = Project::find().root().to_owned();
        let of = |paths: &[&'static str]| Selection::of(paths.iter().copied());
        let scripts = of(&["src/tracers/mod.rs", "CHANGELOG.md"]);
        assert_eq!(scripts.nextest_filter(), "rdeps(raptors-trace)");
        assert!(scripts.pytest_files(&root).contains(&"tests/python/test_scripts_bpftrace.py".to_owned()));
        assert!(!scripts.pytest_files(&root).contains(&"tests/python/test_nan.py".to_owned()));
        assert!(scripts.steps.contains("tracers") && scripts.steps.contains("clippy"));
        let own = of(&["tests/python/test_kernel.py", "tests/python/test_no_such_file.py"]);
        assert_eq!(own.pytest_files(&root), ["tests/python/test_kernel.py"], "a removed file is not run");
        assert_eq!(own.nextest_filter(), "");
        assert!(!own.steps.contains("nextest") && own.steps.contains("pytest") && own.steps.contains("tracers"));
        let tests = of(&["hooks/tests/integration/macho.rs", "kernel/src/lib.rs"]);
        let filter = "rdeps(raptors-kernel) | (package(raptors-hooks) & binary(integration))";
        assert_eq!(tests.nextest_filter(), filter);
        let rest = of(&["tests/python/conftest.py", "tests/python/test_nan.py"]);
        assert_eq!(rest.pytest_files(&root), ["tests/python"]);
        assert!(of(&["CHANGELOG.md"]).steps.is_empty());
    }

    #[test]
    fn a_path_without_a_rule_selects_everything() {
        let selection = Selection::of(["a_new_directory/file"]);
        assert!(["clippy", "nextest", "pytest", "mypy", "one-per-tracer"].iter().all(|s| selection.steps.contains(s)));
    }

    fn run(directory: &Path, program: &str, arguments: &[&str]) {
        let mut command = std::process::Command::new(program);
        let output = command.args(arguments).current_dir(directory).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    #[test]
    fn changed_are_commits_of_this_branch_what_is_not_committed_and_what_is_new() {
        let place = tempfile::tempdir().unwrap();
        let git = |arguments: &[&str]| {
            let who = ["-c", "user.name=n", "-c", "user.email=e@example.org", "-c", "commit.gpgsign=false"];
            run(place.path(), "git", &[&who[..], arguments].concat());
        };
        let write = |name: &str, text: &str| std::fs::write(place.path().join(name), text).unwrap();
        git(&["init", "-q", "-b", "main"]);
        for name in ["kept", "removed", "edited", "ours"] {
            write(name, "old");
        }
        write(".gitignore", "ignored");
        git(&["add", "."]);
        git(&["commit", "-qm", "first"]);
        git(&["checkout", "-qb", "branch"]);
        write("ours", "new");
        git(&["commit", "-qam", "second"]);
        git(&["checkout", "-q", "main"]);
        write("kept", "changed on main");
        git(&["commit", "-qam", "third"]);
        git(&["checkout", "-q", "branch"]);
        std::fs::remove_file(place.path().join("removed")).unwrap();
        write("edited", "new");
        write("añadido", "new");
        write("ignored", "new");
        let project = Project::at(place.path());
        let mut session = Session::new(&project, false);
        let expected = ["añadido", "edited", "ours", "removed"];
        assert_eq!(paths(&mut session, None).unwrap(), expected);
        assert_eq!(paths(&mut session, Some("main")).unwrap(), expected);
        assert_eq!(paths(&mut session, Some("HEAD")).unwrap(), ["añadido", "edited", "removed"]);
        let error = paths(&mut session, Some("nowhere")).unwrap_err();
        assert!(error.to_string().contains("--changed=COMMIT"), "{error}");
    }
}
