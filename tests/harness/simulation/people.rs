//! What sales, project managers, customers and reviewers do.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::http::StatusCode;
use jiff::SignedDuration;
use milestoned::agreements;
use milestoned::app::App;
use milestoned::review::subject::Subject;
use milestoned_mapping::contract::Contract;
use milestoned_mocks::{FaultSpec, Person};
use rand::RngExt as _;
use rand::rngs::StdRng;
use serde_json::{Value, json};

use super::Scope;
use super::accountant;
use super::agreement::{Agreement, Milestone};
use super::company;
use super::world::World;
use crate::fields;

/// A milestone of a contract, by their places.
pub(super) type Place = (usize, usize);

impl World {
    pub(super) fn agreement(&self, place: usize) -> anyhow::Result<&Agreement> {
        self.agreements.get(place).ok_or_else(|| anyhow::anyhow!("no such contract"))
    }

    pub(super) fn agreement_mut(&mut self, place: usize) -> anyhow::Result<&mut Agreement> {
        self.agreements.get_mut(place).ok_or_else(|| anyhow::anyhow!("no such contract"))
    }

    pub(super) fn milestone(&self, (of, place): Place) -> anyhow::Result<&Milestone> {
        self.agreement(of)?.milestones.get(place).ok_or_else(|| anyhow::anyhow!("no such milestone"))
    }

    pub(super) fn milestone_mut(&mut self, (of, place): Place) -> anyhow::Result<&mut Milestone> {
        self.agreement_mut(of)?.milestones.get_mut(place).ok_or_else(|| anyhow::anyhow!("no such milestone"))
    }

    /// The contract as the daemon has it.
    pub(super) fn contract(&mut self, id: &'static str) -> anyhow::Result<Contract> {
        let row = self.ask(|app| async move { app.env.store.contract(id.into()).await })??;
        let row = row.ok_or_else(|| anyhow::anyhow!("7: contract {id} is gone"))?;
        Ok(serde_json::from_str(&row.state)?)
    }
}

/// A milestone with an issue, by the dice.
pub(super) fn any(world: &World, dice: &mut StdRng) -> Option<Place> {
    let mut places = Vec::new();
    for (of, agreement) in world.agreements.iter().enumerate() {
        let there = agreement.milestones.iter().enumerate().filter(|(_, one)| !one.lost && !one.removed);
        places.extend(there.map(|(place, _)| (of, place)));
    }
    places.get(dice.random_range(0..places.len().max(1))).copied()
}

/// The agreements are filed, the deals are won, the issues are there.
pub(super) fn file(world: &mut World) -> anyhow::Result<()> {
    for of in 0..world.agreements.len() {
        let (id, terms) = (world.agreement(of)?.id, world.agreement(of)?.terms(world.erp));
        world.act("file", id);
        let now = world.now();
        match world.scope {
            Scope::Company => company::file(world, &terms)?,
            Scope::Vendors => {
                let filed = |app: Arc<App>| async move {
                    agreements::file(&app.env, terms, "simulation", &"deal desk".into(), now).await
                };
                world.ask(filed)??;
            }
        }
        deal(world, of)?;
        for place in 0..world.agreement(of)?.milestones.len() {
            issue(world, (of, place))?;
        }
    }
    Ok(())
}

/// The deal stands in the CRM as sales see it now.
pub(super) fn deal(world: &mut World, of: usize) -> anyhow::Result<()> {
    let agreement = world.agreement(of)?.clone();
    let amount = agreement.money(agreement.total().saturating_add(agreement.wrong_by));
    let stage = if agreement.won { "Closed Won" } else { "Negotiation/Review" };
    let act = world.act("deal", &format!("{} {stage} {amount}", agreement.id));
    let salesforce = &world.simulators.salesforce;
    let (customer, name) = (agreement.customer, json!({ "Name": agreement.customer }));
    let account = salesforce.put(&format!("account {customer}"), "Account", customer, fields(name))?;
    let deal = json!({
        "Name": agreement.id, "AccountId": account, "StageName": stage, "CloseDate": "2026-03-02", "Amount": amount,
        "CurrencyIsoCode": agreement.currency, "SOW_Number__c": agreement.id, "Payment_Terms__c": "net 30",
    });
    salesforce.put(&act, "Opportunity", agreement.id, fields(deal))?;
    Ok(())
}

