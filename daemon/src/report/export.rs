//! A list as a file: CSV, or XLSX with a sheet that says what it is. Amounts keep every digit, and no cell is a formula.

use std::collections::BTreeMap;

use milestoned_mapping::command::DeliveryKey;
use milestoned_mapping::rules;
use milestoned_workbook::cell::{Cell, amount_format, exact};
use rust_decimal::Decimal;
use rust_xlsxwriter::{Format, Workbook, Worksheet, XlsxError};
use sha2::{Digest, Sha256};

/// A list with what is said about it.
#[derive(Debug, Clone)]
pub struct List {
    /// What it is called; the name of the file and of the sheet.
    pub name: &'static str,
    /// Heads of the columns.
    pub columns: Vec<String>,
    /// Rows.
    pub rows: Vec<Vec<Cell>>,
    /// Sums of its amounts, by what they are sums of: `Open USD`.
    pub sums: BTreeMap<String, Decimal>,
    /// Where it comes from.
    pub source: String,
    /// What was asked for, in words.
    pub filter: String,
    /// What was asked for, as it stands in the address.
    pub parameters: String,
    /// Who asked.
    pub by: String,
    /// When, UTC.
    pub at: String,
    /// The same where the reader is, by the name of the time zone, where that is another.
    pub local: Option<(String, String)>,
}

/// A digest of the rules that decided what the list shows: it changes when one of them does.
pub(super) fn rules_version() -> String {
    let texts: Vec<&str> = rules::all().iter().flat_map(|rule| [rule.code.name(), rule.title, rule.remedy]).collect();
    format!("{} rules {}", env!("CARGO_PKG_VERSION"), DeliveryKey::of(&texts))
}

impl List {
    /// An empty list of what was asked for, in words.
    pub fn new(name: &'static str, columns: &[&str], filter: String) -> Self {
        Self {
            name,
            columns: columns.iter().map(|name| (*name).to_owned()).collect(),
            rows: Vec::new(),
            sums: BTreeMap::new(),
            source: String::new(),
            filter,
            parameters: String::new(),
            by: String::new(),
            at: String::new(),
            local: None,
        }
    }

    /// Its rows as JSON, each an object.
    pub fn told(&self) -> serde_json::Value {
        let object = |row: &Vec<Cell>| {
            let fields = self.columns.iter().zip(row);
            serde_json::Value::Object(fields.map(|(name, cell)| (name.clone(), cell.shown().into())).collect())
        };
        self.rows.iter().map(object).collect()
    }

    /// Adds an amount to a sum.
    pub fn add(&mut self, of: &str, currency: &str, amount: &str) {
        let sum = self.sums.entry(format!("{of} {currency}")).or_default();
        *sum = sum.saturating_add(amount.parse().unwrap_or_default());
    }

    /// As CSV, with a mark at its beginning by which spreadsheets know that it is UTF-8.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn csv(&self) -> Result<Vec<u8>, String> {
        let mut writer = csv::Writer::from_writer(vec![0xEF, 0xBB, 0xBF]);
        writer.write_record(&self.columns).map_err(|error| error.to_string())?;
        for row in &self.rows {
            writer.write_record(row.iter().map(Cell::csv)).map_err(|error| error.to_string())?;
        }
        writer.into_inner().map_err(|error| error.to_string())
    }

    /// SHA-256 of the list as CSV, hexadecimal: two exports of the same rows have the same.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn digest(&self) -> Result<String, String> {
        Ok(Sha256::digest(self.csv()?).iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// What is said about it, by name.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn about(&self) -> Result<Vec<(String, String)>, String> {
        let mut about = vec![
            ("List".to_owned(), self.name.to_owned()),
            ("Source".into(), self.source.clone()),
            ("Filter".into(), self.filter.clone()),
            ("Parameters".into(), self.parameters.clone()),
            ("Version of the rules".into(), rules_version()),
            ("Rows".into(), self.rows.len().to_string()),
        ];
        about.extend(self.sums.iter().map(|(of, sum)| (format!("Sum of {of}"), sum.to_string())));
        about.push(("Time, UTC".to_owned(), self.at.clone()));
        about.extend(self.local.iter().map(|(zone, at)| (format!("Time, {zone}"), at.clone())));
        about.extend([("Asked by".to_owned(), self.by.clone()), ("SHA-256 of the rows as CSV".into(), self.digest()?)]);
        Ok(about)
    }

    /// As a workbook of two sheets: the rows, and what is said about them.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn xlsx(&self) -> Result<Vec<u8>, String> {
        let about = self.about()?;
        self.workbook(&about).map_err(|error| error.to_string())
    }

    fn workbook(&self, about: &[(String, String)]) -> Result<Vec<u8>, XlsxError> {
        let mut workbook = Workbook::new();
        let head = Format::new().set_bold();
        fill(workbook.add_worksheet().set_name(self.name)?, &self.columns, &self.rows)?;
        let sheet = workbook.add_worksheet().set_name("About")?;
        for (row, (name, text)) in (0_u32..).zip(about) {
            sheet.write_string_with_format(row, 0, name, &head)?;
            sheet.write_string(row, 1, text)?;
        }
        sheet.autofit();
        workbook.save_to_buffer()
    }
}

