//! The interpreter, its NumPy and BLAS, and the abilities of tracers with their files.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{Finding, Outcome, Patient};
use crate::machine::ask;
use crate::machine::elf::Image;
use crate::machine::interpreter::{self, Origin, Question, Waiting, marked};

/// The provider of the kernel's USDT probes, as in `probes/provider.d`.
const PROVIDER: &str = "raptors";
const MARK: &str = "raptors-trace-doctor ";

/// Prints one line of JSON after the mark. Paths may hold bytes that are no text, so everything is made valid first.
const QUESTION: &str = r#"
import json, os, platform, sys
def text(value):
    return os.fsencode(value).decode("utf-8", "replace")
def said(error):
    words = "%s: %s" % (type(error).__name__, error)
    return words.encode("utf-8", "replace").decode("utf-8")
answer = {"version": platform.python_version(), "implementation": platform.python_implementation(), "files": []}
try:
    import numpy
    answer["numpy"] = str(numpy.__version__)
    import numpy.linalg
    core = sys.modules.get("numpy._core._multiarray_umath") or sys.modules["numpy.core._multiarray_umath"]
    answer["numpy_file"] = text(core.__file__)
    blas = numpy.show_config(mode="dicts")["Build Dependencies"]["blas"]
    answer["blas"] = ("%s %s" % (blas.get("name", ""), blas.get("version", ""))).strip()
except BaseException as error:
    answer["numpy_error"] = said(error)
try:
    import raptors_trace._native
    answer["native_file"] = text(raptors_trace._native.__file__)
except BaseException as error:
    answer["native_error"] = said(error)
try:
    if sys.platform == "darwin":
        import ctypes
        system = ctypes.CDLL(None)
        system._dyld_get_image_name.restype = ctypes.c_char_p
        names = (system._dyld_get_image_name(i) for i in range(system._dyld_image_count()))
        answer["files"] = sorted({text(name) for name in names if name})
    else:
        with open("/proc/self/maps", "rb") as maps:
            fields = [line.rstrip(b"\n").split(None, 5) for line in maps]
        answer["files"] = sorted({text(each[5]) for each in fields if len(each) == 6 and each[5].startswith(b"/")})
except BaseException as error:
    answer["files_error"] = said(error)
sys.stdout.write("\nraptors-trace-doctor " + json.dumps(answer) + "\n")
"#;

/// The interpreter's answer.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Answer {
    version: String,
    implementation: String,
    numpy: Option<String>,
    numpy_file: Option<PathBuf>,
    numpy_error: Option<String>,
    blas: Option<String>,
    native_file: Option<PathBuf>,
    native_error: Option<String>,
    files: Vec<PathBuf>,
    files_error: Option<String>,
}

/// The interpreter and its answer, or the finding if there is none.
pub struct Asked(Result<Known, Finding>);

struct Known {
    path: PathBuf,
    origin: Origin,
    answer: Answer,
}

fn asked(patient: &Patient) -> Result<&Known, Finding> {
    let asked = patient.python.get_or_init(|| Asked(question(patient)));
    asked.0.as_ref().map_err(Finding::clone)
}

fn question(patient: &Patient) -> Result<Known, Finding> {
    let (path, origin) = interpreter::pick(&patient.surroundings)
        .map_err(|error| Finding::missing(quoted(&error), error.help()).short("has no Python"))?;
    let shown = ask::quote(&path.display().to_string());
    let again = format!("run it to see its output: {shown} --version");
    let answer = Question::of(&path)
        .ask(QUESTION, &[], &mut |_| true)
        .map_err(|silence| Finding::unknown(format!("{shown} (from {origin}) {}", silence.sentence()), &again))?;
    let known = marked(&answer, MARK).ok().and_then(|line| serde_json::from_str(line).ok());
    match known {
        Some(answer) => Ok(Known { path, origin, answer }),
        None => Err(Finding::unknown(
            format!("{shown} (from {origin}) does not behave like a Python: {}", answer.said()),
            again,
        )),
    }
}

fn quoted(words: &impl std::fmt::Display) -> String {
    crate::model::text::escape(&words.to_string())
}

/// Checks that need an answer say so if there is none; the check of the interpreter gives the reason and the fix.
fn of_answer(patient: &Patient, examine: impl FnOnce(&Known) -> Finding) -> Finding {
    match asked(patient) {
        Ok(known) => examine(known),
        Err(_) => unasked(),
    }
}

fn unasked() -> Finding {
    Finding::new(Outcome::Unknown, "there is no Python to check")
}

/// The chosen interpreter, and the reason.
pub fn interpreter(patient: &Patient) -> Finding {
    let known = match asked(patient) {
        Ok(known) => known,
        Err(why) => return why,
    };
    let (version, implementation) = (&known.answer.version, &known.answer.implementation);
    let path = known.path.display().to_string();
    let name = if implementation == "CPython" { "" } else { implementation };
    let sentence = format!("{name} {version} at {path} ({})", known.origin);
    Finding::ok(quoted(&sentence.trim_start()))
        .fact("version", version.as_str())
        .fact("path", path)
        .fact("chosen_by", known.origin.to_string())
}

