//! The simulated world: vendors, lines, daemons that can die, and what people have done so far.

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use jiff::{SignedDuration, Timestamp};
use milestoned::app::App;
use milestoned::clock::SetClock;
use milestoned::settings::Settings;
use milestoned::store::{Key, Store};
use milestoned_connector_kit::Platform;
use milestoned_mocks::{ErpDocument, Unplugged};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::agreement::{Agreement, Milestone};
use super::company::{self, Company};
use super::front::{Brought, TOKEN};
use super::replicas::{self, Replica};
use super::wire::{Driven, Lines, before, drive};
use super::witness::Witness;
use super::{Outcome, Scope};

/// What an accountant, or a person who decided about a delivery, did to a document of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Touch {
    Voided,
    Edited,
    Deleted,
    /// Deleted before any poll has shown it, or changed before the daemon knew that it was written.
    Unseen,
    /// A person gave its delivery up.
    GivenUp,
}

/// Everything there is.
pub(super) struct World {
    pub(super) simulators: Arc<Unplugged>,
    /// The daemon; where there are several, one more that only answers people and webhooks.
    pub(super) app: Arc<App>,
    /// The daemons, where there are several.
    pub(super) replicas: Vec<Replica>,
    pub(super) outcome: Outcome,
    pub(super) agreements: Vec<Agreement>,
    pub(super) erp: &'static str,
    /// Documents of ours that somebody has changed, by number.
    pub(super) touched: BTreeMap<String, Touch>,
    /// Those among them that were changed before the daemon knew that they had been written.
    pub(super) disputed: BTreeSet<String>,
    /// Exceptions that a reviewer has closed: contract, code, milestone.
    pub(super) overruled: BTreeSet<(&'static str, String, Option<String>)>,
    /// What happens beside troubles.
    pub(super) scope: Scope,
    /// What people of different rights have done, and what was closed and forged.
    pub(super) company: Company,
    /// Payments in the ERP, in whole units, by number of the invoice.
    pub(super) paid: BTreeMap<String, u64>,
    /// Webhooks that were brought, by the vendor's name for them.
    pub(super) brought: BTreeMap<String, Brought>,
    /// Vendors send webhooks.
    pub(super) webhooks: bool,
    /// Troubles have stopped.
    pub(super) calm: bool,
    /// A daemon is stopped before it does this for the next time.
    pub(super) stop_before: Option<&'static str>,
    /// In which order daemons take their steps.
    pub(super) fate: StdRng,
    pub(super) front: Option<Router>,
    pub(super) steps: u64,
    acts: u64,
    starts: u64,
    clock: Arc<SetClock>,
    pub(super) lines: Arc<Lines>,
    store: Store,
    settings: Settings,
}

impl World {
    pub(super) fn open(scope: Scope, dice: &mut StdRng) -> anyhow::Result<Self> {
        let now: Timestamp = "2026-03-02T09:00:00Z".parse()?;
        let simulators = Arc::new(Unplugged::at(now)?);
        let clock = Arc::new(SetClock::at(now));
        let (requests, senders, witness) = (AtomicU64::new(0), AtomicU64::new(0), Mutex::new(Witness::default()));
        let lines = Arc::new(Lines { simulators: Arc::clone(&simulators), requests, senders, witness });
        let erp = if dice.random_bool(0.5) { "netsuite" } else { "quickbooks" };
        let two_above = scope == Scope::Company && dice.random_bool(0.5);
        let settings = settings(&simulators, erp, (scope, two_above))?;
        let store = empty_store()?;
        let (app, _) = daemon(&settings, &store, &clock, &lines)?;
        let replicas = if dice.random_bool(0.25) { dice.random_range(2..4) } else { 0 };
        let mut world = Self {
            simulators,
            app,
            replicas: Vec::new(),
            outcome: Outcome::default(),
            agreements: agreements(dice, erp),
            erp,
            scope,
            company: Company::with(two_above),
            touched: BTreeMap::new(),
            disputed: BTreeSet::new(),
            overruled: BTreeSet::new(),
            paid: BTreeMap::new(),
            brought: BTreeMap::new(),
            webhooks: dice.random_bool(0.4),
            calm: false,
            stop_before: None,
            fate: StdRng::seed_from_u64(dice.random()),
            front: None,
            steps: 0,
            acts: 0,
            starts: 0,
            clock,
            lines,
            store,
            settings,
        };
        if scope == Scope::Company {
            company::vary(&mut world.agreements, dice);
        }
        for _ in 0..replicas {
            let (member, sender) = world.member()?;
            world.replicas.push(Replica::new(member, sender));
        }
        Ok(world)
    }

