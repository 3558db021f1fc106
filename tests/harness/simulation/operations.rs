//! What people, time and bad luck do.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use milestoned::agreements;
use milestoned_mocks::{FaultSpec, Person};
use rand::RngExt as _;
use rand::rngs::StdRng;
use serde_json::{Value, json};

use super::world::{CONTRACT, World};
use crate::fields;

/// Customer of the contract.
const CUSTOMER: &str = "Northwind Ltd";
/// Troubles that may strike a request to any vendor.
const TROUBLES: [&str; 15] = [
    "refuse",
    "throttle",
    "throttle_after_write",
    "drop_before_write",
    "drop_after_write",
    "write_later(20000)",
    "error_after_write",
    "garbage",
    "expire_token",
    "truncate",
    "hold(1)",
    "html",
    "no_retry_after",
    "clock_skew(90000)",
    "error_then_write(20000)",
];

/// The agreement is filed, the deal is won, the issues are there.
pub(super) fn file(world: &mut World) -> anyhow::Result<()> {
    if world.erp == "quickbooks" {
        // The simulated clock stands still while the daemon works: no second would ever pass.
        world.simulators.quickbooks.set_limits(usize::MAX, usize::MAX);
    }
    let total: u64 = world.milestones.iter().map(|milestone| milestone.amount).sum();
    let milestones: Vec<Value> = world
        .milestones
        .iter()
        .map(|one| json!({ "id": one.id, "name": one.id, "amount": money(one.amount) }))
        .collect();
    let terms = json!({
        "id": CONTRACT, "customer": CUSTOMER, "currency": "USD", "total": money(total), "signed_on": "2026-03-02",
        "obligations": [{ "id": "services", "ssp": money(total), "method": "output" }],
        "milestones": milestones, "milestoned": { "erp": world.erp },
    });
    world.act("file", CONTRACT);
    let now = world.now();
    world.ask(|app| async move { agreements::file(&app, terms, "simulation", "deal desk", now).await })??;
    deal(world, total)?;
    for place in 0..world.milestones.len() {
        issue(world, place)?;
    }
    Ok(())
}

fn money(amount: u64) -> String {
    format!("{amount}.00")
}

/// The deal has this amount from now on.
fn deal(world: &mut World, amount: u64) -> anyhow::Result<()> {
    let act = world.act("deal", &money(amount));
    let salesforce = &world.simulators.salesforce;
    let account = salesforce.put("account", "Account", "northwind", fields(json!({ "Name": CUSTOMER })))?;
    let deal = json!({
        "Name": CONTRACT, "AccountId": account, "StageName": "Closed Won", "CloseDate": "2026-03-02",
        "Amount": money(amount), "CurrencyIsoCode": "USD", "SOW_Number__c": CONTRACT, "Payment_Terms__c": "net 30",
    });
    salesforce.put(&act, "Opportunity", CONTRACT, fields(deal))?;
    Ok(())
}

fn issue(world: &mut World, place: usize) -> anyhow::Result<()> {
    let Some(id) = world.milestones.get(place).map(|one| one.id.clone()) else { return Ok(()) };
    let act = world.act("issue", &id);
    let body = json!({ "summary": id, "customfield_10101": CONTRACT, "customfield_10102": id, "status": "To Do" });
    let created = world.simulators.jira.create_issue(&act, "MS", fields(body))?;
    if let Some(milestone) = world.milestones.get_mut(place) {
        milestone.issue = created.id;
    }
    Ok(())
}

/// One operation, as the dice fall.
pub(super) fn next(world: &mut World, dice: &mut StdRng) -> anyhow::Result<()> {
    match dice.random_range(0..100) {
        0..28 => accept(world, dice),
        28..34 => move_issue(world, dice, "Ready for acceptance"),
        34..38 => move_issue(world, dice, "Rejected"),
        38..46 => pay(world, dice),
        46..52 => amend(world, dice),
        52..56 => void(world, dice),
        56..62 => pass(world, dice),
        62..65 => wrong_deal(world, dice),
        65..72 => hint(world, dice),
        _ => trouble(world, dice),
    }
}

