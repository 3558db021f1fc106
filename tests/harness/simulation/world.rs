//! The simulated world: vendors, lines, a daemon that can die, and what people have done so far.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::{SignedDuration, Timestamp};
use milestoned::app::App;
use milestoned::clock::SetClock;
use milestoned::settings::Settings;
use milestoned::store::Store;
use milestoned_connector_kit::Surroundings;
use milestoned_mocks::{ErpDocument, Unplugged};
use rand::RngExt as _;
use rand::rngs::StdRng;

use super::Outcome;
use super::wire::{Driven, Lines, drive, step};

/// The contract of a run.
pub(super) const CONTRACT: &str = "SOW-1";

/// A milestone as people see it in the project tool.
#[derive(Debug, Clone)]
pub(super) struct Milestone {
    pub(super) id: String,
    pub(super) issue: String,
    /// Whole units, a power of two.
    pub(super) amount: u64,
    /// The customer has accepted it at some time.
    pub(super) ever_accepted: bool,
    /// It is accepted now, with the document.
    pub(super) accepted: bool,
}

/// Everything there is.
pub(super) struct World {
    pub(super) simulators: Arc<Unplugged>,
    pub(super) app: Arc<App>,
    pub(super) outcome: Outcome,
    pub(super) milestones: Vec<Milestone>,
    pub(super) erp: &'static str,
    /// Amendment version.
    pub(super) version: u32,
    /// Numbers of documents that the accountant has voided or deleted.
    pub(super) voided: BTreeSet<String>,
    /// Payments in the ERP, in whole units, by number of the invoice.
    pub(super) paid: BTreeMap<String, u64>,
    acts: u64,
    steps: u64,
    clock: Arc<SetClock>,
    lines: Arc<Lines>,
    store: Store,
    settings: Settings,
}

impl World {
    pub(super) fn open(dice: &mut StdRng) -> anyhow::Result<Self> {
        let now: Timestamp = "2026-03-02T09:00:00Z".parse()?;
        let simulators = Arc::new(Unplugged::at(now)?);
        let clock = Arc::new(SetClock::at(now));
        let lines = Arc::new(Lines { simulators: Arc::clone(&simulators), requests: AtomicU64::new(0) });
        let erp = if dice.random_bool(0.5) { "netsuite" } else { "quickbooks" };
        let settings = Settings::from_toml(&configuration(&simulators, erp))?;
        let store = empty_store()?;
        let app = daemon(&settings, &store, &clock, &lines)?;
        let count: u32 = dice.random_range(1..5);
        let milestones = (0..count).map(|place| Milestone {
            id: format!("M{}", place.saturating_add(1)),
            issue: String::new(),
            amount: 2_u64.saturating_pow(place.saturating_mul(3)),
            ever_accepted: false,
            accepted: false,
        });
        Ok(Self {
            simulators,
            app,
            outcome: Outcome::default(),
            milestones: milestones.collect(),
            erp,
            version: 1,
            voided: BTreeSet::new(),
            paid: BTreeMap::new(),
            acts: 0,
            steps: 0,
            clock,
            lines,
            store,
            settings,
        })
    }

    pub(super) fn now(&self) -> Timestamp {
        self.simulators.clock.now()
    }

    pub(super) fn steps(&self) -> u64 {
        self.steps
    }

    pub(super) fn requests(&self) -> u64 {
        self.lines.requests.load(Ordering::Relaxed)
    }

    pub(super) fn advance(&mut self, by: SignedDuration) {
        let now = self.now().saturating_add(by).unwrap_or(Timestamp::MAX);
        self.clock.set(now);
        self.simulators.clock.set(now);
    }

    /// A name, never given before, for what somebody does; it goes into the diary.
    pub(super) fn act(&mut self, operation: &'static str, what: &str) -> String {
        let count = self.outcome.operations.entry(operation).or_default();
        *count = count.saturating_add(1);
        self.acts = self.acts.saturating_add(1);
        self.outcome.diary.push(format!("{} {operation} {what}", self.now()));
        format!("{operation} {}", self.acts)
    }

    /// What the ERP holds of the contract, payments apart.
    pub(super) fn documents(&self) -> Vec<ErpDocument> {
        let all = match self.erp {
            "netsuite" => self.simulators.netsuite.documents(),
            _ => self.simulators.quickbooks.documents(),
        };
        all.into_iter().filter(|one| one.kind != "payment" && one.number.starts_with(CONTRACT)).collect()
    }

