//! Both sides at smaller sizes: the knees of the time per element, and the cost of an operation before its first
//! element.

use std::time::{Duration, Instant};

use super::lab::{self, Arm, Lab};
use super::switch::Switches;
use crate::analysis::stats::median;
use crate::model::error::Error;
use crate::model::protocol::Side;

pub use crate::model::comparison::SizePoint as Point;

/// The duration of a round here: the sweep looks for changes of a quarter or more.
const ROUND: Duration = Duration::from_millis(4);
const BLOCKS: usize = 5;
/// The ratio of elements from one size to the next smaller one.
const STEP: u64 = 4;
/// Below that, dispatch dominates an operation.
const LEAST: u64 = 256;
/// Numbers of arms that no other code uses.
const ARMS: [usize; 2] = [4, 5];
/// The rise of an element's time that counts as a knee.
const KNEE: f64 = 1.25;

/// Times of both sides from small sizes up to `shape`, within `time`, the smallest size first.
///
/// # Errors
/// The user interrupts; a size at which a statement cannot run ends the sweep, and so does one at which a side crashes.
pub fn of(lab: &mut Lab<'_>, shape: &[u64], time: Duration) -> Result<Vec<Point>, Error> {
    let until = Instant::now() + time;
    let mut points: Vec<Point> = Vec::new();
    for shape in shapes(shape) {
        if Instant::now() >= until {
            break;
        }
        match at(lab, &shape) {
            Ok(ns) => points.push(Point { elements: shape.iter().product(), shape, a_ns: ns[0], b_ns: ns[1] }),
            Err(error) if lab::not_possible(&error).is_some() => return Ok(points),
            Err(error) if !lab.runs() => return Err(error),
            Err(_) => break,
        }
    }
    lab.drop_arms(&ARMS)?;
    Ok(points)
}

fn at(lab: &mut Lab<'_>, shape: &[u64]) -> Result<[f64; 2], Error> {
    let switches = Switches::shape(shape.to_vec());
    let arms = Side::BOTH.map(|side| Arm { number: ARMS[side as usize], side, switches: &switches });
    lab.set_up(&arms, 0, ROUND)?;
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..BLOCKS {
        for (side, round) in lab.rounds(&ARMS)?.into_iter().enumerate() {
            times[side].push(round.ns);
        }
    }
    Ok([median(&times[0]), median(&times[1])])
}

/// Shapes with ever fewer elements, the smallest first: the longest length is divided each time.
fn shapes(shape: &[u64]) -> Vec<Vec<u64>> {
    let mut shapes = vec![shape.to_vec()];
    loop {
        let mut smaller = shapes[shapes.len() - 1].clone();
        let mut divided = 1;
        while divided < STEP {
            let Some(longest) = smaller.iter_mut().max().filter(|longest| **longest > 1) else {
                break;
            };
            *longest /= 2;
            divided *= 2;
        }
        if divided < STEP || smaller.iter().product::<u64>() < LEAST {
            break;
        }
        shapes.push(smaller);
    }
    shapes.reverse();
    shapes
}

/// The time of a further element between two sizes: it excludes fixed cost.
fn per_element(pair: &[Point], side: usize) -> f64 {
    let more = pair[1].elements as f64 - pair[0].elements as f64;
    (time(&pair[1], side) - time(&pair[0], side)) / more
}

fn time(point: &Point, side: usize) -> f64 {
    [point.a_ns, point.b_ns][side]
}

/// The places where a further element takes a quarter longer than before: the sizes before and after, ns per element
/// before and after.
pub fn knees(points: &[Point], side: usize) -> Vec<Knee<'_>> {
    let mut knees = Vec::new();
    let mut least = f64::INFINITY;
    for pair in points.windows(2) {
        let slope = per_element(pair, side);
        if slope > KNEE * least {
            knees.push(Knee { from: &pair[0], to: &pair[1], before: least, after: slope });
            least = slope;
        } else if slope > 0.0 {
            least = least.min(slope);
        }
    }
    knees
}

/// A size beyond which an element takes longer.
#[derive(Debug, PartialEq)]
pub struct Knee<'a> {
    /// The last size before the knee.
    pub from: &'a Point,
    /// The first size after it.
    pub to: &'a Point,
    /// ns per element before.
    pub before: f64,
    /// ns per element after.
    pub after: f64,
}

/// The cost of an operation before its first element, ns, by a straight line through the two smallest sizes; none if
/// there are fewer.
pub fn fixed(points: &[Point], side: usize) -> Option<f64> {
    let pair = points.get(..2)?;
    let slope = per_element(pair, side);
    Some(time(&pair[0], side) - slope * pair[0].elements as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(of: &[(u64, f64)]) -> Vec<Point> {
        let point = |&(elements, ns): &(u64, f64)| Point { shape: vec![elements], elements, a_ns: ns, b_ns: 2.0 * ns };
        of.iter().map(point).collect()
    }

    #[test]
    fn sizes_are_quartered_down_to_what_is_mostly_dispatch() {
        assert_eq!(shapes(&[64, 64]), [vec![16, 16], vec![32, 32], vec![64, 64]]);
        assert_eq!(shapes(&[5000]), [vec![312], vec![1250], vec![5000]]);
        assert_eq!(shapes(&[3, 100]), [vec![3, 100]]);
        assert_eq!(shapes(&[0, 8]), [vec![0, 8]]);
        assert_eq!(shapes(&[]), [Vec::<u64>::new()]);
    }

    #[test]
    fn a_knee_is_where_an_element_more_takes_longer_and_fixed_cost_is_none() {
        // 1000 ns and 1 ns an element; from 1024 to 4096 elements on, 2 ns.
        let points = points(&[(64, 1064.0), (256, 1256.0), (1024, 2024.0), (4096, 8168.0), (16384, 32744.0)]);
        let found = knees(&points, 0);
        assert_eq!(found.len(), 1);
        let knee = &found[0];
        assert_eq!((knee.from.elements, knee.to.elements), (1024, 4096));
        assert_eq!((knee.before, knee.after), (1.0, 2.0));
        assert_eq!(fixed(&points, 0), Some(1000.0));
        assert_eq!(fixed(&points, 1), Some(2000.0));
        assert_eq!(fixed(&points[..1], 0), None);
        assert!(knees(&points[..2], 0).is_empty());
    }
}
