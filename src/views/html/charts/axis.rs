//! The positions and labels of a grid's lines.

/// Round numbers from `low` to `high`, at most `most` (at least 2), in equal steps.
pub fn linear(low: f64, high: f64, most: usize) -> Vec<(f64, String)> {
    let span = high - low;
    if !(span.is_finite() && span > 0.0) {
        return Vec::new();
    }
    let least = span / most.max(2) as f64;
    let power = 10_f64.powf(least.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0]
        .map(|factor| factor * power)
        .into_iter()
        .find(|step| *step >= least)
        .unwrap_or(10.0 * power);
    let decimals = (-(step.log10() + 1e-9).floor()).max(0.0) as usize;
    let numbers = (low / step).ceil() as i64..=(high / step).floor() as i64;
    let tick = |number: i64| {
        let value = number as f64 * step;
        (value, written(value, decimals))
    };
    numbers.map(tick).collect()
}

/// Round numbers from `low` (above 0) to `high` for a logarithmic axis, at most `most` (at least 2).
pub fn logarithmic(low: f64, high: f64, most: usize) -> Vec<(f64, String)> {
    if !(low > 0.0 && high > low && high.is_finite()) {
        return Vec::new();
    }
    let sets: [(&[f64], i32); 5] =
        [(&[1.0, 1.5, 2.0, 3.0, 5.0, 7.0], 1), (&[1.0, 2.0, 5.0], 1), (&[1.0], 1), (&[1.0], 2), (&[1.0], 4)];
    let all = sets.map(|(factors, every)| of_decades(low, high, factors, every));
    let fits = |ticks: &&Vec<(f64, String)>| ticks.len() <= most;
    match all.iter().find(fits) {
        // A part of a decade has few round numbers.
        Some(ticks) if ticks.len() >= 3 => ticks.clone(),
        _ => linear(low, high, most),
    }
}

fn of_decades(low: f64, high: f64, factors: &[f64], every: i32) -> Vec<(f64, String)> {
    let (first, last) = (low.log10().floor() as i32, high.log10().ceil() as i32);
    let powers = (first..=last).filter(|power| power.rem_euclid(every) == 0);
    powers
        .flat_map(|power| factors.iter().map(move |factor| (*factor, power)))
        .map(|(factor, power)| {
            let decimals = usize::from(factor.fract() > 0.0) as i32 - power;
            let value = factor * 10_f64.powi(power);
            (value, written(value, decimals.max(0) as usize))
        })
        .filter(|(value, _)| (low..=high).contains(value))
        .collect()
}

fn written(value: f64, decimals: usize) -> String {
    crate::model::units::decimal(value, decimals)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(ticks: Vec<(f64, String)>) -> Vec<String> {
        ticks.into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn ticks_are_round_and_few() {
        assert_eq!(texts(linear(-12.0, 101.0, 4)), ["0", "50", "100"]);
        assert_eq!(texts(linear(0.0, 0.31, 4)), ["0.0", "0.1", "0.2", "0.3"]);
        assert_eq!(texts(logarithmic(0.04, 300.0, 6)), ["0.1", "1", "10", "100"]);
        assert_eq!(texts(logarithmic(0.4, 6.0, 6)), ["0.5", "1", "2", "5"]);
        assert_eq!(texts(logarithmic(0.97, 1.06, 5)), ["0.98", "1.00", "1.02", "1.04", "1.06"]);
        assert!(logarithmic(0.0, 1.0, 5).is_empty());
        assert!(linear(1.0, 1.0, 5).is_empty() && linear(f64::NAN, 1.0, 5).is_empty());
        for most in 2..9 {
            for high in [0.2, 1.1, 7.0, 4e3, 1e9] {
                assert!(logarithmic(0.1, high, most).len() <= most + 1, "{high}, {most}");
            }
        }
    }
}
