//! The program that bpftrace runs, and what it prints.

use std::fmt::Write as _;
use std::path::Path;

use super::Seen;
use super::arguments::Source;
use super::session::Armed;

/// bpftrace's program. Files are named by `paths`, which hold nothing that bpftrace could read as syntax; places by their
/// addresses. `-p` alone does not keep other processes of the same files out of uprobes (bpftrace 0.17), so that every
/// clause asks for the process.
pub fn program(pid: u32, extension: Option<&Path>, in_rounds: bool, points: &[Armed]) -> String {
    let on = format!("pid == {pid} && @on == 1");
    let round = if in_rounds { "@round" } else { "0" };
    let mut text = String::new();
    if !in_rounds {
        // See `Session::watch`. The keys are printed: both marks were seen, or the counts are of no known time.
        let us = std::process::id();
        text.push_str(&format!(
            "tracepoint:syscalls:sys_enter_getpriority /pid == {us}/ \
             {{ @on = args->which == 0 ? 1 : 0; @m[args->which] = count(); }}\n"
        ));
    }
    if let Some(extension) = extension {
        text.push_str(&of_raptors(pid, extension, in_rounds, &on, round));
    }
    for point in points {
        let (path, address, site) = (point.path.display(), point.address, point.site);
        let [a, b, c, d] = point.sources.map(expression);
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "uprobe:\"{path}\":0x{address:x} /{on}/ {{ @c[{round}, {site}, {a}, {b}, {c}, {d}] = count(); \
             @since[tid, {site}] = nsecs; }}\n\
             uretprobe:\"{path}\":0x{address:x} /pid == {pid} && @since[tid, {site}]/ {{ @t[{round}, {site}] = \
             sum(nsecs - @since[tid, {site}]); delete(@since[tid, {site}]); }}"
        );
    }
    text.push_str(if in_rounds {
        "END { clear(@since); clear(@round); clear(@on); }\n"
    } else {
        "END { clear(@since); clear(@on); }\n"
    });
    text
}

/// The clauses of the extension's own probes: its rounds, and the backends of the kernel.
fn of_raptors(pid: u32, extension: &Path, in_rounds: bool, on: &str, round: &str) -> String {
    let extension = extension.display();
    let rounds = format!(
        "usdt:\"{extension}\":raptors:round__entry /pid == {pid} && arg2 >= 8/ \
         {{ @round = (arg0 * 2 + arg1) * 2 + (arg2 - 8); @on = 1; }}\n\
         usdt:\"{extension}\":raptors:round__return /pid == {pid}/ {{ @on = 0; }}\n"
    );
    let backends = format!(
        "usdt:\"{extension}\":raptors:backend__entry /{on}/ {{ @b[{round}, str(arg0), arg1] = count(); \
         @since[tid, 0] = nsecs; }}\n\
         usdt:\"{extension}\":raptors:backend__return /pid == {pid} && @since[tid, 0]/ \
         {{ @bt[{round}, str(arg0)] = sum(nsecs - @since[tid, 0]); delete(@since[tid, 0]); }}\n"
    );
    if in_rounds { rounds + &backends } else { backends }
}

fn expression(source: Source) -> String {
    match source {
        Source::Value(register, 32) => format!("(int64)(int32)arg{register}"),
        Source::Value(register, _) => format!("(int64)arg{register}"),
        Source::Behind(register, offset, bits) => {
            format!("(int64)*(int{bits}*)(arg{register} + {offset})")
        }
        Source::Absent => "(int64)0".to_owned(),
    }
}

/// What bpftrace printed at its end. Lines that are no map are left alone.
pub fn parse(text: &str) -> Seen {
    let mut seen = Seen::default();
    for (map, keys, value) in text.lines().filter_map(entry) {
        if let [round, called, arguments @ ..] = keys.as_slice() {
            seen.add(map, round, called, arguments, value);
        }
    }
    seen
}

/// `@c[4, 867, 4096, 4, 0, 4]: 10`.
fn entry(line: &str) -> Option<(&str, Vec<&str>, u64)> {
    let (map, rest) = line.strip_prefix('@')?.split_once('[')?;
    let (keys, value) = rest.rsplit_once("]: ")?;
    let keys = keys.split(',').map(str::trim).collect();
    Some((map, keys, value.trim().parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::super::Called;
    use super::*;

    #[test]
    fn maps_are_read_and_everything_else_is_left() {
        let text = "Attaching 4 probes...\n\n@b[2, simd, 4096]: 10\n@bt[2, simd]: 900\n\
                    @c[0, 867, 4096, 4, 0, 4]: 10\n@t[0, 867]: 17585\n@odd: 3\nERROR: x\n";
        let Seen { counts, spent } = parse(text);
        assert_eq!(counts.len(), 2);
        assert_eq!(counts[1].called, Called::Site(867));
        assert_eq!(counts[1].arguments, [4096, 4, 0, 4]);
        assert_eq!((counts[0].calls, counts[0].round.side), (10, 1));
        assert_eq!(counts[0].called, Called::Backend("simd".into()));
        let times: Vec<u64> = spent.iter().map(|spent| spent.total_ns).collect();
        assert_eq!(times, [900, 17585]);
    }
}
