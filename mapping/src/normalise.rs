//! Normalising: a source record and a field map become facts, a part of a leg, and problems. Foreign data is never an
//! error: what can be understood is, and the rest is a problem with its place and remedy.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::civil::Date;

use crate::fact::{DecimalText, Event, Fact, LegMilestone, LegRecord};
use crate::fieldmap::{Extract, FieldMap, Meaning, RecordKind};
use crate::identifiers::is_unseen;
use crate::json::Tree;
use crate::problem::Problem;
use crate::record::{ATTACHED, Change, Content, Deal, Particulars, SourceRecord};

/// What a record says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Normalised {
    /// The contract it belongs to; `None`: it is not ours.
    pub contract: Option<String>,
    /// What it contributes to its leg.
    pub part: Option<LegPart>,
    /// Facts of its history, oldest first.
    pub facts: Vec<FactDraft>,
    /// What could not be understood.
    pub problems: Vec<Problem>,
}

/// What a record contributes to its leg.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LegPart {
    /// The head of the CRM leg, and what the CRM knows of the customer.
    Crm(Box<Deal>),
    /// One milestone of the PSA leg.
    Psa(Box<LegMilestone>),
}

/// A fact with the text that tells it apart from every other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FactDraft {
    /// The fact.
    pub fact: Fact,
    /// The same however often the record is read.
    pub identity: String,
}

/// Reads a record with a field map.
pub fn normalise(record: &SourceRecord, map: &FieldMap) -> Normalised {
    let Content::Fields { history } = &record.content else { return Normalised::default() };
    let tree = match Tree::along(&record.raw, map.fields.values().map(|extract| &extract.path)) {
        Ok(tree) => tree,
        Err(error) => {
            let mut reader = Reading { record, map, tree: &Tree::Null, problems: Vec::new() };
            reader.problem(
                "(record)",
                error.to_string(),
                "read the record again; if it stays so, ask the source's support",
            );
            return Normalised { problems: reader.problems, ..Normalised::default() };
        }
    };
    let mut reader = Reading { record, map, tree: &tree, problems: Vec::new() };
    let contract = reader.name("contract");
    match map.kind {
        RecordKind::Deal => deal(&mut reader, contract),
        RecordKind::Milestone => milestone(&mut reader, contract, history),
    }
}

/// One record under reading.
struct Reading<'a> {
    record: &'a SourceRecord,
    map: &'a FieldMap,
    tree: &'a Tree,
    problems: Vec<Problem>,
}

