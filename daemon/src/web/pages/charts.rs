//! Charts, drawn here as SVG: bars, lines, a waterfall. Each carries the table of what it shows. Colours come from the style
//! sheet by class; coordinates are whole numbers.

use std::fmt::Write as _;

use milestoned_mapping::money::{Money, grouped};

/// Width and height of a drawing, and the room below and above it. It is about as wide as it is shown, so that its labels are as
/// large as other small text.
const WIDTH: i128 = 420;
const HEIGHT: i128 = 160;
/// The widest that the place of one value is: a few values do not fill a drawing.
const WIDEST: i128 = 84;
const BELOW: i128 = 34;
const ABOVE: i128 = 8;
/// Height of a line of a label, and about half the width of one of its letters.
const LINE: i128 = 13;
const HALF_LETTER: i128 = 3;
/// Letters of a label that stand in one line.
const LETTERS: usize = 9;

/// One value of a chart.
#[derive(Debug, Clone)]
pub(super) struct Bar {
    /// What it is of.
    label: String,
    /// Its size; none: there is no value, and nothing is drawn.
    size: Option<i128>,
    /// The value as people read it.
    text: String,
}

impl Bar {
    pub(super) fn new(label: impl Into<String>, amount: Money) -> Self {
        Self::sized(label, Some(amount.units().units()), grouped(&amount.to_string()))
    }

    /// A value that is no money.
    pub(super) fn sized(label: impl Into<String>, size: Option<i128>, text: impl Into<String>) -> Self {
        Self { label: label.into(), size, text: text.into() }
    }

    /// A value that is taken away.
    pub(super) fn less(label: impl Into<String>, amount: Money) -> Self {
        Self::new(label, amount.currency().money(-amount.units()))
    }
}

/// A drawing with its table.
#[derive(Debug, Clone)]
pub(super) struct Chart {
    /// What it shows.
    pub(super) title: String,
    /// The newest value, as a headline.
    pub(super) latest: String,
    /// What the newest value is of.
    pub(super) latest_of: String,
    /// SVG; its texts are escaped.
    pub(super) svg: String,
    /// Label and value of each.
    pub(super) rows: Vec<(String, String)>,
}

/// The scale of a drawing: what is lowest and highest, zero among them.
struct Scale {
    low: i128,
    high: i128,
}

impl Scale {
    fn of(values: impl Iterator<Item = i128>) -> Self {
        let (low, high) = values.fold((0, 0), |(low, high), value| (low.min(value), high.max(value)));
        Self { low, high: if high == low { low.saturating_add(1) } else { high } }
    }

    /// Where a value stands, from the top.
    fn y(&self, value: i128) -> i128 {
        let span = self.high.saturating_sub(self.low).max(1);
        let room = HEIGHT - ABOVE - BELOW;
        HEIGHT - BELOW - value.saturating_sub(self.low).saturating_mul(room).checked_div(span).unwrap_or(0)
    }
}

/// Left edge of the place of a value, and its width.
fn place(index: usize, count: usize) -> (i128, i128) {
    let (index, count) = (i128::try_from(index).unwrap_or(0), i128::try_from(count.max(1)).unwrap_or(1));
    let width = (WIDTH / count).min(WIDEST);
    (index.saturating_mul(width), width)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn drawing(title: &str, inner: &str, scale: &Scale) -> String {
    let zero = scale.y(0);
    format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\" preserveAspectRatio=\"xMidYMid meet\">\
         <line class=\"axis\" x1=\"0\" y1=\"{zero}\" x2=\"{WIDTH}\" y2=\"{zero}\"/>{inner}</svg>",
        escaped(title)
    )
}

/// A label around `x`, moved inwards where it would stand out; a long one in two lines, broken at its first space.
fn label(x: i128, text: &str) -> String {
    let broken = if text.chars().count() > LETTERS { text.split_once(' ') } else { None };
    let lines = broken.map_or_else(|| vec![text], |(first, second)| vec![first, second]);
    let mut svg = String::new();
    for (line, y) in lines.into_iter().zip([HEIGHT - BELOW + LINE, HEIGHT - BELOW + 2 * LINE]) {
        let half = i128::try_from(line.chars().count()).unwrap_or(0).saturating_mul(HALF_LETTER);
        let x = x.min(WIDTH - half).max(half);
        let _ = write!(svg, "<text x=\"{x}\" y=\"{y}\" text-anchor=\"middle\">{}</text>", escaped(line));
    }
    svg
}

/// The labels below a drawing: every one where there is room, else every third, the last among them.
fn labels(bars: &[Bar]) -> String {
    let count = bars.len();
    let step = if count > 6 { 3 } else { 1 };
    let shown = bars.iter().enumerate().filter(|(index, _)| count.saturating_sub(*index) % step == 1 || step == 1);
    shown
        .map(|(index, bar)| {
            let (x, width) = place(index, count);
            label(x + width / 2, &bar.label)
        })
        .collect()
}

