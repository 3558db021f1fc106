//! The exception digest: grouped by owner, each exception with reason, age, amount held, remedy and link.

use std::collections::BTreeMap;
use std::time::SystemTime;

use askama::Template;
use jiff::civil::Date;
use lettre::message::{Mailbox, Message, MultiPart};
use milestoned_mapping::command::DeliveryKey;
use milestoned_mapping::contract::Severity;
use milestoned_mapping::money::grouped;

use crate::agreements::Agreement;
use crate::environment::Environment;
use crate::parked::{self, Parked};
use crate::portfolio;
use crate::settings::Mail;
use crate::store::views::ExceptionView;
use crate::store::{StoreError, parse};

/// One exception as the digest shows it.
#[derive(Debug, Clone)]
pub struct Line {
    /// Contract id.
    pub contract: String,
    /// Customer.
    pub customer: String,
    /// Milestone and leg, or empty.
    pub place: String,
    /// Code.
    pub code: String,
    /// What the code means.
    pub title: String,
    /// Whether it holds something back.
    pub severity: Severity,
    /// Opened on.
    pub opened_on: Date,
    /// Days since it opened, contract's time zone.
    pub age: i64,
    /// Amount and currency it holds back, or empty.
    pub held: String,
    /// What to do.
    pub remedy: String,
    /// What exactly, or empty.
    pub detail: String,
    /// Link to the contract's page.
    pub link: String,
}

/// The exceptions of one owner.
#[derive(Debug, Clone)]
pub struct Group {
    /// Owner's address.
    pub owner: String,
    /// Exceptions, blocking ones first, then the oldest.
    pub lines: Vec<Line>,
}

#[derive(Template)]
#[template(path = "digest.html")]
struct Html<'a> {
    day: &'a str,
    groups: &'a [Group],
    parked: &'a [Parked],
    link: &'a str,
}

#[derive(Template)]
#[template(path = "digest.txt", escape = "none")]
struct Plain<'a> {
    day: &'a str,
    groups: &'a [Group],
    parked: &'a [Parked],
    link: &'a str,
}

/// Writes the digests of a slot down, one a recipient; a slot's digest is written once. Returns how many were new.
/// With nothing to tell, nothing is written.
///
/// # Errors
/// The store failed.
pub async fn write(env: &Environment, mail: &Mail, slot: &str) -> Result<usize, StoreError> {
    let groups = groups(env, mail).await?;
    let parked = parked::all(env).await?;
    let now = env.clock.now();
    let day = now.in_tz(&mail.timezone).map(|local| local.date().to_string()).unwrap_or_default();
    let mut written = 0_usize;
    for recipient in recipients(mail, &groups) {
        let finance = mail.finance.contains(&recipient);
        let own: Vec<Group> = groups.iter().filter(|group| finance || group.owner == recipient).cloned().collect();
        let parked: &[Parked] = if finance { &parked } else { &[] };
        if own.is_empty() && parked.is_empty() {
            continue;
        }
        let key = DeliveryKey::of(&["digest", slot, &recipient]);
        match message(
            mail,
            &recipient,
            &key,
            &Content { day: &day, groups: &own, parked, link: &env.settings.http.public_url },
            now,
        ) {
            Ok((subject, bytes)) => {
                let new = env.store.add_mail(key.to_string(), vec![recipient], subject, bytes, now).await?;
                written = written.saturating_add(usize::from(new));
            }
            Err(reason) => {
                tracing::error!(recipient, reason, "the digest could not be written: run `milestoned check`")
            }
        }
    }
    Ok(written)
}

fn recipients(mail: &Mail, groups: &[Group]) -> Vec<String> {
    let mut recipients = mail.finance.clone();
    for group in groups {
        if !recipients.contains(&group.owner) {
            recipients.push(group.owner.clone());
        }
    }
    recipients
}

