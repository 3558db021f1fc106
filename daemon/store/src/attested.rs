//! Which tables are attested, column by column, and what of the database may change freely, with the reason.

use super::session::{Cell, Sql};

/// A table whose rows bear a code of the house's key.
pub(super) struct Table {
    /// Its name.
    pub(super) name: &'static str,
    /// Columns that stay as they were written.
    pub(super) told: &'static [&'static str],
    /// Columns that say what became of the row.
    pub(super) standing: &'static [&'static str],
    /// Columns that name a row.
    pub(super) key: &'static [&'static str],
    /// Whether a row is on its way, by the first column of its standing. Its standing then takes no part in the sum, so that
    /// those who claim do not wait for each other.
    pub(super) under_way: fn(&Cell<'_>) -> bool,
    /// All rows: number or 0, told, standing, code.
    pub(super) all: &'static str,
    /// The same of one row.
    pub(super) one: &'static str,
    /// The same of one row that nobody else changes until the transaction ends. SQLite has one writer.
    pub(super) held: Sql,
    /// Writes a row's code.
    pub(super) write: &'static str,
}

impl Table {
    /// How many columns stand before the code.
    pub(super) fn width(&self) -> usize {
        1_usize.saturating_add(self.told.len()).saturating_add(self.standing.len())
    }
}

fn never(_: &Cell<'_>) -> bool {
    false
}

fn is_under_way(state: &Cell<'_>) -> bool {
    [b"pending".as_slice(), b"sending", b"unknown"].iter().any(|word| *state == Cell::Bytes(word))
}

macro_rules! where_key {
    ($a:literal) => {
        concat!($a, " = $1")
    };
    ($a:literal, $b:literal) => {
        concat!($a, " = $1 AND ", $b, " = $2")
    };
    ($a:literal, $b:literal, $c:literal) => {
        concat!($a, " = $1 AND ", $b, " = $2 AND ", $c, " = $3")
    };
}

macro_rules! where_key_after_code {
    ($a:literal) => {
        concat!($a, " = $2")
    };
    ($a:literal, $b:literal) => {
        concat!($a, " = $2 AND ", $b, " = $3")
    };
    ($a:literal, $b:literal, $c:literal) => {
        concat!($a, " = $2 AND ", $b, " = $3 AND ", $c, " = $4")
    };
}

/// The column that the database numbers by itself, where there is one. The sum over the table covers it, the row's code does
/// not: it is made before the number is known.
macro_rules! number {
    () => {
        "CAST(0 AS BIGINT)"
    };
    ($number:literal) => {
        $number
    };
}

macro_rules! one_row {
    ($name:literal, [$($number:literal)?], [$($key:literal),+], [$($told:literal),+], [$($standing:literal),*], $lock:literal) => {
        concat!(
            "SELECT ", number!($($number)?) $(, ", ", $told)+ $(, ", ", $standing)*, ", mac FROM ", $name, " WHERE ",
            where_key!($($key),+), $lock
        )
    };
}

macro_rules! table {
    ($const:ident = $name:literal, number [$($number:literal)?], key [$($key:literal),+], told [$($told:literal),+],
     standing [$($standing:literal),*], $under_way:expr) => {
        pub(super) static $const: Table = Table {
            name: $name,
            told: &[$($told),+],
            standing: &[$($standing),*],
            key: &[$($key),+],
            under_way: $under_way,
            all: concat!("SELECT ", number!($($number)?) $(, ", ", $told)+ $(, ", ", $standing)*, ", mac FROM ", $name),
            one: one_row!($name, [$($number)?], [$($key),+], [$($told),+], [$($standing),*], ""),
            held: Sql {
                postgres: one_row!($name, [$($number)?], [$($key),+], [$($told),+], [$($standing),*], " FOR NO KEY UPDATE"),
                sqlite: one_row!($name, [$($number)?], [$($key),+], [$($told),+], [$($standing),*], ""),
            },
            write: concat!("UPDATE ", $name, " SET mac = $1 WHERE ", where_key_after_code!($($key),+)),
        };
    };
}

/// Deliveries with all that their codes cover, in the order of [`OUTBOX`], before the condition that says which.
macro_rules! outbox_row {
    () => {
        "SELECT ordinal, key, contract, target, kind, subject, command, digest, after, created_at, state, attempts, due_at,
         lease_until, settled_at, confirmed_at, receipt, fault, remedy, by_hand, mac FROM outbox"
    };
}

pub(super) use outbox_row;

table!(AGREEMENT_FILE = "agreement_file", number [], key ["path"],
    told ["path", "digest", "contract", "problem", "seen_at"], standing [], never);