fn any(world: &World, dice: &mut StdRng) -> usize {
    dice.random_range(0..world.milestones.len().max(1))
}

fn edit(world: &mut World, place: usize, status: &'static str, changes: Value) -> anyhow::Result<()> {
    let Some(milestone) = world.milestones.get(place).cloned() else { return Ok(()) };
    let act = world.act("issue moves", &format!("{} {status}", milestone.id));
    let dana = Person { account_id: "dana".into(), display_name: "Dana".into(), email: "dana@customer.example".into() };
    let changes: BTreeMap<String, Value> = fields(changes).into_iter().collect();
    world.simulators.jira.edit(&act, &milestone.issue, &dana, changes, Some(status))?;
    if let Some(milestone) = world.milestones.get_mut(place) {
        milestone.accepted = status == "Accepted";
        milestone.ever_accepted |= milestone.accepted;
    }
    Ok(())
}

fn accept(world: &mut World, dice: &mut StdRng) -> anyhow::Result<()> {
    let place = any(world, dice);
    edit(world, place, "Accepted", json!({ "customfield_10105": "https://docs.example/signed.pdf" }))
}

fn move_issue(world: &mut World, dice: &mut StdRng, status: &'static str) -> anyhow::Result<()> {
    let place = any(world, dice);
    edit(world, place, status, json!({ "customfield_10108": "does not load" }))
}

/// The customer pays an invoice that the ERP holds, a part of it or all.
fn pay(world: &mut World, dice: &mut StdRng) -> anyhow::Result<()> {
    let open: Vec<_> =
        world.documents().into_iter().filter(|one| one.kind == "invoice" && one.status == "open").collect();
    let Some(invoice) = open.get(dice.random_range(0..open.len().max(1))) else { return Ok(()) };
    let whole: u64 = invoice.amount.split('.').next().unwrap_or_default().parse()?;
    let paid = world.paid.get(&invoice.number).copied().unwrap_or_default();
    let rest = whole.saturating_sub(paid);
    if rest == 0 {
        return Ok(());
    }
    let amount = dice.random_range(1..=rest);
    let act = world.act("pay", &format!("{} {}", invoice.number, money(amount)));
    let date = world.now().to_string().chars().take(10).collect::<String>();
    match world.erp {
        "netsuite" => world.simulators.netsuite.pay(&act, &invoice.number, &money(amount), &date)?,
        _ => world.simulators.quickbooks.pay(&act, &invoice.number, &money(amount), &date)?,
    };
    world.paid.insert(invoice.number.clone(), paid.saturating_add(amount));
    Ok(())
}

/// A signed change order: another amount of one milestone, and the deal follows.
fn amend(world: &mut World, dice: &mut StdRng) -> anyhow::Result<()> {
    let place = any(world, dice);
    let more: u64 = 2_u64.saturating_pow(dice.random_range(12..24));
    let Some(milestone) = world.milestones.get_mut(place) else { return Ok(()) };
    milestone.amount = more;
    let id = milestone.id.clone();
    let total: u64 = world.milestones.iter().map(|milestone| milestone.amount).sum();
    world.version = world.version.saturating_add(1);
    let version = world.version;
    world.act("amend", &format!("version {version}: {id} {}", money(more)));
    let order = json!({
        "amends": CONTRACT, "version": version, "signed": true, "total": money(total),
        "change": [{ "id": id, "amount": money(more) }],
    });
    let now = world.now();
    world.ask(|app| async move { agreements::file(&app, order, "simulation", "deal desk", now).await })??;
    deal(world, total)
}

/// The accountant voids an invoice.
fn void(world: &mut World, dice: &mut StdRng) -> anyhow::Result<()> {
    let open: Vec<_> = world
        .documents()
        .into_iter()
        .filter(|one| one.kind == "invoice" && one.status == "open" && !world.paid.contains_key(&one.number))
        .collect();
    let Some(invoice) = open.get(dice.random_range(0..open.len().max(1))) else { return Ok(()) };
    let act = world.act("void", &invoice.number);
    let voided = match world.erp {
        "netsuite" => world.simulators.netsuite.void_invoice(&act, &invoice.number),
        _ => world.simulators.quickbooks.void_invoice(&act, &invoice.number),
    };
    // The ERP refuses where something is applied to it.
    if voided.is_ok() {
        world.voided.insert(invoice.number.clone());
    }
    Ok(())
}

