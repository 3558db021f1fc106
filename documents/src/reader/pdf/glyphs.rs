//! Words and ruling lines of a page, out of its drawing instructions.

use hayro_interpret::font::{Glyph, GlyphRun};
use hayro_interpret::hayro_cmap::BfString;
use hayro_interpret::kurbo::{Affine, BezPath, PathSeg, Point, Rect, Shape as _};
use hayro_interpret::{BlendMode, ClipPath, Device, DrawMode, DrawProps, Image, ImageDrawProps, SoftMask};

/// Most words and ruling lines that are kept of one page.
const LIMIT: usize = 50_000;
/// Thinner than this, in hundredths of a point, a filled rectangle is a line.
const THIN: i32 = 300;
/// Shorter than this a line is no ruling.
const SHORT: i32 = 400;
/// Units in which fonts measure.
const EM: f64 = 1000.0;
/// Width of a glyph whose font does not tell.
const HALF: f64 = 500.0;

/// A word, in hundredths of a point from the upper left corner of the page.
#[derive(Debug, Clone)]
pub(super) struct Word {
    pub(super) left: i32,
    pub(super) right: i32,
    pub(super) top: i32,
    pub(super) bottom: i32,
    pub(super) text: String,
}

impl Word {
    pub(super) fn height(&self) -> i32 {
        self.bottom - self.top
    }
}

/// A ruling line; `from` is left of or above `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) upright: bool,
    /// The coordinate that both ends share.
    pub(super) at: i32,
    pub(super) from: i32,
    pub(super) to: i32,
}

/// What stands on a page.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) number: u32,
    pub(super) words: Vec<Word>,
    pub(super) rules: Vec<Rule>,
    pub(super) unmapped: usize,
    pub(super) cut: bool,
}

/// Takes drawing instructions.
#[derive(Debug, Default)]
pub(super) struct Sink {
    page: Page,
    word: Option<Word>,
    baseline: i32,
}

/// A coordinate as a whole number; what is far off any page is at its edge.
#[expect(clippy::cast_possible_truncation, reason = "clamped before; NaN becomes 0")]
pub(super) fn whole(value: f64) -> i32 {
    value.clamp(-10_000_000.0, 10_000_000.0) as i32
}

impl Sink {
    pub(super) fn finish(mut self, number: u32) -> Page {
        self.end_word();
        self.page.number = number;
        self.page
    }

    fn end_word(&mut self) {
        let Some(word) = self.word.take() else { return };
        if word.text.trim().is_empty() {
            return;
        }
        if self.page.words.len() >= LIMIT {
            self.page.cut = true;
            return;
        }
        self.page.words.push(word);
    }

    fn glyph(&mut self, glyph: &Glyph<'_>, transform: Affine) {
        let text = match glyph.as_unicode() {
            Some(BfString::Char(c)) => c.to_string(),
            Some(BfString::String(text)) => text,
            None => {
                self.page.unmapped += 1;
                "\u{fffd}".into()
            }
        };
        let advance = match glyph {
            Glyph::Outline(glyph) => glyph.advance_width(),
            Glyph::Type3(glyph) => glyph.advance_width(),
        };
        let origin = transform * Point::ZERO;
        let end = transform * Point::new(advance.map_or(HALF, f64::from), 0.0);
        let up = transform * Point::new(0.0, EM);
        let size = (whole(origin.y) - whole(up.y)).abs().max((whole(up.x) - whole(origin.x)).abs()).max(1);
        let (left, right, baseline) = (whole(origin.x.min(end.x)), whole(origin.x.max(end.x)), whole(origin.y));
        if text.trim_matches(|c: char| c.is_whitespace() || c == '\u{a0}').is_empty() {
            self.end_word();
            return;
        }
        let goes_on = self.word.as_ref().is_some_and(|word| {
            (baseline - self.baseline).abs() * 5 < size
                && (left - word.right) * 5 < size
                && (left - word.right) * 2 > -size
        });
        if !goes_on {
            self.end_word();
        }
        self.baseline = baseline;
        let (top, bottom) = (baseline - size * 4 / 5, baseline + size / 5);
        match &mut self.word {
            Some(word) => {
                word.right = word.right.max(right);
                word.top = word.top.min(top);
                word.bottom = word.bottom.max(bottom);
                word.text.push_str(&text);
            }
            None => self.word = Some(Word { left, right, top, bottom, text }),
        }
    }

    fn rule(&mut self, a: Point, b: Point) {
        let (ax, ay, bx, by) = (whole(a.x), whole(a.y), whole(b.x), whole(b.y));
        let rule = if (ay - by).abs() <= 100 && (ax - bx).abs() >= SHORT {
            Rule { upright: false, at: i32::midpoint(ay, by), from: ax.min(bx), to: ax.max(bx) }
        } else if (ax - bx).abs() <= 100 && (ay - by).abs() >= SHORT {
            Rule { upright: true, at: i32::midpoint(ax, bx), from: ay.min(by), to: ay.max(by) }
        } else {
            return;
        };
        if self.page.rules.len() < LIMIT {
            self.page.rules.push(rule);
        }
    }

    fn rectangle(&mut self, rect: Rect, stroked: bool) {
        let (width, height) = (whole(rect.width()), whole(rect.height()));
        let (top_left, top_right) = (Point::new(rect.x0, rect.y0), Point::new(rect.x1, rect.y0));
        let (bottom_left, bottom_right) = (Point::new(rect.x0, rect.y1), Point::new(rect.x1, rect.y1));
        if height <= THIN && width > height {
            self.rule(top_left, top_right);
        } else if width <= THIN && height > width {
            self.rule(top_left, bottom_left);
        } else if stroked {
            self.rule(top_left, top_right);
            self.rule(bottom_left, bottom_right);
            self.rule(top_left, bottom_left);
            self.rule(top_right, bottom_right);
        }
    }
}

impl<'a> Device<'a> for Sink {
    fn draw_path(&mut self, path: &BezPath, props: DrawProps<'a>, mode: &DrawMode) {
        let path = props.transform * path.clone();
        match mode {
            DrawMode::Stroke(_) | DrawMode::FillAndStroke(..) => {
                for segment in path.segments().take(LIMIT) {
                    if let PathSeg::Line(line) = segment {
                        self.rule(line.p0, line.p1);
                    }
                }
            }
            DrawMode::Fill(_) => {
                // A filled outline of four lines is a rectangle; one path may hold many.
                for part in path
                    .elements()
                    .split(|segment| matches!(segment, hayro_interpret::kurbo::PathEl::ClosePath))
                    .take(LIMIT)
                {
                    if (2..=6).contains(&part.len()) {
                        self.rectangle(BezPath::from_vec(part.to_vec()).bounding_box(), false);
                    }
                }
            }
            DrawMode::Invisible => {}
        }
    }

    fn push_clip_path(&mut self, _: &ClipPath) {}

    fn push_transparency_group(&mut self, _: f32, _: Option<SoftMask<'a>>, _: BlendMode) {}

    fn draw_glyph_run(&mut self, run: &GlyphRun<'_, 'a>, props: DrawProps<'a>, _: &DrawMode) {
        for glyph in run.glyphs() {
            self.glyph(glyph, props.transform * glyph.transform());
        }
    }

    fn draw_image(&mut self, _: Image<'a, '_>, _: ImageDrawProps<'a>) {}

    fn pop_clip(&mut self) {}

    fn pop_transparency_group(&mut self) {}
}
