//! What accountants do in the ERP, customers in the bank, and controllers about deliveries that wait for a person.

use axum::http::StatusCode;
use milestoned::store::outbox::Delivery;
use milestoned::store::vocabulary::CommandKind::{BillingStatus, CreditMemo, Invoice, JournalEntry};
use milestoned::store::vocabulary::DeliveryState;
use milestoned_connector_kit::Receipt;
use milestoned_mocks::ErpDocument;
use rand::RngExt as _;
use rand::rngs::StdRng;
use serde_json::json;

use super::intruder;
use super::world::{Touch, World};
use crate::fields;

/// The customer pays an invoice that the ERP holds, a part of it or all.
pub(super) fn pay(world: &mut World, dice: &mut StdRng) -> anyhow::Result<()> {
    let Some(invoice) = open_invoice(world, dice) else { return Ok(()) };
    let whole: u64 = invoice.amount.split('.').next().unwrap_or_default().parse()?;
    let paid = world.paid.get(&invoice.number).copied().unwrap_or_default();
    let rest = whole.saturating_sub(paid);
    if rest == 0 {
        return Ok(());
    }
    let amount = if dice.random_bool(0.4) { rest } else { dice.random_range(1..=rest) };
    let act = world.act("pay", &format!("{} {amount}", invoice.number));
    let date = world.now().to_string().chars().take(10).collect::<String>();
    let done = match world.erp {
        "netsuite" => world.simulators.netsuite.pay(&act, &invoice.number, &amount.to_string(), &date),
        _ => world.simulators.quickbooks.pay(&act, &invoice.number, &amount.to_string(), &date),
    };
    // The ERP takes no more than is open, credit memos counted.
    if let Ok(id) = done {
        world.paid.insert(invoice.number.clone(), paid.saturating_add(amount));
        world.company.payments.push((invoice.number.clone(), amount, id));
    }
    Ok(())
}

/// A payment bounces: it is deleted in the ERP, and its invoice is open again. Where there is none yet, one comes in.
pub(super) fn reverse(world: &mut World, dice: &mut StdRng) -> anyhow::Result<()> {
    let payments = &mut world.company.payments;
    if payments.is_empty() {
        return pay(world, dice);
    }
    let (number, amount, id) = payments.swap_remove(dice.random_range(0..payments.len()));
    let act = world.act("payment reversed", &format!("{number} {amount}"));
    let done = match world.erp {
        "netsuite" => world.simulators.netsuite.delete_record(&act, "customerPayment", &id),
        _ => world.simulators.quickbooks.delete_record(&act, "Payment", &id),
    };
    done.map_err(|refused| anyhow::anyhow!("the simulator refuses to delete a payment: {refused:?}"))?;
    if let Some(paid) = world.paid.get_mut(&number) {
        *paid = paid.saturating_sub(amount);
    }
    Ok(())
}

fn open_invoice(world: &World, dice: &mut StdRng) -> Option<ErpDocument> {
    let open: Vec<_> = world
        .documents()
        .into_iter()
        .filter(|one| one.kind == "invoice" && one.status == "open" && !world.touched.contains_key(&one.number))
        .collect();
    open.get(dice.random_range(0..open.len().max(1))).cloned()
}

/// The accountant voids an invoice that nobody has paid, changes its amount, or deletes it.
pub(super) fn touch(world: &mut World, dice: &mut StdRng) -> anyhow::Result<()> {
    let Some(invoice) = open_invoice(world, dice).filter(|one| !world.paid.contains_key(&one.number)) else {
        return Ok(());
    };
    let (number, netsuite, quickbooks) = (&invoice.number, &world.simulators.netsuite, &world.simulators.quickbooks);
    let (netsuite, quickbooks) = (netsuite.clone(), quickbooks.clone());
    let touch = [Touch::Voided, Touch::Edited, Touch::Deleted][dice.random_range(0..3)];
    let act = world.act("touch", &format!("{number} {touch:?}"));
    let done = match (touch, world.erp) {
        (Touch::Voided, "netsuite") => netsuite.void_invoice(&act, number),
        (Touch::Voided, _) => quickbooks.void_invoice(&act, number),
        (Touch::Deleted, "netsuite") => netsuite.delete_record(&act, "invoice", &invoice.remote_id),
        (Touch::Deleted, _) => quickbooks.delete_record(&act, "Invoice", &invoice.remote_id),
        (_, "netsuite") => {
            let line = json!({ "item": { "items": [{ "item": { "id": "5" }, "amount": raised(&invoice) }] } });
            netsuite.edit_invoice(&act, number, fields(line))
        }
        _ => {
            let detail = json!({ "ItemRef": { "value": "1" } });
            let line = json!({ "Amount": raised(&invoice), "DetailType": "SalesItemLineDetail", "SalesItemLineDetail": detail });
            quickbooks.edit_invoice(&act, number, fields(json!({ "Line": [line] })))
        }
    };
    // The ERP refuses where something is applied to it.
    if done.is_ok() { touched(world, invoice.number, touch) } else { Ok(()) }
}

