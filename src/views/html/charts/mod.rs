//! The page's charts, drawn by plotters. Each is drawn twice, for a wide and for a narrow page, so that its text has
//! the page's size on both. style.css replaces the colours.

mod axis;
mod phases;
mod plot;
mod ratios;
mod roofline;
mod sizes;

use maud::{Markup, PreEscaped, html};
use plotters::prelude::{IntoDrawingArea, SVGBackend};

use crate::model::error::Error;
pub use phases::phases;
use plot::{Area, Drawn};
pub use ratios::ratios;
pub use roofline::roofline;
pub use sizes::sizes;

/// Width of a narrow chart in pixels: a telephone's page without its margins.
const NARROW: u32 = 336;

/// A chart; `label` describes it for screen readers, `draw` draws it at a width in pixels.
fn chart(label: &str, wide: u32, height: u32, draw: impl Fn(&Area<'_>, u32) -> Drawn) -> Result<Markup, Error> {
    let wide_svg = svg(label, "wide", (wide, height), &draw)?;
    let narrow_svg = svg(label, "narrow", (NARROW, height), &draw)?;
    Ok(html! { figure.chart { (wide_svg) (narrow_svg) } })
}

/// The least and the greatest of some numbers, with this share of extra room around them.
fn around(numbers: impl Iterator<Item = f64>, room: f64) -> Option<[f64; 2]> {
    let ends = numbers.fold(None, |ends: Option<[f64; 2]>, number| {
        let [low, high] = ends.unwrap_or([number; 2]);
        Some([low.min(number), high.max(number)])
    });
    ends.map(|[low, high]| [low / room, high * room])
}

fn svg(
    label: &str,
    class: &str,
    (width, height): (u32, u32),
    draw: impl Fn(&Area<'_>, u32) -> Drawn,
) -> Result<Markup, Error> {
    let mut document = String::new();
    let area = SVGBackend::with_string(&mut document, (width, height)).into_drawing_area();
    draw(&area, width)
        .and_then(|()| area.present())
        .map_err(|error| Error::new("a chart cannot be drawn").caused_by(error.to_string()))?;
    drop(area);
    // The surrounding element is this page's own: it needs no name space, and it has no size of its own.
    let inner =
        document.split_once('>').and_then(|(_, rest)| rest.rsplit_once("</svg>")).map_or("", |(inner, _)| inner);
    let view = format!("0 0 {width} {height}");
    Ok(html! {
        svg class=(class) viewBox=(view) role="img" aria-label=(label) { (PreEscaped(inner)) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_into_a_chart_is_text() {
        let markup = chart("a \"label\" & more", 300, 100, |area, _| {
            let plot = &mut plot::Plot::new(area, [0.0, 1.0], [0.0, 1.0])?;
            plot.text((0.5, 0.5), (0, 0), "<script>'&", plot::Text::LEFT)
        });
        let markup = markup.unwrap().into_string();
        assert_eq!(markup.matches("<svg").count(), 2);
        assert!(!markup.contains("<script") && markup.contains("&lt;script&gt;"), "{markup}");
        assert!(markup.contains("aria-label=\"a &quot;label&quot; &amp; more\""));
        assert!(!markup.contains("http"), "no name space, no address");
    }
}
