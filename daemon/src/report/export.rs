//! A list: its rows, their sums, and what is said about it. `list_file` writes it row by row. Amounts keep every digit, and no cell
//! is a formula.

use std::collections::BTreeMap;

use milestoned_mapping::command::DeliveryKey;
use milestoned_mapping::rules;
use milestoned_workbook::cell::Cell;
use rust_decimal::Decimal;

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

    /// What is said about a file of it that has so many rows, by name. `digest`: of these rows as CSV.
    pub(super) fn about(&self, rows: usize, digest: String) -> Vec<(String, String)> {
        let mut about = vec![
            ("List".to_owned(), self.name.to_owned()),
            ("Source".into(), self.source.clone()),
            ("Filter".into(), self.filter.clone()),
            ("Parameters".into(), self.parameters.clone()),
            ("Version of the rules".into(), rules_version()),
            ("Rows".into(), rows.to_string()),
        ];
        about.extend(self.sums.iter().map(|(of, sum)| (format!("Sum of {of}"), sum.to_string())));
        about.push(("Time, UTC".to_owned(), self.at.clone()));
        about.extend(self.local.iter().map(|(zone, at)| (format!("Time, {zone}"), at.clone())));
        about.extend([("Asked by".to_owned(), self.by.clone()), ("SHA-256 of the rows as CSV".into(), digest)]);
        about
    }
}
