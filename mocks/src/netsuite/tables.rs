//! The records as tables that SuiteQL reads.

use jiff::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};
use rust_decimal::Decimal;

use super::chart::{self, transaction};
use super::money::{in_books, posts};
use super::state::State;
use crate::document::Side;
use crate::json::{Json, obj};
use crate::series::Series;

/// Marks a date column, so that an unformatted one is shown in the account's own format, which no client should rely on.
pub(crate) const MARK: char = '\u{1}';

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holds {
    Text,
    Number,
    Date,
    /// An instant, shown in the zone of the account.
    Time,
    /// `T`, `F`, or nothing where it was never set.
    Flag,
}
use Holds::{Date, Flag, Number, Text, Time};

type Column = (&'static str, &'static str, Holds);

/// `(record type, table, columns: name, where it stands in the record, what it holds)`
const TABLES: &[(&str, &str, &[Column])] = &[
    (
        "customer",
        "customer",
        &[
            ("id", "id", Number),
            ("entityid", "entityId", Text),
            ("companyname", "companyName", Text),
            ("externalid", "externalId", Text),
            ("currency", "currency.id", Number),
            ("email", "email", Text),
            ("terms", "terms.id", Number),
            ("subsidiary", "subsidiary.id", Number),
            ("isperson", "isPerson", Flag),
            ("isinactive", "isInactive", Flag),
            ("lastmodifieddate", "lastModifiedDate", Time),
            ("datecreated", "createdDate", Time),
        ],
    ),
    (
        "job",
        "job",
        &[
            ("id", "id", Number),
            ("entityid", "entityId", Text),
            ("companyname", "companyName", Text),
            ("externalid", "externalId", Text),
            ("customer", "parent.id", Number),
            ("parent", "parent.id", Number),
            ("currency", "currency.id", Number),
            ("jobbillingtype", "billing", Text),
            ("billingschedule", "billingSchedule.id", Number),
            ("percentcomplete", "percentComplete", Number),
            ("startdate", "startDate", Date),
            ("projectedenddate", "projectedEndDate", Date),
            ("isinactive", "isInactive", Flag),
            ("lastmodifieddate", "lastModifiedDate", Time),
            ("datecreated", "createdDate", Time),
        ],
    ),
    (
        "projectTask",
        "projecttask",
        &[
            ("id", "id", Number),
            ("title", "title", Text),
            ("externalid", "externalId", Text),
            ("project", "project.id", Number),
            ("parent", "parent.id", Number),
            ("status", "status.id", Text),
            ("percentcomplete", "percentTimeComplete", Number),
            ("startdate", "startDate", Date),
            ("enddate", "endDate", Date),
            ("lastmodifieddate", "lastModifiedDate", Time),
        ],
    ),
    (
        "billingSchedule",
        "billingschedule",
        &[
            ("id", "id", Number),
            ("name", "name", Text),
            ("externalid", "externalId", Text),
            ("scheduletype", "scheduleType.id", Text),
            ("initialamount", "initialAmount", Text),
            ("frequency", "frequency.id", Text),
            ("project", "job.id", Number),
            ("transaction", "transaction.id", Number),
            ("isinactive", "isInactive", Flag),
        ],
    ),
    (
        "billingRevenueEvent",
        "billingrevenueevent",
        &[
            ("id", "id", Number),
            ("externalid", "externalId", Text),
            ("transactionline", "transactionLine", Number),
            ("amount", "amount", Number),
            ("cumulativepercentcomplete", "cumulativePercentComplete", Number),
            ("quantity", "quantity", Number),
            ("eventdate", "eventDate", Date),
            ("eventpurpose", "eventPurpose.id", Text),
            ("eventtype", "eventType.id", Text),
            ("startdate", "startDate", Date),
            ("enddate", "endDate", Date),
            ("lastmodifieddate", "lastModifiedDate", Time),
        ],
    ),
    (
        "charge",
        "charge",
        &[
            ("id", "id", Number),
            ("externalid", "externalId", Text),
            ("amount", "amount", Number),
            ("quantity", "quantity", Number),
            ("rate", "rate", Number),
            ("chargedate", "chargeDate", Date),
            ("billto", "billTo.id", Number),
            ("project", "project.id", Number),
            ("description", "description", Text),
        ],
    ),
    (
        "currency",
        "currency",
        &[
            ("id", "id", Number),
            ("symbol", "symbol", Text),
            ("name", "name", Text),
            ("currencyprecision", "currencyPrecision", Number),
            ("exchangerate", "exchangeRate", Number),
        ],
    ),
    ("term", "term", &[("id", "id", Number), ("name", "name", Text), ("daysuntilnetdue", "daysUntilNetDue", Number)]),
    ("subsidiary", "subsidiary", &[("id", "id", Number), ("name", "name", Text)]),
    (
        "serviceSaleItem",
        "item",
        &[
            ("id", "id", Number),
            ("itemid", "itemId", Text),
            ("displayname", "displayName", Text),
            ("externalid", "externalId", Text),
            ("itemtype", "itemtype", Text),
            ("incomeaccount", "incomeAccount.id", Number),
            ("isinactive", "isInactive", Flag),
        ],
    ),
    (
        "account",
        "account_rows",
        &[
            ("id", "id", Number),
            ("acctnumber", "acctNumber", Text),
            ("accountsearchdisplayname", "shown", Text),
            ("fullname", "acctName", Text),
            ("accttype", "acctType", Text),
            ("isinactive", "isInactive", Flag),
        ],
    ),
];

