//! The flamegraphs of a run on the page: each in a frame of its own, so that scripts and names do not meet, and all of them
//! within what room there is.

use maud::{Markup, PreEscaped, html};
use raptors_flamegraphs::{NARROWEST, frame};

use crate::analysis::CaseSamples;
use crate::comparison::Comparison;
use crate::error::Error;
use crate::flamegraph::{self, Pictures};
use crate::report::escape;

/// Frames of a picture that are narrower than these parts of it are left out, the first that makes all fit.
const WIDTHS: [f64; 6] = [NARROWEST, 0.001, 0.002, 0.005, 0.01, 0.02];

/// The section's body, in no more than `room` bytes or a little over that for its sentences.
pub fn section(comparison: &Comparison, samples: &[CaseSamples], room: usize) -> Markup {
    if samples.is_empty() {
        return html! {
            p {
                "This run has no samples. " code { "raptors-trace flamegraph -o DIR" } " draws both sides; with "
                code { "--save FILE" } " the run keeps its samples, and " code { "raptors-trace show FILE --html PAGE" }
                " has them on a page such as this."
            }
        };
    }
    let mut shown = samples;
    loop {
        for narrowest in WIDTHS {
            let cases: Vec<Markup> = shown
                .iter()
                .enumerate()
                .map(|(index, samples)| case(comparison, samples, narrowest, index == 0))
                .collect();
            let length: usize = cases.iter().map(|case| case.0.len()).sum();
            if length <= room {
                return body(&cases, narrowest, samples.len() - shown.len());
            }
        }
        // The last are the largest sizes' or other types'; the first are looked at first.
        shown = &shown[..shown.len() - 1];
    }
}

fn body(cases: &[Markup], narrowest: f64, left_out: usize) -> Markup {
    html! {
        p {
            "CPU time of one operation. In the difference, red is where B spends more and blue where less. "
            "Click on a frame to enlarge it; search with Ctrl-F inside a picture."
        }
        @if narrowest > NARROWEST {
            p.note {
                "Frames narrower than " (narrowest * 100.0) " % of a picture are left out, so that this page stays below 3 MB."
            }
        }
        @if left_out > 0 {
            p.note {
                "The pictures of " (left_out) " more cases are left out, so that this page stays below 3 MB: "
                code { "raptors-trace flamegraph -o DIR FILE" } " draws them from a saved run."
            }
        }
        @for case in cases { (case) }
    }
}

/// One case; what cannot be drawn is said in its place.
fn case(comparison: &Comparison, samples: &CaseSamples, narrowest: f64, open: bool) -> Markup {
    let drawn = flamegraph::pictures(comparison, samples, narrowest);
    let body = drawn.and_then(|pictures| frames(&pictures));
    html! {
        details open[open] {
            summary { (escape(&samples.case.label())) }
            @match body {
                Ok(body) => (body),
                Err(error) => p.note { (escape(&error.in_a_line())) },
            }
        }
    }
}

fn frames(pictures: &Pictures) -> Result<Markup, Error> {
    let [a, b, difference] = &pictures.svgs;
    let [side_a, side_b] = &pictures.sides;
    let label = escape(&pictures.label);
    let each = [
        (
            "difference",
            "The difference by role, then by frame".to_owned(),
            difference,
        ),
        ("one", escape(side_a), a),
        ("one", escape(side_b), b),
    ];
    let mut figures = Vec::new();
    for (class, caption, svg) in each {
        let title = format!("{caption}; {label}");
        let picture = frame(&title, svg)
            .map_err(|error| Error::new("the flamegraph cannot be drawn").caused_by(error))?;
        figures.push(
            html! { figure class=(class) { figcaption { (caption) } (PreEscaped(picture)) } },
        );
    }
    Ok(html! {
        @for warning in &pictures.warnings { p.note { (escape(warning)) } }
        div.pictures { @for figure in &figures { (figure) } }
    })
}
