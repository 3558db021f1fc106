//! Events of a case, as files have them: each field is read by its kind, so that what is wrong is told with its place.

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::fact::{DecimalText, Fact, Leg, LegRecord, Party, ReviewDecision, Shown, Treatment};

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

/// Fields of each event, section 9 of the rules.
const EVENTS: [(&str, &[Field]); 13] = [
    (
        "accepted",
        &[MILESTONE, BY, may("role", is::<String>), may("document", is::<String>), may("portion", is::<DecimalText>)],
    ),
    (
        "amended",
        &[
            must("version", is::<u32>),
            must("signed", is::<bool>),
            may("total", is::<DecimalText>),
            may("cap", is::<DecimalText>),
            may("treatment", is::<Treatment>),
            may("add", is::<Vec<Value>>),
            may("change", is::<Vec<Value>>),
            may("remove", is::<Vec<String>>),
        ],
    ),
    ("approved", &[MILESTONE, must("party", is::<Party>), BY]),
    (
        "cost",
        &[
            must("obligation", is::<String>),
            must("incurred", is::<DecimalText>),
            must("estimate_to_complete", is::<DecimalText>),
            may("uninstalled_materials", is::<DecimalText>),
        ],
    ),
    ("evidence", &[MILESTONE, must("evidence", is::<Vec<String>>)]),
    ("external_event", &[MILESTONE, may("name", is::<String>)]),
    ("observed", &[must("leg", is::<Leg>), must("record", is::<LegRecord>)]),
    (
        "overrule",
        &[
            must("code", is::<String>),
            may("milestone", is::<String>),
            may("leg", is::<Leg>),
            BY,
            may("reason", is::<String>),
        ],
    ),
    ("payment", &[must("invoice", is::<String>), must("amount", is::<DecimalText>)]),
    ("rejected", &[MILESTONE, BY, may("role", is::<String>), may("criteria", is::<Vec<String>>)]),
    ("review", &[MILESTONE, must("decision", is::<ReviewDecision>), BY, may("shown", is::<Shown>)]),
    ("submitted", &[MILESTONE, BY, may("evidence", is::<Vec<String>>)]),
    ("usage", &[must("metric", is::<String>), must("value", is::<DecimalText>)]),
];

/// Reads the event at a place such as `events[3]`.
///
/// # Errors
/// The first problem, with its place.
pub(crate) fn read_event(event: Value, place: &str) -> Result<Fact, String> {
    let Value::Object(mut table) = event else { return Err(format!("{place}: must be a table of fields")) };
    table.retain(|_, value| !value.is_null());
    let kind = match table.get("type") {
        Some(Value::String(kind)) => kind.clone(),
        Some(other) => return Err(format!("{place}.type: must be text, not {other}")),
        None => return Err(format!("{place}.type: is missing")),
    };
    let Some((_, fields)) = EVENTS.iter().find(|(name, _)| *name == kind) else {
        let names: Vec<&str> = EVENTS.iter().map(|(name, _)| *name).collect();
        return Err(format!("{place}.type: {kind:?} is none of {}", names.join(", ")));
    };
    if let Some(unknown) = table
        .keys()
        .find(|key| !["at", "type"].contains(&key.as_str()) && !fields.iter().any(|field| field.name == key.as_str()))
    {
        return Err(format!("{place}.{unknown}: is not a field of {kind:?}"));
    }
    for field in [must("at", is_instant)].iter().chain(*fields) {
        match table.get(field.name) {
            None if field.required => return Err(format!("{place}.{}: is missing", field.name)),
            None => {}
            Some(value) => {
                (field.check)(value).map_err(|(inside, reason)| format!("{place}.{}{inside}: {reason}", field.name))?
            }
        }
    }
    if fields.iter().any(|field| field.name == BY.name) {
        table.entry(BY.name).or_insert_with(|| Value::String(String::new()));
    }
    serde_json::from_value(Value::Object(table)).map_err(|error| format!("{place}: {error}"))
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
