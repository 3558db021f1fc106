//! Who is signed in, what is used once on the way in, and local accounts. Secrets are known by their digest alone.

use jiff::{SignedDuration, Timestamp};
use milestoned_identity::begun::Begun;
use milestoned_identity::people::folded;
use milestoned_identity::rights::Rights;
use serde::{Deserialize, Serialize};

use super::action::Action;
use super::actor::Actor;
use super::attested::{ACCOUNT, ONE_TIME, PROVIDER_ACCOUNT, SESSION};
use super::audit::{self, Entry};
use super::provider_grants::{self, ProviderGrant};
use super::session::{Row, values};
use super::vocabulary::words;
use super::{Store, StoreError, Verb, instant, json, parse};

/// How often the use of a session is written down at most: a page is not a write.
const NOTED_EVERY: SignedDuration = SignedDuration::from_secs(60);

words! {
    /// How somebody signed in.
    Way {
        /// By the identity provider.
        Provider = "provider",
        /// By a local account.
        Account = "account",
        /// By a link that signs in once.
        Link = "link",
    }
}

/// Somebody's session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SignedIn {
    /// SHA-256 of the cookie, hex.
    #[serde(skip)]
    pub digest: String,
    /// Who.
    pub person: String,
    /// How.
    pub way: Way,
    /// What the sign-in itself gives: groups of the provider, rights of the account or of the link.
    pub rights: Rights,
    /// From where.
    pub address: String,
    /// With what, as the browser says.
    pub agent: String,
    /// When they showed who they are, UTC.
    pub authenticated_at: Timestamp,
    /// Since when, UTC.
    pub opened_at: Timestamp,
    /// When it was last used, UTC, to the minute.
    pub used_at: Timestamp,
}

impl SignedIn {
    /// A name for the session that opens nothing.
    pub fn id(&self) -> &str {
        self.digest.get(..12).unwrap_or(&self.digest)
    }
}

/// What is used once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "purpose", content = "content", rename_all = "snake_case")]
pub enum OneTime {
    /// A sign-in at the provider that was begun.
    SignIn(Begun),
    /// A link that signs this person in.
    Link {
        /// Who.
        person: String,
        /// What they may do.
        rights: Rights,
    },
    /// An invitation to choose a password.
    Invitation {
        /// Who.
        person: String,
        /// What they may do.
        rights: Rights,
        /// The secret of their second factor.
        factor: String,
    },
}

impl OneTime {
    fn purpose(&self) -> &'static str {
        match self {
            Self::SignIn(_) => "sign_in",
            Self::Link { .. } => "link",
            Self::Invitation { .. } => "invitation",
        }
    }
}

/// A local account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Whose.
    pub person: String,
    /// Argon2id hash.
    pub password: String,
    /// Secret of the second factor.
    pub factor: String,
    /// The newest step of the clock whose code was used.
    pub factor_step: u64,
    /// What they may do.
    pub rights: Rights,
    /// Since when it is closed.
    pub closed_at: Option<Timestamp>,
}

const OF_PERSON: &str = "DELETE FROM session WHERE person = $1 RETURNING mac";

fn signed_in(row: &Row<'_>) -> Result<SignedIn, StoreError> {
    let digest: String = row.get(0)?;
    let rights = parse("session", "rights", &digest, &row.get::<String>(3)?)?;
    Ok(SignedIn {
        person: row.get(1)?,
        way: row.parsed(2, "session.way")?,
        rights,
        address: row.get(4)?,
        agent: row.get(5)?,
        authenticated_at: row.parsed(6, "session.authenticated_at")?,
        opened_at: row.parsed(7, "session.opened_at")?,
        used_at: row.parsed(8, "session.used_at")?,
        digest,
    })
}

