//! Customers: a person says which record of an ERP one of them is.

use milestoned_connector_kit::customers::NEW;
use milestoned_mapping::problem::Problem;

use super::{Refused, Word};
use crate::environment::Environment;

/// Says which record of an ERP a customer is, or (`new`) that it is none of those there are. The ERP is asked whether there is
/// such a record; a delivery that waits for it goes on. Gives what follows, in words.
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
    if !env.store.has_customer(name.to_owned()).await? {
        let remedy = "write the name as the agreements have it";
        return Err(Refused::Missing(Problem::new("name", format!("no contract has the customer {name:?}"), remedy)));
    }
    let remote_id = remote_id.trim();
    let called = if remote_id == NEW { None } else { Some(called(entry, erp, remote_id).await?) };
    let (decided, now) = ((word.actor(), word.says("chosen")), env.clock.now());
    let chosen = (erp.to_owned(), name.to_owned(), remote_id.to_owned());
    let released = env.store.choose_customer(chosen.0, chosen.1, chosen.2, decided, now).await?;
    entry.customers.decide(env.store.chosen_customers(erp.to_owned()).await?);
    env.wake_ups.send_all();
    let is = match called {
        Some(called) => {
            format!("{name} is record {remote_id} of {erp}, {called:?}, in all that is written from now on")
        }
        None => format!("{name} is none of the records of {erp}: one is created"),
    };
    Ok(if released > 0 { format!("{is}; what waited for it goes on") } else { is })
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
