//! Medians and their intervals over rounds.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::comparison::Ci95;

/// Resamples behind every interval.
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

/// The 95 % percentile-bootstrap interval of the median of `values`, which stand in the order of the rounds;
/// `placements` says for each in which placement of the arrays it was measured. See [`bootstrap`].
pub fn median_ci(values: &[f64], placements: &[u64]) -> Ci95 {
    bootstrap(placements, |rows| {
        let drawn: Vec<f64> = rows.iter().map(|&row| values[row]).collect();
        median(&drawn)
    })
}

/// The 95 % interval of `statistic` over the rows of `placements`. A single row gives an interval without width; none
/// gives NaN.
///
/// Rounds of one placement share what its addresses do to them, so whole placements are drawn first (two-stage cluster
/// bootstrap, Davison and Hinkley, *Bootstrap Methods and their Application*, 1997, section 3.8). Inside one,
/// neighbouring rounds resemble each other, so blocks of rounds are drawn instead of single ones (circular block
/// bootstrap, Politis and Romano 1992, with blocks of n^(1/3)).
pub fn bootstrap(placements: &[u64], statistic: impl Fn(&[usize]) -> f64) -> Ci95 {
    let [interval] = bootstrap_at([0.95], placements, statistic);
    interval
}

/// [`bootstrap`] with intervals of other confidences, 0 to 1: the more there is in the widest one's tails, the more is drawn.
pub fn bootstrap_at<const N: usize>(
    confidences: [f64; N],
    placements: &[u64],
    statistic: impl Fn(&[usize]) -> f64,
) -> [Ci95; N] {
    intervals(confidences, placements, |drawn| statistic(&drawn.rows))
}

/// The median over placements of what `of` says of the rows of each.
pub fn over_placements(placements: &[u64], of: impl Fn(&[usize]) -> f64) -> f64 {
    median(
        &clusters(placements)
            .iter()
            .map(|rows| of(rows))
            .collect::<Vec<_>>(),
    )
}

/// The intervals of [`over_placements`], drawn as for [`bootstrap_at`].
pub fn bootstrap_over_placements<const N: usize>(
    confidences: [f64; N],
    placements: &[u64],
    of: impl Fn(&[usize]) -> f64,
) -> [Ci95; N] {
    intervals(confidences, placements, |drawn| {
        median(&drawn.placements().map(&of).collect::<Vec<_>>())
    })
}

fn intervals<const N: usize>(
    confidences: [f64; N],
    placements: &[u64],
    statistic: impl Fn(&Drawn) -> f64,
) -> [Ci95; N] {
    let tails = confidences.map(|confidence| (1.0 - confidence) / 2.0);
    let thinnest = tails.iter().copied().fold(0.025, f64::min);
    // As many in a tail as those of the usual interval have, which is what its ends stand on.
    let resamples = (RESAMPLES as f64 * 0.025 / thinnest.max(1e-4)).ceil() as usize;
    let drawn = draw(resamples, placements, SEED, statistic);
    tails.map(|tail| [quantile(&drawn, tail), quantile(&drawn, 1.0 - tail)])
}

/// The 95 % percentile interval of drawn values, NaN for none.
pub fn interval(drawn: &[f64]) -> Ci95 {
    [quantile(drawn, 0.025), quantile(drawn, 0.975)]
}

/// The values of `statistic` that [`bootstrap`] draws, none where there is no row. Draws with different seeds know
/// nothing of each other, as those of two runs must not.
pub fn draws(placements: &[u64], seed: u64, statistic: impl Fn(&[usize]) -> f64) -> Vec<f64> {
    draw(RESAMPLES, placements, seed, |drawn| statistic(&drawn.rows))
}

/// One resample: rows, placement after placement.
#[derive(Default)]
struct Drawn {
    rows: Vec<usize>,
    /// Where the rows of each placement end.
    ends: Vec<usize>,
}

impl Drawn {
    fn placements(&self) -> impl Iterator<Item = &[usize]> {
        let starts = std::iter::once(&0).chain(&self.ends);
        starts
            .zip(&self.ends)
            .map(|(&start, &end)| &self.rows[start..end])
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

fn draw(
    resamples: usize,
    placements: &[u64],
    seed: u64,
    statistic: impl Fn(&Drawn) -> f64,
) -> Vec<f64> {
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
        let pick = |part: &Range<usize>| -> Vec<f64> {
            rows.iter().map(|&row| values[part.start + row]).collect()
        };
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
        assert!(
            narrow[1] - narrow[0] < wide[1] - wide[0],
            "{narrow:?} {wide:?}"
        );
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
        let [[low, high]] = bootstrap_over_placements([0.95], &placements, least);
        assert!((1.0..=2.0).contains(&low) && high == 9.0, "[{low}, {high}]");
        assert!(over_placements(&[], least).is_nan());
    }

    #[test]
    fn more_confidence_is_a_wider_interval() {
        let values: Vec<f64> = (0..60).map(|i| f64::from(i * 7 % 60)).collect();
        let statistic =
            |rows: &[usize]| median(&rows.iter().map(|&row| values[row]).collect::<Vec<_>>());
        let usual = bootstrap(&[0; 60], statistic);
        let [sure, same] = bootstrap_at([0.995, 0.95], &[0; 60], statistic);
        assert!((same[0] - usual[0]).abs() < 1.5 && (same[1] - usual[1]).abs() < 1.5);
        assert!(
            sure[0] < usual[0] && sure[1] > usual[1],
            "{usual:?} {sure:?}"
        );
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
