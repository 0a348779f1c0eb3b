//! A's time divided by B's, one case per row, each with its interval, on a logarithmic axis.

use maud::Markup;

use super::plot::{Area, Drawn, FAINT, INK, LINE, MARGIN, Plot, SIDES, Text, fitting};
use super::{axis, chart};
use crate::model::comparison::{Case, Ratio, Verdict};
use crate::model::error::Error;
use crate::views::{escape, story};

const WIDE: u32 = 880;
/// Heights in pixels: of a case, of the part above the cases, and of the axis below.
const ROW: u32 = 46;
const HEAD: u32 = 30;
const FOOT: u32 = 30;

/// The chart; none if no ratio is a number above 0.
///
/// # Errors
/// One of drawing.
pub fn ratios(cases: &[Case]) -> Result<Option<Markup>, Error> {
    let drawn: Vec<&Case> = cases.iter().filter(|case| positive(case.ratio.median)).collect();
    let Some(first) = drawn.first() else {
        return Ok(None);
    };
    let names = story::names(first);
    let label =
        format!("Chart of {} ÷ {} by case with 95 % intervals; the table below has the figures", names.0, names.1);
    let height = HEAD + ROW * drawn.len() as u32 + FOOT;
    let draw = |area: &Area<'_>, width: u32| draw(area, width, height, &drawn, &names);
    chart(&label, WIDE, height, draw).map(Some)
}

fn positive(value: f64) -> bool {
    value.is_finite() && value > 0.0
}

/// The interval, if both ends can be drawn.
fn interval(ratio: &Ratio) -> Option<[f64; 2]> {
    ratio.ci95.iter().all(|end| positive(*end)).then_some(ratio.ci95)
}

fn draw(area: &Area<'_>, width: u32, height: u32, cases: &[&Case], (a, b): &(String, String)) -> Drawn {
    let ends = cases.iter().flat_map(|case| {
        let ends = interval(&case.ratio).unwrap_or([case.ratio.median; 2]);
        [ends[0], ends[1], case.ratio.median]
    });
    let (low, high) = ends.fold((1.0_f64, 1.0_f64), |(low, high), end| (low.min(end), high.max(end)));
    // Room for the marks at both ends, and a minimum range if all ratios are 1.
    let room = 0.06 * (high / low).ln() + 0.01;
    let x = [low.ln() - room, high.ln() + room];
    let px = f64::from(height);
    let plot = &mut Plot::new(area, x, [-px, 0.0])?;
    let bottom = f64::from(FOOT) - px;
    let ticks = axis::logarithmic(x[0].exp(), x[1].exp(), width as usize / 80);
    for (value, text) in &ticks {
        let at = value.ln();
        plot.line(&[(at, bottom), (at, -f64::from(HEAD))], LINE, 1)?;
        plot.text((at, bottom), (0, 14), text, Text::CENTRE.colored(FAINT))?;
    }
    plot.line(&[(0.0, bottom), (0.0, -f64::from(HEAD))], INK, 2)?;
    let half = width / 2 - MARGIN as u32 * 2;
    let top = -f64::from(HEAD) / 2.0;
    let faster = |name: &str| fitting(name, half.saturating_sub(80));
    let left = format!("← {} is faster", faster(a));
    let right = format!("{} is faster →", faster(b));
    plot.text((x[0], top), (0, 0), &left, Text::LEFT.colored(SIDES[0]))?;
    plot.text((x[1], top), (0, 0), &right, Text::RIGHT.colored(SIDES[1]))?;
    for (index, case) in cases.iter().enumerate() {
        row(plot, x, width, index, case)?;
    }
    Ok(())
}

fn row(plot: &mut Plot<'_, '_>, x: [f64; 2], width: u32, index: usize, case: &Case) -> Drawn {
    let top = -f64::from(HEAD + ROW * index as u32);
    let label = fitting(&escape(&case.label()), width - MARGIN as u32 * 2);
    plot.text((x[0], top), (0, 12), &label, Text::LEFT)?;
    let middle = top - f64::from(ROW) * 0.7;
    let (color, mark) = match case.ratio.verdict {
        Verdict::AFaster => (SIDES[0], Some(0)),
        Verdict::BFaster => (SIDES[1], Some(1)),
        Verdict::NoDifferenceShown => (FAINT, None),
    };
    if let Some(ends) = interval(&case.ratio) {
        let [low, high] = ends.map(f64::ln);
        plot.line(&[(low, middle), (high, middle)], color, 3)?;
        for end in [low, high] {
            plot.line(&[(end, middle - 5.0), (end, middle + 5.0)], color, 2)?;
        }
    }
    let at = (case.ratio.median.ln(), middle);
    match mark {
        Some(side) => plot.mark(side, at),
        None => plot.open_mark(at),
    }
}
