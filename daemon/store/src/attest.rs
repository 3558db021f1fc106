//! Attestation: what the house's key says about rows. Whoever can write the database cannot make a row's code; and the sum over
//! all codes of a table, which stands sealed at the head of the audit trail, shows a row that is gone, put in or put back.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use milestoned_seal::{CODE, Coder, Key, Purpose, SealError};
use milestoned_trail::chain::Head;
use milestoned_trail::rows::RowDigest;
use rusqlite::types::{ToSqlOutput, ValueRef};

use super::StoreError;
use super::attested::{ALL, Table};
use super::session::{Cell, Link, Row, Sql, Value, values};

/// What attests rows: the key, and what is derived from it once.
pub(super) struct House {
    /// The key.
    pub(super) key: Key,
    row: Coder,
    sum: Coder,
}

impl House {
    /// A house with this key.
    pub(super) fn of(key: Key) -> Result<Self, StoreError> {
        let coder = |purpose| key.coder(purpose).map_err(|error: SealError| StoreError::Key(error.to_string()));
        Ok(Self { row: coder(Purpose::Row)?, sum: coder(Purpose::Sum)?, key })
    }

    /// What a row adds to the sum over its table.
    fn part(&self, table: &Table, number: i64, code: &[u8]) -> u128 {
        // Of a row on its way what stays as it was written takes part, and no more.
        let lasting = match code {
            [lasting @ .., UNDER_WAY] if code.len() == WHOLE => lasting.get(..CODE).unwrap_or_default(),
            _ => code,
        };
        u128::from_be_bytes(self.sum.code(&[table.name.as_bytes(), &number.to_be_bytes(), lasting]))
    }
}

/// Bytes of a code over what was told and over what became of it, and one that says whether the row is on its way.
const WHOLE: usize = 2 * CODE + 1;
const UNDER_WAY: u8 = 1;

/// How many rows of a table there are, and the sum of what each adds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Sum {
    pub(super) rows: i64,
    pub(super) sum: u128,
}

impl Sum {
    /// One row more.
    fn add(&mut self, part: u128) {
        self.rows = self.rows.saturating_add(1);
        self.sum = self.sum.wrapping_add(part);
    }

    /// One row less.
    fn take(&mut self, part: u128) {
        self.rows = self.rows.saturating_sub(1);
        self.sum = self.sum.wrapping_sub(part);
    }

    /// Both together.
    pub(super) fn and(self, other: Self) -> Self {
        Self { rows: self.rows.saturating_add(other.rows), sum: self.sum.wrapping_add(other.sum) }
    }

    /// What is left of the first without the second.
    fn without(self, other: Self) -> Self {
        Self { rows: self.rows.saturating_sub(other.rows), sum: self.sum.wrapping_sub(other.sum) }
    }
}

/// Where the seal belongs: put elsewhere it does not open.
const PLACE: &str = "audit_head";

/// The head as it is sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sheet {
    /// The newest line.
    pub(super) head: Head,
    /// Rows of each table, and the sum over their codes.
    pub(super) sums: BTreeMap<String, Sum>,
}

impl Sheet {
    /// The text that is stored.
    pub(super) fn seal(&self, house: &House) -> Result<String, StoreError> {
        let mut text = format!("{} {}", self.head.seq, self.head.hash);
        for (table, Sum { rows, sum }) in &self.sums {
            // Writing to a text does not fail.
            let _ = write!(text, "\n{table} {rows} {sum:x}");
        }
        house.key.seal(PLACE, &text).map_err(|error| StoreError::Key(error.to_string()))
    }

    /// What was sealed; `None`: not by this house, or something else since.
    pub(super) fn open(house: &House, sealed: &str) -> Option<Self> {
        let text = house.key.open(PLACE, sealed).ok()?;
        let mut lines = text.lines();
        let (seq, hash) = lines.next()?.split_once(' ')?;
        let sums = lines.map(|line| {
            let mut words = line.split(' ');
            let (table, rows, sum) = (words.next()?, words.next()?.parse().ok()?, words.next()?);
            Some((table.to_owned(), Sum { rows, sum: u128::from_str_radix(sum, 16).ok()? }))
        });
        Some(Self { head: Head { seq: seq.parse().ok()?, hash: hash.into() }, sums: sums.collect::<Option<_>>()? })
    }
}

/// In PostgreSQL whoever appends holds the head until it commits: two lines never follow from the same one. SQLite has
/// one writer.
pub(super) const HEAD: Sql = Sql {
    postgres: "SELECT seq, hash, sealed FROM audit_head WHERE id = 1 FOR UPDATE",
    sqlite: "SELECT seq, hash, sealed FROM audit_head WHERE id = 1",
};

