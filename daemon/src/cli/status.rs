//! `status`, `exceptions`, `plan`, `replay`, `report`, `digest`.

use std::process::ExitCode;

use serde_json::json;

use super::table::{amount, complain, say, state, titled};
use super::{FOUND, unknown_contract};
use crate::environment::Environment;
use crate::report::close::Month;
use crate::report::performance::{self, Rows};
use crate::report::{self, digest, verification};
use crate::review::holding::held;
use crate::review::item::Item;
use crate::review::portfolio::{self, Remedied};
use crate::review::queue::{Filter, queue};
use crate::review::snapshot::{Snapshots, utc_date};
use crate::review::subject::KINDS;
use crate::store::mails::MailState;
use crate::store::vocabulary::DeliveryState;
use milestoned_mapping::counted::counted;
use milestoned_workbook::cell::Cell;

/// `milestoned status`
pub(super) async fn status(env: &Environment, json: bool) -> anyhow::Result<ExitCode> {
    verification::compare(env).await?;
    let streams = env.store.streams().await?;
    let open = env.store.deliveries(None, DeliveryState::UNSETTLED).await?;
    let items = queue(env, &Filter::default()).await?;
    if json {
        let mails = env.store.mails(10).await?;
        let value = json!({ "streams": streams, "deliveries": open, "queue": items, "mails": mails });
        say(&serde_json::to_string_pretty(&value)?);
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = titled(&["Connection", "Stream", "Read through", "State"]);
    for stream in &streams {
        let health = stream.fault.as_deref().unwrap_or("ok");
        table.add_row(vec![
            stream.system.as_str().into(),
            stream.stream.as_str().into(),
            stream.fresh_through.map_or_else(|| "never".into(), |at| at.to_string()).into(),
            state(health),
        ]);
    }
    say(&table.to_string());
    if !open.is_empty() {
        let mut table = titled(&["Delivery to", "What", "State", "Attempts", "Next", "Fault", "Key"]);
        for delivery in &open {
            table.add_row(vec![
                delivery.target.as_str().into(),
                format!("{} {}", delivery.kind, delivery.subject).into(),
                state(delivery.state.name()),
                delivery.attempts.into(),
                delivery.due_at.to_string().into(),
                delivery.fault.as_deref().unwrap_or("").into(),
                delivery.key.as_str().into(),
            ]);
        }
        say(&table.to_string());
    }
    let (many, few): (Vec<&Item>, Vec<&Item>) =
        items.iter().partition(|item| matches!(item.kind, "approval" | "change_order" | "drift" | "exception"));
    if !few.is_empty() {
        say(&item_table(few));
    }
    let nouns =
        [("approval", "invoice"), ("change_order", "change order"), ("exception", "exception"), ("drift", "drift")];
    for (kind, noun) in nouns {
        let of_kind: Vec<&Item> = many.iter().filter(|item| item.kind == kind).copied().collect();
        if of_kind.is_empty() {
            continue;
        }
        let (count, held) = (of_kind.len(), held(&of_kind));
        let verb = if ["approval", "change_order"].contains(&kind) { " to approve" } else { "" };
        let held = if held.is_empty() { String::new() } else { format!(", {held} held") };
        say(&format!("{}{verb}{held}: `milestoned queue --kind {kind}`", counted(count, noun)));
    }
    Ok(ExitCode::SUCCESS)
}

/// What waits for a person, as a table.
fn item_table<'a>(items: impl IntoIterator<Item = &'a Item>) -> String {
    let mut table = titled(&["Waits", "Of", "Why", "What to do", "Holds", "Owner", "Name"]);
    for item in items {
        let of: Vec<String> =
            [item.contract.clone(), Some(item.place())].into_iter().flatten().filter(|text| !text.is_empty()).collect();
        table.add_row(vec![
            state_of(item),
            of.join(" ").into(),
            item.particulars().into(),
            item.problem.remedy.as_str().into(),
            amount(&item.held.as_ref().map(ToString::to_string).unwrap_or_default()),
            item.mark.owner.as_deref().unwrap_or("").into(),
            item.subject.to_string().into(),
        ]);
    }
    table.to_string()
}

