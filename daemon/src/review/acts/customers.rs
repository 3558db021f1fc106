//! Customers: people say which record of an ERP one of them is. It decides where money goes, and is let go like an approval.

use milestoned_connector_kit::customers::NEW;
use milestoned_mapping::problem::Problem;

use super::{Refused, Word, duties, missing};
use crate::environment::Environment;
use crate::review::subject::Subject;
use crate::store::action::Action;
use crate::store::audit::Entry;
use crate::store::customers::CustomerChoice;

/// Says which record of an ERP a customer is, or (`new`) that it is none of those there are. The ERP is asked whether there is
/// such a record; a delivery that waits for it goes on, unless another person has to say the same first. Gives what follows, in
/// words.
///
/// # Errors
/// Why it was not taken; nothing was written.
pub async fn choose_customer(
    env: &Environment,
    erp: &str,
    name: &str,
    remote_id: &str,
    word: &Word,
) -> Result<String, Refused> {
    let entry = env.registry.get(erp).filter(|entry| entry.connection.takes_documents());
    let Some(entry) = entry else {
        let remedy = "write the name as the configuration has it";
        return Err(Refused::Missing(Problem::new("erp", format!("no ERP is called {erp:?}"), remedy)));
    };
    if env.store.contracts_with_customer(name.to_owned()).await?.is_empty() {
        let remedy = "write the name as the agreements have it";
        return Err(Refused::Missing(Problem::new("name", format!("no contract has the customer {name:?}"), remedy)));
    }
    let remote_id = remote_id.trim();
    let called = if remote_id == NEW { None } else { Some(called(entry, erp, remote_id).await?) };
    let is = match called {
        Some(called) => format!("{name} is record {remote_id} of {erp}, {called:?}"),
        None => format!("{name} is none of the records of {erp}"),
    };
    let first = waiting(env, erp, name).await?.filter(|first| first.remote_id == remote_id);
    if let Some(why) = duties::naming(env, (erp, name), first.as_ref().map(|first| &first.actor), word).await? {
        let choice = CustomerChoice {
            erp: erp.into(),
            name: name.into(),
            remote_id: remote_id.into(),
            reason: word.reason.clone(),
            actor: word.actor(),
            said_at: env.clock.now(),
        };
        let detail = word.says(format!("{name:?} is {remote_id} in {erp}"));
        let line = Entry::by(&word.actor(), Action::FirstOfTwoApprovals, None, name, detail);
        env.store.keep_choice(choice, line).await?;
        return Ok(format!("you have said that {is}; {why}"));
    }
    // Of two the first has named it, and approves nothing of what goes there.
    let (by, why) = match &first {
        Some(first) => (first.actor.clone(), word.says(format!("{}, as {} says, too", first.reason, word.by))),
        None => (word.actor(), word.says("chosen")),
    };
    let chosen = (erp.to_owned(), name.to_owned(), remote_id.to_owned());
    let released = env.store.choose_customer(chosen.0, chosen.1, chosen.2, (by, why), env.clock.now()).await?;
    entry.customers.decide(env.store.chosen_customers(erp.to_owned()).await?);
    env.wake_ups.send_all();
    let follows = if remote_id == NEW { ": one is created" } else { ", in all that is written from now on" };
    let goes_on = if released > 0 { "; what waited for it goes on" } else { "" };
    Ok(format!("{is}{follows}{goes_on}"))
}

/// What the first of two people has said about a customer.
async fn waiting(env: &Environment, erp: &str, name: &str) -> Result<Option<CustomerChoice>, Refused> {
    let all = env.store.customer_choices().await?;
    Ok(all.into_iter().find(|choice| choice.erp == erp && choice.name == name))
}

fn not_waiting(erp: &str, name: &str) -> Refused {
    missing(Subject::Customer { erp: erp.into(), name: name.into() })
}

/// Says the same as the first of two people.
pub(super) async fn approve_choice(env: &Environment, erp: &str, name: &str, word: &Word) -> Result<String, Refused> {
    let first = waiting(env, erp, name).await?.ok_or_else(|| not_waiting(erp, name))?;
    choose_customer(env, erp, name, &first.remote_id, word).await
}

/// Takes back what the first of two people has said.
pub(super) async fn drop_choice(env: &Environment, erp: &str, name: &str, word: &Word) -> Result<String, Refused> {
    let first = waiting(env, erp, name).await?.ok_or_else(|| not_waiting(erp, name))?;
    let detail = word.says(format!("closed: {:?} is not to be {} in {erp}", name, first.remote_id));
    let line = Entry::by(&word.actor(), Action::ParkedClosed, None, name, detail);
    if !env.store.drop_choice(erp.into(), name.into(), line, env.clock.now()).await? {
        return Err(not_waiting(erp, name));
    }
    Ok(format!("closed: {name} stays what it was in {erp}"))
}

/// Name of the record with this id, as the ERP has it.
async fn called(entry: &crate::registry::Entry, erp: &str, remote_id: &str) -> Result<String, Refused> {
    let remedy = "give the id that the ERP shows, or new";
    match entry.connection.customer_at(remote_id).await {
        Ok(Some(called)) => Ok(called),
        Ok(None) => {
            let reason = format!("{erp} has no customer with the id {remote_id:?}");
            Err(Refused::Contradicted(Problem::new("remote_id", reason, remedy)))
        }
        Err(fault) => Err(Refused::Contradicted(Problem::new("remote_id", fault.to_string(), "try again later"))),
    }
}
