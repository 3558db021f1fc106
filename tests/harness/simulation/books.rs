//! The books as the ERP keeps them: every entry balances, what is billed is what was agreed, what is recognised is what
//! was accepted.

use std::collections::BTreeMap;

use milestoned_mapping::contract::{Code, Contract};
use milestoned_mocks::{ErpDocument, Side};
use rust_decimal::Decimal;

use super::agreement::Agreement;
use super::world::World;

/// 10 and 4: entries balance, and come to what was agreed and accepted.
pub(super) fn check(world: &World, agreement: &Agreement, contract: &Contract) -> anyhow::Result<()> {
    let documents: Vec<ErpDocument> = world.documents().into_iter().filter(|one| agreement.owns(&one.number)).collect();
    let mut balances: BTreeMap<&str, Decimal> = BTreeMap::new();
    for document in &documents {
        let mut sum = Decimal::ZERO;
        for (account, side, amount) in &document.lines {
            let amount: Decimal = amount.parse()?;
            let signed = if *side == Side::Debit { amount } else { -amount };
            sum = sum.saturating_add(signed);
            let balance = balances.entry(account).or_default();
            *balance = balance.saturating_add(signed);
        }
        anyhow::ensure!(sum.is_zero(), "10: {} does not balance", document.number);
    }
    if world.touched.keys().any(|number| agreement.owns(number)) {
        return Ok(());
    }
    billed(agreement, contract, &documents)?;
    let [unbilled, asset, deferred, revenue] = accounts(world.erp).map(|account| balances.get(account).copied());
    let zero = |balance: Option<Decimal>| balance.unwrap_or_default();
    let billed: Decimal = documents.iter().map(signed).collect::<anyhow::Result<Vec<_>>>()?.into_iter().sum();
    let kept = -zero(deferred) - zero(revenue) - zero(asset) - zero(unbilled);
    anyhow::ensure!(kept == billed, "10: {}: {billed} is billed, and the accounts hold {kept}", agreement.id);
    let accepted = contract.milestones().into_iter().filter(|one| one.accepted_on.is_some());
    let accepted: Vec<String> = accepted.map(|one| one.id).collect();
    // What was accepted in the history was recognised by others.
    let earned = agreement.live().filter(|one| accepted.contains(&one.id) && one.adopted.as_deref() != Some("OLD-1"));
    let earned: u64 = earned.map(|one| one.amount).sum();
    let recognised = -zero(revenue);
    anyhow::ensure!(
        recognised == Decimal::from(earned),
        "10: {}: {earned} is earned, and {recognised} recognised",
        agreement.id
    );
    Ok(())
}

/// Accounts of the configuration: unbilled receivable, contract asset, deferred revenue, revenue.
pub(super) fn accounts(erp: &str) -> [&'static str; 4] {
    if erp == "netsuite" { ["120", "121", "122", "123"] } else { ["85", "86", "23", "79"] }
}

/// What a document adds to the receivable.
fn signed(document: &ErpDocument) -> anyhow::Result<Decimal> {
    let amount: Decimal = document.amount.parse()?;
    Ok(match document.kind {
        "invoice" => amount,
        "credit_memo" => -amount,
        _ => Decimal::ZERO,
    })
}

/// 4: invoice, supplements and credit memos of a milestone come to what is agreed for it now.
fn billed(agreement: &Agreement, contract: &Contract, documents: &[ErpDocument]) -> anyhow::Result<()> {
    let blocked =
        contract.exceptions().iter().any(|one| one.closed_on.is_none() && one.severity.to_string() == "blocking");
    let mut views = contract.milestones().into_iter();
    let released = views.any(|one| Some(&one.id) == agreement.release.as_ref() && one.accepted_on.is_some());
    for milestone in &agreement.milestones {
        let number = agreement.number(&milestone.id);
        let correction = format!("{number}-");
        let own = documents.iter().filter(|one| one.number == number || one.number.starts_with(&correction));
        let net = own.map(signed).collect::<anyhow::Result<Vec<_>>>()?;
        let agreed = if milestone.removed { 0 } else { milestone.amount };
        let sum: Decimal = net.iter().sum();
        let kept_back = agreement.release.as_ref().is_some_and(|release| *release != milestone.id)
            && (!released || blocked)
            && sum.saturating_add(sum) == Decimal::from(agreed);
        // While a person holds it, no correction goes out.
        let held = contract.exceptions().iter().any(|one| {
            one.closed_on.is_none() && one.code == Code::HeldByReviewer && one.milestone.as_ref() == Some(&milestone.id)
        });
        anyhow::ensure!(
            net.is_empty() || sum == Decimal::from(agreed) || kept_back || held,
            "4: {number} is billed by {sum}, and {agreed} is agreed"
        );
    }
    Ok(())
}
