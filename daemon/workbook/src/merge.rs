//! The merge of what was exported, what a file says and what holds now, cell by cell.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::base::{Base, BaseRow};
use crate::book::Book;

/// A cell in which a file says something else than was exported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edit {
    /// Sheet.
    pub sheet: String,
    /// Key of the row.
    pub key: String,
    /// Head of the column.
    pub column: String,
    /// Row of the file, from 1, as spreadsheets count.
    pub row: u32,
    /// What the row was stamped with.
    pub stamp: String,
    /// What was exported.
    pub base: String,
    /// What the file says.
    pub theirs: String,
    /// Why it cannot be taken, where that does not depend on what holds now.
    pub refused: Option<String>,
}

/// What becomes of an edit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "outcome", content = "reason")]
pub enum Outcome {
    /// Nobody else has changed the cell since: it is taken.
    Edit,
    /// The cell says so already.
    Same,
    /// Somebody else has changed it to something else since: it is left alone.
    Conflict,
    /// It cannot be taken, because of this.
    Refused(String),
}

/// An edit with what holds now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Merged {
    /// The edit.
    pub edit: Edit,
    /// What the cell says now; `None`: its row is not there any more.
    pub now: Option<String>,
    /// What becomes of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// What becomes of each edit, beside what holds now.
#[must_use]
pub fn merge(edits: Vec<Edit>, now: &Book) -> Vec<Merged> {
    let standing = now.standing();
    let merged = |edit: Edit| {
        let now = standing.of(&edit.key, &edit.column);
        Merged { outcome: outcome(&edit, now.as_deref()), now, edit }
    };
    edits.into_iter().map(merged).collect()
}

fn outcome(edit: &Edit, now: Option<&str>) -> Outcome {
    if let Some(reason) = &edit.refused {
        return Outcome::Refused(reason.clone());
    }
    match now {
        None => Outcome::Refused("what the row is about is not there any more".into()),
        Some(now) if now == edit.theirs => Outcome::Same,
        Some(now) if now == edit.base => Outcome::Edit,
        Some(_) => Outcome::Conflict,
    }
}

/// How many cells that can be edited others have changed since the export, in rows that are still there; `edits` apart.
#[must_use]
pub fn changed_since(base: &Base, edits: &[Edit], now: &Book) -> usize {
    let standing = now.standing();
    let edited: BTreeSet<(&str, &str)> = edits.iter().map(|edit| (edit.key.as_str(), edit.column.as_str())).collect();
    let of_row = |(key, row): (&String, &BaseRow)| -> usize {
        let columns = base.sheets.get(row.sheet).map(|sheet| sheet.columns.as_slice()).unwrap_or_default();
        let cells = columns.iter().zip(&row.cells).filter(|(column, _)| column.edited);
        let moved = cells.filter(|(column, cell)| standing.of(key, &column.name).is_some_and(|now| now != **cell));
        moved.filter(|(column, _)| !edited.contains(&(key.as_str(), column.name.as_str()))).count()
    };
    base.rows.iter().map(of_row).sum()
}