table!(ACCOUNT = "account", number [], key ["person"],
    told ["person", "password", "factor", "factor_step", "rights", "made_at", "closed_at"], standing [], never);
table!(APPROVAL = "approval", number [], key ["contract", "milestone"],
    told ["contract", "milestone", "since", "amount", "currency", "shown", "void"], standing [], never);
table!(CHANGE_ORDER = "change_order", number [], key ["contract", "identity"],
    told ["contract", "identity", "fact", "actor", "filed_at", "customer", "stake", "currency"],
    standing ["state", "first_by", "first_of", "decided_by", "decided_at"], never);
table!(CLOSE_PACKAGE = "close_package", number [], key ["month"],
    told ["month", "prepared_by", "prepared_at", "figures", "digest", "signed_by", "signed_at", "public_key", "signature"],
    standing [], never);
table!(CLOSE_STEP = "close_step", number [], key ["month", "step"],
    told ["month", "step", "owner", "done_by", "done_at", "note"], standing [], never);
table!(CONTRACT = "contract", number [], key ["id"],
    told ["id", "agreement", "digest", "source", "opened_on", "opened_at", "customer"],
    standing ["state", "history", "as_of", "wake_at", "planned_documents", "journal_through"], never);
table!(CLOSED_DATES = "closed_dates", number [], key ["erp", "through"],
    told ["erp", "through", "closed_at", "actor"], standing [], never);
table!(CUSTOMER_CHOICE = "customer_choice", number [], key ["erp", "name"],
    told ["erp", "name", "remote_id", "reason", "actor", "said_at"], standing [], never);
table!(CUSTOMER_NAME = "customer_name", number [], key ["erp", "name"],
    told ["erp", "name", "remote_id", "called_before", "called_now"], standing [], never);
table!(CUSTOMER_RECORD = "customer_record", number [], key ["erp", "name"],
    told ["erp", "name", "remote_id", "alike", "actor", "decided_at"], standing [], never);
table!(DIGEST_ITEM = "digest_item", number [], key ["recipient", "subject"],
    told ["recipient", "subject", "title", "first_told"], standing [], never);
table!(DOCUMENT = "document", number [], key ["number"],
    told ["number", "contract", "ordinal", "kind", "milestone", "date", "due_on", "currency", "amount", "target", "posting",
          "cause"], standing [], never);
table!(DRIFT = "drift", number [], key ["contract", "kind", "subject"],
    told ["contract", "kind", "subject", "milestone", "leg", "detail", "opened_on", "closed_on", "lasts"],
    standing [], never);
table!(EVENT = "event", number ["seq"], key ["identity"],
    told ["identity", "at", "type", "contract", "milestone", "body"], standing [], never);
table!(EXCEPTION = "exception", number [], key ["contract", "ordinal"],
    told ["contract", "ordinal", "code", "milestone", "leg", "severity", "opened_on", "closed_on", "held", "currency",
          "differences"], standing [], never);
table!(FACT = "fact", number ["id"], key ["id"],
    told ["contract", "identity", "at", "learned_at", "fact", "actor", "origin"],
    standing ["position", "effective_at", "problem", "closed_at"], never);
table!(LEG = "leg", number [], key ["contract", "leg"], told ["contract", "leg", "record"], standing [], never);
table!(LEG_PART = "leg_part", number [], key ["system", "object", "remote_id"],
    told ["system", "object", "remote_id", "contract", "leg", "milestone", "part"], standing [], never);
table!(MAIL = "mail", number [], key ["key"],
    told ["key", "recipients", "subject", "message", "created_at"],
    standing ["state", "attempts", "due_at", "settled_at", "fault"], never);
table!(MARK = "mark", number [], key ["name"], told ["name", "at"], standing [], never);
table!(ONE_TIME = "one_time", number [], key ["digest"],
    told ["digest", "purpose", "content", "expires_at"], standing [], never);
table!(OUTBOX = "outbox", number ["ordinal"], key ["key"],
    told ["key", "contract", "target", "kind", "subject", "command", "digest", "after", "created_at"],
    standing ["state", "attempts", "due_at", "lease_until", "settled_at", "confirmed_at", "receipt", "fault", "remedy",
              "by_hand"], is_under_way);
table!(PAUSE = "pause", number [], key ["scope", "name"],
    told ["scope", "name", "since", "actor", "reason"], standing [], never);
table!(PROVIDER_ACCOUNT = "provider_account", number [], key ["issuer", "subject"],
    told ["issuer", "subject", "person", "since"], standing [], never);
table!(PROVIDER_GRANT = "provider_grant", number [], key ["digest"],
    told ["digest", "issuer", "subject", "refresh_token", "confirmed_at", "asked_at"], standing [], never);
