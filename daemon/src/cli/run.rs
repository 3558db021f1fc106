//! `run`: the daemon. Loops for intake and decisions, for deliveries, and for reports; a graceful stop lets each finish
//! its turn.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing_subscriber::EnvFilter;

use crate::app::App;
use crate::clock::SystemClock;
use crate::fleet::RENEW;
use crate::registry::Entry;
use crate::settings::{Log, LogFormat, Settings};
use crate::store::StoreError;
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

/// `milestoned run`
pub(super) async fn run(settings: Settings) -> anyhow::Result<ExitCode> {
    log(&settings.log)?;
    let listen = settings.http.listen;
    let app = App::build(settings, Arc::new(SystemClock)).await?;
    if app.env.store.is_shared() {
        app.fleet.join(format!("{} {:016x}", listen, rand::random::<u64>()));
    }
    app.recover().await?;
    let listener = TcpListener::bind(listen).await.with_context(|| format!("http.listen: {listen} cannot be bound"))?;
    let stop = CancellationToken::new();
    let tasks = TaskTracker::new();
    start(&app, &tasks, &stop, listener);
    tracing::info!(address = %listen, "ready");
    // Without systemd there is nobody to notify, and that is fine.
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    wait_for_stop().await?;
    tracing::info!("stopping: what is under way is finished");
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
    stop.cancel();
    tasks.close();
    tasks.wait().await;
    // What was claimed last may have come after the loops that send had ended.
    for (target, entry) in app.env.registry.iter() {
        app.send_handed(target, entry).await?;
    }
    app.fleet.leave(&app.env.store, app.env.clock.now()).await?;
    Ok(ExitCode::SUCCESS)
}

/// Starts the loops and the server; all of them end after `stop`.
pub fn start(app: &Arc<App>, tasks: &TaskTracker, stop: &CancellationToken, listener: TcpListener) {
    let server = web::serve(Arc::clone(&app.env), listener, stop.clone());
    tasks.spawn(async move {
        if let Err(error) = server.await {
            tracing::error!(%error, "the HTTP server failed");
        }
    });
    tasks.spawn(decisions(Arc::clone(app), stop.clone()));
    tasks.spawn(reports(Arc::clone(app), stop.clone()));
    if app.fleet.is_shared() {
        tasks.spawn(presence(Arc::clone(app), stop.clone()));
    }
    tasks.spawn(watchdog(Arc::clone(app), stop.clone()));
    for name in app.env.registry.names() {
        tasks.spawn(listening(Arc::clone(app), name.clone(), stop.clone()));
        for _ in 0..DELIVERERS {
            tasks.spawn(deliveries(Arc::clone(app), name.clone(), stop.clone()));
            tasks.spawn(sending(Arc::clone(app), name.clone(), stop.clone()));
        }
    }
}

/// Reads one connection: one that is slow or down holds up nobody else. What webhooks named is read at once, polls are
/// looked after once a second.
async fn listening(app: Arc<App>, system: String, stop: CancellationToken) {
    let (Some(entry), Some(wake_up)) = (app.env.registry.get(&system), app.env.wake_ups.reading(&system)) else {
        return;
    };
    let mut waiter = wake_up.waiter();
    let mut look_at = Instant::now();
    while !stop.is_cancelled() {
        let looks = Instant::now() >= look_at;
        let came = read(&app, &system, entry, looks).await;
        let pause = match came {
            Ok(true) => Duration::ZERO,
            Ok(false) => PAUSE,
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, system, "reading failed; it is tried again");
                PAUSE_AFTER_FAILURE
            }
        };
        if looks {
            look_at = Instant::now().checked_add(PAUSE.max(pause)).unwrap_or(look_at);
        }
        pause_for(&mut waiter, &stop, pause).await;
    }
}

/// What webhooks named, and, where it is time for a look, what is due.
async fn read(app: &App, system: &str, entry: &Entry, looks: bool) -> Result<bool, StoreError> {
    let followed = app.follow_hints(system, entry).await?;
    Ok(looks && app.listen(system, entry).await? || followed)
}

