//! The command `raptors-trace` as a plain binary; the Python package has the same as a console script.
fn main() {
    std::process::exit(raptors_trace::commands::main(std::env::args_os()));
}
