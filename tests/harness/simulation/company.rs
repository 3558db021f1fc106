//! A company: people with different rights, who also try what they may not, and what they have authorised, as the company
//! itself would note it.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::{Method, StatusCode};
use jiff::civil::{Date, date};
use jiff::{Timestamp, ToSpan as _};
use milestoned_mapping::fact::Shown;
use rand::RngExt as _;
use rand::rngs::StdRng;
use serde_json::{Value, json};

use super::agreement::{Agreement, Milestone};
use super::front::TOKEN;
use super::people::{Place, any, change, edit};
use super::world::World;

/// Of Jira: the field map in which an acceptance has a date.
pub(super) const DATES: &str = concat!("field_map = '", env!("CARGO_MANIFEST_DIR"), "/harness/simulation/jira.toml'");
/// Of the configuration: above this two people approve.
pub(super) const TWO_ABOVE: &str = "approvals.second_over = \"70.00\"";
/// The same, in whole units.
const LIMIT: u64 = 70;
/// Who approves what they had no hand in.
const APPROVERS: [&str; 3] = ["controller", "rob", "sue"];

/// People with a token: name, rights, and what else their entry says. `fay` files, `tom` brings evidence and tells of invoices
/// of others; `old` was shown the door.
const PEOPLE: [(&str, &str, &str); 7] = [
    ("fay", ALL, ""),
    ("tom", ALL, ""),
    ("rob", ALL, ""),
    ("sue", ALL, ""),
    ("old", ALL, ", expires_on = \"2026-03-01\""),
    ("vic", "\"view\"", ""),
    ("meter", "\"view\", \"tell_facts\"", ""),
];
const ALL: &str = concat!(
    "\"view\", \"file_terms\", \"tell_facts\", \"approve\", ",
    "\"overrule\", \"release\", \"operate\", \"audit\""
);

/// What a company remembers of a run.
#[derive(Debug, Default)]
pub(super) struct Company {
    /// Large amounts need two people.
    pub(super) two_above: bool,
    approvals: Vec<Approval>,
    /// Milestones that a person holds, and that were not invoiced before.
    pub(super) held: BTreeSet<(&'static str, String)>,
    /// Dates that were closed: the last one, when, and what each contract had booked through it then.
    pub(super) closings: Vec<Closing>,
    /// Rows that somebody put into the database, by their keys.
    pub(super) forged: Vec<String>,
    /// Payments in the ERP: invoice, whole units, the ERP's id.
    pub(super) payments: Vec<(String, u64, String)>,
    /// Copies of issues that somebody made, and those of them that were deleted.
    copies: Vec<String>,
    deleted_copies: Vec<String>,
}

impl Company {
    /// A company on its first day; `two_above`: large amounts need two people.
    pub(super) fn with(two_above: bool) -> Self {
        Self { two_above, ..Self::default() }
    }

    /// Whether an issue was a copy that is deleted.
    pub(super) fn has_deleted(&self, issue: &str) -> bool {
        self.deleted_copies.iter().any(|copy| copy == issue)
    }

