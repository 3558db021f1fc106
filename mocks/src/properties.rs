//! Which properties a vendor's records have, and of what type: read from the tables in `mocks/data`, whose heads name their
//! sources.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

/// The tables of one vendor: record or part of a record, its properties, and their types.
pub(crate) struct Properties {
    records: BTreeMap<&'static str, Vec<Property>>,
}

/// A property as the vendor spells it, and its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Property {
    pub(crate) name: &'static str,
    pub(crate) of: &'static str,
}

impl Properties {
    /// `[record]`, then lines of `type: name name …`; `#` begins a remark.
    pub(crate) fn read(text: &'static str) -> Properties {
        let mut records: BTreeMap<&'static str, Vec<Property>> = BTreeMap::new();
        let mut record = "";
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
                record = name;
            } else if let Some((of, names)) = line.split_once(':') {
                let known = records.entry(record).or_default();
                known.extend(names.split_whitespace().map(|name| Property { name, of }));
            }
        }
        Properties { records }
    }

    /// All properties of a record; nothing, where there is no table of it.
    pub(crate) fn of(&self, record: &str) -> Option<&[Property]> {
        self.records.get(record).map(Vec::as_slice)
    }

    /// A property in the vendor's spelling.
    pub(crate) fn find(&self, record: &str, name: &str) -> Option<Property> {
        self.of(record)?.iter().find(|known| known.name == name).copied()
    }

    /// A property in any spelling of its letters.
    pub(crate) fn find_in_any_case(&self, record: &str, name: &str) -> Option<Property> {
        self.of(record)?.iter().find(|known| known.name.eq_ignore_ascii_case(name)).copied()
    }

    /// The words that stand under a type of a record: values of an enumeration.
    pub(crate) fn words(&self, record: &str, of: &str) -> Vec<&'static str> {
        self.of(record).unwrap_or_default().iter().filter(|known| known.of == of).map(|known| known.name).collect()
    }
}

/// The tables of a vendor as one simulator keeps to them: a test takes a property out, and asks which ones clients have named.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    without: Option<(String, String)>,
    named: RefCell<BTreeSet<(String, String)>>,
}

impl Kept {
    /// Whether a property that a client names is still in the table.
    pub(crate) fn has(&self, record: &str, name: &str) -> bool {
        self.named.borrow_mut().insert((record.to_string(), name.to_string()));
        self.without.as_ref().is_none_or(|(of, out)| of != record || out != name)
    }

    pub(crate) fn take_out(&mut self, record: &str, name: &str) {
        self.without = Some((record.to_string(), name.to_string()));
    }

    pub(crate) fn named(&self) -> Vec<(String, String)> {
        self.named.borrow().iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_read_by_record_and_type() {
        let tables =
            Properties::read("# of the vendor\n[invoice]\nstring: memo tranId\nref: entity\n[ids]\nstatus: A B");
        assert_eq!(tables.find("invoice", "tranId"), Some(Property { name: "tranId", of: "string" }));
        assert_eq!(tables.find("invoice", "tranid"), None);
        assert_eq!(tables.find_in_any_case("invoice", "tranid").map(|known| known.name), Some("tranId"));
        assert_eq!(tables.words("ids", "status"), ["A", "B"]);
        assert_eq!(tables.of("creditMemo"), None);
    }
}
