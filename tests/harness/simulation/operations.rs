//! What happens: people, time and bad luck, as the dice fall; and how it ends.

use jiff::SignedDuration;
use milestoned::store::vocabulary::DeliveryState;
use milestoned_mocks::FaultSpec;
use rand::RngExt as _;
use rand::rngs::StdRng;
use serde_json::Value;

use super::world::World;
use super::{Scope, accountant, company, dates, front, intruder, oracle, people, replicas};

/// Troubles that may strike a request to any vendor.
const TROUBLES: [&str; 15] = [
    "refuse",
    "throttle",
    "throttle_after_write",
    "drop_before_write",
    "drop_after_write",
    "write_later(20000)",
    "error_after_write",
    "garbage",
    "expire_token",
    "truncate",
    "hold(1)",
    "html",
    "no_retry_after",
    "clock_skew(90000)",
    "error_then_write(20000)",
];

/// Everything is set up as it is on the first day.
pub(super) fn begin(world: &mut World) -> anyhow::Result<()> {
    if world.erp == "quickbooks" {
        // The simulated clock stands still while the daemon works: no second would ever pass.
        world.simulators.quickbooks.set_limits(usize::MAX, usize::MAX);
    }
    if world.webhooks {
        front::register(world)?;
    }
    if world.scope == Scope::Company {
        world.simulators.jira.define_field("customfield_10112", "Accepted on", "date")?;
    }
    people::file(world)
}

/// One operation, as the dice fall.
pub(super) fn next(world: &mut World, dice: &mut StdRng) -> anyhow::Result<()> {
    if world.webhooks && dice.random_bool(0.4) {
        front::bring(world, dice)?;
    }
    if !world.replicas.is_empty() && dice.random_bool(0.15) {
        return replicas::overtaken(world, dice);
    }
    match dice.random_range(0..100) {
        0..24 => people::accept(world, dice),
        24..26 => people::late_row(world, dice),
        26..31 => people::move_issue(world, dice, "Ready for acceptance"),
        31..34 => people::move_issue(world, dice, "Rejected"),
        34..36 => people::move_issue(world, dice, "To Do"),
        36..37 => people::lose_issue(world, dice),
        37..44 => accountant::pay(world, dice),
        44..50 => people::amend(world, dice),
        50..54 => people::amend_in_doubt(world, dice),
        54..58 => accountant::touch(world, dice),
        58..63 => pass(world, dice),
        63..67 => people::wrong_deal(world, dice),
        67..70 => people::review(world, dice),
        70..73 => accountant::clear(world, dice, true),
        73..75 => outage(world, dice),
        _ => trouble(world, dice),
    }
}

/// One operation of a company, as the dice fall.
pub(super) fn next_in_company(world: &mut World, dice: &mut StdRng) -> anyhow::Result<()> {
    if world.webhooks && dice.random_bool(0.4) {
        front::bring(world, dice)?;
    }
    if !world.replicas.is_empty() && dice.random_bool(0.15) {
        return replicas::overtaken(world, dice);
    }
    match dice.random_range(0..100) {
        0..22 => people::accept(world, dice),
        22..25 => people::move_issue(world, dice, "Ready for acceptance"),
        25..27 => people::move_issue(world, dice, "Rejected"),
        27..28 => people::move_issue(world, dice, "To Do"),
        28..29 => people::lose_issue(world, dice),
        29..34 => accountant::pay(world, dice),
        34..38 => accountant::reverse(world, dice),
        38..42 => people::amend(world, dice),
        42..44 => people::amend_in_doubt(world, dice),
        44..45 => accountant::touch(world, dice),
        45..49 => pass(world, dice),
        49..52 => dates::weeks_pass(world, dice),
        52..58 => dates::close(world, dice),
        58..60 => people::wrong_deal(world, dice),
        60..70 => people::review(world, dice),
        70..72 => accountant::clear(world, dice, true),
        72..75 => company::copy_issue(world, dice),
        75..79 => company::adopt(world, dice),
        79..84 => company::forbidden(world, dice),
        84..88 => intruder::forge(world, dice),
        88..92 => company::approve_then_change(world, dice),
        92..93 => outage(world, dice),
        _ => trouble(world, dice),
    }
}

/// Days pass.
fn pass(world: &mut World, dice: &mut StdRng) -> anyhow::Result<()> {
    let most = 1_i64 << dice.random_range(0..4);
    let days = dice.random_range(1..=most);
    world.act("pass", &format!("{days} days"));
    for _ in 0..days {
        world.advance(SignedDuration::from_hours(24));
        world.turn(None)?;
    }
    Ok(())
}

fn system(world: &World, dice: &mut StdRng) -> &'static str {
    let systems = ["salesforce", "jira", world.erp, world.erp, world.erp];
    systems[dice.random_range(0..systems.len())]
}

fn trouble(world: &mut World, dice: &mut StdRng) -> anyhow::Result<()> {
    let system = system(world, dice);
    let name = TROUBLES[dice.random_range(0..TROUBLES.len())];
    let (times, after) = (dice.random_range(1..4), dice.random_range(0..6));
    world.outcome.diary.push(format!("{} trouble {system} {name}, {times} times after {after}", world.now()));
    let count = world.outcome.troubles.entry(name.split('(').next().unwrap_or(name).to_owned()).or_default();
    *count = count.saturating_add(1);
    world.simulators.faults.inject(system, FaultSpec::new(name).times(times).after(after))?;
    Ok(())
}

