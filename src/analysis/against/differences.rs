//! The differences between two runs: the machine, the software, the statements.

use std::collections::BTreeSet;

use crate::analysis::Timing;
use crate::model::comparison::{Case, Comparison, Difference};

/// The differences of machine and software. Figures that every run measures anew, such as the memory limit, are left
/// out, and so are paths, which do not identify their contents.
pub fn surroundings(then: &Comparison, now: &Comparison) -> Vec<Difference> {
    let [then, now] = [then, now].map(facts);
    let pairs = then.into_iter().zip(now);
    pairs.filter_map(|((what, then), (_, now))| difference(what, then, now)).collect()
}

fn facts(comparison: &Comparison) -> [(&'static str, Option<String>); 15] {
    let (machine, software) = (&comparison.machine, &comparison.software);
    let bytes = |size: Option<u64>| size.map(|size| format!("{size} bytes"));
    let blas: BTreeSet<String> = software
        .blas
        .iter()
        .map(|blas| match blas.threads {
            Some(threads) => format!("{} ({threads} threads)", blas.library),
            None => blas.library.clone(),
        })
        .collect();
    [
        ("operating system", some(&machine.os)),
        ("architecture", some(&machine.arch)),
        ("processor", some(&machine.cpu)),
        ("number of cores", Some(machine.cores.to_string())),
        ("L1 data cache", bytes(machine.l1d)),
        ("L2 cache", bytes(machine.l2)),
        ("L3 cache", bytes(machine.l3)),
        ("setting of huge pages", machine.thp.clone()),
        ("kernel", some(&machine.kernel)),
        ("Python", some(&software.python)),
        ("NumPy", some(&software.numpy)),
        ("BLAS", some(&blas.into_iter().collect::<Vec<_>>().join(", "))),
        ("Raptors", software.raptors.clone()),
        ("allocator", software.allocator.clone()),
        ("raptors-trace", some(&comparison.tool_version)),
    ]
}

/// The differences between what the sides of a case ran.
pub fn subjects(then: (&Case, &Timing), now: (&Case, &Timing)) -> Vec<Difference> {
    let [before, after] = [then, now].map(|(case, timing)| {
        let [a, b] = &timing.setups;
        let sides = &case.sides;
        [
            ("setup of A", a),
            ("statement of A", &sides.a.statement),
            ("setup of B", b),
            ("statement of B", &sides.b.statement),
        ]
    });
    let pairs = before.into_iter().zip(after);
    pairs
        .filter_map(|((what, then), (_, now))| {
            let quoted = |code: &str| some(code).map(|code| format!("`{code}`"));
            difference(what, quoted(then), quoted(now))
        })
        .collect()
}

fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn difference(what: &str, then: Option<String>, now: Option<String>) -> Option<Difference> {
    let what = what.to_owned();
    (then != now).then_some(Difference { what, then, now })
}
