//! Names as in the source code.

use std::fmt::Write;

/// The longest readable name, bytes. Templates of templates have some thousand; a longer name stays mangled.
const LONGEST: usize = 1 << 16;

/// `symbol` in readable form: Rust (both manglings, without the hash) and C++ demangled, without a symbol's version and
/// Mach-O's prefix. Any other name stays as it is.
pub(crate) fn demangle(symbol: &str) -> String {
    let symbol = symbol.split('@').next().unwrap_or(symbol);
    if is_rust(symbol)
        && let Ok(name) = rustc_demangle::try_demangle(symbol)
        && let Some(name) = bounded(|text| write!(text, "{name:#}").is_ok())
    {
        return name;
    }
    if symbol.starts_with("_Z")
        && let Some(name) = cpp(symbol)
    {
        return name;
    }
    symbol.to_owned()
}

/// The older Rust mangling is also valid C++; its hash distinguishes the two.
fn is_rust(symbol: &str) -> bool {
    let hashed = |(_, hash): (&str, &str)| {
        let hash = hash.get(..16);
        hash.is_some_and(|hash| hash.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    symbol.starts_with("_R") || symbol.starts_with("_ZN") && symbol.rsplit_once("17h").is_some_and(hashed)
}

fn cpp(symbol: &str) -> Option<String> {
    // The compiler's suffix of a clone's name is not part of the mangling.
    let (mangled, clone) =
        symbol.split_once('.').map_or((symbol, ""), |(mangled, _)| (mangled, &symbol[mangled.len()..]));
    let symbol = cpp_demangle::Symbol::new(mangled).ok()?;
    let options = cpp_demangle::DemangleOptions::default();
    let name = bounded(|text| symbol.structured_demangle(text, &options).is_ok())?;
    Some(name + clone)
}

/// The text that `write` writes; `None` if it fails. A mangled name of a hundred characters can refer to its own parts
/// so often that the whole would fill the memory.
fn bounded(write: impl FnOnce(&mut Bounded) -> bool) -> Option<String> {
    let mut text = Bounded(String::new());
    write(&mut text).then_some(text.0)
}

struct Bounded(String);

impl Write for Bounded {
    fn write_str(&mut self, part: &str) -> std::fmt::Result {
        if self.0.len() + part.len() > LONGEST {
            return Err(std::fmt::Error);
        }
        self.0.push_str(part);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::demangle;

    #[test]
    fn each_language_is_read_by_its_own_rules() {
        for (symbol, name) in [
            ("_ZN14raptors_kernel5split3run17h0123456789abcdefE", "raptors_kernel::split::run"),
            ("_RNvNtCsgStHSCytQ6I_14raptors_kernel5split3run", "raptors_kernel::split::run"),
            ("_ZN5space3fooEibc", "space::foo(int, bool, char)"),
            ("_ZN5space3fooEv.constprop.0", "space::foo().constprop.0"),
            ("malloc@@GLIBC_2.2.5", "malloc"),
            ("FLOAT_multiply_AVX2", "FLOAT_multiply_AVX2"),
            ("_Zbroken", "_Zbroken"),
        ] {
            assert_eq!(demangle(symbol), name);
        }
    }

    #[test]
    fn a_name_that_grows_without_end_stays_as_it_is() {
        // Each parameter is a pair of the one before it.
        let mut symbol = "_Z1fSt4pairIiiE".to_owned();
        for at in 0..30 {
            let before = std::char::from_digit(at, 36).unwrap().to_ascii_uppercase();
            symbol.push_str(&format!("S_IS{before}_S{before}_E"));
        }
        let name = demangle(&symbol);
        assert!(name.len() <= super::LONGEST, "{} bytes", name.len());
    }
}
