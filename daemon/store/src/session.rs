//! The seam between the verbs and a database: a transaction that runs statements. A verb is written once; its statements
//! are one text where both databases understand it, and two, with the reason beside them, where they do not.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use milestoned_mapping::money::{Currency, Money};
use rusqlite::types::{FromSql as FromSqlite, ValueRef};
use serde::de::{DeserializeOwned, IntoDeserializer};
use tokio_postgres::types::{FromSqlOwned as FromPostgres, ToSql as ToPostgres, Type};

use super::StoreError;
use super::actor::Actor;
use super::postgres::Conversation;

/// A transaction of one of the databases.
#[derive(Clone, Copy)]
pub(super) enum Link<'a> {
    /// PostgreSQL.
    Postgres(&'a Conversation),
    /// SQLite.
    Sqlite(&'a rusqlite::Connection),
}

/// A statement, with `$1`, `$2`, … for its values.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sql {
    /// What PostgreSQL is given.
    pub(super) postgres: &'static str,
    /// What SQLite is given.
    pub(super) sqlite: &'static str,
}

impl From<&'static str> for Sql {
    fn from(both: &'static str) -> Self {
        Self { postgres: both, sqlite: both }
    }
}

/// A statement that inserts a row which the database numbers. In SQLite the number is asked afterwards: `RETURNING` costs it a
/// table for what is returned, and a copy of every page that the statement changes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Numbered {
    /// What PostgreSQL is given, which returns the number.
    pub(super) postgres: &'static str,
    /// What SQLite is given.
    pub(super) sqlite: &'static str,
    /// Asks SQLite for the number, where it is not that of the row itself.
    pub(super) number: Option<&'static str>,
}

/// A statement that inserts a row, and the column that numbers it: in SQLite the row's own number.
macro_rules! numbered {
    ($insert:literal, $number:literal) => {
        $crate::session::Numbered { postgres: concat!($insert, " RETURNING ", $number), sqlite: $insert, number: None }
    };
}
pub(super) use numbered;

/// A value that both databases take.
pub(super) trait Value: rusqlite::ToSql + ToPostgres + Sync {
    /// As PostgreSQL takes it.
    fn postgres(&self) -> &(dyn ToPostgres + Sync);
    /// As SQLite takes it.
    fn sqlite(&self) -> &dyn rusqlite::ToSql;
}

impl<T: rusqlite::ToSql + ToPostgres + Sync> Value for T {
    fn postgres(&self) -> &(dyn ToPostgres + Sync) {
        self
    }

    fn sqlite(&self) -> &dyn rusqlite::ToSql {
        self
    }
}

/// The values of a statement, in the order of their numbers.
macro_rules! values {
    ($($value:expr),* $(,)?) => {
        &[$(&$value as &dyn $crate::session::Value),*] as &[&dyn $crate::session::Value]
    };
}
pub(super) use values;

/// Whether a column is among the texts of a JSON list, which the two databases take apart differently.
macro_rules! among {
    (postgres, $column:literal, $list:literal) => {
        concat!($column, " = ANY (ARRAY (SELECT json_array_elements_text(CAST(CAST(", $list, " AS TEXT) AS json))))")
    };
    (sqlite, $column:literal, $list:literal) => {
        concat!($column, " IN (SELECT value FROM json_each(", $list, "))")
    };
}
pub(super) use among;

/// What a column holds, the same for both databases: a truth value is 1 or 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cell<'a> {
    /// Nothing.
    Null,
    /// A number.
    Number(i64),
    /// Text or bytes.
    Bytes(&'a [u8]),
}

impl<'a> From<&'a str> for Cell<'a> {
    fn from(text: &'a str) -> Self {
        Self::Bytes(text.as_bytes())
    }
}

impl<'a> From<&'a String> for Cell<'a> {
    fn from(text: &'a String) -> Self {
        Self::Bytes(text.as_bytes())
    }
}

impl<'a> From<&'a Actor> for Cell<'a> {
    fn from(actor: &'a Actor) -> Self {
        actor.name().into()
    }
}

impl From<i64> for Cell<'_> {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<bool> for Cell<'_> {
    fn from(truth: bool) -> Self {
        Self::Number(i64::from(truth))
    }
}

impl<'a, T: Into<Self>> From<Option<T>> for Cell<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl<'a> From<&'a Option<String>> for Cell<'a> {
    fn from(text: &'a Option<String>) -> Self {
        text.as_deref().into()
    }
}

/// Cells of columns, in their order.
macro_rules! cells {
    ($($value:expr),* $(,)?) => {
        [$($crate::session::Cell::from($value)),*]
    };
}
pub(super) use cells;

