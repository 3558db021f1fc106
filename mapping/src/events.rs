//! Events of a case, as files have them: each field is read by its kind, so that what is wrong is told with its place.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::fact::{DecimalText, Fact, HIGHEST_VERSION, Leg, LegRecord, Party, Past, ReviewDecision, Shown, Treatment};
use crate::problem::Problem;
use crate::schema::FileKind;

/// A field of an event.
struct Field {
    name: &'static str,
    required: bool,
    /// Where inside the field something is wrong, and what.
    check: fn(&Value) -> Result<(), (String, String)>,
}

const fn must(name: &'static str, check: fn(&Value) -> Result<(), (String, String)>) -> Field {
    Field { name, required: true, check }
}

const fn may(name: &'static str, check: fn(&Value) -> Result<(), (String, String)>) -> Field {
    Field { name, required: false, check }
}

/// Who did something informs; the rules ask for roles. A case may leave it out.
const BY: Field = may("by", is::<String>);
const MILESTONE: Field = must("milestone", is::<String>);

/// Fields of each event, sections 9 to 14 of the rules, and whether it may say on which date it happened.
const EVENTS: [(&str, bool, &[Field]); 17] = [
    (
        "accepted",
        true,
        &[MILESTONE, BY, may("role", is::<String>), may("document", is::<String>), may("portion", is::<DecimalText>)],
    ),
    (
        "adopted",
        true,
        &[
            MILESTONE,
            must("number", is_name),
            may("due_on", is_date),
            may("amount", is::<DecimalText>),
            may("as_in_erp", is::<bool>),
            BY,
            may("reason", is::<String>),
        ],
    ),
    (
        "amended",
        true,
        &[
            must("version", is_version),
            must("signed", is::<bool>),
            may("total", is::<DecimalText>),
            may("cap", is::<DecimalText>),
            may("treatment", is::<Treatment>),
            may("add", is::<Vec<Value>>),
            may("change", is::<Vec<Value>>),
            may("remove", is::<Vec<String>>),
            may("customer", is_name),
            may("po_number", is::<String>),
            may("payment_terms", is::<String>),
            may("payment_terms_from", is::<String>),
            may("billing_cycle_day", is::<u32>),
            may("partial_acceptance", is::<bool>),
            may("acceptance", is::<Value>),
            may("obligations", is::<Vec<Value>>),
        ],
    ),
    ("approved", true, &[MILESTONE, must("party", is::<Party>), BY]),
    (
        "cost",
        true,
        &[
            must("obligation", is::<String>),
            must("incurred", is::<DecimalText>),
            must("estimate_to_complete", is::<DecimalText>),
            may("uninstalled_materials", is::<DecimalText>),
        ],
    ),
    ("evidence", true, &[MILESTONE, must("evidence", is::<Vec<String>>)]),
    ("external_event", true, &[MILESTONE, may("name", is::<String>)]),
    ("observed", false, &[must("leg", is::<Leg>), must("record", is_record)]),
    (
        "overrule",
        false,
        &[
            must("code", is::<String>),
            may("milestone", is::<String>),
            may("leg", is::<Leg>),
            BY,
            may("reason", is::<String>),
        ],
    ),
    ("payment", true, &[must("invoice", is::<String>), must("amount", is::<DecimalText>), may("id", is_name)]),
    ("payment_reversed", true, &[must("id", is_name)]),
    ("period_closed", false, &[must("through", is_date)]),
    ("rejected", true, &[MILESTONE, BY, may("role", is::<String>), may("criteria", is::<Vec<String>>)]),
    ("review", false, &[MILESTONE, must("decision", is::<ReviewDecision>), BY, may("shown", is::<Shown>)]),
    ("submitted", true, &[MILESTONE, BY, may("evidence", is::<Vec<String>>)]),
    ("usage", true, &[must("metric", is::<String>), must("value", is::<DecimalText>)]),
    ("withdrawn", false, &[must("number", is::<String>), BY, may("reason", is::<String>)]),
];

/// What may have happened before the contract came here, section 11.
const PAST: [&str; 9] =
    ["accepted", "adopted", "amended", "approved", "cost", "external_event", "payment", "rejected", "usage"];

/// Fields of every event.
const AT: Field = must("at", is_instant);
const ON: Field = may("on", is_date);

/// Reads the event at a place such as `events[3]`.
///
/// # Errors
/// The first problem, with its place.
pub(crate) fn read_event(event: Value, path: &str) -> Result<Fact, String> {
    let (mut table, kind, has_date, fields) = table_of(event, path, &EVENTS.map(|event| event.0))?;
    let own: &[Field] = match kind {
        // An adoption after the contract was filed names a person and a reason; one within the file does not.
        "adopted" => &[AT, must("on", is_date), must("by", is::<String>), must("reason", is::<String>)],
        _ if has_date => &[AT, ON],
        _ => &[AT],
    };
    check(&table, kind, path, own, fields)?;
    if fields.iter().any(|field| field.name == BY.name) {
        table.entry(BY.name).or_insert_with(|| Value::String(String::new()));
    }
    serde_json::from_value(Value::Object(table)).map_err(|error| format!("{path}: {error}"))
}

