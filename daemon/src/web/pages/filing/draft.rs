//! What stands in a form of terms: each field under its path in a contract file, so that a problem that names a field is shown
//! beside it. What the form has no field for is carried along as it is.

use std::collections::{BTreeMap, BTreeSet};

use milestoned_mapping::schema::FileKind;
use serde_json::{Map, Value, json};

/// How a field is entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry {
    /// A whole number.
    Count,
    /// A date.
    Date,
    /// True or false, or nothing.
    Flag,
    /// Several texts, one a line.
    Lines,
    /// One of these, or nothing.
    OneOf(&'static [&'static str]),
    /// Text.
    Text,
}

/// A field of a form.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spec {
    pub(super) name: &'static str,
    pub(super) label: &'static str,
    pub(super) entry: Entry,
}

const fn spec(name: &'static str, label: &'static str, entry: Entry) -> Spec {
    Spec { name, label, entry }
}

/// Fields of a contract that a change order cannot change.
const FIRST: &[Spec] = &[
    spec("id", "Contract id", Entry::Text),
    spec("currency", "Currency (ISO 4217)", Entry::Text),
    spec("signed_on", "Signed on", Entry::Date),
    spec("timezone", "Time zone", Entry::Text),
    spec("calendar", "Calendar", Entry::Text),
];
/// Fields of a contract that a change order may change.
pub(super) const CONTRACT: &[Spec] = &[
    spec("customer", "Customer", Entry::Text),
    spec("total", "Total", Entry::Text),
    spec("cap", "Cap", Entry::Text),
    spec("po_number", "PO number", Entry::Text),
    spec("payment_terms", "Payment terms", Entry::Text),
    spec("payment_terms_from", "Due from", Entry::OneOf(&["invoice", "acceptance"])),
    spec("billing_cycle_day", "Billing-cycle day", Entry::Count),
    spec("partial_acceptance", "Acceptance in part", Entry::Flag),
];
const ACCEPTANCE: &[Spec] = &[
    spec("window_days", "Business days to accept", Entry::Count),
    spec("deemed", "Silence is acceptance", Entry::Flag),
    spec("cure_days", "Business days to cure", Entry::Count),
    spec("max_cures", "Most cures", Entry::Count),
];
const OBLIGATION: &[Spec] = &[
    spec("id", "Obligation", Entry::Text),
    spec("ssp", "Standalone selling price", Entry::Text),
    spec("method", "Method", Entry::OneOf(&["output", "point_in_time", "cost_to_cost", "time_elapsed"])),
    spec("start", "First day of service", Entry::Date),
    spec("end", "Last day of service", Entry::Date),
];
pub(super) const MILESTONE: &[Spec] = &[
    spec("id", "Milestone", Entry::Text),
    spec("name", "Name", Entry::Text),
    spec("amount", "Amount", Entry::Text),
    spec("percent", "or percent", Entry::Text),
    spec("description", "Words of the invoice", Entry::Text),
    spec("completion", "Completion", Entry::OneOf(&["customer_signoff", "external_event", "vendor_declaration"])),
    spec("timing", "Timing", Entry::OneOf(&["arrears", "advance"])),
    spec(
        "trigger",
        "Trigger",
        Entry::OneOf(&["acceptance", "date", "usage", "workflow_approval", "first_of", "last_of"]),
    ),
    spec("trigger_date", "Trigger date", Entry::Date),
    spec("invoice", "Invoice", Entry::OneOf(&["on_completion", "within_days", "next_cycle"])),
    spec("invoice_within_days", "Within days", Entry::Count),
    spec("approver", "Approver", Entry::Text),
    spec("window_days", "Days to accept", Entry::Count),
    spec("obligation", "Of obligation", Entry::Text),
    spec("po_number", "PO number", Entry::Text),
    spec("payment_terms", "Payment terms", Entry::Text),
    spec("evidence", "Evidence, one a line", Entry::Lines),
    spec("depends_on", "Depends on, one a line", Entry::Lines),
];
const DAEMON: &[Spec] =
    &[spec("erp", "ERP that gets the invoices", Entry::Text), spec("owner", "Owner (mail address)", Entry::Text)];

/// What of a row is shown at once; the rest opens.
const AT_ONCE: usize = 4;
/// Name of the field that carries what the form has no field for.
const REST: &str = "(rest)";
/// Mark of a row that goes.
const GONE: &str = "(gone)";

