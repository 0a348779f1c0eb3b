//! A command, started and sampled to its end.

use std::ffi::OsString;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use raptors_flamegraphs::Tag;
use raptors_flamegraphs::names::Names;

use super::perf::{Recording, Seen};
use super::{Map, Taken, idle};
use crate::machine::interrupt::{Interrupt, too_early};
use crate::machine::platform;
use crate::model::error::{Error, Exit};
use crate::tracers::recordings::shell_line;

/// How often a command is looked after.
const STEP: Duration = Duration::from_millis(20);

/// Runs `words` under perf. The command's exit status is reported but not passed on: a failed command has been sampled
/// too, and its pictures were requested. `aside`: its output goes to standard error.
pub fn run(words: &[OsString], tag: Tag, frequency: u32, aside: bool) -> Result<Taken, Error> {
    let interrupt = Interrupt::watch();
    let name = shell_line(words);
    let mut held = Held::new(words, &name, aside)?;
    let recording = Recording::start(held.pid, frequency, &|| interrupt.asked())
        .map_err(|error| if interrupt.asked() { too_early() } else { error.exit(Exit::NothingObserved) })?;
    let begun = Instant::now();
    let mut map = Map::new(held.pid);
    let mut child = held.release(&name)?;
    let status = wait(&mut child, &mut map, &interrupt, &name)?;
    let seconds = begun.elapsed().as_secs_f64();
    let Seen { script, warnings } =
        recording.read(&|_| Some(tag), &map.last).map_err(|error| match error.exit_code() {
            Exit::NothingObserved => idle(&format!("`{name}` ({status})"), seconds),
            _ => error,
        })?;
    let mut taken = Taken::new(name, Names::default().name(&script.profile), tag);
    taken.side.cpu_ns = script.periods.get(&tag).copied();
    taken.side.seconds = Some(seconds);
    taken.warnings.extend((!status.success()).then(|| format!("`{}` ended with {status}", taken.side.name)));
    taken.warnings.extend(warnings);
    taken.side.status = Some(status.to_string());
    Ok(taken)
}

fn wait(child: &mut Child, map: &mut Map, interrupt: &Interrupt, name: &str) -> Result<ExitStatus, Error> {
    let mut told = false;
    loop {
        let ended =
            child.try_wait().map_err(|error| Error::new(format!("`{name}` cannot be waited for")).caused_by(error))?;
        if let Some(status) = ended {
            return Ok(status);
        }
        // On a terminal it gets Ctrl-C itself; a signal sent only to this process has to be passed on.
        if interrupt.asked() && !told {
            platform::interrupt(child);
            told = true;
        }
        map.look();
        thread::sleep(STEP);
    }
}

/// A process that becomes the command once it is released, so that perf sees it from its first instruction on.
struct Held {
    pid: u32,
    gate: UnixStream,
    /// Returns once the command runs, or cannot be started.
    starting: Option<JoinHandle<io::Result<Child>>>,
}

impl Held {
    fn new(words: &[OsString], name: &str, aside: bool) -> Result<Self, Error> {
        let failed = |error| not_started(name, error);
        let (mut gate, theirs) = UnixStream::pair().map_err(failed)?;
        let (outer, inner) = (gate.as_raw_fd(), theirs.as_raw_fd());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
        if aside {
            let error = io::stderr().as_fd().try_clone_to_owned().map_err(failed)?;
            command.stdout(error);
        }
        // SAFETY: between fork and exec the closure only calls close, getpid, write and read, which may be called in a
        // signal handler, and allocates nothing; both descriptors are open in the child, as `gate` and `theirs` live
        // until the child has been made.
        unsafe {
            command.pre_exec(move || {
                // Otherwise the child would keep its own gate open forever after an early end of this process.
                libc::close(outer);
                let pid = libc::getpid().to_ne_bytes();
                let mut go = 0_u8;
                let told = libc::write(inner, pid.as_ptr().cast(), pid.len());
                if told == pid.len() as isize && libc::read(inner, (&raw mut go).cast(), 1) == 1 {
                    return Ok(());
                }
                Err(io::Error::from_raw_os_error(libc::ECANCELED))
            });
        }
        let starting = thread::spawn(move || {
            let started = command.spawn();
            drop(theirs);
            started
        });
        let mut pid = [0; 4];
        if let Err(error) = gate.read_exact(&mut pid) {
            let error = match starting.join() {
                Ok(Err(why)) => why,
                _ => error,
            };
            return Err(not_started(name, error));
        }
        Ok(Self { pid: u32::from_ne_bytes(pid), gate, starting: Some(starting) })
    }

    fn release(&mut self, name: &str) -> Result<Child, Error> {
        let failed = |error| not_started(name, error);
        self.gate.write_all(&[1]).map_err(failed)?;
        let starting = self.starting.take().expect("released once");
        let started = starting.join().map_err(|_| failed(io::Error::other("the thread that starts it ended")))?;
        started.map_err(failed)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(starting) = self.starting.take() {
            let _ = self.gate.shutdown(std::net::Shutdown::Both);
            let _ = starting.join();
        }
    }
}

fn not_started(name: &str, error: io::Error) -> Error {
    let help = match error.kind() {
        io::ErrorKind::NotFound => "give the path of a program, or the name of one on PATH",
        io::ErrorKind::PermissionDenied => "give an executable file: chmod +x",
        _ => "check that it starts by itself",
    };
    Error::new(format!("`{name}` cannot be started")).caused_by(error).help(help)
}
