//! `review …`, `pause`, `resume`: what a person decides, taken from the command line to the running daemon. Whose token is sent
//! decides; nothing is written beside the daemon.

use std::path::Path;
use std::process::ExitCode;

use jiff::civil::Date;
use milestoned_mapping::address;
use milestoned_mapping::money::grouped;
use milestoned_mapping::problem::Problem;
use reqwest::{Method, StatusCode};
use rust_decimal::Decimal;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::table::{complain, say};
use super::{BAD_INPUT, Caller, FOUND, ReviewCommand};
use crate::review::acts::Verb;
use crate::review::subject::Subject;
use crate::settings::{Secrets, Settings};

/// `milestoned review …`
pub(super) async fn review(config: Option<&Path>, command: ReviewCommand, json: bool) -> anyhow::Result<ExitCode> {
    told(decided(config, command).await?, json)
}

/// One act on one thing, as `pause` and `resume` ask for it.
pub(super) async fn act(
    config: Option<&Path>,
    (subject, verb): (Subject, Verb),
    reason: &str,
    caller: &Caller,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let daemon = Daemon::of(config, caller)?;
    told(daemon.act(&subject.to_string(), verb, json!({ "reason": reason })).await?, json)
}

/// Asks the daemon for something that is no act on what waits.
pub(super) async fn post(
    config: Option<&Path>,
    path: &str,
    body: &Value,
    caller: &Caller,
    json: bool,
) -> anyhow::Result<ExitCode> {
    told(Daemon::of(config, caller)?.post(path, body).await?, json)
}

/// Says which record of an ERP a customer is, as `customer choose` asks for it.
pub(super) async fn choose_customer(
    config: Option<&Path>,
    (erp, name): (&str, &str),
    body: &Value,
    caller: &Caller,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let path = format!("/v1/customers/{}/{}", address::segment(erp), address::segment(name));
    told(Daemon::of(config, caller)?.done_by(Method::PUT, &path, body).await?, json)
}

/// Why something was not taken.
enum NotTaken {
    /// The arguments cannot be understood.
    Input(Problem),
    /// The daemon's answer, and what it said.
    Answer(StatusCode, Value),
}

/// What was done, or why it was not.
type Outcome = Result<Vec<Value>, NotTaken>;

/// A running daemon, and as whom it is asked.
pub(super) struct Daemon {
    client: reqwest::Client,
    base: String,
    token: String,
}

impl Daemon {
    pub(super) fn of(config: Option<&Path>, caller: &Caller) -> anyhow::Result<Self> {
        let configured =
            || Settings::examine(config, Secrets::Database).settings.map(|settings| settings.http.public_url);
        let Some(base) = caller.url.clone().or_else(configured) else {
            anyhow::bail!("the configuration cannot be read: give the daemon's address with --url");
        };
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build()?;
        let token = caller.token.expose_secret().to_owned();
        Ok(Self { client, base: base.trim_end_matches('/').to_owned(), token })
    }

    /// Status and body of an answer.
    pub(super) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<(StatusCode, Value)> {
        let mut request = self.client.request(method, format!("{}{path}", self.base)).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.map_err(|error| self.silent(&error))?;
        let (status, text) = (answer.status(), answer.text().await?);
        Ok((status, as_value(text)))
    }

    /// The bytes of an answer, or what was said instead.
    pub(super) async fn fetch(&self, path: &str) -> anyhow::Result<Result<Vec<u8>, Value>> {
        let request = self.client.get(format!("{}{path}", self.base)).bearer_auth(&self.token);
        let answer = request.send().await.map_err(|error| self.silent(&error))?;
        if answer.status().is_success() {
            return Ok(Ok(answer.bytes().await?.to_vec()));
        }
        Ok(Err(as_value(answer.text().await?)))
    }

    /// Sends bytes, and gives what is said about them, or what was said instead.
    pub(super) async fn send(&self, path: &str, bytes: Vec<u8>) -> anyhow::Result<Result<Value, Value>> {
        let request = self.client.post(format!("{}{path}", self.base)).bearer_auth(&self.token);
        let request = request.header("content-type", "application/json").body(bytes);
        let answer = request.send().await.map_err(|error| self.silent(&error))?;
        let done = answer.status().is_success();
        let value = as_value(answer.text().await?);
        Ok(if done { Ok(value) } else { Err(value) })
    }