    /// Waits for something of the daemon that no crash interrupts.
    pub(super) fn ask<T, F: Future<Output = T>>(&mut self, asked: impl FnOnce(Arc<App>) -> F) -> anyhow::Result<T> {
        match drive(asked(Arc::clone(&self.app)), None, &mut self.steps) {
            Driven::Done(value) => Ok(value),
            Driven::Dead | Driven::Restless => anyhow::bail!("the daemon does not answer"),
        }
    }

    /// The daemon works until nothing moves, or dies after so many steps and starts again.
    pub(super) fn turn(&mut self, patience: Option<u64>) -> anyhow::Result<()> {
        let app = Arc::clone(&self.app);
        match drive(async move { app.settle().await }, patience, &mut self.steps) {
            Driven::Done(settled) => Ok(settled?),
            Driven::Restless => anyhow::bail!("the daemon does not come to rest"),
            Driven::Dead => {
                self.outcome.crashes = self.outcome.crashes.saturating_add(1);
                let steps = patience.unwrap_or_default();
                self.outcome.diary.push(format!("{} the daemon dies after {steps} steps", self.now()));
                self.restart()
            }
        }
    }

    fn restart(&mut self) -> anyhow::Result<()> {
        self.app = daemon(&self.settings, &self.store, &self.clock, &self.lines)?;
        self.ask(|app| async move { app.recover().await })??;
        Ok(())
    }
}

/// An empty database. A thread has one for all its seeds: to make the tables takes longer than a short history.
fn empty_store() -> anyhow::Result<Store> {
    thread_local!(static STORE: OnceCell<Store> = const { OnceCell::new() });
    STORE.with(|made| {
        let store = match made.get() {
            Some(store) => store,
            None => {
                let store = Store::in_this_thread(":memory:", || Box::pin(step()))?;
                made.get_or_init(|| store)
            }
        };
        Ok(store.anew()?)
    })
}

fn daemon(settings: &Settings, store: &Store, clock: &Arc<SetClock>, lines: &Arc<Lines>) -> anyhow::Result<Arc<App>> {
    let around = Surroundings { clock: clock.clone(), wire: Some(lines.clone()) };
    App::over(settings.clone(), store.clone(), around)
}

fn configuration(simulators: &Unplugged, erp: &str) -> String {
    let mut text = format!(
        r#"
http.public_url = "https://milestoned.example"
[intake]
census_every = "6h"
[connections.salesforce]
kind = "salesforce"
base_url = "{salesforce}"
auth = {{ flow = "client_credentials", client_id = "CONSUMER_KEY", client_secret = "CONSUMER_SECRET" }}
limits.windows = []
[connections.jira]
kind = "jira"
base_url = "{jira}"
auth = {{ flow = "basic", email = "mia@example.test", api_token = "api-token" }}
projects = ["MS"]
webhook_secret = "webhook-secret"
limits.windows = []
"#,
        salesforce = simulators.salesforce_url,
        jira = simulators.jira_url,
    );
    text.push_str(&match erp {
        "netsuite" => format!(
            r#"
[connections.netsuite]
kind = "netsuite"
account = "{account}"
base_url = "{url}"
auth = {{ flow = "tba", consumer_key = "ck", consumer_secret = "cs", token_id = "ti", token_secret = "ts" }}
timezone = "America/Los_Angeles"
item = "5"
accounts = {{ unbilled_receivable = "120", contract_asset = "121", deferred_revenue = "122", revenue = "123" }}
terms = {{ "net 30" = "2" }}
limits.windows = []
"#,
            account = simulators.netsuite.account(),
            url = simulators.netsuite_url,
        ),
        _ => format!(
            r#"
[connections.quickbooks]
kind = "quickbooks"
base_url = "{url}"
token_url = "{url}/oauth2/v1/tokens/bearer"
realm = "{realm}"
client_id = "cid"
client_secret = "csecret"
refresh_token = "rt-smoke-1"
verifier_token = "vtok"
item = "1"
accounts = {{ unbilled_receivable = "85", contract_asset = "86", deferred_revenue = "23", revenue = "79" }}
terms = {{ "net 30" = "3" }}
limits.windows = []
"#,
            url = simulators.quickbooks_url,
            realm = simulators.quickbooks.realm(),
        ),
    });
    text
}