    pub(super) fn now(&self) -> Timestamp {
        self.simulators.clock.now()
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

    /// What the ERP holds of the contracts, payments apart.
    pub(super) fn documents(&self) -> Vec<ErpDocument> {
        let all = match self.erp {
            "netsuite" => self.simulators.netsuite.documents(),
            _ => self.simulators.quickbooks.documents(),
        };
        let ours = |one: &ErpDocument| self.agreements.iter().any(|agreement| agreement.owns(&one.number));
        all.into_iter().filter(|one| one.kind != "payment" && ours(one)).collect()
    }

    /// Waits for something of the daemon that no crash interrupts.
    pub(super) fn ask<T, F: Future<Output = T>>(&mut self, asked: impl FnOnce(Arc<App>) -> F) -> anyhow::Result<T> {
        match drive(asked(Arc::clone(&self.app)), None, &mut self.steps) {
            Driven::Done(value) => Ok(value),
            Driven::Dead | Driven::Restless => anyhow::bail!("9: the daemon does not answer"),
        }
    }

    /// The daemon works until nothing moves, or dies after so many steps and starts again.
    pub(super) fn turn(&mut self, patience: Option<u64>) -> anyhow::Result<()> {
        if !self.replicas.is_empty() {
            return replicas::turn(self, patience);
        }
        let app = Arc::clone(&self.app);
        match drive(async move { app.settle().await }, patience, &mut self.steps) {
            Driven::Done(settled) => Ok(settled?),
            Driven::Restless => anyhow::bail!("9: the daemon does not come to rest"),
            Driven::Dead => self.dies(patience.unwrap_or_default()),
        }
    }

    /// The daemon has died after so many steps of what it did, and starts again.
    pub(super) fn dies(&mut self, steps: u64) -> anyhow::Result<()> {
        self.outcome.crashes = self.outcome.crashes.saturating_add(1);
        self.outcome.diary.push(format!("{} the daemon dies after {steps} steps", self.now()));
        self.restart()
    }

    fn restart(&mut self) -> anyhow::Result<()> {
        self.front = None;
        (self.app, _) = daemon(&self.settings, &self.store, &self.clock, &self.lines)?;
        if self.replicas.is_empty() {
            self.ask(|app| async move { app.recover().await })??;
        }
        Ok(())
    }

    /// A daemon that shares its duties with others, under a name of its own, and as whom vendors see it.
    pub(super) fn member(&mut self) -> anyhow::Result<(Arc<App>, u64)> {
        let (app, sender) = daemon(&self.settings, &self.store, &self.clock, &self.lines)?;
        self.starts = self.starts.saturating_add(1);
        app.fleet.join(format!("daemon {}", self.starts));
        Ok((app, sender))
    }

    /// A person has connected the company again: every daemon starts anew, with the new refresh token in its settings.
    pub(super) fn reconnect(&mut self, refresh: &str) -> anyhow::Result<()> {
        let rules = (self.scope, self.company.two_above);
        self.settings = Settings::from_toml(&configuration(&self.simulators, self.erp, refresh, rules))?;
        replicas::restart_all(self)?;
        self.restart()
    }
}

/// One contract, or two that must not know of each other.
fn agreements(dice: &mut StdRng, erp: &str) -> Vec<Agreement> {
    let mut parties = vec![("SOW-1", "Northwind Ltd", "USD", "America/New_York")];
    parties.extend(match (dice.random_range(0..20), erp) {
        (0, _) => Some(("SOW-2", "Northwind Ltd", "USD", "Pacific/Auckland")),
        (1 | 2, _) => Some(("SOW-2", "Contoso GmbH", "EUR", "Europe/Berlin")),
        (3, "netsuite") => Some(("SOW-2", "Fabrikam KK", "JPY", "Asia/Tokyo")),
        _ => None,
    });
    let agreement = |(id, customer, currency, zone)| Agreement {
        id,
        customer,
        currency,
        zone,
        reviewed: dice.random_bool(0.15),
        milestones: (0..dice.random_range(1..5)).map(Milestone::new).collect(),
        version: 1,
        won: true,
        wrong_by: 0,
        signed_on: jiff::civil::date(2026, 3, 2),
        books_from: None,
        release: None,
        history: Vec::new(),
    };
    parties.into_iter().map(agreement).collect()
}

/// An empty database. A thread has one for all its seeds: to make the tables takes longer than a short history.
fn empty_store() -> anyhow::Result<Store> {
    thread_local!(static STORE: OnceCell<Store> = const { OnceCell::new() });
    STORE.with(|made| {
        let store = match made.get() {
            Some(store) => store,
            None => {
                let store = Store::in_this_thread(":memory:", Key::of([7; 32]), |verb| Box::pin(before(verb)))?;
                made.get_or_init(|| store)
            }
        };
        Ok(store.anew()?)
    })
}

/// A daemon, and as whom vendors see it.
fn daemon(
    settings: &Settings,
    store: &Store,
    clock: &Arc<SetClock>,
    lines: &Arc<Lines>,
) -> anyhow::Result<(Arc<App>, u64)> {
    let (transport, sender) = lines.line();
    let platform = Platform { clock: clock.clone(), transport: Some(transport) };
    Ok((App::over(settings.clone(), store.clone(), platform)?, sender))
}

/// Which people there are, and whether large amounts need two of them.
type Rules = (Scope, bool);

/// The settings of the first day. A thread reads them once for each ERP: simulators have the same addresses in every run.
fn settings(simulators: &Unplugged, erp: &'static str, rules: Rules) -> anyhow::Result<Settings> {
    type Read = BTreeMap<(&'static str, Rules), Settings>;
    thread_local!(static READ: RefCell<Read> = const { RefCell::new(BTreeMap::new()) });
    READ.with_borrow_mut(|read| {
        if let Some(known) = read.get(&(erp, rules)) {
            return Ok(known.clone());
        }
        let new = Settings::from_toml(&configuration(simulators, erp, "rt-smoke-1", rules))?;
        read.insert((erp, rules), new.clone());
        Ok(new)
    })
}

fn configuration(simulators: &Unplugged, erp: &str, refresh: &str, (scope, two_above): Rules) -> String {
    let (others, dates) = match scope {
        Scope::Company => (company::tokens(), company::DATES),
        Scope::Vendors => (String::new(), ""),
    };
    let approvals = if two_above { company::TWO_ABOVE } else { "" };
    let mut text = format!(
        r#"
http.public_url = "https://milestoned.example"
http.tokens = [{{ name = "controller", rights = ["view", "file_terms", "tell_facts", "approve", "overrule", "release", "operate", "audit"], token = "{TOKEN}" }}{others}]
{approvals}
[audit]
verify_every = "0s"
[intake]
census_every = "20h"
brake = 100
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
{dates}
webhook_secret = "webhook-secret"
limits.windows = []
"#,
        salesforce = simulators.url("salesforce"),
        jira = simulators.url("jira"),
    );
    text.push_str(&erp_connection(simulators, erp, refresh));
    text
}

/// The connection of the ERP.
fn erp_connection(simulators: &Unplugged, erp: &str, refresh: &str) -> String {
    match erp {
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
            url = simulators.url("netsuite"),
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
refresh_token = "{refresh}"
verifier_token = "vtok"
item = "1"
accounts = {{ unbilled_receivable = "85", contract_asset = "86", deferred_revenue = "23", revenue = "79" }}
terms = {{ "net 30" = "3" }}
exchange_rates = {{ EUR = "1.08" }}
limits.windows = []
"#,
            url = simulators.url("quickbooks"),
            realm = simulators.quickbooks.realm(),
        ),
    }
}
