//! What a database can lack: room on its disk, its lock, its server. Meanwhile the daemon refuses webhooks and says that
//! it is not ready; afterwards it goes on by itself, and what it had acknowledged is there.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use milestoned_tests::postgres::Cluster;
use serde::Serialize;

use crate::daemon::{Daemon, Program, client};
use crate::kills::delivery_of;
use crate::replicas::send_webhook;
use crate::script::Taken;
use crate::view::complaints;
use crate::world::{Database, World, pause};

/// What a shortage has shown.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// Webhooks acknowledged before, during and after the shortage: all in the database.
    pub acknowledged: usize,
    /// Webhooks that were refused during it.
    pub refused: usize,
    /// What `/readyz` said during it.
    pub said: String,
    /// Milliseconds from its end until the daemon was ready again.
    pub ready_after: u64,
    /// What was wrong; empty: nothing.
    pub violations: Vec<String>,
}

/// Who takes the room away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Room {
    /// A limit of the process on the size of any file: nobody need be root.
    Quota,
    /// A small file system of its own, which only root can mount.
    Mount,
}

/// Bytes that the daemon may have at first: enough to start, and for some dozens of webhooks.
const BYTES: u64 = 2_000_000;

/// A place for the database that can be filled, and widened.
struct Cramped {
    room: Room,
    folder: PathBuf,
}

impl Cramped {
    fn new(room: Room, folder: PathBuf) -> anyhow::Result<Self> {
        std::fs::create_dir(&folder)?;
        let cramped = Self { room, folder };
        if room == Room::Mount {
            cramped.mount(&format!("size={BYTES}"))?;
        }
        Ok(cramped)
    }

    fn mount(&self, options: &str) -> anyhow::Result<()> {
        let status = Command::new("mount").args(["-t", "tmpfs", "-o", options, "none"]).arg(&self.folder).status()?;
        anyhow::ensure!(status.success(), "only root can mount: take the quota");
        Ok(())
    }

