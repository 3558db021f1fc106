//! A list as a file that is written row by row: CSV, or XLSX with a sheet that says what the list is. No row is kept, so that a list
//! of half a million milestones takes no more memory than one of ten.

use std::io::{BufWriter, Seek as _, Write};

use milestoned_workbook::cell::Cell;
use rust_xlsxwriter::{Format, Workbook, Worksheet};
use sha2::{Digest as _, Sha256};
use tempfile::SpooledTempFile;

use super::export::List;
use super::grid::{self, Grid};

/// Bytes of a file that are kept in memory; what is beyond stands in the machine's temporary folder.
const IN_MEMORY: usize = 4 * 1024 * 1024;
/// Rows of a worksheet below its head: Excel has no more.
const OF_A_SHEET: usize = 1_048_575;

/// Why a file could not be written.
#[derive(Debug, thiserror::Error)]
pub enum Unwritten {
    /// The temporary folder.
    #[error("the machine's temporary folder takes no file ({0}); set TMPDIR to a folder that does")]
    Folder(#[from] std::io::Error),
    /// More rows than a worksheet has.
    #[error("a worksheet has {OF_A_SHEET} rows, and this list has more; take it as CSV, or choose fewer contracts")]
    Rows,
    /// The writer's reason, such as a text that no cell can hold.
    #[error("{0}")]
    Cell(String),
}

/// As what a list is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Comma-separated values.
    Csv,
    /// An Excel file.
    Xlsx,
}

impl Kind {
    /// By the ending of a file's name.
    pub fn of(ending: &str) -> Option<Self> {
        match ending {
            "csv" => Some(Self::Csv),
            "xlsx" => Some(Self::Xlsx),
            _ => None,
        }
    }
}

/// What is written as CSV: its digest is computed on the way, and it is kept where the file is one.
struct Written {
    digest: Sha256,
    file: Option<BufWriter<SpooledTempFile>>,
}

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.digest.update(bytes);
        self.file.as_mut().map_or(Ok(()), |file| file.write_all(bytes))
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.as_mut().map_or(Ok(()), BufWriter::flush)
    }
}

/// The rows as a worksheet.
struct Sheet {
    workbook: Workbook,
    sheet: Worksheet,
    grid: Grid,
}

/// A list while it is written.
pub struct ListFile {
    /// What is said about it; its rows stand in the file alone.
    pub list: List,
    rows: usize,
    csv: csv::Writer<Written>,
    sheet: Option<Box<Sheet>>,
}

fn cell(error: impl ToString) -> Unwritten {
    Unwritten::Cell(error.to_string())
}

impl ListFile {
    /// Begins a list whose columns are known. Rows that it has already are written first.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn begin(mut list: List, kind: Kind) -> Result<Self, Unwritten> {
        let file = (kind == Kind::Csv).then(|| BufWriter::new(SpooledTempFile::new(IN_MEMORY)));
        let mut written = Written { digest: Sha256::new(), file };
        // By this mark spreadsheets know that it is UTF-8.
        written.write_all(&[0xEF, 0xBB, 0xBF])?;
        let mut csv = csv::Writer::from_writer(written);
        csv.write_record(&list.columns).map_err(cell)?;
        let sheet = if kind == Kind::Xlsx {
            let mut workbook = Workbook::new();
            let mut sheet = grid::worksheet(&mut workbook);
            sheet.set_name(list.name).map_err(cell)?;
            let grid = Grid::begin(&mut sheet, &list.columns).map_err(cell)?;
            Some(Box::new(Sheet { workbook, sheet, grid }))
        } else {
            None
        };
        let rows = std::mem::take(&mut list.rows);
        let mut file = Self { list, rows: 0, csv, sheet };
        for row in &rows {
            file.push(row)?;
        }
        Ok(file)
    }

    /// Writes the next row.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn push(&mut self, row: &[Cell]) -> Result<(), Unwritten> {
        self.csv.write_record(row.iter().map(Cell::csv)).map_err(cell)?;
        self.rows = self.rows.saturating_add(1);
        if let Some(all) = &mut self.sheet {
            if self.rows > OF_A_SHEET {
                return Err(Unwritten::Rows);
            }
            all.grid.push(&mut all.sheet, row).map_err(cell)?;
        }
        Ok(())
    }

    /// The file, to be read from its beginning, and what is said about the list.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn end(self) -> Result<(SpooledTempFile, Vec<(String, String)>), Unwritten> {
        let written = self.csv.into_inner().map_err(|error| cell(error.error()))?;
        let about = self.list.about(self.rows, hex::encode(written.digest.finalize()));
        let mut file = match (written.file, self.sheet) {
            (Some(file), _) => file.into_inner().map_err(|error| Unwritten::Folder(error.into_error()))?,
            (None, Some(all)) => all.file(&about)?,
            (None, None) => SpooledTempFile::new(0),
        };
        file.rewind()?;
        Ok((file, about))
    }
}

