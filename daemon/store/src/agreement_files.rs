//! Contract files: what was read of each, and what could not be taken.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::action::Action;
use super::attested::AGREEMENT_FILE;
use super::audit::{self, Entry};
use super::session::values;
use super::{Store, Verb, instant};

/// What a look at a contract file, or at the folder, has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// It is not there, or the folder cannot be read.
    Gone,
    /// Of the folder: it lacks more of what it had than the brake allows.
    Lacking,
    /// Its text has this digest.
    Text(String),
    /// A change order whose text has this digest, and whose contract is not known yet: it is tried again.
    Waiting(String),
}

/// Stands before the digest of a change order that waits.
const WAITS: &str = "waits ";

impl Seen {
    /// What stands in the place of a digest.
    fn name(&self) -> Cow<'_, str> {
        match self {
            Self::Gone => "".into(),
            Self::Lacking => "gone".into(),
            Self::Text(digest) => digest.into(),
            Self::Waiting(digest) => format!("{WAITS}{digest}").into(),
        }
    }
}

impl From<String> for Seen {
    fn from(text: String) -> Self {
        if let Some(digest) = text.strip_prefix(WAITS) {
            return Self::Waiting(digest.to_owned());
        }
        [Self::Gone, Self::Lacking].into_iter().find(|seen| seen.name() == text).unwrap_or(Self::Text(text))
    }
}

/// A contract file that was read before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownFile {
    /// What it was when it was looked at last.
    pub seen: Seen,
    /// Contract that it brought.
    pub contract: Option<String>,
}

/// A contract file that could not be taken.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct FileProblem {
    /// File.
    pub path: String,
    /// What is wrong.
    pub problem: String,
    /// Since when, UTC.
    #[schema(value_type = String, format = DateTime)]
    pub seen_at: Timestamp,
}

impl Store {
    /// What is known of a contract file.
    ///
    /// # Errors
    /// The database failed.
    pub fn agreement_file(&self, path: String) -> Verb<'_, Option<KnownFile>> {
        self.read(move |tx| {
            tx.one("SELECT digest, contract FROM agreement_file WHERE path = $1", values![path], |row| {
                Ok(KnownFile { seen: row.get::<String>(0)?.into(), contract: row.get(1)? })
            })
        })
    }

    /// Files of a folder that were taken and were there when it was read last: path and contract.
    ///
    /// # Errors
    /// The database failed.
    pub fn files_taken(&self, folder: String) -> Verb<'_, Vec<(String, String)>> {
        self.read(move |tx| {
            // `0` is the character after `/`.
            tx.all(
                "SELECT path, contract FROM agreement_file WHERE path > $1 AND path < $2 AND contract IS NOT NULL
                 AND digest <> $3 ORDER BY path",
                values![format!("{folder}/"), format!("{folder}0"), Seen::Gone.name().as_ref()],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
        })
    }

    /// Notes what became of a contract file.
    ///
    /// # Errors
    /// The database failed.
    pub fn agreement_file_seen(
        &self,
        path: String,
        seen: Seen,
        contract: Option<String>,
        problem: Option<String>,
        now: Timestamp,
    ) -> Verb<'_, ()> {
        self.write(move |tx| {
            let known: Option<Option<String>> =
                tx.one("SELECT problem FROM agreement_file WHERE path = $1", values![path], |row| row.get(0))?;
            // What was noted already is not noted again with every look at the folder.
            if let Some(problem) = problem.as_ref().filter(|problem| known.flatten().as_ref() != Some(problem)) {
                let action = match &seen {
                    Seen::Waiting(_) => Action::ChangeOrderWaits,
                    Seen::Gone | Seen::Lacking | Seen::Text(_) => Action::ContractFileRefused,
                };
                let line = Entry::own(action, contract.as_deref(), path.clone(), problem.clone());
                audit::append(tx, now, &[line])?;
            }
            tx.overwrite(&AGREEMENT_FILE, values![path], || {
                tx.run(
                    "INSERT INTO agreement_file (path, digest, contract, problem, seen_at) VALUES ($1, $2, $3, $4, $5)
                     ON CONFLICT (path) DO UPDATE SET digest = $2, contract = $3, problem = $4, seen_at = $5",
                    values![path, seen.name().as_ref(), contract, problem, instant(now)],
                )
            })
            .map(drop)
        })
    }

    /// Contract files that could not be taken.
    ///
    /// # Errors
    /// The database failed.
    pub fn file_problems(&self) -> Verb<'_, Vec<FileProblem>> {
        self.read(|tx| {
            tx.all(
                "SELECT path, problem, seen_at FROM agreement_file WHERE problem IS NOT NULL ORDER BY path",
                values![],
                |row| {
                    let seen_at = row.parsed(2, "agreement_file.seen_at")?;
                    Ok(FileProblem { path: row.get(0)?, problem: row.get(1)?, seen_at })
                },
            )
        })
    }
}
