//! What a tool says that it lost: read from its output, also where it ended well.

use std::collections::BTreeMap;

use crate::model::tool::Tool;

/// Patterns that one of bpftrace's maps holds: its own 4096 are too few, and those of the versions before 0.21 that are
/// too many are lost without a word.
pub const MAP_KEYS: usize = 65_536;

/// What `tool` lost, one sentence for each kind. `output` is its standard output, `said` its standard error.
pub fn told(tool: Tool, output: &str, said: &str) -> Vec<String> {
    match tool {
        Tool::Bpftrace => of_bpftrace(output, said, MAP_KEYS),
        Tool::Dtrace => of_dtrace(said),
        Tool::Perf => of_perf(said),
        // Neither tells any.
        Tool::Sample | Tool::Instruments => Vec::new(),
    }
}

/// `Lost 10049 events`, and `WARNING: Map full; can't update element` (`Failed to map_update_elem` before 0.21, and
/// only with `-k`), in one of its outputs.
fn of_bpftrace(output: &str, said: &str, most: usize) -> Vec<String> {
    let lines = || output.lines().chain(said.lines());
    let lost = |line: &str| -> Option<u64> {
        let (_, rest) = line.split_once("Lost ")?;
        rest.strip_suffix(" events")?.parse().ok()
    };
    let lost: u64 = lines().filter_map(lost).sum();
    let lost = (lost > 0).then(|| {
        format!("bpftrace lost {lost} events, so that counts are too low; watch for a shorter time or fewer functions")
    });
    let mut keys: BTreeMap<&str, usize> = BTreeMap::new();
    for (map, _) in output.lines().filter_map(|line| line.strip_prefix('@')?.split_once('[')) {
        *keys.entry(map).or_default() += 1;
    }
    let is_full = |line: &str| line.contains("Map full;") || line.contains("Failed to map_update_elem");
    let full = keys.values().any(|&keys| keys >= most) || lines().any(is_full);
    let full = full.then(|| {
        format!(
            "a map of bpftrace was full, so that calls of further sizes are not counted; each holds {most} \
             combinations of code and sizes"
        )
    });
    lost.into_iter().chain(full).collect()
}

/// `dtrace: 4047874 aggregation drops on CPU 0`, and other things that it says to be so many, as `dt_handle.c` has
/// them. A clause whose action failed stopped there: `dtrace: error in dt_clause_0 for probe ID 3358 (…): invalid
/// address …` on Linux, `dtrace: error on enabled probe ID 5 (…): invalid address …` elsewhere.
fn of_dtrace(said: &str) -> Vec<String> {
    const KINDS: [&str; 3] = [" drop", "failed speculation", "string table overflow"];
    let mut kinds: BTreeMap<String, u64> = BTreeMap::new();
    let mut failed = 0_u64;
    for line in said.lines() {
        let Some(words) = line.trim().strip_prefix("dtrace: ") else { continue };
        let error = words.strip_prefix("error ").is_some_and(|rest| rest.contains("probe ID "));
        failed += u64::from(error);
        let Some((number, rest)) = words.split_once(' ') else { continue };
        let kind = rest.split(" on CPU").next().unwrap_or(rest);
        if let Ok(number) = number.parse::<u64>()
            && KINDS.iter().any(|known| format!(" {kind}").contains(known))
        {
            // One of a kind is in the singular.
            let plural = if number == 1 { kind.replacen("drop", "drops", 1) } else { kind.to_owned() };
            *kinds.entry(plural).or_default() += number;
        }
    }
    let dropped = kinds.into_iter().map(|(kind, number)| {
        format!("DTrace could not keep up ({number} {kind}), so that counts are too low; watch for a shorter time")
    });
    let failed = (failed > 0).then(|| {
        format!("DTrace could not read the arguments of {failed} calls, which are not counted; --engine bpftrace can")
    });
    dropped.chain(failed).collect()
}

