//! The program that DTrace runs, and what it prints. One program serves macOS and DTrace 2 on Linux.

use std::fmt::Write as _;

use super::Seen;
use super::arguments::Source;
use super::session::Armed;

/// DTrace 2 opens a file descriptor for each probe, two a function, and fails where 256 are not enough ("Bad file
/// descriptor"); it takes 0.15 to 0.3 s to withdraw each.
pub const MOST_POINTS: usize = 60;

/// DTrace's program: `pid$target` and `raptors$target` are those of the process given with `-p`.
pub fn program(extension: bool, in_rounds: bool, points: &[Armed]) -> String {
    let on = "/on/ ";
    let round = if in_rounds { "round_number" } else { "0" };
    let mut text = String::from("#pragma D option quiet\n#pragma D option zdefs\n");
    if in_rounds {
        text.push_str(
            "int on, round_number;\n\
             raptors$target:::round-entry /(int)arg2 >= 8/ { round_number = ((int)arg0 * 2 + (int)arg1) * 2 + \
             ((int)arg2 - 8); on = 1; }\n\
             raptors$target:::round-return { on = 0; }\n",
        );
    } else {
        // See `Session::watch`.
        let us = std::process::id();
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "int on;\nsyscall::getpriority:entry /pid == {us}/ {{ on = (int)arg0 == 0; @m[(int)arg0] = count(); }}\n"
        );
    }
    if extension {
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "raptors$target:::backend-entry {on}{{ @b[{round}, copyinstr(arg0), (int64_t)arg1] = count(); \
             self->t0 = timestamp; }}\n\
             raptors$target:::backend-return /self->t0/ {{ @bt[{round}, copyinstr(arg0)] = \
             sum(timestamp - self->t0); self->t0 = 0; }}\n",
        );
    }
    for point in points {
        let (Some(module), Some(symbol)) = (point.module_name(), &point.symbol) else {
            continue;
        };
        let probe = format!("pid$target:{}:{}", glob(module), glob(symbol));
        let site = point.site;
        let [a, b, c, d] = point.sources.map(expression);
        let _ = writeln!(
            text,
            "{probe}:entry {on}{{ @c[{round}, {site}, {a}, {b}, {c}, {d}] = count(); self->t{site} = timestamp; }}\n\
             {probe}:return /self->t{site}/ {{ @t[{round}, {site}] = sum(timestamp - self->t{site}); \
             self->t{site} = 0; }}"
        );
    }
    text.push_str("dtrace:::END {\n");
    // An aggregation that no clause fills is none that could be printed.
    if !points.is_empty() {
        text.push_str("    printa(\"c %d %d %d %d %d %d %@d\\n\", @c);\n    printa(\"t %d %d %@d\\n\", @t);\n");
    }
    if extension {
        text.push_str(
            "    printa(\"b %d %s %d %@d\\n\", @b);\n    printa(\"bt %d %s %@d\\n\", @bt);\n",
        );
    }
    if !in_rounds {
        text.push_str("    printa(\"m %d %@d\\n\", @m);\n");
    }
    text.push_str("}\n");
    text
}

/// A name as a pattern: whatever D could read as anything but a letter of it matches any one character.
pub fn glob(name: &str) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.' || c == '-';
    name.chars()
        .map(|c| if safe(c) { c } else { '?' })
        .collect()
}

fn expression(source: Source) -> String {
    match source {
        Source::Value(register, 32) => format!("(int64_t)(int32_t)arg{register}"),
        Source::Value(register, _) => format!("(int64_t)arg{register}"),
        Source::Behind(register, offset, bits) => format!(
            "(int64_t)*(int{bits}_t *)copyin(arg{register} + {offset}, {})",
            bits / 8
        ),
        Source::Absent => "(int64_t)0".to_owned(),
    }
}

/// What DTrace printed at its end. Lines of any other shape are left alone.
pub fn parse(text: &str) -> Seen {
    let mut seen = Seen::default();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let [kind, round, called, arguments @ .., value] = words.as_slice()
            && let Ok(value) = value.parse()
        {
            seen.add(kind, round, called, arguments, value);
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::super::Called;
    use super::*;

    #[test]
    fn nothing_of_a_name_is_syntax() {
        assert_eq!(
            glob("cblas_sgemm$NEWLAPACK$ILP64"),
            "cblas_sgemm?NEWLAPACK?ILP64"
        );
        assert_eq!(glob("a:b{/*\"$(x)`\n*/}"), "a?b??????x??????");
        assert_eq!(glob("libvDSP.dylib"), "libvDSP.dylib");
    }

    #[test]
    fn lines_are_read_and_everything_else_is_left() {
        let text = "\nc 0 867 4096 4 0 4 10\nt 0 867 17585\nb 2 simd 4096 10\nbt 2 simd 900\ndtrace: error 1 2 3\n";
        let Seen { counts, spent } = parse(text);
        assert_eq!(counts.len(), 2);
        assert_eq!(counts[0].called, Called::Site(867));
        assert_eq!(counts[0].arguments, [4096, 4, 0, 4]);
        assert_eq!(counts[1].arguments, [4096]);
        assert_eq!(spent.len(), 2);
        assert_eq!((spent[1].total_ns, spent[1].round.side), (900, 1));
    }
}
