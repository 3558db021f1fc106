//! Checkpoints: the signed head of the audit trail, sent to where nobody who can write the database can change it. One that was
//! kept shows later whether lines were taken off, put on, or written anew.

use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use jiff::{SignedDuration, Timestamp};
use lettre::message::{Mailbox, Message};
use milestoned_mapping::command::DeliveryKey;
use milestoned_mapping::problem::Problem;
use milestoned_trail::checkpoint::Checkpoint;
use serde_json::json;

use crate::environment::Environment;
use crate::settings::{Audit, Mail, Settings};
use crate::store::StoreError;
use crate::store::audit::Head;
use crate::store::marks::Mark;

/// Longest wait for whoever takes checkpoints by HTTP.
const WAIT: Duration = Duration::from_secs(10);
/// After how long a place that took none is tried again.
const AGAIN: SignedDuration = SignedDuration::from_mins(1);

/// A place where checkpoints are kept, with its mark in the store.
enum Place<'a> {
    File(&'a Path),
    Mail(&'a Mail, &'a [String]),
    Webhook(&'a url::Url),
}

impl Place<'_> {
    fn mark(&self) -> Mark {
        match self {
            Self::File(_) => Mark::CheckpointFile,
            Self::Mail(..) => Mark::CheckpointMail,
            Self::Webhook(_) => Mark::CheckpointWebhook,
        }
    }
}

