//! Finds an installed package, by asking its interpreter without importing it.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::Options;
use crate::machine::interpreter::{self, Question, Surroundings, marked};
use crate::model::error::Error;

/// What stands before the answer.
const MARK: &str = "raptors-trace-package ";
/// Finds a module, or a distribution, by its name. `find_spec` of a top-level name runs none of its code.
const QUESTION: &str = r#"
import importlib.metadata as metadata, importlib.util, json, os, re
name = sys.argv[1]
roots, version, distributions = [], None, []
try:
    spec = importlib.util.find_spec(name)
except Exception:
    spec = None
if spec is not None and spec.submodule_search_locations is not None:
    roots += [str(place) for place in spec.submodule_search_locations]
elif spec is not None and spec.has_location:
    roots.append(spec.origin)
if spec is not None:
    distributions = metadata.packages_distributions().get(name, [])
else:
    try:
        places = {}
        for file in metadata.distribution(name).files or []:
            first = file.parts[0]
            if first != ".." and not first.endswith((".dist-info", ".libs")) and first != "__pycache__":
                places[str(file.locate().parents[len(file.parts) - 2] if len(file.parts) > 1 else file.locate())] = 1
        roots, distributions = list(places), [name]
    except metadata.PackageNotFoundError:
        pass
for distribution in distributions:
    version = version or metadata.version(distribution)
beside = set()
for root in roots:
    for stem in [name, *distributions]:
        for spelled in {stem, re.sub(r"[-.]+", "_", stem), re.sub(r"[-.]+", "_", stem).lower()}:
            beside.add(os.path.join(os.path.dirname(os.path.abspath(root)), spelled + ".libs"))
roots += sorted(place for place in beside if os.path.isdir(place))
known = spec is not None or bool(distributions)
sys.stdout.write("\nraptors-trace-package " + json.dumps({"known": known, "roots": roots, "version": version}) + "\n")
"#;

/// An installed package.
#[derive(Debug)]
pub struct Package {
    /// Its files and directories.
    pub roots: Vec<PathBuf>,
    /// Its version.
    pub version: Option<String>,
    /// The interpreter that has it.
    pub interpreter: PathBuf,
}

#[derive(Debug, Deserialize)]
struct Answer {
    known: bool,
    roots: Vec<PathBuf>,
    version: Option<String>,
}

/// Asks the chosen interpreter.
///
/// # Errors
/// There is no interpreter, it does not answer, or it has no such package.
pub fn find(name: &str, options: &Options) -> Result<Package, Error> {
    let surroundings = Surroundings::collect(options.python.clone(), options.host.python.clone());
    let (python, origin) = interpreter::pick(&surroundings).map_err(|error| {
        let help = error.help();
        Error::new(format!("there is no file `{name}`, and no Python to look for a package of that name"))
            .caused_by(error)
            .help(help)
    })?;
    let shown = format!("{} (from {origin})", python.display());
    let answer = ask(&python, name).map_err(|why| {
        Error::new(format!("{shown} could not look for `{name}`: {why}"))
            .help("choose another interpreter with --python PATH, or give the package's directory")
    })?;
    if !answer.known {
        let sentence = format!("there is no file `{name}`, and {shown} has no package of that name");
        return Err(Error::new(sentence).help(
            "give the path of a file, a directory or a wheel, or the interpreter that has the package with --python \
             PATH",
        ));
    }
    Ok(Package { roots: answer.roots, version: answer.version, interpreter: python })
}

fn ask(python: &Path, name: &str) -> Result<Answer, String> {
    let answer = Question::of(python)
        .ask(QUESTION, &[name], &mut |_| true)
        .map_err(|silence| format!("it {}", silence.sentence()))?;
    let line = marked(&answer, MARK)?;
    serde_json::from_str(line).map_err(|error| format!("its answer was invalid: {error}"))
}