/// A field as it is shown.
pub(super) struct Input {
    pub(super) path: String,
    pub(super) label: &'static str,
    pub(super) entry: Entry,
    pub(super) value: String,
    /// What is wrong there, and what to write.
    pub(super) problem: String,
    /// What holds now, where that is something else.
    pub(super) was: Option<String>,
    /// It names what is there, and is not written over.
    pub(super) fixed: bool,
}

impl Input {
    pub(super) fn options(&self) -> Vec<&'static str> {
        match self.entry {
            Entry::OneOf(words) => words.to_vec(),
            Entry::Flag => vec!["true", "false"],
            _ => Vec::new(),
        }
    }

    pub(super) fn is_lines(&self) -> bool {
        self.entry == Entry::Lines
    }

    /// The kind of the browser's own field.
    pub(super) fn kind(&self) -> &'static str {
        if self.entry == Entry::Date { "date" } else { "text" }
    }

    /// An id for labels.
    pub(super) fn id(&self) -> String {
        self.path.replace(['[', ']', '.'], "-")
    }
}

/// Fields that stand together.
pub(super) struct Group {
    pub(super) title: String,
    /// Path of the row, where it is one.
    pub(super) row: Option<String>,
    pub(super) inputs: Vec<Input>,
    /// Fields that open: seldom used, unless one of them says something.
    pub(super) more: Vec<Input>,
    /// Whether those are open.
    pub(super) open: bool,
    /// What is carried along, JSON.
    pub(super) rest: String,
    /// The same in words.
    pub(super) carried: String,
    pub(super) gone: bool,
    /// What is wrong with the row as a whole.
    pub(super) problem: String,
}

/// What stands in a form: text by path.
#[derive(Debug, Clone, Default)]
pub(super) struct Draft {
    texts: BTreeMap<String, String>,
    rows: BTreeMap<&'static str, usize>,
}

/// Rows of a form, by the list that they belong to.
const LISTS: [(&str, &[Spec], &str); 2] =
    [("obligations", OBLIGATION, "Obligation"), ("milestones", MILESTONE, "Milestone")];

impl Draft {
    /// A form of this tree.
    pub(super) fn of_tree(tree: &Value) -> Self {
        let mut draft = Self::default();
        let mut rest = tree.as_object().cloned().unwrap_or_default();
        draft.take("", &mut rest, &[FIRST, CONTRACT].concat());
        for (table, specs) in [("acceptance", ACCEPTANCE), ("milestoned", DAEMON)] {
            if let Some(Value::Object(mut fields)) = rest.remove(table) {
                draft.take(&format!("{table}."), &mut fields, specs);
                draft.carry(table, fields);
            }
        }
        for (list, specs, _) in LISTS {
            let Some(Value::Array(items)) = rest.remove(list) else { continue };
            draft.rows.insert(list, items.len());
            for (index, item) in items.into_iter().enumerate() {
                let mut fields = item.as_object().cloned().unwrap_or_default();
                draft.take(&format!("{list}[{index}]."), &mut fields, specs);
                draft.carry(&format!("{list}[{index}]"), fields);
            }
        }
        draft.carry("", rest);
        draft
    }

    fn take(&mut self, before: &str, fields: &mut Map<String, Value>, specs: &[Spec]) {
        for spec in specs {
            if let Some(value) = fields.remove(spec.name) {
                self.texts.insert(format!("{before}{}", spec.name), text(&value));
            }
        }
    }

    fn carry(&mut self, place: &str, fields: Map<String, Value>) {
        if !fields.is_empty() {
            self.texts.insert(format!("{place}{REST}"), Value::Object(fields).to_string());
        }
    }

    /// A form as it was sent.
    pub(super) fn of_pairs(pairs: &[(String, String)]) -> Self {
        let mut draft = Self::default();
        for (path, text) in pairs {
            draft.texts.insert(path.clone(), text.replace("\r\n", "\n").trim().to_owned());
        }
        for (list, ..) in LISTS {
            let before = format!("{list}[");
            let index = |path: &str| path.strip_prefix(&before)?.split(']').next()?.parse::<usize>().ok();
            let most = draft.texts.keys().filter_map(|path| index(path)).filter(|index| *index < MOST_ROWS).max();
            draft.rows.insert(list, most.map_or(0, |most| most.saturating_add(1)));
        }
        draft
    }

