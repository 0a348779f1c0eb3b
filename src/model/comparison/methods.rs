//! Verdicts and labels of a comparison, derived from its own figures.

use super::{
    Case, CaseName, ChangeVerdict, Ci95, Comparison, Estimate, FindingVerdict, GateOutcome, Machine, Phases, Results,
    Scalar, Side, Verdict, Wall,
};
use crate::model::units;

impl From<f64> for Scalar {
    fn from(value: f64) -> Self {
        if value.is_finite() {
            Self::Number(value)
        } else if value.is_nan() {
            Self::Text("nan".into())
        } else {
            Self::Text(if value > 0.0 { "inf" } else { "-inf" }.into())
        }
    }
}

impl Verdict {
    /// The verdict of an interval of A's time ÷ B's. An interval that contains 1, or is not a number, shows no
    /// difference.
    pub fn of(ci95: Ci95) -> Self {
        if ci95[0] > 1.0 && ci95[1] > 1.0 {
            Self::BFaster
        } else if ci95[0] < 1.0 && ci95[1] < 1.0 {
            Self::AFaster
        } else {
            Self::NoDifferenceShown
        }
    }
}

impl FindingVerdict {
    /// As in the JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Supported => "supported",
            Self::Refuted => "refuted",
            Self::Undecided => "undecided",
        }
    }
}

impl ChangeVerdict {
    /// The verdict of an interval of this run's ratio ÷ an earlier one's; as [`Verdict::of`].
    pub fn of(ci95: Ci95) -> Self {
        match Verdict::of(ci95) {
            Verdict::AFaster => Self::BLost,
            Verdict::BFaster => Self::BGained,
            Verdict::NoDifferenceShown => Self::NoChangeShown,
        }
    }
}

impl GateOutcome {
    /// The outcome of a figure and its interval at a gate. A figure that is not a number does not pass.
    pub fn of(median: f64, ci95: Ci95, limit: f64) -> Self {
        if ci95[1] < limit {
            Self::Missed
        } else if median >= limit {
            Self::Passed
        } else {
            Self::Undecided
        }
    }
}

impl From<&Wall> for Estimate {
    fn from(wall: &Wall) -> Self {
        Self { median: wall.median, ci95: wall.ci95 }
    }
}

impl Comparison {
    /// Notes once that the run did not end normally.
    pub fn cut_short(&mut self) {
        let warning = "the run was cut short: the output shows the measurements up to that point";
        self.complete = false;
        if !self.warnings.iter().any(|said| said == warning) {
            self.warnings.push(warning.to_owned());
        }
    }
}

impl Machine {
    /// The data caches in words, as `L2 2 MiB`.
    pub fn cache_sizes(&self) -> Vec<String> {
        self.caches().into_iter().map(|(name, size)| format!("{name} {}", units::bytes(size as f64))).collect()
    }

    /// The memory limit for a side, GB/s: that of one thread, or of all; none if the number of its threads is unknown.
    pub fn limit_for(&self, side: &Side) -> Option<f64> {
        self.limit_gb_s.get(key_for(side)?).copied()
    }

    /// The compute peak for a side on elements of this type, GFLOP/s; none if it was not measured or the number of the
    /// side's threads is unknown.
    pub fn peak_for(&self, side: &Side, dtype: &str) -> Option<f64> {
        self.peak_gflop_s.get(dtype)?.get(key_for(side)?).copied()
    }
}

/// The key of the limits for a side.
fn key_for(side: &Side) -> Option<&'static str> {
    Some(if side.threads? == 1 { "1" } else { "all" })
}

impl Case {
    /// B's time − A's, ns: above 0, B is slower.
    pub fn gap_ns(&self) -> f64 {
        self.sides.b.wall_ns.median - self.sides.a.wall_ns.median
    }

    /// The slower side's time, ns.
    pub fn slower_ns(&self) -> f64 {
        self.sides.a.wall_ns.median.max(self.sides.b.wall_ns.median)
    }

    /// The name of the case in one line: `operation float32 2048 × 2048`, `custom`, …, with a note if results are kept.
    pub fn label(&self) -> String {
        label(self.name, self.dtype.as_deref(), &self.shape, self.results)
    }

    /// The shape, its lengths joined by `cross`; empty if the case has none.
    pub fn shape_text(&self, cross: &str) -> String {
        joined(&self.shape, cross)
    }

    /// Bytes of an element of the case's dtype.
    pub fn item_bytes(&self) -> Option<u64> {
        match self.dtype.as_deref()? {
            "float32" => Some(4),
            "float64" => Some(8),
            _ => None,
        }
    }

    /// Bytes of one array of the case's dtype and shape.
    pub fn array_bytes(&self) -> Option<u64> {
        let item = self.item_bytes()?;
        if self.shape.is_empty() {
            return None;
        }
        self.shape.iter().try_fold(item, |bytes, length| bytes.checked_mul(*length))
    }
}

/// The name of a case in one line; see [`Case::label`].
pub fn label(name: CaseName, dtype: Option<&str>, shape: &[u64], results: Results) -> String {
    let mut label = name.as_str().to_owned();
    if let Some(dtype) = dtype.filter(|_| !shape.is_empty()) {
        label = format!("{label} {dtype} {}", joined(shape, " × "));
    }
    if results == Results::Kept {
        label.push_str(", results kept");
    }
    label
}

/// A shape's lengths, joined by `cross`.
pub fn joined(shape: &[u64], cross: &str) -> String {
    shape.iter().map(u64::to_string).collect::<Vec<_>>().join(cross)
}

impl CaseName {
    /// The name, as in `--json`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Operation => "operation",
            Self::RoundTrip => "round trip",
            Self::Custom => "custom",
        }
    }
}

impl Phases {
    /// Every phase with its name in `--json`, in the order of an operation; residual last.
    pub fn named(&self) -> [(&'static str, Option<f64>); 8] {
        [
            ("dispatch", self.dispatch),
            ("conversion", self.conversion),
            ("allocation", self.allocation),
            ("page_fault", self.page_fault),
            ("kernel", self.kernel),
            ("sync", self.sync),
            ("free", self.free),
            ("residual", self.residual),
        ]
    }

    /// The sum of all measured phases, residual included.
    pub fn sum(&self) -> f64 {
        self.named().iter().filter_map(|(_, ns)| *ns).sum()
    }

    /// The sum of all measured phases without the residual.
    pub fn measured(&self) -> f64 {
        self.sum() - self.residual.unwrap_or(0.0)
    }
}

impl Machine {
    /// The data caches of known size, the first level first: name and bytes.
    pub fn caches(&self) -> Vec<(&'static str, u64)> {
        let levels = [("L1d", self.l1d), ("L2", self.l2), ("L3", self.l3)];
        let known = levels.into_iter();
        known.filter_map(|(name, bytes)| Some((name, bytes?))).collect()
    }
}

impl super::Ratio {
    /// The ratio and its interval as printed: `1.29×` and `[1.27, 1.31]`.
    pub fn figures(&self) -> (String, String) {
        units::factor(self.median, self.ci95)
    }
}

impl super::GateCase {
    /// Its ratio and interval, with as many decimals as it takes to distinguish them from the limit.
    pub fn figures(&self, limit: f64) -> String {
        let (median, interval) = units::factor_beside(self.median, self.ci95, limit);
        format!("{median} {interval}")
    }
}
