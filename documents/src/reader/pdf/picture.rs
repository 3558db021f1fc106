//! A page as a picture, for a person who compares values with it.

use hayro::vello_cpu::color::palette::css::WHITE;
use hayro::{PixmapSettings, RenderCache, RenderSettings, render};
use hayro_interpret::InterpreterSettings;

use super::opened;
use crate::reader::ReadError;

/// Pixels of the longer edge: letters of eight points can be read.
const EDGE: f32 = 1_400.0;

/// Draws a page, counted from 1, as a PNG file.
pub(crate) fn picture(bytes: &[u8], page: u32) -> Result<Vec<u8>, ReadError> {
    let damaged = |reason: &str| ReadError::Damaged { kind: "PDF", reason: reason.into() };
    let pdf = opened(bytes)?;
    let index = usize::try_from(page).ok().and_then(|page| page.checked_sub(1));
    let page = index.and_then(|index| pdf.pages().get(index)).ok_or_else(|| damaged("it has no such page"))?;
    let (width, height) = page.render_dimensions();
    let longer = width.max(height);
    // A page of no size, or of a size that is no number, cannot be drawn.
    if !(1.0..1_000_000.0).contains(&longer) || width.min(height) < 1.0 {
        return Err(damaged("the page has no size"));
    }
    #[expect(clippy::float_arithmetic, reason = "the size of a picture is no money")]
    let scale = EDGE / longer;
    let settings = PixmapSettings { x_scale: scale, y_scale: scale, bg_color: WHITE };
    let drawn =
        render(page, &RenderCache::new(), &InterpreterSettings::default(), &RenderSettings::default(), &settings);
    drawn.into_png().map_err(|_| damaged("the page cannot be drawn"))
}
