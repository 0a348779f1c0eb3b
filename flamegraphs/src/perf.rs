//! The output of `perf script`.
//!
//! inferno folds it too, but keeps neither a frame's module nor its thread, and skips lines that it cannot read. Both
//! are needed here: roles depend on the module of a frame, and a truncated file must not look like a smaller profile.

use std::collections::BTreeMap;
use std::io::BufRead;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::error::shown;
use crate::profile::{Frame, FrameId, Kind, Profile};
use crate::{Error, Tag};

/// The result of reading.
#[derive(Clone, Debug, Default)]
pub struct PerfScript {
    /// The samples, as those of side A. A thread's name begins with its command's name.
    pub profile: Profile,
    /// The sampled event: the first that occurs.
    pub event: String,
    /// The sum of the periods of its samples; nanoseconds for `cpu-clock` and `task-clock`. 0 if they were not printed.
    pub period: u64,
    /// The part of each side.
    pub periods: BTreeMap<Tag, u64>,
    /// Samples of other events, which are left out.
    pub others: u64,
    /// Samples of no side, which are left out.
    pub outside: u64,
}

/// Facts that a recording does not contain.
pub struct Context<'a> {
    /// The side of a sample, by its time in nanoseconds of the recording's clock.
    pub tag_of: &'a dyn Fn(u64) -> Option<Tag>,
    /// The offset from the load address of a module, for an address as perf prints it: the address in the process, or
    /// from perf 6 on the offset in the file. None leaves a frame its name from perf.
    pub offset_of: &'a dyn Fn(&str, u64) -> Option<u64>,
}

impl PerfScript {
    /// Reads the default output of `perf script`, without a choice of fields: a line for each sample, its stack from
    /// the innermost frame outwards, and an empty line.
    ///
    /// # Errors
    /// [`Error::Perf`] with the number of the first invalid line, [`Error::CutOff`] if the end is missing,
    /// [`Error::NoSamples`] if there are none, [`Error::Read`].
    pub fn read(script: impl BufRead) -> Result<PerfScript, Error> {
        let context = Context { tag_of: &|_| Some(Tag::A), offset_of: &|_, _| None };
        Self::read_in(script, &context)
    }

    /// The same, with each sample assigned to a side, and frames as addresses to be named by [`crate::names`], so that
    /// they have the same names as those of other samplers.
    ///
    /// # Errors
    /// Those of [`PerfScript::read`]; [`Error::NoSamples`] also if all samples are outside.
    pub fn read_in(mut script: impl BufRead, context: &Context<'_>) -> Result<PerfScript, Error> {
        let mut reader = Reader::new(context);
        let mut line = Vec::new();
        let mut number = 0;
        loop {
            line.clear();
            if script.read_until(b'\n', &mut line).map_err(Error::Read)? == 0 {
                break;
            }
            number += 1;
            if line.last() != Some(&b'\n') {
                return Err(Error::CutOff);
            }
            let text = String::from_utf8_lossy(&line);
            reader.line(text.trim_end()).map_err(|why| Error::Perf { line: number, why, text: shown(text.trim()) })?;
        }
        if reader.sample.is_some() {
            return Err(Error::CutOff);
        }
        if reader.script.profile.samples().is_empty() {
            return Err(Error::NoSamples);
        }
        Ok(reader.script)
    }
}

struct Reader<'a> {
    context: &'a Context<'a>,
    script: PerfScript,
    /// The frame of each line of a stack.
    known: FxHashMap<Box<str>, FrameId>,
    modules: FxHashMap<Box<str>, Arc<str>>,
    /// The thread whose stack is being read and its side, or none if the sample is left out.
    sample: Option<Option<(u32, Tag)>>,
    stack: Vec<FrameId>,
}

impl<'a> Reader<'a> {
    fn new(context: &'a Context<'a>) -> Self {
        Self {
            context,
            script: PerfScript::default(),
            known: FxHashMap::default(),
            modules: FxHashMap::default(),
            sample: None,
            stack: Vec::new(),
        }
    }

