//! The simulators as a program: `milestoned-mocks [--dir DIR] [--port-base 8900] [--now TIME]`.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use milestoned_mocks::{Fields, LotSpec, NAMES, Options, Refused, Simulators, serve_admin};
use tokio::net::TcpListener;

const HELP: &str = "milestoned-mocks: simulators of Salesforce, Jira, NetSuite, QuickBooks and an SMTP relay

  --dir DIR         keep the state there (default: memory)
  --port-base PORT  admin on PORT, the systems on the five ports after it (default: 8900)
  --now TIME        stand still at this time (default: follow real time)
";

struct Arguments {
    dir: Option<PathBuf>,
    base: u16,
    now: Option<Timestamp>,
}

fn arguments() -> Result<Arguments, String> {
    let mut parsed = Arguments { dir: None, base: 8900, now: None };
    let mut given = std::env::args().skip(1);
    while let Some(name) = given.next() {
        let mut value = || given.next().ok_or_else(|| format!("{name} needs a value"));
        match name.as_str() {
            "--dir" => parsed.dir = Some(PathBuf::from(value()?)),
            "--port-base" => parsed.base = value()?.parse().map_err(|_| "--port-base needs a port".to_string())?,
            "--now" => parsed.now = Some(value()?.parse().map_err(|_| "--now needs a time".to_string())?),
            _ => return Err(HELP.to_string()),
        }
    }
    Ok(parsed)
}

#[expect(clippy::disallowed_methods, reason = "the one place where the simulated clock meets the real one")]
fn real_time() -> Timestamp {
    Timestamp::now()
}

fn fields(value: serde_json::Value) -> Fields {
    value.as_object().cloned().unwrap_or_default()
}

/// What published clients expect to find: more won deals than fit on one page, a deal with a milestone and a file, two
/// milestones that share an external id, and a few issues.
fn furnish(world: &Simulators, now: Timestamp) -> Result<(), Refused> {
    let account = fields(serde_json::json!({"Name": "Acme Corporation"}));
    let account = world.salesforce.put("default-account", "Account", "", account)?;
    let deal = serde_json::json!({
        "Name": "Acme implementation", "AccountId": account, "StageName": "Closed Won", "Amount": "250000.0",
        "CloseDate": "2026-09-15", "SOW_Number__c": "SOW-1001", "Payment_Terms__c": "Net 30",
    });
    let id = world.salesforce.put("default-opportunity", "Opportunity", "", fields(deal.clone()))?;
    let mut more = fields(deal);
    more.insert("Name".to_string(), "Deal {n}".into());
    more.insert("SOW_Number__c".to_string(), "SOW-2{n}".into());
    let fortnight = jiff::SignedDuration::from_hours(14 * 24);
    let lot = LotSpec { step_ms: 60_000, ..LotSpec::new(2085, more, now - fortnight) };
    world.salesforce.generate("default-opportunities", "Opportunity", &lot.tied(31))?;
    let milestone = fields(serde_json::json!({"Name": "Kick-off", "Opportunity__c": id, "Amount__c": "25000"}));
    world.salesforce.put("default-milestone", "Milestone__c", "ms-1", milestone)?;
    for at in 1..=2 {
        // loaded before anybody made the field unique
        let twin = fields(serde_json::json!({"Name": format!("Twin {at}"), "External_Id__c": "x-DUP"}));
        world.salesforce.put(&format!("default-twin-{at}"), "Milestone__c", &format!("twin {at}"), twin)?;
    }
    let file = fields(serde_json::json!({
        "Title": "SOW-1001", "FileExtension": "pdf", "VersionData": "%PDF-1.4 signed", "FirstPublishLocationId": id,
    }));
    world.salesforce.put("default-file", "ContentVersion", "", file)?;
    for at in 1..=5 {
        let issue = fields(serde_json::json!({
            "summary": format!("Milestone {at}"), "customfield_10101": "SOW-1001", "customfield_10102": format!("ms-{at}"),
            "customfield_10103": 25_000,
        }));
        world.jira.create_issue(&format!("default-issue-{at}"), "MS", issue)?;
    }
    Ok(())
}

async fn run(arguments: Arguments) -> std::io::Result<()> {
    let base = arguments.base;
    let now = arguments.now.unwrap_or_else(real_time);
    let world = Arc::new(Simulators::start(Options { dir: arguments.dir, first_port: Some(base + 1), now }).await?);
    if arguments.now.is_none() {
        world.clock.follow(real_time);
        // buckets are refilled by the clock, so the limits need one that moves
        world.jira.configure(|settings| settings.rate_limits = true);
    }
    furnish(&world, now).map_err(std::io::Error::other)?;
    let admin = TcpListener::bind(("127.0.0.1", base)).await?;
    let mut out = std::io::stdout();
    writeln!(out, "admin       http://{}", admin.local_addr()?)?;
    for name in NAMES {
        writeln!(out, "{name:<11} {}", world.url(name))?;
    }
    writeln!(out, "smtp        {}", world.smtp_address)?;
    let ticking = Arc::clone(&world);
    tokio::spawn(async move {
        let mut beat = tokio::time::interval(Duration::from_secs(1));
        loop {
            beat.tick().await;
            ticking.settle();
            let told = (ticking.jira.deliver_webhooks().await, ticking.quickbooks.deliver_webhooks().await);
            if let Err(error) = ticking.salesforce.deliver_webhooks().await {
                tracing::warn!(%error, "outbound messages");
            }
            if let (Err(error), _) | (_, Err(error)) = told {
                tracing::warn!(%error, "webhooks");
            }
        }
    });
    tokio::select! {
        ended = serve_admin(admin, world) => ended,
        stopped = tokio::signal::ctrl_c() => stopped,
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    if std::env::args().any(|argument| argument == "--help" || argument == "-h") {
        let written = write!(std::io::stdout(), "{HELP}");
        return if written.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let outcome = match arguments() {
        Ok(arguments) => run(arguments).await.map_err(|error| error.to_string()),
        Err(help) => Err(help),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // nothing is left to do where even this cannot be written
            let _unwritten = writeln!(std::io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}
