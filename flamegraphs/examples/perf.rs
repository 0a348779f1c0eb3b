//! Two recordings of perf, as roles and as a page with their flamegraphs:
//!
//! ```sh
//! perf record -e cpu-clock --call-graph dwarf -o a.data python a.py && perf script -i a.data > a.txt
//! perf record -e cpu-clock --call-graph dwarf -o b.data python b.py && perf script -i b.data > b.txt
//! cargo run -p raptors-flamegraphs --example perf -- a.txt 4000 b.txt 4000 index.html
//! ```
//!
//! The numbers are the operations that each recording contains.

use std::error::Error;
use std::fs::File;
use std::io::BufReader;

use raptors_flamegraphs::{
    Facts, Page, PerfScript, Phase, Picture, Profile, Roles, Scale, Side, Tag, Tree, View, draw_tree,
};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [a, a_operations, b, b_operations, page] = arguments.as_slice() else {
        return Err("usage: perf A.txt OPERATIONS B.txt OPERATIONS PAGE.html".into());
    };
    let (profile_a, facts_a) = read(a, a_operations.parse()?)?;
    let (profile_b, facts_b) = read(b, b_operations.parse()?)?;
    let roles = Roles::default();
    let (side_a, side_b) = (Side::new(&profile_a, Tag::A), Side::new(&profile_b, Tag::A));
    let phases = Phase::of_roles(side_a, side_b, &roles);
    for phase in &phases {
        let ns = |ns: Option<f64>| ns.unwrap_or(0.0);
        println!("{:12} {:12.0} ns {:12.0} ns", phase.name, ns(phase.a), ns(phase.b));
    }
    let draw =
        |tree: &Tree, title: &str, subtitle: &str| draw_tree(tree, &Picture { title, subtitle, ..Picture::default() });
    let pictures = [
        draw(&Tree::new(side_a, View::Stacks, &roles)?, a, &facts_a.to_string())?,
        draw(&Tree::new(side_b, View::Stacks, &roles)?, b, &facts_b.to_string())?,
        draw(&Tree::compare(side_a, side_b, View::Roles, &roles)?, &format!("{a} against {b}"), "")?,
    ];
    let html = Page {
        title: &format!("{a} against {b}"),
        notes: &[],
        sides: [a, b],
        pictures: [&pictures[0], &pictures[1], &pictures[2]],
        phases: &phases,
    };
    std::fs::write(page, html.html()?)?;
    Ok(())
}

/// The samples of `path`, weighed by the periods of `cpu-clock`, which are nanoseconds.
fn read(path: &str, operations: u64) -> Result<(Profile, Facts), Box<dyn Error>> {
    let script = PerfScript::read(BufReader::new(File::open(path)?))?;
    let mut profile = script.profile;
    let samples = profile.tags()[&Tag::A].0;
    let scale =
        Scale { seconds_per_sample: script.period as f64 * 1e-9 / samples as f64, operations: operations as f64 };
    profile.weigh(Tag::A, &scale)?;
    let facts =
        Facts { samples, rate: Some(1.0 / scale.seconds_per_sample), operations: Some(operations), ..Facts::default() };
    Ok((profile, facts))
}