/// Fills a sheet with a table: its head stays in sight, and its columns can be filtered.
pub(super) fn fill(sheet: &mut Worksheet, columns: &[String], rows: &[Vec<Cell>]) -> Result<(), XlsxError> {
    let head = Format::new().set_bold();
    for (column, name) in (0_u16..).zip(columns) {
        sheet.write_string_with_format(0, column, name, &head)?;
    }
    for (place, row) in (1_u32..).zip(rows) {
        for (column, cell) in (0_u16..).zip(row) {
            match cell {
                Cell::Amount(text) => match exact(text) {
                    Some(number) => {
                        sheet.write_number_with_format(place, column, number, &amount_format(text))?;
                    }
                    None => drop(sheet.write_string(place, column, text)?),
                },
                Cell::Count(count) => drop(sheet.write_string(place, column, count.to_string())?),
                Cell::Text(text) => drop(sheet.write_string(place, column, text)?),
            }
        }
    }
    sheet.set_freeze_panes(1, 0)?;
    if let (Ok(last), Ok(width)) = (u32::try_from(rows.len()), u16::try_from(columns.len())) {
        sheet.autofilter(0, 0, last, width.saturating_sub(1))?;
    }
    sheet.autofit();
    Ok(())
}

#[cfg(test)]
mod tests {
    use milestoned_workbook::cell::FORMULA;

    use super::*;

    fn list(rows: Vec<Vec<Cell>>) -> List {
        List {
            name: "queue",
            columns: vec!["Text".into(), "Amount".into()],
            rows,
            sums: BTreeMap::new(),
            source: String::new(),
            filter: String::new(),
            parameters: String::new(),
            by: "=cmd|' /C calc'!A0".into(),
            at: String::new(),
            local: None,
        }
    }

    #[test]
    fn no_cell_is_a_formula_and_amounts_keep_every_digit() {
        let texts = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "plain"];
        let amounts = ["-12.50", "99999999999999.99", "0.10", "1.250", "-1", "3", "123456789012.345"];
        let cells = texts.iter().zip(amounts);
        let list = list(cells.map(|(text, amount)| vec![Cell::text(text), Cell::Amount(amount.into())]).collect());
        let csv = list.csv().unwrap();
        let mut reader = csv::Reader::from_reader(csv.strip_prefix(&[0xEF, 0xBB, 0xBF]).unwrap());
        for ((record, text), amount) in reader.records().zip(texts).zip(amounts) {
            let record = record.unwrap();
            assert!(!record[0].starts_with(FORMULA) && record[0].trim_start_matches('\'') == text, "{record:?}");
            assert_eq!(&record[1], amount);
        }
        let mut book: calamine::Xlsx<_> = calamine::Reader::new(std::io::Cursor::new(list.xlsx().unwrap())).unwrap();
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
        assert_eq!(said("SHA-256 of the rows as CSV"), list.digest().ok());
    }
}
