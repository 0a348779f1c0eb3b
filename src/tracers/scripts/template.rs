//! The programs for DTrace and bpftrace, filled in from the templates in `templates/`: minijinja's language.
//!
//! A name or a path comes into a template only as text that [`super::text`] or [`super::target`] has made fit for its
//! place. Two functions know `probes/provider.d`: `probe("scale__entry")` is the probe as the tool spells it,
//! `argument("scale__entry.n")` its value; the filter `probes` writes places as the head of a clause.

use std::error::Error as _;

use minijinja::{Environment, Error as Failure, ErrorKind, UndefinedBehavior, Value};
use raptors_probes::{PROBES, PROVIDER};

use super::Tool;
use crate::model::error::Error;

/// Columns of a program, where the length of a name allows.
const WIDTH: usize = 118;

macro_rules! templates {
    ($($name:literal),*) => {
        [$(($name, include_str!(concat!("templates/", $name)))),*]
    };
}

/// All templates; those without an ending are parts of others.
const TEMPLATES: [(&str, &str); 17] = templates!(
    "alloc.bt",
    "alloc.d",
    "armed",
    "compare_call_patterns.bt",
    "compare_call_patterns.d",
    "engine.bt",
    "engine.d",
    "page_faults.bt",
    "page_faults.d",
    "profile_stacks.bt",
    "profile_stacks.d",
    "reads",
    "scale_phases.bt",
    "scale_phases.d",
    "trace_accelerate_calls.bt",
    "trace_accelerate_calls.d",
    "usage"
);

/// How the probes of the provider `raptors` are spelled.
#[derive(Clone, Debug)]
pub enum Spelling {
    /// As D does, for the process of `-p`.
    D,
    /// As bpftrace does, in the files of these quoted paths; none: the script's second parameter.
    Bpftrace(Vec<String>),
}

impl Spelling {
    fn tool(&self) -> Tool {
        match self {
            Self::D => Tool::Dtrace,
            Self::Bpftrace(_) => Tool::Bpftrace,
        }
    }

    /// A probe by its SystemTap name; in D of another process than that of `-p`, where one is given.
    fn probe(&self, name: &str, process: Option<u32>) -> Result<String, Failure> {
        let probe = known(name)?;
        Ok(match self {
            Self::D => {
                let process = process.map_or("$target".to_owned(), |pid| pid.to_string());
                format!("{PROVIDER}{process}:::{}", probe.name)
            }
            Self::Bpftrace(paths) if paths.is_empty() => {
                // A star that can only stand for nothing: a file without the probe is no error then.
                let (most, last) = name.split_at(name.len() - 1);
                format!("usdt:$2:{PROVIDER}:{most}*{last}")
            }
            Self::Bpftrace(paths) => {
                let places = paths.iter().map(|path| format!("usdt:{path}:{PROVIDER}:{name}"));
                places.collect::<Vec<_>>().join(",\n")
            }
        })
    }

    /// The value of a probe's argument.
    fn argument(&self, name: &str) -> Result<String, Failure> {
        let (name, argument) = name.split_once('.').unwrap_or((name, ""));
        let arguments = known(name)?.arguments;
        let number = arguments.iter().position(|known| known.name == argument);
        let number = number.ok_or_else(|| failure(format!("the probe {name} has no argument `{argument}`")))?;
        Ok(match (self.tool(), arguments[number].c_type) {
            (Tool::Dtrace, "char *") => format!("copyinstr(arg{number})"),
            (Tool::Dtrace, "uint32_t") => format!("(uint32_t)arg{number}"),
            (Tool::Dtrace, _) => format!("arg{number}"),
            (Tool::Bpftrace, "char *") => format!("str(arg{number})"),
            (Tool::Bpftrace, "uint32_t") => format!("(int64)(uint32)arg{number}"),
            (Tool::Bpftrace, _) => format!("(int64)arg{number}"),
        })
    }
}

fn known(name: &str) -> Result<&'static raptors_probes::Probe, Failure> {
    let probe = PROBES.iter().find(|probe| probe.stap_name == name);
    probe.ok_or_else(|| failure(format!("probes/provider.d has no probe `{name}`")))
}

fn failure(why: String) -> Failure {
    Failure::new(ErrorKind::InvalidOperation, why)
}

/// Places as the head of a clause. `kind` is the last part of a D probe (`entry`, `return`), the first of one of
/// bpftrace (`uprobe`, `uretprobe`).
fn heads(tool: Tool, places: &[String], kind: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for place in places {
        let probe = match tool {
            Tool::Dtrace => format!("{place}:{kind}"),
            Tool::Bpftrace => format!("{kind}:{place}"),
        };
        match lines.last_mut() {
            Some(line) if line.len() + 3 + probe.len() <= WIDTH => {
                line.push_str(", ");
                line.push_str(&probe);
            }
            _ => lines.push(probe),
        }
    }
    lines.join(",\n")
}

