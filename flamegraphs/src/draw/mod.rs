//! Folded stacks as pictures.

pub(crate) mod colour;
mod facts;
mod layout;
mod svg;

use inferno::flamegraph::{self, Options, TextTruncateDirection};

use crate::profile::{Kind, Unit};
use crate::text::printable;
use crate::tree::{Node, Tree};
use crate::{Error, Folded, Profile, Role, Roles, Side, Tag, View};
pub use facts::Facts;
pub(crate) use facts::{signed_time, time};
use layout::Layout;
pub use layout::NARROWEST;
use svg::{Key, Painted};

/// The text around a picture.
#[derive(Clone, Copy, Debug)]
pub struct Picture<'a> {
    /// Its title, as plain text.
    pub title: &'a str,
    /// A line under the title, as plain text; empty for none.
    pub subtitle: &'a str,
    /// The unit of the weights, in the plural, if it is not time.
    pub unit: &'a str,
    /// Frames narrower than this part of the picture are left out.
    pub narrowest: f64,
}

impl Default for Picture<'_> {
    fn default() -> Self {
        Picture { title: "Flamegraph", subtitle: "", unit: "samples", narrowest: NARROWEST }
    }
}

/// Draws `folded` as a standalone SVG document. Equal input gives an equal picture.
///
/// Characters that XML cannot carry, control characters mostly, appear as U+FFFD.
///
/// # Errors
/// [`Error::NoSamples`] instead of an empty picture; [`Error::Draw`].
pub fn draw(folded: &Folded, picture: &Picture<'_>) -> Result<String, Error> {
    let profile = Profile::from(folded);
    let roles = Roles::default();
    let tree = Tree::new(Side::new(&profile, Tag::A), View::Stacks, &roles)?;
    draw_tree(&tree, picture)
}

/// Draws a tree as a standalone SVG document. One side: frames in the colours of their roles. Two sides: each frame is
/// red if B spends more in it and all its callees, blue if less, and as wide as both together. Equal input gives an
/// equal picture.
///
/// Frames too narrow to see are left out, and those more than 500 deep. Characters that XML cannot represent appear as
/// U+FFFD.
///
/// # Errors
/// [`Error::Draw`].
pub fn draw_tree(tree: &Tree, picture: &Picture<'_>) -> Result<String, Error> {
    let layout = Layout::new(tree, picture.narrowest);
    let painter = Painter::new(tree, picture);
    let frames: Vec<Painted> = layout.nodes.iter().map(|&node| painter.paint(&tree.nodes()[node])).collect();
    let mut options = Options::default();
    options.title = printable(picture.title).into_owned();
    options.subtitle = Some(printable(picture.subtitle).into_owned()).filter(|text| !text.is_empty());
    options.deterministic = true;
    options.no_sort = true;
    options.min_width = 0.0;
    options.name_type = String::new();
    options.text_truncate_direction = TextTruncateDirection::Right;
    options.notes = "drawn by raptors-flamegraphs".to_owned();
    let mut picture = Vec::new();
    let lines = layout.lines.iter().map(String::as_str);
    flamegraph::from_lines(&mut options, lines, &mut picture).map_err(Error::Draw)?;
    let picture = String::from_utf8_lossy(&picture);
    svg::dress(&picture, &frames, &legend(tree, layout.cut)).map_err(Error::Draw)
}

struct Painter<'a> {
    tree: &'a Tree,
    unit: &'a str,
    /// The largest difference of any frame.
    largest: f64,
}

impl<'a> Painter<'a> {
    fn new(tree: &'a Tree, picture: &Picture<'a>) -> Self {
        let largest = tree.nodes().iter().map(|node| node.delta().abs()).fold(0.0, f64::max);
        Painter { tree, unit: picture.unit, largest }
    }

    fn paint(&self, node: &Node) -> Painted {
        let colour = match self.tree.compared {
            true if self.largest > 0.0 => colour::of_difference(node.delta() / self.largest),
            true => colour::of_difference(0.0),
            false => colour::of_role(node.role).to_owned(),
        };
        Painted {
            name: printable(&node.name).into_owned(),
            details: self.details(node).replace(['(', ')'], "|"),
            colour,
        }
    }

    fn details(&self, node: &Node) -> String {
        let root = &self.tree.nodes()[0];
        let percent = |side: usize| 100.0 * node.total[side] / root.total[side];
        let mut details = match (self.tree.compared, self.tree.unit()) {
            (true, _) => format!(
                "A {}, B {}, difference {}",
                time(node.total[0]),
                time(node.total[1]),
                signed_time(node.delta())
            ),
            (false, Unit::Samples) => {
                format!("{:.0} {}, {:.2}%", node.total[0], printable(self.unit), percent(0))
            }
            (false, Unit::NanosecondsPerOperation) => {
                format!("{} per operation, {:.2}%", time(node.total[0]), percent(0))
            }
        };
        let is_role = |role: Role| role.name() == &*node.name;
        if let Some(role) = node.role.filter(|role| !is_role(*role)) {
            details.push_str(&format!(", {role}"));
        }
        if node.kind == Kind::Kernel {
            details.push_str(", operating system");
        }
        let place = node.file.as_deref().unwrap_or(&node.module);
        if !place.is_empty() {
            details.push_str(&format!(", {}", printable(place)));
        }
        details
    }
}

/// The meaning of the colours that occur.
fn legend(tree: &Tree, cut: bool) -> Vec<Key> {
    let mut legend: Vec<Key> = if tree.compared {
        vec![
            (colour::of_difference(1.0), "B spends more".to_owned()),
            (colour::of_difference(0.0), "no difference".to_owned()),
            (colour::of_difference(-1.0), "B spends less".to_owned()),
            (String::new(), "width: A and B together".to_owned()),
        ]
    } else {
        let has = |role: Role| tree.nodes().iter().any(|node| node.role == Some(role));
        let shown = Role::ALL.into_iter().filter(|role| has(*role));
        shown.map(|role| (colour::of_role(Some(role)).to_owned(), role.name().to_owned())).collect()
    };
    if cut {
        let note = format!("frames more than {} deep are not drawn", layout::DEEPEST);
        legend.push((String::new(), note));
    }
    legend
}
