//! The phases of one case, A's bar over B's.

use maud::Markup;

use super::plot::{Area, Drawn, INK, LINE, MARGIN, Plot, SIDES, Text, fitting, width_of};
use super::{axis, chart};
use crate::model::comparison::Case;
use crate::model::error::Error;
use crate::model::units::TimeUnit;
use crate::views::case::{self, TimeRow};
use crate::views::{escape, story};

const WIDE: u32 = 480;
/// Heights in pixels: of a phase with its two bars, of a bar, and of the axis below.
const ROW: u32 = 60;
const BAR: f64 = 15.0;
const FOOT: u32 = 30;

/// The chart; none if no phase was measured.
///
/// # Errors
/// One of drawing.
pub fn phases(case: &Case) -> Result<Option<Markup>, Error> {
    let unit = case::unit(case);
    let known = |ns: Option<f64>| ns.is_some_and(f64::is_finite);
    let mut rows = case::time_rows(case, &unit);
    rows.retain(|row| !row.whole);
    if !rows.iter().any(|row| known(row.a) || known(row.b)) {
        return Ok(None);
    }
    let (a, b) = story::names(case);
    let label =
        format!("Chart of the phases of {}, {a} above {b}; the table beside it has the figures", escape(&case.label()));
    let height = ROW * rows.len() as u32 + FOOT;
    let draw = |area: &Area<'_>, width: u32| draw(area, width, height, &rows, &unit);
    chart(&label, WIDE, height, draw).map(Some)
}

fn draw(area: &Area<'_>, width: u32, height: u32, rows: &[TimeRow], unit: &TimeUnit) -> Drawn {
    let values = rows.iter().flat_map(|row| [row.a, row.b]).flatten();
    let finite = values.filter(|ns| ns.is_finite());
    let (low, high) = finite.fold((0.0_f64, 0.0_f64), |(low, high), ns| (low.min(ns), high.max(ns)));
    let number = |ns: f64| format!("{} {}", unit.number(ns).trim_end(), unit.name());
    // The longest bar has its figure beside it.
    let figure = width_of(&number(high)).max(width_of(&number(low))) + 10.0;
    let plane = f64::from(width) - f64::from(MARGIN) * 2.0;
    let span = (high - low).max(f64::MIN_POSITIVE) / (1.0 - figure / plane);
    let x = [low, low + span.max(1e-9)];
    let px = f64::from(height);
    let plot = &mut Plot::new(area, x, [-px, 0.0])?;
    let bottom = f64::from(FOOT) - px;
    let one = unit.of_one();
    for (value, text) in axis::linear(x[0] / one, x[1] / one, width as usize / 90) {
        let at = value * one;
        plot.line(&[(at, bottom), (at, 0.0)], LINE, 1)?;
        let text = format!("{text} {}", unit.name());
        // The first and the last label have room for half a word only.
        let inside = width_of(&text) / 2.0 / plane * (x[1] - x[0]);
        if at - inside >= x[0] && at + inside <= x[1] {
            plot.text((at, bottom), (0, 14), &text, Text::CENTRE)?;
        } else if at - inside < x[0] {
            plot.text((x[0], bottom), (0, 14), &text, Text::LEFT)?;
        }
    }
    plot.line(&[(0.0, bottom), (0.0, 0.0)], INK, 1)?;
    for (index, row) in rows.iter().enumerate() {
        let top = -f64::from(ROW * index as u32);
        let label = fitting(row.label.trim_start(), width - MARGIN as u32 * 2);
        plot.text((x[0], top), (4, 14), &label, Text::LEFT)?;
        bars(plot, row, top, &number)?;
    }
    Ok(())
}

/// Both sides' bars of a phase below `top`, each with its figure.
fn bars(plot: &mut Plot<'_, '_>, row: &TimeRow, top: f64, number: &impl Fn(f64) -> String) -> Drawn {
    for (side, value) in [row.a, row.b].into_iter().enumerate() {
        let upper = top - 25.0 - BAR * side as f64;
        let middle = upper - BAR / 2.0;
        let Some(ns) = value.filter(|ns| ns.is_finite()) else {
            plot.text((0.0, middle), (6, 0), "not measured", Text::LEFT)?;
            continue;
        };
        plot.bar((0.0, upper), (ns, upper - BAR + 2.0), SIDES[side])?;
        plot.text((ns.max(0.0), middle), (6, 0), &number(ns), Text::LEFT)?;
    }
    Ok(())
}
