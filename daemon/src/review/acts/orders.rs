//! Acts about a change order that waits: it is approved by others than who filed it, or refused.

use milestoned_mapping::contract::Contract;
use milestoned_mapping::money::grouped;
use milestoned_mapping::problem::Problem;

use super::duties::{self, Matter};
use super::{Refused, Word, contract};
use crate::agreements;
use crate::engine;
use crate::environment::Environment;
use crate::review::subject::Subject;
use crate::store::Store;
use crate::store::action::Action;
use crate::store::audit::Entry;
use crate::store::change_orders::{OrderVerdict, WaitingOrder};
use crate::store::contracts::ContractRow;

/// A change order that waits, and its contract as it stands now.
async fn waiting(env: &Environment, id: &str, key: &str) -> Result<(ContractRow, Contract, WaitingOrder), Refused> {
    let (row, contract) = contract::known(env, id).await?;
    let subject = Subject::ChangeOrder { contract: id.into(), key: key.into() };
    let orders = env.store.waiting_orders(Some(id.to_owned())).await?;
    let found = orders.into_iter().find(|order| agreements::order_key(&order.identity) == key);
    Ok((row, contract, found.ok_or_else(|| super::missing(subject))?))
}

/// What a change order would change, and what that puts at stake, as an approval of it says.
pub(super) struct Told {
    version: u32,
    stake: String,
}

fn told(order: &WaitingOrder) -> Told {
    let version = agreements::order_version(&order.fact);
    Told { version, stake: format!("{} {}", grouped(&order.stake.to_string()), order.stake.currency()) }
}

/// Lets it take effect.
pub(super) async fn approve(env: &Environment, id: &str, key: &str, word: &Word) -> Result<String, Refused> {
    let (row, contract, order) = waiting(env, id, key).await?;
    let Told { version, stake } = told(&order);
    if version <= contract.version() {
        return Err(Refused::Contradicted(Problem::new(
            "subject",
            format!("version {} of {id} holds already, and this is version {version}", contract.version()),
            "close it; what is still to be changed is filed as a new version",
        )));
    }
    contract.check(&order.fact).map_err(|problem| {
        let remedy = "close it, and file one that fits the contract as it stands now";
        Refused::Contradicted(Problem::new(problem.place, problem.reason, remedy))
    })?;
    let matter = Matter {
        contract: &contract,
        row: &row,
        milestone: None,
        what: format!("version {version} of {id}, which puts {stake} at stake"),
        content: order.identity.clone(),
        amount: order.stake.decimal(),
        order: Some(&order),
    };
    let ruling = duties::judged(env, &matter, word).await?;
    let says = word.says(format!("version {version} of {id}, {stake} at stake, filed by {}", order.actor));
    let line = Entry::by(
        &word.actor(),
        ruling.action(Action::ChangeOrderApproved),
        Some(id),
        format!("version {version}"),
        says,
    );
    let verdict = match ruling.waits() {
        Some(_) => OrderVerdict::First(contract.version()),
        None => OrderVerdict::Approved,
    };
    decide((env, &ruling.store(env)), &order, verdict, line, word).await?;
    Ok(match ruling.waits() {
        Some(why) => format!("version {version} is approved by you; {why}"),
        None => format!("version {version} takes effect"),
    })
}

/// It takes no effect.
pub(super) async fn refuse(env: &Environment, id: &str, key: &str, word: &Word) -> Result<String, Refused> {
    let (.., order) = waiting(env, id, key).await?;
    let Told { version, stake } = told(&order);
    let says = word.says(format!("version {version} of {id}, {stake} at stake, filed by {}", order.actor));
    let line = Entry::by(&word.actor(), Action::ChangeOrderRefused, Some(id), format!("version {version}"), says);
    decide((env, &env.store), &order, OrderVerdict::Refused, line, word).await?;
    Ok(format!("version {version} is refused: {id} stays as it is"))
}

async fn decide(
    (env, store): (&Environment, &Store),
    order: &WaitingOrder,
    verdict: OrderVerdict,
    line: Entry,
    word: &Word,
) -> Result<(), Refused> {
    let which = (order.contract.clone(), order.identity.clone());
    let now = env.clock.now();
    if !store.decide_order(which, (word.actor(), verdict), line, now).await? {
        let key = agreements::order_key(&order.identity).to_owned();
        return Err(super::missing(Subject::ChangeOrder { contract: order.contract.clone(), key }));
    }
    engine::turn(env, |due| due == order.contract).await?;
    Ok(())
}
