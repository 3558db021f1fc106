//! `run`: the daemon. Loops for intake and decisions, for deliveries, and for reports, each supervised; a graceful stop
//! lets each finish its turn.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use jiff::Timestamp;
use milestoned_mapping::problem::Problem;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use crate::app::App;
use crate::clock::SystemClock;
use crate::failpoint;
use crate::fleet::RENEW;
use crate::printable;
use crate::registry::Entry;
use crate::settings::{Examined, Log, LogFormat, Secrets, Settings, SettingsError};
use crate::store::StoreError;
use crate::supervision::{Ended, Supervisor};
use crate::wake::Waiter;
use crate::web;

/// Longest pause between turns: people's decisions on the command line are noticed within it.
const PAUSE: Duration = Duration::from_secs(1);
/// Loops that deliver to one connection: while one waits for the remote, another claims what has come since.
const DELIVERERS: usize = 2;
/// How often the watchdog is fed; the unit allows 30 s.
const WATCHDOG: Duration = Duration::from_secs(10);
/// Pause after the store failed, so that a full disk does not spin.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(5);
/// How long a turn may take that needs nothing but the store.
const LOCAL_TURN: Duration = Duration::from_mins(5);
/// How long a turn may take that waits for a remote: fifty pages, each at the end of its time-out.
const REMOTE_TURN: Duration = Duration::from_hours(1);
/// How long the other parts may take to finish their turns after one has ended by itself.
const LAST_TURN: Duration = Duration::from_secs(20);
/// Exit code of a daemon of which a part has ended by itself.
pub const PART_ENDED: u8 = 70;

/// `milestoned run`
pub(super) async fn run(config: Option<&Path>) -> anyhow::Result<ExitCode> {
    let Examined { settings, problems, warnings } = Settings::examine(config, Secrets::All);
    let Some(settings) = settings.filter(|_| problems.is_empty()) else { return Err(SettingsError(problems).into()) };
    log(&settings.log)?;
    for Problem { place, reason, remedy } in warnings {
        tracing::warn!(place, reason, remedy, "the configuration should not be so");
    }
    let listen = settings.http.listen;
    let app = App::build(settings, Arc::new(SystemClock)).await?;
    if app.env.store.is_shared() {
        app.fleet.join(format!("{} {:016x}", listen, rand::random::<u64>()));
    }
    app.recover().await?;
    let listener = TcpListener::bind(listen).await.with_context(|| format!("http.listen: {listen} cannot be bound"))?;
    let stop = CancellationToken::new();
    let mut parts = start(&app, &stop, listener);
    tracing::info!(address = %listen, version = env!("CARGO_PKG_VERSION"), "ready");
    // Without systemd there is nobody to notify, and that is fine.
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    let ended = tokio::select! {
        stopped = wait_for_stop() => stopped.map(|()| None)?,
        ended = parts.first_end() => Some(ended),
    };
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
    stop.cancel();
    match ended {
        None => stop_in_order(&app, parts).await,
        Some(ended) => Ok(give_up(&ended, parts).await),
    }
}

/// Lets every part finish its turn.
async fn stop_in_order(app: &App, parts: Supervisor) -> anyhow::Result<ExitCode> {
    tracing::info!("stopping: what is under way is finished");
    let failed = parts.finish().await;
    failed.iter().for_each(|ended| tracing::error!(part = ended.part, reason = ended.reason, "a part has failed"));
    // Something may have been leased after the sending loops had ended: it is sent here.
    for (target, entry) in app.env.registry.iter() {
        app.send_leased(target, entry).await?;
    }
    app.fleet.leave(&app.env.store, app.env.clock.now()).await?;
    app.env.store.close()?;
    Ok(if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(PART_ENDED) })
}

/// A part has ended by itself: nothing says that the others can do without it.
async fn give_up(ended: &Ended, parts: Supervisor) -> ExitCode {
    tracing::error!(
        part = ended.part,
        reason = ended.reason,
        "a part of the daemon has ended; the process ends with it"
    );
    if tokio::time::timeout(LAST_TURN, parts.finish()).await.is_err() {
        tracing::warn!("what was under way is interrupted; deliveries are looked up at the next start");
    }
    ExitCode::from(PART_ENDED)
}

