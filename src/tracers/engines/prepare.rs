//! What is worked out before a tracer is started: which places it can watch, and its program.

use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use raptors_routines::find;

use super::{Plan, Point, arguments, bpftrace, dtrace};
use crate::machine::elf::Image;
use crate::machine::platform::{self, Mapping};
use crate::model::comparison::CallKind;
use crate::model::error::{Error, Exit};
use crate::model::tool::Tool;
use crate::tracers::tool::short;
use arguments::Source;

/// An address in a file, in the file's own numbering.
type Place = (PathBuf, u64);

/// A tracer's program, and what it watches.
pub struct Prepared {
    /// The program.
    pub program: String,
    /// Files and addresses in them where probes are going to be.
    pub places: Vec<(PathBuf, u64)>,
    /// The numbers of the call sites.
    pub sites: Vec<u32>,
    /// What is not watched, and why, one sentence for each reason.
    pub left_out: Vec<String>,
}

/// Works out the program for `plan`; files with odd names get links in `directory`.
///
/// # Errors
/// A file that cannot be read or named, and a process that has loaded nothing to watch.
pub fn prepare(tool: Tool, plan: &Plan, directory: &Path) -> Result<Prepared, Error> {
    let mut preparation = Preparation::new(tool, plan.pid, directory);
    let points = preparation.points(&plan.points)?;
    let extension = preparation.extension(plan)?;
    let mut places: Vec<(PathBuf, u64)> = extension.iter().map(|(_, place)| place.clone()).collect();
    places.extend(points.iter().map(|point| (point.module.clone(), point.address)));
    let left_out = preparation.left_out();
    if places.is_empty() {
        let sentence = format!("process {} has loaded nothing that {tool} could watch", plan.pid);
        let error = Error::new(sentence).exit(Exit::NothingObserved);
        return Err(match left_out.into_iter().next() {
            Some(why) => error.caused_by(Error::new(why)),
            None => error,
        });
    }
    let name = extension.map(|(name, _)| name);
    let program = match tool {
        Tool::Dtrace => dtrace::program(name.is_some(), plan.in_rounds, &points)?,
        _ => bpftrace::program(plan.pid, name.as_deref(), plan.in_rounds, &points)?,
    };
    let sites = points.iter().map(|point| point.site).collect();
    Ok(Prepared { program, places, sites, left_out })
}

/// A point as a tracer is told of it.
pub struct Armed {
    /// The number of its call site.
    pub site: u32,
    /// The function's own name.
    pub symbol: Option<String>,
    /// The file as the process has it.
    pub module: PathBuf,
    /// The same file under a name that is safe in a program.
    pub path: PathBuf,
    /// The function's address in the file's own numbering.
    pub address: u64,
    /// Where its sizes are read.
    pub sources: [Source; 4],
}

impl Armed {
    fn is_at(&self, other: &Self) -> bool {
        self.address == other.address && self.module == other.module
    }
}

/// What is worked out before a tracer is started.
struct Preparation<'a> {
    tool: Tool,
    /// The root directory of the process, as a path of this process.
    root: PathBuf,
    directory: &'a Path,
    /// What the process has mapped, where that can be had.
    mapped: Vec<Mapping>,
    images: HashMap<PathBuf, Image>,
    safe: HashMap<PathBuf, PathBuf>,
    /// Reasons with what each keeps from being watched.
    refused: Vec<(String, Vec<String>)>,
}

impl<'a> Preparation<'a> {
    fn new(tool: Tool, pid: u32, directory: &'a Path) -> Self {
        Self {
            tool,
            root: PathBuf::from(format!("/proc/{pid}/root")),
            directory,
            mapped: platform::mappings(pid).unwrap_or_default(),
            images: HashMap::new(),
            safe: HashMap::new(),
            refused: Vec::new(),
        }
    }

    /// The extension under a safe name, and the place of one of its own probes, where the tracer finds them.
    fn extension(&mut self, plan: &Plan) -> Result<Option<(PathBuf, Place)>, Error> {
        let Some(file) = &plan.extension else { return Ok(None) };
        match self.not_found(file, true) {
            Some(why) if plan.in_rounds => return Err(Error::new(why)),
            Some(why) => {
                self.refuse("raptors scale", why);
                return Ok(None);
            }
            None => {}
        }
        let probe = if plan.in_rounds { "round__entry" } else { "backend__entry" };
        let address = self.probe(file, probe)?;
        Ok(Some((self.safe(file)?, (file.clone(), address))))
    }

    /// The points that can be armed.
    fn points(&mut self, wanted: &[Point]) -> Result<Vec<Armed>, Error> {
        let (most, too_many) = match self.tool {
            Tool::Dtrace => dtrace::most_points(platform::most_files(), platform::cores_online()),
            _ => (usize::MAX, String::new()),
        };
        let mut armed: Vec<Armed> = Vec::new();
        for point in wanted {
            match self.point(point)? {
                // A second name of the same function would count each call twice.
                Ok(ready) if armed.iter().any(|known| known.is_at(&ready)) => {}
                Ok(_) if armed.len() >= most => self.refuse(&point.name, too_many.clone()),
                Ok(ready) => armed.push(ready),
                Err(why) => self.refuse(&point.name, why),
            }
        }
        Ok(armed)
    }