fn issue(world: &mut World, place: Place) -> anyhow::Result<()> {
    let (contract, id) = (world.agreement(place.0)?.id, world.milestone(place)?.id.clone());
    let act = world.act("issue", &format!("{contract} {id}"));
    let status = if world.milestone(place)?.accepted { "Accepted" } else { "To Do" };
    let body = json!({ "summary": id, "customfield_10101": contract, "customfield_10102": id, "status": status });
    let created = world.simulators.jira.create_issue(&act, "MS", fields(body))?;
    world.milestone_mut(place)?.issue = created.id;
    Ok(())
}

pub(super) fn edit(world: &mut World, place: Place, status: &'static str, changes: Value) -> anyhow::Result<()> {
    let (contract, milestone) = (world.agreement(place.0)?.id, world.milestone(place)?.clone());
    let act = world.act("issue moves", &format!("{contract} {} {status}", milestone.id));
    let dana = Person { account_id: "dana".into(), display_name: "Dana".into(), email: "dana@customer.example".into() };
    let (today, now) = (world.today(place.0)?, world.now());
    let signed = changes["customfield_10112"].as_str().and_then(|date| date.parse().ok()).unwrap_or(today);
    let changes: BTreeMap<String, Value> = fields(changes).into_iter().collect();
    world.simulators.jira.edit(&act, &milestone.issue, &dana, changes, Some(status))?;
    let milestone = world.milestone_mut(place)?;
    milestone.accepted = status == "Accepted";
    milestone.ever_accepted |= milestone.accepted;
    milestone.moves = milestone.moves.saturating_add(1);
    if milestone.accepted {
        milestone.signed = Some((signed, now));
    }
    Ok(())
}

/// What an acceptance fills in beside the status.
fn acceptance(world: &World, dice: &mut StdRng, place: Place) -> anyhow::Result<Value> {
    match world.scope {
        Scope::Company => company::acceptance(world, dice, place),
        Scope::Vendors => Ok(json!({ "customfield_10105": "https://docs.example/signed.pdf" })),
    }
}

pub(super) fn accept(world: &mut World, dice: &mut StdRng) -> anyhow::Result<()> {
    let Some(place) = any(world, dice) else { return Ok(()) };
    let signed = acceptance(world, dice, place)?;
    edit(world, place, "Accepted", signed)
}

/// Search shows the later of two changes first.
pub(super) fn late_row(world: &mut World, dice: &mut StdRng) -> anyhow::Result<()> {
    let (Some(late), Some(early)) = (any(world, dice), any(world, dice)) else { return Ok(()) };
    world.advance(SignedDuration::from_mins(6));
    let until = world.now().saturating_add(SignedDuration::from_secs(100))?;
    let issue = world.milestone(late)?.issue.clone();
    // It changes in any case: of what changed long ago search knows.
    let mut signed = acceptance(world, dice, late)?;
    signed["customfield_10105"] = json!(format!("https://docs.example/signed.pdf?at={}", world.now()));
    edit(world, late, "Accepted", signed)?;
    let act = world.act("shown late", &issue);
    world.simulators.jira.hide_from_search(&act, &issue, until)?;
    world.advance(SignedDuration::from_secs(1));
    edit(world, early, "Ready for acceptance", json!({ "customfield_10108": "see the notes" }))?;
    world.advance(SignedDuration::from_secs(dice.random_range(1..60)));
    world.turn(None)
}

/// The issue moves to another status, also one that was accepted and billed.
pub(super) fn move_issue(world: &mut World, dice: &mut StdRng, status: &'static str) -> anyhow::Result<()> {
    let Some(place) = any(world, dice) else { return Ok(()) };
    edit(world, place, status, json!({ "customfield_10108": "does not load" }))
}

/// An issue is deleted, perhaps after it was billed.
pub(super) fn lose_issue(world: &mut World, dice: &mut StdRng) -> anyhow::Result<()> {
    let Some(place) = any(world, dice) else { return Ok(()) };
    let (contract, milestone) = (world.agreement(place.0)?.id, world.milestone(place)?.clone());
    let act = world.act("issue deleted", &format!("{contract} {}", milestone.id));
    world.simulators.jira.delete_issue(&act, &milestone.issue)?;
    world.milestone_mut(place)?.lost = true;
    Ok(())
}