impl Reading<'_> {
    /// Notes a problem; its place is the record and the field, by the map's name and path.
    fn problem(&mut self, field: &str, reason: impl Into<String>, remedy: &str) {
        let SourceRecord { system, object, id, .. } = self.record;
        let path = self.map.path(field).map(|path| format!(" ({path})")).unwrap_or_default();
        self.problems.push(Problem::new(format!("{system} {object} {id}, {field}{path}"), reason, remedy));
    }

    fn extract(&self, field: &str) -> Option<&Extract> {
        self.map.fields.get(field)
    }

    /// The texts at a field's path, translated. A text with formats gives its lines.
    fn texts(&self, field: &str) -> Vec<String> {
        let Some(extract) = self.extract(field) else { return Vec::new() };
        let mut texts = Vec::new();
        for found in self.tree.select(&extract.path) {
            match found {
                Tree::List(items) => texts.extend(items.iter().flat_map(|item| self.lines(item))),
                other => texts.extend(self.lines(other)),
            }
        }
        texts.retain(|text| !text.trim().is_empty());
        texts.into_iter().map(|text| translate(extract, text)).collect()
    }

    fn lines(&self, value: &Tree) -> Vec<String> {
        match value {
            Tree::Object(_) => (self.map.shape.lines)(value),
            other => other.plain().into_iter().collect(),
        }
    }

    fn text(&self, field: &str) -> Option<String> {
        self.texts(field).into_iter().next()
    }

    /// Values of a list where there is more than one: none of them is taken for the one that is meant.
    fn several(&self, field: &str) -> Vec<String> {
        let Some(extract) = self.extract(field) else { return Vec::new() };
        let lists = self.tree.select(&extract.path).into_iter().filter_map(|found| match found {
            Tree::List(items) => Some(items.iter().flat_map(|item| self.lines(item)).collect::<BTreeSet<String>>()),
            _ => None,
        });
        lists.filter(|values| values.len() > 1).flatten().collect()
    }

    /// A text that is compared with one of the agreement, in which no blank is at an end, none is twice, and none is hidden: people
    /// type and paste these fields, and agreements are filed without such blanks.
    fn name(&mut self, field: &str) -> Option<String> {
        let several = self.several(field);
        if !several.is_empty() {
            let remedy = "leave one of them at its source, or map a field that holds one value";
            self.problem(field, format!("has several values: {}", several.join(", ")), remedy);
            return None;
        }
        let text = self.text(field)?;
        let words: Vec<String> = text.split_whitespace().map(|word| word.replace(is_unseen, "")).collect();
        Some(words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" "))
            .filter(|text| !text.is_empty())
    }

    /// An exact decimal. Digits that only look like noise are a problem: an amount is never rounded on its way in.
    fn decimal(&mut self, field: &str) -> Option<DecimalText> {
        let text = self.text(field)?;
        match exact_decimal(&text) {
            Some(value) if value.0.scale() <= 4 => Some(value),
            Some(_) => {
                self.problem(
                    field,
                    format!("{text} has digits that no currency has"),
                    "correct the amount at its source; it is not rounded here",
                );
                None
            }
            None => {
                self.problem(field, format!("{text:?} is not a number"), "correct the value at its source");
                None
            }
        }
    }

    fn whole(&mut self, field: &str) -> Option<u32> {
        let value = self.decimal(field)?;
        let whole = u32::try_from(value.0.normalize()).ok().filter(|_| value.0.fract().is_zero());
        if whole.is_none() {
            self.problem(field, format!("{value} is not a whole number"), "correct the value at its source");
        }
        whole
    }

    fn flag(&mut self, field: &str) -> Option<bool> {
        let text = self.text(field)?;
        match text.to_ascii_lowercase().as_str() {
            "true" | "yes" => Some(true),
            "false" | "no" => Some(false),
            _ => {
                self.problem(
                    field,
                    format!("{text:?} is neither yes nor no"),
                    "correct the value, or translate it with values = { … } in the field map",
                );
                None
            }
        }
    }

    /// The day that a field told when a change had been made; of an instant its date in the field's time zone, else as it is written.
    fn date(&mut self, field: &str, history: &[Change], group: usize) -> Option<Date> {
        let text = self.as_of(field, history, group)?;
        let zone = self.extract(field).and_then(|extract| extract.timezone.clone());
        let date = match (zone, text.parse::<Timestamp>()) {
            (Some(zone), Ok(at)) => Some(at.to_zoned(zone).date()),
            _ => text.get(..10).unwrap_or(&text).parse().ok(),
        };
        if date.is_none() {
            self.problem(field, format!("{text:?} is no date"), "write it like 2026-03-31, or map another field");
        }
        date
    }

    /// The value that a field had when a change had been made: the last change up to it, else what a later one
    /// replaced, else what stands there now.
    fn as_of(&self, field: &str, history: &[Change], group: usize) -> Option<String> {
        let extract = self.extract(field)?;
        let name = self.map.source_field(extract);
        let id = history.get(group).map(|change| change.id.as_str())?;
        let last_of_group = history.iter().rposition(|change| change.id == id).unwrap_or(group);
        let touches = |change: &&Change| change.field == name;
        let (until, later) = history.split_at(last_of_group.saturating_add(1).min(history.len()));
        let value = match (until.iter().rev().find(touches), later.iter().find(touches)) {
            (Some(_), None) | (None, None) => {
                return self.texts(field).into_iter().reduce(|all, line| format!("{all}\n{line}"));
            }
            (Some(change), Some(_)) => change.to.clone(),
            (None, Some(change)) => change.from.clone(),
        };
        value.filter(|text| !text.trim().is_empty()).map(|text| translate(extract, text))
    }
}

