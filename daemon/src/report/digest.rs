//! The digest: what waits for a person, with reason, age, amount held, values that differ, remedy and link. It remembers what each
//! reader was told last: what is new stands first, then what is still open, then what is resolved since; then what is to be approved
//! and which acceptances silence will bring. Finance gets all of it, an owner what is theirs.

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use askama::Template;
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use lettre::message::{Mailbox, Message, MultiPart};
use milestoned_mapping::address;
use milestoned_mapping::command::DeliveryKey;
use milestoned_mapping::counted::counted;

use crate::environment::Environment;
use crate::review::holding::held;
use crate::review::item::Item;
use crate::review::portfolio;
use crate::review::queue::{Filter, queue};
use crate::settings::Mail;
use crate::store::StoreError;
use crate::store::mails::{Digest, DigestItem};

/// Kinds that go to an owner; what came in and could not be taken, and what is wrong with a connection, goes to finance.
const OWNED: [&str; 5] = ["approval", "change_order", "delivery", "drift", "exception"];
/// Days ahead for which deadlines are told.
const AHEAD: i64 = 14;

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
    /// Link to the page of the thing itself.
    pub case: String,
}

/// What waits for one owner.
#[derive(Debug, Clone)]
pub struct Group {
    /// Owner's address.
    pub owner: String,
    /// In the order of the queue.
    pub lines: Vec<Line>,
}

/// An acceptance that silence will bring.
#[derive(Debug, Clone)]
struct Silence {
    contract: String,
    milestone: String,
    last_day: Date,
    amount: String,
    owner: Option<String>,
    link: String,
}

/// What one reader is told.
#[derive(Default)]
struct Told {
    /// Not told before, by owner.
    new: Vec<Group>,
    /// Told before and still open, by owner.
    open: Vec<Group>,
    /// Titles of what was told before and waits no more.
    resolved: Vec<String>,
    /// What is to be approved, in sum: `2 invoices, 110,000.00 USD`; empty: nothing.
    to_approve: String,
    silences: Vec<Silence>,
    parked: Vec<Item>,
}

impl Told {
    fn is_empty(&self) -> bool {
        self.new.is_empty() && self.open.is_empty() && self.resolved.is_empty() && self.parked.is_empty()
    }

    /// What waits for people, the new first.
    fn sections(&self) -> Vec<(&'static str, &[Group])> {
        let all = [("New since the last digest", self.new.as_slice()), ("Still open", self.open.as_slice())];
        all.into_iter().filter(|(_, groups)| !groups.is_empty()).collect()
    }

    fn lines(&self) -> impl Iterator<Item = &Line> {
        self.new.iter().chain(&self.open).flat_map(|group| &group.lines)
    }
}

#[derive(Template)]
#[template(path = "digest.html")]
struct Html<'a> {
    day: Date,
    told: &'a Told,
    link: &'a str,
}

#[derive(Template)]
#[template(path = "digest.txt", escape = "none")]
struct Plain<'a> {
    day: Date,
    told: &'a Told,
    link: &'a str,
}

/// Writes the digests of a slot down, one a recipient; a slot's digest is written once. Returns how many were new.
/// With nothing to tell, nothing is written.
///
/// # Errors
/// The store failed.
pub async fn write(env: &Environment, mail: &Mail, slot: &str) -> Result<usize, StoreError> {
    let now = env.clock.now();
    let all: Vec<Item> = queue(env, &Filter::default()).await?.into_iter().map(in_lines_of_ours).collect();
    let waiting: BTreeSet<String> = all.iter().map(|item| item.subject.to_string()).collect();
    let (owned, parked): (Vec<Item>, Vec<Item>) = all.into_iter().partition(|item| OWNED.contains(&item.kind));
    let silences = silences(env).await?;
    let mut written = 0_usize;
    for recipient in recipients(mail, &owned) {
        let day = today(env, mail, &recipient);
        let until = day.saturating_add(jiff::Span::new().days(AHEAD));
        let finance = mail.finance.contains(&recipient);
        let is_theirs = |owner: Option<&String>| finance || owner == Some(&recipient);
        let own =
            owned.iter().filter(|item| is_theirs(item.mark.owner.as_ref()) && is_awake(item, day)).cloned().collect();
        let parked = parked.iter().filter(|item| finance && is_awake(item, day)).cloned().collect();
        let known = env.store.told_by_digest(recipient.clone()).await?;
        let mut told = told(env, (own, parked), (&waiting, &known), day);
        let near = silences.iter().filter(|silence| silence.last_day <= until && is_theirs(silence.owner.as_ref()));
        told.silences = near.cloned().collect();
        if told.is_empty() {
            continue;
        }
        let key = DeliveryKey::of(&["digest", slot, &recipient]);
        match message(mail, &recipient, &key, (&told, day), env) {
            Ok((subject, message)) => {
                let items = items(&told, &known, now);
                let digest = Digest { key: key.to_string(), recipient, subject, message, items };
                written = written.saturating_add(usize::from(env.store.add_digest(digest, now).await?));
            }
            Err(reason) => {
                tracing::error!(recipient, reason, "the digest could not be written: run `milestoned check`")
            }
        }
    }
    Ok(written)
}

/// A thing of which each text is one line: what a remote or a person wrote begins no line of the mail.
fn in_lines_of_ours(mut item: Item) -> Item {
    let texts = [&mut item.title, &mut item.problem.reason, &mut item.problem.remedy];
    for text in texts.into_iter().chain(item.mark.note.as_mut()).chain(item.customer.as_mut()) {
        *text =
            text.split(char::is_control).map(str::trim).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
    }
    item
}