fn places(settings: &Settings) -> Vec<Place<'_>> {
    let Audit { checkpoint_file, checkpoint_mail, checkpoint_webhook, .. } = &settings.audit;
    let mail = settings.mail.as_ref().filter(|_| !checkpoint_mail.is_empty());
    [
        checkpoint_file.as_deref().map(Place::File),
        mail.map(|mail| Place::Mail(mail, checkpoint_mail)),
        checkpoint_webhook.as_ref().map(Place::Webhook),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What is wrong with where checkpoints go: place, reason, remedy.
pub fn problems(settings: &Settings) -> Vec<Problem> {
    let Audit { checkpoint_file, checkpoint_mail, checkpoint_webhook, .. } = &settings.audit;
    let mut problems = Vec::new();
    let mut problem = |key: &str, reason: String, remedy: &str| {
        problems.push(Problem::new(format!("audit.{key}"), reason, remedy));
    };
    if let Some(file) = checkpoint_file
        && let Err(error) = opened(file)
    {
        problem("checkpoint_file", format!("{}: {error}", file.display()), "let the daemon append to it");
    }
    if !checkpoint_mail.is_empty() && settings.mail.is_none() {
        problem("checkpoint_mail", "there is no relay".into(), "configure [mail]");
    }
    for address in checkpoint_mail {
        if let Err(error) = address.parse::<Mailbox>() {
            problem("checkpoint_mail", format!("{address:?}: {error}"), "write name@example.com");
        }
    }
    if let Some(url) = checkpoint_webhook {
        let local = matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
        if url.scheme() != "https" && !local {
            problem("checkpoint_webhook", "it leaves this machine without encryption".into(), "write https://…");
        }
    }
    problems
}

/// Sends the head to every place to which none went for as long as is configured. Returns whether a mail was written.
///
/// # Errors
/// The store failed, or the head is not ours: then there is nothing to vouch for.
pub async fn turn(env: &Environment) -> Result<bool, StoreError> {
    let (now, every) = (env.clock.now(), env.settings.audit.checkpoint_every);
    let mut wrote = false;
    for place in places(&env.settings) {
        // A place that was never sent to has no mark: it is due at once.
        let since = env.store.mark(place.mark(), Timestamp::MIN).await?;
        if now.duration_since(since) < every {
            continue;
        }
        let checkpoint = env.store.checkpoint(now).await?;
        let sent = match &place {
            Place::File(file) => append(file, &checkpoint),
            Place::Mail(mail, recipients) => {
                wrote = true;
                write(env, mail, recipients, &checkpoint, now).await?
            }
            Place::Webhook(url) => post(url, &checkpoint).await,
        };
        let next = match sent {
            Ok(()) => now,
            Err(reason) => {
                tracing::error!(
                    mark = ?place.mark(),
                    reason,
                    "a checkpoint of the audit trail could not be kept outside"
                );
                now.saturating_sub(every).and_then(|at| at.checked_add(AGAIN)).unwrap_or(now)
            }
        };
        env.store.move_mark(place.mark(), next).await?;
    }
    Ok(wrote)
}

/// The heads in a file, or in the one that the daemon appends them to, where there is one.
///
/// # Errors
/// It cannot be read, or holds something else.
pub fn kept(env: &Environment, file: Option<&Path>) -> anyhow::Result<Vec<Head>> {
    let own = env.settings.audit.checkpoint_file.as_deref().filter(|file| file.exists());
    file.or(own).map_or(Ok(Vec::new()), |file| read_heads(env, file))
}

/// Checkpoints that `audit head` printed or the daemon sent, however many; each that is signed must be by our key.
fn read_heads(env: &Environment, file: &Path) -> anyhow::Result<Vec<Head>> {
    let text = std::fs::read_to_string(file).map_err(|error| anyhow::anyhow!("{}: {error}", file.display()))?;
    let told = |(line, reason): (usize, String)| anyhow::anyhow!("{} line {line}: {reason}", file.display());
    let own = env.store.key().public_keys();
    milestoned_trail::checkpoint::read(&text)
        .map_err(told)?
        .into_iter()
        .map(|checkpoint| match checkpoint.flaw(&own) {
            Some(flaw) => anyhow::bail!("{}: the checkpoint of line {}: {flaw}", file.display(), checkpoint.head.seq),
            None => Ok(checkpoint.head),
        })
        .collect()
}

fn opened(file: &Path) -> std::io::Result<std::fs::File> {
    std::fs::OpenOptions::new().append(true).create(true).open(file)
}

fn append(file: &Path, checkpoint: &Checkpoint) -> Result<(), String> {
    let written = opened(file).and_then(|mut file| {
        writeln!(file, "{checkpoint}")?;
        file.sync_all()
    });
    written.map_err(|error| format!("{}: {error}", file.display()))
}

async fn write(
    env: &Environment,
    mail: &Mail,
    recipients: &[String],
    checkpoint: &Checkpoint,
    now: Timestamp,
) -> Result<Result<(), String>, StoreError> {
    for recipient in recipients {
        let key = DeliveryKey::of(&["checkpoint", &checkpoint.to_string(), recipient]);
        let subject = format!("milestoned audit checkpoint {}", checkpoint.head.seq);
        match message(mail, recipient, &key, &subject, checkpoint, now) {
            Ok(bytes) => {
                env.store.add_mail(key.to_string(), vec![recipient.clone()], subject, bytes, now).await?;
            }
            Err(reason) => return Ok(Err(reason)),
        }
    }
    Ok(Ok(()))
}

fn message(
    mail: &Mail,
    recipient: &str,
    key: &DeliveryKey,
    subject: &str,
    checkpoint: &Checkpoint,
    now: Timestamp,
) -> Result<Vec<u8>, String> {
    let mailbox = |address: &str| address.parse::<Mailbox>().map_err(|error| format!("{address}: {error}"));
    let text = format!(
        "Keep this line. `milestoned audit verify --heads FILE` and `milestoned-verify EXPORT --heads FILE` compare the audit \
         trail with it.\r\n\r\n{checkpoint}\r\n"
    );
    let message = Message::builder()
        .from(mailbox(&mail.from)?)
        .to(mailbox(recipient)?)
        .subject(subject)
        .date(SystemTime::from(now))
        .message_id(Some(format!("<{key}@milestoned>")))
        .body(text)
        .map_err(|error| error.to_string())?;
    Ok(message.formatted())
}

async fn post(url: &url::Url, checkpoint: &Checkpoint) -> Result<(), String> {
    let body =
        json!({ "checkpoint": checkpoint.to_string(), "seq": checkpoint.head.seq, "hash": checkpoint.head.hash });
    let client = reqwest::Client::builder()
        .timeout(WAIT)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|error| error.to_string())?;
    // The address may hold a secret: it is not told.
    let answer = client.post(url.clone()).json(&body).send().await.map_err(|error| error.without_url().to_string())?;
    if answer.status().is_success() { Ok(()) } else { Err(format!("it answered {}", answer.status())) }
}