/// `Processed 14059 events and lost 3 chunks!`, `Processed 9 samples and lost 12.50%!`.
fn of_perf(said: &str) -> Vec<String> {
    let lost = said.lines().find(|line| line.contains(" lost "));
    lost.map(|line| format!("perf could not keep up, and lost samples: {}", line.trim())).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// bpftrace 0.17 with `BPFTRACE_PERF_RB_PAGES=1` and a `printf` in a hot probe.
    const BPFTRACE_LOST: &str = "Attaching 1 probe...\n76849717 x\nLost 10049 events\n76862409 x\nLost 10135 events\n";
    /// bpftrace 0.21 with a map of two keys.
    const BPFTRACE_FULL: &str = "stdin:1:60-78: WARNING: Map full; can't update element. Try increasing max_map_keys \
                                 config\nAdditional Info - helper: map_update_elem, retcode: -7\n";
    /// bpftrace 0.17 with `-k` and a map of two keys, in its output.
    const BPFTRACE_17_FULL: &str =
        "Attaching 1 probe...\nstdin:1:68-75: WARNING: Failed to map_update_elem: Argument list too long (-7)\n";
    /// DTrace 2.0.7 with `aggsize=1k` and a key for each of millions of events.
    const DTRACE_AGGREGATION: &str =
        "dtrace: 4047874 aggregation drops on CPU 0\ndtrace: 14771675 aggregation drops on CPU 1\n";
    /// The same with `bufsize=1k` and a line for each.
    const DTRACE_DROPS: &str = "bufsize increased to 4096\ndtrace: 346251 drops on CPU 1\ndtrace: 296380 drops on CPU \
        1\n\
         dtrace: 185409 drops on CPU 0\n";
    /// The same with `dynvarsize=1k` and an element of an array for each.
    const DTRACE_DYNAMIC: &str = "dtrace: 8320 dynamic variable drops\ndtrace: 393559 dynamic variable drops\n";
    /// The same with a `copyin` from address 8.
    const DTRACE_ERROR: &str = "dtrace: error in dt_clause_0 for probe ID 3358 (syscall:vmlinux:getppid:entry): \
        invalid address (0x8) at BPF pc 205\n";

    #[test]
    fn events_that_bpftrace_lost_are_summed() {
        let [lost] = &told(Tool::Bpftrace, BPFTRACE_LOST, "")[..] else { panic!("one loss") };
        assert!(lost.starts_with("bpftrace lost 20184 events"), "{lost}");
    }

    #[test]
    fn a_full_map_is_told_by_its_message_and_where_there_is_none_by_its_keys() {
        for said in [told(Tool::Bpftrace, "", BPFTRACE_FULL), told(Tool::Bpftrace, BPFTRACE_17_FULL, "")] {
            assert!(said[0].starts_with("a map of bpftrace was full"), "{said:?}");
        }
        // Without `-k`, bpftrace 0.17 says nothing: `BPFTRACE_MAP_KEYS_MAX=2`, and the two keys that it printed.
        let output = "Attaching 1 probe...\n\n\n@c[2752228113702]: 1\n@c[2752228105147]: 1\n";
        assert_eq!(of_bpftrace(output, "", 2).len(), 1);
        assert_eq!(of_bpftrace(output, "", 3), [""; 0]);
    }

    #[test]
    fn drops_of_dtrace_are_summed_over_processors() {
        for (said, sum) in [
            (DTRACE_AGGREGATION, "(18819549 aggregation drops)"),
            (DTRACE_DROPS, "(828040 drops)"),
            (DTRACE_DYNAMIC, "(401879 dynamic variable drops)"),
        ] {
            let [lost] = &told(Tool::Dtrace, "", said)[..] else { panic!("one loss") };
            assert!(lost.contains(sum), "{lost}");
        }
        for line in [
            "3 drops on CPU 1",
            "1 drop on CPU 0",
            "2056 dynamic variable drops with non-empty dirty list",
            "4 failed speculations (no speculative buffer available)",
            "7 jstack()/ustack() string table overflows",
        ] {
            assert_eq!(told(Tool::Dtrace, "", &format!("dtrace: {line}\n")).len(), 1, "{line}");
        }
        let both = told(Tool::Dtrace, "", "dtrace: 1 drop on CPU 0\ndtrace: 2 drops on CPU 1\n");
        assert!(both[0].contains("(3 drops)") && both.len() == 1, "{both:?}");
        let older = "dtrace: error on enabled probe ID 5 (ID 9: pid7:a:b:entry): invalid address (0x8) in action #1\n";
        let failed = told(Tool::Dtrace, "", &(DTRACE_ERROR.repeat(3) + older));
        assert!(failed[0].contains("arguments of 4 calls") && failed.len() == 1, "{failed:?}");
        assert_eq!(told(Tool::Dtrace, "", "dtrace: pid 7 has exited\ndtrace: 5 probes\n"), [""; 0]);
    }

    #[test]
    fn samples_that_perf_lost_are_told_in_its_words() {
        let said = "Warning:\nProcessed 14059 events and lost 3 chunks!\n\nCheck IO/CPU overload!\n";
        assert!(told(Tool::Perf, "", said)[0].ends_with("lost 3 chunks!"));
        assert_eq!(told(Tool::Perf, "", "[ perf record: Woken up 1 times to write data ]\n"), [""; 0]);
    }
}