    fn silent(&self, error: &reqwest::Error) -> anyhow::Error {
        anyhow::anyhow!("{} does not answer: {error}; start the daemon, or give its address with --url", self.base)
    }

    /// A file, byte by byte; else what was said instead.
    pub(super) async fn file(&self, path: &str) -> anyhow::Result<Result<Vec<u8>, String>> {
        let answer = self.client.get(format!("{}{path}", self.base)).bearer_auth(&self.token).send().await?;
        Ok(if answer.status().is_success() { Ok(answer.bytes().await?.to_vec()) } else { Err(answer.text().await?) })
    }

    /// What a call did, in a list.
    async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Outcome> {
        self.done_by(Method::POST, path, body).await
    }

    async fn done_by(&self, method: Method, path: &str, body: &Value) -> anyhow::Result<Outcome> {
        let (status, answer) = self.ask(method, path, Some(body)).await?;
        Ok(match answer {
            answer if !status.is_success() => Err(NotTaken::Answer(status, answer)),
            Value::Array(done) => Ok(done),
            done => Ok(vec![done]),
        })
    }

    async fn act(&self, subject: &str, verb: Verb, rest: Value) -> anyhow::Result<Outcome> {
        let mut body = json!({ "subject": subject, "act": verb });
        if let (Some(body), Value::Object(rest)) = (body.as_object_mut(), rest) {
            body.extend(rest);
        }
        self.post("/v1/acts", &body).await
    }

    /// What stands there of a milestone, if it is of the amount that the reviewer named. Nothing, where the milestone is not
    /// known: the act says so.
    async fn shown(&self, contract: &str, milestone: &str, amount: &str) -> anyhow::Result<Result<Value, NotTaken>> {
        let (status, view) = self.ask(Method::GET, &address::contract("/v1", contract), None).await?;
        if !status.is_success() {
            return Ok(Err(NotTaken::Answer(status, view)));
        }
        let lines = view["milestones"].as_array().into_iter().flatten();
        let Some(shown) = lines.into_iter().find(|line| line["id"] == milestone).map(|line| line["shown"].clone())
        else {
            return Ok(Ok(Value::Null));
        };
        let Some(stands) = shown["amount"].as_str() else { return Ok(Ok(shown)) };
        let plain: String = amount.chars().filter(|character| *character != ',').collect();
        let same = plain.parse::<Decimal>().is_ok_and(|named| stands.parse() == Ok(named));
        if same {
            return Ok(Ok(shown));
        }
        let stands = grouped(stands);
        Ok(Err(NotTaken::Input(Problem::new(
            "--amount",
            format!("{milestone} is of {stands}, not {amount}"),
            format!("look at it again; approve it as it is now with --amount {stands}"),
        ))))
    }
}

/// An answer's text as JSON; what is none stands as text.
fn as_value(text: String) -> Value {
    serde_json::from_str(&text).unwrap_or(Value::String(text))
}

