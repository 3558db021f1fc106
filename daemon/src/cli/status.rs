//! `status`, `exceptions`, `plan`, `replay`, `digest`.

use std::process::ExitCode;

use milestoned_mapping::contract::Contract;
use serde_json::json;

use super::FOUND;
use super::table::{amount, complain, say, state, titled};
use crate::agreements::{self, Agreement};
use crate::environment::Environment;
use crate::parked;
use crate::portfolio::{self, Remedied};
use crate::report::{self, digest};
use crate::store::contracts::ContractRow;
use crate::store::mails::MailState;
use crate::store::parse;
use crate::store::vocabulary::DeliveryState;

/// `milestoned status`
pub(super) async fn status(env: &Environment, json: bool) -> anyhow::Result<ExitCode> {
    let streams = env.store.streams().await?;
    let open = env.store.deliveries(None, DeliveryState::UNSETTLED).await?;
    let parked = parked::all(env).await?;
    let unfiled = env.store.unfiled().await?;
    let mails = env.store.mails(10).await?;
    if json {
        let pauses = env.store.pauses().await?;
        let value = json!({ "streams": streams, "deliveries": open, "records": env.store.parked_records().await?,
            "facts": env.store.parked_facts().await?, "files": env.store.file_problems().await?, "unfiled": unfiled, "mails": mails, "pauses": pauses });
        say(&serde_json::to_string_pretty(&value)?);
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = titled(&["Connection", "Stream", "Read through", "State"]);
    for one in &streams {
        let health = one.fault.as_deref().unwrap_or("ok");
        table.add_row(vec![
            one.system.as_str().into(),
            one.stream.as_str().into(),
            one.fresh_through.map_or_else(|| "never".into(), |at| at.to_string()).into(),
            state(health),
        ]);
    }
    say(&table.to_string());
    if !open.is_empty() {
        let mut table = titled(&["Delivery to", "What", "State", "Attempts", "Next", "Fault", "Key"]);
        for one in &open {
            table.add_row(vec![
                one.target.as_str().into(),
                format!("{} {}", one.kind, one.subject).into(),
                state(one.state.name()),
                one.attempts.into(),
                one.due_at.into(),
                one.fault.as_deref().unwrap_or("").into(),
                one.key.as_str().into(),
            ]);
        }
        say(&table.to_string());
    }
    if !parked.is_empty() {
        let mut table = titled(&["Parked", "Why", "What to do", "Name"]);
        for one in &parked {
            table.add_row(vec![one.what.as_str(), one.reason.as_str(), one.remedy.as_str(), one.handle.as_str()]);
        }
        say(&table.to_string());
    }
    for one in unfiled {
        say(&format!("{} is spoken of by {}, and nobody has filed its agreement", one.contract, one.systems));
    }
    Ok(ExitCode::SUCCESS)
}

/// Exceptions as a table.
pub(super) fn exception_table(rows: &[Remedied]) -> String {
    let mut table = titled(&["Contract", "Place", "Exception", "Severity", "Open", "Holds", "What to do"]);
    for one in rows {
        let exception = &one.exception;
        let leg = exception.leg.map(|leg| leg.to_string());
        let place: Vec<String> = [exception.milestone.clone(), leg].into_iter().flatten().collect();
        let open = match &exception.closed_on {
            Some(closed) => format!("{} to {closed}", exception.opened_on),
            None => format!("since {}", exception.opened_on),
        };
        table.add_row(vec![
            exception.contract.as_str().into(),
            place.join(" ").into(),
            exception.code.as_str().into(),
            state(&exception.severity.to_string()),
            open.into(),
            amount(&exception.held.map_or_else(String::new, |held| held.to_string())),
            one.exception
                .detail
                .as_ref()
                .map_or_else(|| one.remedy.into(), |detail| format!("{detail}. {}", one.remedy))
                .into(),
        ]);
    }
    table.to_string()
}

/// `milestoned exceptions`
pub(super) async fn exceptions(
    env: &Environment,
    contract: Option<String>,
    all: bool,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let rows = portfolio::with_remedies(env.store.exceptions(contract, !all).await?);
    say(&if json { serde_json::to_string_pretty(&rows)? } else { exception_table(&rows) });
    Ok(ExitCode::SUCCESS)
}

/// `milestoned plan`
pub(super) async fn plan(env: &Environment, json: bool) -> anyhow::Result<ExitCode> {
    let writes = portfolio::plan(env).await?;
    if json {
        say(&serde_json::to_string_pretty(&writes)?);
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = titled(&["Contract", "To", "What", "Amount", "State", "Key"]);
    for one in &writes {
        table.add_row(vec![
            one.contract.as_str().into(),
            one.target.as_str().into(),
            format!("{} {}", one.kind, one.subject).into(),
            amount(one.amount.as_deref().unwrap_or("")),
            state(&one.state),
            one.key.as_str().into(),
        ]);
    }
    say(&table.to_string());
    say(&format!("{} writes; nothing was sent", writes.len()));
    Ok(ExitCode::SUCCESS)
}

/// `milestoned replay [--check]`
pub(super) async fn replay(env: &Environment, check: bool, json: bool) -> anyhow::Result<ExitCode> {
    let rows = env.store.contracts().await?;
    let mut different = Vec::new();
    for row in &rows {
        let rebuilt = rebuild(env, row).await?;
        if serde_json::to_string(&rebuilt)? != row.state {
            different.push(row.id.clone());
        }
    }
    if json {
        say(&json!({ "contracts": rows.len(), "different": different }).to_string());
    } else if different.is_empty() {
        say(&format!("{} contracts rebuilt from their facts: all equal, byte for byte", rows.len()));
    } else {
        complain(&format!(
            "milestoned: replay differs for {}: the state was edited, or this version decides otherwise",
            different.join(", ")
        ));
    }
    Ok(if check && !different.is_empty() { ExitCode::from(FOUND) } else { ExitCode::SUCCESS })
}

/// A contract's state out of its terms and facts alone.
///
/// # Errors
/// The store failed, or a calendar is no longer configured.
pub async fn rebuild(env: &Environment, row: &ContractRow) -> anyhow::Result<Contract> {
    let agreement: Agreement = parse("contract", "agreement", &row.id, &row.agreement)?;
    let mut contract = agreements::open(&agreement, &env.calendars, row.opened_on).map_err(anyhow::Error::msg)?;
    for fact in env.store.history(row.id.clone()).await? {
        contract.apply(&fact).map_err(|error| anyhow::anyhow!("contract {}: {error}", row.id))?;
    }
    let state = portfolio::state(row)?;
    if state.has_begun() {
        contract.advance_to(state.as_of());
    }
    Ok(contract)
}

/// `milestoned digest [--send]`
pub(super) async fn digest(env: &Environment, send: bool, json: bool) -> anyhow::Result<ExitCode> {
    let Some(mail) = &env.settings.mail else {
        anyhow::bail!("no mail is configured: add [mail] with relay, from, finance, schedule and timezone");
    };
    if !send {
        for group in digest::groups(env, mail).await? {
            say(&format!("{}: {} open exceptions", group.owner, group.lines.len()));
        }
        return Ok(ExitCode::SUCCESS);
    }
    let written = digest::write(env, mail, &format!("on demand {}", env.clock.now())).await?;
    report::turn(env).await?;
    let mails = env.store.mails(u32::try_from(written).unwrap_or(u32::MAX)).await?;
    if json {
        say(&serde_json::to_string_pretty(&mails)?);
    } else {
        for one in &mails {
            say(&format!(
                "{}: {} ({}){}",
                one.recipients,
                one.state,
                one.subject,
                one.fault.as_deref().map(|fault| format!(": {fault}")).unwrap_or_default()
            ));
        }
    }
    Ok(if mails.iter().all(|one| one.state == MailState::Sent) { ExitCode::SUCCESS } else { ExitCode::from(FOUND) })
}