    fn line(&mut self, line: &str) -> Result<(), &'static str> {
        if line.is_empty() {
            self.end();
            return Ok(());
        }
        match self.sample {
            Some(_) => self.frame(line),
            None if line.starts_with('#') => Ok(()),
            None => self.header(line),
        }
    }

    fn header(&mut self, line: &str) -> Result<(), &'static str> {
        let header = Header::parse(line).ok_or("this is no line that begins a sample")?;
        if self.script.event.is_empty() {
            self.script.event = header.event.to_owned();
        }
        if header.event != self.script.event {
            self.script.others += 1;
            self.sample = Some(None);
            return Ok(());
        }
        self.script.period = self.script.period.saturating_add(header.period);
        let Some(tag) = (self.context.tag_of)(header.time_ns) else {
            self.script.outside += 1;
            self.sample = Some(None);
            return Ok(());
        };
        let periods = self.script.periods.entry(tag).or_default();
        *periods = periods.saturating_add(header.period);
        let thread = self.script.profile.thread_id(header.command);
        self.sample = Some(Some((thread, tag)));
        // Without a call chain, the single frame is on the same line.
        if header.rest.is_empty() {
            return Ok(());
        }
        self.frame(header.rest)?;
        self.end();
        Ok(())
    }

    fn frame(&mut self, line: &str) -> Result<(), &'static str> {
        let (address, rest) = line.trim_start().split_once(' ').ok_or("this is no frame of a stack")?;
        let address = u64::from_str_radix(address, 16).map_err(|_| "the frame does not begin with an address")?;
        if let Some(&id) = self.known.get(line) {
            self.stack.push(id);
            return Ok(());
        }
        let (name, module) = split(rest).ok_or("the frame does not end with a module in parentheses")?;
        let frame = match (self.context.offset_of)(module, address) {
            Some(offset) => Frame::unnamed(self.module(module), offset),
            None => self.parse(name, module),
        };
        let id = self.script.profile.intern(frame);
        self.known.insert(line.into(), id);
        self.stack.push(id);
        Ok(())
    }

    fn parse(&mut self, name: &str, module: &str) -> Frame {
        let inlined = module == "inlined";
        let name = name.rsplit_once("+0x").map_or(name, |(name, _)| name);
        let name = without_hash(name);
        if let Some((name, file)) = name.strip_prefix("py::").and_then(|name| name.split_once(':')) {
            return Frame { line: None, ..Frame::python(name, file, 0) };
        }
        let path = if inlined || module == "[unknown]" { "" } else { module };
        let frame = Frame {
            module: self.module(path),
            inlined,
            kind: if is_kernel(path) { Kind::Kernel } else { Kind::Native },
            ..Frame::native(name)
        };
        match (name, frame.module_name()) {
            ("[unknown]", "") => frame,
            ("[unknown]", file) => Frame { name: format!("[{}]", file.trim_matches(['[', ']'])).into(), ..frame },
            _ => frame,
        }
    }

    fn module(&mut self, path: &str) -> Arc<str> {
        if let Some(module) = self.modules.get(path) {
            return module.clone();
        }
        let module = Arc::<str>::from(path);
        self.modules.insert(path.into(), module.clone());
        module
    }

    fn end(&mut self) {
        if let Some(Some((thread, tag))) = self.sample.take() {
            let frames = self.stack.iter().rev().copied();
            self.script.profile.add(frames, thread, tag, 1);
        }
        self.stack.clear();
    }
}

/// The first line of a sample: `command pid/tid [cpu] time: period event: rest`.
struct Header<'a> {
    command: &'a str,
    time_ns: u64,
    period: u64,
    event: &'a str,
    rest: &'a str,
}

