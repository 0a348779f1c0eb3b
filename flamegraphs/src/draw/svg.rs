//! inferno's picture with this crate's names, colours and legend.
//!
//! inferno colours a frame of a comparison by the samples that end in it (inferno issue 295), and knows functions, not
//! paths. It therefore lays out numbers, and each frame's name, text and colour are inserted here. Every name is
//! written as XML text or an attribute, so none gets in unescaped.

use std::io::Error;

use quick_xml::events::{BytesEnd, BytesStart, BytesText, Event};
use quick_xml::{Reader, Writer};

use super::layout;

/// The height of a line of the legend and the width of its lines, in pixels: a picture may be shown at half its width,
/// beside another.
const STRIP: usize = 18;
const STRIP_WIDTH: usize = 560;
/// The width of a swatch with the space after it, and the position of the first one, in pixels.
const SWATCH: usize = 17;
const LEFT: usize = 10;
/// inferno's values, in pixels: a letter of its font, the margins left and right of the frames, and the picture.
const LETTER: f64 = 12.0 * 0.59;
pub(super) const IMAGE: usize = 1280;

/// Replaces inferno's style, which is for a light page.
const STYLE: &str = "
svg > rect { fill:#ffffff; }
#title, #subtitle, #details, #matched, #search, #unzoom, .legend text { fill:#1c1e22; }
#subtitle { opacity:0.75; }
#search { opacity:0.8; }
#frames text { fill:#000000; pointer-events:none; }
#frames > * > rect { rx:1px; }
@media (prefers-color-scheme: dark) {
svg > rect { fill:#15171c; }
#title, #subtitle, #details, #matched, #search, #unzoom, .legend text { fill:#e8e8ea; }
#frames > *:hover { stroke:white; }
}
";

/// A drawn frame.
pub(super) struct Painted {
    pub name: String,
    /// The text after the name in parentheses; contains no parentheses.
    pub details: String,
    pub colour: String,
}

/// A colour and its meaning.
pub(super) type Key = (String, String);

/// Inserts `frames`, by their number, into a picture of numbers.
pub(super) fn dress(svg: &str, frames: &[Painted], legend: &[Key]) -> Result<String, Error> {
    let mut dress = Dress {
        out: Writer::new(Vec::with_capacity(svg.len() * 2)),
        frames,
        legend,
        open: Vec::new(),
        places: places(legend),
        frame: None,
        room: 0,
        height: 0,
    };
    let mut reader = Reader::from_str(svg);
    loop {
        match reader.read_event().map_err(Error::other)? {
            Event::Eof => break,
            event => dress.event(event)?,
        }
    }
    String::from_utf8(dress.out.into_inner()).map_err(Error::other)
}

struct Dress<'a> {
    out: Writer<Vec<u8>>,
    frames: &'a [Painted],
    legend: &'a [Key],
    /// The beginning of each entry of the legend: pixels from the left, and the line.
    places: Vec<(usize, usize)>,
    /// The elements that are open, by name.
    open: Vec<String>,
    /// The frame of the open element.
    frame: Option<&'a Painted>,
    /// The number of letters that fit into it.
    room: usize,
    /// The picture's height, without the legend.
    height: usize,
}

impl Dress<'_> {
    fn event(&mut self, event: Event<'_>) -> Result<(), Error> {
        match event {
            Event::Start(element) => {
                let name = text(element.name().as_ref());
                let element = if self.open.is_empty() { self.taller(&element)? } else { element };
                self.open.push(name);
                self.out.write_event(Event::Start(element))
            }
            Event::End(element) => self.close(element),
            Event::Empty(rect) if rect.name().as_ref() == b"rect" => {
                let rect = if self.is_in_frame() { self.coloured(&rect)? } else { self.background(&rect)? };
                self.out.write_event(Event::Empty(rect))
            }
            Event::Text(_) | Event::GeneralRef(_) if self.is_in_frame() => self.named(event),
            other => self.out.write_event(other),
        }
    }

    fn is_in_frame(&self) -> bool {
        self.open.len() > 2 && self.open[1] == "svg"
    }

    fn close(&mut self, element: BytesEnd<'_>) -> Result<(), Error> {
        let name = self.open.pop();
        match name.as_deref() {
            Some("style") => {
                self.out.write_event(Event::Text(BytesText::from_escaped(STYLE)))?;
            }
            // inferno writes an empty text for narrow frames.
            Some("g") => self.frame = None,
            Some("svg") if self.open.is_empty() => self.legend()?,
            _ => {}
        }
        self.out.write_event(Event::End(element))
    }

    /// Makes the picture higher for the legend.
    fn taller(&mut self, svg: &BytesStart<'_>) -> Result<BytesStart<'static>, Error> {
        let height = attribute(svg, "height")?;
        self.height = height.parse().map_err(Error::other)?;
        let height = self.full_height();
        with(svg, &[("height", height.to_string()), ("viewBox", format!("0 0 {IMAGE} {height}"))])
    }

    fn full_height(&self) -> usize {
        let lines = self.places.last().map_or(0, |(_, line)| line + 1);
        self.height + lines * STRIP + 8
    }

    fn background(&self, rect: &BytesStart<'_>) -> Result<BytesStart<'static>, Error> {
        with(rect, &[("height", self.full_height().to_string())])
    }

    fn coloured(&mut self, rect: &BytesStart<'_>) -> Result<BytesStart<'static>, Error> {
        let width = attribute(rect, "width")?;
        let width: f64 = width.trim_end_matches('%').parse().map_err(Error::other)?;
        self.room = (width / 100.0 * (IMAGE as f64 - 20.0) / LETTER) as usize;
        let frame = self.frame.ok_or_else(|| Error::other("a frame without a name"))?;
        with(rect, &[("fill", frame.colour.clone())])
    }

    /// The title of a frame, which holds its number, or the text on it.
    fn named(&mut self, event: Event<'_>) -> Result<(), Error> {
        let Event::Text(found) = event else {
            return Ok(());
        };
        if self.open.last().is_some_and(|name| name == "title") {
            let found = text(&found);
            let number = found.split(' ').next().and_then(layout::number);
            self.frame = self.frames.get(number.unwrap_or(0));
        }
        let Some(frame) = self.frame else {
            return Ok(());
        };
        let shown = match self.open.last().map(String::as_str) {
            Some("title") => format!("{} ({})", frame.name, frame.details),
            _ => shortened(&frame.name, self.room),
        };
        self.out.write_event(Event::Text(BytesText::new(&shown)))
    }

    fn legend(&mut self) -> Result<(), Error> {
        let group = BytesStart::new("g").with_attributes([("class", "legend")]);
        self.out.write_event(Event::Start(group))?;
        for ((colour, meaning), &(mut x, line)) in self.legend.iter().zip(&self.places) {
            let y = self.height + line * STRIP;
            if !colour.is_empty() {
                let place = [("x", x.to_string()), ("y", y.to_string()), ("fill", colour.clone())];
                let size = [("width", "12".to_owned()), ("height", "12".to_owned())];
                let swatch = element("rect", place.into_iter().chain(size));
                self.out.write_event(Event::Empty(swatch))?;
                x += SWATCH;
            }
            let place = [("x", x.to_string()), ("y", (y + 10).to_string())];
            self.out.write_event(Event::Start(element("text", place)))?;
            self.out.write_event(Event::Text(BytesText::new(meaning)))?;
            self.out.write_event(Event::End(BytesEnd::new("text")))?;
        }
        self.out.write_event(Event::End(BytesEnd::new("g")))
    }
}

/// The positions of the entries of a legend, in lines of limited width.
fn places(legend: &[Key]) -> Vec<(usize, usize)> {
    let (mut x, mut line) = (LEFT, 0);
    let mut place = |(colour, meaning): &Key| {
        let swatch = if colour.is_empty() { 0 } else { SWATCH };
        let width = swatch + (meaning.chars().count() as f64 * LETTER) as usize;
        if x > LEFT && x + width > STRIP_WIDTH {
            (x, line) = (LEFT, line + 1);
        }
        let begin = (x, line);
        x += width + SWATCH;
        begin
    };
    legend.iter().map(&mut place).collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn attribute(element: &BytesStart<'_>, name: &str) -> Result<String, Error> {
    let found = element.try_get_attribute(name).map_err(Error::other)?;
    let found = found.ok_or_else(|| Error::other(format!("no {name}")))?;
    Ok(text(&found.value))
}

fn element<'a>(name: &'a str, attributes: impl IntoIterator<Item = (&'static str, String)>) -> BytesStart<'a> {
    let mut element = BytesStart::new(name);
    for (name, value) in attributes {
        element.push_attribute((name, value.as_str()));
    }
    element
}

/// The element with these attributes instead of its own ones of the same names.
fn with(element: &BytesStart<'_>, changed: &[(&str, String)]) -> Result<BytesStart<'static>, Error> {
    let mut new = BytesStart::new(text(element.name().as_ref()));
    for attribute in element.attributes() {
        let attribute = attribute.map_err(Error::other)?;
        let key = attribute.key.as_ref();
        match changed.iter().find(|(name, _)| name.as_bytes() == key) {
            Some((name, value)) => new.push_attribute((*name, value.as_str())),
            None => new.push_attribute(attribute),
        }
    }
    Ok(new)
}

/// The beginning of a name, as far as there is room.
fn shortened(name: &str, room: usize) -> String {
    if room < 3 {
        return String::new();
    }
    if name.chars().count() < room {
        return name.to_owned();
    }
    name.chars().take(room - 2).chain("..".chars()).collect()
}