/// Starts the loops and the server; all of them end after `stop`.
fn start(app: &Arc<App>, stop: &CancellationToken, listener: TcpListener) -> Supervisor {
    let mut parts = Supervisor::default();
    let server = web::serve(Arc::clone(&app.env), listener, stop.clone());
    parts.start("http", async move { server.await.context("the HTTP server failed") });
    parts.start("watchdog", watchdog(Arc::clone(app), stop.clone()));
    let turns = |name: &str, at_most| Turns::begin(app, name, at_most, stop);
    parts.start("decisions", decisions(turns("decisions", LOCAL_TURN)));
    parts.start("reports", reports(turns("reports", REMOTE_TURN)));
    if app.env.settings.agreements.documents.is_some() {
        parts.start("documents", documents(turns("documents", REMOTE_TURN)));
    }
    if app.fleet.is_shared() {
        parts.start("presence", presence(turns("presence", LOCAL_TURN)));
    }
    for system in app.env.registry.names() {
        let name = format!("reading {system}");
        parts.start(&name, reading(turns(&name, REMOTE_TURN), system.clone()));
        for number in 1..=DELIVERERS {
            let name = format!("deliveries {system} {number}");
            parts.start(&name, deliveries(turns(&name, REMOTE_TURN), system.clone()));
            let name = format!("sending {system} {number}");
            parts.start(&name, sending(turns(&name, REMOTE_TURN), system.clone()));
        }
    }
    parts
}

/// One loop: what it works on, and where it says that it has made a turn.
struct Turns {
    app: Arc<App>,
    name: String,
    stop: CancellationToken,
}

impl Turns {
    fn begin(app: &Arc<App>, name: &str, at_most: Duration, stop: &CancellationToken) -> Self {
        app.env.loops.begin(name, at_most, Instant::now());
        Self { app: Arc::clone(app), name: name.to_owned(), stop: stop.clone() }
    }

    /// A turn is over. Gives how long the loop pauses: not at all after one that found something to do.
    ///
    /// # Errors
    /// The store's thread has ended: no turn will go well any more.
    fn ended(&self, turn: Result<bool, StoreError>) -> anyhow::Result<Duration> {
        self.app.env.loops.turned(&self.name, turn.is_ok(), Instant::now());
        match turn {
            Ok(true) => Ok(Duration::ZERO),
            Ok(false) => Ok(PAUSE),
            Err(StoreError::Stopped) => Err(StoreError::Stopped.into()),
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(error, part = self.name, "a turn failed; it is tried again");
                Ok(PAUSE_AFTER_FAILURE)
            }
        }
    }

    /// Sleeps until the pause is over, somebody wakes the loop, or the daemon stops.
    async fn sleep(&self, waiter: &mut Waiter, pause: Duration) {
        if pause.is_zero() {
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = waiter.woken() => {}
            () = self.stop.cancelled() => {}
        }
    }

    /// Sleeps until the pause is over, or the daemon stops.
    async fn sleep_for(&self, pause: Duration) {
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = self.stop.cancelled() => {}
        }
    }
}

/// Reads one connection: one that is slow or down holds up nobody else. What webhooks named is read at once, polls are
/// looked after once a second.
async fn reading(turns: Turns, system: String) -> anyhow::Result<()> {
    let app = &turns.app;
    let (entry, wake_up) =
        app.env.registry.get(&system).zip(app.env.wake_ups.reading(&system)).context("no such connection")?;
    let mut waiter = wake_up.waiter();
    let mut look_at = Instant::now();
    while !turns.stop.is_cancelled() {
        let looks = Instant::now() >= look_at;
        let pause = turns.ended(read(app, &system, entry, looks).await)?;
        if looks {
            look_at = Instant::now().checked_add(PAUSE.max(pause)).unwrap_or(look_at);
        }
        turns.sleep(&mut waiter, pause).await;
    }
    Ok(())
}

/// What webhooks named, and, where it is time for a look, what is due.
async fn read(app: &App, system: &str, entry: &Entry, looks: bool) -> Result<bool, StoreError> {
    let followed = app.read_hinted(system, entry).await?;
    Ok(looks && app.poll(system, entry).await? || followed)
}

/// Contract folder, what came in, decisions.
async fn decisions(turns: Turns) -> anyhow::Result<()> {
    let app = &turns.app;
    let mut waiter = app.env.wake_ups.decisions().waiter();
    let mut scan_at = Timestamp::MIN;
    while !turns.stop.is_cancelled() {
        let now = app.env.clock.now();
        let next = now.saturating_add(app.env.settings.agreements.scan_every).unwrap_or(now);
        // A clock that was ahead and was put right does not put the scan off.
        let scan = now >= scan_at || scan_at > next;
        if scan {
            scan_at = next;
        }
        let pause = turns.ended(decide(app, scan).await)?;
        turns.sleep(&mut waiter, pause).await;
    }
    Ok(())
}