    /// The daemon's command with the limit. What exceeds the limit is an error to it, not its end.
    fn command(&self, inner: Command) -> Command {
        if self.room == Room::Mount {
            return inner;
        }
        let mut command = Command::new("sh");
        command.args(["-c", r#"trap "" XFSZ; exec prlimit --fsize="$0": "$@""#, &BYTES.to_string()]);
        command.arg(inner.get_program()).args(inner.get_args());
        for (name, value) in inner.get_envs() {
            command.env(name, value.unwrap_or_default());
        }
        command
    }

    /// Makes room.
    fn widen(&self, daemon: &Daemon) -> anyhow::Result<()> {
        if self.room == Room::Mount {
            return self.mount("remount,size=256m");
        }
        let pid = daemon.id().to_string();
        let status = Command::new("prlimit").args(["--pid", &pid, "--fsize=unlimited:"]).status()?;
        anyhow::ensure!(status.success(), "prlimit failed");
        Ok(())
    }
}

impl Drop for Cramped {
    fn drop(&mut self) {
        if self.room == Room::Mount {
            let _ = Command::new("umount").arg("--lazy").arg(&self.folder).status();
        }
    }
}

/// The disk is full, and later it is not.
///
/// # Errors
/// The harness failed.
pub async fn disk_full(program: &Program, room: Room) -> anyhow::Result<Report> {
    let mut world = World::start(None).await?;
    let cramped = Cramped::new(room, world.folder.path().join("cramped"))?;
    world.move_database(&cramped.folder)?;
    let mut daemon =
        Daemon::spawn(cramped.command(program.command(&world)), world.url(), &world.folder.path().join("log"))?;
    anyhow::ensure!(daemon.accepting(Duration::from_secs(20)).await.is_some(), "the daemon does not start");
    let mut shortage = Shortage::new(&world);
    shortage.until_refused(5_000).await?;
    shortage.during(&mut daemon).await?;
    cramped.widen(&daemon)?;
    shortage.after(&mut daemon).await?;
    daemon.kill()?;
    shortage.finish(&world, program).await
}

/// Another process holds the database's lock for so long.
///
/// # Errors
/// The harness failed.
pub async fn locked(program: &Program, time: Duration) -> anyhow::Result<Report> {
    let world = World::start(None).await?;
    let Database::File(path) = &world.database else { anyhow::bail!("a file") };
    let mut daemon = Daemon::start(&world, program, None)?;
    anyhow::ensure!(daemon.accepting(Duration::from_secs(20)).await.is_some(), "the daemon does not start");
    let mut shortage = Shortage::new(&world);
    shortage.some(20).await;
    let other = rusqlite::Connection::open(path)?;
    other.busy_timeout(Duration::from_secs(10))?;
    other.execute_batch("BEGIN IMMEDIATE")?;
    let (since, mut waited) = (Instant::now(), 0_usize);
    while since.elapsed() < time {
        let left = time.saturating_sub(since.elapsed());
        let asked = shortage.one();
        match tokio::time::timeout(left, asked).await {
            Ok(Some(_)) => shortage.violations.push("a webhook was acknowledged while another held the lock".into()),
            Ok(None) => shortage.refused = shortage.refused.saturating_add(1),
            // It waits for the lock: who asked has not been told anything.
            Err(_) => waited = waited.saturating_add(1),
        }
        if !daemon.is_alive() {
            shortage.violations.push("the daemon has died".into());
        }
    }
    if time > Duration::from_secs(25) {
        shortage.during(&mut daemon).await?;
    }
    other.execute_batch("ROLLBACK")?;
    drop(other);
    shortage.after(&mut daemon).await?;
    daemon.kill()?;
    shortage.finish(&world, program).await
}

/// The PostgreSQL server is stopped, and later started again.
///
/// # Errors
/// The harness failed.
pub async fn server_gone(program: &Program, cluster: &Cluster, time: Duration) -> anyhow::Result<Report> {
    let world = World::start(Some(cluster)).await?;
    let mut daemon = Daemon::start(&world, program, None)?;
    anyhow::ensure!(daemon.accepting(Duration::from_secs(20)).await.is_some(), "the daemon does not start");
    let mut shortage = Shortage::new(&world);
    shortage.some(20).await;
    cluster.stop()?;
    shortage.until_refused(5).await?;
    shortage.during(&mut daemon).await?;
    pause(time).await;
    cluster.go_on()?;
    shortage.after(&mut daemon).await?;
    daemon.kill()?;
    shortage.finish(&world, program).await
}

struct Shortage {
    url: String,
    count: usize,
    taken: Vec<Taken>,
    refused: usize,
    said: String,
    ready_after: u64,
    violations: Vec<String>,
}

impl Shortage {
    fn new(world: &World) -> Self {
        Self {
            url: world.url(),
            count: 0,
            taken: Vec::new(),
            refused: 0,
            said: String::new(),
            ready_after: 0,
            violations: Vec::new(),
        }
    }

    /// Sends another webhook; `None`: it was refused.
    async fn one(&mut self) -> Option<()> {
        self.count = self.count.saturating_add(1);
        let (count, issue) = (self.count, r#""issue":{"id":"1"}"#);
        let body = format!(r#"{{"webhookEvent":"jira:issue_updated",{issue},"matchedWebhookIds":[{count}]}}"#);
        let name = delivery_of(&body);
        if !send_webhook(&self.url, body).await {
            return None;
        }
        self.taken.push(Taken::Webhook("jira".into(), name));
        Some(())
    }

    async fn some(&mut self, count: usize) {
        for _ in 0..count {
            if self.one().await.is_none() {
                self.violations.push("a webhook was refused without need".into());
            }
        }
    }

    async fn until_refused(&mut self, most: usize) -> anyhow::Result<()> {
        for _ in 0..most {
            if self.one().await.is_none() {
                self.refused = self.refused.saturating_add(1);
                return Ok(());
            }
        }
        anyhow::bail!("{most} webhooks were taken, and there should be no room for them")
    }

    /// Nothing is taken, the daemon lives and says that it is not ready, and why.
    async fn during(&mut self, daemon: &mut Daemon) -> anyhow::Result<()> {
        for _ in 0..5 {
            match self.one().await {
                // What is small may still find a place.
                Some(()) => {}
                None => self.refused = self.refused.saturating_add(1),
            }
        }
        let (status, said) = self.readiness().await.context("no answer from /readyz")?;
        if status != 503 || !said.contains("not ready") {
            self.violations.push(format!("/readyz says {status} {said}"));
        }
        self.said = said;
        if !daemon.is_alive() {
            self.violations.push("the daemon has died".into());
        }
        Ok(())
    }

    /// It goes on by itself, and takes webhooks.
    async fn after(&mut self, daemon: &mut Daemon) -> anyhow::Result<()> {
        let since = Instant::now();
        while self.readiness().await.is_none_or(|(status, _)| status != 200) {
            anyhow::ensure!(since.elapsed() < Duration::from_secs(40), "never ready again");
            anyhow::ensure!(daemon.is_alive(), "the daemon has died");
            pause(Duration::from_millis(20)).await;
        }
        self.ready_after = u64::try_from(since.elapsed().as_millis())?;
        self.some(20).await;
        Ok(())
    }

    async fn readiness(&self) -> Option<(u16, String)> {
        let asked = client().ok()?.get(format!("{}/readyz", self.url)).timeout(Duration::from_secs(15)).send();
        let answer = asked.await.ok()?;
        Some((answer.status().as_u16(), answer.text().await.ok()?))
    }

    async fn finish(self, world: &World, program: &Program) -> anyhow::Result<Report> {
        let mut violations = self.violations;
        violations.extend(crate::taken::missing(&world.database, &self.taken).await?);
        violations.extend(complaints(world, program)?);
        violations.extend(sound(&world.database)?);
        let (said, ready_after) = (self.said, self.ready_after);
        Ok(Report { acknowledged: self.taken.len(), refused: self.refused, said, ready_after, violations })
    }
}

/// What SQLite itself complains about.
fn sound(database: &Database) -> anyhow::Result<Option<String>> {
    let Database::File(path) = database else { return Ok(None) };
    let found = integrity(path)?;
    Ok((found != "ok").then_some(found))
}

fn integrity(path: &Path) -> anyhow::Result<String> {
    Ok(rusqlite::Connection::open(path)?.query_row("PRAGMA integrity_check", [], |row| row.get(0))?)
}
