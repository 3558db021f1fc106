//! Workbooks that came back: what their cells say differently, and what became of it.

use jiff::Timestamp;

use super::action::Action;
use super::actor::Actor;
use super::attested::WORKBOOK_IMPORT;
use super::audit::{self, Entry};
use super::session::{Row, values};
use super::{Store, StoreError, Verb, instant};

/// A workbook that somebody has brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// Names it.
    pub id: String,
    /// The file's name.
    pub name: String,
    /// Who brought it.
    pub actor: Actor,
    /// When, UTC.
    pub brought_at: Timestamp,
    /// SHA-256 of the file's bytes, in hexadecimal.
    pub digest: String,
    /// What it was exported with and how much was read, JSON.
    pub about: String,
    /// What its cells say differently, JSON.
    pub edits: String,
    /// When what it says was confirmed.
    pub confirmed_at: Option<Timestamp>,
    /// What each edit came to, JSON; `None`: they are not all done.
    pub outcome: Option<String>,
}

impl Store {
    /// Keeps a workbook that was brought; one that is kept already under its id stays as it is.
    ///
    /// # Errors
    /// The database failed.
    pub fn keep_import(&self, import: Import) -> Verb<'_, ()> {
        self.write(move |tx| {
            let kept = tx.change(&WORKBOOK_IMPORT, values![import.id], || {
                tx.run(
                    "INSERT INTO workbook_import (id, name, actor, brought_at, digest, about, edits)
                     VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO NOTHING",
                    values![
                        import.id,
                        import.name,
                        import.actor.name(),
                        instant(import.brought_at),
                        import.digest,
                        import.about,
                        import.edits
                    ],
                )
            })?;
            if kept == 0 {
                return Ok(());
            }
            let detail = format!("import {}, SHA-256 {}", import.id, import.digest);
            let line = Entry::by(&import.actor, Action::WorkbookBrought, None, import.name.clone(), detail);
            audit::append(tx, import.brought_at, &[line])
        })
    }

    /// A workbook that was brought. `None`: none is called so, or its row was written by somebody else.
    ///
    /// # Errors
    /// The database failed.
    pub fn import(&self, id: String) -> Verb<'_, Option<Import>> {
        self.read(move |tx| {
            let sql = "SELECT id, name, actor, brought_at, digest, about, edits, confirmed_at, outcome
                       FROM workbook_import WHERE id = $1";
            let Some(import) = tx.one(sql, values![id], read_import)? else { return Ok(None) };
            let genuine = tx.examine_one(&WORKBOOK_IMPORT, values![id])?.is_some_and(|row| row.genuine);
            Ok(genuine.then_some(import))
        })
    }

    /// Notes that somebody has confirmed what a workbook says. `false`: somebody has done so before.
    ///
    /// # Errors
    /// The database failed.
    pub fn confirm_import(&self, id: String, (by, says): (Actor, String), now: Timestamp) -> Verb<'_, bool> {
        self.write(move |tx| {
            let sql = "UPDATE workbook_import SET confirmed_at = $2 WHERE id = $1 AND confirmed_at IS NULL";
            if tx.change(&WORKBOOK_IMPORT, values![id], || tx.run(sql, values![id, instant(now)]))? == 0 {
                return Ok(false);
            }
            audit::append(tx, now, &[Entry::by(&by, Action::WorkbookConfirmed, None, id.clone(), says)])?;
            Ok(true)
        })
    }

    /// Keeps what each edit came to.
    ///
    /// # Errors
    /// The database failed.
    pub fn finish_import(&self, id: String, outcome: String) -> Verb<'_, ()> {
        self.write(move |tx| {
            let sql = "UPDATE workbook_import SET outcome = $2 WHERE id = $1 AND outcome IS NULL";
            tx.change(&WORKBOOK_IMPORT, values![id], || tx.run(sql, values![id, outcome])).map(drop)
        })
    }
}

fn read_import(row: &Row<'_>) -> Result<Import, StoreError> {
    Ok(Import {
        id: row.get(0)?,
        name: row.get(1)?,
        actor: row.actor(2)?,
        brought_at: row.parsed(3, "workbook_import.brought_at")?,
        digest: row.get(4)?,
        about: row.get(5)?,
        edits: row.get(6)?,
        confirmed_at: row.parsed_option(7, "workbook_import.confirmed_at")?,
        outcome: row.get(8)?,
    })
}