/// Contract folder, what came in, decisions.
async fn decisions(app: Arc<App>, stop: CancellationToken) {
    let mut waiter = app.env.wake_ups.decisions().waiter();
    let mut scan_at = Timestamp::MIN;
    while !stop.is_cancelled() {
        let now = app.env.clock.now();
        let scan = now >= scan_at;
        if scan {
            scan_at = now.saturating_add(app.env.settings.agreements.scan_every).unwrap_or(now);
        }
        let pause = match turn(&app, scan).await {
            Ok(true) => Duration::ZERO,
            Ok(false) => PAUSE,
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "a turn failed; it is tried again");
                PAUSE_AFTER_FAILURE
            }
        };
        pause_for(&mut waiter, &stop, pause).await;
    }
}

async fn turn(app: &App, scan: bool) -> Result<bool, StoreError> {
    let mut moved = scan && app.scan().await?;
    moved |= app.understand().await?;
    Ok(app.decide().await? || moved)
}

/// Tells the other daemons that this one is there.
async fn presence(app: Arc<App>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        if let Err(error) = app.fleet.renew(&app.env.store, app.env.clock.now()).await {
            tracing::error!(error = &error as &dyn std::error::Error, "leases could not be kept; they are tried again");
        }
        tokio::select! {
            () = tokio::time::sleep(RENEW) => {}
            () = stop.cancelled() => {}
        }
    }
}

/// Feeds systemd's watchdog for as long as the store answers.
async fn watchdog(app: Arc<App>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        if app.env.store.streams().await.is_ok() {
            let _ = sd_notify::notify(&[sd_notify::NotifyState::Watchdog]);
        }
        tokio::select! {
            () = tokio::time::sleep(WATCHDOG) => {}
            () = stop.cancelled() => {}
        }
    }
}

async fn deliveries(app: Arc<App>, target: String, stop: CancellationToken) {
    let (Some(entry), Some(wake_up)) = (app.env.registry.get(&target), app.env.wake_ups.deliveries(&target)) else {
        return;
    };
    let mut waiter = wake_up.waiter();
    while !stop.is_cancelled() {
        let pause = match app.deliver_to(&target, entry).await {
            Ok(false) => PAUSE,
            Ok(true) => Duration::ZERO,
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    target,
                    "deliveries failed; they are tried again"
                );
                PAUSE_AFTER_FAILURE
            }
        };
        pause_for(&mut waiter, &stop, pause).await;
    }
}

/// Sends what is claimed already.
async fn sending(app: Arc<App>, target: String, stop: CancellationToken) {
    let (Some(entry), Some(wake_up)) = (app.env.registry.get(&target), app.env.wake_ups.leased(&target)) else {
        return;
    };
    let mut waiter = wake_up.waiter();
    while !stop.is_cancelled() {
        match app.send_handed(&target, entry).await {
            Ok(true) => {}
            Ok(false) => pause_for(&mut waiter, &stop, PAUSE).await,
            Err(error) => {
                // What was claimed is looked up after its lease.
                tracing::error!(error = &error as &dyn std::error::Error, target, "a delivery could not be settled");
            }
        }
    }
}

async fn reports(app: Arc<App>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        if let Err(error) = app.report().await {
            tracing::error!(error = &error as &dyn std::error::Error, "a report failed; it is tried again");
        }
        tokio::select! {
            () = tokio::time::sleep(PAUSE_AFTER_FAILURE) => {}
            () = stop.cancelled() => {}
        }
    }
}

/// Waits until `pause` is over, a wake-up comes, or the daemon stops.
async fn pause_for(waiter: &mut Waiter, stop: &CancellationToken, pause: Duration) {
    if pause.is_zero() {
        return;
    }
    tokio::select! {
        () = tokio::time::sleep(pause) => {}
        () = waiter.woken() => {}
        () = stop.cancelled() => {}
    }
}

/// SIGTERM of systemd, or Ctrl-C.
pub async fn wait_for_stop() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => {}
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    Ok(())
}

fn log(settings: &Log) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&settings.filter).context("log.filter")?;
    let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(std::io::stderr);
    match settings.format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().try_init(),
    }
    .map_err(|error| anyhow::anyhow!("the log cannot be started: {error}"))
}
