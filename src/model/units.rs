//! Numbers in readable form: times, sizes, counts and ratios in few digits.

/// A 95 % confidence interval, `[low, high]`, in the unit of its value.
pub type Ci95 = [f64; 2];

/// One unit and one number of decimals for all times of a block, so that they compare at a glance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TimeUnit {
    ns: f64,
    name: &'static str,
    decimals: usize,
}

impl TimeUnit {
    /// The unit for a block whose shortest operation takes `ns` nanoseconds.
    pub fn for_block(ns: f64) -> Self {
        let (size, name) = match ns {
            ns if ns >= 1e10 => (1e9, "s"),
            ns if ns >= 1e7 => (1e6, "ms"),
            ns if ns >= 1e3 => (1e3, "µs"),
            _ => (1.0, "ns"),
        };
        let decimals = match ns / size {
            value if value >= 1000.0 => 0,
            value if value >= 100.0 => 1,
            _ if size == 1.0 => 1,
            _ => 2,
        };
        Self { ns: size, name, decimals }
    }

    /// The number alone. Whole zeroes are `0`. The decimal points of a block align when the texts are right-aligned.
    pub fn number(&self, ns: f64) -> String {
        if ns == 0.0 && self.decimals > 0 {
            return format!("0{}", " ".repeat(self.decimals + 1));
        }
        decimal(ns / self.ns, self.decimals)
    }

    /// A difference: the number with its sign, plus or minus.
    pub fn difference(&self, ns: f64) -> String {
        let number = self.number(ns);
        let more = ns > 0.0 && number.chars().any(|c| ('1'..='9').contains(&c));
        if more { format!("+{number}") } else { number }
    }

    /// Nanoseconds of one.
    pub fn of_one(&self) -> f64 {
        self.ns
    }

    /// The name of the unit.
    pub fn name(&self) -> &'static str {
        self.name
    }
}

/// A number with a real minus sign, and none before a zero.
pub fn decimal(value: f64, decimals: usize) -> String {
    let text = format!("{:.decimals$}", value.abs());
    let zero = text.chars().all(|c| matches!(c, '0' | '.'));
    if value < 0.0 && !zero { format!("−{text}") } else { text }
}

/// A single time, in three digits.
pub fn time(ns: f64) -> String {
    let (size, name) = match ns.abs() {
        ns if ns >= 999.5e6 => (1e9, "s"),
        ns if ns >= 999.5e3 => (1e6, "ms"),
        ns if ns >= 999.5 => (1e3, "µs"),
        _ => (1.0, "ns"),
    };
    format!("{} {name}", digits(ns / size))
}

/// A single time with its sign, unless it is 0.
pub fn signed_time(ns: f64) -> String {
    let text = time(ns.abs());
    match ns {
        ns if ns > 0.0 => format!("+{text}"),
        ns if ns < 0.0 => format!("−{text}"),
        _ => text,
    }
}

/// A number in three digits, or as many as it has before the point.
pub fn digits(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        v if v >= 99.95 => decimal(value, 0),
        v if v >= 9.995 => decimal(value, 1),
        _ => decimal(value, 2),
    }
}

/// A count per operation: whole numbers without decimals.
pub fn count(value: f64) -> String {
    if (value - value.round()).abs() < 0.005 {
        let none = value != 0.0 && value.round() == 0.0;
        return if none { "<0.01".to_owned() } else { decimal(value.round(), 0) };
    }
    digits(value)
}

/// A large count with a prefix: `4.19 M`.
pub fn large(value: f64) -> String {
    match value.abs() {
        v if v >= 999.5e6 => format!("{} G", digits(value / 1e9)),
        v if v >= 999.5e3 => format!("{} M", digits(value / 1e6)),
        v if v >= 9999.5 => format!("{} k", digits(value / 1e3)),
        _ => count(value),
    }
}

/// A size in memory: `48 KiB`, `1.5 MiB`.
pub fn bytes(value: f64) -> String {
    let (size, name) = match value.abs() {
        v if v >= 1_073_741_824.0 => (1_073_741_824.0, "GiB"),
        v if v >= 1_048_576.0 => (1_048_576.0, "MiB"),
        v if v >= 1024.0 => (1024.0, "KiB"),
        _ => (1.0, "B"),
    };
    let value = value / size;
    let whole = (value - value.round()).abs() < 0.05;
    format!("{} {name}", decimal(value, usize::from(!whole && value < 99.95)))
}

/// Bandwidth in GB/s, two digits.
pub fn gb_s(value: f64) -> String {
    decimal(value, usize::from(value < 9.95))
}

/// A change in percent, signed: `+0.4 %`.
pub fn change(value: f64) -> String {
    let percent = value * 100.0;
    let decimals = usize::from(percent.abs() < 9.95);
    let text = decimal(percent, decimals);
    let sign = if percent > 0.0 { "+" } else { "" };
    format!("{sign}{text} %")
}

/// A ratio of times as a change, with its interval: `+0.4 % [−0.1 %, +0.9 %]`.
pub fn cost(ratio: f64, [low, high]: Ci95) -> String {
    let [ratio, low, high] = [ratio, low, high].map(|value| change(value - 1.0));
    format!("{ratio} [{low}, {high}]")
}