/// A signed change order: another amount, a new milestone, or one less; deal and project tool follow.
pub(super) fn amend(world: &mut World, dice: &mut StdRng) -> anyhow::Result<()> {
    let Some(place) = any(world, dice) else { return Ok(()) };
    match dice.random_range(0..10) {
        0..6 => change(world, dice, place),
        6..8 => {
            let agreement = world.agreement_mut(place.0)?;
            let new = Milestone::new(agreement.milestones.len());
            agreement.milestones.push(new.clone());
            let new_place = (place.0, agreement.milestones.len().saturating_sub(1));
            let words = agreement.words(&new);
            order(world, place.0, json!({ "add": [words] }))?;
            issue(world, new_place)
        }
        _ if world.agreement(place.0)?.live().count() > 1 && is_free(world, place)? => {
            world.milestone_mut(place)?.removed = true;
            let id = world.milestone(place)?.id.clone();
            order(world, place.0, json!({ "remove": [id] }))
        }
        _ => Ok(()),
    }
}

/// Whether a change order may take a milestone out: nobody else has billed it, and nothing is kept back until it is accepted.
fn is_free(world: &World, place: Place) -> anyhow::Result<bool> {
    let (agreement, milestone) = (world.agreement(place.0)?, world.milestone(place)?);
    Ok(milestone.adopted.is_none() && agreement.release.as_ref() != Some(&milestone.id))
}

pub(super) fn change(world: &mut World, dice: &mut StdRng, place: Place) -> anyhow::Result<()> {
    // What others have billed stays as they billed it.
    if world.milestone(place)?.adopted.is_some() {
        return Ok(());
    }
    let amount: u64 = 2_u64.saturating_pow(dice.random_range(12..24));
    world.milestone_mut(place)?.amount = amount;
    let (id, money) = (world.milestone(place)?.id.clone(), world.agreement(place.0)?.money(amount));
    order(world, place.0, json!({ "change": [{ "id": id, "amount": money }] }))
}

fn order(world: &mut World, of: usize, mut order: Value) -> anyhow::Result<()> {
    let agreement = world.agreement_mut(of)?;
    agreement.version = agreement.version.saturating_add(1);
    let (id, version, total) = (agreement.id, agreement.version, agreement.money(agreement.total()));
    world.act("amend", &format!("{id} version {version}: {order}"));
    let company = world.scope == Scope::Company;
    let mut head = json!({ "version": version, "signed": true, "total": total });
    if !company {
        head["amends"] = json!(id);
    }
    if let (Some(order), Value::Object(head)) = (order.as_object_mut(), head) {
        order.extend(head);
    }
    if company {
        company::amend(world, id, &order)?;
    } else {
        let now = world.now();
        world.ask(|app| async move {
            agreements::file(&app.env, order, "simulation", &"deal desk".into(), now).await
        })??;
    }
    approve_orders(world)?;
    deal(world, of)
}

/// The change orders that wait for an approval get it.
pub(super) fn approve_orders(world: &mut World) -> anyhow::Result<()> {
    let waiting = world.ask(|app| async move { app.env.store.waiting_orders(None).await })??;
    for order in waiting {
        let key = agreements::order_key(&order.identity);
        world.act("approve", &format!("{} {key}", order.contract));
        let subject = Subject::ChangeOrder { contract: order.contract.clone(), key: key.into() };
        let body = json!({ "subject": subject, "act": "approve" });
        match world.scope {
            Scope::Company => company::approve_order(world, &body)?,
            Scope::Vendors => drop(world.say("/v1/acts", &body)?),
        }
    }
    Ok(())
}

/// The answer to an invoice is lost, and a change order lands before anybody has asked what became of it.
pub(super) fn amend_in_doubt(world: &mut World, dice: &mut StdRng) -> anyhow::Result<()> {
    let Some(place) = any(world, dice) else { return Ok(()) };
    let signed = acceptance(world, dice, place)?;
    edit(world, place, "Accepted", signed)?;
    let names = ["drop_after_write", "write_later(20000)", "error_after_write", "drop_before_write"];
    let name = names[dice.random_range(0..names.len())];
    let path = if world.erp == "netsuite" { "/record/" } else { "/v3/" };
    world.act("amend in doubt", name);
    let fault = FaultSpec { path: Some(path.into()), ..FaultSpec::new(name).times(2).after(dice.random_range(0..4)) };
    world.simulators.faults.inject(world.erp, FaultSpec { method: Some("POST".into()), ..fault })?;
    world.advance(SignedDuration::from_mins(6));
    world.turn(None)?;
    if dice.random_bool(0.3) {
        accountant::touch(world, dice)?;
    } else {
        change(world, dice, place)?;
    }
    world.advance(SignedDuration::from_secs(dice.random_range(1..40)));
    world.turn(dice.random_bool(0.3).then(|| dice.random_range(1..80)))
}

