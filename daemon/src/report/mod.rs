//! Reports: the exception digest by mail, on a schedule and on demand; lists as files ([`list_file`]), and
//! the [`workbook`] that people edit.
//!
//! SMTP cannot be asked whether a message arrived. So a message is written down before it is sent, and one whose
//! sending was interrupted is never sent again by itself: finance gets a digest at most once.

pub mod checkpoints;
pub mod close;
pub mod digest;
pub mod export;
mod grid;
pub mod list_file;
pub mod package;
pub mod performance;
pub mod verification;
pub mod workbook;

use std::str::FromStr;

use jiff::{Timestamp, Zoned};
use lettre::transport::smtp::authentication::Credentials;
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor, address::Envelope};
use milestoned_connector_kit::scrub::Secrets;
use milestoned_mapping::problem::Problem;
use secrecy::ExposeSecret;

use crate::deliver::policy::delay;
use crate::environment::Environment;
use crate::failpoint;
use crate::settings::Mail;
use crate::store::StoreError;
use crate::store::mails::{DueMail, MailOutcome};
use crate::store::marks::Mark;

/// Attempts before a message that the relay does not take is given up.
const ATTEMPTS: u32 = 12;

/// Writes the digest that is due, and sends what is due. Returns whether a message was sent or written.
///
/// # Errors
/// The store failed.
pub async fn turn(env: &Environment) -> Result<bool, StoreError> {
    let Some(mail) = &env.settings.mail else { return Ok(false) };
    let now = env.clock.now();
    let mut moved = false;
    let since = env.store.mark(Mark::Digest, now).await?;
    if let Some(slot) = latest_slot(mail, since, now) {
        moved |= digest::write(env, mail, &slot.to_string()).await? > 0;
        env.store.move_mark(Mark::Digest, slot).await?;
    }
    while let Some(due) = env.store.claim_mail(now).await? {
        failpoint::pass("mail_claimed");
        let (key, outcome) = (due.key.clone(), send(env, mail, due, now).await);
        failpoint::pass("mail_sent");
        if !matches!(outcome, MailOutcome::Sent) {
            tracing::warn!(key, ?outcome, "a mail was not sent");
        }
        env.store.settle_mail(key, outcome, now).await?;
        failpoint::pass("mail_settled");
        moved = true;
    }
    Ok(moved)
}

/// The schedule's latest slot after `since` and not after `now`. Slots that passed while the daemon was down make one
/// digest, not one each.
fn latest_slot(mail: &Mail, since: Timestamp, now: Timestamp) -> Option<Timestamp> {
    let cron = croner::Cron::from_str(&mail.schedule).ok()?;
    let local: Zoned = now.in_tz(&mail.timezone).ok()?;
    let slot = cron.find_previous_occurrence(&local, true).ok()?.timestamp();
    (slot > since).then_some(slot)
}

/// When the next digest is due.
pub fn next_digest(env: &Environment) -> Option<Timestamp> {
    let mail = env.settings.mail.as_ref()?;
    let cron = croner::Cron::from_str(&mail.schedule).ok()?;
    let local = env.clock.now().in_tz(&mail.timezone).ok()?;
    Some(cron.find_next_occurrence(&local, false).ok()?.timestamp())
}

/// Whether a schedule has a day: `0 7 31 2 *` has none.
fn comes(schedule: &croner::Cron) -> bool {
    let some_day = Timestamp::UNIX_EPOCH.to_zoned(jiff::tz::TimeZone::UTC);
    schedule.find_next_occurrence(&some_day, false).is_ok()
}

/// What is wrong with the mail settings: place, reason, remedy.
pub fn problems(mail: &Mail) -> Vec<Problem> {
    let problem = |place: &str, reason: String, remedy: &str| Problem::new(format!("mail.{place}"), reason, remedy);
    let mut problems = Vec::new();
    let remedy = "write five fields, such as 0 7 * * MON-FRI";
    match croner::Cron::from_str(&mail.schedule) {
        Ok(cron) if !comes(&cron) => {
            problems.push(problem("schedule", format!("{} is on no day of any year", mail.schedule), remedy));
        }
        Ok(_) => {}
        Err(error) => problems.push(problem("schedule", error.to_string(), remedy)),
    }
    let zones = mail.timezones.iter().map(|(reader, zone)| (format!("timezones.{reader}"), zone));
    for (place, zone) in std::iter::once(("timezone".to_owned(), &mail.timezone)).chain(zones) {
        if let Err(error) = jiff::tz::TimeZone::get(zone) {
            problems.push(problem(&place, error.to_string(), "write a name such as America/New_York"));
        }
    }
    if let Err(reason) = transport(mail) {
        problems.push(problem("relay", reason, "write smtp://host:port?tls=required or smtps://host:port"));
    }
    for address in std::iter::once(&mail.from).chain(&mail.finance).chain(mail.owners.values()) {
        if let Err(error) = address.parse::<lettre::message::Mailbox>() {
            problems.push(problem("from, finance, owners", format!("{address:?}: {error}"), "write name@example.com"));
        }
    }
    if mail.finance.is_empty() {
        problems.push(problem("finance", "nobody gets the digest".into(), "name at least one address"));
    }
    problems
}

