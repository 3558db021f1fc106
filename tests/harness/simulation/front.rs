//! The daemon's front door: its own router, called in the process. Programs of people send requests there, and the vendors'
//! webhooks, which come late, twice, in another order, or forged.

use std::sync::OnceLock;

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, Response, StatusCode};
use milestoned::web;
use milestoned_mocks::Letter;
use rand::RngExt as _;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use serde_json::Value;
use tokio::runtime::Runtime;
use tower::ServiceExt as _;

use super::wire::{Driven, drive};
use super::world::World;

/// Token of a person who may do everything.
pub(super) const TOKEN: &str = "token-of-the-controller";
/// Most bytes of an answer.
const LONGEST: usize = 1 << 20;
/// Longest life of a webhook that still says something, less some time on the way.
const FRESH_HOURS: i64 = 23;

/// A webhook that the daemon was brought.
#[derive(Debug, Clone)]
pub(super) struct Brought {
    /// What a look at the record asks for.
    pub(super) asks: String,
    /// Requests that had been sent before it was brought for the first time: it may be stored, and followed, before an
    /// acknowledgement gets through.
    pub(super) after: u64,
    /// It was acknowledged: it must be followed.
    pub(super) acknowledged: bool,
}

/// The router's time-outs ask for a runtime; its time never passes.
fn runtime() -> anyhow::Result<&'static Runtime> {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime);
    }
    let new = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    Ok(RUNTIME.get_or_init(|| new))
}

impl World {
    fn router(&mut self) -> anyhow::Result<Router> {
        if let Some(front) = &self.front {
            return Ok(front.clone());
        }
        let front = web::router(std::sync::Arc::clone(&self.app.env))?;
        Ok(self.front.insert(front).clone())
    }

    /// What a request is answered; `None`: the daemon died over it.
    fn send(&mut self, mut request: Request<Body>, patience: Option<u64>) -> anyhow::Result<Option<Response<Body>>> {
        // Who connects names the host.
        request.headers_mut().insert("host", http::HeaderValue::from_static("milestoned.example"));
        let _within = runtime()?.enter();
        let router = self.router()?;
        match drive(router.oneshot(request), patience, &mut self.steps) {
            Driven::Done(Ok(response)) => Ok(Some(response)),
            Driven::Done(Err(never)) => match never {},
            Driven::Restless => anyhow::bail!("9: the daemon does not answer"),
            Driven::Dead => {
                self.dies(patience.unwrap_or_default())?;
                Ok(None)
            }
        }
    }

    /// A program of the controller sends a request, and is answered so.
    pub(super) fn say(&mut self, path: &str, body: &Value) -> anyhow::Result<StatusCode> {
        Ok(self.say_as(TOKEN, Method::POST, path, body)?.0)
    }

    /// Whoever has this token sends a request, and is answered so.
    pub(super) fn say_as(
        &mut self,
        token: &str,
        method: Method,
        path: &str,
        body: &Value,
    ) -> anyhow::Result<(StatusCode, Value)> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json")
            .body(Body::from(body.to_string()))?;
        let response = self.send(request, None)?.ok_or_else(|| anyhow::anyhow!("9: the daemon died over {path}"))?;
        let status = response.status();
        anyhow::ensure!(!status.is_server_error(), "9: {path} is answered {status}");
        let Driven::Done(text) = drive(axum::body::to_bytes(response.into_body(), LONGEST), None, &mut self.steps)
        else {
            anyhow::bail!("9: the daemon does not end its answer to {path}")
        };
        Ok((status, serde_json::from_slice(&text?).unwrap_or_default()))
    }
}

/// Vendors that send webhooks are told where to.
pub(super) fn register(world: &World) -> anyhow::Result<()> {
    let events = ["jira:issue_created", "jira:issue_updated", "jira:issue_deleted"];
    world.simulators.jira.register_webhook("https://milestoned.example/hooks/jira", "webhook-secret", &events)?;
    if world.erp == "quickbooks" {
        world.simulators.quickbooks.register_webhook("https://milestoned.example/hooks/quickbooks", "vtok")?;
    }
    Ok(())
}

/// Webhooks that are due are brought: in any order, some twice, some not at all, some forged.
pub(super) fn bring(world: &mut World, dice: &mut StdRng) -> anyhow::Result<()> {
    let mut letters: Vec<(&str, Letter)> =
        world.simulators.jira.letters().into_iter().map(|letter| ("jira", letter)).collect();
    letters.extend(world.simulators.quickbooks.letters()?.into_iter().map(|letter| ("quickbooks", letter)));
    letters.shuffle(dice);
    for (system, letter) in letters {
        let mut status = 0;
        if world.calm || !dice.random_bool(0.1) {
            for _ in 0..if dice.random_bool(0.2) { 2 } else { 1 } {
                if dice.random_bool(0.1) {
                    forged(world, &letter)?;
                }
                let patience = (!world.calm && dice.random_bool(0.1)).then(|| dice.random_range(1..6));
                status = one(world, &letter, patience)?;
            }
        }
        match system {
            "jira" => world.simulators.jira.answered(&letter, status)?,
            _ => world.simulators.quickbooks.answered(&letter, status)?,
        }
    }
    Ok(())
}

/// A webhook of an issue that is not there, and one that nobody has signed.
fn forged(world: &mut World, letter: &Letter) -> anyhow::Result<()> {
    let mut letter = letter.clone();
    letter.body = letter.body.replacen('{', "{ ", 1);
    world.act("webhook forged", &letter.url);
    let status = carried(world, &letter, None)?;
    anyhow::ensure!(status == 401, "7: a webhook that the vendor has not signed is answered {status}");
    Ok(())
}

/// One letter is brought once.
fn one(world: &mut World, letter: &Letter, patience: Option<u64>) -> anyhow::Result<u16> {
    let (before, now) = (world.requests(), world.now());
    world.act("webhook", &letter.url);
    let status = carried(world, letter, patience)?;
    anyhow::ensure!(matches!(status, 0 | 200), "7: a webhook of the vendor is answered {status}");
    let body: Value = serde_json::from_str(&letter.body).unwrap_or_default();
    let told = body["timestamp"].as_i64().and_then(|at| jiff::Timestamp::from_millisecond(at).ok());
    let fresh = told.is_some_and(|at| now.duration_since(at).as_hours() < FRESH_HOURS);
    let name = letter.headers.iter().find(|(name, _)| name == "x-atlassian-webhook-identifier");
    if let (true, Some((_, name)), Some(issue)) = (fresh, name, body["issue"]["id"].as_str()) {
        let new = Brought { asks: format!("/issue/{issue}?"), after: before, acknowledged: false };
        world.brought.entry(name.clone()).or_insert(new).acknowledged |= status == 200;
    }
    Ok(status)
}

fn carried(world: &mut World, letter: &Letter, patience: Option<u64>) -> anyhow::Result<u16> {
    let path = letter.url.trim_start_matches("https://milestoned.example");
    let mut request = Request::post(path);
    for (name, value) in &letter.headers {
        request = request.header(name, value);
    }
    let response = world.send(request.body(Body::from(letter.body.clone()))?, patience)?;
    Ok(response.map_or(0, |response| response.status().as_u16()))
}
