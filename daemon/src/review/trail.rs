//! The trail of a document, in words: from the invoice back to clause, acceptance and approvals with what the systems said
//! then, and on to deliveries and payments. Command line, API and page show this.

use milestoned_mapping::contract::event_in_words;
use milestoned_mapping::fact::{Event, Fact, ReviewDecision, Shown};
use milestoned_mapping::money::grouped;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::item::{Amount, as_said};
use super::queue::titles_and_codes;
use crate::environment::Environment;
use crate::store::StoreError;
use crate::store::action::Action;
use crate::store::audit::AuditLine;
use crate::store::trace::{Trace, TracedFact, TracedMail};

/// What a document, an entry, a fact or a record hangs together with, in words.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Trail {
    /// What was asked for.
    pub about: String,
    /// Contract, where one is known.
    pub contract: Option<String>,
    /// From the clause to the payment.
    pub parts: Vec<Part>,
}

/// A part of a trail.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Part {
    /// What it tells.
    pub title: &'static str,
    /// In their order.
    pub lines: Vec<Line>,
}

/// One thing that happened.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Line {
    /// When, an instant or a date.
    pub at: String,
    /// Who.
    pub who: String,
    /// What, in words.
    pub text: String,
}

impl Line {
    fn new(at: impl ToString, who: &str, text: String) -> Self {
        Self { at: at.to_string(), who: who.to_owned(), text }
    }
}

/// A trail to hand over: whoever has the house's public key can check it, and nobody else can make one.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Package {
    /// What is signed: JSON of the trail in words, of what it was made of, and of the head of the audit trail then.
    pub text: String,
    /// The house's public key, Ed25519, hex.
    pub public_key: String,
    /// The signature of the text, hex.
    pub signature: String,
}

/// How people name where a trail begins.
pub const NAMES: &str = "a document or journal entry by its number, KIND:ID by the ERP's id (invoice:812, credit_memo:813, \
     journal_entry:814), payment:CONNECTION:ID, approval:CONTRACT:MILESTONE, mail:MESSAGE-ID, fact:ROW, record:ROW";

/// The trail of what is named, and what it was made of. `None`: there is no such thing.
///
/// # Errors
/// The store failed.
pub async fn trail(env: &Environment, what: &str) -> Result<Option<(Trail, Trace)>, StoreError> {
    let Some(start) = env.store.start_of_trail(what.trim().to_owned()).await? else { return Ok(None) };
    let Some(trace) = env.store.trace(start).await? else { return Ok(None) };
    Ok(Some((told(what, &trace), trace)))
}

/// The trail of what is named, signed. `None`: there is no such thing, or the machine cannot sign.
///
/// # Errors
/// The store failed.
pub async fn package(env: &Environment, what: &str) -> Result<Option<Package>, StoreError> {
    let Some((told, made_of)) = trail(env, what).await? else { return Ok(None) };
    let head = env.store.audit_head().await?;
    let text = json!({ "trail": told, "made_of": made_of, "head": head, "at": env.clock.now() }).to_string();
    let signed = env.key.sign(&text);
    Ok(signed.map(|(public_key, signature)| Package { text, public_key, signature }))
}

