//! `adopt`: the history of a contract that is under way, proposed from what the systems hold. Nothing is written anywhere.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use milestoned_mapping::contract::{Contract, Held, Policy, Proposal};
use milestoned_mapping::filed::{json_tree, toml_tree};
use milestoned_mapping::terms::Terms;
use serde_json::{Value, json};

use super::table::{complain, say};
use super::{BAD_INPUT, FOUND};
use crate::environment::Environment;
use crate::intake::payment_id;

/// What is taken over.
#[derive(Debug, Clone, Args)]
pub struct Adopt {
    /// ERP connection that has billed so far; its records are those that the daemon has read.
    #[arg(long, value_name = "ERP")]
    from: String,
    /// File of the contract's terms as they are agreed, TOML or JSON, by extension, without a history.
    contract: PathBuf,
}

/// `milestoned adopt --from ERP FILE`: the file with `books_from` and a history, on standard output.
pub(super) async fn adopt(env: &Environment, adopt: Adopt, json: bool) -> anyhow::Result<ExitCode> {
    let file = &adopt.contract;
    let read = match read(env, file) {
        Ok(read) => read,
        Err(reason) => return Ok(bad(&format!("{}: {reason}", file.display()), BAD_INPUT)),
    };
    let Read { text, tree, filed } = read;
    let (terms, erp) = (filed.terms(), &adopt.from);
    if env.registry.get(erp).is_none_or(|entry| !entry.connection.takes_documents()) {
        return Ok(bad(&format!("--from: {erp:?} is no ERP connection of the configuration"), BAD_INPUT));
    }
    if env.store.contract(terms.id().to_owned()).await?.is_some() {
        let reason = "is filed already; an invoice that others wrote is adopted by a fact of type \"adopted\"";
        return Ok(bad(&format!("contract {} {reason}", terms.id()), FOUND));
    }
    let held = env.store.held(erp.clone(), terms.id().to_owned(), terms.customer().to_owned()).await?;
    let payments: Vec<_> =
        held.payments.into_iter().map(|(record, payment)| (payment_id(erp, &record), payment)).collect();
    let closed_through = env.store.closed_dates().await?.get(erp).map(|closed| closed.through);
    let known = Held {
        invoices: &held.invoices,
        payments: &payments,
        journals: &held.journals,
        facts: &held.facts,
        closed_through,
    };
    let proposal = filed.propose_history(&known, terms.local_date(env.clock.now()));
    if proposal.items.is_empty() {
        complain(&format!(
            "note: nothing that {erp} and the project tools hold names {} or fits its customer and amounts: file it without a history if \
             nothing was billed, else look at --from and at the customer's name",
            terms.id()
        ));
    }
    if json || text.is_none() {
        say(&serde_json::to_string_pretty(&as_tree(tree, &proposal))?);
        proposal.notes.iter().for_each(|note| complain(&format!("note: {note}")));
    } else {
        let text = text.unwrap_or_default();
        say(&format!("books_from = {}\n{}\n\n{}", proposal.books_from, text.trim_end(), written(&proposal).trim_end()));
    }
    Ok(ExitCode::SUCCESS)
}

/// A contract file that was read.
struct Read {
    /// TOML, as it is written.
    text: Option<String>,
    tree: Value,
    /// The contract as it would be filed without a history.
    filed: Contract,
}

fn read(env: &Environment, file: &Path) -> Result<Read, String> {
    let text =
        std::fs::read_to_string(file).map_err(|error| format!("{error}; name the file of the contract's terms"))?;
    let (tree, text) = match file.extension().and_then(|extension| extension.to_str()) {
        Some("toml") => (toml_tree(&text)?, Some(text)),
        Some("json") => (json_tree(&text)?, None),
        _ => return Err("the name must end in .toml or .json".into()),
    };
    let mut terms = tree.clone();
    if let Some(table) = terms.as_object_mut() {
        table.remove("milestoned");
        if let Some(known) = ["books_from", "history"].into_iter().find(|field| table.contains_key(*field)) {
            return Err(format!(
                "{known}: is there already; take it out, and what is proposed can be compared with it"
            ));
        }
    }
    let terms = Terms::from_value(terms, &env.calendars).map_err(|errors| errors.to_string())?;
    let calendar = env.calendars.get(terms.calendar()).cloned().ok_or("calendar: is not configured")?;
    let today = terms.local_date(env.clock.now());
    let filed = Contract::open(terms, Policy::default(), calendar, today).map_err(|problem| problem.said())?;
    Ok(Read { text, tree, filed })
}

/// The proposal as text that is read by people.
fn written(proposal: &Proposal) -> String {
    let opening = proposal.opening.map_or(String::new(), |at| {
        format!(
            "# opening balance with the items that are not marked: {} billed, {} recognised, {} paid, {} deferred\n",
            at.billed, at.recognised, at.cash, at.deferred_revenue
        )
    });
    format!("# proposed history: read each item, correct it, and file the whole\n{opening}{}", proposal.to_toml())
}

/// The contract's tree with what nobody has to confirm first.
fn as_tree(mut tree: Value, proposal: &Proposal) -> Value {
    let certain = proposal.items.iter().filter(|item| item.is_certain());
    let history: Vec<Value> = certain.map(|proposed| Value::Object(proposed.fields())).collect();
    if let Some(table) = tree.as_object_mut() {
        table.insert("books_from".into(), json!(proposal.books_from));
        table.insert("history".into(), Value::Array(history));
    }
    tree
}

fn bad(reason: &str, code: u8) -> ExitCode {
    complain(&format!("milestoned: {reason}"));
    ExitCode::from(code)
}
