//! The machine's limits with both sides below them, on two logarithmic axes.

use maud::Markup;

use super::plot::{Area, Drawn, FAINT, INK, LINE, MARGIN, Plot, SIDES, Text, fitting};
use super::{around, axis, chart};
use crate::model::error::Error;
use crate::views::roofline::{Point, Roof, Roofline};

const WIDE: u32 = 880;
const HEIGHT: u32 = 440;
/// Pixels above the plane, for the title of its axis, and below it.
const HEAD: f64 = 28.0;
const FOOT: f64 = 44.0;
/// Marks closer to each other than this, in pixels, share their numbers.
const CLOSE: f64 = 15.0;

/// The chart; none if there is neither a roof nor a side.
///
/// # Errors
/// One of drawing.
pub fn roofline(roofline: &Roofline) -> Result<Option<Markup>, Error> {
    let Some(frame) = Frame::of(roofline) else {
        return Ok(None);
    };
    let label =
        "Roofline: floating-point operations a second over operations for each byte; the tables below have the figures";
    let draw = |area: &Area<'_>, width: u32| frame.draw(area, width, roofline);
    chart(label, WIDE, HEIGHT, draw).map(Some)
}

/// The shown part of the plane: FLOP/byte and GFLOP/s.
struct Frame {
    x: [f64; 2],
    y: [f64; 2],
}

impl Frame {
    fn of(roofline: &Roofline) -> Option<Self> {
        let points = roofline.points.iter();
        let slopes = roofline.memory.iter().map(|roof| roof.value);
        let levels = roofline.compute.iter().map(|roof| roof.value);
        let ridges = levels.clone().flat_map(|level| slopes.clone().map(move |slope| level / slope));
        let mut xs: Vec<f64> = points.clone().map(|point| point.intensity).chain(ridges).collect();
        if xs.is_empty() {
            if roofline.memory.is_empty() && roofline.compute.is_empty() {
                return None;
            }
            xs.push(1.0);
        }
        let x = around(xs.into_iter(), 4.0)?;
        let ys: Vec<f64> =
            points.map(|point| point.gflop_s).chain(levels).chain(slopes.map(|slope| slope * x[0])).collect();
        let y = around(ys.into_iter(), 1.8)?;
        Some(Self { x, y })
    }

    fn draw(&self, area: &Area<'_>, width: u32, roofline: &Roofline) -> Drawn {
        let [x, y] = [self.x, self.y].map(|ends| ends.map(f64::ln));
        // One unit of the plane's height is a pixel, including the parts below and above.
        let pixels = f64::from(HEIGHT) - HEAD - FOOT;
        let up = |value: f64| FOOT + (value.ln() - y[0]) / (y[1] - y[0]) * pixels;
        let plot = &mut Plot::new(area, x, [0.0, f64::from(HEIGHT)])?;
        let (bottom, top) = (FOOT, FOOT + pixels);
        for (value, text) in axis::logarithmic(self.x[0], self.x[1], width as usize / 70) {
            let at = value.ln();
            plot.line(&[(at, bottom), (at, top)], LINE, 1)?;
            if (x[0] + 0.03 * (x[1] - x[0])..x[1] - 0.03 * (x[1] - x[0])).contains(&at) {
                plot.text((at, bottom), (0, 13), &text, Text::CENTRE.colored(FAINT))?;
            }
        }
        for (value, text) in axis::logarithmic(self.y[0], self.y[1], 8) {
            plot.line(&[(x[0], up(value)), (x[1], up(value))], LINE, 1)?;
            plot.text((x[0], up(value)), (4, -8), &text, Text::LEFT.colored(FAINT))?;
        }
        plot.text((x[0], top), (0, -14), "GFLOP/s", Text::LEFT)?;
        plot.text((x[1], bottom), (0, 32), "FLOP / byte", Text::RIGHT)?;
        let highest = roofline.compute.iter().map(|roof| roof.value);
        let highest = highest.fold(0.0, f64::max);
        for roof in &roofline.memory {
            let ends = self.slope(roof, highest);
            let line = ends.map(|at| (at.ln(), up(at * roof.value)));
            stroke(plot, roof, &line)?;
        }
        for (index, roof) in roofline.compute.iter().enumerate() {
            let steepest = roofline.memory.iter().map(|roof| roof.value);
            let from = (roof.value / steepest.fold(f64::MIN_POSITIVE, f64::max)).clamp(self.x[0], self.x[1]);
            let height = up(roof.value);
            stroke(plot, roof, &[(from.ln(), height), (x[1], height)])?;
            self.name(plot, width, index, roof, (x[1], height))?;
        }
        for point in &roofline.points {
            plot.mark(point.side, (point.intensity.ln(), up(point.gflop_s)))?;
        }
        self.numbers(plot, &roofline.points, &up)
    }

    /// The range of a memory roof: up to the highest level, or to the end of the plane.
    fn slope(&self, roof: &Roof, highest: f64) -> [f64; 2] {
        let level = if highest > 0.0 { highest } else { self.y[1] };
        let end = (level / roof.value).clamp(self.x[0], self.x[1]);
        let begin = (self.y[0] / roof.value).clamp(self.x[0], end);
        [begin, end]
    }

    /// A level's name above its right end. One type's name is further to the left than the other's, because one on all
    /// threads is often as high as the other on one thread.
    fn name(&self, plot: &mut Plot<'_, '_>, width: u32, index: usize, roof: &Roof, at: (f64, f64)) -> Drawn {
        let name = roof.dtype.as_deref().unwrap_or_default();
        let name = fitting(name, width / 4);
        let left = if (index / 2).is_multiple_of(2) { -4 } else { -76 };
        plot.text(at, (left, -9), &name, Text::RIGHT)
    }

    /// The numbers of the cases beside their marks, A's on the left and B's on the right.
    fn numbers(&self, plot: &mut Plot<'_, '_>, points: &[Point], up: &impl Fn(f64) -> f64) -> Drawn {
        for side in 0..2 {
            let mut marks: Vec<(f64, f64, usize)> = points
                .iter()
                .filter(|point| point.side == side)
                .map(|point| (up(point.gflop_s), point.intensity.ln(), point.number))
                .collect();
            marks.sort_by(|a, b| a.0.total_cmp(&b.0));
            let near = |a: &(f64, f64, usize), b: &(f64, f64, usize)| b.0 - a.0 < CLOSE && (a.1 - b.1).abs() < 0.2;
            for group in marks.chunk_by(near) {
                let mut numbers: Vec<usize> = group.iter().map(|mark| mark.2).collect();
                numbers.sort_unstable();
                let numbers: Vec<String> = numbers.iter().map(usize::to_string).collect();
                let (height, at, _) = group[group.len() / 2];
                let (offset, look) = [(-MARGIN - 2, Text::RIGHT), (MARGIN + 2, Text::LEFT)][side];
                let look = look.colored(SIDES[side]);
                plot.text((at, height), (offset, 0), &numbers.join(", "), look)?;
            }
        }
        Ok(())
    }
}

fn stroke(plot: &mut Plot<'_, '_>, roof: &Roof, line: &[(f64, f64)]) -> Drawn {
    if roof.threads == "one thread" { plot.line(line, INK, 2) } else { plot.dashes(line, INK, 2) }
}
