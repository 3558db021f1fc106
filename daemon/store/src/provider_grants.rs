//! What the identity provider gave with a session: about whom it is asked again, with what, and when it last answered.

use jiff::Timestamp;
use milestoned_identity::rights::Rights;

use super::action::Action;
use super::attest::Session;
use super::attested::{PROVIDER_GRANT, SESSION};
use super::audit::{self, Entry};
use super::session::values;
use super::{Store, StoreError, Verb, instant, json};

/// What the identity provider gave with a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderGrant {
    /// The provider's address, as it stands in its tokens.
    pub issuer: String,
    /// The provider's own id of the person.
    pub subject: String,
    /// What it is asked again with, sealed; `None`: it gave nothing for that.
    pub refresh_token: Option<String>,
    /// When it last said what the person's groups are, UTC.
    pub confirmed_at: Timestamp,
    /// When it was last asked, UTC.
    pub asked_at: Timestamp,
}

/// What the provider has said again about whose session it is.
#[derive(Debug, Clone)]
pub struct Confirmation {
    /// The session's digest.
    pub digest: String,
    /// Who.
    pub person: String,
    /// What the session gave until now.
    pub former: Rights,
    /// What it gives from now on.
    pub rights: Rights,
    /// What the provider is asked with the next time, sealed.
    pub refresh_token: Option<String>,
}

/// Keeps what the provider gave with a session that is opened in the same transaction.
pub(super) fn keep(tx: &Session<'_>, digest: &str, grant: &ProviderGrant) -> Result<(), StoreError> {
    let [confirmed, asked] = [grant.confirmed_at, grant.asked_at].map(instant);
    tx.change(&PROVIDER_GRANT, values![digest], || {
        tx.run(
            "INSERT INTO provider_grant (digest, issuer, subject, refresh_token, confirmed_at, asked_at)
             VALUES ($1, $2, $3, $4, $5, $6)",
            values![digest, grant.issuer, grant.subject, grant.refresh_token, confirmed, asked],
        )
    })
    .map(drop)
}

/// Forgets what belongs to no session any more.
pub(super) fn forget(tx: &Session<'_>) -> Result<(), StoreError> {
    let sql = "DELETE FROM provider_grant WHERE digest NOT IN (SELECT digest FROM session) RETURNING mac";
    tx.delete(&PROVIDER_GRANT, sql, values![]).map(drop)
}

impl Store {
    /// What the identity provider gave with a session. One that is not attested is none.
    ///
    /// # Errors
    /// The database failed.
    pub fn provider_grant(&self, digest: String) -> Verb<'_, Option<ProviderGrant>> {
        self.read(move |tx| {
            if !tx.examine_one(&PROVIDER_GRANT, values![digest])?.is_some_and(|examined| examined.genuine) {
                return Ok(None);
            }
            let sql =
                "SELECT issuer, subject, refresh_token, confirmed_at, asked_at FROM provider_grant WHERE digest = $1";
            tx.one(sql, values![digest], |row| {
                Ok(ProviderGrant {
                    issuer: row.get(0)?,
                    subject: row.get(1)?,
                    refresh_token: row.get(2)?,
                    confirmed_at: row.parsed(3, "provider_grant.confirmed_at")?,
                    asked_at: row.parsed(4, "provider_grant.asked_at")?,
                })
            })
        })
    }

    /// Takes it on to ask the provider about a session. `false`: somebody else has since `grant` was read. A provider may take each
    /// refresh token once, and ends the whole grant when one comes twice.
    ///
    /// # Errors
    /// The database failed.
    pub fn claim_provider_grant(&self, digest: String, grant: &ProviderGrant, now: Timestamp) -> Verb<'_, bool> {
        let (was, now) = (instant(grant.asked_at), instant(now));
        self.write(move |tx| {
            let sql = "UPDATE provider_grant SET asked_at = $2 WHERE digest = $1 AND asked_at = $3";
            Ok(tx.change(&PROVIDER_GRANT, values![digest], || tx.run(sql, values![digest, now, was]))? > 0)
        })
    }

    /// Keeps what the provider has said again about whose session it is: rights that are others now are told.
    ///
    /// # Errors
    /// The database failed.
    pub fn confirm_provider_grant(&self, confirmation: Confirmation, now: Timestamp) -> Verb<'_, ()> {
        self.write(move |tx| {
            let Confirmation { digest, person, former, rights, refresh_token } = &confirmation;
            let at = instant(now);
            let sql =
                "UPDATE provider_grant SET refresh_token = $2, confirmed_at = $3, asked_at = $3 WHERE digest = $1";
            let kept =
                tx.change(&PROVIDER_GRANT, values![*digest], || tx.run(sql, values![*digest, *refresh_token, at]))?;
            // The session may have ended while the provider was asked.
            if kept == 0 || rights == former {
                return Ok(());
            }
            let told = json(rights)?;
            let sql = "UPDATE session SET rights = $2 WHERE digest = $1";
            tx.change(&SESSION, values![*digest], || tx.run(sql, values![*digest, told]))?;
            let named = |rights: &Rights| if rights.is_empty() { "none".to_owned() } else { rights.to_string() };
            let detail = format!("of {person}: {} instead of {}", named(rights), named(former));
            let subject = format!("session {}", digest.get(..12).unwrap_or(digest));
            audit::append(tx, now, &[Entry::own(Action::SessionRightsChanged, None, subject, detail)])
        })
    }
}
