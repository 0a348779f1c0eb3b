//! The page that people pass around, from comparisons made by hand: it is whole whatever is missing, and names stay
//! text.
//! `tests/python/test_report.py` opens pages of real runs in a browser.

use raptors_trace::model::comparison::{Comparison, PhaseIntervals, Phases};
use raptors_trace::views::html::{MOST_BYTES, page};

use crate::fixtures;

fn html(comparison: &Comparison) -> String {
    let html = page(comparison, &[]).unwrap();
    assert!(html.starts_with("<!DOCTYPE html>"), "{}", &html[..100]);
    assert!(html.ends_with("</html>") && html.len() < MOST_BYTES);
    assert!(!html.contains("NaN\"") && !html.contains("inf\""), "a coordinate is no number");
    html
}

/// What is drawn: the marks of a chart have these colours.
fn marks(html: &str, id: &str) -> usize {
    let section = html.split_once(&format!("<section id=\"{id}\"")).unwrap().1;
    let section = section.split_once("</section>").unwrap().0;
    ["<circle", "<polygon"].iter().map(|mark| section.matches(mark).count()).sum()
}

#[test]
fn every_section_is_on_the_page() {
    let html = html(&fixtures::whole());
    for id in ["ratios", "phases", "calls", "roofline", "flamegraphs", "causes", "machine", "warnings", "repeat"] {
        assert!(html.contains(&format!("<section id=\"{id}\"")), "{id}");
    }
    assert!(html.contains("<h1>raptors is faster in 2 of 4 cases"), "{html}");
    // Wide and narrow: four ratios, and two sides of four cases on the roofline.
    assert_eq!(marks(&html, "ratios"), 2 * 4);
    assert_eq!(marks(&html, "roofline"), 2 * 8);
    assert!(html.contains("raptors-trace explain"), "no causes: what finds them");
    assert!(html.contains("raptors-trace flamegraph"), "no samples: what takes them");
}

#[test]
fn trouble_and_many_calls_make_a_page_too() {
    let html = html(&fixtures::troubled());
    assert!(html.contains("control a @ a FAILED"), "a control that saw nothing");
    assert!(html.contains("<li class=\"warning\">the run was cut short"));
    let html = self::html(&fixtures::many_calls());
    assert!(html.contains("└ <code>scipy_cblas_sgemm64_</code>"), "a call inside of another");
}

#[test]
fn one_case_is_enough() {
    let html = html(&fixtures::single());
    assert_eq!(marks(&html, "ratios"), 2);
    assert!(html.contains("<h1>raptors is faster in operation float32 2048 × 2048: numpy ÷ raptors is 1.29×"));
}

#[test]
fn a_run_without_any_case_says_so() {
    let html = html(&Comparison::default());
    assert!(html.contains("<h1>No case was measured to its end"));
    assert!(!html.contains("<figure"));
}

#[test]
fn phases_that_were_not_measured_are_no_bars() {
    let mut comparison = fixtures::single();
    let sides = &mut comparison.cases[0].sides;
    for side in [&mut sides.a, &mut sides.b] {
        side.phases_ns = Phases::default();
        side.phases_ns_ci95 = PhaseIntervals::default();
    }
    let html = html(&comparison);
    assert!(html.contains("No phase of this case was measured."));
    assert!(html.contains("numpy is not drawn: the time of its kernel was not measured"));
    comparison.cases[0].sides.a.phases_ns.kernel = Some(5e5);
    let html = self::html(&comparison);
    assert!(html.contains("not measured\n</text>"), "B's bar says why it is not there");
}