/// The head as it stands, and what it was sealed as; `None`: its seal is not ours.
pub(super) fn read_head(
    tx: &Session<'_>,
    sql: impl Into<Sql>,
) -> Result<Option<(Head, String, Option<Sheet>)>, StoreError> {
    tx.one(sql, values![], |row| {
        let sealed: String = row.get(2)?;
        let sheet = Sheet::open(tx.house, &sealed);
        Ok((Head { seq: row.get(0)?, hash: row.get(1)? }, sealed, sheet))
    })
}

/// The head, without waiting for anybody.
pub(super) const AS_IT_STANDS: &str = "SELECT seq, hash, sealed FROM audit_head WHERE id = 1";

/// Waits until no other transaction appends, so that what is numbered from here on is numbered in the order of commits.
/// Nothing is written on a head that is not ours.
pub(super) fn hold(tx: &Session<'_>) -> Result<Head, StoreError> {
    if let Some(sheet) = &tx.ledger.borrow().sheet {
        return Ok(sheet.head.clone());
    }
    let unattested = || StoreError::Unattested { table: "audit_head", row: "1".into() };
    let (head, _, sheet) = read_head(tx, HEAD)?.ok_or_else(unattested)?;
    let sheet = sheet.filter(|sheet| sheet.head == head).ok_or_else(unattested)?;
    tx.ledger.borrow_mut().sheet = Some(sheet);
    Ok(head)
}

/// What a transaction has changed so far of what is attested.
#[derive(Default)]
pub(super) struct Ledger {
    /// The head as it was read, with the lines that were appended since.
    pub(super) sheet: Option<Sheet>,
    /// Lines were appended.
    pub(super) appended: bool,
    /// What rows say that a line of this transaction is about, by contract and subject of the line.
    about: BTreeMap<(String, String), Vec<String>>,
    /// By how much the sums grow.
    grown: BTreeMap<&'static str, Sum>,
}

/// A row's place in the sum, its code, and the digest of what was told, as they are in the database.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Attested {
    pub(super) number: i64,
    pub(super) code: Vec<u8>,
    pub(super) digest: [u8; 32],
}

/// The digest of columns of a row.
fn digest<'a>(
    table: &str,
    columns: &[&str],
    cells: impl IntoIterator<Item = Result<Cell<'a>, StoreError>>,
) -> Result<[u8; 32], StoreError> {
    let mut digest = RowDigest::of(table);
    for (column, cell) in columns.iter().zip(cells) {
        match cell? {
            Cell::Null => {}
            Cell::Number(number) => digest.column(column, number.to_string().as_bytes()),
            Cell::Bytes(bytes) => digest.column(column, bytes),
        }
    }
    Ok(digest.end())
}

/// The number under which PostgreSQL locks a row that is not there yet.
fn lock_of(table: &Table, key: &[&dyn Value]) -> Result<i64, StoreError> {
    let mut name = RowDigest::of(table.name);
    for (column, value) in table.key.iter().zip(key) {
        match value.sqlite().to_sql()? {
            ToSqlOutput::Borrowed(ValueRef::Text(bytes)) => name.column(column, bytes),
            ToSqlOutput::Owned(rusqlite::types::Value::Text(text)) => name.column(column, text.as_bytes()),
            other => name.column(column, format!("{other:?}").as_bytes()),
        }
    }
    let [a, b, c, d, e, f, g, h, ..] = name.end();
    Ok(i64::from_be_bytes([a, b, c, d, e, f, g, h]))
}

/// A transaction, what attests the rows that it writes, and what it has changed of them so far.
pub(super) struct Session<'a> {
    link: Link<'a>,
    /// What attests rows.
    pub(super) house: &'a House,
    /// What is attested in this transaction, for its end.
    pub(super) ledger: RefCell<Ledger>,
}

impl<'a> Session<'a> {
    /// A transaction under a house's key.
    pub(super) fn under(link: Link<'a>, house: &'a House) -> Self {
        Self { link, house, ledger: RefCell::default() }
    }
}

impl<'a> std::ops::Deref for Session<'a> {
    type Target = Link<'a>;

    fn deref(&self) -> &Link<'a> {
        &self.link
    }
}

/// A row as it was read: its own columns, and whether its code fits them.
pub(super) struct Examined {
    /// Its place and code.
    pub(super) attested: Attested,
    /// Whether the house's key made the code of what the row says.
    pub(super) genuine: bool,
}