/// A ratio and its interval: `1.29×` and `[1.27, 1.31]`. A bound close to 1 gets more decimals, up to six, until it
/// differs from 1, so that the text never says more or less than the verdict.
pub fn factor(median: f64, ci95: Ci95) -> (String, String) {
    with_decimals(median, ci95, apart(&ci95, 1.0, least(ci95)))
}

/// [`factor`], with as many decimals as it takes to show on which side of `limit` each of the three figures is.
pub fn factor_beside(median: f64, ci95: Ci95, limit: f64) -> (String, String) {
    let figures = [median, ci95[0], ci95[1]];
    let decimals = apart(&figures, limit, apart(&ci95, 1.0, least(ci95)));
    with_decimals(median, ci95, decimals)
}

/// The decimals of a bound: small ones need more.
fn least(ci95: Ci95) -> usize {
    if ci95.iter().any(|bound| bound.abs() < 0.1) { 3 } else { 2 }
}

/// From `least` to six decimals, as many as it takes until no figure looks like `mark`.
fn apart(figures: &[f64], mark: f64, least: usize) -> usize {
    let alike = |value: f64, decimals: i32| (value - mark).abs() < 0.5 * 10_f64.powi(-decimals);
    (least..6).find(|&decimals| !figures.iter().any(|&value| alike(value, decimals as i32))).unwrap_or(6)
}

fn with_decimals(median: f64, ci95: Ci95, decimals: usize) -> (String, String) {
    let [low, high] = ci95.map(|bound| decimal(bound, decimals));
    (format!("{}×", decimal(median, decimals)), format!("[{low}, {high}]"))
}

/// A duration in one unit: `40 s`, `3.2 hours`, `12 days`.
pub fn span(seconds: f64) -> String {
    let (size, name) = match seconds.abs() {
        s if s >= 172_800.0 => (86_400.0, "days"),
        s if s >= 7_200.0 => (3_600.0, "hours"),
        s if s >= 120.0 => (60.0, "minutes"),
        _ => return format!("{} s", decimal(seconds, 0)),
    };
    let value = seconds / size;
    format!("{} {name}", decimal(value, usize::from(value < 9.95)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_a_block_share_unit_and_decimals() {
        let unit = TimeUnit::for_block(424_000.0);
        assert_eq!((unit.number(548_213.0), unit.name()), ("548.2".into(), "µs"));
        assert_eq!(unit.number(-124_040.0), "−124.0");
        assert_eq!(unit.number(-20.0), "0.0", "no minus before a zero");
        assert_eq!(unit.number(0.0), "0  ");
        assert_eq!((unit.difference(4_100.0), unit.difference(20.0)), ("+4.1".into(), "0.0".into()));
        assert_eq!(TimeUnit::for_block(413.0).number(38.0), "38.0");
        assert_eq!(TimeUnit::for_block(6_404_000.0).number(6_404_400.0), "6404");
        assert_eq!(TimeUnit::for_block(31e6).name(), "ms");
    }

    #[test]
    fn single_figures_have_three_digits() {
        assert_eq!(time(21_312.0), "21.3 µs");
        assert_eq!(time(999_600.0), "1.00 ms");
        assert_eq!(time(0.0), "0 ns");
        assert_eq!(count(0.9999), "1");
        assert_eq!(count(2.5), "2.50");
        assert_eq!((count(0.0), count(0.001)), ("0".into(), "<0.01".into()), "rare is not never");
        assert_eq!(bytes(16_777_216.0), "16 MiB");
        assert_eq!(bytes(1_572_864.0), "1.5 MiB");
        assert_eq!(large(4_194_304.0), "4.19 M");
        assert_eq!(change(0.0041), "+0.4 %");
        assert_eq!(change(-0.123), "−12 %");
    }

    #[test]
    fn an_interval_that_nearly_touches_one_is_printed_so_that_it_does_not() {
        let text = factor;
        assert_eq!(text(1.29, [1.27, 1.31]), ("1.29×".into(), "[1.27, 1.31]".into()));
        assert_eq!(text(1.01, [1.002, 1.018]), ("1.010×".into(), "[1.002, 1.018]".into()));
        assert_eq!(text(0.05, [0.04, 0.06]), ("0.050×".into(), "[0.040, 0.060]".into()));
    }

    #[test]
    fn a_figure_at_a_gate_is_printed_on_its_side_of_it() {
        let text = |median, ci95| factor_beside(median, ci95, 0.95);
        assert_eq!(text(0.9, [0.88, 0.92]), ("0.90×".into(), "[0.88, 0.92]".into()));
        assert_eq!(text(0.93, [0.92, 0.9497]), ("0.9300×".into(), "[0.9200, 0.9497]".into()));
    }

    #[test]
    fn spans_have_one_unit() {
        assert_eq!(span(40.4), "40 s");
        assert_eq!(span(11_520.0), "3.2 hours");
        assert_eq!(span(12.0 * 86_400.0), "12 days");
    }
}
