//! The demo's world: simulators on loopback ports, the daemon against them, and both clocks.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use jiff::Timestamp;
use milestoned_mocks::{Options, Simulators};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connections;
use crate::app::App;
use crate::clock::SetClock;
use crate::settings::Settings;
use crate::web;

/// Bearer token of who tells facts in the demo; it opens nothing but simulators on this machine.
pub(super) const TOKEN: &str = "demo-token-opens-nothing-else";
/// Bearer token of who decides in the demo.
pub(super) const DECIDES: &str = "demo-token-of-the-controller";

/// How far the demo has come. It is written before each step, so that a killed demo goes on where it was.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Progress {
    pub(super) seed: u64,
    /// Where the clock stands.
    pub(super) now: Timestamp,
    /// Acts that are done.
    pub(super) acts: usize,
    /// Port of the daemon: links name it.
    pub(super) port: u16,
    pub(super) finished: bool,
}

impl Progress {
    fn file(dir: &Path) -> PathBuf {
        dir.join("demo.json")
    }

    pub(super) fn load(dir: &Path) -> anyhow::Result<Option<Self>> {
        match std::fs::read_to_string(Self::file(dir)) {
            Ok(text) => {
                Ok(Some(serde_json::from_str(&text).context("demo.json cannot be read: choose another folder")?))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).context("demo.json"),
        }
    }

    pub(super) fn save(&self, dir: &Path) -> anyhow::Result<()> {
        let new = dir.join("demo.json.new");
        std::fs::write(&new, serde_json::to_string_pretty(self)?)?;
        // A rename is whole or not at all.
        Ok(std::fs::rename(new, Self::file(dir))?)
    }
}

/// Everything that runs.
pub(super) struct World {
    pub(super) dir: PathBuf,
    pub(super) simulators: Simulators,
    pub(super) app: Arc<App>,
    pub(super) clock: Arc<SetClock>,
    pub(super) url: String,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl World {
    /// Starts simulators and daemon in `dir`, where they stopped.
    pub(super) async fn start(dir: PathBuf, progress: &mut Progress) -> anyhow::Result<Self> {
        std::fs::create_dir_all(dir.join("contracts"))?;
        let options = Options { dir: Some(dir.join("simulators")), first_port: None, now: progress.now };
        let simulators = Simulators::start(options).await.context("the simulators cannot be started")?;
        let listener = TcpListener::bind(("127.0.0.1", progress.port)).await.with_context(|| {
            format!("port {} of the demo is taken: is another demo running on this folder?", progress.port)
        })?;
        progress.port = listener.local_addr()?.port();
        progress.save(&dir)?;
        let url = format!("http://127.0.0.1:{}", progress.port);
        let text = configuration(&dir, &simulators, &url);
        std::fs::write(dir.join("milestoned.toml"), &text)?;
        let clock = Arc::new(SetClock::at(progress.now));
        let app = App::build(Settings::from_toml(&text)?, clock.clone()).await?;
        app.recover().await?;
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let server = web::serve(Arc::clone(&app.env), listener, stop.clone());
        tasks.spawn(async move {
            if let Err(error) = server.await {
                tracing::error!(%error, "the HTTP server failed");
            }
        });
        let world = Self { dir, simulators, app, clock, url, stop, tasks };
        world.hooks()?;
        Ok(world)
    }

    fn hooks(&self) -> anyhow::Result<()> {
        let jira = format!("{}/hooks/jira", self.url);
        self.simulators.jira.register_webhook(
            &jira,
            connections::WEBHOOK_SECRET,
            &["jira:issue_created", "jira:issue_updated", "jira:issue_deleted"],
        )?;
        Ok(self.simulators.quickbooks.register_webhook(&format!("{}/hooks/quickbooks", self.url), "vtok")?)
    }

    /// Moves both clocks.
    pub(super) fn set_clock(&self, now: Timestamp) {
        self.simulators.clock.set(now);
        self.clock.set(now);
    }

    /// Delivers webhooks, reads every source, and turns until nothing moves.
    pub(super) async fn settle(&self) -> anyhow::Result<()> {
        self.simulators.jira.deliver_webhooks().await?;
        self.simulators.quickbooks.deliver_webhooks().await?;
        self.app.env.store.poll_now().await?;
        Ok(self.app.settle().await?)
    }

    /// Stops the server; requests under way are finished.
    pub(super) async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.simulators.stop().await;
    }
}

/// The daemon's configuration against the simulators. Its secrets open nothing else.
fn configuration(dir: &Path, simulators: &Simulators, url: &str) -> String {
    format!(
        r#"
[store]
path = '{database}'
[http]
listen = "127.0.0.1:0"
public_url = "{url}"
[[http.tokens]]
name = "demo"
rights = ["view", "file_terms", "tell_facts", "approve", "overrule", "release", "operate", "audit"]
token = "{TOKEN}"
[[http.tokens]]
name = "controller"
rights = ["view", "approve", "overrule", "release"]
token = "{DECIDES}"
[agreements]
folder = '{contracts}'
folder_owner = "deal-desk@vendor.example"
[mail]
relay = "smtp://{smtp}"
from = "milestoned <milestoned@vendor.example>"
finance = ["finance@vendor.example"]
schedule = "0 7 1 * *"
timezone = "America/New_York"
[mail.owners]
NOT_CLOSED_WON = "sales-ops@vendor.example"
{connections}"#,
        database = dir.join("milestoned.db").display(),
        contracts = dir.join("contracts").display(),
        smtp = simulators.smtp_address,
        connections = connections::all(simulators),
    )
}