    /// One more row of a list.
    pub(super) fn add_row(&mut self, list: &str) {
        if let Some((list, ..)) = LISTS.into_iter().find(|(known, ..)| *known == list) {
            let rows = self.rows.entry(list).or_default();
            *rows = rows.saturating_add(1).min(MOST_ROWS);
        }
    }

    pub(super) fn text(&self, path: &str) -> &str {
        self.texts.get(path).map(String::as_str).unwrap_or_default()
    }

    /// Sets a field.
    pub(super) fn set(&mut self, path: &str, text: &str) {
        self.texts.insert(path.into(), text.into());
    }

    /// Rows that are there and stay, with their fields as files have them.
    pub(super) fn rows(&self, list: &'static str) -> Vec<(usize, Map<String, Value>)> {
        let specs = LISTS.into_iter().find(|(known, ..)| *known == list).map(|(_, specs, _)| specs).unwrap_or_default();
        let count = self.rows.get(list).copied().unwrap_or_default();
        let row = |index: usize| (index, self.table(&format!("{list}[{index}]"), ".", specs));
        (0..count).map(row).filter(|(index, fields)| !fields.is_empty() && !self.is_gone(list, *index)).collect()
    }

    /// Whether a row is marked as one that goes.
    pub(super) fn is_gone(&self, list: &str, index: usize) -> bool {
        self.text(&format!("{list}[{index}]{GONE}")) == "yes"
    }

    fn table(&self, place: &str, between: &str, specs: &[Spec]) -> Map<String, Value> {
        let carried = serde_json::from_str(self.text(&format!("{place}{REST}")));
        let mut fields: Map<String, Value> = carried.unwrap_or_default();
        for spec in specs {
            let text = self.text(&format!("{place}{between}{}", spec.name));
            if !text.is_empty() {
                fields.insert(spec.name.into(), typed(spec.entry, text));
            }
        }
        fields
    }

    /// The contract file that the form stands for, and where each of its rows stands in the form.
    pub(super) fn tree(&self) -> (Value, BTreeMap<String, String>) {
        let mut tree = self.table("", "", &[FIRST, CONTRACT].concat());
        for (table, specs) in [("acceptance", ACCEPTANCE), ("milestoned", DAEMON)] {
            let fields = self.table(table, ".", specs);
            if !fields.is_empty() {
                tree.insert(table.into(), Value::Object(fields));
            }
        }
        let mut places = BTreeMap::new();
        for (list, ..) in LISTS {
            let rows = self.rows(list);
            for (at, (index, _)) in rows.iter().enumerate() {
                places.insert(format!("{list}[{at}]"), format!("{list}[{index}]"));
            }
            if !rows.is_empty() {
                let rows = rows.into_iter().map(|(_, fields)| Value::Object(fields));
                tree.insert(list.into(), Value::Array(rows.collect()));
            }
        }
        (Value::Object(tree), places)
    }

    /// The fields of a contract that a change order may change.
    pub(super) fn changeable(&self) -> Map<String, Value> {
        let mut fields = Map::new();
        for spec in CONTRACT {
            let text = self.text(spec.name);
            if !text.is_empty() {
                fields.insert(spec.name.into(), typed(spec.entry, text));
            }
        }
        fields
    }

    /// The form as it is shown. `was`: the one that it is compared with, which makes it a form of changes.
    pub(super) fn groups(&self, problems: &mut Problems, was: Option<&Self>) -> Vec<Group> {
        let own = match was {
            None => [FIRST, CONTRACT].concat(),
            Some(_) => CONTRACT.to_vec(),
        };
        let mut groups = vec![self.group("Contract".into(), "", "", (&own, own.len()), problems, was)];
        if was.is_none() {
            groups.push(self.group("Acceptance".into(), "acceptance", ".", (ACCEPTANCE, 4), problems, was));
            groups.push(self.group("Where invoices go".into(), "milestoned", ".", (DAEMON, 2), problems, was));
        }
        for (list, specs, name) in LISTS {
            if was.is_some() && list == "obligations" {
                continue;
            }
            for index in 0..self.rows.get(list).copied().unwrap_or_default() {
                let place = format!("{list}[{index}]");
                let named = self.text(&format!("{place}.id"));
                let title =
                    if named.is_empty() { format!("New {}", name.to_lowercase()) } else { format!("{name} {named}") };
                let mut group = self.group(title, &place, ".", (specs, AT_ONCE), problems, was);
                group.row = Some(place);
                group.gone = self.is_gone(list, index);
                groups.push(group);
            }
        }
        groups
    }