/// Sorts what waits into what is new, what was told before, and what is resolved: what is snoozed, or somebody else's now, still
/// waits.
fn told(
    env: &Environment,
    (own, parked): (Vec<Item>, Vec<Item>),
    (waiting, known): (&BTreeSet<String>, &[DigestItem]),
    day: Date,
) -> Told {
    let resolved =
        known.iter().filter(|item| !waiting.contains(&item.subject)).map(|item| item.title.clone()).collect();
    let approvals: Vec<&Item> = own.iter().filter(|item| item.kind == "approval").collect();
    let to_approve = match approvals.len() {
        0 => String::new(),
        count => format!("{}, {}", counted(count, "invoice"), held(&approvals)),
    };
    let was_told = |item: &Item| known.iter().any(|candidate| candidate.subject == item.subject.to_string());
    let (open, new): (Vec<Item>, Vec<Item>) = own.into_iter().partition(was_told);
    Told {
        new: grouped(env, new, day),
        open: grouped(env, open, day),
        resolved,
        to_approve,
        silences: Vec::new(),
        parked,
    }
}

/// What is remembered of a digest.
fn items(told: &Told, known: &[DigestItem], now: Timestamp) -> Vec<DigestItem> {
    let all = told.lines().map(|line| &line.item).chain(&told.parked);
    let item = |item: &Item| {
        let subject = item.subject.to_string();
        let first_told = known.iter().find(|item| item.subject == subject).map_or(now, |item| item.first_told);
        let place = item.place_in_full();
        let title = format!("{} {place}", item.title_and_code()).trim_end().to_owned();
        DigestItem { subject, title, first_told }
    };
    all.map(item).collect()
}

/// Acceptances that silence will bring soon, the earliest first. Where time alone changes nothing soon, there is none.
async fn silences(env: &Environment) -> Result<Vec<Silence>, StoreError> {
    let base = &env.settings.http.public_url;
    let mut all = Vec::new();
    // The business day that follows on a deadline may be some days later.
    let soon = env.clock.now().saturating_add(SignedDuration::from_hours(AHEAD.saturating_mul(3 * 24)));
    let ids = env.store.contracts_waking_by(soon.unwrap_or(Timestamp::MAX)).await?;
    for some in ids.chunks(portfolio::AT_ONCE) {
        for booked in portfolio::booked_of(env, some).await? {
            let id = booked.state.terms().id();
            let ahead = booked.state.outlook(booked.state.as_of()).deadlines.into_iter();
            all.extend(ahead.map(|deadline| Silence {
                contract: id.to_owned(),
                link: address::milestone(base, id, &deadline.milestone),
                amount: crate::review::item::Amount::from(deadline.amount).to_string(),
                milestone: deadline.milestone,
                last_day: deadline.last_day,
                owner: booked.owner.clone(),
            }));
        }
    }
    all.sort_by(|a, b| (a.last_day, &a.contract, &a.milestone).cmp(&(b.last_day, &b.contract, &b.milestone)));
    Ok(all)
}

/// The day of whoever reads the mail.
fn today(env: &Environment, mail: &Mail, reader: &str) -> Date {
    let now = env.clock.now();
    let zone = mail.timezones.get(reader).unwrap_or(&mail.timezone);
    now.in_tz(zone).map_or_else(|_| now.to_zoned(jiff::tz::TimeZone::UTC).date(), |local| local.date())
}

/// Whether a thing is not snoozed on a day.
fn is_awake(item: &Item, day: Date) -> bool {
    item.mark.snoozed_until.is_none_or(|until| until <= day)
}

fn recipients(mail: &Mail, owned: &[Item]) -> Vec<String> {
    let mut recipients = mail.finance.clone();
    for owner in owned.iter().filter_map(|item| item.mark.owner.as_ref()) {
        if mail.takes(owner).is_ok() && !recipients.contains(owner) {
            recipients.push(owner.clone());
        }
    }
    recipients
}

/// What waits for each owner now.
///
/// # Errors
/// The store failed.
pub async fn groups(env: &Environment, mail: &Mail) -> Result<Vec<Group>, StoreError> {
    let day = today(env, mail, "");
    let mut items = queue(env, &Filter::default()).await?;
    items.retain(|item| OWNED.contains(&item.kind) && is_awake(item, day));
    Ok(grouped(env, items, day))
}

fn grouped(env: &Environment, items: Vec<Item>, day: Date) -> Vec<Group> {
    let mut groups: BTreeMap<String, Vec<Line>> = BTreeMap::new();
    for item in items {
        groups.entry(item.mark.owner.clone().unwrap_or_default()).or_default().push(line(env, item, day));
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
        case: format!("{base}/case/{}", address::segment(&item.subject.to_string())),
        place: item.place(),
        // The contract's day may have begun before the reader's: what opened on it opened today.
        since: item.since.map(|since| since.min(day)),
        age: counted(usize::try_from(item.age(&day)).unwrap_or_default(), "day"),
        held: item.held.as_ref().map(ToString::to_string).unwrap_or_default(),
        link,
        item,
    }
}

fn message(
    mail: &Mail,
    recipient: &str,
    key: &DeliveryKey,
    (told, day): (&Told, Date),
    env: &Environment,
) -> Result<(String, Vec<u8>), String> {
    let (now, link) = (env.clock.now(), env.settings.http.public_url.as_str());
    let blocking = told.lines().filter(|line| line.item.severity.is_blocking()).count();
    let (new, open) = (count(&told.new), told.lines().count());
    let subject = format!(
        "milestoned {day}: {}, {new} new, {blocking} blocking, {} parked",
        counted(open, "open item"),
        told.parked.len()
    );
    let html = Html { day, told, link }.render().map_err(|error| error.to_string())?;
    let plain = Plain { day, told, link }.render().map_err(|error| error.to_string())?;
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

fn count(groups: &[Group]) -> usize {
    groups.iter().map(|group| group.lines.len()).sum()
}