/// Whether NumPy can be imported, and its version.
pub fn numpy(patient: &Patient) -> Finding {
    of_answer(patient, |known| match (&known.answer.numpy, &known.answer.numpy_error) {
        (Some(version), None) => Finding::ok(quoted(version)).fact("version", version.as_str()),
        (version, why) => {
            let why = why.as_deref().unwrap_or("no reason given");
            let sentence = match version {
                Some(version) => format!("{version}, which is incomplete: {why}"),
                None => format!("cannot be imported: {why}"),
            };
            let help = format!("{} -m pip install numpy", quoted(&known.path.display()));
            Finding::missing(ask::quote(&sentence), help)
        }
    })
}

/// Whether the interpreter can run both sides with the in-process observers: the same test as in `compare`.
pub fn raptors_trace(patient: &Patient) -> Finding {
    if asked(patient).is_err() {
        return unasked();
    }
    let waiting = Waiting { interrupted: &|| false, tell: &mut |_| {} };
    match interpreter::find(&patient.surroundings, waiting) {
        Ok(_) => {
            let finding = Finding::ok("both sides and the in-process observers run there");
            match asked(patient).map(|known| known.answer.native_file.as_deref()) {
                Ok(Some(file)) => finding.fact("file", file.display().to_string()),
                _ => finding,
            }
        }
        Err(error) => {
            let finding = Finding::missing(quoted(&error), error.help_text().unwrap_or_default());
            let why = asked(patient).ok().and_then(|known| known.answer.native_error.clone());
            match why {
                Some(why) => finding.fact("error", why),
                None => finding,
            }
        }
    }
}

/// The BLAS libraries that NumPy has loaded.
pub fn blas(patient: &Patient) -> Finding {
    of_answer(patient, |known| {
        if known.answer.numpy.is_none() {
            return Finding::new(Outcome::Unknown, "there is no NumPy that could load one");
        }
        let finding = blas_of(&libraries(&known.answer), known.answer.files_error.as_deref());
        finding.fact("built_with", known.answer.blas.as_deref())
    })
}

fn libraries(answer: &Answer) -> Vec<&Path> {
    let files = answer.files.iter().map(PathBuf::as_path);
    files.filter(|file| is_math_library(file)).collect()
}

fn blas_of(libraries: &[&Path], why_not: Option<&str>) -> Finding {
    let files: Vec<String> = libraries.iter().map(|file| file.display().to_string()).collect();
    if !libraries.is_empty() {
        let names: Vec<String> = libraries.iter().map(|file| file_name(file)).collect();
        return Finding::ok(names.join(", ")).fact("files", files);
    }
    let why = why_not.map_or_else(
        || "NumPy loads no known BLAS library: it may contain its own".to_owned(),
        |why| format!("the libraries of NumPy could not be listed: {}", ask::quote(why)),
    );
    Finding::unknown(why, "python -c 'import numpy; numpy.show_config()'").fact("files", files)
}

/// Whether tracers that use addresses as file offsets work on the files of interest.
pub fn file_layout(patient: &Patient) -> Finding {
    of_answer(patient, |known| {
        let answer = &known.answer;
        let extensions = [&answer.numpy_file, &answer.native_file];
        let files = libraries(answer).into_iter().chain(extensions.into_iter().flatten().map(PathBuf::as_path));
        layout_of(&files.map(|file| (file, Image::read(file).ok())).collect::<Vec<_>>())
    })
}

fn layout_of(files: &[(&Path, Option<Image>)]) -> Finding {
    let names = |wanted: fn(&Image) -> bool| -> Vec<String> {
        let chosen = files.iter().filter(|(_, image)| image.as_ref().is_some_and(wanted));
        chosen.map(|(file, _)| file_name(file)).collect()
    };
    let (known, moved) = (names(|_| true), names(Image::is_shifted));
    let finding = if known.is_empty() {
        Finding::new(Outcome::Unknown, "there is no file to check")
    } else if moved.is_empty() {
        Finding::ok("DTrace finds the functions of NumPy, its BLAS and raptors_trace")
    } else {
        let (which, it) = (moved.join(", "), if moved.len() == 1 { "its" } else { "their" });
        Finding::limited(
            format!(
                "DTrace and perf cannot be used on {which}: {it} code lies elsewhere in the file than in memory, and \
                 probes would land at wrong places; bpftrace can be, and observing in process"
            ),
            "use bpftrace for these files",
        )
        .short(which)
    };
    finding.fact("not_for_dtrace", moved)
}