/// Days pass.
fn pass(world: &mut World, dice: &mut StdRng) -> anyhow::Result<()> {
    let most = 1_i64 << dice.random_range(0..4);
    let days = dice.random_range(1..=most);
    world.act("pass", &format!("{days} days"));
    for _ in 0..days {
        world.advance(SignedDuration::from_hours(24));
        world.turn(None)?;
    }
    Ok(())
}

/// Somebody gives the deal another amount, and corrects it later.
fn wrong_deal(world: &mut World, dice: &mut StdRng) -> anyhow::Result<()> {
    let total: u64 = world.milestones.iter().map(|milestone| milestone.amount).sum();
    deal(world, total.saturating_add(1))?;
    world.advance(SignedDuration::from_mins(20));
    world.turn(dice.random_bool(0.5).then(|| dice.random_range(1..80)))?;
    deal(world, total)
}

/// A webhook comes, perhaps twice: it is acknowledged, and says only that something may have changed.
fn hint(world: &mut World, dice: &mut StdRng) -> anyhow::Result<()> {
    let place = any(world, dice);
    let Some(milestone) = world.milestones.get(place) else { return Ok(()) };
    let hint = milestoned_connector_kit::Hint { object: "issue".into(), id: milestone.issue.clone() };
    let delivery = world.act("hint", &hint.id);
    let now = world.now();
    for _ in 0..dice.random_range(1..3) {
        let (delivery, hint) = (delivery.clone(), hint.clone());
        world.ask(|app| async move { app.store.hints_received("jira".into(), delivery, vec![hint], now).await })??;
    }
    Ok(())
}

fn trouble(world: &mut World, dice: &mut StdRng) -> anyhow::Result<()> {
    let systems = ["salesforce", "jira", world.erp, world.erp, world.erp];
    let system = systems[dice.random_range(0..systems.len())];
    let name = TROUBLES[dice.random_range(0..TROUBLES.len())];
    let (times, after) = (dice.random_range(1..4), dice.random_range(0..6));
    world.outcome.diary.push(format!("{} trouble {system} {name}, {times} times after {after}", world.now()));
    let count = world.outcome.troubles.entry(name.split('(').next().unwrap_or(name).to_owned()).or_default();
    *count = count.saturating_add(1);
    // A lost answer of the token endpoint may take the refresh token along: then a person connects again.
    let path = if system == "quickbooks" { Some("/v3/".to_owned()) } else { None };
    world.simulators.faults.inject(system, FaultSpec { path, ..FaultSpec::new(name).times(times).after(after) })?;
    Ok(())
}

/// Troubles stop; time passes until everything that waits has had its turn; a person releases what is parked.
pub(super) fn heal(world: &mut World) -> anyhow::Result<()> {
    world.simulators.faults.clear()?;
    for round in 0..4 {
        for hours in [13, 26] {
            world.advance(SignedDuration::from_hours(hours));
            world.turn(None)?;
        }
        let open = world.ask(|app| async move {
            app.store.deliveries(None, &["pending", "sending", "unknown", "parked"]).await
        })??;
        let rests = open.is_empty();
        if round < 3 {
            for delivery in open.into_iter().filter(|one| one.state == "parked") {
                world.act("release", &delivery.subject);
                let now = world.now();
                world.ask(|app| async move {
                    app.store.release_parked(delivery.key, true, "controller".into(), "looked".into(), now).await
                })??;
            }
        }
        let now = world.now();
        let replayed =
            world.ask(|app| async move { app.store.replay_parked(None, "controller".into(), now).await })??;
        // Nothing waits for time or people: what is not right by now will never be.
        if rests && replayed == 0 {
            return Ok(());
        }
    }
    Ok(())
}