/// Reads what happened before the contract came here, at a place such as `history[3]`.
///
/// # Errors
/// The first problem, with its place.
pub(crate) fn read_past(event: Value, place: &str) -> Result<Past, Problem> {
    let read = || -> Result<Past, String> {
        let (mut table, kind, _, fields) = table_of(event, place, &PAST)?;
        check(&table, kind, place, &[must("on", is_date)], fields)?;
        if fields.iter().any(|field| field.name == BY.name) {
            table.entry(BY.name).or_insert_with(|| Value::String(String::new()));
        }
        serde_json::from_value(Value::Object(table)).map_err(|error| format!("{place}: {error}"))
    };
    read().map_err(|error| {
        let (path, reason) = error.split_once(": ").unwrap_or((place, error.as_str()));
        FileKind::Terms.problem(path, reason)
    })
}

type Described = (Map<String, Value>, &'static str, bool, &'static [Field]);

/// An event's table, and what its type may have; the type is one of `kinds`.
fn table_of(event: Value, path: &str, kinds: &[&str]) -> Result<Described, String> {
    let Value::Object(mut table) = event else { return Err(format!("{path}: must be a table of fields")) };
    table.retain(|_, value| !value.is_null());
    let kind = match table.get("type") {
        Some(Value::String(kind)) => kind.as_str(),
        Some(other) => return Err(format!("{path}.type: must be text, not {other}")),
        None => return Err(format!("{path}.type: is missing")),
    };
    match EVENTS.iter().find(|(name, ..)| *name == kind && kinds.contains(name)) {
        Some((name, has_date, fields)) => Ok((table, name, *has_date, fields)),
        None => Err(format!("{path}.type: {kind:?} is none of {}", kinds.join(", "))),
    }
}

/// Checks an event's fields: those of every event, and its own; one of a name stands in the first list only.
fn check(table: &Map<String, Value>, kind: &str, path: &str, of_all: &[Field], own: &[Field]) -> Result<(), String> {
    let known = |key: &str| key == "type" || of_all.iter().chain(own).any(|field| field.name == key);
    if let Some(unknown) = table.keys().find(|key| !known(key)) {
        return Err(format!("{path}.{unknown}: is not a field of {kind:?}"));
    }
    for field in of_all.iter().chain(own) {
        match table.get(field.name) {
            None if field.required => return Err(format!("{path}.{}: is missing", field.name)),
            None => {}
            Some(value) => {
                (field.check)(value).map_err(|(inside, reason)| format!("{path}.{}{inside}: {reason}", field.name))?
            }
        }
    }
    Ok(())
}

fn is<T: DeserializeOwned>(value: &Value) -> Result<(), (String, String)> {
    serde_path_to_error::deserialize::<_, T>(value.clone()).map(drop).map_err(|error| {
        let inside = error.path().to_string();
        let inside = match inside.as_str() {
            "." => String::new(),
            path if path.starts_with('[') => path.to_owned(),
            path => format!(".{path}"),
        };
        let reason = error.inner().to_string();
        let number =
            ["invalid type: integer", "invalid type: floating point"].iter().any(|kind| reason.starts_with(kind));
        let quoted = number && reason.ends_with("expected a string");
        (inside, if quoted { format!("write it as text in quotes ({reason})") } else { reason })
    })
}

fn is_instant(value: &Value) -> Result<(), (String, String)> {
    match value.as_str().map(str::parse::<Timestamp>) {
        Some(Ok(_)) => Ok(()),
        _ => Err((String::new(), format!("{value} is not an instant such as \"2026-02-02T15:00:00Z\""))),
    }
}

fn is_date(value: &Value) -> Result<(), (String, String)> {
    match value.as_str().filter(|text| text.len() == 10).map(str::parse::<Date>) {
        Some(Ok(_)) => Ok(()),
        _ => Err((String::new(), format!("{value} is not a date such as \"2026-02-02\""))),
    }
}

/// What a leg says. A list is no table of fields, whatever stands in it.
fn is_record(value: &Value) -> Result<(), (String, String)> {
    let is_table = |value: &Value, place: String| match value {
        Value::Object(_) => Ok(()),
        _ => Err((place, "must be a table of fields".to_owned())),
    };
    is_table(value, String::new())?;
    for list in ["milestones", "invoices", "recognised"] {
        for (index, item) in value.get(list).and_then(Value::as_array).into_iter().flatten().enumerate() {
            is_table(item, format!(".{list}[{index}]"))?;
        }
    }
    is::<LegRecord>(value)
}

/// A text that says something.
fn is_name(value: &Value) -> Result<(), (String, String)> {
    is::<String>(value)?;
    match value.as_str() {
        Some(text) if text.trim().is_empty() => Err((String::new(), "must not be empty".into())),
        _ => Ok(()),
    }
}

/// A version above all that a person counts would make every later change order stale.
pub(crate) fn is_version(value: &Value) -> Result<(), (String, String)> {
    is::<u32>(value)?;
    match value.as_u64() {
        Some(version) if version > u64::from(HIGHEST_VERSION) => Err((
            String::new(),
            format!("{version} is more than {HIGHEST_VERSION}: give the version after the present one"),
        )),
        _ => Ok(()),
    }
}
