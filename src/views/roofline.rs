//! Both sides compared with the machine's limits: floating-point operations per byte, and per second.

use super::{escape, story};
use crate::model::comparison::{Call, CallKind, Case, Comparison, MemoryLevel, Side};

/// A limit of the machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Roof {
    /// `one thread` or `all threads`.
    pub threads: &'static str,
    /// Element type of a compute peak.
    pub dtype: Option<String>,
    /// GB/s of a memory roof, GFLOP/s of a compute peak.
    pub value: f64,
}

/// One side of a case.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// The case's number in the comparison, counted from 1.
    pub number: usize,
    /// The name of the case.
    pub case: String,
    /// 0 is side A, 1 side B.
    pub side: usize,
    /// The name of the side.
    pub name: String,
    /// Floating-point operations for each byte read or written.
    pub intensity: f64,
    /// Floating-point operations per second of the kernel's time.
    pub gflop_s: f64,
    /// The cache level that holds its operands.
    pub level: Option<MemoryLevel>,
}

/// The roofs, the points, and the reasons for missing ones.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Roofline {
    /// Memory limits.
    pub memory: Vec<Roof>,
    /// Compute peaks of the element types that were compared.
    pub compute: Vec<Roof>,
    /// Both sides of each case, if known.
    pub points: Vec<Point>,
    /// The missing parts with their reasons, in sentences.
    pub notes: Vec<String>,
}

const THREADS: [(&str, &str); 2] = [("1", "one thread"), ("all", "all threads")];

impl Roofline {
    /// The roofline of a comparison.
    pub fn of(comparison: &Comparison) -> Self {
        let mut roofline = Self::default();
        roofline.roofs(comparison);
        let mut missing: Vec<(String, Vec<String>)> = Vec::new();
        for (index, case) in comparison.cases.iter().enumerate() {
            for (side, of) in [&case.sides.a, &case.sides.b].into_iter().enumerate() {
                match point(index + 1, case, side, of) {
                    Ok(point) => roofline.points.push(point),
                    Err(why) => {
                        let why = format!("{} is not drawn: {why}", escape(&of.name));
                        let label = escape(&case.label());
                        match missing.iter_mut().find(|(known, _)| *known == why) {
                            Some((_, cases)) => cases.push(label),
                            None => missing.push((why, vec![label])),
                        }
                    }
                }
            }
        }
        let sentences = missing.into_iter();
        roofline.notes.extend(sentences.map(|(why, cases)| format!("{why} ({}).", cases.join("; "))));
        roofline
    }

    fn roofs(&mut self, comparison: &Comparison) {
        let machine = &comparison.machine;
        let roof = |threads, dtype: Option<&str>, value: f64| Roof { threads, dtype: dtype.map(escape), value };
        let positive = |value: &&f64| value.is_finite() && **value > 0.0;
        for (key, threads) in THREADS {
            let limit = machine.limit_gb_s.get(key).filter(positive);
            self.memory.extend(limit.map(|&value| roof(threads, None, value)));
        }
        let mut dtypes: Vec<&str> = comparison.cases.iter().filter_map(|case| case.dtype.as_deref()).collect();
        dtypes.sort_unstable();
        dtypes.dedup();
        for dtype in dtypes {
            let Some(peaks) = machine.peak_gflop_s.get(dtype) else {
                continue;
            };
            for (key, threads) in THREADS {
                let peak = peaks.get(key).filter(positive);
                self.compute.extend(peak.map(|&value| roof(threads, Some(dtype), value)));
            }
        }
        if self.memory.is_empty() {
            let why = "The machine's memory limit was not measured, so there are no memory roofs.";
            self.notes.push(why.to_owned());
        }
        if machine.peak_gflop_s.is_empty() {
            let why = "The machine's compute peak was not measured in this run, so only the memory roofs are drawn.";
            self.notes.push(why.to_owned());
        } else if self.compute.is_empty() {
            let why = "The element type of the arrays is unknown, so no compute peak is drawn.";
            self.notes.push(why.to_owned());
        }
    }
}

fn point(number: usize, case: &Case, side: usize, of: &Side) -> Result<Point, String> {
    let operations = operations(of)?;
    let positive = |value: &f64| value.is_finite() && *value > 0.0;
    let bytes = of.bytes_per_op.filter(positive);
    let bytes = bytes.ok_or("the bytes of its calls are unknown")?;
    let kernel = of.phases_ns.kernel.filter(positive);
    let kernel = kernel.ok_or("the time of its kernel was not measured")?;
    let (a, b) = story::names(case);
    Ok(Point {
        number,
        case: escape(&case.label()),
        side,
        name: if side == 0 { a } else { b },
        intensity: operations / bytes,
        gflop_s: operations / kernel,
        level: of.memory_level,
    })
}

/// Floating-point operations of one operation, from its outermost calls; the error names a call with an unknown number.
fn operations(side: &Side) -> Result<f64, String> {
    let outermost = side.calls.iter().filter(|call| call.depth == 0);
    let mut all = 0.0;
    for call in outermost {
        all += of_call(call).ok_or_else(|| {
            let name = escape(&call.name);
            format!("the number of floating-point operations of a call of {name} is unknown")
        })?;
    }
    if all > 0.0 { Ok(all) } else { Err("no computing call was seen".to_owned()) }
}

