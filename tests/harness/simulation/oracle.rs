//! Whether the world is as it must be. What the ERP holds is read from the simulated ERP, never from the daemon; what was
//! agreed, accepted, paid and changed by hand is what people did.

use std::collections::{BTreeMap, BTreeSet};

use milestoned::replay;
use milestoned::store::contracts::Work;
use milestoned::store::drift::DriftRow;
use milestoned::store::outbox::Delivery;
use milestoned::store::vocabulary::DeliveryState;
use milestoned_mapping::command::Command;
use milestoned_mapping::contract::{Contract, DocumentKind};
use milestoned_mapping::drift::Kind;
use milestoned_mapping::fact::Leg;
use milestoned_mocks::ErpDocument;
use rust_decimal::Decimal;

use super::agreement::Agreement;
use super::world::{Touch, World};
use super::{Scope, books, company, dates, intruder};

/// What holds at any moment.
pub(super) fn always(world: &World) -> anyhow::Result<()> {
    let mut seen = BTreeSet::new();
    for document in world.documents() {
        let live = document.status != "voided";
        anyhow::ensure!(!live || seen.insert(document.number.clone()), "1: the ERP holds {} twice", document.number);
        let milestone = world
            .agreements
            .iter()
            .flat_map(|agreement| agreement.milestones.iter().map(move |one| (agreement, one)))
            .find(|(agreement, one)| document.number == agreement.number(&one.id));
        anyhow::ensure!(
            document.kind != "invoice" || milestone.is_none_or(|(_, one)| one.ever_accepted),
            "2: the ERP holds {} and it was never accepted",
            document.number
        );
    }
    if world.scope == Scope::Company {
        company::authorised(world)?;
        intruder::sent_nothing(world)?;
    }
    let wrong = world.lines.seen(|witness| witness.wrong.clone());
    wrong.map_or(Ok(()), |wrong| Err(anyhow::anyhow!(wrong)))
}

/// Nobody is told that something is invoiced while the ERP has the invoice otherwise than it was decided: the status waits for
/// the person who puts that right.
fn waits_for_a_consequence(world: &World, delivery: &Delivery) -> bool {
    let Some(Command::BillingStatus(status)) = &delivery.command else { return false };
    delivery.state == DeliveryState::Pending
        && status.invoice.as_ref().is_some_and(|number| is_consequence(world, number))
}

/// What holds once troubles have stopped and time has passed.
pub(super) fn at_last(world: &mut World) -> anyhow::Result<()> {
    always(world)?;
    let open = world.ask(|app| async move { app.env.store.deliveries(None, DeliveryState::UNSETTLED).await })??;
    let open: Vec<_> = open
        .iter()
        .filter(|one| !is_consequence(world, &one.subject) && !waits_for_a_consequence(world, one))
        .filter(|one| !world.company.has_forged(one.key.as_str()))
        .map(|one| format!("{} {} {}: {}", one.kind, one.subject, one.state, one.fault.as_deref().unwrap_or_default()))
        .collect();
    anyhow::ensure!(open.is_empty(), "7: deliveries are left: {open:?}");
    for agreement in world.agreements.clone() {
        let contract = replayed(world, &agreement)?;
        let works = world.ask(|app| async move { app.env.store.works(vec![agreement.id.into()]).await })??;
        let (_, work) =
            works.into_iter().next().ok_or_else(|| anyhow::anyhow!("7: contract {} is gone", agreement.id))?;
        let work = work?;
        documents(world, &agreement, &contract)?;
        exceptions(world, &agreement, (&contract, &work))?;
        invoiced(world, &agreement, &contract)?;
        payments(world, &agreement, &contract)?;
        books::check(world, &agreement, &contract)?;
        dates::books_hold(world, &agreement, &contract)?;
        dates::revenue_follows(world, &agreement)?;
        shown(world, &agreement, &contract)?;
        told(world, &agreement, &contract)?;
        anyhow::ensure!(work.pending.is_empty(), "7: {} facts of {} wait", work.pending.len(), agreement.id);
        drifts(world, &agreement, &work)?;
    }
    let parked = world.ask(|app| async move { app.env.store.parked_facts().await })??;
    let parked: Vec<_> = parked.iter().filter(|one| !one.problem.starts_with("not attested")).collect();
    anyhow::ensure!(parked.is_empty(), "7: facts are parked: {parked:?}");
    intruder::is_found(world)?;
    followed(world)
}

