//! The digest: what waits for a person, grouped by owner, each with reason, age, amount held, remedy and link.

use std::collections::BTreeMap;
use std::time::SystemTime;

use askama::Template;
use jiff::civil::Date;
use lettre::message::{Mailbox, Message, MultiPart};
use milestoned_mapping::address;
use milestoned_mapping::command::DeliveryKey;

use crate::environment::Environment;
use crate::review::item::Item;
use crate::review::queue::{Filter, queue};
use crate::settings::Mail;
use crate::store::StoreError;

/// Kinds that go to an owner; what came in and could not be taken, and what is wrong with a connection, goes to finance.
const OWNED: [&str; 5] = ["approval", "change_order", "delivery", "drift", "exception"];

/// One thing as the digest shows it.
#[derive(Debug, Clone)]
pub struct Line {
    /// The thing.
    pub item: Item,
    /// Milestone and leg, or empty.
    pub place: String,
    /// Since when, in the reader's time zone.
    pub since: Option<Date>,
    /// How long it has waited, in words.
    pub age: String,
    /// Amount and currency it holds back, or empty.
    pub held: String,
    /// Link to the contract's page.
    pub link: String,
}

/// What waits for one owner.
#[derive(Debug, Clone)]
pub struct Group {
    /// Owner's address.
    pub owner: String,
    /// In the order of the queue.
    pub lines: Vec<Line>,
}

#[derive(Template)]
#[template(path = "digest.html")]
struct Html<'a> {
    day: Date,
    groups: &'a [Group],
    parked: &'a [Item],
    link: &'a str,
}

#[derive(Template)]
#[template(path = "digest.txt", escape = "none")]
struct Plain<'a> {
    day: Date,
    groups: &'a [Group],
    parked: &'a [Item],
    link: &'a str,
}

/// Writes the digests of a slot down, one a recipient; a slot's digest is written once. Returns how many were new.
/// With nothing to tell, nothing is written.
///
/// # Errors
/// The store failed.
pub async fn write(env: &Environment, mail: &Mail, slot: &str) -> Result<usize, StoreError> {
    let (now, day) = (env.clock.now(), today(env, mail));
    let items = awake(env, day).await?;
    let (owned, parked): (Vec<Item>, Vec<Item>) = items.into_iter().partition(|item| OWNED.contains(&item.kind));
    let groups = grouped(env, owned, day);
    let mut written = 0_usize;
    for recipient in recipients(mail, &groups) {
        let finance = mail.finance.contains(&recipient);
        let own: Vec<Group> = groups.iter().filter(|group| finance || group.owner == recipient).cloned().collect();
        let parked: &[Item] = if finance { &parked } else { &[] };
        if own.is_empty() && parked.is_empty() {
            continue;
        }
        let key = DeliveryKey::of(&["digest", slot, &recipient]);
        let content = Content { day, groups: &own, parked, link: &env.settings.http.public_url };
        match message(mail, &recipient, &key, &content, now) {
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

/// The day of those who read the mail.
fn today(env: &Environment, mail: &Mail) -> Date {
    let now = env.clock.now();
    now.in_tz(&mail.timezone).map_or_else(|_| now.to_zoned(jiff::tz::TimeZone::UTC).date(), |local| local.date())
}

/// The queue without what is snoozed.
async fn awake(env: &Environment, day: Date) -> Result<Vec<Item>, StoreError> {
    let mut items = queue(env, &Filter::default()).await?;
    items.retain(|item| item.snoozed_until.is_none_or(|until| until <= day));
    Ok(items)
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

/// What waits for each owner now.
///
/// # Errors
/// The store failed.
pub async fn groups(env: &Environment, mail: &Mail) -> Result<Vec<Group>, StoreError> {
    let day = today(env, mail);
    let mut items = awake(env, day).await?;
    items.retain(|item| OWNED.contains(&item.kind));
    Ok(grouped(env, items, day))
}

fn grouped(env: &Environment, items: Vec<Item>, day: Date) -> Vec<Group> {
    let mut groups: BTreeMap<String, Vec<Line>> = BTreeMap::new();
    for item in items {
        groups.entry(item.owner.clone().unwrap_or_default()).or_default().push(line(env, item, day));
    }
    groups.into_iter().map(|(owner, lines)| Group { owner, lines }).collect()
}

fn line(env: &Environment, item: Item, day: Date) -> Line {
    let contract = item.contract.as_deref().unwrap_or_default();
    let base = &env.settings.http.public_url;
    let link = match &item.milestone {
        Some(milestone) => address::milestone(base, contract, milestone),
        None => address::contract(base, contract),
    };
    Line {
        place: item.place(),
        // The contract's day may have begun before the reader's: what opened on it opened today.
        since: item.since.map(|since| since.min(day)),
        age: counted(usize::try_from(item.age(&day)).unwrap_or_default(), "day"),
        held: item.held.as_ref().map(ToString::to_string).unwrap_or_default(),
        link,
        item,
    }
}

/// A number with its noun: `1 day`, `2 days`.
pub fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

struct Content<'a> {
    day: Date,
    groups: &'a [Group],
    parked: &'a [Item],
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
    let blocking = groups.iter().flat_map(|group| &group.lines).filter(|line| line.item.severity.is_blocking()).count();
    let open: usize = groups.iter().map(|group| group.lines.len()).sum();
    let subject =
        format!("milestoned {day}: {}, {blocking} blocking, {} parked", counted(open, "open item"), parked.len());
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
