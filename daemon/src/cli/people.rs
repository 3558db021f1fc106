//! `people`, `token`: how somebody comes in who has no identity provider, who is signed in, and what programs are given.

use std::path::Path;
use std::process::ExitCode;

use clap::Subcommand;
use jiff::SignedDuration;
use milestoned_identity::rights::{Right, Rights};
use milestoned_identity::{account, machine, secret};
use milestoned_mapping::address::segment;
use serde_json::json;

use super::table::{say, titled};
use super::{Caller, review};
use crate::environment::Environment;
use crate::review::halves::{self, Halves};
use crate::store::action::Action;
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
        caller: Caller,
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
        caller: Caller,
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
    match command {
        // Asked of the daemon by `dispatch`.
        PeopleCommand::Close { .. } | PeopleCommand::SignOut { .. } => Ok(ExitCode::SUCCESS),
        PeopleCommand::Duties { contract } => {
            let report = halves::halves(env, contract.as_deref()).await?;
            say(&if json { serde_json::to_string(&report)? } else { duties(&report) });
            Ok(ExitCode::SUCCESS)
        }
        PeopleCommand::Invite { person, rights } => {
            let (person, rights) = (person.trim().to_lowercase(), Rights::from_iter(rights));
            let factor = account::fresh_factor(&mut rand::rng());
            let factor = env.key.seal(&format!("account:{person}"), &factor)?;
            claimed(env, Action::InvitationWritten, &person, rights).await?;
            let invitation = OneTime::Invitation { person, rights, factor };
            say(&shown(json, &address(env, "invitation", invitation, INVITED_FOR).await?));
            Ok(ExitCode::SUCCESS)
        }
        PeopleCommand::Link { person, rights } => {
            let (person, rights) = (person.trim().to_lowercase(), Rights::from_iter(rights));
            claimed(env, Action::SignInLinkWritten, &person, rights).await?;
            let link = OneTime::Link { person, rights };
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
            let mut rows = titled(&["Session", "Who", "By", "From", "Since, UTC", "Last used, UTC"]);
            for session in &sessions {
                let (since, used) = (minute(session.opened_at), minute(session.used_at));
                rows.add_row([session.id(), &session.person, session.way.name(), &session.address, &since, &used]);
            }
            say(&rows.to_string());
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// A way in that is written here rests on the machine alone: whoever can read the house's key and write the database can write
/// one, for any name. The trail says so.
async fn claimed(env: &Environment, action: Action, person: &str, rights: Rights) -> anyhow::Result<()> {
    let detail =
        format!("rights {rights}; by the command line of this machine, which knows nobody: the name is only claimed");
    Ok(env.store.note(action, person.to_owned(), detail, env.clock.now()).await?)
}

/// `milestoned people close PERSON`
pub(super) async fn close(
    config: Option<&Path>,
    person: &str,
    caller: &Caller,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let path = format!("/v1/accounts/{}/close", segment(person));
    review::post(config, &path, &json!({}), caller, json).await
}

/// `milestoned people sign-out SESSION`
pub(super) async fn sign_out(
    config: Option<&Path>,
    session: &str,
    caller: &Caller,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let path = format!("/v1/sessions/{}/end", segment(session));
    review::post(config, &path, &json!({}), caller, json).await
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
