//! What stands in a contract file: one table of fields, from which the JSON Schema for editors and the remedies of
//! `contract check` are made.

use serde_json::{Map, Value, json};

use crate::problem::Problem;

/// Table, field, kind, whether it must be there, what to write.
const FIELDS: &[(&str, &str, Kind, bool, &str)] = &[
    ("", "id", Kind::Text, true, "the contract's id, such as \"SOW-2041\"; it begins every invoice number"),
    ("", "customer", Kind::Text, true, "the customer's name, letter by letter as in CRM and ERP"),
    ("", "currency", Kind::Pattern("^[A-Z]{3}$"), true, "an ISO 4217 code such as \"USD\""),
    ("", "total", Kind::Amount, true, "the transaction price as text in quotes, such as \"200000.00\""),
    ("", "cap", Kind::Amount, false, "the most that may be billed, as text in quotes; without it the total"),
    ("", "signed_on", Kind::Date, true, "the date of signature, such as 2026-01-05"),
    (
        "",
        "timezone",
        Kind::Text,
        false,
        "the zone of the contract's dates, such as \"America/New_York\"; without it \"UTC\"",
    ),
    (
        "",
        "calendar",
        Kind::Text,
        false,
        "\"weekends\", \"us-federal\", \"england-and-wales\", or one of the configuration's",
    ),
    ("", "po_number", Kind::Text, false, "the customer's purchase order; it stands on every invoice"),
    (
        "",
        "payment_terms",
        Kind::Pattern(PAYMENT_TERMS),
        false,
        "\"net 30\", \"net 2 months\", \"30 days end of month\", \"end of month 10\" (any number), or \"due on receipt\"",
    ),
    ("", "payment_terms_from", Kind::Choice(&["invoice", "acceptance"]), false, "\"invoice\" or \"acceptance\""),
    ("", "billing_cycle_day", Kind::Day, false, "a day of the month from 1 to 31, for invoice = \"next_cycle\""),
    ("", "partial_acceptance", Kind::Flag, false, "true or false: may a milestone be accepted in part?"),
    ("", "version", Kind::Count, false, "the amendment version that this file says; without it 1"),
    ("", "acceptance", Kind::Table("acceptance"), false, "a table [acceptance] with the defaults of every milestone"),
    (
        "",
        "obligations",
        Kind::Tables("obligations"),
        false,
        "tables [[obligations]], set by finance; without them nothing is recognised",
    ),
    ("", "milestones", Kind::Tables("milestones"), true, "tables [[milestones]]; the billable amounts sum to total"),
    (
        "",
        "retainage",
        Kind::Table("retainage"),
        false,
        "a table [retainage]: what is kept back of each invoice, and the milestone whose acceptance releases it",
    ),
    (
        "",
        "books_from",
        Kind::Date,
        false,
        "the first date of the books, such as 2026-01-01: what is dated earlier was booked by others",
    ),
    (
        "",
        "history",
        Kind::Tables("history"),
        false,
        "tables [[history]]: what happened before the contract came here, each with type and on",
    ),
    ("", "milestoned", Kind::Table("milestoned"), false, "a table [milestoned]: where this contract's invoices go"),
    ("acceptance", "window_days", Kind::Count, false, "business days to accept or reject, a whole number"),
    ("acceptance", "deemed", Kind::Flag, false, "true where the agreement says that silence is acceptance, else false"),
    ("acceptance", "cure_days", Kind::Count, false, "business days to correct and resubmit, a whole number"),
    ("acceptance", "reevaluation_days", Kind::Count, false, "business days to judge a resubmission, a whole number"),
    ("acceptance", "max_cures", Kind::Count, false, "how many resubmissions may be rejected, a whole number"),
    (
        "acceptance",
        "fallback_after_days",
        Kind::Count,
        false,
        "business days after which the fallback approver may accept",
    ),
    (
        "retainage",
        "percent",
        Kind::Percent,
        true,
        "the part of each invoice that is kept back, as text in quotes, such as \"10\": more than 0, less than 100",
    ),
    ("retainage", "release", Kind::Text, true, "the id of the milestone whose acceptance makes what was kept back due"),
    (
        "history",
        "type",
        Kind::Choice(&[
            "accepted",
            "adopted",
            "amended",
            "approved",
            "cost",
            "external_event",
            "payment",
            "rejected",
            "usage",
        ]),
        true,
        "what happened, such as \"accepted\", \"adopted\" (an invoice of somebody else) or \"payment\"",
    ),
    ("history", "on", Kind::Date, true, "the date on which it happened, before books_from"),
    ("obligations", "id", Kind::Text, true, "the obligation's id, once in the file"),
    ("obligations", "ssp", Kind::Amount, true, "its standalone selling price, as text in quotes"),
    (
        "obligations",
        "method",
        Kind::Choice(&["point_in_time", "output", "cost_to_cost", "time_elapsed"]),
        true,
        "\"point_in_time\", \"output\", \"cost_to_cost\" or \"time_elapsed\" (with start and end)",
    ),
    ("obligations", "start", Kind::Date, false, "the first day of service, for method = \"time_elapsed\""),
    (
        "obligations",
        "end",
        Kind::Date,
        false,
        "the last day of service, for method = \"time_elapsed\", not before start",
    ),
    (
        "obligations",
        "progress_decimals",
        Kind::Count,
        false,
        "decimals of a percent to which progress by cost is rounded, from 0 to 9; without it exact",
    ),
    ("change order", "amends", Kind::Text, true, "the id of the contract that it changes"),
    ("change order", "version", Kind::Count, true, "the version that it makes, the one after the present"),
    ("change order", "signed", Kind::Flag, true, "true where both have signed it, else false"),
    ("change order", "at", Kind::Text, false, "the instant at which it became known, such as 2026-03-02T09:00:00Z"),
    ("change order", "on", Kind::Date, false, "the date from which it holds, such as 2026-03-01"),
    ("change order", "total", Kind::Amount, false, "the new transaction price, as text in quotes"),
    ("change order", "cap", Kind::Amount, false, "the new cap, as text in quotes"),
    (
        "change order",
        "treatment",
        Kind::Choice(&["catch_up", "prospective"]),
        false,
        "\"catch_up\" (the difference is booked on its date) or \"prospective\" (what was recognised stays)",
    ),
    ("change order", "add", Kind::Tables("milestones"), false, "tables [[add]]: milestones that come in"),
    ("change order", "change", Kind::Changes("milestones"), false, "tables [[change]]: id and the fields that change"),
    ("change order", "customer", Kind::Text, false, "the customer's new name"),
    ("change order", "po_number", Kind::Text, false, "the customer's new purchase order"),
    ("change order", "payment_terms", Kind::Pattern(PAYMENT_TERMS), false, "the new payment terms, such as \"net 30\""),
    (
        "change order",
        "payment_terms_from",
        Kind::Choice(&["invoice", "acceptance"]),
        false,
        "\"invoice\" or \"acceptance\"",
    ),
    ("change order", "billing_cycle_day", Kind::Day, false, "a day of the month from 1 to 31"),
    ("change order", "partial_acceptance", Kind::Flag, false, "true or false: may a milestone be accepted in part?"),
    ("change order", "acceptance", Kind::Table("acceptance"), false, "a table [acceptance] with the items that change"),
    (
        "change order",
        "obligations",
        Kind::Changes("obligations"),
        false,
        "tables [[obligations]]: id and the fields that change, or an obligation that comes in",
    ),
    ("milestones", "id", Kind::Text, true, "the milestone's id, once in the file; it ends the invoice number"),
    ("milestones", "name", Kind::Text, true, "a short name"),
    (
        "milestones",
        "description",
        Kind::Text,
        false,
        "the contract's own words: the line of the invoice; without it the name",
    ),
    (
        "milestones",
        "amount",
        Kind::Amount,
        false,
        "its amount as text in quotes, such as \"40000.00\"; or give percent in every milestone",
    ),
    (
        "milestones",
        "percent",
        Kind::Percent,
        false,
        "its share of total as text in quotes, such as \"20\"; in every milestone or in none",
    ),
    ("milestones", "billable", Kind::Flag, false, "true or false; without it true"),
    (
        "milestones",
        "timing",
        Kind::Choice(&["arrears", "advance"]),
        false,
        "\"arrears\", or \"advance\" if it is billed before its work",
    ),
    (
        "milestones",
        "completion",
        Kind::Choice(&["customer_signoff", "external_event", "vendor_declaration"]),
        false,
        "\"customer_signoff\", \"external_event\" or \"vendor_declaration\"",
    ),
    (
        "milestones",
        "trigger",
        Kind::Choice(&["acceptance", "date", "usage", "workflow_approval", "first_of", "last_of"]),
        false,
        "\"acceptance\", \"date\" (with trigger_date), \"usage\" (with usage_metric and usage_threshold), \"workflow_approval\", \"first_of\" or \"last_of\" (with conditions)",
    ),
    (
        "milestones",
        "conditions",
        Kind::Tables("milestones.conditions"),
        false,
        "1 to 8 conditions of trigger = \"first_of\" or \"last_of\", such as { accepted = \"M3\", plus_days = 90 }",
    ),
    ("milestones.conditions", "accepted", Kind::Text, false, "a milestone's id, or \"self\": its acceptance"),
    ("milestones.conditions", "event", Kind::Text, false, "the name of an external event that names this milestone"),
    ("milestones.conditions", "date", Kind::Date, false, "a date, such as 2026-09-30"),
    ("milestones.conditions", "usage", Kind::Text, false, "a meter, such as \"api_calls\", with threshold"),
    ("milestones.conditions", "threshold", Kind::Percent, false, "the reading of usage that counts, as text in quotes"),
    ("milestones.conditions", "plus_days", Kind::Count, false, "calendar days after accepted or date"),
    ("milestones.conditions", "plus_business_days", Kind::Count, false, "business days after accepted or date"),
    ("milestones", "trigger_date", Kind::Date, false, "the date of trigger = \"date\", such as 2026-03-01"),
    ("milestones", "usage_metric", Kind::Text, false, "the meter of trigger = \"usage\", such as \"api_calls\""),
    (
        "milestones",
        "usage_threshold",
        Kind::Percent,
        false,
        "the reading of trigger = \"usage\" that fires, as text in quotes",
    ),
    (
        "milestones",
        "invoice",
        Kind::Choice(&["on_completion", "within_days", "next_cycle"]),
        false,
        "\"on_completion\", \"within_days\" (with invoice_within_days) or \"next_cycle\"",
    ),
    (
        "milestones",
        "invoice_within_days",
        Kind::Count,
        false,
        "calendar days of invoice = \"within_days\", a whole number",
    ),
    (
        "milestones",
        "approver",
        Kind::Text,
        false,
        "the role that accepts, such as \"Project sponsor\"; without it any role",
    ),
    ("milestones", "fallback_approver", Kind::Text, false, "the role that may accept later, such as \"CFO\""),
    ("milestones", "obligation", Kind::Text, false, "the id of its obligation, where there are several"),
    (
        "milestones",
        "window_days",
        Kind::Count,
        false,
        "business days to accept or reject this one; without it those of [acceptance]",
    ),
    ("milestones", "po_number", Kind::Text, false, "the purchase order of this milestone, over the contract's"),
    (
        "milestones",
        "payment_terms",
        Kind::Pattern(PAYMENT_TERMS),
        false,
        "the payment terms of this milestone, such as \"net 30\", over the contract's",
    ),
    (
        "milestones",
        "retainage_percent",
        Kind::Percent,
        false,
        "the part of this milestone that is kept back, over that of [retainage]; \"0\": none",
    ),
    (
        "policy",
        "review",
        Kind::Choice(&["none", "all", "over"]),
        false,
        "\"none\", \"all\" or \"over\": what waits for an approval",
    ),
    (
        "policy",
        "review_over",
        Kind::Amount,
        false,
        "the amount in quotes from which on a milestone waits for an approval",
    ),
];

