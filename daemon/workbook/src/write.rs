//! A workbook as an Excel file. The grids are not locked, because nobody could sort a locked one: what may be edited is coloured,
//! what comes back is compared with what went out.

use std::collections::BTreeMap;

use rust_xlsxwriter::{Color, DataValidation, Format, FormatAlign, FormatBorder, Note, Workbook, Worksheet, XlsxError};

use crate::base::{Base, HIDDEN, WAY, digest, pieces};
use crate::book::{Book, KEY, Kind, Row, Sheet};
use crate::cell::{Cell, amount_pattern, exact};

/// Most decimals of an amount that a spreadsheet shows as a number.
const MOST_DECIMALS: usize = 6;
/// Letters of a note that a spreadsheet shows.
const NOTE: usize = 1_000;

/// A cell that somebody has edited, as the file says it back: what they wrote, and a note about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// What they wrote.
    pub value: String,
    /// What is to be said about it.
    pub note: String,
    /// Whether somebody has to look at it.
    pub stands_out: bool,
}

/// Marks by the key of the row and the head of the column.
pub type Marks = BTreeMap<(String, String), Mark>;

/// Writes a workbook. `attest` gives the attestation of a digest.
///
/// # Errors
/// The writer's reason, such as a text that no cell can hold.
pub fn write(book: &Book, marks: &Marks, attest: &dyn Fn(&str) -> String) -> Result<Vec<u8>, String> {
    let attestation = attest(&digest(Base::lines(book)).map_err(|error| error.to_string())?);
    written(book, marks, &attestation).map_err(|error| error.to_string())
}

/// A sheet whose rows go to a temporary file as they are written; where the machine takes none, they stay in memory.
fn row_by_row(workbook: &mut Workbook) -> Worksheet {
    workbook.new_worksheet_with_constant_memory().unwrap_or_else(|_| Worksheet::new())
}

fn written(book: &Book, marks: &Marks, attestation: &str) -> Result<Vec<u8>, XlsxError> {
    let mut workbook = Workbook::new();
    let formats = Formats::new();
    read_me(workbook.add_worksheet(), book, &formats)?;
    for sheet in &book.sheets {
        let mut target = row_by_row(&mut workbook);
        grid(&mut target, sheet, marks, &formats)?;
        workbook.push_worksheet(target);
    }
    let mut hidden = row_by_row(&mut workbook);
    hidden.set_name(HIDDEN)?;
    hidden.write_string(0, 0, WAY)?;
    hidden.write_string(0, 1, attestation)?;
    for (row, line) in (1_u32..).zip(Base::lines(book)) {
        let line = line.map_err(|error| XlsxError::ParameterError(error.to_string()))?;
        for (column, piece) in (0_u16..).zip(pieces(&line)) {
            hidden.write_string(row, column, piece)?;
        }
    }
    hidden.set_very_hidden(true);
    workbook.push_worksheet(hidden);
    workbook.save_to_buffer()
}

/// How the cells of a grid look.
struct Look {
    text: Format,
    whole: Format,
    /// By the number of decimals.
    amounts: Vec<Format>,
}

impl Look {
    fn on(ground: &Format) -> Self {
        let amounts = (0..=MOST_DECIMALS).map(|decimals| ground.clone().set_num_format(amount_pattern(decimals)));
        Self {
            text: ground.clone().set_num_format("@"),
            whole: ground.clone().set_num_format("0"),
            amounts: amounts.collect(),
        }
    }

    /// An amount with its decimals.
    fn amount(&self, text: &str) -> &Format {
        let decimals = text.split_once('.').map_or(0, |(_, decimals)| decimals.len());
        self.amounts.get(decimals).unwrap_or(&self.text)
    }
}

struct Formats {
    head: Format,
    edited_head: Format,
    shown: Look,
    edited: Look,
    marked: Look,
    title: Format,
    wrapped: Format,
}

impl Formats {
    fn new() -> Self {
        let head = Format::new().set_bold().set_border_bottom(FormatBorder::Thin);
        Self {
            edited_head: head.clone().set_background_color(Color::RGB(0x00C2_D7FB)),
            head,
            shown: Look::on(&Format::new()),
            edited: Look::on(&Format::new().set_background_color(Color::RGB(0x00E8_F0FE))),
            marked: Look::on(&Format::new().set_background_color(Color::RGB(0x00FD_E293))),
            title: Format::new().set_bold().set_font_size(14),
            wrapped: Format::new().set_text_wrap().set_align(FormatAlign::Top),
        }
    }

    fn of(&self, edited: bool, stands_out: bool) -> &Look {
        match (stands_out, edited) {
            (true, _) => &self.marked,
            (false, true) => &self.edited,
            (false, false) => &self.shown,
        }
    }
}

