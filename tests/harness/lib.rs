//! The harness: a daemon in a fresh folder against simulators on loopback ports, and a clock that the test moves.

pub mod postgres;
pub mod seeded;
pub mod simulation;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use jiff::{SignedDuration, Timestamp};
use milestoned::app::App;
use milestoned::clock::SetClock;
use milestoned::demo::connections;
pub use milestoned::demo::connections::WEBHOOK_SECRET;
use milestoned::review::item::Item;
use milestoned::review::queue::{Filter, queue};
use milestoned::settings::Settings;
use milestoned::store::sign_ins::OneTime;
use milestoned::web;
use milestoned_identity::machine::Machine;
use milestoned_identity::rights::Rights;
use milestoned_mocks::{Fields, IssueRef, Options, Person, Simulators};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Bearer token of the admin.
pub const ADMIN: &str = "admin-token-of-the-tests";
/// Bearer token of a reviewer who files nothing and tells nothing.
pub const REVIEWER: &str = "reviewer-token-of-the-tests";
/// Bearer token of the viewer.
pub const VIEWER: &str = "viewer-token-of-the-tests";
/// Simulators, daemon, clock.
pub struct World {
    /// The simulators.
    pub simulators: Simulators,
    /// The daemon.
    pub app: Arc<App>,
    /// Address of the daemon.
    pub url: String,
    /// Folder of watched contracts.
    pub contracts: PathBuf,
    clock: Arc<SetClock>,
    folder: tempfile::TempDir,
    stop: CancellationToken,
    changes: Vec<(String, String)>,
    /// Cookies of those who are signed in, by the token whose rights they have, and since when.
    sessions: tokio::sync::Mutex<BTreeMap<String, (String, Timestamp)>>,
}

impl World {
    /// Starts simulators and daemon at this instant.
    ///
    /// # Errors
    /// What could not be started.
    pub async fn start(now: &str) -> anyhow::Result<Self> {
        Self::configured(now, Vec::new()).await
    }

    /// The same with lines of the daemon's configuration replaced: how a line starts, and what stands there instead
    /// (`{salesforce}` is the simulator's address).
    ///
    /// # Errors
    /// What could not be started.
    pub async fn configured(now: &str, changes: Vec<(String, String)>) -> anyhow::Result<Self> {
        let now: Timestamp = now.parse()?;
        let folder = tempfile::tempdir()?;
        let simulators = Simulators::start(Options { dir: None, first_port: None, now }).await?;
        let contracts = folder.path().join("contracts");
        std::fs::create_dir_all(&contracts)?;
        let clock = Arc::new(SetClock::at(now));
        let (app, url, stop) = daemon(&folder, &simulators, &clock, &changes).await?;
        simulators.jira.register_webhook(
            &format!("{url}/hooks/jira"),
            WEBHOOK_SECRET,
            &["jira:issue_updated", "jira:issue_deleted"],
        )?;
        Ok(Self { simulators, app, url, contracts, clock, folder, stop, changes, sessions: Default::default() })
    }

