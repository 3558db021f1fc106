//! From an accepted issue in Redmine to a posted invoice in Tryton, its payment and its revenue entry: the real daemon
//! between two real servers, killed on the way.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use jiff::ToSpan as _;
use jiff::civil::Date;
use milestoned_tests::ADMIN;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};

use super::redmine::Redmine;
use super::tryton::Tryton;
use crate::daemon::{Daemon, Program, call};
use crate::world::{free_port, machine_time, pause};

/// How long a step may take before it counts as stuck.
const STUCK: Duration = Duration::from_secs(180);
/// The hour of the run's first day at which it begins.
const BEGIN: i8 = 10;

/// Two servers, a daemon's folder, a clock, and how often the daemon has been killed.
pub struct Office<'a> {
    /// The project tool.
    pub redmine: Redmine,
    /// The ERP.
    pub tryton: Tryton,
    /// Kills so far.
    pub kills: u32,
    program: &'a Program,
    folder: tempfile::TempDir,
    port: u16,
    dice: StdRng,
    /// The run's first day: tomorrow, so that no midnight of the machine falls into it.
    today: Date,
}

impl<'a> Office<'a> {
    /// A daemon's folder between two servers; Tryton is reached at `erp`, where that is another address.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn open(program: &'a Program, redmine: Redmine, tryton: Tryton, erp: Option<&str>) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("milestoned-office.").tempdir()?;
        std::fs::create_dir(folder.path().join("contracts"))?;
        let today = machine_time().to_zoned(jiff::tz::TimeZone::UTC).date().tomorrow()?;
        let (port, dice) = (free_port()?, StdRng::seed_from_u64(16));
        let text = format!(
            "store.path = '{folder}/milestoned.db'\nhttp.listen = \"127.0.0.1:{port}\"\n\
             http.tokens = [{{ name = \"ada\", rights = [\"view\", \"overrule\"], token = \"{ADMIN}\" }}]\n\
             agreements = {{ folder = '{folder}/contracts', folder_owner = \"dora\", scan_every = \"200ms\" }}\n\
             delivery = {{ first_delay = \"200ms\", look_after = \"1s\" }}\n{}{}",
            redmine.settings()?,
            tryton.settings(erp.unwrap_or(&tryton.server.url))?,
            folder = folder.path().display(),
        );
        let office = Self { redmine, tryton, kills: 0, program, folder, port, dice, today };
        std::fs::write(office.config(), text)?;
        office.begin(today)?;
        Ok(office)
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("milestoned.toml")
    }

    fn clock(&self) -> PathBuf {
        self.folder.path().join("clock")
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The run's present day.
    pub fn today(&self) -> Date {
        self.today
    }

    /// Begins the next day.
    ///
    /// # Errors
    /// The clock cannot be written.
    pub fn next_day(&mut self) -> anyhow::Result<()> {
        self.today = self.today.tomorrow()?;
        self.begin(self.today)
    }

    /// Begins a later day.
    ///
    /// # Errors
    /// The clock cannot be written.
    pub fn on(&mut self, day: Date) -> anyhow::Result<()> {
        self.today = day;
        self.begin(day)
    }

    /// Lets the daemon's clock show the morning of a day. The daemon may read it at any instant.
    fn begin(&self, day: Date) -> anyhow::Result<()> {
        let begin = day.at(BEGIN, 0, 0, 0).to_zoned(jiff::tz::TimeZone::UTC)?.timestamp();
        let offset = begin.as_millisecond() - machine_time().as_millisecond();
        let fresh = self.folder.path().join("clock.new");
        std::fs::write(&fresh, offset.to_string())?;
        Ok(std::fs::rename(fresh, self.clock())?)
    }

    /// Files a contract of two milestones for these amounts: a file appears in the folder.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn file(&self, id: &str, customer: &str, terms: &str, amounts: [u32; 2]) -> anyhow::Result<()> {
        let money = |amount: u32| format!("{amount}.00");
        let total = money(amounts.iter().sum());
        let contract = json!({
            "id": id, "customer": customer, "currency": "USD", "total": total, "signed_on": self.today.to_string(),
            "timezone": "UTC", "payment_terms": terms, "obligations": [{ "id": "services", "ssp": total, "method": "output" }],
            "milestones": [
                { "id": "M1", "name": "Design", "amount": money(amounts[0]), "approver": "Project sponsor",
                  "evidence": ["Test report"] },
                { "id": "M2", "name": "Build", "amount": money(amounts[1]), "approver": "Project sponsor" },
            ],
            "milestoned": { "erp": "tryton", "policy": { "review": "none", "require_legs": ["psa"] } },
        });
        let hidden = self.folder.path().join(format!("contracts/.{id}.json"));
        std::fs::write(&hidden, contract.to_string())?;
        Ok(std::fs::rename(hidden, self.folder.path().join(format!("contracts/{id}.json")))?)
    }

    /// The customer accepts an issue that the consultant has handed over with its evidence.
    ///
    /// # Errors
    /// Redmine refused.
    pub async fn accept(&self, issue: &str) -> anyhow::Result<()> {
        let report = [("evidence", json!(["Test report"]))];
        self.redmine.change("consultant", issue, "Ready for acceptance", &report).await?;
        let signed = [("acceptance_document", json!("https://docs.example/signed.pdf"))];
        self.redmine.change("dana", issue, "Accepted", &signed).await
    }

    /// Starts the daemon.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn daemon(&self) -> anyhow::Result<Daemon> {
        let command = self.program.command_by(&self.config(), &self.clock());
        Daemon::spawn(command, self.url(), &self.folder.path().join("log"))
    }

    /// Kills the daemon so many times, at any moment of its start or its work.
    ///
    /// # Errors
    /// It cannot be started, or dies by itself.
    pub async fn kill(&mut self, times: u32) -> anyhow::Result<()> {
        for _ in 0..times {
            let mut daemon = self.daemon()?;
            pause(Duration::from_millis(self.dice.random_range(50..1_800))).await;
            anyhow::ensure!(daemon.is_alive(), "the daemon has died by itself: {}", self.log());
            daemon.kill()?;
            self.kills = self.kills.saturating_add(1);
        }
        Ok(())
    }

    /// Waits until the books hold so many lines that contain `words`.
    ///
    /// # Errors
    /// They do not in time; the error says what they hold.
    pub async fn held(&self, words: &str, count: usize) -> anyhow::Result<Vec<String>> {
        let begun = Instant::now();
        loop {
            let books = self.tryton.books()?;
            if books.iter().filter(|line| line.contains(words)).count() >= count {
                return Ok(books);
            }
            anyhow::ensure!(
                begun.elapsed() < STUCK,
                "{count} × {words:?} wanted of {books:#?}\n{:?}\n{}",
                self.ask("/v1/deliveries").await,
                self.log()
            );
            pause(Duration::from_secs(2)).await;
        }
    }

    /// Waits until an answer of the daemon's API says what is wanted.
    ///
    /// # Errors
    /// It does not in time; the error says what it says.
    pub async fn says(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
        let begun = Instant::now();
        loop {
            let said = self.ask(path).await;
            if wanted(&said) {
                return Ok(said);
            }
            anyhow::ensure!(begun.elapsed() < STUCK, "{path} says {said:#}\n{}", self.log());
            pause(Duration::from_millis(200)).await;
        }
    }

    /// Waits until an issue shows the billing status that is wanted.
    ///
    /// # Errors
    /// It does not in time; the error says what it shows.
    pub async fn shown(&self, issue: &str, wanted: impl Fn(&str) -> bool) -> anyhow::Result<()> {
        let begun = Instant::now();
        loop {
            let shown = self.redmine.billing(issue).await?;
            if wanted(&shown) {
                return Ok(());
            }
            anyhow::ensure!(begun.elapsed() < STUCK, "issue {issue} shows {shown:?}");
            pause(Duration::from_millis(500)).await;
        }
    }

    /// What the daemon answers when the close of a month is prepared.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn prepare(&self, month: &str) -> anyhow::Result<Value> {
        self.says("/v1/closes", Value::is_array).await?;
        let answer = call(&self.url(), "PUT", &format!("/v1/closes/{month}"), "", None).await;
        let (status, said) = answer.context("the daemon does not answer")?;
        anyhow::ensure!(status == 200, "{status} {said:#}\n{}", self.log());
        Ok(said)
    }

    async fn ask(&self, path: &str) -> Value {
        call(&self.url(), "GET", path, "", None).await.map(|(_, said)| said).unwrap_or_default()
    }

    /// Lets the daemon look twice at everything once more.
    pub async fn look_again(&self) {
        pause(Duration::from_secs(3)).await;
    }

    /// Runs a command of the program. Gives whether it was content, and what it printed.
    ///
    /// # Errors
    /// It cannot be run.
    pub fn command(&self, arguments: &[&str]) -> anyhow::Result<(bool, String)> {
        let output = self.program.command_by(&self.config(), &self.clock()).args(arguments).output()?;
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        Ok((output.status.success(), format!("{out}{err}")))
    }

    fn log(&self) -> String {
        let text = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines.get(lines.len().saturating_sub(40)..).unwrap_or_default().join("\n")
    }
}

/// Due date of an invoice of a day by `net` days.
///
/// # Errors
/// There is no such date.
pub fn due(day: Date, net: i32) -> anyhow::Result<Date> {
    Ok(day.checked_add(net.days())?)
}