table!(READING = "reading", number [], key ["id"], told ["id", "name", "actor", "read_at", "document", "proposal"],
    standing ["contract"], never);
table!(READING_HAND = "reading_hand", number [], key ["reading", "actor"], told ["reading", "actor", "since"],
    standing [], never);
table!(READING_VERDICT = "reading_verdict", number [], key ["reading", "path"],
    told ["reading", "path", "verdict", "actor", "decided_at"], standing [], never);
table!(REVIEW = "review", number [], key ["subject"],
    told ["subject", "assignee", "snoozed_until", "note"], standing [], never);
table!(SAVED_VIEW = "saved_view", number [], key ["name"], told ["name", "filter", "actor", "saved_at"], standing [], never);
table!(SESSION = "session", number [], key ["digest"],
    told ["digest", "person", "way", "rights", "address", "agent", "authenticated_at", "opened_at"], standing [], never);
table!(SOURCE_RECORD = "source_record", number ["id"], key ["id"],
    told ["system", "object", "remote_id", "version", "changed_at", "seen_at", "record"],
    standing ["state", "contract", "issues"], never);
table!(TOKEN = "token", number [], key ["connection", "name"],
    told ["connection", "name", "value", "stored_at"], standing [], never);
table!(UNDECIDED = "undecided", number [], key ["contract"], told ["contract", "problem", "since"], standing [], never);
table!(UNPOSTED = "unposted", number [], key ["system", "object", "remote_id"],
    told ["system", "object", "remote_id", "contract", "number"], standing [], never);
table!(WATERMARK = "watermark", number [], key ["system", "stream"],
    told ["system", "stream", "cursor", "fresh_through", "polled_at", "fault", "fault_since", "attempts"],
    standing [], never);
table!(WORKBOOK_IMPORT = "workbook_import", number [], key ["id"],
    told ["id", "name", "actor", "brought_at", "digest", "about", "edits"],
    standing ["confirmed_at", "outcome"], never);

/// Every attested table, in the order in which an export tells them.
pub(super) static ALL: [&Table; 38] = [
    &AGREEMENT_FILE,
    &ACCOUNT,
    &APPROVAL,
    &CHANGE_ORDER,
    &CLOSED_DATES,
    &CLOSE_PACKAGE,
    &CLOSE_STEP,
    &CONTRACT,
    &CUSTOMER_CHOICE,
    &CUSTOMER_NAME,
    &CUSTOMER_RECORD,
    &DIGEST_ITEM,
    &DOCUMENT,
    &DRIFT,
    &EVENT,
    &EXCEPTION,
    &FACT,
    &LEG,
    &LEG_PART,
    &MAIL,
    &MARK,
    &ONE_TIME,
    &OUTBOX,
    &PAUSE,
    &PROVIDER_ACCOUNT,
    &PROVIDER_GRANT,
    &READING,
    &READING_HAND,
    &READING_VERDICT,
    &REVIEW,
    &SAVED_VIEW,
    &SESSION,
    &SOURCE_RECORD,
    &TOKEN,
    &UNDECIDED,
    &UNPOSTED,
    &WATERMARK,
    &WORKBOOK_IMPORT,
];

/// A column that may change without being noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Free {
    /// Its table.
    pub table: &'static str,
    /// Its name.
    pub column: &'static str,
    /// Why nothing hangs on it.
    pub reason: &'static str,
}

macro_rules! free {
    ($($table:literal: $($column:literal),+ => $reason:literal;)+) => {
        /// What may change freely. The trail and its head are covered by themselves.
        pub const FREE: &[Free] = &[$($(Free { table: $table, column: $column, reason: $reason },)+)+];
    };
}

free! {
    "census": "system", "stream", "remote_id" => "lasts for a census: the next one asks the remote for all ids again";
    "contract": "legs_changed", "revision" => "asks to decide again, and from the newest state: what is decided is the same";
    "hint": "id", "system", "delivery", "object", "remote_id", "received_at", "due_at", "attempts", "done_at"
        => "says only that a record is worth a look: it is read from its system, and every poll finds it without a hint";
    "lease": "name", "owner", "epoch", "until" => "says who does what in the next seconds: a wrong one lapses";
    "reading": "content" => "the row's id is its SHA-256, which is compared before a page of it is drawn";
    "rebuild": "contract", "problem" => "says which contracts an upgrade has still to do, or has halted, which everybody is shown";
    "session": "used_at" => "a session that is used for longer than it may last ends all the same";
    "watermark": "due_at" => "says when a stream is read next: what would wait for longer than it ever does is due";
}
