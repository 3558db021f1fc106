//! What a run takes place in: simulators in this process, a folder, a database, a port, and one clock for all.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU16, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use jiff::{SignedDuration, Timestamp};
use milestoned_mocks::{Options, Simulators};
use milestoned_tests::postgres::Cluster;
use milestoned_tests::{WEBHOOK_SECRET, configuration};

/// When every run begins, by its own clock: the same day for everybody.
const BEGIN: &str = "2026-03-02T15:00:00Z";

/// Which database the daemon uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// A file.
    Sqlite,
    /// A database of a private server.
    Postgres,
}

/// Where the daemon's rows are.
#[derive(Debug, Clone)]
pub enum Database {
    /// A SQLite file.
    File(PathBuf),
    /// Address of a PostgreSQL database.
    Url(String),
}

/// Simulators, folder, database, clock.
pub struct World {
    /// The simulators, over real sockets.
    pub simulators: Simulators,
    /// The daemon's folder.
    pub folder: tempfile::TempDir,
    /// The daemon's rows.
    pub database: Database,
    /// Where the first daemon listens.
    pub port: u16,
    limited: bool,
    /// Milliseconds from the machine's clock to that of the run.
    offset: Arc<AtomicI64>,
}

/// The time of the machine, and of the servers on it.
#[expect(clippy::disallowed_methods, reason = "a run begins at the same instant whenever it is run")]
pub(crate) fn machine_time() -> Timestamp {
    Timestamp::now()
}

fn later(now: Timestamp, ms: i64) -> Timestamp {
    now.saturating_add(SignedDuration::from_millis(ms)).unwrap_or(now)
}

impl World {
    /// Starts simulators, and prepares folder and database; no daemon runs yet.
    ///
    /// # Errors
    /// What could not be started.
    pub async fn start(cluster: Option<&Cluster>) -> anyhow::Result<Self> {
        let world = Self::make(cluster, false).await?;
        // Time runs fast: the limits of a minute would be those of a moment.
        world.simulators.quickbooks.set_limits(1_000_000, 100_000);
        Ok(world)
    }

    /// The same, whose daemon keeps to the vendors' published limits, and whose simulators enforce them.
    ///
    /// # Errors
    /// What could not be started.
    pub async fn limited() -> anyhow::Result<Self> {
        Self::make(None, true).await
    }

    async fn make(cluster: Option<&Cluster>, limited: bool) -> anyhow::Result<Self> {
        let begin: Timestamp = BEGIN.parse()?;
        let offset = Arc::new(AtomicI64::new(begin.as_millisecond() - machine_time().as_millisecond()));
        let simulators = Simulators::start(Options { dir: None, first_port: None, now: begin }).await?;
        let by = Arc::clone(&offset);
        simulators.clock.follow(move || later(machine_time(), by.load(Ordering::SeqCst)));
        let folder = tempfile::Builder::new().prefix("milestoned-kill.").tempdir()?;
        std::fs::create_dir(folder.path().join("contracts"))?;
        let database = match cluster {
            Some(cluster) => Database::Url(cluster.database().await?),
            None => Database::File(folder.path().join("milestoned.db")),
        };
        let world = Self { simulators, folder, database, port: free_port()?, limited, offset };
        world.tell_clock()?;
        std::fs::write(world.config(), world.settings(world.port)?)?;
        let (jira, quickbooks) = (&world.simulators.jira, &world.simulators.quickbooks);
        let events = ["jira:issue_created", "jira:issue_updated", "jira:issue_deleted"];
        jira.register_webhook(&format!("{}/hooks/jira", world.url()), WEBHOOK_SECRET, &events)?;
        quickbooks.register_webhook(&format!("{}/hooks/quickbooks", world.url()), "vtok")?;
        // Every renewal gives another refresh token, and the one before dies soon after: here after more than the day by which
        // the clock may be put forward meanwhile. (Where it dies at once, whoever is killed between the answer and storing
        // it has to be connected anew by a person: no client can help that.)
        quickbooks.set_rotation(0);
        quickbooks.set_refresh_grace(200_000_000);
        Ok(world)
    }