fn translate(extract: &Extract, text: String) -> String {
    extract.values.get(&text).cloned().unwrap_or(text)
}

/// Reads `40000`, `250000.0` and `1.2345678E7` exactly; trailing zeros behind the point are no digits.
pub fn exact_decimal(text: &str) -> Option<DecimalText> {
    use rust_decimal::Decimal;
    let value = match text.find(['e', 'E']) {
        Some(_) => Decimal::from_scientific(text).ok()?,
        None => text.parse::<DecimalText>().ok()?.0,
    };
    Some(DecimalText(value.normalize()))
}

fn deal(reader: &mut Reading<'_>, contract: Option<String>) -> Normalised {
    let Some(contract) = contract else { return Normalised::default() };
    let record = LegRecord {
        stage: reader.text("stage"),
        amount: reader.decimal("amount"),
        currency: reader.text("currency"),
        customer: reader.name("customer"),
        payment_terms: reader.name("payment_terms").map(|terms| terms.to_lowercase()),
        version: reader.whole("version"),
        ..LegRecord::default()
    };
    let street = reader.texts("customer_street");
    let particulars = Particulars {
        street: (!street.is_empty()).then(|| street.join("\n")),
        city: reader.text("customer_city"),
        region: reader.text("customer_region"),
        postal_code: reader.text("customer_postal_code"),
        country: reader.text("customer_country"),
        email: reader.text("customer_email"),
        tax_registration: reader.text("customer_tax_registration"),
        payment_terms: reader.text("customer_payment_terms"),
    };
    let problems = std::mem::take(&mut reader.problems);
    let part = LegPart::Crm(Box::new(Deal { record, particulars }));
    Normalised { contract: Some(contract), part: Some(part), facts: Vec::new(), problems }
}

fn milestone(reader: &mut Reading<'_>, contract: Option<String>, history: &[Change]) -> Normalised {
    let (contract, id) = match (contract, reader.name("milestone")) {
        (None, None) => return Normalised::default(),
        (Some(contract), Some(id)) => (contract, id),
        (contract, id) => {
            let (missing, remedy) = if contract.is_none() {
                ("contract", "fill in the contract, or clear the milestone if the issue is not one")
            } else {
                ("milestone", "fill in the milestone, or clear the contract if the issue is not one")
            };
            reader.problem(
                missing,
                format!("is empty, while {} is filled in", if id.is_some() { "milestone" } else { "contract" }),
                remedy,
            );
            return Normalised { contract, problems: std::mem::take(&mut reader.problems), ..Normalised::default() };
        }
    };
    let meaning = status(reader);
    let part = LegMilestone {
        id: id.clone(),
        status: meaning.map(|meaning| {
            if matches!(meaning, Meaning::Accepted | Meaning::Done) { "done" } else { "open" }.to_owned()
        }),
        amount: reader.decimal("amount"),
        window_days: reader.whole("window_days"),
        deemed: reader.flag("deemed"),
        completion: reader.text("completion"),
        ..LegMilestone::default()
    };
    let facts = facts(reader, &id, history);
    let problems = std::mem::take(&mut reader.problems);
    Normalised { contract: Some(contract), part: Some(LegPart::Psa(Box::new(part))), facts, problems }
}

fn status(reader: &mut Reading<'_>) -> Option<Meaning> {
    let Some(text) = reader.text("status") else {
        reader.problem("status", "is empty", "correct the path of status in the field map");
        return None;
    };
    let meaning = reader.map.transitions.get(&text).copied();
    if meaning.is_none() {
        let remedy = format!("add \"{text}\" under [transitions] of the field map, then replay the parked record");
        reader.problem("status", format!("{text:?} is not mapped"), &remedy);
    }
    meaning
}

