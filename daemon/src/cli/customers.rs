//! `customer list`, `customer choose`: which record of an ERP each customer is.

use std::path::Path;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;

use super::table::{say, titled};
use super::{Caller, review};
use crate::environment::Environment;
use crate::review::customers;

/// Customers and their records in the ERPs.
#[derive(Debug, Subcommand)]
pub enum CustomerCommand {
    /// Every customer whose record in an ERP is known, or waits for somebody to say which it is.
    List,
    /// Say which record of an ERP a customer is; what waits for it goes on.
    Choose(Choose),
}

/// Which record a customer is.
#[derive(Debug, Clone, Args)]
pub struct Choose {
    /// Connection of the ERP.
    erp: String,
    /// The customer's name in the agreements.
    name: String,
    /// The ERP's id of the record; "new": it is none of those there are, and one is created.
    remote_id: String,
    /// Why.
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    caller: Caller,
}

/// `milestoned customer choose ERP NAME ID`
pub(super) async fn choose(config: Option<&Path>, choice: Choose, json: bool) -> anyhow::Result<ExitCode> {
    let body = json!({ "remote_id": choice.remote_id, "reason": choice.reason });
    review::choose_customer(config, (&choice.erp, &choice.name), &body, &choice.caller, json).await
}

/// `milestoned customer list`
pub(super) async fn list(env: &Environment, json: bool) -> anyhow::Result<ExitCode> {
    for (erp, entry) in env.registry.iter() {
        entry.customers.decide(env.store.chosen_customers(erp.to_owned()).await?);
    }
    let lines = customers::customers(env).await?;
    if json {
        say(&serde_json::to_string_pretty(&lines)?);
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = titled(&["Customer", "ERP", "Record", "How it is known", "Called alike"]);
    for line in &lines {
        let alike: Vec<String> = line.alike.iter().map(|known| format!("{} ({})", known.name, known.id)).collect();
        let record = line.remote_id.clone().unwrap_or_default();
        let by = line.by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
        let how = format!("{}{by}", line.how.words());
        table.add_row(vec![line.name.clone(), line.erp.clone(), record, how, alike.join(", ")]);
    }
    say(&table.to_string());
    Ok(ExitCode::SUCCESS)
}
