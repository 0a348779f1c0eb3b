//! Numbers and names as text.

use std::fmt;

/// The facts in a picture's subtitle.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Facts {
    /// Elements of the array.
    pub n: Option<u64>,
    /// Samples in the picture.
    pub samples: u64,
    /// Samples that were given up.
    pub dropped: u64,
    /// Samples for each second of CPU time.
    pub rate: Option<f64>,
    /// Operations that ran while the samples were taken.
    pub operations: Option<u64>,
}

impl fmt::Display for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(n) = self.n {
            write!(f, "n = {} · ", grouped(n))?;
        }
        write!(f, "{} samples", grouped(self.samples))?;
        if let Some(rate) = self.rate {
            write!(f, ", {rate:.0} a second of CPU time")?;
        }
        if self.dropped > 0 {
            write!(f, ", {} dropped", grouped(self.dropped))?;
        }
        match self.operations {
            Some(operations) => write!(f, " · {} operations", grouped(operations)),
            None => Ok(()),
        }
    }
}

fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Nanoseconds with three digits and the unit that suits them.
pub(crate) fn time(ns: f64) -> String {
    let (value, unit) = match ns.abs() {
        ns if ns < 999.5 => (1.0, "ns"),
        ns if ns < 999.5e3 => (1e3, "µs"),
        ns if ns < 999.5e6 => (1e6, "ms"),
        _ => (1e9, "s"),
    };
    let value = ns / value;
    let digits = match value.abs() {
        value if value == 0.0 || value >= 99.95 => 0,
        value if value >= 9.995 => 1,
        _ => 2,
    };
    format!("{value:.digits$} {unit}").replace('-', "−")
}

/// As [`time`], with its sign.
pub(crate) fn signed_time(ns: f64) -> String {
    let text = time(ns);
    if ns > 0.0 { format!("+{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_three_digits() {
        for (ns, text) in [
            (0.0, "0 ns"),
            (0.4, "0.40 ns"),
            (999.7, "1.00 µs"),
            (12_345.0, "12.3 µs"),
            (548_000.0, "548 µs"),
            (-2.5e6, "−2.50 ms"),
            (3e10, "30.0 s"),
        ] {
            assert_eq!(time(ns), text);
        }
        assert_eq!(signed_time(1200.0), "+1.20 µs");
        assert_eq!(signed_time(-1200.0), "−1.20 µs");
    }

    #[test]
    fn facts_leave_out_what_is_not_known() {
        let facts = Facts { n: Some(4_194_304), samples: 1234, rate: Some(250.2), ..Facts::default() };
        assert_eq!(facts.to_string(), "n = 4,194,304 · 1,234 samples, 250 a second of CPU time");
        assert_eq!(Facts::default().to_string(), "0 samples");
    }
}