impl Sheet {
    fn file(mut self, about: &[(String, String)]) -> Result<SpooledTempFile, Unwritten> {
        self.grid.end(&mut self.sheet).map_err(cell)?;
        self.workbook.push_worksheet(self.sheet);
        let head = Format::new().set_bold();
        let sheet = self.workbook.add_worksheet().set_name("About").map_err(cell)?;
        for (row, (name, text)) in (0_u32..).zip(about) {
            sheet.write_string_with_format(row, 0, name, &head).map_err(cell)?;
            sheet.write_string(row, 1, text).map_err(cell)?;
        }
        sheet.autofit();
        let mut file = SpooledTempFile::new(IN_MEMORY);
        self.workbook.save_to_writer(&mut file).map_err(cell)?;
        Ok(file)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use milestoned_workbook::cell::FORMULA;
    use rust_decimal::Decimal;

    use super::*;

    fn list(rows: Vec<Vec<Cell>>) -> List {
        List { rows, by: "=cmd|' /C calc'!A0".into(), ..List::new("queue", &["Text", "Amount"], String::new()) }
    }

    fn written(list: &List, kind: Kind) -> (Vec<u8>, String) {
        let (mut file, about) = ListFile::begin(list.clone(), kind).unwrap().end().unwrap();
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        (bytes, about.into_iter().find(|(name, _)| name == "SHA-256 of the rows as CSV").unwrap().1)
    }

    #[test]
    fn no_cell_is_a_formula_and_amounts_keep_every_digit() {
        let texts = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "plain"];
        let amounts = ["-12.50", "99999999999999.99", "0.10", "1.250", "-1", "3", "123456789012.345"];
        let cells = texts.iter().zip(amounts);
        let list = list(cells.map(|(text, amount)| vec![Cell::text(text), Cell::Amount(amount.into())]).collect());
        let (csv, digest) = written(&list, Kind::Csv);
        assert_eq!(digest, hex::encode(Sha256::digest(&csv)), "two files of the same rows have the same digest");
        let mut reader = csv::Reader::from_reader(csv.strip_prefix(&[0xEF, 0xBB, 0xBF]).unwrap());
        for ((record, text), amount) in reader.records().zip(texts).zip(amounts) {
            let record = record.unwrap();
            assert!(!record[0].starts_with(FORMULA) && record[0].trim_start_matches('\'') == text, "{record:?}");
            assert_eq!(&record[1], amount);
        }
        let (xlsx, of_the_same_rows) = written(&list, Kind::Xlsx);
        assert_eq!(of_the_same_rows, digest);
        let mut book: calamine::Xlsx<_> = calamine::Reader::new(std::io::Cursor::new(xlsx)).unwrap();
        let formulas = calamine::Reader::worksheet_formula(&mut book, "queue").unwrap();
        assert_eq!(formulas.used_cells().count(), 0);
        let range = calamine::Reader::worksheet_range(&mut book, "queue").unwrap();
        for ((row, text), amount) in range.rows().skip(1).zip(texts).zip(amounts) {
            // A workbook keeps a line break of a cell as its own escape.
            assert!(row[0] == text || text.starts_with('\r'), "{row:?}");
            let (read, written): (Decimal, Decimal) = (row[1].to_string().parse().unwrap(), amount.parse().unwrap());
            assert_eq!(read, written);
        }
        let about = calamine::Reader::worksheet_range(&mut book, "About").unwrap();
        let said = |name: &str| about.rows().find(|row| row[0] == name).map(|row| row[1].to_string());
        assert_eq!(said("Rows").as_deref(), Some("7"));
        assert_eq!(said("Asked by").as_deref(), Some("=cmd|' /C calc'!A0"));
        assert_eq!(said("SHA-256 of the rows as CSV"), Some(digest));
    }
}