/// Somebody gives the deal another amount, or opens it again, and corrects that soon, or not for a long time.
pub(super) fn wrong_deal(world: &mut World, dice: &mut StdRng) -> anyhow::Result<()> {
    let of = dice.random_range(0..world.agreements.len());
    spoil_deal(world, dice, of)?;
    if dice.random_bool(0.6) {
        world.advance(SignedDuration::from_mins(dice.random_range(1..20)));
        world.turn(dice.random_bool(0.5).then(|| dice.random_range(1..80)))?;
        correct_deal(world, of)?;
    }
    Ok(())
}

/// Somebody gives the deal another amount, or opens it again; or takes that back.
pub(super) fn spoil_deal(world: &mut World, dice: &mut StdRng, of: usize) -> anyhow::Result<()> {
    let agreement = world.agreement_mut(of)?;
    if dice.random_bool(0.6) {
        agreement.wrong_by = if agreement.wrong_by == 0 { 1 } else { 0 };
    } else {
        agreement.won = !agreement.won;
    }
    deal(world, of)
}

/// Sales put the deal right.
pub(super) fn correct_deal(world: &mut World, of: usize) -> anyhow::Result<()> {
    let agreement = world.agreement_mut(of)?;
    if agreement.won && agreement.wrong_by == 0 {
        return Ok(());
    }
    (agreement.won, agreement.wrong_by) = (true, 0);
    deal(world, of)
}

/// A reviewer decides: about a milestone that waits, or about an open exception.
pub(super) fn review(world: &mut World, dice: &mut StdRng) -> anyhow::Result<()> {
    let Some(place) = any(world, dice) else { return Ok(()) };
    let id = world.agreement(place.0)?.id;
    if dice.random_bool(0.5) {
        if world.scope == Scope::Company {
            return company::review(world, dice);
        }
        let decision = if dice.random_bool(0.7) { "approve" } else { "hold" };
        return decide(world, place, decision);
    }
    let contract = world.contract(id)?;
    let open: Vec<_> = contract.exceptions().iter().filter(|one| one.closed_on.is_none()).collect();
    let Some(one) = open.get(dice.random_range(0..open.len().max(1))) else { return Ok(()) };
    let (code, milestone) = (one.code.to_string(), one.milestone.clone());
    world.act("overrule", &format!("{id} {code} {}", milestone.as_deref().unwrap_or_default()));
    let body = json!({ "code": code, "milestone": milestone, "leg": one.leg, "reason": "agreed by telephone" });
    let status = world.say(&format!("/v1/contracts/{id}/exceptions/overrule"), &body)?;
    if let ("HELD_BY_REVIEWER", true, Some(milestone)) = (code.as_str(), status.is_success(), &milestone) {
        world.company.held.remove(&(id, milestone.clone()));
    }
    world.overruled.insert((id, code, milestone));
    Ok(())
}

/// A reviewer approves a milestone as he is shown it, or holds it. What changed while he looked he looks at again.
pub(super) fn decide(world: &mut World, place: Place, decision: &'static str) -> anyhow::Result<()> {
    let (id, milestone) = (world.agreement(place.0)?.id, world.milestone(place)?.id.clone());
    world.act(decision, &format!("{id} {milestone}"));
    let path = format!("/v1/contracts/{id}/milestones/{milestone}/review");
    let mut status = StatusCode::CONFLICT;
    for _ in 0..2 {
        let Some(shown) = world.contract(id)?.shown(&milestone) else { return Ok(()) };
        status = world.say(&path, &json!({ "decision": decision, "shown": shown, "reason": "looked at it" }))?;
        if status != StatusCode::CONFLICT {
            break;
        }
    }
    // What was asked for is gone: a change order has removed it meanwhile.
    let gone = status == StatusCode::UNPROCESSABLE_ENTITY && world.contract(id)?.shown(&milestone).is_none();
    anyhow::ensure!(status.is_success() || gone, "9: {decision} {id} {milestone} is answered {status}");
    Ok(())
}
