//! What a person decides about each value of a proposal, and the terms that the decisions give.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::block::Quote;
use crate::proposal::Proposal;
use crate::write;

/// A value that a person decides about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Where it stands in the terms: `total`, `acceptance.window_days`, `milestones.M1.amount`.
    pub path: String,
    /// What was read, in the form that terms have; several entries one a line.
    pub value: Option<String>,
    /// The words it was read from.
    pub quotes: Vec<Quote>,
    /// Why there is no value.
    pub reason: Option<&'static str>,
}

/// What a person said about a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "verdict", content = "value")]
pub enum Verdict {
    /// It stands in the document as it was read.
    Confirmed,
    /// It is this.
    Corrected(String),
    /// The contract says nothing of the kind.
    Rejected,
}

/// Every value that a person decides about, in the order of the terms.
#[must_use]
pub fn asked(proposal: &Proposal) -> Vec<Asked> {
    write::asked(proposal)
}

/// The terms that decisions give: what was confirmed and corrected, and nothing else.
///
/// # Errors
/// Values that were read and that nobody has decided about, and corrections that are no value of their kind; each with its
/// place.
pub fn terms(proposal: &Proposal, verdicts: &BTreeMap<String, Verdict>) -> Result<Value, Vec<String>> {
    let (mut terms, mut wrong) = (Map::new(), Vec::new());
    for asked in asked(proposal) {
        let text = match (verdicts.get(&asked.path), asked.value.as_ref()) {
            (None, Some(_)) => {
                wrong.push(format!("{}: nobody has decided about it", asked.path));
                continue;
            }
            (Some(Verdict::Corrected(text)), _) | (Some(Verdict::Confirmed), Some(text)) => text.clone(),
            (Some(Verdict::Rejected | Verdict::Confirmed), _) | (None, None) => continue,
        };
        match typed(&asked.path, &text) {
            Ok(value) => put(&mut terms, &asked.path, value),
            Err(reason) => wrong.push(format!("{}: {reason}", asked.path)),
        }
    }
    if wrong.is_empty() { Ok(finished(terms)) } else { Err(wrong) }
}

/// A value as terms have it: days are whole numbers, `deemed` is yes or no, evidence and predecessors are lists.
fn typed(path: &str, text: &str) -> Result<Value, String> {
    let key = path.rsplit('.').next().unwrap_or(path);
    match key {
        "window_days" | "cure_days" => {
            text.trim().parse::<u32>().map(Value::from).map_err(|_| format!("{text:?} is no number of days"))
        }
        "deemed" => {
            text.trim().parse::<bool>().map(Value::from).map_err(|_| format!("{text:?} is neither true nor false"))
        }
        "evidence" | "depends_on" => {
            Ok(text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().into())
        }
        _ => Ok(text.trim().into()),
    }
}

/// Puts a value where its path says: rows of a schedule are found by the id that they were proposed with.
fn put(terms: &mut Map<String, Value>, path: &str, value: Value) {
    let mut parts = path.splitn(2, '.');
    let (Some(first), rest) = (parts.next(), parts.next()) else { return };
    let Some(rest) = rest else {
        terms.insert(first.into(), value);
        return;
    };
    // A row's id may have points: the key is what stands behind the last one.
    let Some((row, key)) = rest.rsplit_once('.') else {
        let table = terms.entry(first).or_insert_with(|| json!({}));
        if let Some(table) = table.as_object_mut() {
            table.insert(rest.into(), value);
        }
        return;
    };
    let rows = terms.entry(first).or_insert_with(|| json!([]));
    let Some(rows) = rows.as_array_mut() else { return };
    let index = rows.iter().position(|value| value.get(ROW).and_then(Value::as_str) == Some(row));
    let index = index.unwrap_or_else(|| {
        rows.push(json!({ ROW: row }));
        rows.len().saturating_sub(1)
    });
    if let Some(row) = rows.get_mut(index).and_then(Value::as_object_mut) {
        row.insert(key.into(), value);
    }
}

/// The id that a row was proposed with, while the terms are put together.
const ROW: &str = " row";