fn chart(title: &str, svg: String, bars: &[Bar]) -> Chart {
    let newest = bars.iter().rfind(|bar| bar.size.is_some());
    Chart {
        title: title.into(),
        latest: newest.map(|bar| bar.text.clone()).unwrap_or_default(),
        latest_of: newest.map(|bar| bar.label.clone()).unwrap_or_default(),
        svg,
        rows: bars.iter().map(|bar| (bar.label.clone(), bar.text.clone())).collect(),
    }
}

fn titled(bar: &Bar) -> String {
    format!("<title>{}: {}</title>", escaped(&bar.label), escaped(&bar.text))
}

fn rectangle(class: &str, (x, width): (i128, i128), (from, to): (i128, i128), title: &str) -> String {
    let (top, height) = (from.min(to), (from - to).abs().max(1));
    let gap = width / 6;
    format!(
        "<rect class=\"{class}\" x=\"{}\" y=\"{top}\" width=\"{}\" height=\"{height}\" rx=\"2\">{title}</rect>",
        x + gap,
        width - gap * 2
    )
}

/// A bar for each value; the last one is the present month.
pub(super) fn bars(title: &str, bars: Vec<Bar>) -> Chart {
    let scale = Scale::of(bars.iter().filter_map(|bar| bar.size));
    let mut inner = String::new();
    for (index, bar) in bars.iter().enumerate() {
        let Some(size) = bar.size else { continue };
        let class = if index.saturating_add(1) == bars.len() { "now" } else { "bar" };
        let span = (scale.y(size), scale.y(0));
        inner.push_str(&rectangle(class, place(index, bars.len()), span, &titled(bar)));
    }
    inner.push_str(&labels(&bars));
    chart(title, drawing(title, &inner, &scale), &bars)
}

/// A line through all values.
pub(super) fn lines(title: &str, bars: Vec<Bar>) -> Chart {
    let scale = Scale::of(bars.iter().filter_map(|bar| bar.size));
    let point = |(index, bar): (usize, &Bar)| {
        let (x, width) = place(index, bars.len());
        bar.size.map(|size| (x + width / 2, scale.y(size)))
    };
    let points: Vec<Option<(i128, i128)>> = bars.iter().enumerate().map(point).collect();
    let path: Vec<String> = points.iter().flatten().map(|(x, y)| format!("{x},{y}")).collect();
    let mut inner = format!("<polyline class=\"line\" points=\"{}\"/>", path.join(" "));
    for (point, bar) in points.iter().zip(&bars) {
        let Some((x, y)) = point else { continue };
        let _ = write!(inner, "<circle class=\"dot\" cx=\"{x}\" cy=\"{y}\" r=\"3\">{}</circle>", titled(bar));
    }
    inner.push_str(&labels(&bars));
    chart(title, drawing(title, &inner, &scale), &bars)
}

/// From the first value by the others to `closing`.
pub(super) fn waterfall(title: &str, steps: Vec<Bar>, closing: Money) -> Chart {
    let size = |bar: &Bar| bar.size.unwrap_or(0);
    let mut levels = vec![0_i128];
    for step in &steps {
        levels.push(levels.last().copied().unwrap_or(0).saturating_add(size(step)));
    }
    let scale = Scale::of(levels.iter().copied().chain([closing.units().units()]));
    let count = steps.len().saturating_add(1);
    let mut inner = String::new();
    for (index, (step, pair)) in steps.iter().zip(levels.windows(2)).enumerate() {
        let [from, to] = pair else { continue };
        let class = match (index, size(step) < 0) {
            (0, _) => "bar",
            (_, true) => "fall",
            (_, false) => "rise",
        };
        let _ =
            write!(inner, "{}", rectangle(class, place(index, count), (scale.y(*from), scale.y(*to)), &titled(step)));
    }
    let mut all = steps;
    all.push(Bar::new("Closing", closing));
    let last = all.last().map(titled).unwrap_or_default();
    let ends = (scale.y(0), scale.y(closing.units().units()));
    inner.push_str(&rectangle("now", place(count.saturating_sub(1), count), ends, &last));
    inner.push_str(&labels(&all));
    chart(title, drawing(title, &inner, &scale), &all)
}

#[cfg(test)]
mod tests {
    use milestoned_mapping::money::Currency;

    use super::*;

    #[test]
    fn a_chart_carries_every_value_and_escapes_what_it_is_called() {
        let usd: Currency = "USD".parse().unwrap();
        let values = vec![Bar::new("<Jan>", usd.minor(-500)), Bar::new("Feb", usd.minor(123_456_789))];
        let chart = bars("A & B", values.clone());
        assert_eq!(chart.rows[1], ("Feb".to_owned(), "1,234,567.89".to_owned()));
        assert!(chart.svg.contains("A &amp; B") && chart.svg.contains("&lt;Jan&gt;") && !chart.svg.contains("<Jan>"));
        let closing = waterfall("W", values, usd.minor(123_456_289));
        assert_eq!((closing.latest.as_str(), closing.latest_of.as_str()), ("1,234,562.89", "Closing"));
        let long = bars("L", vec![Bar::new("Revenue not billed", usd.minor(1))]);
        assert!(long.svg.contains(">Revenue</text>") && long.svg.contains(">not billed</text>"), "{}", long.svg);
    }
}
