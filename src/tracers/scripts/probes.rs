//! The probes of the provider `raptors` in a template: `${name}` is the probe, `${name.argument}` its value, both by
//! the names of `probes/provider.d`.

use raptors_probes::{PROBES, PROVIDER};

/// How probes are spelled.
#[derive(Clone, Debug)]
pub enum Spelling {
    /// As D does, for the processes of a provider such as `$target`.
    D(String),
    /// As bpftrace does, for the files of these quoted paths; none: the script's second parameter.
    Bpftrace(Vec<String>),
}

impl Spelling {
    /// What stands between the braces, spelled.
    ///
    /// # Panics
    /// Where it is no probe or no argument of `provider.d`: a test makes every script.
    pub fn spell(&self, inside: &str) -> String {
        let (name, argument) = match inside.split_once('.') {
            Some((name, argument)) => (name, Some(argument)),
            None => (inside, None),
        };
        let probe = PROBES.iter().find(|probe| probe.stap_name == name);
        let probe = probe.unwrap_or_else(|| panic!("provider.d has no probe {name}"));
        let Some(argument) = argument else {
            return self.place(probe.stap_name, probe.name);
        };
        let number = probe.arguments.iter().position(|known| known.name == argument);
        let number = number.unwrap_or_else(|| panic!("{name} has no argument {argument}"));
        self.value(number, probe.arguments[number].c_type)
    }

    fn place(&self, systemtap: &str, d: &str) -> String {
        match self {
            Self::D(process) => format!("{PROVIDER}{process}:::{d}"),
            Self::Bpftrace(paths) if paths.is_empty() => {
                // A star that can only stand for nothing: a file without the probe is no error then.
                let (most, last) = systemtap.split_at(systemtap.len() - 1);
                format!("usdt:$2:{PROVIDER}:{most}*{last}")
            }
            Self::Bpftrace(paths) => {
                let places = paths.iter().map(|path| format!("usdt:{path}:{PROVIDER}:{systemtap}"));
                places.collect::<Vec<_>>().join(",\n")
            }
        }
    }

    fn value(&self, number: usize, c_type: &str) -> String {
        match (self, c_type) {
            (Self::D(_), "char *") => format!("copyinstr(arg{number})"),
            (Self::D(_), "uint32_t") => format!("(uint32_t)arg{number}"),
            (Self::D(_), _) => format!("arg{number}"),
            (Self::Bpftrace(_), "char *") => format!("str(arg{number})"),
            (Self::Bpftrace(_), "uint32_t") => format!("(int64)(uint32)arg{number}"),
            (Self::Bpftrace(_), _) => format!("(int64)arg{number}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probes_are_spelled_as_each_tool_does() {
        let d = Spelling::D("$target".into());
        assert_eq!(d.spell("scale__entry"), "raptors$target:::scale-entry");
        assert_eq!((d.spell("scale__entry.n"), d.spell("dispatch.reason")), ("arg0".into(), "copyinstr(arg1)".into()));
        let generic = Spelling::Bpftrace(Vec::new());
        assert_eq!(generic.spell("scale__entry"), "usdt:$2:raptors:scale__entr*y");
        assert_eq!(generic.spell("dispatch.reason"), "str(arg1)");
        let filled = Spelling::Bpftrace(vec!["\"/a\"".into(), "\"/b\"".into()]);
        assert_eq!(filled.spell("dispatch"), "usdt:\"/a\":raptors:dispatch,\nusdt:\"/b\":raptors:dispatch");
    }

    #[test]
    #[should_panic(expected = "no argument m")]
    fn an_argument_that_is_not_in_provider_d_is_noticed() {
        Spelling::D("$target".into()).spell("scale__entry.m");
    }
}