impl<'a> Header<'a> {
    fn parse(line: &'a str) -> Option<Header<'a>> {
        // A command's name may contain spaces; the first word of digits after it is the thread.
        let is_number = |word: &str| {
            let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            word.split_once('/').map_or(digits(word), |(pid, tid)| digits(pid) && digits(tid))
        };
        let mut at = 0;
        let mut words = line.split_inclusive(' ').map(|word| {
            let start = at;
            at += word.len();
            (start, word.trim_end())
        });
        let (start, id) = words.find(|(start, word)| *start > 0 && is_number(word))?;
        let command = line[..start].trim();
        let (time, rest) = line[start + id.len()..].split_once(": ")?;
        let time = time.rsplit(' ').next()?;
        let time_ns = nanoseconds(time)?;
        if command.is_empty() {
            return None;
        }
        let (period, event, rest) = event(rest.trim_start())?;
        Some(Header { command, time_ns, period, event, rest })
    }
}

/// `33470.797168677`, or with fewer digits, in nanoseconds.
fn nanoseconds(seconds: &str) -> Option<u64> {
    let (whole, part) = seconds.split_once('.').unwrap_or((seconds, "0"));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(part) || part.len() > 9 {
        return None;
    }
    let scale = 10_u64.pow(9 - u32::try_from(part.len()).ok()?);
    let part = part.parse::<u64>().ok()? * scale;
    whole.parse::<u64>().ok()?.checked_mul(1_000_000_000)?.checked_add(part)
}

/// The period, the event and the text after it. An event may contain colons (`cpu-clock:pppH`,
/// `syscalls:sys_enter_mmap`), and a colon ends it.
fn event(text: &str) -> Option<(u64, &str, &str)> {
    let word = |text| str::split_once(text, ' ').unwrap_or((text, ""));
    let (first, after) = word(text);
    let (period, (event, rest)) = match first.parse() {
        Ok(period) => (period, word(after.trim_start())),
        Err(_) => (0, (first, after)),
    };
    let event = event.strip_suffix(':').filter(|event| !event.is_empty())?;
    Some((period, event, rest.trim()))
}

/// A frame's name and the module in parentheses after it, which may contain parentheses itself.
fn split(text: &str) -> Option<(&str, &str)> {
    let inner = text.strip_suffix(')')?;
    let inner = inner.strip_suffix(" (deleted)").unwrap_or(inner);
    let at = inner.rfind(" (").or(inner.starts_with('(').then_some(0))?;
    let module = inner[at..].trim_start().strip_prefix('(')?;
    Some((inner[..at].trim(), module))
}

/// Whether a module is the system's kernel or a part of it.
fn is_kernel(module: &str) -> bool {
    let users = ["[vdso]", "[vsyscall]", "[heap]", "[stack]", "[uprobes]", "[anon]"];
    let in_brackets = module.starts_with('[') && module.ends_with(']') && !users.contains(&module);
    let module = module.trim_end_matches(".xz").trim_end_matches(".gz").trim_end_matches(".zst");
    in_brackets || module.ends_with("vmlinux") || module.ends_with(".ko")
}

/// Rust's older mangling ends in a hash, which perf does not remove.
fn without_hash(name: &str) -> &str {
    match name.rsplit_once("::h") {
        Some((before, hash)) if hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()) => before,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRIPT: &str = "\
# captured on: Mon
python3 1234/1235 [001] 100.000100:     250000 cpu-clock:pppH: 
\tffffffff81a00b47 clear_page_erms+0x7 ([kernel.kallsyms])
\tffffffff81a00b47 asm_exc_page_fault+0x27 ([kernel.kallsyms])
\t    7f0000001234 FLOAT_multiply_X86_V3+0x1f4 (/opt/np lib/_multiarray_umath.so)
\t    7f0000001234 core::iter::next (inlined)
\t    7f0000001235 raptors::run::h0123456789abcdef+0x5 (/opt/_native.so)
\t    7f0000001236 py::<module>:/tmp/a;b.py+0x5 (/tmp/perf-1234.map)
\t    7f0000001237 [unknown] (/usr/bin/python3.11 (deleted))

tokio worker 1234 100.000200:     250000 cpu-clock:pppH: 
\t    7f0000001234 FLOAT_multiply_X86_V3+0x2 (/opt/np lib/_multiarray_umath.so)

python3 1234/1235 [001] 100.000300: 7 page-faults: 
\t    7f0000001234 FLOAT_multiply_X86_V3+0x2 (/opt/np lib/_multiarray_umath.so)

";

    fn read(text: &str) -> Result<PerfScript, Error> {
        PerfScript::read(text.as_bytes())
    }

    #[test]
    fn stacks_modules_threads_and_periods_are_read() {
        let script = read(SCRIPT).unwrap();
        assert_eq!(
            script.profile.folded(Tag::A).unwrap().to_string(),
            "FLOAT_multiply_X86_V3 1\n\
             [python3.11];<module>;raptors::run;core::iter::next;FLOAT_multiply_X86_V3;\
             asm_exc_page_fault;clear_page_erms 1\n"
        );
        assert_eq!((&*script.event, script.period, script.others), ("cpu-clock:pppH", 500_000, 1));
        let frame = |name: &str| {
            let frames = script.profile.frames().iter();
            frames.clone().find(|frame| &*frame.name == name).unwrap()
        };
        assert_eq!(frame("clear_page_erms").kind, Kind::Kernel);
        assert_eq!(&*frame("FLOAT_multiply_X86_V3").module, "/opt/np lib/_multiarray_umath.so");
        assert!(frame("core::iter::next").inlined);
        assert_eq!(frame("<module>").kind, Kind::Python);
        assert_eq!(frame("<module>").file.as_deref(), Some("/tmp/a;b.py"));
        let threads: Vec<&str> =
            script.profile.samples().iter().map(|sample| script.profile.thread(sample.thread)).collect();
        assert_eq!(threads, ["python3", "tokio worker"]);
    }

    #[test]
    fn samples_are_given_to_sides_by_their_time_and_frames_to_their_places() {
        let context = Context {
            tag_of: &|time| match time {
                100_000_100_000 => Some(Tag::B),
                100_000_200_000 => None,
                other => panic!("{other}"),
            },
            offset_of: &|module, address| (module == "/opt/_native.so").then(|| address - 0x7f00_0000_0000),
        };
        let script = PerfScript::read_in(SCRIPT.as_bytes(), &context).unwrap();
        assert_eq!((script.outside, script.others), (1, 1));
        assert_eq!(script.periods, [(Tag::B, 250_000)].into());
        assert_eq!(script.profile.tags()[&Tag::B].0, 1);
        let frames = script.profile.frames();
        let place = frames.iter().find(|frame| frame.offset == Some(0x1235));
        assert_eq!(place.unwrap().module_name(), "_native.so");
        assert!(frames.iter().any(|frame| &*frame.name == "clear_page_erms"));
    }

    #[test]
    fn times_of_any_precision_are_read() {
        assert_eq!(nanoseconds("33470.797168677"), Some(33_470_797_168_677));
        assert_eq!(nanoseconds("2.5"), Some(2_500_000_000));
        assert_eq!(nanoseconds("7"), Some(7_000_000_000));
        for bad in ["", ".5.", "a.5", "1.0123456789", "99999999999999999999.0"] {
            assert_eq!(nanoseconds(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_frame_may_be_on_the_samples_line() {
        let script = read("a 1 2.5: 1 cycles:  ffff main+0x1 (/bin/a)\n\na 1 2.5: cycles: \n\t1 f (/a)\n\n").unwrap();
        assert_eq!(script.profile.folded(Tag::A).unwrap().to_string(), "f 1\nmain 1\n");
    }

    #[test]
    fn a_line_that_does_not_fit_is_named_by_its_number() {
        for (bad, number, why) in [
            ("what is this\n", 1, "begins a sample"),
            ("a 1 2.5: 1 cycles: \n\tffff main+0x1\n", 2, "module in parentheses"),
            ("a 1 2.5: 1 cycles: \n\txyz main+0x1 (/bin/a)\n", 2, "address"),
            ("a 1 2.5: 1 cycles\n", 1, "begins a sample"),
        ] {
            let error = read(bad).unwrap_err().to_string();
            assert!(error.contains(&format!("line {number} ")), "{error}");
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn every_cut_is_noticed_or_between_samples() {
        for length in 0..SCRIPT.len() {
            match read(&SCRIPT[..length]) {
                Ok(_) => assert!(SCRIPT[..length].ends_with("\n\n"), "cut at {length}"),
                Err(error) => assert!(matches!(error, Error::CutOff | Error::NoSamples), "{error}"),
            }
        }
    }
}
