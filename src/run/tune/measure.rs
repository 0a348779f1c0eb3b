//! The times of one case: all candidates in turn, round after round.

use std::hint::black_box;
use std::time::{Duration, Instant};

use raptors_kernel::{Backend, Element, Place, Request, Stores, scale, scale_in_place};

use crate::model::error::Error;

/// A round repeats an operation for this long, so that the cost of reading the clock is negligible.
const ROUND: Duration = Duration::from_micros(200);

/// Fewer rounds give no interval.
const LEAST_ROUNDS: usize = 9;

/// The times of one candidate, round by round, in nanoseconds for one operation.
#[derive(Debug, Default)]
pub struct Measured {
    /// The operation.
    pub ns: Vec<f64>,
    /// The operation and a pass that reads its result; empty if no candidate streams.
    pub then_read_ns: Vec<f64>,
    /// The reason that it cannot be used.
    pub refused: Option<String>,
}

/// An element type for measurements.
pub trait Value: Element {
    /// These numbers.
    fn of(value: f64) -> Self;
    /// The sum of all, in an order that vectors can keep.
    fn sum(values: &[Self]) -> Self;
    /// Values where multiplications differ: zeros, denormals, extremes, infinities, NaNs with payloads.
    fn special() -> Vec<Self>;
}

macro_rules! value {
    ($t:ident, $bits:ty, $quiet:literal) => {
        impl Value for $t {
            fn of(value: f64) -> Self {
                value as $t
            }

            fn sum(values: &[Self]) -> Self {
                let mut lanes = [0.0; 32];
                let chunks = values.chunks_exact(lanes.len());
                let rest: $t = chunks.remainder().iter().sum();
                for chunk in chunks {
                    lanes.iter_mut().zip(chunk).for_each(|(lane, value)| *lane += value);
                }
                lanes.iter().sum::<$t>() + rest
            }

            fn special() -> Vec<Self> {
                let infinity = <$t>::INFINITY.to_bits();
                let sign: $bits = 1 << (<$bits>::BITS - 1);
                let positive = [
                    0,
                    1,
                    <$t>::MIN_POSITIVE.to_bits() - 1,
                    <$t>::MIN_POSITIVE.to_bits(),
                    (1.0 as $t).to_bits(),
                    (2.5 as $t).to_bits(),
                    <$t>::MAX.to_bits(),
                    infinity,
                    // Signalling and quiet, each with a payload.
                    infinity | 0x123,
                    infinity | 1 << $quiet | 0x456,
                ];
                let signed = |bits: &$bits| [*bits, *bits | sign].map(<$t>::from_bits);
                positive.iter().flat_map(signed).collect()
            }
        }
    };
}
value!(f32, u32, 22);
value!(f64, u64, 51);

/// Measures all `ways` at one place, number of threads and size, for about `seconds`.
///
/// # Errors
/// When there is no memory for it, or a candidate that is available cannot run.
pub fn case<T: Value>(
    place: Place,
    threads: usize,
    bytes: usize,
    ways: &[(Backend, Stores)],
    seconds: f64,
) -> Result<Vec<Measured>, Error> {
    let mut arrays = Arrays::<T>::new(place, bytes)?;
    let request = |&(backend, stores): &(Backend, Stores)| Request {
        backend: Some(backend),
        threads: Some(threads),
        stores: Some(stores),
    };
    let requests: Vec<Request> = ways.iter().map(request).collect();
    let reads = ways.iter().any(|way| way.1 == Stores::Stream);
    let mut measured: Vec<Measured> = Vec::with_capacity(ways.len());
    for request in &requests {
        measured.push(Measured { refused: deviates::<T>(place, request)?, ..Measured::default() });
    }
    let times = requests.iter().map(|request| arrays.warm_up(request)).collect::<Result<Vec<_>, _>>()?;
    let end = Instant::now() + Duration::from_secs_f64(seconds);
    let mut round = 0;
    while round < LEAST_ROUNDS || Instant::now() < end {
        for step in 0..requests.len() {
            // Forwards and backwards, so that none always follows the same other.
            let index = if round % 2 == 0 { step } else { requests.len() - 1 - step };
            let (request, of) = (&requests[index], &mut measured[index]);
            of.ns.push(arrays.run(request, times[index], false)?);
            if reads {
                of.then_read_ns.push(arrays.run(request, times[index], true)?);
            }
        }
        round += 1;
    }
    Ok(measured)
}

/// What candidates scale.
struct Arrays<T> {
    place: Place,
    source: Vec<T>,
    /// Empty where the source is scaled in place.
    result: Vec<T>,
}

