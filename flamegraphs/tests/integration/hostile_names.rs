//! A picture with names that try to break it is still a valid document.

use raptors_flamegraphs::{
    Error, Folded, Format, Frame, Page, Phase, Picture, Profile, Roles, Scale, Side, Tag, Tree, View, draw, draw_tree,
    export,
};
use roxmltree::{Document, Node, ParsingOptions};

const HOSTILE: [&str; 12] = [
    "<script>alert(1)</script>",
    "</svg>",
    "]]>",
    "<![CDATA[x",
    "&amp;&#x0;",
    "\"quoted\" 'twice'",
    "a;b",
    "operator new 12",
    "ends in infinity inf",
    "back\\slash",
    "naïve × ☃",
    "bell\u{7}null\u{0}escape\u{1b}",
];

fn picture_of(frames: &[&str], picture: &Picture<'_>) -> String {
    let mut folded = Folded::default();
    for (index, frame) in frames.iter().enumerate() {
        folded.add(["all of them", frame], 100 + index as u64).unwrap();
    }
    draw(&folded, picture).unwrap()
}

fn open(svg: &str) -> Document<'_> {
    // inferno's document has the SVG document type.
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    Document::parse_with_options(svg, options).unwrap_or_else(|error| panic!("{error}\n{svg}"))
}

fn named<'a>(document: &'a Document<'_>, tag: &str) -> Vec<Node<'a, 'a>> {
    document.descendants().filter(|node| node.has_tag_name(("http://www.w3.org/2000/svg", tag))).collect()
}

#[test]
fn every_name_arrives_as_text_and_as_nothing_else() {
    let svg = picture_of(&HOSTILE, &Picture::default());
    let document = open(&svg);
    let scripts = named(&document, "script").len();
    let harmless = picture_of(&["plain"], &Picture::default());
    assert_eq!(scripts, named(&open(&harmless), "script").len(), "a name became a script");
    let titles: Vec<&str> = named(&document, "title").into_iter().filter_map(|node| node.text()).collect();
    for (index, name) in HOSTILE.iter().enumerate() {
        let shown =
            name.replace(';', ":").replace([' ', '\u{a0}'], " ").replace(['\u{7}', '\u{0}', '\u{1b}'], "\u{fffd}");
        let count = 100 + index;
        let found = titles.iter().any(|title| {
            let title = title.replace('\u{a0}', " ");
            title.starts_with(&format!("{shown} (")) && title.contains(&format!("{count} samples"))
        });
        assert!(found, "{name:?} with {count} samples is not among {titles:#?}");
    }
}

#[test]
fn what_stands_around_the_picture_is_escaped_too() {
    for name in HOSTILE {
        let svg = picture_of(&["plain"], &Picture { title: name, subtitle: name, unit: name, ..Picture::default() });
        let document = open(&svg);
        let shown = name.replace(['\u{7}', '\u{0}', '\u{1b}'], "\u{fffd}");
        let text = |id: &str| {
            let node = document.descendants().find(|node| node.attribute("id") == Some(id));
            node.and_then(|node| node.text()).map(str::to_owned)
        };
        assert_eq!(text("title"), Some(shown.clone()));
        assert_eq!(text("subtitle"), Some(shown));
    }
}

#[test]
fn no_samples_are_an_error_and_not_an_empty_picture() {
    let error = draw(&Folded::default(), &Picture::default()).unwrap_err();
    assert!(matches!(error, Error::NoSamples));
    assert_eq!(error.to_string(), "there are no samples, so there is no flamegraph to draw");
}

#[test]
fn equal_input_gives_an_equal_picture() {
    let draw_again = || picture_of(&["one", "two"], &Picture::default());
    assert_eq!(draw_again(), draw_again());
}

#[test]
fn names_cannot_leave_the_page_or_a_file_for_another_tool() {
    let page = |names: &[&str]| {
        let mut profile = Profile::default();
        for (index, name) in names.iter().enumerate() {
            let thread = profile.thread_id(name);
            let frames = ["multiply", name].map(|name| profile.intern(Frame::native(name)));
            for tag in [Tag::A, Tag::B] {
                profile.add(frames, thread, tag, 100 + index as u64);
            }
        }
        let scale = Scale { seconds_per_sample: 0.004, operations: 10.0 };
        for tag in [Tag::A, Tag::B] {
            profile.weigh(tag, &scale).unwrap();
        }
        for format in Format::ALL {
            let file = export(&profile, format, names[0]).unwrap();
            if !matches!(format, Format::Folded | Format::Pprof) {
                serde_json::from_slice::<serde_json::Value>(&file).unwrap();
            }
        }
        let roles = Roles::default();
        let (a, b) = (Side::new(&profile, Tag::A), Side::new(&profile, Tag::B));
        let tree = Tree::compare(a, b, View::Roles, &roles).unwrap();
        let svg = draw_tree(&tree, &Picture::default()).unwrap();
        open(&svg);
        let phases = [Phase { name: names[0].to_owned(), a: Some(1.0), b: None }];
        let notes = names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let page = Page {
            title: names[0],
            notes: &notes,
            sides: [names[0], names[1]],
            pictures: [&svg, &svg, &svg],
            phases: &phases,
        };
        page.html().unwrap()
    };
    let harmless: Vec<String> = (0..HOSTILE.len()).map(|index| format!("plain {index}")).collect();
    let harmless: Vec<&str> = harmless.iter().map(String::as_str).collect();
    // Every `<` and every quote of an attribute is the page's own; those in names are escaped.
    let marks = |page: &str| ['<', '>', '"'].map(|mark| page.matches(mark).count());
    assert_eq!(marks(&page(&HOSTILE)), marks(&page(&harmless)));
}

#[test]
fn a_stack_ten_thousand_deep_is_drawn_as_far_as_a_browser_can() {
    let mut folded = Folded::default();
    folded.add(vec!["f"; 10_000], 3).unwrap();
    let svg = draw(&folded, &Picture::default()).unwrap();
    let document = open(&svg);
    let titles = named(&document, "title").len();
    assert_eq!(titles, 501);
    assert!(svg.contains("frames more than 500 deep are not drawn"));
}