/// What is to be expected of an invoice that the accountant has changed.
fn touched(world: &mut World, number: String, touch: Touch) -> anyhow::Result<()> {
    let all = world.ask(|app| async move { app.env.store.deliveries(None, &[]).await })??;
    let delivery = all.into_iter().find(|one| one.subject == number);
    let confirmed = delivery.as_ref().is_some_and(|delivery| delivery.confirmed_at.is_some());
    let state = delivery.map(|delivery| delivery.state);
    // The ERP will be asked, and has something else.
    if touch != Touch::Deleted && matches!(state, Some(DeliveryState::Unknown | DeliveryState::Parked)) {
        world.disputed.insert(number.clone());
    }
    // Nobody can tell that from an invoice that was never written.
    let unseen = state != Some(DeliveryState::Done) || (touch == Touch::Deleted && !confirmed);
    let touch = if unseen { Touch::Unseen } else { touch };
    world.touched.insert(number, touch);
    Ok(())
}

/// A little more than the invoice has: no sum of powers of two makes up for it.
fn raised(invoice: &ErpDocument) -> serde_json::Value {
    let whole: u64 = invoice.amount.split('.').next().and_then(|text| text.parse().ok()).unwrap_or_default();
    json!(whole.saturating_add(5))
}

/// A controller looks at what is parked, and releases it, gives it up, or says that it was done by hand.
pub(super) fn clear(world: &mut World, dice: &mut StdRng, give_up: bool) -> anyhow::Result<()> {
    let parked = world.ask(|app| async move { app.env.store.deliveries(None, &[DeliveryState::Parked]).await })??;
    for delivery in parked {
        if world.company.has_forged(delivery.key.as_str()) {
            intruder::is_refused(world, &delivery)?;
            continue;
        }
        let held = world.documents().into_iter().find(|one| one.number == delivery.subject);
        match (held, delivery.kind) {
            (Some(held), Invoice | CreditMemo | JournalEntry) if give_up && dice.random_bool(0.5) => {
                by_hand(world, delivery, held)?;
            }
            (None, Invoice | CreditMemo | JournalEntry) if give_up && dice.random_bool(0.2) => {
                if say(world, &delivery, "give_up")? {
                    world.touched.insert(delivery.subject.clone(), Touch::GivenUp);
                }
            }
            (_, BillingStatus) if is_lost(world, &delivery.subject) => drop(say(world, &delivery, "give_up")?),
            _ => drop(say(world, &delivery, "release")?),
        }
    }
    Ok(())
}

/// Whether the issue that would show a status was deleted.
fn is_lost(world: &World, subject: &str) -> bool {
    let Some(issue) = subject.split(' ').next() else { return false };
    let mut all = world.agreements.iter().flat_map(|agreement| &agreement.milestones);
    all.any(|one| one.lost && one.issue == issue) || world.company.has_deleted(issue)
}

/// Whether the word was taken.
fn say(world: &mut World, delivery: &Delivery, decision: &'static str) -> anyhow::Result<bool> {
    world.act(decision, &delivery.subject);
    let body = json!({ "subject": format!("delivery:{}", delivery.key), "act": decision, "reason": "looked" });
    let status = world.say("/v1/acts", &body)?;
    // An ERP that cannot be asked, or has it after all, keeps a document from being given up.
    let kept = decision == "give_up" && status == StatusCode::CONFLICT;
    anyhow::ensure!(status.is_success() || kept, "9: {decision} {} is answered {status}", delivery.subject);
    Ok(!kept)
}

/// The ERP has it, as the controller has seen there.
fn by_hand(world: &mut World, delivery: Delivery, held: ErpDocument) -> anyhow::Result<()> {
    if world.touched.contains_key(&held.number) {
        return say(world, &delivery, "release").map(drop);
    }
    world.act("done outside", &delivery.subject);
    let receipt = Receipt { remote_id: held.remote_id, remote_number: None, request_id: None, unposted: false };
    let now = world.now();
    world.ask(|app| async move {
        app.env.store.done_outside(delivery.key, receipt, "controller".into(), "seen there".into(), now).await
    })??;
    Ok(())
}