async fn decided(config: Option<&Path>, command: ReviewCommand) -> anyhow::Result<Outcome> {
    let daemon = |caller: &Caller| Daemon::of(config, caller);
    match command {
        ReviewCommand::Approve { contract, milestone, amount, reason, caller } => {
            let daemon = daemon(&caller)?;
            match daemon.shown(&contract, &milestone, &amount).await? {
                Ok(shown) => {
                    let subject = Subject::Approval { contract, milestone }.to_string();
                    daemon.act(&subject, Verb::Approve, json!({ "reason": reason, "shown": shown })).await
                }
                Err(not_taken) => Ok(Err(not_taken)),
            }
        }
        ReviewCommand::ApproveOrder { what, reason, caller } => {
            daemon(&caller)?.act(&what, Verb::Approve, json!({ "reason": reason })).await
        }
        ReviewCommand::Hold { contract, milestone, reason, caller } => {
            let subject = Subject::Approval { contract, milestone }.to_string();
            daemon(&caller)?.act(&subject, Verb::Hold, json!({ "reason": reason })).await
        }
        ReviewCommand::Overrule { contract, code, milestone, leg, reason, until, caller } => {
            let body = json!({ "code": code, "milestone": milestone, "leg": leg, "reason": reason, "until": until });
            let path = format!("{}/exceptions/overrule", address::contract("/v1", &contract));
            daemon(&caller)?.post(&path, &body).await
        }
        ReviewCommand::Replay { id, caller } => replay(&daemon(&caller)?, id).await,
        ReviewCommand::Close { what, reason, caller } => {
            daemon(&caller)?.act(&what, Verb::Close, json!({ "reason": reason })).await
        }
        ReviewCommand::Release { key, reason, caller } => {
            daemon(&caller)?.act(&delivery(&key), Verb::Release, json!({ "reason": reason })).await
        }
        ReviewCommand::Done { key, remote_id, reason, caller } => {
            let rest = json!({ "reason": reason, "remote_id": remote_id });
            daemon(&caller)?.act(&delivery(&key), Verb::Done, rest).await
        }
        ReviewCommand::GiveUp { key, reason, caller } => {
            daemon(&caller)?.act(&delivery(&key), Verb::GiveUp, json!({ "reason": reason })).await
        }
        ReviewCommand::Assign { what, to, caller } => {
            daemon(&caller)?.act(&what, Verb::Assign, json!({ "to": to })).await
        }
        ReviewCommand::Snooze { what, until, caller } => match date(until) {
            Ok(until) => daemon(&caller)?.act(&what, Verb::Snooze, json!({ "until": until })).await,
            Err(problem) => Ok(Err(NotTaken::Input(problem))),
        },
        ReviewCommand::Note { what, reason, caller } => {
            daemon(&caller)?.act(&what, Verb::Note, json!({ "reason": reason })).await
        }
    }
}

/// Reads one parked record again, or all.
async fn replay(daemon: &Daemon, id: Option<i64>) -> anyhow::Result<Outcome> {
    if let Some(id) = id {
        return daemon.act(&Subject::Record(id).to_string(), Verb::Replay, json!({})).await;
    }
    let (status, queue) = daemon.ask(Method::GET, "/v1/queue?kind=record", None).await?;
    if !status.is_success() {
        return Ok(Err(NotTaken::Answer(status, queue)));
    }
    let mut done = Vec::new();
    for subject in queue.as_array().into_iter().flatten().filter_map(|item| item["subject"].as_str()) {
        match daemon.act(subject, Verb::Replay, json!({})).await? {
            Ok(answer) => done.extend(answer),
            Err(not_taken) => return Ok(Err(not_taken)),
        }
    }
    Ok(Ok(done))
}

/// A delivery by its key, or by the name that the queue has for it.
fn delivery(key: &str) -> String {
    Subject::Delivery(key.strip_prefix("delivery:").unwrap_or(key).to_owned()).to_string()
}

fn date(until: Option<String>) -> Result<Option<Date>, Problem> {
    let parse = |text: String| {
        text.parse()
            .map_err(|error| Problem::new("--until", format!("{text:?} is no date: {error}"), "write it as 2026-03-31"))
    };
    until.map(parse).transpose()
}

/// Tells why the daemon did not take something.
pub(super) fn refused(status: StatusCode, body: &Value) -> ExitCode {
    let found = [StatusCode::CONFLICT, StatusCode::FORBIDDEN, StatusCode::NOT_FOUND].contains(&status);
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    let said = format!("{}; {}", text("detail"), text("remedy"));
    complain(&format!("milestoned: not taken: {}", if said.len() > 2 { said } else { status.to_string() }));
    ExitCode::from(if found { FOUND } else { BAD_INPUT })
}

fn told(outcome: Outcome, json: bool) -> anyhow::Result<ExitCode> {
    let (code, why) = match outcome {
        Ok(done) => {
            let texts: Vec<&str> = done.iter().filter_map(|value| value["text"].as_str()).collect();
            match texts.as_slice() {
                _ if json => say(&serde_json::to_string(&done)?),
                [] => say("nothing waits"),
                texts => texts.iter().for_each(|text| say(text)),
            }
            return Ok(ExitCode::SUCCESS);
        }
        Err(NotTaken::Input(problem)) => (BAD_INPUT, problem.to_string()),
        Err(NotTaken::Answer(status, body)) => {
            return Ok(refused(status, &body));
        }
    };
    complain(&format!("milestoned: not taken: {why}"));
    Ok(ExitCode::from(code))
}