async fn decide(app: &App, scan: bool) -> Result<bool, StoreError> {
    failpoint::pass("deciding");
    let mut moved = scan && app.scan().await?;
    moved |= app.read_records().await?;
    Ok(app.decide().await? || moved)
}

/// Folder of signed documents: reading many of them holds up no decision.
async fn documents(turns: Turns) -> anyhow::Result<()> {
    let app = &turns.app;
    let every = Duration::try_from(app.env.settings.agreements.scan_every).unwrap_or(PAUSE);
    while !turns.stop.is_cancelled() {
        let pause = turns.ended(app.scan_documents().await)?;
        turns.sleep_for(if pause.is_zero() { pause } else { pause.max(every) }).await;
    }
    Ok(())
}

/// Tells the other daemons that this one is there.
async fn presence(turns: Turns) -> anyhow::Result<()> {
    let app = &turns.app;
    while !turns.stop.is_cancelled() {
        let renewed = app.fleet.renew(&app.env.store, app.env.clock.now()).await;
        turns.ended(renewed.map(|()| false))?;
        turns.sleep_for(RENEW).await;
    }
    Ok(())
}

/// Feeds systemd's watchdog for as long as every loop makes its turns. A database that is away is no reason to end: the
/// loops go on by themselves.
async fn watchdog(app: Arc<App>, stop: CancellationToken) -> anyhow::Result<()> {
    while !stop.is_cancelled() {
        let stalled = app.env.loops.stalled(Instant::now());
        if stalled.is_empty() {
            let _ = sd_notify::notify(&[sd_notify::NotifyState::Watchdog]);
        }
        for health in stalled {
            tracing::error!(part = health.name, seconds = health.age.as_secs(), "a loop makes no turn");
        }
        tokio::select! {
            () = tokio::time::sleep(WATCHDOG) => {}
            () = stop.cancelled() => {}
        }
    }
    Ok(())
}

/// Claims and delivers what is due.
async fn deliveries(turns: Turns, target: String) -> anyhow::Result<()> {
    let app = &turns.app;
    let (entry, wake_up) =
        app.env.registry.get(&target).zip(app.env.wake_ups.deliveries(&target)).context("no such connection")?;
    let mut waiter = wake_up.waiter();
    while !turns.stop.is_cancelled() {
        let pause = turns.ended(app.deliver_to(&target, entry).await)?;
        turns.sleep(&mut waiter, pause).await;
    }
    Ok(())
}

/// Sends what is claimed already. What cannot be settled is looked up after its lease.
async fn sending(turns: Turns, target: String) -> anyhow::Result<()> {
    let app = &turns.app;
    let (entry, wake_up) =
        app.env.registry.get(&target).zip(app.env.wake_ups.leased(&target)).context("no such connection")?;
    let mut waiter = wake_up.waiter();
    while !turns.stop.is_cancelled() {
        let pause = turns.ended(app.send_leased(&target, entry).await)?;
        turns.sleep(&mut waiter, pause).await;
    }
    Ok(())
}

/// Writes and sends mail.
async fn reports(turns: Turns) -> anyhow::Result<()> {
    while !turns.stop.is_cancelled() {
        turns.ended(turns.app.report().await)?;
        turns.sleep_for(PAUSE_AFTER_FAILURE).await;
    }
    Ok(())
}

/// SIGTERM of systemd, or Ctrl-C. SIGHUP, by which log rotation and others ask a daemon to read its configuration again, ends
/// nothing: unheard it would kill the process in the middle of its work.
pub async fn wait_for_stop() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut reload = signal(SignalKind::hangup())?;
    loop {
        tokio::select! {
            _ = terminate.recv() => return Ok(()),
            interrupted = tokio::signal::ctrl_c() => return interrupted.map_err(Into::into),
            _ = reload.recv() => tracing::warn!("SIGHUP: the configuration is read at the start alone; restart to apply it"),
        }
    }
}

fn log(settings: &Log) -> anyhow::Result<()> {
    std::panic::set_hook(Box::new(|panic| tracing::error!(%panic, "a part of the daemon panicked")));
    let filter = EnvFilter::try_new(&settings.filter).context("log.filter")?;
    let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(printable::Log);
    match settings.format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().try_init(),
    }
    .map_err(|error| anyhow::anyhow!("the log cannot be started: {error}"))
}