impl Store {
    /// Keeps a session that was just opened, with what the identity provider gave for it.
    ///
    /// # Errors
    /// The database failed.
    pub fn open_session(&self, session: SignedIn, grant: Option<ProviderGrant>) -> Verb<'_, ()> {
        self.write(move |tx| {
            if let Some(grant) = &grant {
                provider_grants::keep(tx, &session.digest, grant)?;
            }
            let rights = json(&session.rights)?;
            let [authenticated, opened, used] =
                [session.authenticated_at, session.opened_at, session.used_at].map(instant);
            tx.change(&SESSION, values![session.digest], || {
                tx.run(
                    "INSERT INTO session (digest, person, way, rights, address, agent, authenticated_at, opened_at, used_at)
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
                    values![
                        session.digest,
                        session.person,
                        session.way.name(),
                        rights,
                        session.address,
                        session.agent,
                        authenticated,
                        opened,
                        used
                    ],
                )
            })?;
            let detail = format!("by {} from {}", session.way.name(), session.address);
            let line = Entry::by(&Actor::from(&session.person), Action::SignedIn, None, format!("session {}", session.id()), detail);
            audit::append(tx, session.opened_at, &[line])
        })
    }

    /// The session with this digest.
    ///
    /// # Errors
    /// The database failed.
    pub fn session(&self, digest: String) -> Verb<'_, Option<SignedIn>> {
        self.read(move |tx| {
            let sql = "SELECT digest, person, way, rights, address, agent, authenticated_at, opened_at, used_at
                       FROM session WHERE digest = $1";
            // One that is not attested signs nobody in.
            let genuine = tx.examine_one(&SESSION, values![digest])?.is_some_and(|examined| examined.genuine);
            if genuine { tx.one(sql, values![digest], signed_in) } else { Ok(None) }
        })
    }

    /// Notes that a session was used, once a minute.
    ///
    /// # Errors
    /// The database failed.
    pub fn session_used(&self, session: &SignedIn, now: Timestamp) -> Verb<'_, ()> {
        if now.duration_since(session.used_at) < NOTED_EVERY {
            return Box::pin(std::future::ready(Ok(())));
        }
        let digest = session.digest.clone();
        self.write_one(move |tx| {
            tx.run("UPDATE session SET used_at = $1 WHERE digest = $2", values![instant(now), digest]).map(drop)
        })
    }

    /// Every session, the newest first.
    ///
    /// # Errors
    /// The database failed.
    pub fn sessions(&self) -> Verb<'_, Vec<SignedIn>> {
        self.read(|tx| {
            let sql = "SELECT digest, person, way, rights, address, agent, authenticated_at, opened_at, used_at
                       FROM session ORDER BY opened_at DESC, digest";
            tx.all(sql, values![], signed_in)
        })
    }

    /// Ends the sessions whose digest begins with `id`. Returns how many.
    ///
    /// # Errors
    /// The database failed.
    pub fn end_sessions(&self, id: String, actor: Actor, why: &'static str, now: Timestamp) -> Verb<'_, u64> {
        self.write(move |tx| {
            let length = i64::try_from(id.len()).unwrap_or(i64::MAX);
            let sql = "DELETE FROM session WHERE substr(digest, 1, $2) = $1 RETURNING mac";
            let ended = tx.delete(&SESSION, sql, values![id, length])?;
            if ended > 0 {
                provider_grants::forget(tx)?;
                let id: String = id.chars().take(12).collect();
                audit::append(tx, now, &[Entry::by(&actor, Action::SessionEnded, None, format!("session {id}"), why)])?;
            }
            Ok(ended)
        })
    }

    /// Forgets sessions that were opened before `opened`, and what was not used in time.
    ///
    /// # Errors
    /// The database failed.
    pub fn forget_sign_ins(&self, opened: Timestamp, now: Timestamp) -> Verb<'_, ()> {
        self.write(move |tx| {
            let sql = "DELETE FROM session WHERE opened_at < $1 RETURNING mac";
            tx.delete(&SESSION, sql, values![instant(opened)])?;
            provider_grants::forget(tx)?;
            let sql = "DELETE FROM one_time WHERE expires_at < $1 RETURNING mac";
            tx.delete(&ONE_TIME, sql, values![instant(now)]).map(drop)
        })
    }

    /// Keeps what may be used once, under the digest of its secret.
    ///
    /// # Errors
    /// The database failed.
    pub fn keep_one_time(&self, digest: String, what: OneTime, until: Timestamp) -> Verb<'_, ()> {
        self.write(move |tx| {
            let content = json(&what)?;
            tx.change(&ONE_TIME, values![digest], || {
                tx.run(
                    "INSERT INTO one_time (digest, purpose, content, expires_at) VALUES ($1, $2, $3, $4)",
                    values![digest, what.purpose(), content, instant(until)],
                )
            })
            .map(drop)
        })
    }

    /// What a secret stands for, without using it.
    ///
    /// # Errors
    /// The database failed.
    pub fn one_time(&self, digest: String, now: Timestamp) -> Verb<'_, Option<OneTime>> {
        self.read(move |tx| {
            if !tx.examine_one(&ONE_TIME, values![digest])?.is_some_and(|examined| examined.genuine) {
                return Ok(None);
            }
            let sql = "SELECT content FROM one_time WHERE digest = $1 AND expires_at > $2";
            let read = |row: &Row<'_>| parse("one_time", "content", &digest, &row.get::<String>(0)?);
            tx.one(sql, values![digest, instant(now)], read)
        })
    }

    /// Takes what a secret stands for: whoever asks next finds nothing.
    ///
    /// # Errors
    /// The database failed.
    pub fn take_one_time(&self, digest: String, now: Timestamp) -> Verb<'_, Option<OneTime>> {
        self.write(move |tx| {
            let Some(examined) = tx.examine_one(&ONE_TIME, values![digest])? else { return Ok(None) };
            if !examined.genuine {
                return Ok(None);
            }
            let sql = "DELETE FROM one_time WHERE digest = $1 RETURNING content, expires_at";
            let read = |row: &Row<'_>| {
                let what = parse("one_time", "content", &digest, &row.get::<String>(0)?)?;
                Ok((what, row.parsed(1, "one_time.expires_at")?))
            };
            let taken: Option<(OneTime, Timestamp)> = tx.one(sql, values![digest], read)?;
            if taken.is_some() {
                tx.deleted(&ONE_TIME, &examined.attested);
            }
            Ok(taken.filter(|(_, until)| *until > now).map(|(what, _)| what))
        })
    }

    /// Keeps an account, new or with another password; an existing one's sessions end.
    ///
    /// # Errors
    /// The database failed.
    pub fn keep_account(&self, account: Account, actor: Actor, now: Timestamp) -> Verb<'_, ()> {
        self.write(move |tx| {
            let rights = json(&account.rights)?;
            tx.overwrite(&ACCOUNT, values![account.person], || {
                tx.run(
                    "INSERT INTO account (person, password, factor, rights, made_at) VALUES ($1, $2, $3, $4, $5)
                     ON CONFLICT (person) DO UPDATE SET password = excluded.password, factor = excluded.factor,
                        factor_step = 0, rights = excluded.rights, made_at = excluded.made_at, closed_at = NULL",
                    values![account.person, account.password, account.factor, rights, instant(now)],
                )
            })?;
            tx.delete(&SESSION, OF_PERSON, values![account.person])?;
            provider_grants::forget(tx)?;
            let detail = format!("rights: {}", account.rights);
            audit::append(tx, now, &[Entry::by(&actor, Action::AccountMade, None, account.person, detail)])
        })
    }

    /// The account of a person.
    ///
    /// # Errors
    /// The database failed.
    pub fn account(&self, person: String) -> Verb<'_, Option<Account>> {
        self.read(move |tx| {
            if !tx.examine_one(&ACCOUNT, values![person])?.is_some_and(|examined| examined.genuine) {
                return Ok(None);
            }
            let sql = "SELECT password, factor, factor_step, rights, closed_at FROM account WHERE person = $1";
            tx.one(sql, values![person], |row| {
                Ok(Account {
                    person: person.clone(),
                    password: row.get(0)?,
                    factor: row.get(1)?,
                    factor_step: u64::try_from(row.get::<i64>(2)?).unwrap_or(0),
                    rights: parse("account", "rights", &person, &row.get::<String>(3)?)?,
                    closed_at: row.parsed_option(4, "account.closed_at")?,
                })
            })
        })
    }

    /// Everybody with an open account, with their rights.
    ///
    /// # Errors
    /// The database failed.
    pub fn open_accounts(&self) -> Verb<'_, Vec<(String, Rights)>> {
        self.read(|tx| {
            tx.all("SELECT person, rights FROM account WHERE closed_at IS NULL ORDER BY person", values![], |row| {
                let person: String = row.get(0)?;
                let rights = parse("account", "rights", &person, &row.get::<String>(1)?)?;
                Ok((person, rights))
            })
        })
    }

    /// Uses a step of the second factor's clock. `false`: that one, or a later one, was used already.
    ///
    /// # Errors
    /// The database failed.
    pub fn use_factor_step(&self, person: String, step: u64) -> Verb<'_, bool> {
        self.write(move |tx| {
            let step = i64::try_from(step).unwrap_or(i64::MAX);
            let sql = "UPDATE account SET factor_step = $2 WHERE person = $1 AND factor_step < $2";
            Ok(tx.change(&ACCOUNT, values![person], || tx.run(sql, values![person, step]))? > 0)
        })
    }

    /// The name under which an account of the identity provider is known here: the one that it showed first. `None`: another
    /// account of the provider is known under this name.
    ///
    /// # Errors
    /// The database failed, or the row is not attested.
    pub fn provider_account(
        &self,
        (issuer, subject): (String, String),
        shown: String,
        now: Timestamp,
    ) -> Verb<'_, Option<String>> {
        self.write(move |tx| {
            let key = values![issuer, subject];
            let known = tx.one(PROVIDER_ACCOUNT.one, key, |row| {
                Ok((tx.examine(&PROVIDER_ACCOUNT, row, 0)?.genuine, row.get::<String>(3)?))
            })?;
            match known {
                Some((true, person)) => return Ok(Some(person)),
                Some((false, _)) => return Err(StoreError::Unattested { table: PROVIDER_ACCOUNT.name, row: subject }),
                None => {}
            }
            let others = "SELECT person FROM provider_account WHERE issuer = $1";
            let others = tx.all(others, values![issuer], |row| row.get::<String>(0))?;
            if others.iter().any(|other| folded(other) == folded(&shown)) {
                return Ok(None);
            }
            tx.change(&PROVIDER_ACCOUNT, key, || {
                tx.run(
                    "INSERT INTO provider_account (issuer, subject, person, since) VALUES ($1, $2, $3, $4)",
                    values![issuer, subject, shown, instant(now)],
                )
            })?;
            Ok(Some(shown))
        })
    }

    /// Closes a local account, forgets which account of the identity provider a person has, and ends the sessions. `false`: there is
    /// neither.
    ///
    /// # Errors
    /// The database failed.
    pub fn close_account(&self, person: String, actor: Actor, now: Timestamp) -> Verb<'_, bool> {
        self.write(move |tx| {
            let sql = "UPDATE account SET closed_at = $2 WHERE person = $1 AND closed_at IS NULL";
            let mut closed = tx.change(&ACCOUNT, values![person], || tx.run(sql, values![person, instant(now)]))? > 0;
            for known in tx.all("SELECT person FROM provider_account", values![], |row| row.get::<String>(0))? {
                if folded(&known) == folded(&person) {
                    let sql = "DELETE FROM provider_account WHERE person = $1 RETURNING mac";
                    closed |= tx.delete(&PROVIDER_ACCOUNT, sql, values![known])? > 0;
                    tx.delete(&SESSION, OF_PERSON, values![known])?;
                }
            }
            if closed {
                tx.delete(&SESSION, OF_PERSON, values![person])?;
                provider_grants::forget(tx)?;
                audit::append(tx, now, &[Entry::by(&actor, Action::AccountClosed, None, person, "")])?;
            }
            Ok(closed)
        })
    }
}
