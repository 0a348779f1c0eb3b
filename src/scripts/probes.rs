//! The probes of the provider `raptors` in a template: `${name}` is the probe, `${name.argument}` its value, both by
//! the names of `probes/provider.d`.

use raptors_probes::{PROBES, PROVIDER};

/// Replaces all of them. `place` spells a probe by its SystemTap name and its D name, `value` an argument by its
/// number and C type.
///
/// # Panics
/// Where a template names a probe or an argument that `provider.d` has not: a test makes every script.
pub fn fill(
    template: &str,
    place: impl Fn(&str, &str) -> String,
    value: impl Fn(usize, &str) -> String,
) -> String {
    let mut text = String::with_capacity(template.len() * 2);
    let mut rest = template;
    while let Some(start) = rest.find("${") {
        text.push_str(&rest[..start]);
        let after = &rest[start + 2..];
        let end = after.find('}').expect("a probe's name ends in a brace");
        let (name, argument) = match after[..end].split_once('.') {
            Some((name, argument)) => (name, Some(argument)),
            None => (&after[..end], None),
        };
        let probe = PROBES.iter().find(|probe| probe.stap_name == name);
        let probe = probe.unwrap_or_else(|| panic!("provider.d has no probe {name}"));
        match argument {
            None => text.push_str(&place(probe.stap_name, probe.name)),
            Some(argument) => {
                let known = |known: &raptors_probes::Argument| known.name == argument;
                let number = probe.arguments.iter().position(known);
                let number = number.unwrap_or_else(|| panic!("{name} has no argument {argument}"));
                text.push_str(&value(number, probe.arguments[number].c_type));
            }
        }
        rest = &after[end + 1..];
    }
    text + rest
}

/// In D's words, for the processes of a provider such as `$target`.
pub fn fill_d(template: &str, process: &str) -> String {
    let value = |number: usize, c_type: &str| match c_type {
        "char *" => format!("copyinstr(arg{number})"),
        "uint32_t" => format!("(uint32_t)arg{number}"),
        _ => format!("arg{number}"),
    };
    fill(
        template,
        |_, name| format!("{PROVIDER}{process}:::{name}"),
        value,
    )
}

/// In bpftrace's words, for the files of these quoted paths; none: the script's second parameter, with a star that can
/// only stand for nothing, so that a file without the probe is no error.
pub fn fill_bt(template: &str, paths: &[String]) -> String {
    let place = |name: &str, _: &str| match paths {
        [] => {
            let (most, last) = name.split_at(name.len() - 1);
            format!("usdt:$2:{PROVIDER}:{most}*{last}")
        }
        paths => {
            let places = paths
                .iter()
                .map(|path| format!("usdt:{path}:{PROVIDER}:{name}"));
            places.collect::<Vec<_>>().join(",\n")
        }
    };
    let value = |number: usize, c_type: &str| match c_type {
        "char *" => format!("str(arg{number})"),
        "uint32_t" => format!("(int64)(uint32)arg{number}"),
        _ => format!("(int64)arg{number}"),
    };
    fill(template, place, value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probes_are_spelled_as_each_tool_does() {
        let template = "${scale__entry} { ${scale__entry.n} ${dispatch.reason} }";
        assert_eq!(
            fill_d(template, "$target"),
            "raptors$target:::scale-entry { arg0 copyinstr(arg1) }"
        );
        assert_eq!(
            fill_bt(template, &[]),
            "usdt:$2:raptors:scale__entr*y { (int64)arg0 str(arg1) }"
        );
        assert_eq!(
            fill_bt("${dispatch}", &["\"/a\"".into(), "\"/b\"".into()]),
            "usdt:\"/a\":raptors:dispatch,\nusdt:\"/b\":raptors:dispatch"
        );
    }

    #[test]
    #[should_panic(expected = "no argument m")]
    fn an_argument_that_is_not_in_provider_d_is_noticed() {
        fill_d("${scale__entry.m}", "$target");
    }
}