/// Fills in a template.
///
/// # Errors
/// Where the template is faulty, or asks for a value or a probe that is not there: a fault of this program. The error
/// names the template, the line and what is missing.
pub fn render(name: &str, spelling: Spelling, values: &Value) -> Result<String, Error> {
    let text = environment(spelling).and_then(|environment| environment.get_template(name)?.render(values));
    text.map_err(|error| told(&error, name))
}

fn told(error: &Failure, name: &str) -> Error {
    // Of a part that is included the error lies behind one that says so.
    if let Some(inner) = error.source().and_then(|source| source.downcast_ref::<Failure>()) {
        return told(inner, name);
    }
    let template = error.name().unwrap_or(name);
    let line = error.line().unwrap_or_default();
    let text = TEMPLATES.iter().find(|(known, _)| *known == template);
    let text = text.and_then(|(_, text)| text.lines().nth(line.saturating_sub(1))).unwrap_or_default().trim();
    let why = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    Error::new(format!("the template {template} cannot be filled in at line {line}, `{text}`: {why}"))
        .help("this is an error in raptors-trace: please report it with the command line")
}

fn environment(spelling: Spelling) -> Result<Environment<'static>, Failure> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    environment.set_keep_trailing_newline(true);
    let tool = spelling.tool();
    environment.add_filter("probes", move |places: Vec<String>, kind: &str| heads(tool, &places, kind));
    let probes = spelling.clone();
    let probe = move |name: &str, process: Option<u32>| probes.probe(name, process);
    environment.add_function("probe", probe);
    environment.add_function("argument", move |name: &str| spelling.argument(name));
    for (name, text) in TEMPLATES {
        environment.add_template(name, text)?;
    }
    Ok(environment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probes_are_spelled_as_each_tool_does() {
        let d = Spelling::D;
        assert_eq!(d.probe("scale__entry", None).unwrap(), "raptors$target:::scale-entry");
        assert_eq!(d.probe("scale__entry", Some(7)).unwrap(), "raptors7:::scale-entry");
        assert_eq!(d.argument("scale__entry.n").unwrap(), "arg0");
        assert_eq!(d.argument("dispatch.reason").unwrap(), "copyinstr(arg1)");
        let generic = Spelling::Bpftrace(Vec::new());
        assert_eq!(generic.probe("scale__entry", None).unwrap(), "usdt:$2:raptors:scale__entr*y");
        assert_eq!(generic.argument("dispatch.reason").unwrap(), "str(arg1)");
        let filled = Spelling::Bpftrace(vec!["\"/a\"".into(), "\"/b\"".into()]);
        assert_eq!(
            filled.probe("dispatch", None).unwrap(),
            "usdt:\"/a\":raptors:dispatch,\nusdt:\"/b\":raptors:dispatch"
        );
    }

    #[test]
    fn a_probe_or_an_argument_that_is_not_in_provider_d_is_named() {
        let told = |failure: Failure| failure.detail().unwrap().to_owned();
        assert!(told(Spelling::D.argument("scale__entry.m").unwrap_err()).contains("no argument `m`"));
        assert!(told(Spelling::D.probe("scale__entri", None).unwrap_err()).contains("no probe `scale__entri`"));
    }

    #[test]
    fn what_a_template_lacks_is_an_error_that_names_the_template_and_the_line() {
        let error = render("profile_stacks.bt", Spelling::Bpftrace(Vec::new()), &minijinja::context! {}).unwrap_err();
        let told = error.to_string();
        let expected =
            "the template usage cannot be filled in at line 1, `{% if not filled and name is endingwith(\".d\") %}`";
        assert!(told.starts_with(expected) && told.ends_with("undefined value"), "{told}");
        assert!(error.help_text().is_some());
    }

    #[test]
    fn places_share_a_line_as_far_as_there_is_room() {
        let places =
            ["pid$target:liba.so:f".to_owned(), "pid$target:liba.so:g".to_owned(), "p:".to_owned() + &"x".repeat(99)];
        let head = heads(Tool::Dtrace, &places, "entry");
        assert!(head.starts_with("pid$target:liba.so:f:entry, pid$target:liba.so:g:entry,\np:xxx"), "{head}");
        assert_eq!(heads(Tool::Bpftrace, &places[..1], "uprobe"), "uprobe:pid$target:liba.so:f");
    }
}
