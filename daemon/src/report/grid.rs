//! A table on a worksheet, row by row: its head stays in sight, its columns can be filtered and are as wide as what stands in them.
//! A worksheet keeps one row in memory where the machine has a temporary folder; so rows go in once and in their order.

use milestoned_workbook::cell::{Cell, amount_pattern, exact};
use rust_xlsxwriter::{Format, Workbook, Worksheet, XlsxError};

/// Most decimals of an amount that has a format of its own.
const MOST_DECIMALS: usize = 6;
/// The narrowest and the widest column, in letters.
const WIDTHS: (usize, usize) = (8, 60);

/// The rows of one worksheet so far.
pub(super) struct Grid {
    next: u32,
    /// Letters of the longest cell, by column.
    widths: Vec<usize>,
    head: Format,
    /// By the number of decimals.
    amounts: Vec<Format>,
}

impl Grid {
    /// Begins with the heads of the columns.
    pub(super) fn begin(sheet: &mut Worksheet, columns: &[String]) -> Result<Self, XlsxError> {
        let amounts = (0..=MOST_DECIMALS).map(|decimals| Format::new().set_num_format(amount_pattern(decimals)));
        let mut grid = Self { next: 1, widths: Vec::new(), head: Format::new().set_bold(), amounts: amounts.collect() };
        for (column, name) in (0_u16..).zip(columns) {
            sheet.write_string_with_format(0, column, name, &grid.head)?;
            grid.widths.push(name.chars().count());
        }
        Ok(grid)
    }

    /// Writes the next row.
    pub(super) fn push(&mut self, sheet: &mut Worksheet, row: &[Cell]) -> Result<(), XlsxError> {
        for ((column, cell), width) in (0_u16..).zip(row).zip(&mut self.widths) {
            let shown = cell.shown();
            *width = (*width).max(shown.chars().count());
            match cell {
                _ if shown.is_empty() => {}
                Cell::Amount(text) => match exact(text) {
                    Some(number) => {
                        let decimals = text.split_once('.').map_or(0, |(_, decimals)| decimals.len());
                        match self.amounts.get(decimals) {
                            Some(format) => drop(sheet.write_number_with_format(self.next, column, number, format)?),
                            None => drop(sheet.write_string(self.next, column, text)?),
                        }
                    }
                    None => drop(sheet.write_string(self.next, column, text)?),
                },
                Cell::Count(_) | Cell::Text(_) => drop(sheet.write_string(self.next, column, shown)?),
            }
        }
        self.next = self.next.saturating_add(1);
        Ok(())
    }

    /// Ends it: what is said of the whole table.
    pub(super) fn end(self, sheet: &mut Worksheet) -> Result<(), XlsxError> {
        sheet.set_freeze_panes(1, 0)?;
        if let Some(last) = u16::try_from(self.widths.len()).ok().and_then(|width| width.checked_sub(1)) {
            sheet.autofilter(0, 0, self.next.saturating_sub(1), last)?;
        }
        for (column, width) in (0_u16..).zip(self.widths) {
            let letters = width.saturating_add(2).clamp(WIDTHS.0, WIDTHS.1);
            sheet.set_column_width(column, u32::try_from(letters).unwrap_or(u32::MAX))?;
        }
        Ok(())
    }
}

/// A worksheet that keeps one row in memory; where no temporary file can be made, all of them.
pub(super) fn worksheet(workbook: &mut Workbook) -> Worksheet {
    workbook.new_worksheet_with_constant_memory().unwrap_or_else(|_| Worksheet::new())
}

/// A whole table.
pub(super) fn fill(sheet: &mut Worksheet, columns: &[String], rows: &[Vec<Cell>]) -> Result<(), XlsxError> {
    let mut grid = Grid::begin(sheet, columns)?;
    for row in rows {
        grid.push(sheet, row)?;
    }
    grid.end(sheet)
}