/// Takes out what was only needed to find rows. A row of changes is named by its id, which the contract has already.
fn finished(mut terms: Map<String, Value>) -> Value {
    for row in terms.get_mut("change").and_then(Value::as_array_mut).into_iter().flatten() {
        let id = row.get(ROW).cloned();
        if let (Some(row), Some(id)) = (row.as_object_mut(), id) {
            row.insert("id".into(), id);
        }
    }
    for rows in terms.values_mut().filter_map(Value::as_array_mut) {
        rows.iter_mut().filter_map(Value::as_object_mut).for_each(|row| drop(row.remove(ROW)));
    }
    Value::Object(terms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::Format;
    use crate::{Input, propose, reader};

    const SOW: &str = "# STATEMENT OF WORK\n\nReference No.: SOW-7\n\nThe total contract value is **USD $100,000**.\n\n\
        | Milestone | Description | Fee (USD) |\n|---|---|---|\n| M1 | Design | 40,000 |\n| M.2 | Build | 60,000 |\n";

    fn proposal() -> Proposal {
        let document = reader::read(SOW.as_bytes(), Format::Markdown).unwrap();
        propose(vec![Input::new("sow.md", SOW.as_bytes(), document)], None)
    }

    #[test]
    fn terms_hold_what_was_confirmed_and_corrected_and_nothing_else() {
        let proposal = proposal();
        let asked = asked(&proposal);
        let read = asked.iter().filter(|value| value.value.is_some());
        assert!(read.clone().all(|value| !value.quotes.is_empty()), "every value has its words: {asked:?}");
        let mut verdicts: BTreeMap<_, _> = read.map(|value| (value.path.clone(), Verdict::Confirmed)).collect();
        verdicts.insert("customer".into(), Verdict::Corrected("Northwind Ltd".into()));
        verdicts.insert("milestones.M.2.name".into(), Verdict::Corrected("Build and test".into()));
        verdicts.insert("acceptance.window_days".into(), Verdict::Corrected("10".into()));
        let terms = terms(&proposal, &verdicts).unwrap();
        assert_eq!(terms["customer"], "Northwind Ltd");
        assert_eq!(terms["total"], "100000.00");
        assert_eq!(terms["acceptance"], json!({ "window_days": 10 }));
        assert_eq!(terms["milestones"][1], json!({ "id": "M.2", "name": "Build and test", "amount": "60000.00" }));
    }

    #[test]
    fn retainage_and_conditions_are_asked_for_with_their_words() {
        let text = "The Contract Price is $100,000. Owner retains 5% of each payment. It is paid in the following instalments:\n\n\
            (1) 40% of the Contract Price upon delivery or on 1 May 2026, whichever is later;\n\
            (2) 60% of the Contract Price upon acceptance.\n";
        let document = reader::read(text.as_bytes(), Format::Text).unwrap();
        let proposal = propose(vec![Input::new("contract.txt", text.as_bytes(), document)], None);
        let asked = asked(&proposal);
        let of = |path: &str| asked.iter().find(|value| value.path == path).unwrap();
        assert_eq!(of("retainage.percent").value.as_deref(), Some("5"));
        assert!(of("retainage.release").reason.unwrap().contains("whose acceptance releases"));
        assert!(of("milestones.1.trigger").reason.unwrap().contains("the last counts"));
        assert_eq!(of("milestones.1.trigger").quotes[0].text, "whichever is later");
        assert!(crate::toml(&proposal).contains("[retainage]\n"), "{}", crate::toml(&proposal));
    }

    #[test]
    fn what_nobody_has_decided_about_and_what_is_no_value_is_told_with_its_place() {
        let verdicts = BTreeMap::from([("acceptance.deemed".to_owned(), Verdict::Corrected("perhaps".into()))]);
        let wrong = terms(&proposal(), &verdicts).unwrap_err();
        assert!(wrong.iter().any(|problem| problem == "total: nobody has decided about it"), "{wrong:?}");
        assert!(wrong.iter().any(|problem| problem.starts_with("acceptance.deemed: \"perhaps\"")), "{wrong:?}");
    }
}
