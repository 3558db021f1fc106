//! `people`, `token`: how somebody comes in who has no identity provider, who is signed in, and what programs are given.

use std::process::ExitCode;

use clap::Subcommand;
use jiff::SignedDuration;
use milestoned_identity::rights::{Right, Rights};
use milestoned_identity::{account, machine, secret};
use serde_json::json;

use super::table::{complain, say, titled};
use super::{FOUND, Reviewer};
use crate::environment::Environment;
use crate::review::halves::{self, Halves};
use crate::store::sign_ins::OneTime;

/// How long an invitation lasts.
const INVITED_FOR: SignedDuration = SignedDuration::from_hours(48);
/// How long a link that signs in lasts.
pub(crate) const LINK_FOR: SignedDuration = SignedDuration::from_mins(10);

/// People who sign in.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum PeopleCommand {
    /// Close a local account; its sessions end.
    Close {
        /// Whose.
        person: String,
        #[command(flatten)]
        reviewer: Reviewer,
    },
    /// Who holds rights to shape what is billed and to let it go; who did one half of a contract, and did the other or could have.
    Duties {
        /// Of one contract.
        #[arg(long)]
        contract: Option<String>,
    },
    /// Invite somebody to a local account: prints an address where they choose a password, within 48 hours.
    Invite {
        /// Who; stands in the audit trail.
        person: String,
        /// What they may do, with commas: view, file_terms, tell_facts, approve, overrule, release, operate, audit.
        #[arg(long, value_delimiter = ',', value_parser = right)]
        rights: Vec<Right>,
    },
    /// Print a link that signs somebody in once, from this machine, within ten minutes.
    Link {
        /// Who; stands in the audit trail.
        person: String,
        /// What they may do, with commas.
        #[arg(long, value_delimiter = ',', value_parser = right)]
        rights: Vec<Right>,
    },
    /// Who is signed in.
    Sessions,
    /// End a session.
    SignOut {
        /// Its name, as `people sessions` shows it.
        session: String,
        #[command(flatten)]
        reviewer: Reviewer,
    },
}

/// Tokens of programs.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum TokenCommand {
    /// Draw a token: prints it once, and what stands in the configuration.
    New {
        /// The program's name; stands in the audit trail.
        name: String,
    },
}

fn right(text: &str) -> Result<Right, String> {
    let all = || Right::ALL.map(Right::name).join(", ");
    Right::ALL.into_iter().find(|right| right.name() == text).ok_or_else(|| format!("no right; there are {}", all()))
}

/// Keeps what a secret stands for, and gives the address that carries the secret.
///
/// # Errors
/// The store failed.
pub(crate) async fn address(
    env: &Environment,
    page: &str,
    what: OneTime,
    lasts: SignedDuration,
) -> anyhow::Result<String> {
    let secret = secret::fresh(&mut rand::rng());
    let until = env.clock.now().saturating_add(lasts)?;
    env.store.keep_one_time(env.key.known_as(&secret), what, until).await?;
    Ok(format!("{}/sign-in/{page}?code={secret}", env.settings.http.public_url.trim_end_matches('/')))
}

/// `milestoned people …`
pub(super) async fn people(env: &Environment, command: PeopleCommand, json: bool) -> anyhow::Result<ExitCode> {
    let now = env.clock.now();
    match command {
        PeopleCommand::Close { person, reviewer } => {
            let closed = env.store.close_account(person.to_lowercase(), reviewer.by.into(), now).await?;
            told(closed, json, &format!("the account of {person} is closed"), &format!("{person} has no open account"))
        }
        PeopleCommand::Duties { contract } => {
            let report = halves::halves(env, contract.as_deref()).await?;
            say(&if json { serde_json::to_string(&report)? } else { duties(&report) });
            Ok(ExitCode::SUCCESS)
        }
        PeopleCommand::Invite { person, rights } => {
            let (person, rights) = (person.trim().to_lowercase(), Rights::from_iter(rights));
            let factor = account::fresh_factor(&mut rand::rng());
            let factor = env.key.seal(&format!("account:{person}"), &factor)?;
            let invitation = OneTime::Invitation { person, rights, factor };
            say(&shown(json, &address(env, "invitation", invitation, INVITED_FOR).await?));
            Ok(ExitCode::SUCCESS)
        }
        PeopleCommand::Link { person, rights } => {
            let link = OneTime::Link { person: person.trim().to_lowercase(), rights: rights.into_iter().collect() };
            say(&shown(json, &address(env, "link", link, LINK_FOR).await?));
            Ok(ExitCode::SUCCESS)
        }
        PeopleCommand::Sessions => {
            let sessions = env.store.sessions().await?;
            if json {
                let rows: Vec<_> =
                    sessions.iter().map(|session| json!({ "session": session.id(), "of": session })).collect();
                say(&serde_json::Value::from(rows).to_string());
                return Ok(ExitCode::SUCCESS);
            }
            let minute = |at: jiff::Timestamp| at.strftime("%Y-%m-%d %H:%M").to_string();
            let mut rows = titled(&["session", "who", "by", "from", "since (UTC)", "last used"]);
            for session in &sessions {
                let (since, used) = (minute(session.opened_at), minute(session.used_at));
                rows.add_row([session.id(), &session.person, session.way.name(), &session.address, &since, &used]);
            }
            say(&rows.to_string());
            Ok(ExitCode::SUCCESS)
        }
        PeopleCommand::SignOut { session, reviewer } => {
            let known = env.store.sessions().await?.into_iter().find(|known| known.id() == session);
            let ended = match known {
                Some(known) => {
                    env.store.end_sessions(known.digest, reviewer.by.into(), "ended by a person", now).await? > 0
                }
                None => false,
            };
            told(
                ended,
                json,
                "the session has ended",
                "there is no such session; `milestoned people sessions` lists them",
            )
        }
    }
}

fn duties(report: &Halves) -> String {
    let mut rows = titled(&["person", "also known as", "of", "both halves"]);
    for holder in &report.holders {
        let names: Vec<&str> = holder.names.iter().map(String::as_str).collect();
        rows.add_row([holder.person.as_str(), &names.join(", "), "rights", &holder.halves.join("; ")]);
    }
    for hand in &report.hands {
        let halves = format!("{}; {}", hand.did, hand.and);
        rows.add_row([hand.person.as_str(), "", hand.contract.as_str(), halves.as_str()]);
    }
    rows.to_string()
}

fn shown(json: bool, address: &str) -> String {
    if json { json!({ "address": address }).to_string() } else { address.to_owned() }
}

fn told(done: bool, json: bool, yes: &str, no: &str) -> anyhow::Result<ExitCode> {
    match (done, json) {
        (_, true) => say(&json!({ "done": done }).to_string()),
        (true, false) => say(yes),
        (false, false) => complain(no),
    }
    Ok(if done { ExitCode::SUCCESS } else { ExitCode::from(FOUND) })
}

/// `milestoned token …`
pub(super) fn token(command: &TokenCommand, json: bool) -> ExitCode {
    let TokenCommand::New { name } = command;
    let (token, digest) = machine::fresh(&mut rand::rng());
    if json {
        say(&json!({ "name": name, "token": token, "sha256": digest }).to_string());
        return ExitCode::SUCCESS;
    }
    say(&format!(
        "{token}\n\nGive it to the program; it is not shown again. In the configuration:\n\n[[http.tokens]]\nname = {name:?}\nrights = [\"view\"]\nsha256 = [\"{digest}\"]"
    ));
    ExitCode::SUCCESS
}