fn told(what: &str, trace: &Trace) -> Trail {
    let facts: Vec<(&TracedFact, Fact)> = trace.facts.iter().filter_map(|fact| Some((fact, parsed(fact)?))).collect();
    let of = |wanted: fn(&Event) -> bool| -> Vec<Line> {
        facts
            .iter()
            .filter(|(_, fact)| wanted(&fact.event))
            .map(|(traced, fact)| fact_line(traced, fact, trace))
            .collect()
    };
    let acts = |wanted: fn(&AuditLine) -> bool| -> Vec<Line> {
        let lines = trace.lines.iter().filter(|line| wanted(line));
        lines.map(|line| Line::new(&line.at, &line.actor, act_in_words(line))).collect()
    };
    let clauses = trace.clauses.iter().map(|clause| Line::new("", "", in_words(clause))).collect();
    let records = trace.records.iter().map(|record| {
        let text = format!(
            "record:{} {} {} {}, version {}",
            record.id, record.system, record.object, record.remote_id, record.version
        );
        Line::new(record.seen_at, &record.system, text)
    });
    let payments = trace.payments.iter().filter_map(|payment| Some((payment, parsed(payment)?)));
    let rest = |line: &AuditLine| {
        let told =
            [Action::ContractOpened, Action::FactDecided, Action::MilestoneApproved, Action::FirstOfTwoApprovals];
        !told.iter().any(|action| line.says(*action))
    };
    let parts = [
        ("What was agreed", clauses),
        ("Who filed it", acts(|line| line.says(Action::ContractOpened))),
        ("Change orders", of(|event| matches!(event, Event::Amended(_)))),
        ("What was delivered and accepted", of(is_of_the_work)),
        ("The records that say so", records.collect()),
        ("Approvals", facts.iter().filter_map(|(traced, fact)| approval(traced, fact, trace)).collect()),
        ("Other decisions of people", of(is_decision)),
        ("Documents", documents(trace)),
        ("Deliveries", deliveries(trace)),
        ("The mail", trace.mail.iter().flat_map(mail).collect()),
        ("Payments", payments.map(|(traced, fact)| fact_line(traced, &fact, trace)).collect()),
        ("The rest of the audit trail", acts(rest)),
    ];
    let parts = parts.into_iter().filter(|(_, lines)| !lines.is_empty());
    let parts = parts.map(|(title, lines): (&'static str, Vec<Line>)| Part { title, lines }).collect();
    Trail { about: what.to_owned(), contract: trace.contract.clone(), parts }
}

/// What a line of the audit trail says was done; of an exception also which.
fn act_in_words(line: &AuditLine) -> String {
    let of_exceptions = [
        Action::ExceptionOpened,
        Action::ExceptionClosed,
        Action::ExceptionOpenedAndClosed,
        Action::ExceptionOverruled,
    ];
    if of_exceptions.iter().any(|action| line.says(*action)) {
        let which = titles_and_codes(std::slice::from_ref(&line.subject));
        return format!("{}: {which} {}", line.action, line.detail).trim_end().to_owned();
    }
    format!("{}: {}", line.action, line.detail)
}

fn parsed(fact: &TracedFact) -> Option<Fact> {
    serde_json::from_value(fact.fact.clone()).ok()
}

fn is_of_the_work(event: &Event) -> bool {
    !is_decision(event) && !matches!(event, Event::Amended(_) | Event::Review { .. } | Event::Observed(_))
}

fn is_decision(event: &Event) -> bool {
    let review = matches!(event, Event::Review { decision, .. } if *decision != ReviewDecision::Approve);
    review || matches!(event, Event::Overrule { .. } | Event::Withdrawn { .. })
}

fn fact_line(traced: &TracedFact, fact: &Fact, trace: &Trace) -> Line {
    let mut text = event_in_words(&fact.event);
    if let Event::Payment { invoice, amount, .. } = &fact.event {
        let currency = trace.documents.first().map(|document| document.currency);
        let money = currency.and_then(|currency| currency.from_decimal(amount.0));
        let money = money.map_or_else(|| amount.to_string(), |money| Amount::from(money).to_string());
        text = format!("payment of {money} for {invoice}");
    }
    if let Event::Accepted { role, document, .. } = &fact.event {
        text.extend(role.iter().map(|role| format!(", as {role}")));
        text.extend(document.iter().map(|document| format!(", by {document}")));
    }
    text.extend(fact.on.map(|on| format!(", dated {on}")));
    Line::new(traced.at, traced.actor.name(), text)
}

/// Who approved what amount of what version, and what the systems said then.
fn approval(traced: &TracedFact, fact: &Fact, trace: &Trace) -> Option<Line> {
    let Event::Review { milestone, decision: ReviewDecision::Approve, shown, .. } = &fact.event else { return None };
    let currency = trace.documents.first().map(|document| format!(" {}", document.currency)).unwrap_or_default();
    let text = match shown {
        None => format!("approved {milestone}; what was shown is not on file"),
        Some(Shown { version, amount, customer, legs, .. }) => {
            let amount = grouped(&amount.to_string());
            let said = legs.iter().flatten().map(|(name, value)| format!("{name} {}", as_said(value)));
            let said: Vec<String> = said.collect();
            let said = match (legs, said.as_slice()) {
                (None, _) => "what the systems said is not on file".to_owned(),
                (Some(_), []) => "no system said anything of it then".to_owned(),
                (Some(_), said) => format!("the systems said then: {}", said.join(", ")),
            };
            format!("approved {amount}{currency} of {milestone} in version {version} for {customer}; {said}")
        }
    };
    Some(Line::new(traced.at, traced.actor.name(), text))
}

/// What a mail said, to whom, and what became of it.
fn mail(mail: &TracedMail) -> Vec<Line> {
    let written = format!("<{}@milestoned> to {}: {}", mail.key, mail.recipients, mail.subject);
    let fault = mail.fault.as_deref().map(|fault| format!(": {fault}")).unwrap_or_default();
    let settled = mail.settled_at.map_or_else(String::new, |at| at.to_string());
    vec![
        Line::new(mail.created_at, "milestoned", written),
        Line::new(settled, "relay", format!("{}{fault}", mail.state)),
        Line::new("", "", mail.message.clone()),
    ]
}

fn documents(trace: &Trace) -> Vec<Line> {
    let line = |document: &crate::store::views::DocumentView| {
        let (kind, amount) = (document.kind.name().replace('_', " "), grouped(&document.amount.to_string()));
        let text = format!(
            "{kind} {}: {amount} {}, due {}, for {}",
            document.number, document.currency, document.due_on, document.target
        );
        Line::new(document.date, "milestoned", text)
    };
    trace.documents.iter().map(line).collect()
}

fn deliveries(trace: &Trace) -> Vec<Line> {
    let lines = |delivery: &crate::store::outbox::Delivery| {
        let id =
            delivery.remote_id.as_deref().map_or_else(|| "no record there".into(), |id| format!("record {id} there"));
        let request = delivery.request_id.as_deref().map(|id| format!(", request {id}")).unwrap_or_default();
        let unseen = match (delivery.unposted, delivery.confirmed_at) {
            (true, _) => ", not posted there",
            (false, Some(_)) => "",
            (false, None) => ", not seen there yet",
        };
        let what = format!("{} {}", delivery.kind.to_string().replace('_', " "), delivery.subject);
        let text = format!("{what} to {}: {}, {id}{request}{unseen}", delivery.target, delivery.standing());
        let settled = delivery.settled_at.map_or_else(String::new, |at| at.to_string());
        let seen = delivery.confirmed_at.map(|at| Line::new(at, &delivery.target, format!("{what}: seen there")));
        [Some(Line::new(settled, &delivery.target, text)), seen].into_iter().flatten()
    };
    trace.deliveries.iter().flat_map(lines).collect()
}

/// The fields of a clause that say something: `name: Terminal survey, amount: 30000.00`.
fn in_words(value: &Value) -> String {
    let word = |value: &Value| match value {
        Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        Value::Array(items) if items.is_empty() => None,
        Value::Array(items) => {
            let text = |item: &Value| item.as_str().map_or_else(|| item.to_string(), Into::into);
            Some(items.iter().map(text).collect::<Vec<String>>().join(" + "))
        }
        Value::Null => None,
        other => Some(other.to_string()),
    };
    let said = |(name, value): (&String, &Value)| word(value).map(|word| format!("{}: {word}", name.replace('_', " ")));
    value.as_object().into_iter().flatten().filter_map(said).collect::<Vec<String>>().join(", ")
}