    /// Whether somebody has put a row of this key into the database.
    pub(super) fn has_forged(&self, key: &str) -> bool {
        self.forged.iter().any(|forged| forged == key)
    }
}

/// Dates that were closed.
#[derive(Debug)]
pub(super) struct Closing {
    pub(super) through: Date,
    pub(super) at: Timestamp,
    /// By contract: entries of these dates, each in words.
    pub(super) entries: BTreeMap<&'static str, Vec<String>>,
}

/// An approval that the daemon has taken.
#[derive(Debug)]
struct Approval {
    contract: &'static str,
    milestone: String,
    shown: Shown,
    amount: u64,
    by: &'static str,
    at: Timestamp,
    /// It lets the invoice go: one person was enough, or it was the second.
    counts: bool,
}

/// The secret of somebody.
fn token(name: &str) -> String {
    if name == "controller" { TOKEN.to_owned() } else { format!("token-of-{name}-0123456789abcdef") }
}

/// Entries of the configuration beside the controller's.
pub(super) fn tokens() -> String {
    let entry = |(name, rights, more): (&str, &str, &str)| {
        format!(", {{ name = \"{name}\", rights = [{rights}], token = \"{}\"{more} }}", token(name))
    };
    PEOPLE.into_iter().map(entry).collect()
}

/// Contracts differ: reviewed ones, ones that were signed earlier, with retainage, and one that others billed before.
pub(super) fn vary(agreements: &mut Vec<Agreement>, dice: &mut StdRng) {
    if dice.random_bool(0.3) {
        agreements.push(taken_over(dice));
    }
    for one in agreements.iter_mut().filter(|one| one.history.is_empty()) {
        one.reviewed = dice.random_bool(0.45);
        if dice.random_bool(0.5) {
            one.signed_on = date(2026, 1, 5);
            one.books_from = dice.random_bool(0.6).then(|| date(2026, 2, 1));
        }
        if !one.reviewed && one.currency != "JPY" && one.milestones.len() > 1 && dice.random_bool(0.4) {
            one.release = one.milestones.last().map(|last| last.id.clone());
        }
    }
}

/// A contract of which others have billed the first milestone, and perhaps been paid for it.
fn taken_over(dice: &mut StdRng) -> Agreement {
    let mut milestones: Vec<Milestone> = (0..dice.random_range(2..5)).map(Milestone::new).collect();
    let mut history = Vec::new();
    if let Some(first) = milestones.first_mut() {
        first.adopted = Some("OLD-1".into());
        (first.accepted, first.ever_accepted) = (true, true);
        let amount = format!("{}.00", first.amount);
        history.push(json!({ "type": "accepted", "milestone": first.id, "on": "2026-01-20", "by": "Dana" }));
        history.push(json!({ "type": "adopted", "milestone": first.id, "number": "OLD-1", "on": "2026-01-22",
            "amount": amount }));
        if dice.random_bool(0.5) {
            let payment = json!({ "type": "payment", "invoice": "OLD-1", "on": "2026-02-10", "amount": amount });
            history.push(payment);
        }
    }
    Agreement {
        id: "SOW-3",
        customer: "Northwind Ltd",
        currency: "USD",
        zone: "America/New_York",
        reviewed: dice.random_bool(0.3),
        milestones,
        version: 1,
        won: true,
        wrong_by: 0,
        signed_on: date(2026, 1, 5),
        books_from: Some(date(2026, 3, 1)),
        release: None,
        history,
    }
}

impl World {
    /// The date where a contract lives.
    pub(super) fn today(&self, of: usize) -> anyhow::Result<Date> {
        Ok(self.now().in_tz(self.agreement(of)?.zone)?.date())
    }

    /// Somebody of the company sends a request.
    pub(super) fn request(&mut self, who: &str, path: &str, body: &Value) -> anyhow::Result<(StatusCode, String)> {
        let (status, said) = self.say_as(&token(who), Method::POST, path, body)?;
        Ok((status, said.to_string()))
    }

    /// Somebody sends a request that the daemon must take.
    pub(super) fn must(&mut self, who: &str, path: &str, body: &Value) -> anyhow::Result<()> {
        let (status, said) = self.request(who, path, body)?;
        anyhow::ensure!(status.is_success(), "9: {who} sends {body} to {path} and is answered {status}: {said}");
        Ok(())
    }

