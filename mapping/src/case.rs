//! Cases: a contract, a policy, events and a last day; what `milestoned simulate` plays.

use jiff::civil::Date;
use serde_json::Value;

use crate::calendar::{Calendar, Calendars};
use crate::contract::{Contract, Policy, Report};
use crate::events::read_event;
use crate::fact::{Event, Fact};
use crate::filed::{json_tree, toml_tree};
use crate::problem::Problem;
use crate::terms::Terms;

/// One case, section 9 of the rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    terms: Terms,
    /// As it is filed: its first day has not begun.
    filed: Contract,
    until: Date,
    /// In the order in which they are taken.
    events: Vec<Fact>,
}

/// Why a file is no case, in one line: problems with their places.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CaseError(String);

impl Case {
    /// Reads JSON.
    ///
    /// # Errors
    /// Place and reason.
    pub fn from_json(text: &str, calendars: &Calendars) -> Result<Self, CaseError> {
        Self::from_value(json_tree(text).map_err(CaseError)?, calendars)
    }

    /// Reads TOML.
    ///
    /// # Errors
    /// Place and reason.
    pub fn from_toml(text: &str, calendars: &Calendars) -> Result<Self, CaseError> {
        Self::from_value(toml_tree(text).map_err(CaseError)?, calendars)
    }

    /// Reads a tree.
    ///
    /// # Errors
    /// Place and reason.
    pub fn from_value(value: Value, calendars: &Calendars) -> Result<Self, CaseError> {
        let Value::Object(mut table) = value else {
            return Err(CaseError("a case is a table with contract, until and events".into()));
        };
        let contract = table.remove("contract").ok_or_else(|| CaseError("contract: is missing".into()))?;
        let terms = Terms::from_value(contract, calendars).map_err(|errors| {
            let lines: Vec<String> = errors.0.into_iter().map(|problem| problem.inside("contract").said()).collect();
            CaseError(lines.join("; "))
        })?;
        let policy = match table.remove("policy") {
            None | Some(Value::Null) => Policy::default(),
            Some(policy) => Policy::from_value(policy, terms.currency())
                .map_err(|errors| CaseError(errors.to_string().replace('\n', "; ")))?,
        };
        let until = table.remove("until").ok_or_else(|| CaseError("until: is missing".into()))?;
        let until = until.as_str().filter(|text| text.len() == 10).and_then(|text| text.parse().ok());
        let until = until.ok_or_else(|| CaseError("until: must be a date such as 2026-06-30".into()))?;
        let events = match table.remove("events") {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(events)) => events,
            Some(_) => return Err(CaseError("events: must be a list".into())),
        };
        if let Some(key) = table.keys().next() {
            return Err(CaseError(format!("{key}: is not a known field")));
        }
        let mut facts = Vec::new();
        for (index, event) in events.into_iter().enumerate() {
            facts.push(read_event(event, &format!("events[{index}]")).map_err(CaseError)?);
        }
        let calendar = calendars.get(terms.calendar()).cloned().unwrap_or(Calendar::Weekends);
        // The run's first day is the earlier of signature and first event, but not before the first date of the books.
        let first = facts.iter().map(|fact| terms.local_date(fact.at)).chain([terms.signed_on()]).min();
        let first_day = first.max(terms.books_from).unwrap_or(until);
        let filed = Contract::open(terms.clone(), policy, calendar, first_day)
            .map_err(|problem| CaseError(problem.inside("contract").said()))?;
        let order = order(&terms, &facts, first_day);
        check(&filed, &facts, &order)?;
        let events = order.iter().filter_map(|index| facts.get(*index).cloned()).collect();
        // A run that ends before its first day takes nothing but the history.
        let filed = if until < first_day { filed.before(until) } else { filed };
        Ok(Self { terms, filed, until, events })
    }

    /// The contract as it is filed: its first day has not begun.
    pub fn open(&self) -> Contract {
        self.filed.clone()
    }

    /// Plays the case through the end of its last day.
    pub fn play(&self) -> Contract {
        let mut contract = self.open();
        for fact in self.events.iter().filter(|fact| self.terms.local_date(fact.at) <= self.until) {
            // The facts were checked when the case was read: none is refused here.
            let _ = contract.apply(fact);
        }
        contract.advance_to(self.until);
        contract.close_day();
        contract
    }

    /// Terms of the contract.
    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    /// Events in order of time.
    pub fn events(&self) -> &[Fact] {
        &self.events
    }

    /// Last day.
    pub fn until(&self) -> Date {
        self.until
    }
}

/// Plays a case: the output document of section 9 of the rules.
pub fn simulate(case: &Case) -> Report {
    case.play().report()
}

/// Indices of events in the order in which they are taken: by time, ties as listed. What is known on the first day about legs,
/// invoices of others and reviews comes before whatever else that day brings.
fn order(terms: &Terms, events: &[Fact], first_day: Date) -> Vec<usize> {
    let mut order: Vec<usize> = (0..events.len()).collect();
    order.sort_by_key(|index| {
        let fact = events.get(*index);
        let filed = fact.is_some_and(|fact| {
            let day = terms.local_date(fact.at);
            day < first_day || (day == first_day && fact.is_known_at_filing())
        });
        (!filed, fact.map(|fact| fact.at))
    });
    order
}

/// Events are checked against the terms before anything runs, so that a bad one is a bad file.
fn check(filed: &Contract, events: &[Fact], order: &[usize]) -> Result<(), CaseError> {
    let wrong = |index: usize, problem: Problem| CaseError(format!("events[{index}].{}", problem.said()));
    let amended = events.iter().any(|fact| matches!(fact.event, Event::Amended(_)));
    // Which obligations there are when a cost report comes, and which milestones when a change order does, only the run can
    // tell.
    let by_the_run = |fact: &Fact| amended && matches!(fact.event, Event::Amended(_) | Event::Cost { .. });
    for (index, fact) in events.iter().enumerate().filter(|(_, fact)| !by_the_run(fact)) {
        filed.check(fact).map_err(|error| wrong(index, error))?;
    }
    if amended {
        let mut contract = filed.clone();
        for index in order {
            let Some(fact) = events.get(*index) else { continue };
            contract.apply(fact).map_err(|problem| wrong(*index, problem))?;
        }
    }
    Ok(())
}
