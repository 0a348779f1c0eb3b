//! What was drawn from outside, told on the terminal.

use std::collections::BTreeMap;

use crate::run::pictures::Drawn;

/// What is said of it on the terminal.
pub fn text(drawn: &Drawn) -> String {
    let escape = crate::model::text::escape;
    let mut lines = Vec::new();
    for side in &drawn.sides {
        let mut line = format!("{}: {} samples", escape(&side.name), side.samples);
        if let Some(ns) = side.cpu_ns {
            line.push_str(&format!(", {:.2} s of CPU time", ns as f64 / 1e9));
        }
        if let Some(status) = &side.status {
            line.push_str(&format!(", {status}"));
        }
        lines.push(line);
        if side.idle_samples > 0 {
            let idle = side.idle_samples;
            lines.push(format!("  {idle} samples of OpenBLAS's threads waiting for work are left out"));
        }
    }
    let two = drawn.sides.len() == 2;
    let seconds: BTreeMap<&str, [f64; 2]> =
        drawn.roles.iter().map(|role| (role.name.as_str(), [role.a_ns / 1e9, role.b_ns / 1e9])).collect();
    for (name, [a, b]) in seconds {
        let b = if two { format!("  {b:>9.3} s") } else { String::new() };
        lines.push(format!("  {:<14}{a:>9.3} s{b}", name.replace('_', " ")));
    }
    lines.extend(drawn.warnings.iter().map(|why| format!("warning: {}", escape(why))));
    if let Some(index) = drawn.files.last() {
        lines.push(escape(&index.display().to_string()).to_string());
    }
    lines.join("\n") + "\n"
}
