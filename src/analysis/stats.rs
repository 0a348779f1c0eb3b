//! Medians and their intervals over rounds.

use std::collections::BTreeMap;
use std::ops::Range;

use statrs::distribution::{ChiSquared, ContinuousCDF, StudentsT};

use crate::model::comparison::Ci95;

/// The number of resamples for every interval.
const RESAMPLES: usize = 1000;
/// A fixed seed: the same run file gives the same table each time it is shown.
pub const SEED: u64 = 0x5eed;

/// The median; the mean of the two middle values for an even count, NaN for none.
pub fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}

/// The quantile `q` in 0..=1 by linear interpolation between order statistics (type 7 of Hyndman and Fan, *Sample
/// Quantiles in Statistical Packages*, The American Statistician 50, 1996), NaN for no values.
pub fn quantile(values: &[f64], q: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let Some(last) = sorted.len().checked_sub(1) else {
        return f64::NAN;
    };
    let position = q * last as f64;
    let low = sorted[position.floor() as usize];
    let high = sorted[position.ceil() as usize];
    low + (high - low) * position.fract()
}

/// The 95 % percentile-bootstrap interval of the median of `values`, in the order of the rounds; `placements` gives the
/// placement of the arrays for each. See [`bootstrap`].
pub fn median_ci(values: &[f64], placements: &[u64]) -> Ci95 {
    bootstrap(placements, |rows| {
        let drawn: Vec<f64> = rows.iter().map(|&row| values[row]).collect();
        median(&drawn)
    })
}

/// The 95 % interval of `statistic` over the rows of `placements`. A single row gives an interval without width; none
/// gives NaN.
///
/// Rounds of one placement share the effect of its addresses, so whole placements are drawn first (two-stage cluster
/// bootstrap, Davison and Hinkley, *Bootstrap Methods and their Application*, 1997, section 3.8). Inside a placement,
/// neighbouring rounds are correlated, so blocks of rounds are drawn instead of single ones (circular block bootstrap,
/// Politis and Romano 1992, with blocks of n^(1/3)).
pub fn bootstrap(placements: &[u64], statistic: impl Fn(&[usize]) -> f64) -> Ci95 {
    let [interval] = bootstrap_at([0.95], placements, statistic);
    interval
}

/// [`bootstrap`] with intervals of other confidences, 0 to 1: the wider the widest one, the more resamples.
pub fn bootstrap_at<const N: usize>(
    confidences: [f64; N],
    placements: &[u64],
    statistic: impl Fn(&[usize]) -> f64,
) -> [Ci95; N] {
    intervals(confidences, placements, |drawn| statistic(&drawn.rows))
}

/// The median over placements of `of` applied to the rows of each.
pub fn over_placements(placements: &[u64], of: impl Fn(&[usize]) -> f64) -> f64 {
    median(&by_placement(placements, of))
}

/// The number of placements that is enough for a bootstrap. Three placements that differ by chance alone are all on one
/// side of 0 in one run of four, and then no resample is on the other side.
const ENOUGH: usize = 8;

/// The intervals of [`over_placements`], drawn as in [`bootstrap_at`]. With few placements, they are at least as wide
/// as Student's interval of the placements' values (*The probable error of a mean*, Biometrika 6, 1908). `spread` is
/// that of experiments like this one.
pub fn bootstrap_over_placements<const N: usize>(
    confidences: [f64; N],
    placements: &[u64],
    spread: Option<Spread>,
    of: impl Fn(&[usize]) -> f64,
) -> [Ci95; N] {
    let mut drawn =
        intervals(confidences, placements, |drawn| median(&drawn.placements().map(&of).collect::<Vec<_>>()));
    let said = by_placement(placements, of);
    if (2..ENOUGH).contains(&said.len()) {
        for ([low, high], confidence) in drawn.iter_mut().zip(confidences) {
            let [from, to] = students(&said, spread, confidence);
            (*low, *high) = (low.min(from), high.max(to));
        }
    }
    drawn
}