/// Whether something was booked on a day that is not over: its entry follows once it is.
pub(super) fn has_a_day_to_book(world: &mut World) -> anyhow::Result<bool> {
    for agreement in world.agreements.clone() {
        let contract = replayed(world, &agreement)?;
        if contract.journal().last().is_some_and(|entry| entry.date >= contract.as_of()) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// 5: the state is what its facts say.
fn replayed(world: &mut World, agreement: &Agreement) -> anyhow::Result<Contract> {
    let id = agreement.id;
    let row = world.ask(|app| async move { app.env.store.contract(id.into()).await })??;
    let row = row.ok_or_else(|| anyhow::anyhow!("7: contract {id} is gone"))?;
    let replayed = {
        let row = row.clone();
        world.ask(|app| async move { replay::contract(&app.env, &row).await })??
    };
    anyhow::ensure!(serde_json::to_string(&replayed)? == row.state, "5: a replay of {id} gives another state");
    Ok(serde_json::from_str(&row.state)?)
}

/// 7: what a webhook named was read after its acknowledgement.
fn followed(world: &mut World) -> anyhow::Result<()> {
    let now = world.now();
    for system in ["jira", world.erp] {
        let hints = world.ask(|app| async move { app.env.store.hints_due(system.into(), now, 100).await })??;
        anyhow::ensure!(hints.is_empty(), "7: {} hints of {system} were never followed", hints.len());
    }
    for (name, one) in world.brought.iter().filter(|(_, one)| one.acknowledged) {
        let read = world.lines.seen(|witness| witness.has_read(&one.asks, one.after));
        anyhow::ensure!(read, "7: webhook {name} was acknowledged, and {} never asked for", one.asks);
    }
    Ok(())
}

/// A credit memo or supplement of an invoice that the accountant has changed, or that a person has given up, cannot be
/// applied any more: a person decides.
fn is_consequence(world: &World, subject: &str) -> bool {
    world.touched.keys().any(|number| subject.starts_with(number.as_str()))
}

pub(super) fn plain(amount: &str) -> String {
    amount.parse::<Decimal>().map_or_else(|_| amount.into(), |amount| amount.normalize().to_string())
}

/// 4: what the ERP holds is what the rules say.
fn documents(world: &World, agreement: &Agreement, contract: &Contract) -> anyhow::Result<()> {
    let mut wanted: BTreeMap<String, (&str, String, String)> = BTreeMap::new();
    for document in contract.documents().iter().filter(|document| !document.adopted) {
        let kind = if document.kind == DocumentKind::CreditMemo { "credit_memo" } else { "invoice" };
        wanted.insert(document.number.clone(), (kind, plain(&document.amount.to_string()), document.date.to_string()));
    }
    dates::entries_agree(world, agreement, contract)?;
    let held: BTreeMap<String, ErpDocument> = world
        .documents()
        .into_iter()
        .filter(|one| agreement.owns(&one.number) && one.kind != "journal_entry")
        .map(|one| (one.number.clone(), one))
        .collect();
    for (number, (kind, amount, date)) in &wanted {
        let same = held.get(number).is_some_and(|one| {
            (one.kind, plain(&one.amount), &one.date, one.currency.as_str())
                == (*kind, amount.clone(), date, agreement.currency)
        });
        anyhow::ensure!(
            same || is_consequence(world, number),
            "4: {number}: the rules say {kind} {amount} {date}, the ERP holds {:?}",
            held.get(number)
        );
    }
    for (number, touch) in world.touched.iter().filter(|(_, touch)| **touch == Touch::Deleted) {
        anyhow::ensure!(!held.contains_key(number), "4: {number} is {touch:?}, and was written again");
    }
    let unknown: Vec<&String> = held.keys().filter(|number| !wanted.contains_key(*number)).collect();
    anyhow::ensure!(unknown.is_empty(), "4: the ERP holds {unknown:?}, of which the rules know nothing");
    Ok(())
}

/// Exceptions that what people did must have opened: code and milestone.
fn expected(world: &World, agreement: &Agreement) -> Vec<(&'static str, Option<String>)> {
    let mut codes = Vec::new();
    codes.extend((!agreement.won).then_some(("NOT_CLOSED_WON", None)));
    codes.extend((agreement.wrong_by > 0).then_some(("AMOUNT_MISMATCH", None)));
    codes.extend(agreement.live().filter(|one| one.lost).map(|one| ("NOT_CONFIGURED", Some(one.id.clone()))));
    let told = |touch: &Touch| !matches!(touch, Touch::GivenUp | Touch::Unseen);
    let drifted = world.touched.iter().any(|(number, touch)| agreement.owns(number) && told(touch));
    codes.extend(drifted.then_some(("DEFERRED_VARIANCE", None)));
    codes
}

/// 11: every drift after billing has its exception, and nothing else that legs say holds an invoice.
fn exceptions(world: &World, agreement: &Agreement, (contract, work): (&Contract, &Work)) -> anyhow::Result<()> {
    let expected = expected(world, agreement);
    // A project tool that never showed an issue of the contract is not observed: it lacks nothing (section 8). Nor is an
    // ERP whose one invoice was gone before anything was decided from it: that it is gone is told.
    let no_issue = agreement.milestones.iter().all(|one| one.lost);
    let no_document = !work.legs.contains_key(&Leg::Erp);
    let open: Vec<(String, Option<String>)> = contract
        .exceptions()
        .iter()
        .filter(|one| one.closed_on.is_none() && one.leg.is_some())
        .filter(|one| one.severity.to_string() == "blocking" || one.code.to_string() == "DEFERRED_VARIANCE")
        .map(|one| (one.code.to_string(), one.milestone.clone()))
        .collect();
    for (code, milestone) in &expected {
        let closed = world.overruled.contains(&(agreement.id, (*code).to_owned(), milestone.clone()));
        let there = open.iter().any(|(known, of)| known == code && of == milestone);
        let unobserved = no_issue && *code == "NOT_CONFIGURED" || no_document && *code == "DEFERRED_VARIANCE";
        anyhow::ensure!(there || closed || unobserved, "11: {} lacks {code} {milestone:?}", agreement.id);
    }
    // What a person gave up, and what was gone before it was seen, may be missed or not.
    let given_up = world.touched.keys().any(|number| agreement.owns(number));
    for (code, milestone) in &open {
        let known = expected.iter().any(|(known, of)| known == code && of == milestone);
        let known = known || (given_up && code == "DEFERRED_VARIANCE");
        anyhow::ensure!(known, "11: {} has {code} {milestone:?}, which nobody caused", agreement.id);
    }
    Ok(())
}

/// 11: what an accountant has changed is known as that, and nothing else is.
fn drifts(world: &World, agreement: &Agreement, work: &Work) -> anyhow::Result<()> {
    let known: Vec<(Kind, &str)> = work.drift.iter().map(|one| (one.kind, one.subject.as_str())).collect();
    for (number, touch) in world.touched.iter().filter(|(number, _)| agreement.owns(number)) {
        let kind = match touch {
            Touch::Voided => Kind::DocumentVoided,
            Touch::Edited => Kind::DocumentChanged,
            Touch::Deleted => Kind::DocumentGone,
            Touch::Unseen | Touch::GivenUp => continue,
        };
        let told = known.contains(&(kind, number.as_str()));
        anyhow::ensure!(told, "11: {number} is {touch:?}, and {} is not told", kind.name());
    }
    for DriftRow { kind, subject, detail, .. } in work.drift.iter().filter(|one| one.kind != Kind::WorkReopened) {
        let caused = is_consequence(world, subject);
        anyhow::ensure!(caused, "11: {} {subject} is told, and nobody did it: {detail}", kind.name());
    }
    Ok(())
}

/// 3: accepted, held by nothing that people did, and not invoiced.
fn invoiced(world: &World, agreement: &Agreement, contract: &Contract) -> anyhow::Result<()> {
    let mut holds = expected(world, agreement);
    holds.retain(|(code, of)| {
        let overruled = world.overruled.contains(&(agreement.id, (*code).to_owned(), of.clone()));
        // What was overruled, then mended and broken again, is another exception.
        let again = contract
            .exceptions()
            .iter()
            .any(|one| one.closed_on.is_none() && one.code.to_string() == *code && one.milestone == *of);
        *code != "DEFERRED_VARIANCE" && (!overruled || again)
    });
    for milestone in agreement.live().filter(|one| one.accepted && !one.lost) {
        // What customer and project manager did about the work itself has no leg.
        let refused = contract.exceptions().iter().any(|one| {
            let blocks = one.closed_on.is_none() && one.leg.is_none() && one.severity.to_string() == "blocking";
            blocks && one.milestone.as_ref().is_none_or(|of| *of == milestone.id)
        });
        let held = refused || holds.iter().any(|(_, of)| of.as_ref().is_none_or(|of| *of == milestone.id));
        let number = agreement.number(&milestone.id);
        let there = world.documents().iter().any(|one| one.number == number)
            || world.touched.contains_key(&number)
            || milestone.adopted.is_some();
        anyhow::ensure!(there || held, "3: {number} is accepted, nothing holds it, and it is not invoiced");
    }
    Ok(())
}

/// 12: the project tool shows the billing status that the contract has, of an invoice once the ERP has it as decided. Where a daemon that had been stopped wrote one, that
/// may be an older one: Jira takes whatever comes last.
fn shown(world: &World, agreement: &Agreement, contract: &Contract) -> anyhow::Result<()> {
    for milestone in contract.milestones() {
        let late = |issue: &str| {
            world
                .lines
                .seen(|witness| witness.was_written_late(&format!("/issue/{issue}/properties/milestoned.billing")))
        };
        let issue = agreement.milestones.iter().find(|one| one.id == milestone.id && !one.lost && !late(&one.issue));
        let Some(property) = issue.and_then(|one| world.simulators.jira.property(&one.issue, "milestoned.billing"))
        else {
            continue;
        };
        let (shows, has) = (property.text("status"), milestone.status.name());
        let unsettled = milestone.invoiced_on.is_some() && is_consequence(world, &agreement.number(&milestone.id));
        anyhow::ensure!(
            shows == has || unsettled,
            "12: {} {} is {has}, and its issue shows {shows}",
            agreement.id,
            milestone.id
        );
    }
    Ok(())
}

/// 6: what was issued and carried out stands in the audit trail.
fn told(world: &mut World, agreement: &Agreement, contract: &Contract) -> anyhow::Result<()> {
    let id = agreement.id;
    let lines = world.ask(|app| async move { app.env.store.audit(Some(id.into()), 100_000).await })??;
    let written =
        world.ask(|app| async move { app.env.store.deliveries(Some(id.into()), &[DeliveryState::Done]).await })??;
    let has = |action: &str, subject: &str| lines.iter().any(|one| one.action == action && one.subject == subject);
    for document in contract.documents().iter().filter(|document| !document.adopted) {
        anyhow::ensure!(
            has("document issued", &document.number),
            "6: no line tells that {} was issued",
            document.number
        );
    }
    for delivery in written {
        let taken = world.disputed.contains(&delivery.subject);
        anyhow::ensure!(!taken, "14: {} was changed there, and is taken for what was written", delivery.subject);
        let told = has("delivery settled", &delivery.subject) || has("delivery done outside", &delivery.subject);
        anyhow::ensure!(told, "6: no line tells that {} was delivered", delivery.subject);
    }
    Ok(())
}

/// 8: payments are known once.
fn payments(world: &World, agreement: &Agreement, contract: &Contract) -> anyhow::Result<()> {
    let paid: u64 = world.paid.iter().filter(|(number, _)| agreement.owns(number)).map(|(_, paid)| *paid).sum();
    let before = agreement.history.iter().any(|one| one["type"] == "payment");
    let paid = paid.saturating_add(agreement.milestones.first().filter(|_| before).map_or(0, |one| one.amount));
    let cash = plain(&contract.position().cash.to_string());
    let unmatched = contract.exceptions().iter().any(|one| one.code.to_string() == "UNMATCHED_PAYMENT");
    // A payment beyond what is open on its invoice, credit memos counted, is no entry: a person applies it (section 7).
    anyhow::ensure!(
        unmatched || cash == plain(&paid.to_string()),
        "8: {paid} were paid to {}, the contract knows of {cash}",
        agreement.id
    );
    Ok(())
}