/// A row of an answer.
pub(super) enum Row<'a> {
    /// PostgreSQL's.
    Postgres(&'a tokio_postgres::Row),
    /// SQLite's.
    Sqlite(&'a rusqlite::Row<'a>),
}

impl Row<'_> {
    /// The column at an index, from 0.
    pub(super) fn get<T: FromSqlite + FromPostgres>(&self, index: usize) -> Result<T, StoreError> {
        match self {
            Self::Postgres(row) => Ok(row.try_get(index)?),
            Self::Sqlite(row) => Ok(row.get(index)?),
        }
    }

    /// The column at an index, whatever it holds.
    pub(super) fn cell(&self, index: usize) -> Result<Cell<'_>, StoreError> {
        match self {
            Self::Postgres(row) => {
                let kind = row.columns().get(index).map(|column| column.type_().clone());
                Ok(match kind {
                    Some(Type::INT8) => row.try_get::<_, Option<i64>>(index)?.into(),
                    Some(Type::BOOL) => row.try_get::<_, Option<bool>>(index)?.map(i64::from).into(),
                    Some(Type::BYTEA) => row.try_get::<_, Option<&[u8]>>(index)?.map_or(Cell::Null, Cell::Bytes),
                    _ => row.try_get::<_, Option<&str>>(index)?.into(),
                })
            }
            Self::Sqlite(row) => Ok(match row.get_ref(index)? {
                ValueRef::Null => Cell::Null,
                ValueRef::Integer(number) => Cell::Number(number),
                // No column of ours holds one; a file that somebody else wrote may.
                ValueRef::Real(_) => Cell::Bytes(b"a number with a point"),
                ValueRef::Text(text) | ValueRef::Blob(text) => Cell::Bytes(text),
            }),
        }
    }

    /// A column of text that stands for a value: a date, an instant, a word. `column` names it where it cannot be read.
    pub(super) fn parsed<T: DeserializeOwned>(&self, index: usize, column: &'static str) -> Result<T, StoreError> {
        value_of(&self.get::<String>(index)?, column)
    }

    /// The same for a column that may be empty.
    pub(super) fn parsed_option<T: DeserializeOwned>(
        &self,
        index: usize,
        column: &'static str,
    ) -> Result<Option<T>, StoreError> {
        self.get::<Option<String>>(index)?.map(|text| value_of(&text, column)).transpose()
    }

    /// Decimal text, in a currency.
    pub(super) fn money(
        &self,
        index: usize,
        currency: Currency,
        column: &'static str,
    ) -> Result<Option<Money>, StoreError> {
        let text = self.get::<Option<String>>(index)?;
        text.map(|text| currency.parse(&text).map_err(|_| StoreError::Unreadable { column, text })).transpose()
    }

    /// A column that names who did something.
    pub(super) fn actor(&self, index: usize) -> Result<Actor, StoreError> {
        Ok(self.get::<String>(index)?.into())
    }

    /// A column that counts: never negative.
    pub(super) fn count(&self, index: usize) -> Result<u32, StoreError> {
        Ok(u32::try_from(self.get::<i64>(index)?).unwrap_or(u32::MAX))
    }
}

fn value_of<T: DeserializeOwned>(text: &str, column: &'static str) -> Result<T, StoreError> {
    let read = T::deserialize(IntoDeserializer::<serde::de::value::Error>::into_deserializer(text));
    read.map_err(|_| StoreError::Unreadable { column, text: text.into() })
}