/// Facts out of the changes, one group of changes after another.
fn facts(reader: &mut Reading<'_>, milestone: &str, history: &[Change]) -> Vec<FactDraft> {
    let mut facts = Vec::new();
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    for (place, change) in history.iter().enumerate() {
        if seen.insert(change.id.as_str()) {
            group(reader, milestone, history, place, &mut facts);
        }
    }
    facts
}

fn group(reader: &mut Reading<'_>, milestone: &str, history: &[Change], place: usize, facts: &mut Vec<FactDraft>) {
    let Some(first) = history.get(place) else { return };
    let changes: Vec<&Change> = history.iter().filter(|change| change.id == first.id).collect();
    let named = |field: &str| reader.extract(field).map(|extract| reader.map.source_field(extract).to_owned());
    let (evidence_field, status_field) = (named("evidence"), named("status"));
    let mut evidence = Vec::new();
    let mut reached = None;
    for change in &changes {
        if Some(&change.field) == evidence_field.as_ref() {
            evidence.extend(added(change));
        } else if reader.map.evidence_attachments && change.field == ATTACHED {
            evidence.extend(change.to.as_deref().map(stem));
        } else if Some(&change.field) == status_field.as_ref() {
            reached = change.to.as_deref().and_then(|to| reader.map.transitions.get(to)).copied();
        }
    }
    let record = reader.record;
    // Where no field says on which day it happened, it is the day on which the source was told.
    let mut tell = |event: Event, kind: &str, on: Option<Date>| {
        let identity = format!("{}:{}:{}:{}:{kind}", record.system, record.object, record.id, first.id);
        facts.push(FactDraft { fact: Fact { at: first.at, on, event }, identity });
    };
    let (by, id) = (first.by.clone(), milestone.to_owned());
    if reached == Some(Meaning::Submitted) {
        let on = reader.date("submitted_on", history, place);
        return tell(Event::Submitted { milestone: id, by, evidence }, "submitted", on);
    }
    if !evidence.is_empty() {
        let on = reader.date("evidence_on", history, place);
        tell(Event::Evidence { milestone: id.clone(), evidence }, "evidence", on);
    }
    let role = reader.as_of("approver_role", history, place).or_else(|| reader.map.roles.get(&by).cloned());
    match reached {
        Some(Meaning::Accepted) => {
            let document = reader.as_of("acceptance_document", history, place);
            let portion = reader.as_of("portion", history, place).and_then(|text| exact_decimal(&text));
            let on = reader.date("accepted_on", history, place);
            tell(Event::Accepted { milestone: id, by, role, document, portion }, "accepted", on);
        }
        Some(Meaning::Rejected) => {
            let criteria = reader.as_of("criteria", history, place).map(|text| text.lines().map(Into::into).collect());
            let on = reader.date("rejected_on", history, place);
            tell(Event::Rejected { milestone: id, by, role, criteria: criteria.unwrap_or_default() }, "rejected", on);
        }
        Some(Meaning::Done | Meaning::Open | Meaning::Submitted) | None => {}
    }
}

/// Names that a change of a list field brought in. Lists stand in a history as joined text.
fn added(change: &Change) -> Vec<String> {
    let names = |text: &Option<String>| -> BTreeSet<String> {
        let text = text.as_deref().unwrap_or_default();
        text.split(", ")
            .flat_map(|part| part.split(','))
            .map(|name| name.trim().to_owned())
            .filter(|name| !name.is_empty())
            .collect()
    };
    names(&change.to).difference(&names(&change.from)).cloned().collect()
}

/// The name of a file without its last ending.
fn stem(file: &str) -> String {
    file.rsplit_once('.').map_or(file, |(stem, _)| stem).to_owned()
}
