//! Time per element of both sides over the number of elements, on two logarithmic axes.

use maud::Markup;

use super::plot::{Area, Drawn, FAINT, LINE, Plot, SIDES, Text};
use super::{around, axis, chart};
use crate::model::comparison::{Case, Explained};
use crate::model::error::Error;
use crate::model::units;
use crate::views::{escape, story};

const WIDE: u32 = 880;
const HEIGHT: u32 = 320;
/// Pixels above the plane, for the title of its axis, and below it.
const HEAD: f64 = 44.0;
const FOOT: f64 = 44.0;

/// The chart, with a line where operand and result fill each of `caches` (name and bytes); none with fewer than two
/// measured sizes.
///
/// # Errors
/// One of drawing.
pub fn sizes(case: &Case, explained: &Explained, caches: Vec<(&'static str, u64)>) -> Result<Option<Markup>, Error> {
    let points: Vec<(f64, [f64; 2])> = explained
        .sizes
        .iter()
        .map(|point| {
            let elements = point.elements as f64;
            (elements, [point.a_ns / elements, point.b_ns / elements])
        })
        .filter(|(elements, each)| *elements > 0.0 && each.iter().all(|ns| ns.is_finite() && *ns > 0.0))
        .collect();
    let x = around(points.iter().map(|(elements, _)| *elements), 1.5);
    let y = around(points.iter().flat_map(|(_, each)| *each), 1.3);
    let (Some(x), Some(y), true) = (x, y, points.len() > 1) else {
        return Ok(None);
    };
    let (a, b) = story::names(case);
    let label = format!(
        "Chart of the time per element of {a} and {b} by size, {}; the table below has the figures",
        escape(&case.label())
    );
    let item = case.item_bytes().unwrap_or(4) as f64;
    let caches: Vec<(&str, f64)> = caches
        .into_iter()
        .map(|(name, bytes)| (name, bytes as f64 / (2.0 * item)))
        .filter(|(_, elements)| (x[0]..x[1]).contains(elements))
        .collect();
    let frame = Frame { x, y };
    let draw = |area: &Area<'_>, width: u32| frame.draw(area, width, &points, &caches);
    chart(&label, WIDE, HEIGHT, draw).map(Some)
}

/// The shown part of the plane: elements and ns.
struct Frame {
    x: [f64; 2],
    y: [f64; 2],
}

impl Frame {
    fn draw(&self, area: &Area<'_>, width: u32, points: &[(f64, [f64; 2])], caches: &[(&str, f64)]) -> Drawn {
        let [x, y] = [self.x, self.y].map(|ends| ends.map(f64::ln));
        let pixels = f64::from(HEIGHT) - HEAD - FOOT;
        let up = |value: f64| FOOT + (value.ln() - y[0]) / (y[1] - y[0]) * pixels;
        let plot = &mut Plot::new(area, x, [0.0, f64::from(HEIGHT)])?;
        let (bottom, top) = (FOOT, FOOT + pixels);
        for (value, text) in axis::logarithmic(self.y[0], self.y[1], 6) {
            plot.line(&[(x[0], up(value)), (x[1], up(value))], LINE, 1)?;
            plot.text((x[0], up(value)), (4, -8), &text, Text::LEFT.colored(FAINT))?;
        }
        // The sizes themselves are the ticks; if there are too many, every other one.
        let most = (width as usize / 90).max(2);
        let every = points.len().div_ceil(most);
        for (elements, _) in points.iter().rev().step_by(every) {
            let at = elements.ln();
            plot.line(&[(at, bottom), (at, top)], LINE, 1)?;
            let text = units::large(*elements);
            plot.text((at, bottom), (0, 13), &text, Text::CENTRE.colored(FAINT))?;
        }
        for (name, elements) in caches {
            let at = elements.ln();
            plot.dashes(&[(at, bottom), (at, top)], FAINT, 1)?;
            plot.text((at, top), (0, -8), name, Text::CENTRE.colored(FAINT))?;
        }
        plot.text((x[0], top), (0, -30), "ns per element", Text::LEFT)?;
        plot.text((x[1], bottom), (0, 32), "elements", Text::RIGHT)?;
        for side in 0..2 {
            let line: Vec<(f64, f64)> = points.iter().map(|(elements, each)| (elements.ln(), up(each[side]))).collect();
            plot.line(&line, SIDES[side], 2)?;
            for at in line {
                plot.mark(side, at)?;
            }
        }
        Ok(())
    }
}