/// Student's interval of the mean of two values or more. If they vary no more than `spread`, as far as so few can show,
/// its degrees of freedom count too.
fn students(values: &[f64], spread: Option<Spread>, confidence: f64) -> Ci95 {
    let count = values.len() as f64;
    let (mean, own) = mean_and_variance(values);
    let (variance, freedom) = match spread {
        Some(spread) if own <= ALIKE * spread.variance => (own.max(spread.variance), count - 1.0 + spread.freedom),
        _ => (own, count - 1.0),
    };
    let student = StudentsT::new(0.0, 1.0, freedom).expect("one degree of freedom or more");
    let half = student.inverse_cdf(0.5 + confidence / 2.0) * (variance / count).sqrt();
    [mean - half, mean + half]
}

/// The largest ratio of a variance to that of similar experiments that is not suspicious: the 95 % point of F for 2 and
/// 10 degrees of freedom.
const ALIKE: f64 = 4.1;

/// The variation from placement to placement in similar experiments.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The variance.
    variance: f64,
    /// Its degrees of freedom.
    freedom: f64,
}

impl Spread {
    /// From the values by placement of each experiment: the median of their variances, so that a disturbance during
    /// some of them does not count. None with fewer than three experiments of two placements or more.
    pub fn of(experiments: &[Vec<f64>]) -> Option<Self> {
        let several = experiments.iter().filter(|values| values.len() > 1);
        let (variances, freedoms): (Vec<f64>, Vec<f64>) = several
            .map(|values| {
                let freedom = values.len() as f64 - 1.0;
                let middle = ChiSquared::new(freedom).expect("at least one").inverse_cdf(0.5);
                // The median of variances of few values is smaller than their mean.
                (mean_and_variance(values).1 * freedom / middle, freedom)
            })
            .unzip();
        // A median has about the precision of a mean of two thirds of the values, and variances of few values scatter
        // more.
        (variances.len() >= 3)
            .then(|| Self { variance: median(&variances), freedom: freedoms.iter().sum::<f64>() / 2.0 })
    }
}

fn mean_and_variance(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares = values.iter().map(|value| (value - mean).powi(2));
    (mean, squares.sum::<f64>() / (count - 1.0))
}

/// `of` applied to the rows of each placement.
pub fn by_placement(placements: &[u64], of: impl Fn(&[usize]) -> f64) -> Vec<f64> {
    clusters(placements).iter().map(|rows| of(rows)).collect()
}

fn intervals<const N: usize>(
    confidences: [f64; N],
    placements: &[u64],
    statistic: impl Fn(&Drawn) -> f64,
) -> [Ci95; N] {
    let tails = confidences.map(|confidence| (1.0 - confidence) / 2.0);
    let thinnest = tails.iter().copied().fold(0.025, f64::min);
    // As many in a tail as the usual interval has, because they determine its ends.
    let resamples = (RESAMPLES as f64 * 0.025 / thinnest.max(1e-4)).ceil() as usize;
    let drawn = draw(resamples, placements, SEED, statistic);
    tails.map(|tail| [quantile(&drawn, tail), quantile(&drawn, 1.0 - tail)])
}

/// The 95 % percentile interval of drawn values, NaN for none.
pub fn interval(drawn: &[f64]) -> Ci95 {
    [quantile(drawn, 0.025), quantile(drawn, 0.975)]
}

/// The values of `statistic` that [`bootstrap`] draws, none without a row. Draws with different seeds are independent,
/// as those of two runs must be.
pub fn draws(placements: &[u64], seed: u64, statistic: impl Fn(&[usize]) -> f64) -> Vec<f64> {
    draw(RESAMPLES, placements, seed, |drawn| statistic(&drawn.rows))
}

/// One resample: rows, placement after placement.
#[derive(Default)]
struct Drawn {
    rows: Vec<usize>,
    /// The end of the rows of each placement.
    ends: Vec<usize>,
}