/// Open exceptions by owner: the contract's own, else the code's, else finance.
///
/// # Errors
/// The store failed.
pub async fn groups(env: &Environment, mail: &Mail) -> Result<Vec<Group>, StoreError> {
    let mut agreements: BTreeMap<String, (Agreement, Date)> = BTreeMap::new();
    let mut groups: BTreeMap<String, Vec<Line>> = BTreeMap::new();
    for exception in env.store.exceptions(None, true).await? {
        if !agreements.contains_key(&exception.contract) {
            let Some(row) = env.store.contract(exception.contract.clone()).await? else { continue };
            let agreement: Agreement = parse("contract", "agreement", &row.id, &row.agreement)?;
            let today = agreement.terms.local_date(env.clock.now());
            agreements.insert(row.id, (agreement, today));
        }
        let Some((agreement, today)) = agreements.get(&exception.contract) else { continue };
        let by_code = mail.owners.get(&exception.code).or_else(|| mail.owners.get(&exception.code.to_lowercase()));
        let owner = agreement.options.owner.as_ref().or(by_code).or(mail.finance.first()).cloned().unwrap_or_default();
        groups.entry(owner).or_default().push(line(env, &exception, agreement, *today));
    }
    Ok(groups
        .into_iter()
        .map(|(owner, mut lines)| {
            lines.sort_by(|a, b| {
                (a.severity, std::cmp::Reverse(a.age), &a.contract).cmp(&(
                    b.severity,
                    std::cmp::Reverse(b.age),
                    &b.contract,
                ))
            });
            Group { owner, lines }
        })
        .collect())
}

fn line(env: &Environment, exception: &ExceptionView, agreement: &Agreement, today: Date) -> Line {
    let (title, remedy) = portfolio::meaning(&exception.code);
    let leg = exception.leg.map(|leg| leg.to_string());
    let place: Vec<String> = [exception.milestone.clone(), leg].into_iter().flatten().collect();
    Line {
        contract: exception.contract.clone(),
        customer: agreement.terms.customer().to_owned(),
        place: place.join(", "),
        code: exception.code.clone(),
        title: title.into(),
        severity: exception.severity,
        opened_on: exception.opened_on,
        age: exception.opened_on.until(today).map(|span| i64::from(span.get_days())).unwrap_or(0),
        held: exception
            .held
            .as_ref()
            .map(|held| format!("{} {}", grouped(&held.to_string()), held.currency()))
            .unwrap_or_default(),
        remedy: remedy.into(),
        detail: exception.detail.clone().unwrap_or_default(),
        link: format!("{}/contracts/{}", env.settings.http.public_url, exception.contract),
    }
}

struct Content<'a> {
    day: &'a str,
    groups: &'a [Group],
    parked: &'a [Parked],
    link: &'a str,
}

fn message(
    mail: &Mail,
    recipient: &str,
    key: &DeliveryKey,
    content: &Content<'_>,
    now: jiff::Timestamp,
) -> Result<(String, Vec<u8>), String> {
    let Content { day, groups, parked, link } = *content;
    let blocking =
        groups.iter().flat_map(|group| &group.lines).filter(|line| line.severity == Severity::Blocking).count();
    let open: usize = groups.iter().map(|group| group.lines.len()).sum();
    let noun = if open == 1 { "exception" } else { "exceptions" };
    let subject = format!("milestoned {day}: {open} open {noun}, {blocking} blocking, {} parked", parked.len());
    let html = Html { day, groups, parked, link }.render().map_err(|error| error.to_string())?;
    let plain = Plain { day, groups, parked, link }.render().map_err(|error| error.to_string())?;
    let mailbox = |address: &str| address.parse::<Mailbox>().map_err(|error| format!("{address}: {error}"));
    let message = Message::builder()
        .from(mailbox(&mail.from)?)
        .to(mailbox(recipient)?)
        .subject(subject.clone())
        .date(SystemTime::from(now))
        .message_id(Some(format!("<{key}@milestoned>")))
        .multipart(MultiPart::alternative_plain_html(plain, html))
        .map_err(|error| error.to_string())?;
    Ok((subject, message.formatted()))
}
