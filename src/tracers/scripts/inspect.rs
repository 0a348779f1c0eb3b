//! Finds out what a script can be filled with: asks an interpreter, reads the files it loads, looks at a running
//! process.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use raptors_probes::PROVIDER;
use raptors_routines::{Convention, Mangling, Routine, Width, library_width, parse_symbol};
use serde::Deserialize;

use super::process::Process;
use super::target::{Exported, Filled, LeftOut, Library, LoopPoint};
use super::text::is_plain_symbol;
use crate::machine::elf::Image;
use crate::machine::interpreter::{Question, marked};
use crate::model::error::Error;

const SNIPPET: &str = include_str!("loops.py");
const MARK: &str = "raptors-trace-loops ";

/// What the snippet prints.
#[derive(Debug, Deserialize)]
struct Answer {
    numpy_error: Option<String>,
    #[serde(default)]
    files: Vec<PathBuf>,
    loops: Vec<RawLoop>,
}

#[derive(Debug, Deserialize)]
struct RawLoop {
    ufunc: String,
    types: String,
    operands: usize,
    core_dimensions: usize,
    path: PathBuf,
    offset: u64,
}

/// The inner loops of an interpreter's NumPy, as its live ufunc tables name them; `raptors_trace` need not be
/// installed there. One entry for each piece of code, whatever the number of ufuncs that share it.
///
/// # Errors
/// When the interpreter does not run, cannot import NumPy, or this system does not say where its code is.
pub fn loops(python: &Path) -> Result<Vec<LoopPoint>, Error> {
    let answer = ask(Question::of(python), python)?;
    Ok(points(answer.loops, &mut Images::default(), &mut Vec::new()))
}