impl Drawn {
    fn placements(&self) -> impl Iterator<Item = &[usize]> {
        let starts = std::iter::once(&0).chain(&self.ends);
        starts.zip(&self.ends).map(|(&start, &end)| &self.rows[start..end])
    }
}

/// The rows of each placement, in their order.
fn clusters(placements: &[u64]) -> Vec<Vec<usize>> {
    let mut clusters: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    for (row, placement) in placements.iter().enumerate() {
        clusters.entry(*placement).or_default().push(row);
    }
    clusters.into_values().collect()
}

fn draw(resamples: usize, placements: &[u64], seed: u64, statistic: impl Fn(&Drawn) -> f64) -> Vec<f64> {
    if placements.is_empty() {
        return Vec::new();
    }
    let clusters = clusters(placements);
    let mut random = fastrand::Rng::with_seed(seed);
    let mut drawn = Drawn::default();
    (0..resamples)
        .map(|_| {
            drawn.rows.clear();
            drawn.ends.clear();
            for _ in 0..clusters.len() {
                let cluster = &clusters[random.usize(..clusters.len())];
                draw_blocks(cluster, &mut random, &mut drawn.rows);
                drawn.ends.push(drawn.rows.len());
            }
            statistic(&drawn)
        })
        .collect()
}

/// As many rows as `cluster` has, drawn from it in circular blocks.
fn draw_blocks(cluster: &[usize], random: &mut fastrand::Rng, rows: &mut Vec<usize>) {
    let (count, end) = (cluster.len(), rows.len() + cluster.len());
    let block = (count as f64).cbrt().ceil() as usize;
    while rows.len() < end {
        let start = random.usize(..count);
        rows.extend((start..start + block).map(|at| cluster[at % count]));
    }
    rows.truncate(end);
}