/// A vendor is gone for a day.
fn outage(world: &mut World, dice: &mut StdRng) -> anyhow::Result<()> {
    let system = system(world, dice);
    let name = ["refuse", "drop_before_write"][dice.random_range(0..2)];
    world.act("outage", &format!("{system} {name}"));
    let (from, until) = (world.now(), world.now().saturating_add(SignedDuration::from_hours(24))?);
    world.simulators.faults.inject(system, FaultSpec::new(name).times(u32::MAX).between(from, until))?;
    Ok(())
}

/// Turns after the first in which what one of several daemons has counted comes to its end.
const HANDS: u32 = 3;

/// Troubles stop; time passes until everything that waits has had its turn; people do what they are asked for.
pub(super) fn heal(world: &mut World, dice: &mut StdRng) -> anyhow::Result<()> {
    world.simulators.faults.clear()?;
    world.calm = true;
    let corrected = dice.random_bool(0.5);
    company::remove_copies(world)?;
    for round in 0..4 {
        people::approve_orders(world)?;
        for of in 0..world.agreements.len() {
            if round == 0 && corrected {
                people::correct_deal(world, of)?;
            }
            // Approved again where a change order came in between: an approval is of what was shown.
            if world.agreement(of)?.reviewed {
                approve(world, of)?;
            }
        }
        for hours in [13, 26] {
            world.advance(SignedDuration::from_hours(hours));
            if world.webhooks {
                front::bring(world, dice)?;
            }
            world.turn(None)?;
            // What one of several daemons has counted, another reads, a third decides about, and one of them delivers: none is
            // to wait for that until the next day, which nobody has heard anything of yet.
            let hands = if world.replicas.is_empty() { 0 } else { HANDS };
            for _ in 0..hands {
                world.advance(SignedDuration::from_mins(1));
                world.turn(None)?;
            }
        }
        let open = world.ask(|app| async move { app.env.store.deliveries(None, DeliveryState::UNSETTLED).await })??;
        // What a system says otherwise since makes an approval void: the reviewer looks at it again.
        let waiting = world.ask(|app| async move { app.env.store.approvals(None).await })??;
        let open = open.iter().filter(|one| !world.company.has_forged(one.key.as_str())).count();
        let mut rests = open == 0 && waiting.is_empty() && !oracle::has_a_day_to_book(world)?;
        if round < 3 {
            rests &= !reconnect(world)?;
            accountant::clear(world, dice, false)?;
        }
        let now = world.now();
        // What legs say waits at midnight until the project tool was read past it.
        rests &= world.ask(|app| async move { app.env.store.contracts_due(now).await })??.is_empty();
        let replayed =
            world.ask(|app| async move { app.env.store.replay_parked(None, "controller".into(), now).await })??;
        // Nothing waits for time or people: what is not right by now will never be.
        if rests && replayed == 0 {
            return Ok(());
        }
    }
    Ok(())
}

fn approve(world: &mut World, of: usize) -> anyhow::Result<()> {
    for place in 0..world.agreement(of)?.milestones.len() {
        if world.milestone((of, place))?.removed {
            continue;
        }
        match world.scope {
            Scope::Company => company::approve_by_two(world, (of, place))?,
            Scope::Vendors => people::decide(world, (of, place), "approve")?,
        }
    }
    Ok(())
}

/// A crash between the vendor's answer and our keeping it has cost the refresh token: a person connects the company again,
/// as the fault asks for, and starts the daemon with the new token.
/// Whether that was so.
fn reconnect(world: &mut World) -> anyhow::Result<bool> {
    let streams = world.ask(|app| async move { app.env.store.streams().await })??;
    let refused = |fault: &str| fault.contains("refresh token is refused");
    if !streams.iter().any(|one| one.fault.as_deref().is_some_and(refused)) {
        return Ok(false);
    }
    world.act("connect again", world.erp);
    let (simulators, base) = (&world.simulators, world.simulators.url("quickbooks").to_owned());
    let back = "https://milestoned.example/connected";
    let page = format!("{base}/connect/oauth2?client_id=cid&response_type=code&redirect_uri={back}&state=s");
    let agreed = simulators.carry(&page, "GET", Vec::new(), Vec::new());
    let location = agreed.and_then(|answer| answer.headers.into_iter().find(|(name, _)| name == "location"));
    let code = location.and_then(|(_, to)| Some(to.split("code=").nth(1)?.split('&').next()?.to_owned()));
    let code = code.ok_or_else(|| anyhow::anyhow!("the simulator gives no code"))?;
    let form =
        format!("grant_type=authorization_code&code={code}&redirect_uri={back}&client_id=cid&client_secret=csecret");
    let kind = ("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned());
    let given = simulators.carry(&format!("{base}/oauth2/v1/tokens/bearer"), "POST", vec![kind], form.into_bytes());
    let given: Value = serde_json::from_slice(&given.map(|answer| answer.body).unwrap_or_default())?;
    let refresh = given["refresh_token"].as_str().map(ToOwned::to_owned);
    world.reconnect(&refresh.ok_or_else(|| anyhow::anyhow!("the simulator gives no token: {given}"))?)?;
    Ok(true)
}