/// The libraries with routines of the catalogue that a running process has loaded.
///
/// # Errors
/// When there is no such process, or this system does not tell what it has loaded.
pub fn libraries(pid: u32, routines: &[&'static Routine]) -> Result<Vec<Library>, Error> {
    let files = Process::look_at(pid)?.files()?;
    let mut images = Images::default();
    Ok(files.iter().filter_map(|file| library(file, routines, &mut images)).collect())
}

/// All that an interpreter has to offer.
///
/// # Errors
/// Those of [`loops`].
pub fn interpreter(python: &Path, routines: &[&'static Routine]) -> Result<Filled, Error> {
    let answer = ask(Question::of(python), python)?;
    let mut filled = Filled { python: Some(python.to_owned()), ..Filled::default() };
    add(&mut filled, &answer.files, answer.loops, routines);
    Ok(filled)
}

/// All that running processes have to offer: what they have loaded, and the loops of the NumPy in it.
///
/// # Errors
/// Those of [`libraries`], and when the interpreter of a process cannot be asked.
pub fn processes(pids: &[u32], routines: &[&'static Routine]) -> Result<Filled, Error> {
    let mut filled = Filled::default();
    for &pid in pids {
        let process = Process::look_at(pid)?;
        let files = process.files()?;
        filled.left_out.extend(
            process.left_out().map(|(name, why)| LeftOut {
                what: name.clone(),
                why: format!("process {pid} has it loaded, and {why}"),
            }),
        );
        let loops = process_loops(&process, &files, &mut filled.left_out);
        add(&mut filled, &files, loops, routines);
        filled.processes.push(pid);
        filled.modules = if pids.len() == 1 { process.modules() } else { Vec::new() };
    }
    Ok(filled)
}

/// The loops of a process's NumPy: its interpreter is started once more, in the process's environment, and what it
/// says is held against the files that the process has loaded.
fn process_loops(process: &Process, files: &[PathBuf], left_out: &mut Vec<LeftOut>) -> Vec<RawLoop> {
    if !files.iter().any(|file| is_numpy(file)) {
        return Vec::new();
    }
    let mut leave_out = |why: String| {
        left_out.push(LeftOut { what: format!("NumPy's inner loops in process {}", process.pid()), why });
        Vec::new()
    };
    let (program, question) = match process.interpreter() {
        Ok(found) => found,
        Err(why) => return leave_out(why),
    };
    let answer = ask(question, &program);
    if let Err(why) = process.check() {
        return leave_out(why);
    }
    match answer {
        Err(error) => leave_out(error.to_string()),
        Ok(answer) => {
            let (same, other): (Vec<RawLoop>, Vec<RawLoop>) =
                answer.loops.into_iter().partition(|point| files.contains(&point.path));
            if same.is_empty() && !other.is_empty() {
                return leave_out(format!("{} loads another NumPy", program.display()));
            }
            same
        }
    }
}

fn is_numpy(file: &Path) -> bool {
    file.file_name().is_some_and(|name| name.to_string_lossy().starts_with("_multiarray_umath"))
}

fn add(filled: &mut Filled, files: &[PathBuf], loops: Vec<RawLoop>, routines: &[&'static Routine]) {
    let mut images = Images::default();
    for file in files {
        if !filled.libraries.iter().any(|known| known.path == *file) {
            filled.libraries.extend(library(file, routines, &mut images));
        }
        let has_probes = |image: &Image| image.has_usdt(PROVIDER);
        if !filled.extensions.contains(file) && images.get(file).is_some_and(has_probes) {
            filled.extensions.push(file.clone());
        }
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("libc.so") || name.starts_with("ld-musl") {
            filled.libc = Some(file.clone());
        }
    }
    for point in points(loops, &mut images, &mut filled.left_out) {
        if !filled.loops.contains(&point) {
            filled.loops.push(point);
        }
    }
}

/// Each file is read once.
#[derive(Default)]
struct Images(HashMap<PathBuf, Option<Image>>);

impl Images {
    fn get(&mut self, path: &Path) -> Option<&Image> {
        let read = || Image::read(path).ok();
        self.0.entry(path.to_owned()).or_insert_with(read).as_ref()
    }
}

/// A file as a library, if it exports one of the routines.
fn library(path: &Path, routines: &[&'static Routine], images: &mut Images) -> Option<Library> {
    let image = images.get(path)?;
    let plain_width = library_width(&path.to_string_lossy());
    let exported = image.functions.iter().filter(|function| function.exported);
    let mut found: Vec<Exported> = exported
        .filter_map(|function| routine_of(&function.name, plain_width))
        .filter(|exported| place_in(routines, exported).is_some())
        .collect();
    found.sort_by_key(|exported| place_in(routines, exported));
    (!found.is_empty()).then(|| Library {
        path: path.to_owned(),
        soname: image.soname.clone(),
        shifted: image.is_shifted(),
        routines: found,
    })
}

fn place_in(routines: &[&'static Routine], exported: &Exported) -> Option<usize> {
    routines.iter().position(|routine| std::ptr::eq(*routine, exported.routine))
}

/// The routine behind a symbol. `plain_width` is the width that the library's name tells.
fn routine_of(symbol: &str, plain_width: Option<Width>) -> Option<Exported> {
    let (routine, width, mangling) = parse_symbol(symbol)?;
    // A Fortran name without its underscore is a second name of the same function, or a program's own.
    let own = mangling == Mangling::Plain && routine.convention == Convention::Fortran;
    let suffixed = symbol.contains("64_");
    let width = if suffixed { width } else { plain_width.unwrap_or(width) };
    (!own && is_plain_symbol(symbol)).then(|| Exported { symbol: symbol.to_owned(), routine, width })
}

fn points(loops: Vec<RawLoop>, images: &mut Images, left_out: &mut Vec<LeftOut>) -> Vec<LoopPoint> {
    let mut points: Vec<LoopPoint> = Vec::new();
    for raw in loops {
        let same = |known: &&mut LoopPoint| known.path == raw.path && known.offset == raw.offset;
        if let Some(known) = points.iter_mut().find(same) {
            if !known.serves(&raw.ufunc) {
                known.shared_with.push(raw.ufunc);
            }
            continue;
        }
        let name = format!("np.{}[{}]", raw.ufunc, raw.types);
        match point(raw, images) {
            Ok(point) => points.push(point),
            Err(why) => left_out.push(LeftOut { what: name, why }),
        }
    }
    points
}

fn point(raw: RawLoop, images: &mut Images) -> Result<LoopPoint, String> {
    let image = images.get(&raw.path).ok_or_else(|| format!("{} cannot be read as an ELF file", raw.path.display()))?;
    let address = image
        .address_of(raw.offset)
        .ok_or_else(|| format!("{} has no code at offset {:#x}", raw.path.display(), raw.offset))?;
    let symbol = match image.function_at(address) {
        Some(function) if function.address != address => {
            return Err(format!("it begins inside {}, where no probe may be put", function.name));
        }
        function => function.map(|function| function.name.clone()),
    };
    Ok(LoopPoint {
        ufunc: raw.ufunc,
        types: raw.types,
        shared_with: Vec::new(),
        operands: raw.operands,
        core_dimensions: raw.core_dimensions,
        path: raw.path,
        offset: raw.offset,
        address,
        symbol,
        shifted: image.is_shifted(),
    })
}

/// Runs the snippet and reads its answer.
fn ask(question: Question, python: &Path) -> Result<Answer, Error> {
    let failed = |why: String| {
        Error::new(format!("{} could not be asked for its loops: {why}", python.display()))
            .help("name an interpreter that has NumPy with --python PATH")
    };
    let answer =
        question.ask(SNIPPET, &[], &mut |_| true).map_err(|silence| failed(format!("it {}", silence.sentence())))?;
    let line = marked(&answer, MARK).map_err(failed)?;
    let answer: Answer =
        serde_json::from_str(line).map_err(|error| failed(format!("its answer was invalid: {error}")))?;
    match &answer.numpy_error {
        Some(why) => Err(Error::new(format!("{} cannot import NumPy: {why}", python.display()))
            .help("name an interpreter that has NumPy with --python PATH")),
        None => Ok(answer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interpreter_that_is_none_says_so() {
        let error = loops(Path::new("true")).unwrap_err();
        assert!(error.to_string().contains("could not be asked"), "{error}");
        assert!(error.help_text().unwrap().contains("--python"));
    }
}