    /// The first daemon's configuration file.
    pub fn config(&self) -> PathBuf {
        self.folder.path().join("milestoned.toml")
    }

    /// The first daemon's address.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The file that tells a daemon how far its clock is off.
    pub fn clock_file(&self) -> PathBuf {
        self.folder.path().join("clock")
    }

    /// What the daemons say.
    pub fn log(&self) -> PathBuf {
        self.folder.path().join("daemon.log")
    }

    /// The configuration of a daemon that listens on `port`: everything is looked at often.
    ///
    /// # Errors
    /// The database has no place.
    pub fn settings(&self, port: u16) -> anyhow::Result<String> {
        let mut text = configuration(self.folder.path(), &self.simulators);
        let line = text.lines().find(|line| line.starts_with("store.path")).context("store.path")?.to_owned();
        let place = match &self.database {
            Database::File(path) => format!("store.path = '{}'", path.display()),
            Database::Url(url) => format!("store.url = '{url}'"),
        };
        text = text.replace(&line, &place);
        for kind in ["salesforce", "jira", "netsuite", "quickbooks"] {
            let line = format!("kind = \"{kind}\"\n");
            let every = if self.limited { "5s" } else { "100ms" };
            text = text.replace(&line, &format!("{line}poll_every = \"{every}\"\n"));
        }
        if self.limited {
            text = text.replace("limits = { windows = [], in_flight = 8 }\n", "");
        }
        // The digest's minutes pass quickly, too.
        text = text.replace("schedule = \"0 7 * * *\"", "schedule = \"* * * * *\"");
        Ok(format!("http.listen = \"127.0.0.1:{port}\"\nagreements.scan_every = \"200ms\"\n{text}"))
    }

    /// Puts the SQLite file into another folder, before a daemon is started.
    ///
    /// # Errors
    /// The configuration cannot be written.
    pub fn move_database(&mut self, folder: &Path) -> anyhow::Result<()> {
        self.database = Database::File(folder.join("milestoned.db"));
        Ok(std::fs::write(self.config(), self.settings(self.port)?)?)
    }

    /// The time of the run.
    pub fn now(&self) -> Timestamp {
        self.simulators.clock.now()
    }

    /// Sets the clock of all by so much, forward or back.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn step_clock(&self, by: SignedDuration) -> anyhow::Result<()> {
        self.offset.fetch_add(i64::try_from(by.as_millis())?, Ordering::SeqCst);
        self.tell_clock()
    }

    /// Sets the clock of all to the hour at which a day of the run begins.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn begin_day(&self, day: u32) -> anyhow::Result<()> {
        let begin: Timestamp = BEGIN.parse()?;
        let at =
            begin.checked_add(SignedDuration::from_hours(24).checked_mul(i32::try_from(day)?).unwrap_or_default())?;
        self.step_clock(self.now().duration_until(at))
    }

    /// Whole at any instant: a daemon may read it now.
    fn tell_clock(&self) -> anyhow::Result<()> {
        let fresh = self.folder.path().join("clock.new");
        std::fs::write(&fresh, self.offset.load(Ordering::SeqCst).to_string())?;
        Ok(std::fs::rename(fresh, self.clock_file())?)
    }
}

/// A port of the loopback address that nobody has, and that nobody is given while a daemon is dead: below those that the
/// system hands out by itself, and another for each world and each process.
///
/// # Errors
/// There is none.
pub fn free_port() -> anyhow::Result<u16> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let of_process = u16::try_from(std::process::id().rem_euclid(430))?;
    for _ in 0..50 {
        let next = NEXT.fetch_add(1, Ordering::SeqCst).rem_euclid(50);
        let port = 11_000_u16.saturating_add(of_process.saturating_mul(50)).saturating_add(next);
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    anyhow::bail!("no port is free")
}

/// Comes back after a while.
pub async fn pause(time: Duration) {
    let _ = tokio::time::timeout(time, std::future::pending::<()>()).await;
}
