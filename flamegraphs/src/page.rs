//! The three pictures on one page.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::draw::{colour, signed_time, time};
use crate::text::printable;
use crate::{Error, Role, Roles, Side};

/// Each frame has its own document, so that the scripts and searches of three pictures do not mix. It has no address
/// that the scripts could change.
const FRAME_HEAD: &str = "<!doctype html><meta charset=\"utf-8\"><meta name=\"color-scheme\" content=\"light dark\">\
    <style>html, body { margin: 0; overflow: hidden; } svg { display: block; width: 100%; }</style>\
    <script>history.replaceState = () => {};</script>";

/// A row of the table: a part of an operation and its cost on each side.
#[derive(Clone, Debug, PartialEq)]
pub struct Phase {
    /// Its name; the name of a role gets the role's colour.
    pub name: String,
    /// Nanoseconds per operation on side A; none if unknown.
    pub a: Option<f64>,
    /// On side B.
    pub b: Option<f64>,
}

impl Phase {
    /// The roles of two sides, from the samples: those in which either side spends time, in the order of an operation,
    /// and finally the time without a role.
    pub fn of_roles(a: Side<'_>, b: Side<'_>, roles: &Roles) -> Vec<Phase> {
        let (a, b) = (a.by_role(roles), b.by_role(roles));
        let every = Role::ALL.into_iter().map(Some).chain([None]);
        let phase = |role: Option<Role>| Phase {
            name: role.map_or("no role", Role::name).to_owned(),
            a: Some(a.get(&role).copied().unwrap_or(0.0)),
            b: Some(b.get(&role).copied().unwrap_or(0.0)),
        };
        let is_spent = |phase: &Phase| phase.a != Some(0.0) || phase.b != Some(0.0);
        every.map(phase).filter(is_spent).collect()
    }
}

/// The content of the page. All text is plain text.
#[derive(Clone, Debug, Default)]
pub struct Page<'a> {
    /// The title: the comparison.
    pub title: &'a str,
    /// Lines under the title: the machine, versions, warnings.
    pub notes: &'a [String],
    /// The names of the sides.
    pub sides: [&'a str; 2],
    /// The pictures of side A, of side B and of their difference, as [`crate::draw_tree`] makes them; the last two are
    /// empty if there is only one side.
    pub pictures: [&'a str; 3],
    /// The table.
    pub phases: &'a [Phase],
}

impl Page<'_> {
    /// The page as one file that needs no other file.
    ///
    /// # Errors
    /// [`Error::Page`] if a picture is invalid.
    pub fn html(&self) -> Result<String, Error> {
        let [a, b, difference] = self.pictures;
        let [name_a, name_b] = self.sides;
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    title { (printable(self.title)) }
                    style { (PreEscaped(include_str!("page.css"))) }
                }
                body {
                    h1 { (printable(self.title)) }
                    @for note in self.notes { p { (printable(note)) } }
                    @if !self.phases.is_empty() { (self.table()) }
                    p { "Click on a frame to enlarge it; search with Ctrl-F inside a picture." }
                    div class="pictures" {
                        @if !difference.is_empty() {
                            (figure("difference", "Difference by role, then by frame", difference)?)
                        }
                        (figure("a", &format!("A: {}", printable(name_a)), a)?)
                        @if !self.is_of_one() { (figure("b", &format!("B: {}", printable(name_b)), b)?) }
                    }
                }
            }
        };
        Ok(page.into_string())
    }

    fn is_of_one(&self) -> bool {
        self.pictures[1].is_empty()
    }

    fn table(&self) -> Markup {
        if self.is_of_one() {
            return self.table_of_one();
        }
        let [name_a, name_b] = self.sides;
        let sum = |column: fn(&Phase) -> Option<f64>| self.phases.iter().map(column).sum();
        let all = Phase { name: "sum".to_owned(), a: sum(|phase| phase.a), b: sum(|phase| phase.b) };
        html! {
            table {
                thead { tr { th { "per operation" } th { "A: " (printable(name_a)) } th { "B: \
                    " (printable(name_b)) } th { "B − A" } } }
                tbody { @for phase in self.phases { (row(phase)) } }
                tfoot { (row(&all)) }
            }
        }
    }

    fn table_of_one(&self) -> Markup {
        html! {
            table {
                thead { tr { th { "role" } th { "CPU time" } } }
                tbody {
                    @for phase in self.phases {
                        tr {
                            td { (printable(&phase.name)) }
                            td { (phase.a.map_or("–".to_owned(), time)) }
                        }
                    }
                }
            }
        }
    }
}

fn row(phase: &Phase) -> Markup {
    let role = Role::ALL.into_iter().find(|role| role.name() == phase.name);
    let known = |ns: Option<f64>| ns.map_or("–".to_owned(), time);
    let difference = phase.a.zip(phase.b).map(|(a, b)| b - a);
    let class = match difference {
        Some(ns) if ns > 0.0 => "more",
        Some(ns) if ns < 0.0 => "less",
        _ => "",
    };
    html! {
        tr {
            td {
                @if role.is_some() {
                    span class="swatch" style=(format!("background:{}", colour::of_role(role))) {}
                }
                (printable(&phase.name))
            }
            td { (known(phase.a)) }
            td { (known(phase.b)) }
            td class=(class) { (difference.map_or("–".to_owned(), signed_time)) }
        }
    }
}

fn figure(class: &str, caption: &str, svg: &str) -> Result<Markup, Error> {
    let frame = PreEscaped(frame(caption, svg)?);
    Ok(html! { figure class=(class) { figcaption { (caption) } (frame) } })
}

/// A picture from [`crate::draw_tree`] as an HTML element: a frame with its own document, which can reach neither the
/// page around it nor the network. `title` is plain text.
///
/// # Errors
/// [`Error::Page`] if it is not a picture.
pub fn frame(title: &str, svg: &str) -> Result<String, Error> {
    // The XML declaration and the document type belong to the file, not to the picture.
    let start = svg.find("<svg").ok_or(Error::Page)?;
    let document = [FRAME_HEAD, &svg[start..]].concat();
    let height = height(svg).ok_or(Error::Page)?;
    // The search uses a dialogue.
    let frame = html! {
        iframe title=(title) height=(height) sandbox="allow-scripts allow-modals" srcdoc=(document) {}
    };
    Ok(frame.into_string())
}

/// The height in the picture's own attributes.
fn height(svg: &str) -> Option<u32> {
    let start = svg.split_once("<svg")?.1;
    let value = start.split_once(" height=\"")?.1;
    value.split_once('"')?.0.parse().ok()
}