impl Link<'_> {
    /// Whether nobody else writes while a transaction writes. PostgreSQL lets several.
    pub(super) fn has_one_writer(&self) -> bool {
        matches!(self, Self::Sqlite(_))
    }

    /// Runs a statement. Returns how many rows it changed.
    pub(super) fn run(&self, sql: impl Into<Sql>, values: &[&dyn Value]) -> Result<u64, StoreError> {
        let sql = sql.into();
        match self {
            Self::Postgres(conversation) => conversation.run(sql.postgres, values),
            Self::Sqlite(connection) => {
                let mut statement = connection.prepare_cached(sql.sqlite)?;
                bind(&mut statement, sql.sqlite, values)?;
                Ok(u64::try_from(statement.raw_execute()?).unwrap_or(u64::MAX))
            }
        }
    }

    /// Runs a statement once for each set of values, in their order. Returns how many rows each changed. PostgreSQL is told
    /// all of them before it has answered the first: a page of a thousand records is one wait, not a thousand.
    pub(super) fn run_each(&self, sql: impl Into<Sql>, sets: &[Vec<&dyn Value>]) -> Result<Vec<u64>, StoreError> {
        let sql = sql.into();
        match self {
            Self::Postgres(conversation) => conversation.run_each(sql.postgres, sets),
            Self::Sqlite(_) if sets.is_empty() => Ok(Vec::new()),
            Self::Sqlite(connection) => {
                let mut statement = connection.prepare_cached(sql.sqlite)?;
                sets.iter()
                    .map(|values| {
                        bind(&mut statement, sql.sqlite, values)?;
                        Ok(u64::try_from(statement.raw_execute()?).unwrap_or(u64::MAX))
                    })
                    .collect()
            }
        }
    }

    /// Inserts a row and gives its number; `None`: there was one already.
    pub(super) fn number(&self, insert: Numbered, values: &[&dyn Value]) -> Result<Option<i64>, StoreError> {
        match self {
            Self::Postgres(_) => self.one(insert.postgres, values, |row| row.get(0)),
            Self::Sqlite(connection) => {
                if self.run(insert.sqlite, values)? == 0 {
                    return Ok(None);
                }
                let row = connection.last_insert_rowid();
                match insert.number {
                    Some(number) => self.one(number, values![row], |row| row.get(0)),
                    None => Ok(Some(row)),
                }
            }
        }
    }

    /// The same for each set of values, in their order. PostgreSQL is told all of them before it has answered the first.
    pub(super) fn number_each(
        &self,
        insert: Numbered,
        sets: &[Vec<&dyn Value>],
    ) -> Result<Vec<Option<i64>>, StoreError> {
        match self {
            Self::Postgres(conversation) => conversation.number_each(insert.postgres, sets),
            Self::Sqlite(_) => sets.iter().map(|values| self.number(insert, values)).collect(),
        }
    }

    /// All rows of a query, each as `read` gives it.
    pub(super) fn all<T>(
        &self,
        sql: impl Into<Sql>,
        values: &[&dyn Value],
        mut read: impl FnMut(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let mut all = Vec::new();
        self.each(sql, values, |row| {
            all.push(read(row)?);
            Ok(())
        })?;
        Ok(all)
    }

    /// The first row of a query.
    pub(super) fn one<T>(
        &self,
        sql: impl Into<Sql>,
        values: &[&dyn Value],
        read: impl FnMut(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        Ok(self.all(sql, values, read)?.into_iter().next())
    }

    /// Hands each row of a query to `take`, which runs no statement itself: its answer would stand behind these rows.
    pub(super) fn each(
        &self,
        sql: impl Into<Sql>,
        values: &[&dyn Value],
        mut take: impl FnMut(&Row<'_>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.each_row(sql.into(), values, &mut take)
    }

    fn each_row(
        &self,
        sql: Sql,
        values: &[&dyn Value],
        take: &mut dyn FnMut(&Row<'_>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        match self {
            Self::Postgres(conversation) => conversation.each(sql.postgres, values, take),
            Self::Sqlite(connection) => {
                let mut statement = connection.prepare_cached(sql.sqlite)?;
                bind(&mut statement, sql.sqlite, values)?;
                let mut rows = statement.raw_query();
                while let Some(row) = rows.next()? {
                    take(&Row::Sqlite(row))?;
                }
                Ok(())
            }
        }
    }
}

/// By where a statement's text stands: the number of each of its parameters, from 0, in SQLite's order.
type Numbers = BTreeMap<(usize, usize), Rc<[usize]>>;

thread_local! {
    static NUMBERS: RefCell<Numbers> = const { RefCell::new(BTreeMap::new()) };
}

/// SQLite numbers its parameters by their first occurrence: `$2` may be its first. Their names are read once.
fn bind(
    statement: &mut rusqlite::CachedStatement<'_>,
    sql: &'static str,
    values: &[&dyn Value],
) -> Result<(), StoreError> {
    let text = (sql.as_ptr().addr(), sql.len());
    let known = NUMBERS.with_borrow(|numbers| numbers.get(&text).cloned());
    let numbers = match known {
        Some(numbers) => numbers,
        None => {
            let numbers: Rc<[usize]> = numbers(statement).into();
            NUMBERS.with_borrow_mut(|all| all.insert(text, Rc::clone(&numbers)));
            numbers
        }
    };
    for (index, number) in (1..).zip(numbers.iter()) {
        let value = values.get(*number).ok_or(rusqlite::Error::InvalidParameterCount(values.len(), index))?;
        statement.raw_bind_parameter(index, value.sqlite())?;
    }
    Ok(())
}

/// A parameter without a number gets one that no value has.
fn numbers(statement: &rusqlite::Statement<'_>) -> Vec<usize> {
    let number = |index| statement.parameter_name(index)?.strip_prefix('$')?.parse::<usize>().ok()?.checked_sub(1);
    (1..=statement.parameter_count()).map(|place| number(place).unwrap_or(usize::MAX)).collect()
}
