//! The daemon as a process: started, asked, killed.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use milestoned_tests::ADMIN;
use serde_json::Value;

use crate::world::{World, pause};

/// With this in its environment the harness is the daemon.
pub const AS_DAEMON: &str = "MILESTONED_KILL_DAEMON";

/// Which program is the daemon.
#[derive(Debug, Clone)]
pub struct Program(PathBuf);

impl Program {
    /// A file; one that was built without failpoints follows no clock but the machine's.
    pub fn at(path: PathBuf) -> Self {
        Self(path)
    }

    /// A command of the program on a world's configuration.
    pub fn command(&self, world: &World) -> Command {
        self.command_on(world, &world.config())
    }

    /// A command of the program on another configuration of a world.
    pub fn command_on(&self, world: &World, config: &Path) -> Command {
        self.command_by(config, &world.clock_file())
    }

    /// A command of the program on a configuration, by a clock file.
    pub fn command_by(&self, config: &Path, clock: &Path) -> Command {
        let mut command = Command::new(&self.0);
        command.env(AS_DAEMON, "1").env("MILESTONED_CLOCK", clock).stdin(Stdio::null());
        command.arg("--config").arg(config);
        command
    }

    /// Runs a command to its end. Gives its exit code and what it printed.
    ///
    /// # Errors
    /// It cannot be run.
    pub fn ask(&self, world: &World, arguments: &[&str]) -> anyhow::Result<(Option<i32>, String)> {
        let output = self.command(world).args(arguments).output()?;
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        Ok((output.status.code(), format!("{out}{err}")))
    }
}

/// A daemon that runs, or has died.
pub struct Daemon {
    child: Child,
    url: String,
    started: Instant,
}

impl Daemon {
    /// Starts `milestoned run`; `die_at` names a failpoint, such as `claimed:3`.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(world: &World, program: &Program, die_at: Option<&str>) -> anyhow::Result<Self> {
        let mut command = program.command(world);
        if let Some(place) = die_at {
            command.env("MILESTONED_DIE_AT", place);
        }
        Self::spawn(command, world.url(), &world.log())
    }

    /// Starts a command that is to be a daemon at an address.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn spawn(mut command: Command, url: String, log: &Path) -> anyhow::Result<Self> {
        let log = OpenOptions::new().create(true).append(true).open(log)?;
        let child = command.arg("run").stdout(Stdio::null()).stderr(log).spawn().context("the daemon cannot start")?;
        Ok(Self { child, url, started: Instant::now() })
    }

    /// Waits until it answers. Gives how long that took from its start; `None`: it has died, or the time is up.
    pub async fn accepting(&mut self, at_most: Duration) -> Option<Duration> {
        let client = client().ok()?;
        while self.started.elapsed() < at_most && self.is_alive() {
            let asked = client.get(format!("{}/healthz", self.url)).timeout(at_most).send().await;
            if asked.is_ok_and(|answer| answer.status().is_success()) {
                return Some(self.started.elapsed());
            }
            pause(Duration::from_millis(1)).await;
        }
        None
    }

    /// Whether the process is there.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL, and what is left is taken away.
    ///
    /// # Errors
    /// The machine refused.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        if self.is_alive() {
            self.child.kill()?;
        }
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

/// A client without memory: a connection to a dead daemon is of no use.
///
/// # Errors
/// The machine refused.
pub fn client() -> anyhow::Result<reqwest::Client> {
    static CLIENT: OnceLock<reqwest::Client> = OnceLock::new();
    if let Some(client) = CLIENT.get() {
        return Ok(client.clone());
    }
    let client = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).timeout(Duration::from_secs(10));
    Ok(CLIENT
        .get_or_init({
            let client = client.build()?;
            move || client
        })
        .clone())
}

/// Calls the API as the admin, once. Gives status and body; `None`: no answer.
pub async fn call(url: &str, method: &str, path: &str, key: &str, body: Option<&Value>) -> Option<(u16, Value)> {
    let method: reqwest::Method = method.parse().ok()?;
    let mut request = client().ok()?.request(method, format!("{url}{path}")).bearer_auth(ADMIN);
    request = request.header("idempotency-key", key);
    if let Some(body) = body {
        request = request.json(body);
    }
    let answer = request.send().await.ok()?;
    let status = answer.status().as_u16();
    let text = answer.text().await.ok()?;
    Some((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
}