    /// The daemon dies where it stands, and another one starts on the same folder.
    ///
    /// # Errors
    /// What could not be started.
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        self.stop.cancel();
        (self.app, self.url, self.stop) = daemon(&self.folder, &self.simulators, &self.clock, &self.changes).await?;
        self.app.recover().await?;
        Ok(())
    }

    /// Another daemon with the same configuration, on the same database.
    ///
    /// # Errors
    /// It cannot be started.
    pub async fn another(&self) -> anyhow::Result<Arc<App>> {
        App::build(self.app.env.settings.clone(), self.clock.clone()).await
    }

    /// Another daemon with the same configuration, on another SQLite file.
    ///
    /// # Errors
    /// It cannot be started.
    pub async fn another_on(&self, database: PathBuf) -> anyhow::Result<Arc<App>> {
        let mut settings = self.app.env.settings.clone();
        settings.store.path = database;
        App::build(settings, self.clock.clone()).await
    }

    /// The daemon's database is lost, and a backup is put in its place.
    ///
    /// # Errors
    /// The backup cannot be put back, or the daemon not be started.
    pub async fn restore(&mut self, backup: &Path) -> anyhow::Result<()> {
        self.stop.cancel();
        let path = self.folder.path().join("restored.db");
        let (by, now) = ("ada".into(), self.simulators.clock.now());
        let key = milestoned::store::Key::of([7; 32]);
        milestoned::store::copies::put_back((backup, &path), key, by, "the disk broke", now)?;
        self.changes.push(("store.path".into(), format!("store.path = '{}'", path.display())));
        (self.app, self.url, self.stop) = daemon(&self.folder, &self.simulators, &self.clock, &self.changes).await?;
        Ok(())
    }

    /// Moves both clocks to an instant.
    ///
    /// # Errors
    /// Not an instant.
    pub fn at(&self, now: &str) -> anyhow::Result<()> {
        let now: Timestamp = now.parse()?;
        self.simulators.clock.set(now);
        self.clock.set(now);
        Ok(())
    }

    /// Time passes, and nothing turns.
    pub fn later(&self, span: SignedDuration) {
        let now = self.app.env.clock.now().saturating_add(span).unwrap_or(Timestamp::MAX);
        self.simulators.clock.set(now);
        self.clock.set(now);
    }

    /// Lets a moment pass, reads every source, and turns until nothing moves.
    ///
    /// # Errors
    /// The store failed.
    pub async fn settle(&self) -> anyhow::Result<()> {
        let now = self.simulators.clock.now().checked_add(SignedDuration::from_secs(2))?;
        self.simulators.clock.set(now);
        self.clock.set(now);
        self.simulators.jira.deliver_webhooks().await?;
        self.app.env.store.poll_now().await?;
        self.app.settle().await?;
        Ok(())
    }

    /// A contract with one milestone of 40,000 USD, filed in the watched folder, with its deal and its issue.
    ///
    /// # Errors
    /// What could not be written.
    pub fn contract(&self, id: &str, erp: &str) -> anyhow::Result<IssueRef> {
        let terms = json!({
            "id": id, "customer": "Northwind Ltd", "currency": "USD", "total": "40000.00", "signed_on": "2026-03-02",
            "obligations": [{ "id": "services", "ssp": "40000.00", "method": "output" }],
            "milestones": [{ "id": "M1", "name": "Design", "amount": "40000.00" }], "milestoned": { "erp": erp },
        });
        std::fs::write(self.contracts.join(format!("{id}.json")), terms.to_string())?;
        self.deal(id, "40000.00")?;
        self.issue(id)
    }

    /// A won deal of a contract.
    ///
    /// # Errors
    /// The simulator refused.
    pub fn deal(&self, id: &str, amount: &str) -> anyhow::Result<()> {
        let salesforce = &self.simulators.salesforce;
        let account = salesforce.put("account", "Account", "northwind", fields(json!({ "Name": "Northwind Ltd" })))?;
        let act = format!("deal {id} {amount} {}", self.simulators.clock.now());
        let deal = json!({
            "Name": id, "AccountId": account, "StageName": "Closed Won", "CloseDate": "2026-03-02", "Amount": amount,
            "CurrencyIsoCode": "USD", "SOW_Number__c": id, "Payment_Terms__c": "net 30",
        });
        salesforce.put(&act, "Opportunity", id, fields(deal))?;
        Ok(())
    }

    fn issue(&self, id: &str) -> anyhow::Result<IssueRef> {
        let issue =
            json!({ "summary": "Design", "customfield_10101": id, "customfield_10102": "M1", "status": "To Do" });
        Ok(self.simulators.jira.create_issue(&format!("issue {id}"), "MS", fields(issue))?)
    }

    /// Somebody moves an issue, with these fields.
    ///
    /// # Errors
    /// The simulator refused.
    pub fn move_issue(&self, issue: &IssueRef, status: &str, changes: Value) -> anyhow::Result<()> {
        let person =
            Person { account_id: "dana".into(), display_name: "Dana".into(), email: "dana@customer.example".into() };
        let act = format!("{} {status} {}", issue.id, self.simulators.clock.now());
        self.simulators.jira.edit(&act, &issue.id, &person, fields(changes).into_iter().collect(), Some(status))?;
        Ok(())
    }

    /// The customer accepts, with a document.
    ///
    /// # Errors
    /// The simulator refused.
    pub fn accept(&self, issue: &IssueRef) -> anyhow::Result<()> {
        self.move_issue(issue, "Accepted", json!({ "customfield_10105": "https://docs.example/signed.pdf" }))
    }

    /// Calls the API; gives status and body.
    ///
    /// # Errors
    /// No answer, or no JSON.
    pub async fn call(
        &self,
        method: &str,
        path: &str,
        token: &str,
        body: Option<Value>,
    ) -> anyhow::Result<(u16, Value)> {
        let method = reqwest::Method::from_bytes(method.as_bytes())?;
        let mut request = reqwest::Client::builder().build()?.request(method, format!("{}{path}", self.url));
        request = if ["/v1/", "/metrics", "/openapi.json"].iter().any(|of| path.starts_with(of)) {
            request.bearer_auth(token)
        } else {
            request.header("cookie", self.session(token).await?).header("origin", self.origin())
        };
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await?;
        let (status, text) = (answer.status().as_u16(), answer.text().await?);
        Ok((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
    }

    /// Somebody approves every change order that waits; gives what they are told.
    ///
    /// # Errors
    /// No answer, or no JSON.
    pub async fn approve_orders(&self, token: &str) -> anyhow::Result<Vec<(u16, String)>> {
        let (_, queue) = self.call("GET", "/v1/queue?kind=change_order", token, None).await?;
        let mut told = Vec::new();
        for item in queue.as_array().into_iter().flatten() {
            let body = json!({ "subject": item["subject"], "act": "approve" });
            let (status, said) = self.call("POST", "/v1/acts", token, Some(body)).await?;
            told.push((status, said.to_string()));
        }
        self.settle().await?;
        Ok(told)
    }

    /// What waits for a person beside exceptions, drifts, approvals and contracts that nobody has filed.
    ///
    /// # Errors
    /// The store failed.
    pub async fn waiting(&self) -> anyhow::Result<Vec<Item>> {
        let kinds = ["delivery", "expiry", "fact", "file", "pause", "record", "stream", "unseen"];
        Ok(queue(&self.app.env, &Filter::of_kinds(&kinds)).await?)
    }

    /// Where our pages come from, as a browser says.
    pub fn origin(&self) -> String {
        self.app.env.settings.http.public_url.trim_end_matches('/').to_owned()
    }

    /// The cookie of a person with the rights of this token, who is signed in by a link.
    ///
    /// # Errors
    /// The daemon does not let them in.
    pub async fn session(&self, token: &str) -> anyhow::Result<String> {
        let machines = &self.app.env.settings.http.tokens;
        let meant = |machine: &&Machine| machine.token.as_ref().is_some_and(|held| held.expose_secret() == token);
        let machine = machines.iter().find(meant).context("the token of nobody")?;
        let now = self.app.env.clock.now();
        let mut sessions = self.sessions.lock().await;
        if let Some((cookie, _)) = sessions.get(token).filter(|(_, since)| *since == now) {
            return Ok(cookie.clone());
        }
        let cookie = self.sign_in(&machine.name, machine.rights).await?;
        sessions.insert(token.to_owned(), (cookie.clone(), now));
        Ok(cookie)
    }

    /// The cookie of somebody who is signed in by a link.
    ///
    /// # Errors
    /// The daemon does not let them in.
    pub async fn sign_in(&self, person: &str, rights: Rights) -> anyhow::Result<String> {
        let (env, secret) = (&self.app.env, format!("{person} {}", rand::random::<u64>()));
        let until = env.clock.now().saturating_add(jiff::SignedDuration::from_mins(10))?;
        let link = OneTime::Link { person: person.into(), rights };
        env.store.keep_one_time(env.key.known_as(&secret), link, until).await?;
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build()?;
        let answer = client.get(format!("{}/sign-in/link", self.url)).query(&[("code", &secret)]).send().await?;
        let cookie = answer.headers().get("set-cookie").context("no session")?.to_str()?;
        Ok(cookie.split(';').next().unwrap_or_default().to_owned())
    }

    /// Numbers, amounts and kinds of what an ERP holds, payments apart.
    pub fn held(&self, erp: &str) -> Vec<(String, String)> {
        let documents = match erp {
            "netsuite" => self.simulators.netsuite.documents(),
            _ => self.simulators.quickbooks.documents(),
        };
        documents.into_iter().filter(|one| one.kind != "payment").map(|one| (one.number, plain(&one.amount))).collect()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// An amount with two digits behind the point: each ERP writes its own number of them.
fn plain(amount: &str) -> String {
    let (whole, cents) = amount.split_once('.').unwrap_or((amount, ""));
    format!("{whole}.{cents:0<2}")
}

/// A table of fields.
pub fn fields(value: Value) -> Fields {
    match value {
        Value::Object(fields) => fields,
        _ => Fields::new(),
    }
}

async fn daemon(
    folder: &tempfile::TempDir,
    simulators: &Simulators,
    clock: &Arc<SetClock>,
    changes: &[(String, String)],
) -> anyhow::Result<(Arc<App>, String, CancellationToken)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let mut text = configuration(folder.path(), simulators);
    for (line, instead) in changes {
        let place = text
            .lines()
            .find(|one| one.starts_with(line.as_str()))
            .map(str::to_owned)
            .ok_or_else(|| anyhow::anyhow!("{line}"))?;
        text = text.replace(&place, &instead.replace("{salesforce}", simulators.url("salesforce")));
    }
    let settings = Settings::from_toml(&text)?;
    let app = App::build(settings, clock.clone()).await?;
    let stop = CancellationToken::new();
    tokio::spawn(web::serve(Arc::clone(&app.env), listener, stop.clone()));
    Ok((app, url, stop))
}

/// The daemon's configuration against these simulators, with its files in this folder.
pub fn configuration(folder: &Path, simulators: &Simulators) -> String {
    let path = folder.display();
    format!(
        r#"
store.path = '{path}/milestoned.db'
store.key = '0707070707070707070707070707070707070707070707070707070707070707'
agreements.folder = '{path}/contracts'
agreements.folder_owner = "dora@vendor.example"
http.public_url = "https://milestoned.example"
http.tokens = [{{ name = "ada", rights = ["view", "file_terms", "tell_facts", "approve", "overrule", "release", "operate", "audit"], token = "{ADMIN}" }}, {{ name = "rob", rights = ["view", "approve", "overrule", "release"], token = "{REVIEWER}" }}, {{ name = "vic", rights = ["view"], token = "{VIEWER}" }}]
[mail]
relay = "smtp://{smtp}"
from = "milestoned@vendor.example"
finance = ["finance@vendor.example"]
schedule = "0 7 * * *"
timezone = "UTC"
owners = {{ AMOUNT_MISMATCH = "sales-ops@vendor.example" }}
{connections}"#,
        smtp = simulators.smtp_address,
        connections = connections::all(simulators),
    )
}