const TRANSACTION: &[Column] = &[
    ("id", "id", Number),
    ("tranid", "tranId", Text),
    ("externalid", "externalId", Text),
    ("type", "type", Text),
    ("recordtype", "recordtype", Text),
    ("trandate", "tranDate", Date),
    ("duedate", "dueDate", Date),
    ("entity", "who", Number),
    ("currency", "currency.id", Number),
    ("exchangerate", "exchangeRate", Number),
    ("foreigntotal", "foreigntotal", Number),
    ("total", "books", Number),
    ("foreignamountunpaid", "unpaid", Number),
    ("foreignamountpaid", "amountPaid", Number),
    ("status", "state", Text),
    ("approvalstatus", "approvalStatus.id", Text),
    ("voided", "voided", Flag),
    ("posting", "posting", Flag),
    ("lastmodifieddate", "lastModifiedDate", Time),
    ("createddate", "createdDate", Time),
    ("memo", "memo", Text),
    ("otherrefnum", "otherRefNum", Text),
    ("terms", "terms.id", Number),
    ("postingperiod", "period", Number),
    ("billingschedule", "billingSchedule.id", Number),
    // fields that the account's administrator has made
    ("custbody_milestoned_contract", "custbody_milestoned_contract", Text),
    ("custbody_milestoned_milestone", "custbody_milestoned_milestone", Text),
    ("custbody_milestoned_version", "custbody_milestoned_version", Text),
];

const LINE: &[Column] = &[
    ("transaction", "transaction", Number),
    ("id", "at", Number),
    ("uniquekey", "lineUniqueKey", Number),
    ("linesequencenumber", "sequence", Number),
    ("mainline", "mainline", Flag),
    ("taxline", "taxline", Flag),
    ("item", "item.id", Number),
    ("quantity", "quantity", Number),
    ("quantitybilled", "quantityBilled", Number),
    ("isclosed", "isClosed", Flag),
    ("rate", "rate", Number),
    ("foreignamount", "foreignamount", Number),
    ("netamount", "netamount", Number),
    ("memo", "text", Text),
    ("entity", "entity.id", Number),
    ("subsidiary", "subsidiary.id", Number),
    ("createdfrom", "createdFrom.id", Number),
    ("billingschedule", "billingSchedule.id", Number),
    ("custcol_milestoned_milestone", "custcol_milestoned_milestone", Text),
    ("custcol_milestoned_timing", "custcol_milestoned_timing", Text),
    ("custcol_milestoned_billing_rule", "custcol_milestoned_billing_rule", Text),
    ("custcol_milestoned_recognition", "custcol_milestoned_recognition", Text),
];