    fn group(
        &self,
        title: String,
        place: &str,
        between: &str,
        (specs, at_once): (&[Spec], usize),
        problems: &mut Problems,
        was: Option<&Self>,
    ) -> Group {
        let mut inputs: Vec<Input> = specs
            .iter()
            .map(|spec| {
                let path = format!("{place}{between}{}", spec.name);
                let value = self.text(&path).to_owned();
                let held = was.map(|was| was.text(&path).to_owned());
                let fixed = spec.name == "id" && held.as_ref().is_some_and(|held| !held.is_empty());
                let held = held.filter(|held| *held != value);
                Input {
                    label: spec.label,
                    entry: spec.entry,
                    problem: problems.take(&path),
                    was: held,
                    fixed,
                    value,
                    path,
                }
            })
            .collect();
        let more = inputs.split_off(at_once.min(inputs.len()));
        let rest = self.text(&format!("{place}{REST}")).to_owned();
        let carried: Map<String, Value> = serde_json::from_str(&rest).unwrap_or_default();
        Group {
            title,
            row: None,
            open: more.iter().any(|input| !input.problem.is_empty() || input.was.is_some()),
            inputs,
            more,
            carried: carried.keys().map(|name| name.replace('_', " ")).collect::<Vec<_>>().join(", "),
            rest,
            gone: false,
            problem: problems.take(place),
        }
    }
}

/// Most rows of a list that a form has.
const MOST_ROWS: usize = 200;

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join("\n"),
        other => other.to_string(),
    }
}

/// A value as files have it; what is none of its kind stays text, so that the reader tells what is wrong with it.
fn typed(entry: Entry, text: &str) -> Value {
    match entry {
        Entry::Count => text.parse::<u64>().map_or_else(|_| json!(text), |count| json!(count)),
        Entry::Flag => text.parse::<bool>().map_or_else(|_| json!(text), |flag| json!(flag)),
        Entry::Lines => text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().into(),
        Entry::Date | Entry::OneOf(_) | Entry::Text => json!(text),
    }
}

/// What is wrong, by the place in the form.
#[derive(Debug, Default)]
pub(super) struct Problems {
    by_place: Vec<(String, String)>,
    taken: BTreeSet<usize>,
}

impl Problems {
    /// Problems as filing tells them, one a line, each with its place; `places` says where rows stand in the form.
    pub(super) fn of(told: &str, places: &BTreeMap<String, String>, kind: FileKind) -> Self {
        let line = |line: &str| {
            let (field, reason) = line.split_once(": ").unwrap_or(("", line));
            let remedy = kind.problem(field, reason).remedy;
            let remedy =
                if field.is_empty() || remedy == "correct the file" { String::new() } else { format!("; {remedy}") };
            let row =
                places.iter().find_map(|(file, form)| Some(format!("{form}{}", field.strip_prefix(file.as_str())?)));
            (row.unwrap_or_else(|| field.to_owned()), format!("{reason}{remedy}"))
        };
        Self { by_place: told.lines().filter(|line| !line.is_empty()).map(line).collect(), taken: BTreeSet::new() }
    }

    /// What is wrong at a place.
    pub(super) fn take(&mut self, place: &str) -> String {
        let mut texts = Vec::new();
        for (index, (field, text)) in self.by_place.iter().enumerate() {
            if field == place && !place.is_empty() {
                self.taken.insert(index);
                texts.push(text.as_str());
            }
        }
        texts.join("; ")
    }

    /// What no field of the form was told.
    pub(super) fn others(&self) -> Vec<String> {
        let others = self.by_place.iter().enumerate().filter(|(index, _)| !self.taken.contains(index));
        let told = |(_, (field, text)): (usize, &(String, String))| {
            if field.is_empty() { text.clone() } else { format!("{field}: {text}") }
        };
        others.map(told).collect()
    }

    pub(super) fn count(&self) -> usize {
        self.by_place.len()
    }

    /// All of them, for the script.
    pub(super) fn as_json(&self) -> Value {
        let all = self.by_place.iter().map(|(field, text)| json!({ "field": field, "text": text }));
        Value::Array(all.collect())
    }
}