    /// Somebody sends a request that they may not, and that the daemon must refuse.
    fn may_not(&mut self, who: &str, path: &str, body: &Value) -> anyhow::Result<()> {
        self.act("forbidden", &format!("{who} {path}"));
        let (status, said) = self.request(who, path, body)?;
        let refused = status.is_client_error();
        anyhow::ensure!(refused, "15: {who} may not send {body} to {path}, and is answered {status}: {said}");
        Ok(())
    }
}

/// The terms are filed by fay.
pub(super) fn file(world: &mut World, terms: &Value) -> anyhow::Result<()> {
    let path = format!("/v1/contracts/{}", terms["id"].as_str().unwrap_or_default());
    let (status, said) = world.say_as(&token("fay"), Method::PUT, &path, terms)?;
    anyhow::ensure!(status == StatusCode::CREATED, "9: {terms} is answered {status}: {said}");
    Ok(())
}

fn review_of(contract: &str, milestone: &str) -> String {
    format!("/v1/contracts/{contract}/milestones/{milestone}/review")
}

/// Somebody approves a milestone as it is shown to them.
pub(super) fn approve(world: &mut World, place: Place, who: &'static str) -> anyhow::Result<()> {
    let (id, milestone) = (world.agreement(place.0)?.id, world.milestone(place)?.id.clone());
    world.act("approve", &format!("{id} {milestone}, {who}"));
    for _ in 0..2 {
        let Some(shown) = world.contract(id)?.shown(&milestone) else { return Ok(()) };
        let body = json!({ "decision": "approve", "shown": shown });
        let (status, said) = world.request(who, &review_of(id, &milestone), &body)?;
        match status {
            // What changed while they looked they look at again.
            StatusCode::CONFLICT => {}
            // They have approved it already, and two people are needed.
            StatusCode::FORBIDDEN => return Ok(()),
            // A change order has removed it meanwhile.
            StatusCode::UNPROCESSABLE_ENTITY if world.contract(id)?.shown(&milestone).is_none() => return Ok(()),
            _ => {
                anyhow::ensure!(status.is_success(), "9: {who} approves {id} {milestone}: {status} {said}");
                return approved(world, place, shown, who, &said);
            }
        }
    }
    Ok(())
}

/// The daemon has taken an approval: whether it may count is for the company to say.
fn approved(world: &mut World, place: Place, shown: Shown, who: &'static str, said: &str) -> anyhow::Result<()> {
    let agreement = world.agreement(place.0)?;
    let (contract, milestone) = (agreement.id, world.milestone(place)?.id.clone());
    let amount: u64 = shown.amount.to_string().split('.').next().unwrap_or_default().parse()?;
    let counts = !said.contains("two people are needed");
    let others = approved_today(world, place)?;
    let same = |one: &Approval| one.contract == contract && one.milestone == milestone && one.shown == shown;
    let second = world.company.approvals.iter().any(|one| same(one) && one.by != who);
    let alone = !world.company.two_above || amount.saturating_add(others) <= LIMIT;
    anyhow::ensure!(
        !counts || alone || second,
        "15: {who} alone lets {contract} {milestone} go at {amount}, beside {others} of this day"
    );
    if counts {
        world.company.held.remove(&(contract, milestone.clone()));
    }
    let at = world.now();
    world.company.approvals.push(Approval { contract, milestone, shown, amount, by: who, at, counts });
    Ok(())
}

/// What was let go today for the customer beside a milestone: of each milestone the largest amount.
fn approved_today(world: &World, place: Place) -> anyhow::Result<u64> {
    let agreement = world.agreement(place.0)?;
    let midnight = world.today(place.0)?.in_tz(agreement.zone)?.timestamp();
    let mut largest = BTreeMap::<(&str, &str), u64>::new();
    for one in world.company.approvals.iter().filter(|one| one.counts && one.at >= midnight) {
        let other = world.agreements.iter().find(|other| other.id == one.contract);
        let same =
            other.is_some_and(|other| (other.customer, other.currency) == (agreement.customer, agreement.currency));
        if same && (one.contract, one.milestone.as_str()) != (agreement.id, world.milestone(place)?.id.as_str()) {
            let known = largest.entry((one.contract, &one.milestone)).or_default();
            *known = one.amount.max(*known);
        }
    }
    Ok(largest.values().sum())
}

/// Two people approve a milestone, one after the other.
pub(super) fn approve_by_two(world: &mut World, place: Place) -> anyhow::Result<()> {
    approve(world, place, "rob")?;
    if world.company.two_above { approve(world, place, "sue") } else { Ok(()) }
}

/// A reviewer approves or holds a milestone.
pub(super) fn review(world: &mut World, dice: &mut StdRng) -> anyhow::Result<()> {
    let Some(place) = any(world, dice) else { return Ok(()) };
    let who = APPROVERS[dice.random_range(0..APPROVERS.len())];
    match dice.random_range(0..10) {
        0..4 => hold(world, place, who),
        4..7 => approve(world, place, who),
        // One after the other, so that none of them is large.
        _ => {
            for milestone in 0..world.agreement(place.0)?.milestones.len() {
                let place = (place.0, milestone);
                if !world.milestone(place)?.removed {
                    approve(world, place, who)?;
                }
            }
            Ok(())
        }
    }
}

/// Somebody holds a milestone.
fn hold(world: &mut World, place: Place, who: &'static str) -> anyhow::Result<()> {
    let (id, milestone) = (world.agreement(place.0)?.id, world.milestone(place)?.id.clone());
    world.act("hold", &format!("{id} {milestone}, {who}"));
    let body = json!({ "decision": "hold", "reason": "the customer has called" });
    let (status, said) = world.request(who, &review_of(id, &milestone), &body)?;
    let contract = world.contract(id)?;
    let gone = contract.shown(&milestone).is_none();
    anyhow::ensure!(status.is_success() || gone, "9: {who} holds {id} {milestone}: {status} {said}");
    if !contract.documents().iter().any(|one| one.milestone == milestone) {
        world.company.approvals.retain(|one| (one.contract, &one.milestone) != (id, &milestone));
        world.company.held.insert((id, milestone));
    }
    Ok(())
}

/// A milestone is approved before it is delivered; then a change order gives it another amount, and the customer accepts.
pub(super) fn approve_then_change(world: &mut World, dice: &mut StdRng) -> anyhow::Result<()> {
    let Some(place) = any(world, dice) else { return Ok(()) };
    if !world.agreement(place.0)?.reviewed || world.milestone(place)?.ever_accepted {
        return Ok(());
    }
    approve_by_two(world, place)?;
    change(world, dice, place)?;
    if dice.random_bool(0.5) {
        world.advance(jiff::SignedDuration::from_mins(6));
        world.turn(None)?;
    }
    let signed = acceptance(world, dice, place)?;
    edit(world, place, "Accepted", signed)?;
    world.advance(jiff::SignedDuration::from_mins(6));
    world.turn(None)
}

/// What the customer's acceptance fills in: the signed document and the date that stands on it, today's or an earlier one.
pub(super) fn acceptance(world: &World, dice: &mut StdRng, place: Place) -> anyhow::Result<Value> {
    let today = world.today(place.0)?;
    let most = 1_i64 << dice.random_range(0..6);
    let days = if dice.random_bool(0.5) { dice.random_range(0..=most) } else { 0 };
    let on = today.checked_sub(days.days())?;
    Ok(json!({ "customfield_10105": "https://docs.example/signed.pdf", "customfield_10112": on }))
}

/// Somebody tries what they may not: they lack the right, had a hand in it, saw something else, or are no longer there.
pub(super) fn forbidden(world: &mut World, dice: &mut StdRng) -> anyhow::Result<()> {
    let Some(place) = any(world, dice) else { return Ok(()) };
    let (id, milestone) = (world.agreement(place.0)?.id, world.milestone(place)?.id.clone());
    let contract = format!("/v1/contracts/{id}");
    let Some(shown) = world.contract(id)?.shown(&milestone) else { return Ok(()) };
    let approval = json!({ "decision": "approve", "shown": shown });
    let review = review_of(id, &milestone);
    match dice.random_range(0..10) {
        0..3 => world.may_not("fay", &review, &approval),
        3 => world.may_not(["vic", "meter", "old"][dice.random_range(0..3)], &review, &approval),
        4 => {
            let mut stale = approval;
            stale["shown"]["amount"] = json!("12345.00");
            world.may_not("rob", &review, &stale)
        }
        5 => {
            let evidence = json!({ "type": "evidence", "milestone": milestone, "evidence": ["Report"] });
            world.may_not("vic", &format!("{contract}/facts"), &evidence)?;
            world.must("tom", &format!("{contract}/facts"), &evidence)?;
            world.may_not("tom", &review, &approval)
        }
        6 => {
            let version = world.agreement(place.0)?.version.saturating_add(1);
            let order =
                json!({ "version": version, "signed": true, "change": [{ "id": milestone, "amount": "9999.00" }] });
            world.may_not("meter", &format!("{contract}/amendments"), &order)
        }
        7 => {
            let body = json!({ "code": "AMOUNT_MISMATCH", "leg": "crm", "reason": "agreed" });
            world.may_not("meter", &format!("{contract}/exceptions/overrule"), &body)
        }
        8 => world.may_not("vic", "/v1/closed-dates", &json!({ "through": "2026-02-28", "reason": "over" })),
        _ => {
            let event = json!({ "type": "review", "milestone": milestone, "decision": "approve", "by": "rob" });
            world.may_not("tom", &format!("{contract}/facts"), &event)
        }
    }
}

/// 15, 19, 20, 21: what the ERP holds was authorised, is not held, was released, and was not billed by others.
pub(super) fn authorised(world: &World) -> anyhow::Result<()> {
    for document in world.documents().iter().filter(|one| one.kind == "invoice" && one.status != "voided") {
        let number = &document.number;
        let Some((agreement, milestone)) = meant(world, number) else { continue };
        let place = (agreement.id, milestone.id.clone());
        anyhow::ensure!(!world.company.held.contains(&place), "19: {number} is in the ERP, and a person holds it");
        anyhow::ensure!(
            milestone.adopted.is_none(),
            "21: {number} is in the ERP, and {:?} billed it",
            milestone.adopted
        );
        if let Some(release) = agreement.milestones.iter().find(|one| Some(&one.id) == agreement.release.as_ref()) {
            let retained = format!("{}-R", agreement.number(&milestone.id));
            let early = number.starts_with(&retained) && !release.ever_accepted;
            anyhow::ensure!(!early, "20: {number} is in the ERP, and {} was never accepted", release.id);
        }
        let plain = *number == agreement.number(&milestone.id) && !world.touched.contains_key(number);
        let whole = document.amount.split('.').next().and_then(|text| text.parse::<u64>().ok());
        let mut approvals = world.company.approvals.iter();
        let approved = approvals.any(|one| {
            one.counts && (one.contract, &one.milestone) == (agreement.id, &milestone.id) && Some(one.amount) == whole
        });
        anyhow::ensure!(
            !agreement.reviewed || !plain || approved,
            "15: the ERP holds {number} over {}, which nobody approved who may",
            document.amount
        );
    }
    Ok(())
}

/// The milestone that a number bills.
fn meant<'a>(world: &'a World, number: &str) -> Option<(&'a Agreement, &'a Milestone)> {
    let agreement = world.agreements.iter().find(|agreement| agreement.owns(number))?;
    let of = number.strip_prefix(agreement.id)?.strip_prefix('-')?.split('-').next()?;
    agreement.milestones.iter().find(|one| one.id == of).map(|one| (agreement, one))
}