/// Payment terms, section 14 of the rules.
const PAYMENT_TERMS: &str = "^(due on receipt|net (0|[1-9][0-9]{0,2})|net ([1-9]|[1-5][0-9]|60) months|(0|[1-9][0-9]{0,2}) days end of month|end of month (0|[1-9][0-9]{0,2}))$";

/// Fields with lists of texts.
const LISTS: [(&str, &str, &str); 4] = [
    ("milestones", "evidence", "a list of artefacts, by their exact names"),
    ("milestones", "depends_on", "a list of ids of milestones that come before; no cycles"),
    ("change order", "remove", "a list of ids of milestones that go"),
    ("policy", "require_legs", "a list of the systems without which nothing is issued: crm, psa, erp"),
];

#[derive(Debug, Clone, Copy)]
enum Kind {
    Amount,
    /// Tables of which each names by its id what it changes.
    Changes(&'static str),
    Choice(&'static [&'static str]),
    Count,
    Date,
    Day,
    Flag,
    Pattern(&'static str),
    Percent,
    Table(&'static str),
    Tables(&'static str),
    Text,
}

/// What a file is: its own fields are told apart by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// The terms of a contract, or a part of them.
    Terms,
    /// A change order.
    ChangeOrder,
}

impl FileKind {
    /// What a file is, as it stands there: a change order says which contract it amends.
    pub fn of(file: &Value) -> Self {
        if file.get("amends").is_some() { Self::ChangeOrder } else { Self::Terms }
    }

    /// A problem of a field, with what belongs in it.
    pub fn problem(self, path: impl Into<String>, reason: impl Into<String>) -> Problem {
        let path = path.into();
        let (table, field) = self.field_of(&path);
        let listed = LISTS.iter().find(|candidate| candidate.0 == table && candidate.1 == field).map(|field| field.2);
        let single = FIELDS.iter().find(|candidate| candidate.0 == table && candidate.1 == field).map(|field| field.4);
        let remedy = listed.or(single).map_or_else(|| "correct the file".into(), |what| format!("write {what}"));
        Problem::new(path, reason, remedy)
    }

    /// A field that nobody asked for.
    pub(crate) fn unknown(self, path: String) -> Problem {
        let (table, field) = self.field_of(&path);
        let known: Vec<&str> = names(&table).collect();
        let near = known.iter().find(|name| close(name, &field));
        let remedy = near.map_or_else(
            || format!("remove it; known here: {}", known.join(", ")),
            |name| format!("write {name}, or remove it"),
        );
        Problem::new(path, "is not a known field", remedy)
    }

    /// Table and field of a path, as [`FIELDS`] name them.
    fn field_of(self, path: &str) -> (String, String) {
        let (table, field) = split_path(path);
        let table = match (self, table.as_str()) {
            (Self::ChangeOrder, "") => "change order".to_owned(),
            (_, "add" | "change") => "milestones".to_owned(),
            (_, "add.conditions" | "change.conditions") => "milestones.conditions".to_owned(),
            _ => table,
        };
        (table, field)
    }
}

fn names(table: &str) -> impl Iterator<Item = &'static str> {
    let lists = LISTS.iter().filter(move |field| field.0 == table).map(|field| field.1);
    FIELDS.iter().filter(move |field| field.0 == table).map(|field| field.1).chain(lists)
}

/// One letter too many, too few, wrong, or two swapped.
fn close(a: &str, b: &str) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let head = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
    let tail = a.iter().rev().zip(b.iter().rev()).take_while(|(a, b)| a == b).count();
    a.len().abs_diff(b.len()) <= 2 && head.saturating_add(tail).saturating_add(2) >= a.len().max(b.len())
}