impl Session<'_> {
    /// The code of a row that is about to be written.
    pub(super) fn code(&self, table: &Table, told: &[Cell<'_>], standing: &[Cell<'_>]) -> Result<Vec<u8>, StoreError> {
        self.code_and_digest(table, told, standing).map(|(code, _)| code)
    }

    /// The same with the digest of what is told, for a line about the row.
    pub(super) fn code_and_digest(
        &self,
        table: &Table,
        told: &[Cell<'_>],
        standing: &[Cell<'_>],
    ) -> Result<(Vec<u8>, [u8; 32]), StoreError> {
        debug_assert_eq!((told.len(), standing.len()), (table.told.len(), table.standing.len()), "{}", table.name);
        let digest = digest(table.name, table.told, told.iter().map(|cell| Ok(*cell)))?;
        Ok((self.code_of(table, &self.house.row.code(&[&digest]), standing)?, digest))
    }

    /// The next line of this transaction about a subject of a contract is about this row.
    pub(super) fn is_about(&self, contract: &str, subject: &str, row: String) {
        let place = (contract.to_owned(), subject.to_owned());
        self.ledger.borrow_mut().about.entry(place).or_default().push(row);
    }

    /// The rows that a line is about.
    pub(super) fn about(&self, contract: Option<&str>, subject: &str) -> Option<String> {
        let mut ledger = self.ledger.borrow_mut();
        if ledger.about.is_empty() {
            return None;
        }
        let place = (contract.unwrap_or_default().to_owned(), subject.to_owned());
        ledger.about.remove(&place).map(|rows| rows.join(" "))
    }

    /// The code of a row of which another thing has become.
    pub(super) fn code_after(
        &self,
        table: &Table,
        before: &Attested,
        standing: &[Cell<'_>],
    ) -> Result<Vec<u8>, StoreError> {
        self.code_of(table, before.code.get(..CODE).unwrap_or_default(), standing)
    }

    fn code_of(&self, table: &Table, told: &[u8], standing: &[Cell<'_>]) -> Result<Vec<u8>, StoreError> {
        let mut code = Vec::with_capacity(WHOLE);
        code.extend_from_slice(told);
        if let Some(first) = standing.first() {
            let digest = digest(table.name, table.standing, standing.iter().map(|cell| Ok(*cell)))?;
            code.extend_from_slice(&self.house.row.code(&[told, &digest]));
            code.push(u8::from((table.under_way)(first)));
        }
        Ok(code)
    }

    /// A row was inserted with this code.
    pub(super) fn inserted(&self, table: &Table, number: i64, code: &[u8]) {
        self.grown(table, |sum| sum.add(self.house.part(table, number, code)));
    }

    /// A row bears another code now.
    pub(super) fn updated(&self, table: &Table, before: &Attested, code: &[u8]) {
        self.grown(table, |sum| {
            sum.take(self.house.part(table, before.number, &before.code));
            sum.add(self.house.part(table, before.number, code));
        });
    }

    /// A row was deleted.
    pub(super) fn deleted(&self, table: &Table, before: &Attested) {
        self.grown(table, |sum| sum.take(self.house.part(table, before.number, &before.code)));
    }

    fn grown(&self, table: &Table, change: impl FnOnce(&mut Sum)) {
        change(self.ledger.borrow_mut().grown.entry(table.name).or_default());
    }

    /// Deletes rows by a statement that returns the code of each, of a table whose rows are not numbered. Returns how many.
    pub(super) fn delete(&self, table: &Table, sql: &'static str, values: &[&dyn Value]) -> Result<u64, StoreError> {
        let codes = self.all(sql, values, |row| row.get::<Option<Vec<u8>>>(0))?;
        let count = u64::try_from(codes.len()).unwrap_or(u64::MAX);
        for code in codes {
            self.deleted(table, &Attested { code: code.unwrap_or_default(), ..Attested::default() });
        }
        Ok(count)
    }

    /// Examines a row that begins at a column: number or 0, told, standing, code.
    pub(super) fn examine(&self, table: &Table, row: &Row<'_>, at: usize) -> Result<Examined, StoreError> {
        let number = match row.cell(at)? {
            Cell::Number(number) => number,
            Cell::Null | Cell::Bytes(_) => -1,
        };
        let told = at.saturating_add(1);
        let standing = told.saturating_add(table.told.len());
        let end = standing.saturating_add(table.standing.len());
        let told_digest = digest(table.name, table.told, (told..standing).map(|index| row.cell(index)))?;
        let code: Vec<u8> = row.get::<Option<Vec<u8>>>(end)?.unwrap_or_default();
        let (first, second) = code.split_at_checked(CODE).unwrap_or_default();
        let genuine = self.house.row.knows(&[&told_digest], first)
            && if standing == end {
                second.is_empty()
            } else {
                let digest = digest(table.name, table.standing, (standing..end).map(|index| row.cell(index)))?;
                let (second, under_way) = second.split_at_checked(CODE).unwrap_or_default();
                self.house.row.knows(&[first, &digest], second)
                    && under_way == [u8::from((table.under_way)(&row.cell(standing)?))]
            };
        Ok(Examined { attested: Attested { number, code, digest: told_digest }, genuine })
    }

    /// Examines one row by its key; `None`: there is none.
    pub(super) fn examine_one(&self, table: &Table, key: &[&dyn Value]) -> Result<Option<Examined>, StoreError> {
        self.one(table.one, key, |row| self.examine(table, row, 0))
    }

    /// Reads a row that is about to be written: nobody else changes it, or makes it, before the transaction ends. The sum over a
    /// table follows from what was there before and what is there afterwards.
    pub(super) fn hold<T>(
        &self,
        table: &Table,
        key: &[&dyn Value],
        read: impl Fn(&Row<'_>, Examined) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        let look = || self.one(table.held, key, |row| read(row, self.examine(table, row, 0)?));
        let found = look()?;
        if found.is_some() || self.has_one_writer() {
            return Ok(found);
        }
        // There is no row that could be locked: whoever makes the same one waits for its name.
        let name = lock_of(table, key)?;
        self.one("SELECT pg_advisory_xact_lock($1)", values![name], |_| Ok(()))?;
        look()
    }

    /// Changes one row, or makes it, or deletes it, by `write`: what is there is acted on only if it is attested, and what is
    /// there afterwards is attested.
    ///
    /// # Errors
    /// The row was not written by us, or was changed since: nothing was written.
    pub(super) fn change<T>(
        &self,
        table: &Table,
        key: &[&dyn Value],
        write: impl FnOnce() -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let before = self.hold(table, key, |_, examined| Ok(examined))?;
        if before.as_ref().is_some_and(|before| !before.genuine) {
            return Err(self.unattested(table, key)?);
        }
        let value = write()?;
        self.attest_now(table, key, before.map(|before| before.attested))?;
        Ok(value)
    }

    /// The same for a row of which `write` writes all that matters: one that is not attested is written over.
    pub(super) fn overwrite<T>(
        &self,
        table: &Table,
        key: &[&dyn Value],
        write: impl FnOnce() -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let before = self.hold(table, key, |_, examined| Ok(examined))?;
        let value = write()?;
        self.attest_now(table, key, before.map(|before| before.attested))?;
        Ok(value)
    }

    /// Attests a row as it stands.
    fn attest_now(&self, table: &Table, key: &[&dyn Value], before: Option<Attested>) -> Result<(), StoreError> {
        let made = self.one(table.one, key, |row| self.fresh(table, row))?;
        if let Some(Attested { code, .. }) = &made {
            let mut values: Vec<&dyn Value> = vec![code];
            values.extend(key);
            self.run(table.write, &values)?;
        }
        if let Some(before) = before {
            self.deleted(table, &before);
        }
        if let Some(made) = made {
            self.inserted(table, made.number, &made.code);
        }
        Ok(())
    }

    /// The code that a row as it stands should bear.
    fn fresh(&self, table: &Table, row: &Row<'_>) -> Result<Attested, StoreError> {
        let cells: Vec<Cell<'_>> = (0..table.width()).map(|index| row.cell(index)).collect::<Result<_, _>>()?;
        let (number, rest) = cells.split_first().unwrap_or((&Cell::Null, &[]));
        let (told, standing) = rest.split_at_checked(table.told.len()).unwrap_or_default();
        let number = if let Cell::Number(number) = number { *number } else { 0 };
        let (code, digest) = self.code_and_digest(table, told, standing)?;
        Ok(Attested { number, code, digest })
    }

    /// What is said of a row that is not attested.
    fn unattested(&self, table: &Table, key: &[&dyn Value]) -> Result<StoreError, StoreError> {
        let name = self.one(table.one, key, |row| name_of(table, row))?;
        Ok(StoreError::Unattested { table: table.name, row: name.unwrap_or_default() })
    }

    /// Seals what this transaction has changed into the head of the trail: the last thing it does.
    pub(super) fn close(&self) -> Result<(), StoreError> {
        let (grown, appended) = {
            let mut ledger = self.ledger.borrow_mut();
            (std::mem::take(&mut ledger.grown), ledger.appended)
        };
        if !appended && grown.values().all(|sum| *sum == Sum::default()) {
            return Ok(());
        }
        hold(self)?;
        let mut ledger = self.ledger.borrow_mut();
        let Some(sheet) = ledger.sheet.as_mut() else { return Ok(()) };
        for (table, sum) in grown {
            let before = sheet.sums.get(table).copied().unwrap_or_default();
            sheet.sums.insert(table.to_owned(), before.and(sum));
        }
        let Head { seq, hash } = &sheet.head;
        let sealed = sheet.seal(self.house)?;
        self.run("UPDATE audit_head SET seq = $1, hash = $2, sealed = $3 WHERE id = 1", values![*seq, *hash, sealed])
            .map(drop)
    }

    /// Attests every row as it stands, once. Returns what there is, by table.
    pub(super) fn attest_all(&self) -> Result<BTreeMap<String, Sum>, StoreError> {
        let mut sums = BTreeMap::new();
        for table in ALL {
            let mut rows = Vec::new();
            self.each(table.all, values![], |row| {
                rows.push((self.fresh(table, row)?, keys_of(table, row)?));
                Ok(())
            })?;
            let mut sum = Sum::default();
            let sets: Vec<Vec<&dyn Value>> = rows
                .iter()
                .map(|(made, keys)| {
                    sum.add(self.house.part(table, made.number, &made.code));
                    let mut values: Vec<&dyn Value> = vec![&made.code];
                    values.extend(keys.iter().map(AsRef::as_ref));
                    values
                })
                .collect();
            self.run_each(table.write, &sets)?;
            sums.insert(table.name.to_owned(), sum);
        }
        Ok(sums)
    }

    /// The sums as another house's key makes them, and as this one does: keys were exchanged. Rows that are as they were written are
    /// attested with the key in use, so that the former one can be taken out of the configuration, and whoever has it makes no row.
    pub(super) fn carried_over(&self, former: &House, sums: &mut BTreeMap<String, Sum>) -> Result<(), StoreError> {
        for table in ALL {
            let (mut was, mut is, mut rows) = (Sum::default(), Sum::default(), Vec::new());
            self.each(table.all, values![], |row| {
                let Examined { attested: Attested { number, code, .. }, genuine } = self.examine(table, row, 0)?;
                was.add(former.part(table, number, &code));
                if genuine {
                    let made = self.fresh(table, row)?;
                    is.add(self.house.part(table, number, &made.code));
                    rows.push((made.code, keys_of(table, row)?));
                } else {
                    is.add(self.house.part(table, number, &code));
                }
                Ok(())
            })?;
            let sets: Vec<Vec<&dyn Value>> = rows
                .iter()
                .map(|(code, keys)| std::iter::once(code as &dyn Value).chain(keys.iter().map(AsRef::as_ref)).collect())
                .collect();
            self.run_each(table.write, &sets)?;
            // Only the difference is applied: a sum that did not agree with its rows before does not agree afterwards
            // either.
            let sum = sums.entry(table.name.to_owned()).or_default();
            *sum = sum.without(was).and(is);
        }
        Ok(())
    }

    /// What a table adds up to now; each row is handed to `tell`.
    pub(super) fn add_up(
        &self,
        table: &Table,
        mut tell: impl FnMut(&Row<'_>, &Examined) -> Result<(), StoreError>,
    ) -> Result<Sum, StoreError> {
        let mut sum = Sum::default();
        self.each(table.all, values![], |row| {
            let examined = self.examine(table, row, 0)?;
            sum.add(self.house.part(table, examined.attested.number, &examined.attested.code));
            tell(row, &examined)
        })?;
        Ok(sum)
    }
}

/// Index of a column in what [`Table::all`] gives; the number's where there is none.
pub(super) fn place(table: &Table, column: &str) -> usize {
    let mut columns = table.told.iter().chain(table.standing);
    columns.position(|name| *name == column).map_or(0, |index| index.saturating_add(1))
}

fn keys_of(table: &Table, row: &Row<'_>) -> Result<Vec<Box<dyn Value>>, StoreError> {
    let key = |column: &&str| {
        let index = place(table, column);
        Ok(match row.cell(index)? {
            Cell::Number(number) => Box::new(number) as Box<dyn Value>,
            Cell::Null | Cell::Bytes(_) => Box::new(row.get::<String>(index)?),
        })
    };
    table.key.iter().map(key).collect()
}

/// A row's key, for people.
pub(super) fn name_of(table: &Table, row: &Row<'_>) -> Result<String, StoreError> {
    let word = |column: &&str| {
        Ok(match row.cell(place(table, column))? {
            Cell::Null => String::new(),
            Cell::Number(number) => number.to_string(),
            Cell::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        })
    };
    Ok(table.key.iter().map(word).collect::<Result<Vec<String>, StoreError>>()?.join(" "))
}