/// Whether the relay answers.
///
/// # Errors
/// Why not.
pub async fn reach(mail: &Mail) -> Result<(), String> {
    match transport(mail)?.test_connection().await {
        Ok(true) => Ok(()),
        Ok(false) => Err("the relay does not answer as one".into()),
        Err(error) => Err(told(mail, error)),
    }
}

fn transport(mail: &Mail) -> Result<AsyncSmtpTransport<Tokio1Executor>, String> {
    let mut builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(&mail.relay).map_err(|error| error.to_string())?;
    if let (Some(username), Some(password)) = (&mail.username, &mail.password) {
        if !is_encrypted(&mail.relay) {
            return Err("a password would be sent that everybody on the way can read".into());
        }
        builder = builder.credentials(Credentials::new(username.clone(), password.expose_secret().to_owned()));
    }
    Ok(builder.build())
}

/// Whether what goes to the relay is encrypted, or does not leave this machine.
fn is_encrypted(relay: &str) -> bool {
    let Ok(url) = url::Url::parse(relay) else { return false };
    let required = url.query_pairs().any(|(key, value)| key == "tls" && value == "required");
    let local = matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
    url.scheme() == "smtps" || required || local
}

/// What a relay said, as it may be told: without our password, and in a few lines.
fn told(mail: &Mail, said: impl ToString) -> String {
    let secrets = Secrets::default();
    if let Some(password) = &mail.password {
        let (username, password) = (mail.username.as_deref().unwrap_or_default(), password.expose_secret());
        secrets.learn(&format!("\0{username}\0{password}"));
        secrets.learn(password);
    }
    secrets.told(&said.to_string())
}

async fn send(env: &Environment, mail: &Mail, due: DueMail, now: Timestamp) -> MailOutcome {
    let again = |fault: String| {
        if due.attempts.saturating_add(1) >= ATTEMPTS {
            return MailOutcome::Refused(fault);
        }
        let wait = delay(&due.key, due.attempts.saturating_add(1), &env.settings.delivery);
        MailOutcome::Again(now.saturating_add(wait).unwrap_or(now), fault)
    };
    let envelope = match envelope(mail, &due) {
        Ok(envelope) => envelope,
        Err(reason) => return MailOutcome::Refused(reason),
    };
    let transport = match transport(mail) {
        Ok(transport) => transport,
        Err(reason) => return again(reason),
    };
    // A relay that cannot be reached has taken nothing: only what fails after this leaves a doubt.
    match transport.test_connection().await {
        Ok(true) => {}
        Ok(false) => return again("the relay does not answer as one".into()),
        Err(error) => return again(told(mail, error)),
    }
    match transport.send_raw(&envelope, &due.message).await {
        Ok(_) => MailOutcome::Sent,
        Err(error) if error.is_permanent() => MailOutcome::Refused(told(mail, error)),
        Err(error) if error.is_transient() => again(told(mail, error)),
        Err(error) => MailOutcome::Unknown(format!("{}; it may have arrived", told(mail, error))),
    }
}

fn envelope(mail: &Mail, due: &DueMail) -> Result<Envelope, String> {
    let from = mail.from.parse::<lettre::message::Mailbox>().map_err(|error| format!("mail.from: {error}"))?;
    let to = due
        .recipients
        .iter()
        .map(|address| address.parse::<lettre::message::Mailbox>().map(|mailbox| mailbox.email))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| format!("recipient: {error}"))?;
    Envelope::new(Some(from.email), to).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    fn mail(relay: &str) -> Mail {
        let text = format!(
            "[mail]\nrelay = \"{relay}\"\nusername = \"user\"\npassword = \"canary-a5b3\"\nfrom = \"a@example.com\"\n\
             finance = [\"b@example.com\"]\nschedule = \"0 7 * * *\"\ntimezone = \"UTC\""
        );
        Settings::from_toml(&text).unwrap().mail.unwrap()
    }

    #[tokio::test]
    async fn a_schedule_without_a_day_is_told() {
        for (schedule, sound) in [("0 7 31 2 *", false), ("0 7 29 2 *", true), ("@monthly", true), ("", false)] {
            let mail = Mail { schedule: schedule.into(), ..mail("smtps://relay.example") };
            assert_eq!(problems(&mail).is_empty(), sound, "{schedule}: {:?}", problems(&mail));
        }
    }

    // The mail library starts its pool where a runtime is.
    #[tokio::test]
    async fn a_password_is_neither_sent_in_clear_nor_told() {
        for (relay, sound) in [
            ("smtp://relay.example:587", false),
            ("smtp://relay.example:587?tls=opportunistic", false),
            ("smtp://relay.example:587?tls=required", true),
            ("smtps://relay.example", true),
            ("smtp://127.0.0.1:25", true),
        ] {
            assert_eq!(problems(&mail(relay)).is_empty(), sound, "{relay}: {:?}", problems(&mail(relay)));
        }
        let said = "535 5.7.8 AUTH PLAIN AHVzZXIAY2FuYXJ5LWE1YjM= refused: canary-a5b3";
        assert_eq!(told(&mail("smtps://relay.example"), said), "535 5.7.8 AUTH PLAIN [secret]= refused: [secret]");
    }
}