/// What waits, in the colour of how much it needs somebody.
fn state_of(item: &Item) -> comfy_table::Cell {
    let color = if item.severity.is_blocking() { comfy_table::Color::Red } else { comfy_table::Color::Yellow };
    let code = item.code.as_ref().map(|code| format!("\n{code}")).unwrap_or_default();
    comfy_table::Cell::new(format!("{}{code}", item.title)).fg(color)
}

/// `milestoned queue`
pub(super) async fn waiting(
    env: &Environment,
    contract: Option<String>,
    kind: Option<String>,
    owner: Option<String>,
    json: bool,
) -> anyhow::Result<ExitCode> {
    if let Some(kind) = kind.as_ref().filter(|kind| !KINDS.contains(&kind.as_str())) {
        anyhow::bail!("--kind: {kind:?} is none of {}", KINDS.join(", "));
    }
    let filter = Filter {
        contracts: contract.clone().into_iter().collect(),
        kinds: kind.into_iter().collect(),
        owner,
        subject: None,
    };
    let items = queue(env, &filter).await?;
    if let Some(id) = unknown(env, contract).await?.filter(|_| items.is_empty()) {
        return Ok(unknown_contract(&id));
    }
    if json {
        say(&serde_json::to_string_pretty(&items)?);
    } else if items.is_empty() {
        say("nothing waits");
    } else {
        say(&item_table(&items));
    }
    Ok(ExitCode::SUCCESS)
}

/// Exceptions as a table.
pub(super) fn exception_table(rows: &[Remedied]) -> String {
    let mut table = titled(&["Contract", "Place", "Exception", "Severity", "Open", "Holds", "Why, and what to do"]);
    for row in rows {
        let exception = &row.exception;
        let place: Vec<String> =
            [exception.milestone.clone(), exception.leg.map(|leg| leg.to_string())].into_iter().flatten().collect();
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
            amount(&exception.held.map(|held| held.to_string()).unwrap_or_default()),
            format!("{}. {}", row.reason, row.remedy).into(),
        ]);
    }
    table.to_string()
}

/// The contract that was asked for, where it is not known: "nothing waits" would be read as said of a contract.
async fn unknown(env: &Environment, contract: Option<String>) -> anyhow::Result<Option<String>> {
    let Some(id) = contract else { return Ok(None) };
    Ok(env.store.contract(id.clone()).await?.is_none().then_some(id))
}

/// `milestoned exceptions`: with what else waits, such as an approval or an invoice that the ERP refused.
pub(super) async fn exceptions(
    env: &Environment,
    contract: Option<String>,
    all: bool,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let rows = portfolio::remedied(env, contract.clone().map(|id| vec![id]), !all).await?;
    let contracts = contract.clone().into_iter().collect();
    let items = queue(env, &Filter { contracts, ..Filter::of_kinds(&["approval", "delivery"]) }).await?;
    if let Some(id) = unknown(env, contract).await?.filter(|_| rows.is_empty() && items.is_empty()) {
        return Ok(unknown_contract(&id));
    }
    if json {
        say(&serde_json::to_string_pretty(&json!({ "exceptions": rows, "waiting": items }))?);
        return Ok(ExitCode::SUCCESS);
    }
    say(&exception_table(&rows));
    if !items.is_empty() {
        say(&item_table(&items));
    }
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
    for write in &writes {
        table.add_row(vec![
            write.contract.as_str().into(),
            write.target.as_str().into(),
            format!("{} {}", write.kind, write.subject).into(),
            amount(&write.amount.as_ref().map(ToString::to_string).unwrap_or_default()),
            state(&write.state),
            write.key.as_str().into(),
        ]);
    }
    say(&table.to_string());
    say(&format!("{}; nothing was sent", counted(writes.len(), "write")));
    Ok(ExitCode::SUCCESS)
}

