//! The flamegraphs of a run on the page: each in its own frame, so that scripts and names stay separate, and all of
//! them within the available space.

use maud::{Markup, PreEscaped, html};
use raptors_flamegraphs::{NARROWEST, frame};

use crate::analysis::CaseSamples;
use crate::analysis::flamegraph::{self, Pictures};
use crate::model::comparison::Comparison;
use crate::model::error::Error;
use crate::model::text::escape;

/// Frames narrower than one of these parts of a picture are left out: the first part with which all pictures fit.
const WIDTHS: [f64; 6] = [NARROWEST, 0.001, 0.002, 0.005, 0.01, 0.02];

/// The section's body, in at most `room` bytes plus its sentences.
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
        // The last pictures are of the largest sizes or other types; readers look at the first ones first.
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
                "Frames narrower than " (narrowest * 100.0) " % of a picture are left out, so that this page stays \
                                                            below 3 MB."
            }
        }
        @if left_out > 0 {
            p.note {
                "The pictures of " (left_out) (if left_out == 1 { " more case" } else { " more cases" }) " are left \
                    out, so that this page stays below 3 MB: "
                code { "raptors-trace flamegraph -o DIR FILE" } " draws them from a saved run."
            }
        }
        @for case in cases { (case) }
    }
}

/// One case; if it cannot be drawn, the reason is in its place.
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
        ("difference", "The difference by role, then by frame".to_owned(), difference),
        ("one", escape(side_a), a),
        ("one", escape(side_b), b),
    ];
    let mut figures = Vec::new();
    for (class, caption, svg) in each {
        let title = format!("{caption}; {label}");
        let picture =
            frame(&title, svg).map_err(|error| Error::new("the flamegraph cannot be drawn").caused_by(error))?;
        figures.push(html! { figure class=(class) { figcaption { (caption) } (PreEscaped(picture)) } });
    }
    Ok(html! {
        @for warning in &pictures.warnings { p.note { (escape(warning)) } }
        div.pictures { @for figure in &figures { (figure) } }
    })
}

#[cfg(test)]
mod tests {
    use raptors_flamegraphs::{Frame, Profile, Tag};

    use super::*;
    use crate::analysis::SideSamples;
    use crate::model::comparison::{CaseName, Results};
    use crate::model::protocol::{CaseSpec, SideSpec};
    use crate::model::tool::Engine;

    /// A case with one wide frame and many narrow ones, and a name that is markup.
    fn samples(number: u64) -> CaseSamples {
        let mut profile = Profile::default();
        let thread = profile.thread_id("main");
        let narrow = 400;
        for tag in [Tag::A, Tag::B] {
            let root = profile.intern(Frame::native("root"));
            profile.add([root], thread, tag, 20_000);
            for index in 0..narrow {
                let frame = profile.intern(Frame::native(&format!("<b>narrow{index}</b>")));
                profile.add([root, frame], thread, tag, 40);
            }
        }
        let side =
            |name: &str| SideSpec { name: name.to_owned(), statement: "<script>".to_owned(), setup: String::new() };
        let sampled = SideSamples {
            samples: 20_000 + 40 * narrow,
            cpu_ns: 36_000_000_000,
            wall_ns: 36_000_000_000,
            operations: 1_000,
            ..SideSamples::default()
        };
        CaseSamples {
            number,
            case: CaseSpec {
                name: CaseName::Operation,
                results: Results::Dropped,
                dtype: "float32".to_owned(),
                shape: vec![number],
                in_place: false,
                seconds: 1.0,
                allow_different: false,
                only_if_different: false,
                sampled: true,
                a: side("<i>a"),
                b: side("b"),
            },
            engine: Engine::Inprocess,
            outside: 0,
            troubles: Vec::new(),
            profile,
            sides: [sampled; 2],
            why_no_python: None,
            why_no_names: Vec::new(),
        }
    }

    #[test]
    fn narrow_frames_then_whole_pictures_make_room_and_that_is_said() {
        let two = [samples(1), samples(2)];
        let section = |room| section(&Comparison::default(), &two, room).into_string();
        let whole = section(usize::MAX);
        assert_eq!(whole.matches("<iframe").count(), 6);
        assert!(!whole.contains("are left out") && whole.contains("narrow399"));
        let narrowed = section(whole.len() / 2);
        assert_eq!(narrowed.matches("<iframe").count(), 6, "{}", narrowed.len());
        assert!(narrowed.contains("Frames narrower than 0.2 % of a picture are left out"));
        assert!(!narrowed.contains("narrow399") && narrowed.len() < whole.len() / 2 + 1_000);
        let one = section(narrowed.len() / 2 + 500);
        assert_eq!(one.matches("<iframe").count(), 3);
        assert!(one.contains("The pictures of 1 more case are left out"));
        assert!(!section(0).contains("<iframe"));
    }

    #[test]
    fn names_stay_text_and_what_cannot_be_drawn_is_said() {
        let mut broken = samples(1);
        broken.sides[1].samples = 0;
        let html = section(&Comparison::default(), &[samples(2), broken], usize::MAX).into_string();
        assert!(!html.contains("<b>narrow") && !html.contains("<i>a") && !html.contains("<script"));
        assert!(html.contains("b has no samples in operation float32 1"));
    }
}