fn read_me(sheet: &mut Worksheet, book: &Book, formats: &Formats) -> Result<(), XlsxError> {
    sheet.set_name("Read me")?;
    sheet.set_column_width(0, 28)?.set_column_width(1, 96)?;
    sheet.write_string_with_format(0, 0, "milestoned workbook", &formats.title)?;
    let mut row = 2;
    for paragraph in &book.instructions {
        sheet.merge_range(row, 0, row, 1, paragraph, &formats.wrapped)?;
        let lines = u32::try_from(paragraph.chars().count() / 115).unwrap_or(8).saturating_add(1);
        sheet.set_row_height_pixels(row, lines.saturating_mul(20))?;
        row += 1;
    }
    row += 1;
    let sheets = book.sheets.iter().map(|sheet| (sheet.name.as_str(), sheet.about.as_str()));
    let about = book.about.iter().map(|(name, text)| (name.as_str(), text.as_str()));
    for part in [sheets.collect::<Vec<_>>(), about.collect()] {
        for (name, text) in part {
            sheet.write_string_with_format(row, 0, name, &formats.head)?;
            sheet.write_string_with_format(row, 1, text, &formats.wrapped)?;
            row += 1;
        }
        row += 1;
    }
    sheet.protect();
    Ok(())
}

fn grid(target: &mut Worksheet, sheet: &Sheet, marks: &Marks, formats: &Formats) -> Result<(), XlsxError> {
    target.set_name(&sheet.name)?;
    let keyed = sheet.is_edited();
    let first: u16 = if keyed { 1 } else { 0 };
    if keyed {
        target.write_string_with_format(0, 0, KEY, &formats.head)?;
        target.set_column_width(0, 14)?;
    }
    let last = u32::try_from(sheet.rows.len()).unwrap_or(u32::MAX);
    for (place, column) in (first..).zip(&sheet.columns) {
        let format = if column.edited { &formats.edited_head } else { &formats.head };
        target.write_string_with_format(0, place, &column.name, format)?;
        target.set_column_width(place, width(&column.name, &column.kind))?;
        if let (Kind::Choice(words), true, true) = (&column.kind, column.edited, last > 0) {
            let rule = DataValidation::new().allow_list_strings(words)?;
            let rule = rule
                .set_error_title("Not one of the words")?
                .set_error_message("Choose one of the list, or leave it empty")?;
            target.add_data_validation(1, place, last, place, &rule)?;
        }
    }
    for (place, row) in (1_u32..).zip(&sheet.rows) {
        if keyed {
            target.write_string(place, 0, &row.key)?;
        }
        cells(target, place, first, sheet, row, marks, formats)?;
    }
    target.set_freeze_panes(1, if keyed { 3 } else { 1 })?;
    let columns = u16::try_from(sheet.columns.len()).unwrap_or(u16::MAX).saturating_add(first);
    target.autofilter(0, 0, last, columns.saturating_sub(1))?;
    Ok(())
}

fn cells(
    target: &mut Worksheet,
    place: u32,
    first: u16,
    sheet: &Sheet,
    row: &Row,
    marks: &Marks,
    formats: &Formats,
) -> Result<(), XlsxError> {
    for (at, (column, cell)) in (first..).zip(sheet.columns.iter().zip(&row.cells)) {
        let mark = if marks.is_empty() { None } else { marks.get(&(row.key.clone(), column.name.clone())) };
        let stands_out = mark.is_some_and(|mark| mark.stands_out);
        let edited = column.edited && !row.key.is_empty();
        let said = mark.map(|mark| said(&column.kind, &mark.value));
        let look = formats.of(edited, stands_out);
        match said.as_ref().unwrap_or(cell) {
            Cell::Amount(text) => match exact(text) {
                Some(number) => drop(target.write_number_with_format(place, at, number, look.amount(text))?),
                None => drop(target.write_string_with_format(place, at, text, &look.text)?),
            },
            Cell::Count(count) => {
                let text = count.to_string();
                match exact(&text) {
                    Some(number) => drop(target.write_number_with_format(place, at, number, &look.whole)?),
                    None => drop(target.write_string_with_format(place, at, text, &look.text)?),
                }
            }
            Cell::Text(text) if text.is_empty() && !edited => {}
            Cell::Text(text) => drop(target.write_string_with_format(place, at, text, &look.text)?),
        }
        if let Some(mark) = mark {
            let text: String = mark.note.chars().take(NOTE).collect();
            target.insert_note(place, at, &Note::new(text).set_author("milestoned").set_width(320).set_height(120))?;
        }
    }
    Ok(())
}

/// What somebody wrote, as the column has it.
fn said(kind: &Kind, value: &str) -> Cell {
    match kind {
        Kind::Amount if exact(value).is_some() => Cell::Amount(value.into()),
        Kind::Count => value.parse().map_or_else(|_| Cell::text(value), Cell::Count),
        _ => Cell::text(value),
    }
}

fn width(name: &str, kind: &Kind) -> u16 {
    let least = match kind {
        Kind::Amount => 14,
        Kind::Choice(_) | Kind::Count => 10,
        Kind::Date => 12,
        Kind::Text => 18,
    };
    u16::try_from(name.chars().count()).unwrap_or(least).saturating_add(2).clamp(least, 40)
}