/// A change order by fay.
pub(super) fn amend(world: &mut World, id: &str, body: &Value) -> anyhow::Result<()> {
    world.must("fay", &format!("/v1/contracts/{id}/amendments"), body)
}

/// A change order takes effect once one person, or two, let it; who filed it may not.
pub(super) fn approve_order(world: &mut World, body: &Value) -> anyhow::Result<()> {
    world.may_not("fay", "/v1/acts", body)?;
    world.request("rob", "/v1/acts", body)?;
    if world.company.two_above { world.request("sue", "/v1/acts", body).map(drop) } else { Ok(()) }
}

/// The same milestone twice in the project tool, for a while.
pub(super) fn copy_issue(world: &mut World, dice: &mut StdRng) -> anyhow::Result<()> {
    let Some(place) = any(world, dice) else { return Ok(()) };
    let (contract, milestone) = (world.agreement(place.0)?.id, world.milestone(place)?.id.clone());
    let act = world.act("issue copied", &format!("{contract} {milestone}"));
    let body = json!({ "summary": milestone, "customfield_10101": contract, "customfield_10102": milestone,
        "status": "To Do" });
    let copy = world.simulators.jira.create_issue(&act, "MS", crate::fields(body))?;
    world.company.copies.push(copy.id);
    world.advance(jiff::SignedDuration::from_mins(6));
    world.turn(None)?;
    if dice.random_bool(0.7) { remove_copies(world) } else { Ok(()) }
}