#[test]
fn figures_that_are_no_numbers_are_not_drawn() {
    let mut comparison = fixtures::whole();
    for case in &mut comparison.cases[..2] {
        case.ratio.median = f64::NAN;
        case.ratio.ci95 = [f64::NAN, f64::INFINITY];
        case.sides.a.phases_ns.kernel = Some(f64::NAN);
        case.sides.b.bytes_per_op = Some(0.0);
    }
    comparison.cases[2].ratio.ci95 = [0.0, f64::NAN];
    comparison.machine.limit_gb_s.insert("1".into(), f64::NAN);
    let html = html(&comparison);
    assert_eq!(marks(&html, "ratios"), 2 * 2);
    assert_eq!(marks(&html, "roofline"), 2 * 4);
    let mut comparison = fixtures::single();
    comparison.cases[0].ratio.median = 0.0;
    assert!(self::html(&comparison).contains("No ratio is a number above 0"));
}

#[test]
fn without_a_peak_only_the_memory_is_drawn_and_that_is_said() {
    let mut comparison = fixtures::single();
    comparison.machine.peak_gflop_s.clear();
    let html = html(&comparison);
    assert!(html.contains("compute peak was not measured in this run, so only the memory roofs are drawn"));
    assert!(!html.contains("compute, float32"));
    comparison.machine.limit_gb_s.clear();
    comparison.cases[0].sides.a.calls[0].name = "np.exp[f->f]".into();
    comparison.cases[0].sides.b.calls.clear();
    let html = self::html(&comparison);
    assert!(html.contains("so there is no chart"));
    assert!(html.contains("floating-point operations of a call of np.exp[f-&gt;f] is unknown"));
    assert!(html.contains("raptors is not drawn: no computing call was seen"));
}

#[test]
fn names_stay_text() {
    for comparison in [fixtures::markup(), fixtures::hostile()] {
        let html = html(&comparison);
        assert_eq!(html.matches("<script").count(), 1, "the page's own");
        assert!(!html.contains("<img") && !html.contains("<i>odd"));
        assert!(!html.contains('\u{1b}') && !html.contains('\u{202e}'));
    }
    let html = html(&fixtures::markup());
    assert!(html.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    assert!(html.contains("'it'\\''s'"), "the command is quoted for a shell");
}

#[test]
fn nothing_is_fetched() {
    let html = html(&fixtures::found());
    assert!(!html.contains("http:") && !html.contains("https:") && !html.contains("url("));
    assert!(html.contains("default-src 'none'"));
}

#[test]
fn causes_have_their_verdicts_effects_and_mends() {
    let html = html(&fixtures::found());
    for text in [
        "class=\"finding supported\"",
        "class=\"finding refuted\"",
        "class=\"finding undecided\"",
        "raptors is faster by 120 µs [119 µs, 121 µs]",
        "97 % of the gap",
        "Its effect was not measured.",
        "Fix: keep `stores=&quot;stream&quot;`",
    ] {
        assert!(html.contains(text), "{text}");
    }
}

#[test]
fn smaller_sizes_are_drawn_with_the_caches_and_listed() {
    let mut comparison = fixtures::found();
    let page = html(&comparison);
    assert!(page.contains("Time per element by size"));
    // Wide and narrow: three sizes of two sides.
    assert_eq!(marks(&page, "causes"), 2 * 6);
    assert!(page.contains("256 × 256"));
    // What was not measured is not drawn.
    comparison.explained[0].sizes[1].a_ns = f64::NAN;
    comparison.explained[0].sizes[2].b_ns = 0.0;
    assert_eq!(marks(&html(&comparison), "causes"), 0, "one size is no line");
    comparison.explained[0].sizes.clear();
    assert!(!html(&comparison).contains("Time per element by size"));
}

#[test]
fn a_run_that_was_held_against_another_is_a_page() {
    let html = html(&fixtures::held());
    assert!(html.contains("2048 × 2048"));
    assert!(!html.chars().any(|c| c.is_control() && c != '\n'), "its other file's name is shown as text");
}

#[test]
fn a_gap_is_a_sum_on_the_page() {
    let html = html(&fixtures::found());
    for text in ["the gap as a sum", "residual", "neither setup makes a lock", "H1"] {
        assert!(html.contains(text), "{text}");
    }
}
