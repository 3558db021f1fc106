//! The schedule as a whole: ids, dependencies, obligations, percents.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;

use crate::money::Minor;
use crate::reader::Reader;
use crate::split::{largest_remainder, percent_half_up};
use crate::terms::{MilestoneTerms, Obligation, Retainage};

pub(super) fn check_obligations(reader: &mut Reader<'_>, obligations: &[Option<Obligation>]) {
    let mut seen = BTreeSet::new();
    let known = || obligations.iter().enumerate().filter_map(|(index, obligation)| Some((index, obligation.as_ref()?)));
    for (index, obligation) in known() {
        if !seen.insert(&obligation.id) {
            reader.wrong(&format!("obligations[{index}].id"), format!("{:?} is there twice", obligation.id));
        }
    }
    // Of one that could not be read its own problem is told.
    if !obligations.is_empty()
        && obligations
            .iter()
            .all(|obligation| obligation.as_ref().is_some_and(|obligation| obligation.ssp == Minor::ZERO))
    {
        reader.wrong("obligations", "at least one standalone selling price must be above 0");
    }
}

pub(super) fn check_milestones(
    reader: &mut Reader<'_>,
    schedule: &[Option<(MilestoneTerms, Option<Decimal>)>],
    obligations: &[Option<Obligation>],
) {
    if schedule.is_empty() && !reader.problems.iter().any(|problem| problem.place.starts_with("milestones")) {
        reader.wrong("milestones", "at least one milestone is needed");
    }
    let known = || schedule.iter().enumerate().filter_map(|(index, read)| Some((index, &read.as_ref()?.0)));
    let ids: BTreeSet<&str> = known().map(|(_, milestone)| milestone.id.as_str()).collect();
    // One that could not be read may be what another waits for, or belongs to: its own problem is told instead.
    let whole = schedule.iter().all(Option::is_some);
    let all_priced = obligations.iter().all(Option::is_some);
    let mut seen = BTreeSet::new();
    for (index, milestone) in known() {
        let place = |field: &str| format!("milestones[{index}].{field}");
        if !seen.insert(milestone.id.as_str()) {
            reader.wrong(&place("id"), format!("{:?} is there twice", milestone.id));
        }
        if let Some(other) = numbered_like(&milestone.id, |id| ids.contains(id)) {
            let reason = format!("{:?} would number its invoice like a correction of {other:?}'s", milestone.id);
            reader.wrong(&place("id"), reason);
        }
        for dependency in milestone.depends_on.iter().filter(|id| whole && !ids.contains(id.as_str())) {
            reader.wrong(&place("depends_on"), format!("{dependency:?} is no milestone of this contract"));
        }
        for named in milestone.trigger.names().filter(|id| whole && !ids.contains(id)) {
            reader.wrong(&place("conditions"), format!("{named:?} is no milestone of this contract"));
        }
        match &milestone.obligation {
            Some(id) if all_priced && !obligations.iter().flatten().any(|obligation| obligation.id == *id) => {
                reader.wrong(&place("obligation"), format!("{id:?} is no obligation of this contract"));
            }
            None if milestone.billable && obligations.len() > 1 => {
                reader.wrong(&place("obligation"), "is missing: there are several obligations");
            }
            _ => {}
        }
    }
    let edges = known().map(|(_, milestone)| (milestone.id.clone(), milestone.depends_on.clone())).collect();
    if let Some(id) = cycle(&edges).filter(|_| seen.len() == schedule.len()) {
        reader.wrong("milestones", format!("{id:?} depends on itself, by way of others"));
    }
}

/// The amounts of one contract fit 64 bits together, and so does every figure that is made of them.
pub(crate) fn fit_together<'a>(milestones: impl Iterator<Item = &'a MilestoneTerms>) -> bool {
    i64::try_from(milestones.map(|milestone| milestone.amount).sum::<Minor>().units()).is_ok()
}

/// What is kept back is released by a milestone that there is, and a milestone's own part needs the table.
pub(super) fn check_retainage(
    reader: &mut Reader<'_>,
    schedule: &[Option<(MilestoneTerms, Option<Decimal>)>],
    retainage: Option<&Option<Retainage>>,
) {
    let known = || schedule.iter().enumerate().filter_map(|(index, read)| Some((index, &read.as_ref()?.0)));
    if let Some(Some(retainage)) = retainage
        && schedule.iter().all(Option::is_some)
        && !known().any(|(_, milestone)| milestone.id == retainage.release)
    {
        reader.wrong("retainage.release", format!("{:?} is no milestone of this contract", retainage.release));
    }
    for (index, _) in known().filter(|(_, milestone)| retainage.is_none() && milestone.retainage_percent.is_some()) {
        reader.wrong(&format!("milestones[{index}].retainage_percent"), "needs a table [retainage]");
    }
}

/// The milestone whose credit memos (`-C1`), supplementary invoices (`-S1`) or retainage invoice (`-R`) would bear the number
/// of this one's invoice: two documents with one number cannot be told apart in an ERP.
pub(crate) fn numbered_like(id: &str, known: impl Fn(&str) -> bool) -> Option<&str> {
    let (other, suffix) = id.rsplit_once('-')?;
    let retained = suffix.starts_with('R');
    let digits = suffix.strip_prefix(['C', 'R', 'S'])?;
    let numbered = digits.bytes().all(|byte| byte.is_ascii_digit()) && (retained || !digits.is_empty());
    (numbered && known(other)).then_some(other)
}

/// A milestone on a dependency cycle, if there is one.
pub(crate) fn cycle(edges: &BTreeMap<String, Vec<String>>) -> Option<String> {
    let mut left: BTreeMap<&str, BTreeSet<&str>> = edges
        .iter()
        .map(|(id, on)| (id.as_str(), on.iter().map(String::as_str).filter(|id| edges.contains_key(*id)).collect()))
        .collect();
    loop {
        let free: Vec<&str> = left.iter().filter(|(_, on)| on.is_empty()).map(|(id, _)| *id).collect();
        if free.is_empty() {
            return left.keys().next().map(|id| (*id).to_owned());
        }
        for id in free {
            left.remove(id);
            for on in left.values_mut() {
                on.remove(id);
            }
        }
        if left.is_empty() {
            return None;
        }
    }
}

/// Turns percents into minor units: by largest remainder where they sum to 100, else each half-up.
pub(super) fn resolve_percents(
    reader: &mut Reader<'_>,
    schedule: &mut [(MilestoneTerms, Option<Decimal>)],
    total: Minor,
) {
    let billable = || schedule.iter().filter(|(milestone, _)| milestone.billable);
    let (with, without) = (
        billable().filter(|(_, percent)| percent.is_some()).count(),
        billable().filter(|(_, percent)| percent.is_none()).count(),
    );
    if with == 0 {
        return;
    }
    if without > 0 {
        reader.wrong("milestones", "amounts and percents may not be mixed in one contract");
        return;
    }
    let percents: Vec<Decimal> = billable().filter_map(|(_, percent)| *percent).collect();
    // Each is at most 100, or has its problem told.
    let sum = percents.iter().try_fold(Decimal::ZERO, |sum, percent| sum.checked_add(*percent));
    let amounts: Vec<Minor> = if sum == Some(Decimal::ONE_HUNDRED) {
        largest_remainder(total, &percents)
    } else {
        percents.iter().map(|percent| percent_half_up(total, *percent)).collect()
    };
    for ((milestone, _), amount) in schedule.iter_mut().filter(|(milestone, _)| milestone.billable).zip(amounts) {
        milestone.amount = amount;
    }
}