/// Somebody tidies the copies away.
pub(super) fn remove_copies(world: &mut World) -> anyhow::Result<()> {
    for copy in std::mem::take(&mut world.company.copies) {
        let act = world.act("copy removed", &copy);
        world.simulators.jira.delete_issue(&act, &copy)?;
        world.company.deleted_copies.push(copy);
    }
    Ok(())
}

/// An invoice that somebody wrote by hand is told to be a milestone's; then the same invoice to be another one's, which it
/// is not.
pub(super) fn adopt(world: &mut World, dice: &mut StdRng) -> anyhow::Result<()> {
    let free = |one: &Milestone| !one.ever_accepted && one.adopted.is_none() && !one.removed && !one.lost;
    let all = world.agreements.iter().enumerate().flat_map(|(of, agreement)| {
        let milestones = agreement.milestones.iter().enumerate().filter(|(_, one)| free(one));
        milestones.map(move |(place, _)| (of, place))
    });
    let all: Vec<Place> = all.collect();
    let Some(&place) = all.get(dice.random_range(0..all.len().max(1))) else { return Ok(()) };
    let (agreement, milestone) = (world.agreement(place.0)?.clone(), world.milestone(place)?.clone());
    let told = |milestone: &Milestone, number: &str, on: Date| {
        json!({ "type": "adopted", "milestone": milestone.id, "number": number, "on": on,
            "amount": agreement.money(milestone.amount), "reason": "written by hand" })
    };
    let path = format!("/v1/contracts/{}/facts", agreement.id);
    let today = world.today(place.0)?;
    let known = agreement.milestones.iter().find_map(|one| one.adopted.clone());
    match known {
        // What is adopted already bills nothing else.
        Some(number) => {
            world.act("adopt again", &format!("{} {number}", agreement.id));
            world.must("tom", &path, &told(&milestone, &number, today))
        }
        None if agreement.release.is_none() && !agreement.reviewed => {
            let number = format!("HAND-{}", agreement.id);
            world.act("adopt", &format!("{} {} {number}", agreement.id, milestone.id));
            world.must("tom", &path, &told(&milestone, &number, today))?;
            world.milestone_mut(place)?.adopted = Some(number);
            Ok(())
        }
        None => Ok(()),
    }
}