/// The relative change from the first third of the rounds to the last, with its interval; `None` under nine rounds.
pub fn drift(values: &[f64]) -> Option<(f64, Ci95)> {
    let third = values.len() / 3;
    if third < 3 {
        return None;
    }
    let (early, late) = (0..third, values.len() - third..values.len());
    let change = |rows: &[usize]| {
        let pick = |part: &Range<usize>| -> Vec<f64> { rows.iter().map(|&row| values[part.start + row]).collect() };
        median(&pick(&late)) / median(&pick(&early)) - 1.0
    };
    let all: Vec<usize> = (0..third).collect();
    Some((change(&all), bootstrap(&vec![0; third], change)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_of_odd_even_and_no_values() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn an_interval_holds_its_median_and_narrows_with_more_rounds() {
        let few: Vec<f64> = (0..10).map(|i| f64::from(i * 7 % 10)).collect();
        let many: Vec<f64> = (0..1000).map(|i| f64::from(i * 7 % 10)).collect();
        let one = [0; 1000];
        let (narrow, wide) = (median_ci(&many, &one), median_ci(&few, &one[..10]));
        assert!(wide[0] <= 4.5 && wide[1] >= 4.5, "{wide:?}");
        assert!(narrow[1] - narrow[0] < wide[1] - wide[0], "{narrow:?} {wide:?}");
    }

    #[test]
    fn equal_values_have_an_interval_without_width() {
        assert_eq!(median_ci(&[2.0; 20], &[0; 20]), [2.0, 2.0]);
        assert!(median_ci(&[], &[]).iter().all(|v| v.is_nan()));
    }

    #[test]
    fn an_interval_covers_what_moves_between_placements() {
        // Six placements at 1 and six at 2, with next to no noise inside one.
        let placements: Vec<u64> = (0..120).map(|row| row / 10).collect();
        let values: Vec<f64> = placements
            .iter()
            .zip(0..)
            .map(|(placement, row)| (1 + placement % 2) as f64 + f64::from(row % 7) * 1e-3)
            .collect();
        let [low, high] = median_ci(&values, &placements);
        assert!(low < 1.1 && high > 1.9, "[{low}, {high}]");
    }

    #[test]
    fn what_is_said_of_each_placement_counts_once() {
        // Three placements of different lengths; their least values are 1, 2 and 9.
        let placements = [0, 0, 0, 0, 1, 2];
        let values = [5.0, 1.0, 7.0, 6.0, 2.0, 9.0];
        let least = |rows: &[usize]| rows.iter().map(|&row| values[row]).fold(f64::MAX, f64::min);
        assert_eq!(over_placements(&placements, least), 2.0);
        let [[low, high]] = bootstrap_over_placements([0.95], &placements, None, least);
        // Student's: 4 ± 4.303 × 4.359 ÷ √3.
        assert!((low + 6.83).abs() < 0.01 && (high - 14.83).abs() < 0.01, "[{low}, {high}]");
        assert!(over_placements(&[], least).is_nan());
    }

    #[test]
    fn of_many_placements_only_what_was_measured_is_drawn() {
        let placements: Vec<u64> = (0..ENOUGH as u64).collect();
        let first = |rows: &[usize]| rows[0] as f64;
        let [[low, high]] = bootstrap_over_placements([0.99], &placements, None, first);
        assert!(low >= 0.0 && high <= 7.0, "[{low}, {high}]");
        let [[low, high]] = bootstrap_over_placements([0.99], &placements[1..], None, first);
        assert!(low < 0.0 && high > 6.0, "[{low}, {high}]");
    }

    #[test]
    fn few_placements_lean_on_experiments_like_theirs_unless_they_vary_more() {
        let like = vec![vec![9.0, 10.0, 11.0]; 6];
        let spread = Spread::of(&like);
        assert!(Spread::of(&like[..2]).is_none());
        // The median of variances with two degrees of freedom is ln 2 of their mean.
        assert!((spread.unwrap().variance - 1.0 / f64::ln(2.0)).abs() < 1e-9);
        let width = |values: &[f64], spread| {
            let placements: Vec<u64> = (0..values.len() as u64).collect();
            let first = |rows: &[usize]| values[rows[0]];
            let [[low, high]] = bootstrap_over_placements([0.997], &placements, spread, first);
            high - low
        };
        let alone = width(&[4.0, 5.0, 6.0], None);
        let together = width(&[4.0, 5.0, 6.0], spread);
        assert!(together < alone / 3.0, "{together} {alone}");
        // Three values that agree by chance are no more certain than others.
        let lucky = width(&[5.0, 5.0, 5.0], spread);
        assert!((lucky - together).abs() < 1e-9, "{lucky} {together}");
        let wild = [1.0, 5.0, 9.0];
        assert_eq!(width(&wild, spread), width(&wild, None));
    }

    #[test]
    fn more_confidence_is_a_wider_interval() {
        let values: Vec<f64> = (0..60).map(|i| f64::from(i * 7 % 60)).collect();
        let statistic = |rows: &[usize]| median(&rows.iter().map(|&row| values[row]).collect::<Vec<_>>());
        let usual = bootstrap(&[0; 60], statistic);
        let [sure, same] = bootstrap_at([0.995, 0.95], &[0; 60], statistic);
        assert!((same[0] - usual[0]).abs() < 1.5 && (same[1] - usual[1]).abs() < 1.5);
        assert!(sure[0] < usual[0] && sure[1] > usual[1], "{usual:?} {sure:?}");
    }

    #[test]
    fn a_ramp_drifts_and_noise_does_not() {
        let ramp: Vec<f64> = (0..90).map(|i| 100.0 + f64::from(i)).collect();
        let (change, [low, _]) = drift(&ramp).unwrap();
        assert!(change > 0.3 && low > 0.0);
        let noise: Vec<f64> = (0..90).map(|i| 100.0 + f64::from(i * 37 % 11)).collect();
        let (_, [low, high]) = drift(&noise).unwrap();
        assert!(low <= 0.0 && high >= 0.0);
        assert!(drift(&ramp[..8]).is_none());
    }
}
