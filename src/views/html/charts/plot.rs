//! Lines, marks and text in a plane, in the few styles of the charts.

use std::io;

use plotters::coord::Shift;
use plotters::element::DashedPathElement;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// The drawing area.
pub type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
/// The result of drawing.
pub type Drawn = Result<(), DrawingAreaErrorKind<io::Error>>;

/// Height of text in pixels.
pub const FONT: u32 = 14;
/// The ratio of plotters' font size to the height.
const PLOTTERS_FONT: f64 = 1.24;
/// The width of a letter as a share of the height, rounded up.
const LETTER: f64 = 0.58;

/// Text and axes.
pub const INK: RGBColor = RGBColor(0x1c, 0x1e, 0x22);
/// Less important text and lines.
pub const FAINT: RGBColor = RGBColor(0x5a, 0x60, 0x6b);
/// Lines of a grid.
pub const LINE: RGBColor = RGBColor(0xd5, 0xd7, 0xdc);
/// Sides A and B: colours that colour-blind readers can distinguish, and different marks.
pub const SIDES: [RGBColor; 2] = [RGBColor(0x00, 0x72, 0xb2), RGBColor(0xc0, 0x4f, 0x00)];

/// The margin around the plane, in pixels.
pub const MARGIN: i32 = 10;

/// The alignment of a text at its position, and its colour.
#[derive(Clone, Copy)]
pub struct Text {
    horizontal: HPos,
    color: RGBColor,
}

impl Text {
    /// Begins at the position.
    pub const LEFT: Self = Self::of(HPos::Left, INK);
    /// Ends at the position.
    pub const RIGHT: Self = Self::of(HPos::Right, INK);
    /// Is centred at the position.
    pub const CENTRE: Self = Self::of(HPos::Center, INK);

    const fn of(horizontal: HPos, color: RGBColor) -> Self {
        Self { horizontal, color }
    }

    /// The same in another colour.
    pub const fn colored(self, color: RGBColor) -> Self {
        Self::of(self.horizontal, color)
    }
}

/// A plane with points in the units of the data; y increases upwards.
pub struct Plot<'a, 'b> {
    context: ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedF64, RangedF64>>,
}

type RangedF64 = plotters::coord::types::RangedCoordf64;
type Point = (f64, f64);

impl<'a, 'b> Plot<'a, 'b> {
    /// A plane over all of `area`, with margins of [`MARGIN`] at the left and right.
    ///
    /// # Errors
    /// The backend's.
    pub fn new(area: &'a Area<'b>, x: [f64; 2], y: [f64; 2]) -> Result<Self, DrawingAreaErrorKind<io::Error>> {
        let mut builder = ChartBuilder::on(area);
        builder.margin_left(MARGIN).margin_right(MARGIN);
        let context = builder.build_cartesian_2d(x[0]..x[1], y[0]..y[1])?;
        Ok(Self { context })
    }

    /// A line from point to point.
    pub fn line(&mut self, points: &[Point], color: RGBColor, width: u32) -> Drawn {
        let style = color.stroke_width(width);
        let path = PathElement::new(points.to_vec(), style);
        self.context.draw_series([path]).map(drop)
    }

    /// A dashed line.
    pub fn dashes(&mut self, points: &[Point], color: RGBColor, width: u32) -> Drawn {
        let points = points.iter().copied();
        let path = DashedPathElement::new(points, 14, 9, color.stroke_width(width));
        self.context.draw_series([path]).map(drop)
    }

    /// A filled rectangle.
    pub fn bar(&mut self, from: Point, to: Point, color: RGBColor) -> Drawn {
        let bar = Rectangle::new([from, to], color.filled());
        self.context.draw_series([bar]).map(drop)
    }

    /// The mark of a side: a circle for A, a triangle for B.
    pub fn mark(&mut self, side: usize, at: Point) -> Drawn {
        if side == 0 {
            let mark = Circle::new(at, 6, SIDES[0].filled());
            self.context.draw_series([mark]).map(drop)
        } else {
            let mark = TriangleMarker::new(at, 8, SIDES[1].filled());
            self.context.draw_series([mark]).map(drop)
        }
    }

    /// The mark of no side: an open circle.
    pub fn open_mark(&mut self, at: Point) -> Drawn {
        let mark = Circle::new(at, 5, FAINT.stroke_width(2));
        self.context.draw_series([mark]).map(drop)
    }

    /// Text at a point, offset by pixels to the right and down; its middle is at that height.
    pub fn text(&mut self, at: Point, offset: (i32, i32), text: &str, look: Text) -> Drawn {
        let size = f64::from(FONT) * PLOTTERS_FONT;
        let style = ("sans-serif", size).into_font().color(&look.color).pos(Pos::new(look.horizontal, VPos::Center));
        let text = plotters::element::Text::new(text.to_owned(), offset, style);
        self.context.draw_series([EmptyElement::at(at) + text]).map(drop)
    }
}

/// The beginning of a text that fits into the room, in pixels.
pub fn fitting(text: &str, room: u32) -> String {
    let letters = (f64::from(room) / (f64::from(FONT) * LETTER)) as usize;
    if text.chars().count() <= letters {
        return text.to_owned();
    }
    let kept = text.chars().take(letters.saturating_sub(1));
    kept.chain(['…']).collect()
}

/// The approximate width of a text in pixels.
pub fn width_of(text: &str) -> f64 {
    text.chars().count() as f64 * f64::from(FONT) * LETTER
}
