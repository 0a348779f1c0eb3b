//! Names as in the source code.

/// `symbol` in readable form: Rust (both manglings, without the hash) and C++ demangled, without a symbol's version and
/// Mach-O's prefix. Any other name stays as it is.
pub(crate) fn demangle(symbol: &str) -> String {
    let symbol = symbol.split('@').next().unwrap_or(symbol);
    if is_rust(symbol)
        && let Ok(name) = rustc_demangle::try_demangle(symbol)
    {
        return format!("{name:#}");
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
    let name = cpp_demangle::Symbol::new(mangled).ok()?.demangle().ok()?;
    Some(name + clone)
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
}
