//! Writes the files that src/ includes: the list of probes as one call of the macro `define_probes!`, and for macOS the
//! same list without argument names, as the `usdt` crate reads it.

use crate::provider::{CType, Probe, Provider};

/// The call of `define_probes!` that src/probes.rs includes.
pub fn rust(provider: &Provider) -> String {
    let probes: String = provider.probes.iter().map(rust_probe).collect();
    format!("define_probes! {{ {}\n{probes}}}\n", provider.name)
}

fn rust_probe(probe: &Probe) -> String {
    let written: Vec<String> = probe
        .arguments
        .iter()
        .map(|argument| {
            let of = argument.c_type;
            let (fired, seen, c) = (rust_type(of), seen_type(of), c_type(of));
            format!("{}: {fired} => {seen} = {c:?}", argument.name)
        })
        .collect();
    format!(
        "    {comment:?} {stap} {dtrace:?} {function}({arguments})\n",
        comment = probe.comment,
        stap = probe.name,
        dtrace = probe.name.replace("__", "-"),
        function = probe.name.replace("__", "_"),
        arguments = written.join(", "),
    )
}

/// The provider for the `usdt` crate: no argument names, and a string as a plain pointer, because `usdt` copies a
/// `char *` into a buffer of its own, and its `asm!` lets the compiler drop the writes into that buffer.
pub fn usdt(provider: &Provider) -> String {
    let probes: String = provider
        .probes
        .iter()
        .map(|probe| {
            let types: Vec<&str> = probe.arguments.iter().map(|argument| usdt_type(argument.c_type)).collect();
            format!("    probe {}({});\n", probe.name, types.join(", "))
        })
        .collect();
    format!("provider {} {{\n{probes}}};\n", provider.name)
}

fn rust_type(c_type: CType) -> &'static str {
    match c_type {
        CType::U32 => "u32",
        CType::U64 => "u64",
        CType::Pointer => "usize",
        CType::String => "&'static CStr",
    }
}

/// The type of an argument as the observer gets it.
fn seen_type(of: CType) -> &'static str {
    match of {
        CType::String => "Text",
        other => rust_type(other),
    }
}

fn c_type(c_type: CType) -> &'static str {
    match c_type {
        CType::U32 => "uint32_t",
        CType::U64 => "uint64_t",
        CType::Pointer => "uintptr_t",
        CType::String => "char *",
    }
}

fn usdt_type(of: CType) -> &'static str {
    match of {
        CType::String => "uint8_t*",
        other => c_type(other),
    }
}