/// `milestones[2].amount` as table and field; a table itself belongs to the top.
fn split_path(path: &str) -> (String, String) {
    let plain: String =
        path.split('.').map(|part| part.split('[').next().unwrap_or(part)).collect::<Vec<_>>().join(".");
    match plain.rsplit_once('.') {
        Some((table, field)) => (table.to_owned(), field.to_owned()),
        None => (String::new(), plain),
    }
}

/// JSON Schema (draft 2020-12) of a contract file, for editors.
pub fn json_schema() -> Value {
    titled(table_schema("", required("")), "Contract terms of milestoned")
}

/// JSON Schema (draft 2020-12) of a change order's file, for editors.
pub fn change_order_schema() -> Value {
    let mut schema = table_schema("change order", required("change order"));
    // Change orders speak in amounts.
    for items in ["add", "change"] {
        let fields = schema.pointer_mut(&format!("/properties/{items}/items/properties"));
        if let Some(fields) = fields.and_then(Value::as_object_mut) {
            fields.remove("percent");
        }
    }
    titled(schema, "Change order of milestoned")
}

fn titled(mut schema: Value, title: &str) -> Value {
    if let Some(object) = schema.as_object_mut() {
        object.insert("$schema".into(), json!("https://json-schema.org/draft/2020-12/schema"));
        object.insert("title".into(), json!(title));
    }
    schema
}