/// `milestoned replay [--check]`
pub(super) async fn replay(env: &Environment, check: bool, json: bool) -> anyhow::Result<ExitCode> {
    let rows = env.store.contracts().await?;
    let mut different = Vec::new();
    for row in &rows {
        let rebuilt = crate::replay::contract(env, row).await?;
        if serde_json::to_string(&rebuilt)? != row.state {
            different.push(row.id.clone());
        }
    }
    if json {
        say(&json!({ "contracts": rows.len(), "different": different }).to_string());
    } else if different.is_empty() {
        let contracts = counted(rows.len(), "contract");
        say(&format!("{contracts} rebuilt from their facts: all equal, byte for byte"));
    } else {
        complain(&format!(
            "milestoned: replay differs for {}: the state was edited, or this version decides otherwise",
            different.join(", ")
        ));
    }
    Ok(if check && !different.is_empty() { ExitCode::from(FOUND) } else { ExitCode::SUCCESS })
}

/// Which report.
#[derive(Debug, Clone, clap::Args)]
pub struct Report {
    /// metrics, cases, cohort or forecast.
    name: String,
    /// Month of a cohort or of cases, such as 2026-03; the present one without it.
    #[arg(long)]
    month: Option<String>,
    /// Metric whose cases are asked for: cycle-time, first-send, period, disputes.
    #[arg(long)]
    metric: Option<String>,
}

/// `milestoned report NAME`
pub(super) async fn report(env: &Environment, asked: Report, json: bool) -> anyhow::Result<ExitCode> {
    let today = utc_date(env.clock.now());
    let month = match &asked.month {
        None => Month::of(today),
        Some(month) => month.parse().map_err(|problem| anyhow::anyhow!("{problem}"))?,
    };
    let snapshot = Snapshots::default().now(env).await?;
    let what = (asked.name.as_str(), asked.metric.as_deref().unwrap_or_default());
    let named = performance::named(env, &snapshot, what, (month, today), Rows::All).await;
    let list = named.map_err(|refused| anyhow::anyhow!("{refused}"))?.list;
    if json {
        say(&serde_json::to_string_pretty(&list.told())?);
        return Ok(ExitCode::SUCCESS);
    }
    if list.rows.is_empty() {
        say(&format!("{}: nothing", list.filter));
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = titled(&list.columns.iter().map(String::as_str).collect::<Vec<_>>());
    for row in &list.rows {
        table.add_row(row.iter().map(|cell| match cell {
            Cell::Amount(text) => amount(text),
            other => other.shown().into(),
        }));
    }
    say(&format!("{}\n{table}", list.filter));
    Ok(ExitCode::SUCCESS)
}

/// `milestoned digest [--send]`
pub(super) async fn digest(env: &Environment, send: bool, json: bool) -> anyhow::Result<ExitCode> {
    let Some(mail) = &env.settings.mail else {
        anyhow::bail!("no mail is configured: add [mail] with relay, from, finance, schedule and timezone");
    };
    if !send {
        let groups = digest::groups(env, mail).await?;
        if json {
            let told = |group: &digest::Group| json!({ "owner": group.owner, "items": group.lines.len() });
            say(&serde_json::to_string_pretty(&groups.iter().map(told).collect::<Vec<_>>())?);
            return Ok(ExitCode::SUCCESS);
        }
        if groups.is_empty() {
            say("nothing waits that a digest would tell");
        }
        for group in groups {
            say(&format!("{}: {}", group.owner, counted(group.lines.len(), "item")));
        }
        return Ok(ExitCode::SUCCESS);
    }
    let written = digest::write(env, mail, &format!("on demand {}", env.clock.now())).await?;
    report::turn(env).await?;
    let mails = env.store.mails(u32::try_from(written).unwrap_or(u32::MAX)).await?;
    if json {
        say(&serde_json::to_string_pretty(&mails)?);
    } else {
        for mail in &mails {
            say(&format!(
                "{}: {} ({}){}",
                mail.recipients,
                mail.state,
                mail.subject,
                mail.fault.as_deref().map(|fault| format!(": {fault}")).unwrap_or_default()
            ));
        }
    }
    Ok(if mails.iter().all(|mail| mail.state == MailState::Sent) { ExitCode::SUCCESS } else { ExitCode::from(FOUND) })
}
