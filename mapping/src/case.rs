//! Cases: a contract, a policy, events and a last day; what `milestoned simulate` plays.

use jiff::civil::Date;
use serde_json::Value;

use crate::calendar::{Calendar, Calendars};
use crate::contract::{Contract, Policy, Report};
use crate::events::read_event;
use crate::fact::{Event, Fact};
use crate::filed::{json_tree, toml_tree};
use crate::terms::Terms;

/// One case, section 9 of the rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    terms: Terms,
    policy: Policy,
    calendar: Calendar,
    until: Date,
    /// In order of time, ties as listed.
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
            let lines: Vec<String> =
                errors.0.iter().map(|one| format!("contract.{}: {}", one.field, one.reason)).collect();
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
        let case = Self { terms, policy, calendar, until, events: facts };
        case.check()?;
        Ok(Self { events: in_order(case.events), ..case })
    }

    /// Events are checked against the terms before anything runs, so that a bad one is a bad file.
    fn check(&self) -> Result<(), CaseError> {
        let opened = Contract::open(self.terms.clone(), self.policy.clone(), self.calendar.clone(), self.first_day());
        for (index, fact) in self.events.iter().enumerate() {
            opened.check(fact).map_err(|error| CaseError(format!("events[{index}].{error}")))?;
        }
        let brings = |fact: &Fact| match &fact.event {
            Event::Amended(amendment) => {
                !amendment.add.is_empty() || amendment.change.iter().any(|item| item.get("depends_on").is_some())
            }
            _ => false,
        };
        // Which milestones there are when an amendment comes, only the run can tell.
        if self.events.iter().any(brings) { self.check_as_played(opened) } else { Ok(()) }
    }

    fn check_as_played(&self, mut contract: Contract) -> Result<(), CaseError> {
        let mut places: Vec<usize> = (0..self.events.len()).collect();
        places.sort_by_key(|index| self.events.get(*index).map(|fact| fact.at));
        for index in places {
            let Some(fact) = self.events.get(index) else { continue };
            contract.apply(fact).map_err(|error| CaseError(format!("events[{index}].{error}")))?;
        }
        Ok(())
    }

    /// The earlier of signature and first event.
    fn first_day(&self) -> Date {
        let first = self.events.iter().map(|fact| self.terms.local_date(fact.at)).min();
        first.map_or(self.terms.signed_on(), |first| first.min(self.terms.signed_on()))
    }

    /// The contract on its first day.
    pub fn open(&self) -> Contract {
        let first_day = self.first_day().min(self.until);
        Contract::open(self.terms.clone(), self.policy.clone(), self.calendar.clone(), first_day)
    }

    /// Plays the case through the end of its last day.
    pub fn play(&self) -> Contract {
        let mut contract = self.open();
        for fact in self.events.iter().filter(|fact| self.terms.local_date(fact.at) <= self.until) {
            // What a fact can be wrong about was checked when the case was read.
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

fn in_order(mut events: Vec<Fact>) -> Vec<Fact> {
    events.sort_by_key(|fact| fact.at);
    events
}
