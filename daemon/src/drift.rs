//! Drift: what the legs show of what was billed is compared with what was delivered, in the turn in which a contract is
//! decided about; what differs opens, what is undone closes.

use std::collections::BTreeSet;

use jiff::civil::Date;
use milestoned_mapping::contract::Contract;
use milestoned_mapping::drift::{self, Drift, Kind, Shown};
use milestoned_mapping::fact::{Leg, LegRecord};

use crate::store::action::Action;
use crate::store::audit::Entry;
use crate::store::contracts::Work;
use crate::store::drift::DriftRow;

/// What changed about the drifts of a contract, which is billed in an ERP, and its audit lines. `work_now` is the project tool's
/// leg, where it changed.
pub fn changes(
    work: &Work,
    (contract, erp): (&Contract, &str),
    work_now: Option<&LegRecord>,
    today: Date,
) -> (Vec<DriftRow>, Vec<Entry>) {
    let milestones = |leg: Option<&LegRecord>| leg.and_then(|leg| leg.milestones.clone()).unwrap_or_default();
    let work_before = milestones(work.legs.get(&Leg::Psa));
    let work_now = work_now.map_or_else(|| work_before.clone(), |now| milestones(Some(now)));
    let reopened: BTreeSet<String> =
        work.drift.iter().filter(|row| row.kind == Kind::WorkReopened).map(|row| row.subject.clone()).collect();
    let found = drift::watch(
        contract,
        &Shown {
            invoices: &work.parts.invoices,
            journals: &work.parts.journals,
            told: &work.entries,
            confirmed: &work.confirmed,
            work_before: &work_before,
            work: &work_now,
            unassigned: &work.parts.unassigned,
            renamed: work.renamed.iter().find(|renamed| renamed.erp == erp),
            since: work.row.opened_on,
            reopened: &reopened,
            deal_gone: work.legs.contains_key(&Leg::Crm) && work.parts.crm.is_empty(),
        },
    );
    compared(&work.row.id, &work.drift, found, today)
}

/// Rows that are new or otherwise than before.
fn compared(contract: &str, before: &[DriftRow], found: Vec<Drift>, today: Date) -> (Vec<DriftRow>, Vec<Entry>) {
    let (mut rows, mut lines) = (Vec::new(), Vec::new());
    let mut note = |action: Action, row: DriftRow| {
        let detail = format!("{}, {}", row.kind.name(), row.detail);
        let subject = if row.subject.is_empty() { contract.to_owned() } else { row.subject.clone() };
        lines.push(Entry::own(action, Some(contract), subject, detail));
        rows.push(row);
    };
    let is = |row: &DriftRow, drift: &Drift| row.kind == drift.kind && row.subject == drift.subject;
    for row in before.iter().filter(|row| !found.iter().any(|drift| is(row, drift))) {
        note(Action::DriftUndone, DriftRow { closed_on: row.closed_on.or(Some(today)), lasts: false, ..row.clone() });
    }
    for drift in found {
        let known = before.iter().find(|row| is(row, &drift));
        if known.is_some_and(|row| row.detail == drift.detail) {
            continue;
        }
        // A drift that a person has closed, and that is seen again, opens anew, with today's date.
        let since = known.filter(|row| row.closed_on.is_none()).map_or(today, |row| row.opened_on);
        let Drift { kind, subject, milestone, detail } = drift;
        note(
            Action::DriftNoticed,
            DriftRow { kind, subject, milestone, detail, opened_on: since, closed_on: None, lasts: true },
        );
    }
    (rows, lines)
}