fn required(table: &str) -> Vec<&'static str> {
    FIELDS.iter().filter(|field| field.0 == table && field.3).map(|field| field.1).collect()
}

fn table_schema(table: &str, required: Vec<&str>) -> Value {
    let mut properties = Map::new();
    for (_, name, kind, _, what) in FIELDS.iter().filter(|field| field.0 == table) {
        let mut property = kind_schema(*kind);
        // A contract has milestones; a change order may bring none in.
        if let Some(property) = property.as_object_mut() {
            if (table, *name) == ("", "milestones") {
                property.insert("minItems".into(), json!(1));
            }
            property.insert("description".into(), json!(what));
        }
        properties.insert((*name).into(), property);
    }
    for (_, name, what) in LISTS.iter().filter(|field| field.0 == table) {
        properties
            .insert((*name).into(), json!({ "type": "array", "items": { "type": "string" }, "description": what }));
    }
    // What else an item of the history has depends on its type.
    let others = table == "history";
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": others })
}

fn kind_schema(kind: Kind) -> Value {
    match kind {
        Kind::Amount | Kind::Percent => json!({ "type": "string", "pattern": "^[0-9]+(\\.[0-9]+)?$" }),
        Kind::Changes(name) => json!({ "type": "array", "items": table_schema(name, vec!["id"]) }),
        Kind::Choice(choices) => json!({ "enum": choices }),
        Kind::Count => json!({ "type": "integer", "minimum": 0, "maximum": 100_000 }),
        // TOML has dates of its own; editors see them as text.
        Kind::Date => json!({ "type": "string", "format": "date" }),
        Kind::Day => json!({ "type": "integer", "minimum": 1, "maximum": 31 }),
        Kind::Flag => json!({ "type": "boolean" }),
        Kind::Pattern(pattern) => json!({ "type": "string", "pattern": pattern }),
        Kind::Table("milestoned") => json!({ "type": "object" }),
        Kind::Table(name) => table_schema(name, required(name)),
        Kind::Tables(name) => json!({ "type": "array", "items": table_schema(name, required(name)) }),
        Kind::Text => json!({ "type": "string", "minLength": 1 }),
    }
}