/// Tables that are no records, indexes, and what follows from the others: balances, links by line, revenue.
const REST: &str = "
CREATE TABLE transactionaccountingline (\"transaction\" NUMERIC, transactionline NUMERIC, accountingbook NUMERIC,
  account NUMERIC, debit NUMERIC, credit NUMERIC, amount NUMERIC, exchangerate NUMERIC, posting TEXT);
CREATE INDEX ta ON transactionaccountingline (\"transaction\");
CREATE INDEX tb ON transactionaccountingline (account);
CREATE TABLE nexttransactionlink (id INTEGER PRIMARY KEY, previousdoc INTEGER, nextdoc INTEGER, previoustype TEXT, nexttype TEXT,
  linktype TEXT, foreignamount NUMERIC, lastmodifieddate TEXT);
CREATE INDEX np ON nexttransactionlink (previousdoc);
CREATE INDEX nn ON nexttransactionlink (nextdoc);
CREATE VIEW previoustransactionlink AS SELECT * FROM nexttransactionlink;
CREATE VIEW nexttransactionlinelink AS SELECT *, 0 AS previousline, 0 AS nextline FROM nexttransactionlink;
CREATE VIEW previoustransactionlinelink AS SELECT * FROM nexttransactionlinelink;
CREATE INDEX tx ON \"transaction\" (externalid);
CREATE INDEX tn ON \"transaction\" (tranid);
CREATE INDEX tm ON \"transaction\" (lastmodifieddate);
CREATE INDEX tl ON transactionline (\"transaction\");
CREATE INDEX tk ON transactionline (uniquekey);
CREATE INDEX cx ON customer (externalid);
CREATE INDEX be ON billingrevenueevent (transactionline);
CREATE TABLE accountingperiod (id INTEGER PRIMARY KEY, periodname TEXT, startdate TEXT, enddate TEXT, closed TEXT, isquarter TEXT,
  isyear TEXT, isadjust TEXT, arlocked TEXT, alllocked TEXT);
CREATE TABLE deletedrecord (recordid INTEGER, recordtypeid INTEGER, type TEXT, name TEXT, deleteddate TEXT, context TEXT,
  iscustomlist TEXT, iscustomrecord TEXT);
CREATE TABLE billingschedulemilestone (billingschedule INTEGER, milestoneid TEXT, milestoneamount NUMERIC, milestonedate TEXT,
  milestonecompleted TEXT, projecttask INTEGER, comments TEXT);
CREATE VIEW account AS SELECT a.*, (SELECT sum(l.amount) FROM transactionaccountingline l WHERE l.account = a.id AND l.posting = 'T')
  AS balance FROM account_rows a;
CREATE VIEW revenueelement AS SELECT l.uniquekey AS id, 1000000000 + l.\"transaction\" AS revenuearrangement,
  l.\"transaction\" AS sourcetransaction, l.uniquekey AS sourceuniquekey, l.item AS item, l.quantity * -1 AS quantity,
  l.foreignamount * -1 AS allocationamount, l.foreignamount * -1 AS salesamount, 122 AS deferralaccount,
  123 AS recognitionaccount, t.currency AS currency, t.entity AS entity
  FROM transactionline l JOIN \"transaction\" t ON t.id = l.\"transaction\" JOIN item i ON i.id = l.item
  WHERE i.incomeaccount = 122 AND l.donotcreaterevenueelement IS NOT 'T'
  AND (t.type = 'SalesOrd' OR (t.type = 'CustInvc' AND l.createdfrom IS NULL));
CREATE VIEW revenuearrangement AS SELECT DISTINCT revenuearrangement AS id, sourcetransaction AS createdfrom, entity, currency
  FROM revenueelement;
CREATE VIEW revenueplan AS SELECT b.transactionline * 10 + (b.eventpurpose = 'FORECAST') AS id,
  'RP' || b.transactionline AS recordnumber, b.transactionline AS createdfrom, b.transactionline AS revenueelement,
  b.eventpurpose AS revenueplantype, max(e.allocationamount) AS amount, min(b.eventdate) AS revrecstartdate,
  max(b.eventdate) AS revrecenddate, 'Not Started' AS status, 'F' AS holdrevenuerecognition
  FROM billingrevenueevent b JOIN revenueelement e ON e.id = b.transactionline GROUP BY b.transactionline, b.eventpurpose;
CREATE VIEW revenueplanplannedrevenue AS SELECT b.id AS id, b.transactionline * 10 + (b.eventpurpose = 'FORECAST') AS revenueplan,
  coalesce(b.amount, round(e.allocationamount * b.quantity / e.quantity, 2),
    round(e.allocationamount * b.cumulativepercentcomplete / 100, 2) - coalesce((SELECT round(e.allocationamount *
      max(o.cumulativepercentcomplete) / 100, 2) FROM billingrevenueevent o WHERE o.transactionline = b.transactionline
      AND o.eventpurpose = b.eventpurpose AND (o.eventdate, o.id) < (b.eventdate, b.id)), 0)) AS amount,
  (SELECT p.id FROM accountingperiod p WHERE b.eventdate BETWEEN p.startdate AND p.enddate) AS plannedperiod,
  b.eventdate AS plannedrevenuedate, b.eventpurpose AS plannedrevenuetype, 'F' AS isrecognized, e.deferralaccount AS
  deferredrevenueaccount, e.recognitionaccount AS recognitionaccount
  FROM billingrevenueevent b JOIN revenueelement e ON e.id = b.transactionline;
";

fn create(name: &str, columns: &[Column], key: &str) -> String {
    let column = |(name, _, holds): &Column| {
        let kind = match holds {
            Number if *name == key => "INTEGER PRIMARY KEY",
            Number => "NUMERIC",
            _ => "TEXT",
        };
        format!("\"{name}\" {kind}")
    };
    let columns: Vec<String> = columns.iter().map(column).collect();
    format!("CREATE TABLE \"{name}\" ({});", columns.join(", "))
}

pub(crate) fn make(sql: &Connection) -> rusqlite::Result<()> {
    sql.execute_batch(&create("transaction", TRANSACTION, "id"))?;
    sql.execute_batch(&create("transactionline", LINE, ""))?;
    sql.execute_batch("ALTER TABLE transactionline ADD COLUMN donotcreaterevenueelement TEXT")?;
    for (_, table, columns) in TABLES {
        sql.execute_batch(&create(table, columns, "id"))?;
    }
    sql.execute_batch(REST)
}

impl State {
    /// An instant as account-local text.
    pub(crate) fn local(&self, time: Timestamp) -> String {
        format!("{MARK}{}", time.to_zoned(self.zone.clone()).strftime("%Y-%m-%d %H:%M:%S"))
    }

    /// Brings the tables up to what was committed since the last query.
    pub(crate) fn refresh(&mut self) -> rusqlite::Result<()> {
        let changes = self.store.changes();
        if changes.is_empty() {
            return Ok(());
        }
        let shown = |collection: &str| {
            collection.starts_with("rec:") || ["series", "links", "deleted", "config"].contains(&collection)
        };
        if changes.iter().any(|(collection, _)| shown(collection)) {
            self.counted = None;
        }
        let all = self.sql.unchecked_transaction()?;
        // what stands for many goes first: single records replace theirs
        for (_, id) in changes.iter().filter(|(collection, _)| collection == "series") {
            if let Some(series) = self.store.get("series", id).map(Series::restored) {
                self.load_series(&series)?;
            }
        }
        for (collection, id) in &changes {
            match (collection.as_str(), collection.strip_prefix("rec:")) {
                (_, Some(kind)) => self.load(kind, id)?,
                ("links", _) => self.load_link(id)?,
                ("deleted", _) => self.load_deleted(id)?,
                ("config", _) => self.load_periods()?,
                _ => {}
            }
        }
        all.commit()
    }

    fn load(&self, kind: &str, id: &str) -> rusqlite::Result<()> {
        if transaction(kind).is_some() {
            return self.load_transaction(kind, id);
        }
        let Some((_, table, columns)) = TABLES.iter().find(|(known, ..)| *known == kind) else { return Ok(()) };
        self.sql.prepare_cached(&format!("DELETE FROM {table} WHERE id = ?"))?.execute([id])?;
        let Some(mut record) = self.record(kind, id) else { return Ok(()) };
        record.set("id", id);
        match kind {
            "account" => {
                let shown = format!("{} {}", record.text("acctNumber"), record.text("acctName"));
                record.set("shown", shown);
            }
            "serviceSaleItem" => record.set("itemtype", "Service"),
            "job" => {
                let short = match record.text("jobBillingType.id").as_str() {
                    "1" => "CB",
                    "2" => "FBI",
                    "3" => "FBM",
                    "4" => "TM",
                    _ => "",
                };
                record.set("billing", short);
            }
            "billingSchedule" => self.load_milestones(id, &record)?,
            _ => {}
        }
        self.insert(table, columns, &record)
    }

    fn load_milestones(&self, id: &str, record: &Json) -> rusqlite::Result<()> {
        self.sql.prepare_cached("DELETE FROM billingschedulemilestone WHERE billingschedule = ?")?.execute([id])?;
        let columns: &[Column] = &[
            ("billingschedule", "schedule", Number),
            ("milestoneid", "milestoneId", Text),
            ("milestoneamount", "milestoneAmount", Number),
            ("milestonedate", "milestoneDate", Date),
            ("milestonecompleted", "milestoneCompleted", Flag),
            ("projecttask", "projectTask.id", Number),
            ("comments", "comments", Text),
        ];
        for row in record.list("milestone") {
            self.insert("billingschedulemilestone", columns, &row.clone().with("schedule", id))?;
        }
        Ok(())
    }

    fn held(&self, record: &Json, path: &str, holds: Holds) -> Value {
        let Some(text) = record.path(path).and_then(Json::scalar).filter(|text| !text.is_empty()) else {
            return Value::Null;
        };
        let time = || text.parse::<Timestamp>().map_or_else(|_| text.clone(), |time| self.local(time));
        Value::Text(match holds {
            Text | Number => text,
            Flag => if text == "true" { "T" } else { "F" }.to_string(),
            Date => format!("{MARK}{text}"),
            Time => time(),
        })
    }

    /// Puts a row into a table; fields that somebody made get their columns when they are first written.
    fn insert(&self, table: &str, columns: &[Column], record: &Json) -> rusqlite::Result<()> {
        let mut names: Vec<String> = columns.iter().map(|(name, ..)| format!("\"{name}\"")).collect();
        let mut values: Vec<Value> = columns.iter().map(|(_, path, holds)| self.held(record, path, *holds)).collect();
        let made = |name: &str| (name.starts_with("cust") && name.contains('_')) || name == "doNotCreateRevenueElement";
        for (name, value) in record.members().iter().filter(|(name, _)| made(name)) {
            if columns.iter().any(|(known, ..)| known == name) {
                continue;
            }
            let safe = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            let known = format!("SELECT count(*) FROM pragma_table_info('{table}') WHERE name = ?");
            if !safe {
                continue;
            }
            let lower = name.to_lowercase();
            if self.sql.prepare_cached(&known)?.query_row([&lower], |row| row.get::<_, i64>(0))? == 0 {
                self.sql.execute_batch(&format!("ALTER TABLE \"{table}\" ADD COLUMN \"{lower}\" TEXT"))?;
            }
            names.push(format!("\"{lower}\""));
            let holds = if matches!(value, Json::Bool(_)) { Flag } else { Text };
            let path = if value.has("id") { format!("{name}.id") } else { name.clone() };
            values.push(self.held(record, &path, holds));
        }
        let marks = vec!["?"; names.len()].join(",");
        let text = format!("INSERT INTO \"{table}\" ({}) VALUES ({marks})", names.join(","));
        self.sql.prepare_cached(&text)?.execute(params_from_iter(values)).map(drop)
    }

    fn load_transaction(&self, kind: &str, id: &str) -> rusqlite::Result<()> {
        for table in ["transactionline", "transactionaccountingline"] {
            self.sql.prepare_cached(&format!("DELETE FROM {table} WHERE \"transaction\" = ?"))?.execute([id])?;
        }
        self.sql.prepare_cached("DELETE FROM \"transaction\" WHERE id = ?")?.execute([id])?;
        match self.record(kind, id) {
            Some(record) => self.put_transaction(kind, id, record),
            None => Ok(()),
        }
    }

    fn put_transaction(&self, kind: &str, id: &str, mut record: Json) -> rusqlite::Result<()> {
        let code = transaction(kind).map_or("", |known| known.1);
        let voided = record.get("voided").is_some_and(Json::is_true);
        let sign = if kind == "creditMemo" { -Decimal::ONE } else { Decimal::ONE };
        let total = record.decimal("total") * sign;
        let who = ["entity.id", "customer.id"].iter().map(|path| record.text(path)).find(|id| !id.is_empty());
        let state = if voided { "V".to_string() } else { record.text("status.id") };
        let posting = posts(kind, &record) || voided;
        record.set("id", id);
        record.set("type", code);
        record.set("recordtype", kind.to_lowercase());
        record.set("who", who);
        record.set("foreigntotal", Json::amount(total));
        record.set("books", Json::amount(in_books(total, &record)));
        record.set("state", state);
        record.set("voided", voided);
        record.set("posting", posting);
        record.set("period", period(&record.text("tranDate")));
        if matches!(kind, "invoice" | "creditMemo") {
            let unpaid = record.get("amountRemaining").cloned();
            record.set("unpaid", unpaid);
        }
        self.insert("transaction", TRANSACTION, &record)?;
        self.load_lines(kind, id, &record, total)
    }

    fn load_lines(&self, kind: &str, id: &str, record: &Json, total: Decimal) -> rusqlite::Result<()> {
        let row = |line: &Json, foreign: Decimal| {
            line.clone()
                .with("transaction", id)
                .with("taxline", false)
                .with("foreignamount", Json::amount(foreign))
                .with("netamount", Json::amount(in_books(foreign, record)))
                .with("subsidiary", record.get("subsidiary").cloned())
        };
        if kind != "journalEntry" {
            let main = obj! {"at" => 0, "sequence" => 0, "mainline" => true, "text" => record.text("memo"), "entity" => record.get("entity").cloned()};
            self.insert("transactionline", LINE, &row(&main, total))?;
        }
        if kind == "customerPayment" {
            // what it takes off the receivable
            let line = row(&Json::object(), -total).with("at", 1).with("sequence", 1).with("mainline", false);
            self.insert("transactionline", LINE, &line)?;
        }
        // the lines of a sale carry the opposite sign of its total, as postings do
        let sign = if kind == "creditMemo" { Decimal::ONE } else { -Decimal::ONE };
        let sublist = if kind == "journalEntry" { "line" } else { "item" };
        for (at, line) in record.list(sublist).iter().enumerate() {
            let foreign = match kind {
                "journalEntry" => line.decimal("debit") - line.decimal("credit"),
                _ => line.decimal("amount") * sign,
            };
            let note = ["description", "memo"].iter().map(|name| line.text(name)).find(|text| !text.is_empty());
            let mut row =
                row(line, foreign).with("at", line.int("line")).with("sequence", at + 1).with("mainline", false);
            row.set("text", note);
            if line.has("quantity") {
                row.set("quantity", Json::amount(line.decimal("quantity") * sign));
            }
            if record.has("createdFrom") {
                row.set("createdFrom", record.get("createdFrom").cloned());
            }
            self.insert("transactionline", LINE, &row)?;
        }
        let tax = record.decimal("taxTotal");
        if !tax.is_zero() {
            let at = record.list(sublist).len() + 1;
            let row = row(&Json::object(), tax * sign).with("at", at).with("sequence", at).with("mainline", false);
            self.insert("transactionline", LINE, &row.with("taxline", true).with("text", "Tax"))?;
        }
        let mut post =
            self.sql.prepare_cached("INSERT INTO transactionaccountingline VALUES (?1,?2,1,?3,?4,?5,?6,?7,'T')")?;
        let rate = record.decimal("exchangeRate").normalize().to_string();
        let mut left = Decimal::ZERO;
        let postings = self.postings(kind, record);
        let last = postings.len();
        for (at, (account, side, amount)) in postings.into_iter().enumerate() {
            let amount: Decimal = amount.parse().unwrap_or_default();
            let mut books = in_books(if side == Side::Debit { amount } else { -amount }, record);
            left += books;
            // what rounding leaves goes to the last line: the books balance
            if at + 1 == last {
                books -= left;
            }
            let shown = books.abs().normalize().to_string();
            let (debit, credit) = if side == Side::Debit { (Some(&shown), None) } else { (None, Some(&shown)) };
            let signed = books.normalize().to_string();
            post.execute(rusqlite::params![
                id,
                i64::try_from(at).unwrap_or_default(),
                account,
                debit,
                credit,
                signed,
                rate
            ])?;
        }
        Ok(())
    }

    /// Loads the template under an id that nobody has, and lets SQLite multiply its rows.
    fn load_series(&self, series: &Series) -> rusqlite::Result<()> {
        const STAND_IN: &str = "-1";
        // columns that can hold a placeholder
        const TEXTS: [&str; 6] = ["id", "memo", "ref", "name", "cust", "title"];
        let record = series.template.clone();
        let tables: &[(&str, &str)] = if transaction(&series.kind).is_some() {
            self.put_transaction(&series.kind, STAND_IN, record)?;
            &[("transaction", "id"), ("transactionline", "transaction"), ("transactionaccountingline", "transaction")]
        } else if let Some((_, table, columns)) = TABLES.iter().find(|(known, ..)| *known == series.kind) {
            self.insert(table, columns, &record.with("id", STAND_IN))?;
            &[(*table, "id")][..]
        } else {
            return Ok(());
        };
        let still = series.step == 0;
        for (table, key) in tables.iter().copied() {
            let mut info = self.sql.prepare(&format!("SELECT name FROM pragma_table_info('{table}')"))?;
            let names: Vec<String> = info.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
            let value = |name: &String| match name.as_str() {
                name if name == key => "n + ?1 - 1".to_string(),
                "lastmodifieddate" | "createddate" | "datecreated" if still => "?3".to_string(),
                "lastmodifieddate" | "createddate" | "datecreated" => "series_time(n)".to_string(),
                name if TEXTS.iter().any(|part| name.contains(part)) => format!(
                    "CASE WHEN instr(\"{name}\", '{{') THEN replace(replace(\"{name}\", '{{n}}', n), '{{id}}', n + ?1 - 1) \
                     ELSE \"{name}\" END"
                ),
                name => format!("\"{name}\""),
            };
            let values: Vec<String> = names.iter().map(value).collect();
            let text = format!(
                "WITH RECURSIVE place(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM place WHERE n < ?2)
                 INSERT INTO \"{table}\" SELECT {} FROM place, (SELECT * FROM \"{table}\" WHERE \"{key}\" = -1)
                 WHERE n + ?1 + length(?3) > 0",
                values.join(",")
            );
            self.series_time(series)?;
            self.sql
                .execute(&text, rusqlite::params![series.first, series.count, self.local(series.time(series.first))])?;
            self.sql.execute(&format!("DELETE FROM \"{table}\" WHERE \"{key}\" = -1"), [])?;
        }
        Ok(())
    }

    /// A function for the time of the n-th record.
    fn series_time(&self, series: &Series) -> rusqlite::Result<()> {
        let (zone, series) = (self.zone.clone(), series.clone());
        let flags = rusqlite::functions::FunctionFlags::SQLITE_UTF8;
        self.sql.create_scalar_function("series_time", 1, flags, move |ctx| {
            let time = series.time(series.first + ctx.get::<i64>(0)? - 1).to_zoned(zone.clone());
            Ok(format!("{MARK}{}", time.strftime("%Y-%m-%d %H:%M:%S")))
        })
    }

    fn load_link(&self, id: &str) -> rusqlite::Result<()> {
        self.sql.execute("DELETE FROM nexttransactionlink WHERE id = ?", [id])?;
        let Some(link) = self.store.get("links", id) else { return Ok(()) };
        let columns: &[Column] = &[
            ("id", "id", Number),
            ("previousdoc", "previous", Number),
            ("nextdoc", "next", Number),
            ("previoustype", "previoustype", Text),
            ("nexttype", "nexttype", Text),
            ("linktype", "how", Text),
            ("foreignamount", "amount", Number),
            ("lastmodifieddate", "changed", Time),
        ];
        self.insert("nexttransactionlink", columns, &link.clone().with("id", id))
    }

    fn load_deleted(&self, id: &str) -> rusqlite::Result<()> {
        let Some(gone) = self.store.get("deleted", id) else { return Ok(()) };
        // a record of a series had no row of its own to be taken away
        self.load(&gone.text("type"), id)?;
        let number = chart::kinds().position(|kind| kind == gone.text("type")).unwrap_or_default();
        let row = gone.clone().with("number", number).with("no", false).with("context", "RESTWEBSERVICES");
        let columns: &[Column] = &[
            ("recordid", "id", Number),
            ("recordtypeid", "number", Number),
            ("type", "type", Text),
            ("name", "name", Text),
            ("deleteddate", "at", Time),
            ("context", "context", Text),
            ("iscustomlist", "no", Flag),
            ("iscustomrecord", "no", Flag),
        ];
        self.insert("deletedrecord", columns, &row)
    }

    fn load_periods(&self) -> rusqlite::Result<()> {
        self.sql.execute("DELETE FROM accountingperiod", [])?;
        let closed = self.store.get("config", "closed").map(Json::text_of).unwrap_or_default();
        let mut put =
            self.sql.prepare_cached("INSERT INTO accountingperiod VALUES (?1,?2,?3,?4,?5,'F','F','F',?5,?5)")?;
        for year in 2024..=2030_i16 {
            for month in 1..=12_i8 {
                let Ok(first) = jiff::civil::Date::new(year, month, 1) else { continue };
                let last = first.last_of_month().to_string();
                let shut = if !closed.is_empty() && last <= closed { "T" } else { "F" };
                put.execute(rusqlite::params![
                    period(&first.to_string()),
                    first.strftime("%b %Y").to_string(),
                    format!("{MARK}{first}"),
                    format!("{MARK}{last}"),
                    shut
                ])?;
            }
        }
        Ok(())
    }

    /// All rows of a type as they are kept, series included.
    pub(crate) fn every(&self, kind: &str) -> Vec<Json> {
        self.ids(kind).filter_map(|id| self.record(kind, &id)).collect()
    }
}

/// Id of the period of a date, counted from January 2024.
fn period(date: &str) -> i64 {
    let part =
        |from: usize, to: usize| date.get(from..to).and_then(|text| text.parse::<i64>().ok()).unwrap_or_default();
    (part(0, 4) - 2024) * 12 + part(5, 7)
}