/// Whether a loaded file is a BLAS or LAPACK library, not an extension module that uses one.
fn is_math_library(file: &Path) -> bool {
    let name = file_name(file).to_ascii_lowercase();
    let extension = [".cpython-", ".abi3.", ".pypy"].iter().any(|tag| name.contains(tag));
    let known = ["blas", "lapack", "libmkl_", "libblis", "libatlas", "libarmpl", "accelerate", "libvdsp", "libvmisc"];
    !extension && known.iter().any(|part| name.contains(part))
}

fn file_name(file: &Path) -> String {
    quoted(&file.file_name().unwrap_or(file.as_os_str()).to_string_lossy())
}

/// Whether NumPy's local functions have names.
pub fn symbols(patient: &Patient) -> Finding {
    of_answer(patient, |known| {
        let Some(file) = &known.answer.numpy_file else {
            return Finding::new(Outcome::Unknown, "there is no NumPy to check");
        };
        match Image::read(file) {
            Ok(image) if image.has_symtab => Finding::ok(format!("{} has names for its functions", file_name(file))),
            Ok(_) => Finding::limited(
                format!(
                    "{} is stripped: its loops get names from NumPy's own tables, other functions only their offset",
                    file_name(file)
                ),
                format!("{} -m pip install --force-reinstall numpy", quoted(&known.path.display())),
            ),
            Err(error) => unreadable(&error),
        }
        .fact("file", file.display().to_string())
    })
}

/// Whether the kernel's USDT probes exist at places that every tracer finds.
pub fn usdt(patient: &Patient) -> Finding {
    of_answer(patient, |known| match &known.answer.native_file {
        None => Finding::new(Outcome::Unknown, "there is no raptors_trace to check"),
        Some(file) => match Image::read(file) {
            Ok(image) => usdt_of(file, &image),
            Err(error) => unreadable(&error),
        }
        .fact("file", file.display().to_string()),
    })
}

fn usdt_of(file: &Path, image: &Image) -> Finding {
    let name = file_name(file);
    if !image.has_usdt(PROVIDER) {
        return Finding::missing(
            format!("{name} has no probes: it was stripped"),
            "build raptors-trace without stripping: strip = false, and no llvm-strip",
        );
    }
    if image.is_shifted() {
        return Finding::limited(
            format!("{name} has them at places that bpftrace finds, but DTrace and perf do not"),
            "RUSTFLAGS=-Clink-arg=-Wl,-z,separate-loadable-segments, and build raptors-trace again",
        );
    }
    Finding::ok(format!("provider {PROVIDER} in {name}"))
}

fn unreadable(error: &crate::model::error::Error) -> Finding {
    Finding::unknown(quoted(error), "install the package again")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_told_from_the_extensions_that_use_them() {
        let is = |name: &str| is_math_library(Path::new(name));
        assert!(is("/x/numpy.libs/libscipy_openblas64_-32a4b2a6.so"));
        assert!(is("/usr/lib/x86_64-linux-gnu/openblas-pthread/libblas.so.3"));
        assert!(is("/opt/intel/libmkl_rt.so.2") && is("/System/vecLib/libBLAS.dylib"));
        assert!(!is("/x/scipy/linalg/cython_blas.cpython-311-x86_64-linux-gnu.so"));
        assert!(!is("/x/numpy/linalg/lapack_lite.cpython-311-x86_64-linux-gnu.so"));
        assert!(!is("/blas/libm.so.6"));
    }

    #[test]
    fn a_library_that_dtrace_would_misplace_its_probes_in_is_named() {
        let (good, moved) = (Path::new("/a/libblas.so.3"), Path::new("/b/libopenblas-1.so"));
        let finding = layout_of(&[(good, Some(Image::sample(false, &[]))), (moved, Some(Image::sample(true, &[])))]);
        assert_eq!((finding.outcome, finding.short.as_deref()), (Outcome::Limited, Some("libopenblas-1.so")));
        assert!(finding.sentence.contains("cannot be used on libopenblas-1.so: its code"), "{}", finding.sentence);
        assert_eq!(layout_of(&[(good, Some(Image::sample(false, &[])))]).outcome, Outcome::Ok);
        assert_eq!(layout_of(&[(good, None)]).outcome, Outcome::Unknown);
    }

    #[test]
    fn no_blas_at_all_is_unknown() {
        assert_eq!(blas_of(&[Path::new("/a/libblas.so.3")], None).sentence, "libblas.so.3");
        assert!(blas_of(&[], None).sentence.contains("no known BLAS library"));
        assert!(blas_of(&[], Some("no /proc")).sentence.ends_with("no /proc"));
    }

    #[test]
    fn probes_are_missing_misplaced_or_there() {
        let outcome = |image: Image| usdt_of(Path::new("/x/_native.abi3.so"), &image).outcome;
        assert_eq!(outcome(Image::sample(false, &[PROVIDER])), Outcome::Ok);
        assert_eq!(outcome(Image::sample(true, &[PROVIDER])), Outcome::Limited);
        assert_eq!(outcome(Image::sample(false, &["libc"])), Outcome::Missing);
    }
}