/// Ufuncs with one floating-point operation per element.
const ONE_EACH: [&str; 7] = ["add", "subtract", "multiply", "divide", "square", "reciprocal", "true_divide"];

/// Floating-point operations of a pattern's calls in one operation.
fn of_call(call: &Call) -> Option<f64> {
    let elements: f64 = call.n.iter().map(|(n, times)| *n as f64 * times).sum();
    match call.kind {
        // The kernel has one operation: it multiplies each element.
        CallKind::Backend => (call.name == "raptors scale").then_some(elements),
        CallKind::Loop => {
            let (name, types) = call.name.strip_prefix("np.")?.split_once('[')?;
            let types = types.strip_suffix(']')?;
            let real = types.chars().all(|c| matches!(c, 'f' | 'd' | '-' | '>'));
            match name {
                _ if !real => None,
                "matmul" => Some(2.0 * elements * product(call, &["n", "k", "m"])?),
                name => ONE_EACH.contains(&name).then_some(elements),
            }
        }
        CallKind::Routine => {
            let name = call.name.to_ascii_lowercase();
            let gemm = ["sgemm", "dgemm"].iter().any(|gemm| {
                let after = name.split_once(gemm).map(|(_, after)| after);
                // `sgemm`, `cblas_sgemm`, `scipy_cblas_sgemm64_`, `sgemm$NEWLAPACK`; not `sgemmt` or a batch.
                after.is_some_and(|after| !after.starts_with(|c: char| c.is_ascii_alphabetic()))
                    && !name.contains("batch")
            });
            let sizes = call.sizes.as_ref()?;
            let whole = ["m", "n", "k"].iter().all(|size| sizes.contains_key(*size));
            if !(gemm && whole) {
                return None;
            }
            Some(2.0 * call.calls_per_op * product(call, &["m", "n", "k"])?)
        }
    }
}

/// The product of a call's sizes; a vector lacks one dimension.
fn product(call: &Call, names: &[&str]) -> Option<f64> {
    let sizes = call.sizes.as_ref()?;
    sizes.get("k")?;
    let each = names.iter().filter_map(|name| sizes.get(*name));
    Some(each.map(|&size| size as f64).product())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn call(kind: CallKind, name: &str, n: u64, times: f64, sizes: &[(&str, u64)]) -> Call {
        let sizes: BTreeMap<String, u64> = sizes.iter().map(|(name, size)| ((*name).to_owned(), *size)).collect();
        Call {
            kind,
            name: name.to_owned(),
            symbol: None,
            module: None,
            calls_per_op: times,
            n: BTreeMap::from([(n, times)]),
            sizes: (!sizes.is_empty()).then_some(sizes),
            strides: None,
            alignment: None,
            aliasing: None,
            scalar: None,
            threads: None,
            depth: 0,
            time_ns: None,
        }
    }

    #[test]
    fn operations_are_counted_where_they_are_known_and_never_guessed() {
        use CallKind::{Backend, Loop, Routine};
        let cube = [("m", 4), ("n", 5), ("k", 6)];
        for (kind, name, sizes, expected) in [
            (Loop, "np.multiply[ff->f]", &[][..], Some(30.0)),
            (Loop, "np.add[dd->d]", &[], Some(30.0)),
            (Loop, "np.multiply[FF->F]", &[], None),
            (Loop, "np.multiply[ll->l]", &[], None),
            (Loop, "np.exp[f->f]", &[], None),
            (Loop, "np.matmul[ff->f]", &cube, Some(7200.0)),
            (Loop, "np.matmul[ff->f]", &[("n", 5), ("k", 6)], Some(1800.0)),
            (Loop, "np.matmul[ff->f]", &[], None),
            (Backend, "raptors scale", &[], Some(30.0)),
            (Backend, "raptors something", &[], None),
            (Routine, "scipy_cblas_sgemm64_", &cube, Some(720.0)),
            (Routine, "dgemm$NEWLAPACK$ILP64", &cube, Some(720.0)),
            (Routine, "cblas_sgemm", &[("k", 6)], None),
            (Routine, "cblas_dgemmt", &cube, None),
            (Routine, "cblas_zgemm", &cube, None),
            (Routine, "cblas_sgemm_batch", &cube, None),
        ] {
            assert_eq!(of_call(&call(kind, name, 10, 3.0, sizes)), expected, "{name}");
        }
    }

    #[test]
    fn only_outermost_calls_count_and_one_unknown_hides_the_side() {
        let known = call(CallKind::Loop, "np.multiply[ff->f]", 8, 1.0, &[]);
        let inner = Call { depth: 1, ..call(CallKind::Routine, "cblas_dnrm2", 8, 1.0, &[]) };
        let side = |calls| Side { calls, ..Side::default() };
        assert_eq!(operations(&side(vec![known.clone(), inner.clone()])), Ok(8.0));
        let outer = Call { depth: 0, ..inner };
        let why = operations(&side(vec![known, outer])).unwrap_err();
        assert!(why.contains("cblas_dnrm2"), "{why}");
        assert!(operations(&side(Vec::new())).is_err());
    }
}