    /// One point, or why it cannot be armed.
    fn point(&mut self, point: &Point) -> Result<Result<Armed, String>, Error> {
        let module = point.module.clone();
        let image = self.image(&module)?;
        let by_name = point.symbol.as_deref().and_then(|name| image.function(name));
        let Some(address) = point.address.or(by_name.map(|known| known.address)) else {
            return Ok(Err("their files do not name them".to_owned()));
        };
        if let Some(why) = self.not_found(&module, false) {
            return Ok(Err(why));
        }
        if self.tool == Tool::Dtrace {
            if point.symbol.is_none() {
                return Ok(Err("DTrace finds functions by name, and the file is stripped".to_owned()));
            }
            let shifted = self.image(&module)?.is_shifted();
            if platform::DTRACE_FOR_LINUX && shifted {
                let name = short(&module);
                return Ok(Err(format!(
                    "DTrace would put its probes at wrong places in {name}, whose addresses are not its file offsets"
                )));
            }
        }
        let sources = match point.kind {
            CallKind::Routine => {
                find(&point.name).map_or([Source::Absent; 4], |r| arguments::of_routine(r, point.width))
            }
            _ => arguments::of_loop(point.operands, point.generalised),
        };
        Ok(Ok(Armed {
            site: point.site,
            symbol: point.symbol.clone(),
            path: self.safe(&module)?,
            module,
            address,
            sources,
        }))
    }

    /// Why the tracer would not find a file, or the USDT probes in it, if so.
    fn not_found(&self, path: &Path, usdt: bool) -> Option<String> {
        let real = self.real(path).unwrap_or_else(|_| path.to_owned());
        let has = |byte| real.as_os_str().as_bytes().contains(&byte);
        let name = short(path);
        match self.tool {
            Tool::Dtrace if path.starts_with(&self.root) => {
                Some(format!("DTrace would open another file under the name of {name}: the process has its own mounts"))
            }
            Tool::Dtrace if platform::DTRACE_FOR_LINUX && self.looks_like_another(&real) => Some(format!(
                "DTrace reads the path of {name} only up to its first blank, where that of another file is the same"
            )),
            // The process map shows it as `\012` (seen with bpftrace 0.17 and DTrace 2.0.7).
            tool if usdt && has(b'\n') => {
                Some(format!("{tool} does not find the probes of {name}, whose path has a line break"))
            }
            _ => None,
        }
    }

    /// Whether the process has loaded another file whose path is the same up to a blank.
    fn looks_like_another(&self, path: &Path) -> bool {
        fn up_to_blank(path: &Path) -> Option<&[u8]> {
            path.as_os_str().as_bytes().split(|&byte| byte == b' ').next()
        }
        let blank = path.as_os_str().as_bytes().contains(&b' ');
        let same = |other: &Mapping| other.path != path && up_to_blank(&other.path) == up_to_blank(path);
        blank && self.mapped.iter().any(same)
    }

    fn image(&mut self, path: &Path) -> Result<&Image, Error> {
        if !self.images.contains_key(path) {
            self.images.insert(path.to_owned(), Image::read(path)?);
        }
        Ok(&self.images[path])
    }

    /// The address of one of the extension's own probes.
    fn probe(&mut self, extension: &Path, name: &str) -> Result<u64, Error> {
        self.image(extension)?.probe("raptors", name).ok_or_else(|| {
            Error::new(format!("`{}` has no Raptors probes", extension.display()))
                .help("build it with its probes (the default), and do not strip its notes")
        })
    }

    /// A path without links. The way through the process's root is one to the system only: read as a text, it leads to
    /// the file of that name here.
    fn real(&self, path: &Path) -> std::io::Result<PathBuf> {
        if path.starts_with(&self.root) { Ok(path.to_owned()) } else { path.canonicalize() }
    }

    /// The file under a name of harmless characters: its own, or a link in a private directory.
    fn safe(&mut self, path: &Path) -> Result<PathBuf, Error> {
        if let Some(known) = self.safe.get(path) {
            return Ok(known.clone());
        }
        let failed = |error| Error::new(format!("`{}` cannot be named", path.display())).caused_by(error);
        let real = self.real(path).map_err(failed)?;
        let safe = if is_harmless(&real) {
            real
        } else {
            if !is_harmless(self.directory) {
                let place = self.directory.parent().unwrap_or(self.directory);
                return Err(Error::new(format!(
                    "bpftrace could misread the name of the directory for temporary files, `{}`",
                    place.display()
                ))
                .help("set TMPDIR to a directory named by letters, digits and /._-+, such as /tmp"));
            }
            let link = self.directory.join(format!("file{}", self.safe.len()));
            std::os::unix::fs::symlink(&real, &link).map_err(failed)?;
            link
        };
        self.safe.insert(path.to_owned(), safe.clone());
        Ok(safe)
    }

    fn refuse(&mut self, name: &str, why: String) {
        let name = name.to_owned();
        match self.refused.iter_mut().find(|(known, _)| *known == why) {
            Some((_, names)) => names.push(name),
            None => self.refused.push((why, vec![name])),
        }
    }

    fn left_out(&self) -> Vec<String> {
        let sentence = |(why, names): &(String, Vec<String>)| match names.as_slice() {
            [one] => format!("{one}: {why}"),
            [first, rest @ ..] => format!("{first} and {} more: {why}", rest.len()),
            [] => String::new(),
        };
        self.refused.iter().map(sentence).collect()
    }
}

/// Whether a path is free of characters that a program text would read as its own.
fn is_harmless(path: &Path) -> bool {
    let harmless = |&byte: &u8| byte.is_ascii_alphanumeric() || b"/._-+".contains(&byte);
    path.as_os_str().as_bytes().iter().all(harmless)
}
