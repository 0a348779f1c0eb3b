//! The example workflow and the commands of its page: all of them must be valid.

use std::ffi::OsString;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::{Host, parse};

const WORKFLOW: &str = include_str!("../../docs/examples/speed.yml");
const PAGE: &str = include_str!("../../docs/against.md");

fn parsed(words: &[String]) -> Result<(), clap::Error> {
    let words: Vec<OsString> = words.iter().map(Into::into).collect();
    parse(&words, Host::default()).map(drop)
}

/// The raptors-trace commands in a script, as words, without their pipes.
fn commands(script: &str) -> Vec<Vec<String>> {
    let script = script.replace("\\\n", " ");
    let ours = script.lines().filter(|line| line.trim_start().starts_with("raptors-trace "));
    ours.map(|line| {
        let words = shlex::split(line).unwrap_or_else(|| panic!("no shell reads {line}"));
        words.into_iter().take_while(|word| !["|", ">", ">>", "&&", "||"].contains(&word.as_str())).collect()
    })
    .collect()
}

/// A command line that must be accepted.
#[track_caller]
fn accepted(words: &[String]) {
    if let Err(error) = parsed(words) {
        panic!("{}: {error}", words.join(" "));
    }
}

fn steps() -> Vec<Value> {
    let workflow: Value = serde_saphyr::from_str(WORKFLOW).unwrap();
    for key in ["name", "on", "permissions", "jobs"] {
        assert!(workflow.get(key).is_some(), "no `{key}`");
    }
    let steps = workflow["jobs"]["speed"]["steps"].as_array();
    steps.expect("the job has steps").clone()
}

#[test]
fn every_step_of_the_workflow_runs_or_uses_something() {
    for step in steps() {
        let (run, uses) = (step["run"].as_str(), step["uses"].as_str());
        assert!(run.is_some() != uses.is_some(), "{step}");
        if let Some(uses) = uses {
            let (action, version) = uses.split_once('@').expect("a version");
            assert!(action.starts_with("actions/") && version.starts_with('v'));
        }
        let Some(script) = run else { continue };
        // Expressions are filled in before a shell sees the script.
        let checked = Command::new("bash").args(["-n", "-c", script]).stdin(Stdio::null()).output().expect("bash runs");
        assert!(checked.status.success(), "{script}\n{checked:?}");
    }
}

#[test]
fn the_commands_of_the_workflow_are_accepted() {
    let found: Vec<Vec<String>> = steps().iter().filter_map(|step| step["run"].as_str()).flat_map(commands).collect();
    assert_eq!(found.len(), 2, "{found:?}");
    found.iter().for_each(|words| accepted(words));
    let gated = |words: &&Vec<String>| words.iter().any(|word| word == "--fail-below");
    assert_eq!(found.iter().filter(gated).count(), 1);
}

#[test]
fn the_commands_of_the_page_are_accepted() {
    let blocks = PAGE.split("```sh\n").skip(1);
    let found: Vec<Vec<String>> =
        blocks.flat_map(|block| commands(block.split("```").next().unwrap_or_default())).collect();
    assert!(found.len() >= 3, "{found:?}");
    for words in &found {
        let words = words.iter().take_while(|word| *word != "#");
        accepted(&words.cloned().collect::<Vec<_>>());
    }
}

#[test]
fn what_the_check_must_find() {
    let broken = commands("raptors-trace compare --size 8 \\\n  --fail-bellow 0.95 | tee x\n");
    assert_eq!(broken.len(), 1);
    assert!(parsed(&broken[0]).is_err());
}