impl<T: Value> Arrays<T> {
    fn new(place: Place, bytes: usize) -> Result<Self, Error> {
        let n = bytes / size_of::<T>();
        let result = if place == Place::Out { filled::<T>(n, 0.0)? } else { Vec::new() };
        Ok(Self { place, source: filled::<T>(n, 1.5)?, result })
    }

    /// Nanoseconds of one operation, the mean of `times`; with `read`, what it wrote is read after each.
    fn run(&mut self, request: &Request, times: usize, read: bool) -> Result<f64, Error> {
        let start = Instant::now();
        for turn in 0..times {
            // 2 and ½ in turn bring the values back.
            let factor = T::of(if turn % 2 == 0 { 2.0 } else { 0.5 });
            match self.place {
                Place::Out => scale(black_box(&self.source), factor, &mut self.result, request),
                Place::In => scale_in_place(black_box(&mut self.source), factor, request),
            }
            .map_err(failed)?;
            if read {
                let written = if self.place == Place::Out { &self.result } else { &self.source };
                black_box(T::sum(black_box(written)));
            }
        }
        Ok(start.elapsed().as_nanos() as f64 / times as f64)
    }

    /// Warms pages, caches and the pool's threads; operations of a round, an even number.
    fn warm_up(&mut self, request: &Request) -> Result<usize, Error> {
        self.run(request, 2, false)?;
        let one = self.run(request, 2, false)?;
        let wanted = (ROUND.as_nanos() as f64 / one.max(1.0)).ceil() as usize;
        Ok(wanted.max(1).next_multiple_of(2))
    }
}

fn failed(error: raptors_kernel::Error) -> Error {
    Error::new("a candidate could not run").caused_by(error)
}

fn filled<T: Value>(n: usize, value: f64) -> Result<Vec<T>, Error> {
    let mut values = Vec::new();
    values.try_reserve_exact(n).map_err(|error| {
        let bytes = n * size_of::<T>();
        Error::new(format!("there is not enough memory for an array of {bytes} bytes"))
            .caused_by(error)
            .help("give a smaller --largest")
    })?;
    values.resize(n, T::of(value));
    Ok(values)
}

/// What a candidate gives other than the one-by-one loop, whose results are NumPy's; `None` where they are the same.
fn deviates<T: Value>(place: Place, request: &Request) -> Result<Option<String>, Error> {
    let special = T::special();
    // More than a piece of every backend's, and no multiple of a vector.
    let source: Vec<T> = special.iter().copied().cycle().take((1 << 16) + 13).collect();
    let reference = Request { backend: Some(Backend::SCALAR), ..Request::default() };
    for factor in special {
        let apply = |request: &Request| {
            let mut result = source.clone();
            match place {
                Place::Out => scale(&source, factor, &mut result, request),
                Place::In => scale_in_place(&mut result, factor, request),
            }
            .map_err(failed)?;
            Ok::<_, Error>(result)
        };
        let (own, right) = (apply(request)?, apply(&reference)?);
        if own.iter().zip(&right).any(|(own, right)| own.bits() != right.bits()) {
            return Ok(Some(format!("results that differ from NumPy's for the factor {factor:?}")));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_candidate_is_measured_in_every_round() {
        let ways = [(Backend::SIMD, Stores::Plain), (Backend::SIMD, Stores::Stream)];
        let measured = case::<f32>(Place::Out, 1, 4096, &ways, 0.0).unwrap();
        for of in &measured {
            assert_eq!(of.ns.len(), LEAST_ROUNDS);
            assert_eq!(of.then_read_ns.len(), LEAST_ROUNDS);
            assert!(of.refused.is_none() && of.ns.iter().all(|ns| *ns > 0.0));
        }
        let measured = case::<f64>(Place::In, 2, 4096, &ways[..1], 0.0).unwrap();
        assert!(measured[0].then_read_ns.is_empty());
    }

    #[test]
    fn all_our_own_loops_give_numpys_results() {
        for backend in [Backend::SIMD, Backend::CHUNKED, Backend::PARALLEL] {
            let request = Request { backend: Some(backend), threads: Some(2), ..Request::default() };
            assert_eq!(deviates::<f32>(Place::Out, &request).unwrap(), None);
            assert_eq!(deviates::<f64>(Place::In, &request).unwrap(), None);
        }
    }

    #[test]
    fn sums_take_every_value() {
        let values: Vec<f64> = (0..77).map(f64::from).collect();
        assert_eq!(Value::sum(&values), 77.0 * 38.0);
    }
}
