//! The output for a fixed profile, compared with files.

use raptors_flamegraphs::{Format, export};
use similar::TextDiff;

use crate::common;

fn hold(name: &str, made: &[u8]) {
    let path = common::golden(name);
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, made).unwrap();
        return;
    }
    let golden = std::fs::read(&path).unwrap_or_else(|error| panic!("{name}: {error}; write it with BLESS=1"));
    if golden == made {
        return;
    }
    let (old, new) = (String::from_utf8_lossy(&golden), String::from_utf8_lossy(made));
    // A picture is one line.
    let (old, new) = (old.replace("><", ">\n<"), new.replace("><", ">\n<"));
    let diff = TextDiff::from_lines(&old, &new);
    let diff = diff.unified_diff().context_radius(1).header("golden", "made").to_string();
    let shown: String = diff.chars().take(4000).collect();
    panic!("{name} is not what it was; if that is meant, run with BLESS=1\n{shown}");
}

#[test]
fn pictures_and_page_are_as_they_were() {
    let profile = common::profile();
    let [a, b, difference] = common::pictures(&profile);
    hold("a.svg", a.as_bytes());
    hold("b.svg", b.as_bytes());
    hold("diff.svg", difference.as_bytes());
    hold("index.html", common::page(&profile).as_bytes());
}

#[test]
fn files_for_other_tools_are_as_they_were() {
    let profile = common::profile();
    for format in Format::ALL {
        let made = export(&profile, format, "a * 2.5 against r.scale(2.5)").unwrap();
        hold(&format!("sample.{}", format.extension()), &made);
        assert_eq!(made, export(&profile, format, "a * 2.5 against r.scale(2.5)").unwrap());
    }
}
