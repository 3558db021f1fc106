//! The outbox of webhooks: kept in the store of the system that sends them, delivered on demand, tried again by the clock.

use std::sync::Mutex;
use std::time::Duration;

use crate::clock::held;
use crate::faults::{Fault, Faults};
use crate::json::{Json, obj};
use crate::store::Store;

const OUTBOX: &str = "outbox";

/// What became of the deliveries that were due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deliveries {
    /// Answered with a success.
    pub delivered: usize,
    /// Will be tried again later.
    pub retried: usize,
    /// Given up.
    pub dropped: usize,
}

/// Puts a delivery into the outbox.
pub(crate) fn queue(store: &mut Store, url: &str, headers: Vec<(String, String)>, body: &str, due: i64) {
    let id = store.next("outbox", 1).to_string();
    let headers = headers.into_iter().map(|(name, value)| (name, Json::from(value))).collect();
    store.put(
        OUTBOX,
        &id,
        obj! {"url" => url, "headers" => Json::Object(headers), "body" => body, "due" => due, "tries" => 0},
    );
}

/// When a failed delivery is tried again: milliseconds after try number `tries`, or never.
pub(crate) type Again = fn(id: &str, tries: i64) -> Option<i64>;

struct Due {
    id: String,
    letter: Json,
}

/// A delivery that is due, for whoever carries it without a network.
#[derive(Clone, Debug)]
pub struct Letter {
    /// Address.
    pub url: String,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: String,
    due: (String, Json),
}

/// What is due at `now`. Each is told by [`answered`] what became of it, or is due again.
pub(crate) fn letters<S>(state: &Mutex<S>, store_of: fn(&mut S) -> &mut Store, now: i64) -> Vec<Letter> {
    let due = take_due(&mut *held(state), store_of, now);
    let letter = |due: Due| Letter {
        url: due.letter.text("url"),
        headers: headers(&due.letter),
        body: due.letter.text("body"),
        due: (due.id, due.letter),
    };
    due.into_iter().map(letter).collect()
}

/// A letter was answered with this status; 0: not at all.
pub(crate) fn answered<S>(
    state: &Mutex<S>,
    store_of: fn(&mut S) -> &mut Store,
    letter: &Letter,
    status: u16,
    now: i64,
    again: Again,
) -> std::io::Result<()> {
    let (id, kept) = &letter.due;
    settle(&mut *held(state), store_of, (id, kept.clone(), status), now, again, &mut Deliveries::default())
}

/// Delivers what is due at `now`. `store_of` gives the store of the locked state.
pub(crate) async fn deliver<S>(
    state: &Mutex<S>,
    store_of: fn(&mut S) -> &mut Store,
    system: &str,
    faults: &Faults,
    now: i64,
    again: Again,
) -> std::io::Result<Deliveries> {
    let mut due = take_due(&mut *held(state), store_of, now);
    let mut done = Deliveries::default();
    if due.is_empty() {
        return Ok(done);
    }
    let fault = faults.take_hook(system, &due.first().map(|first| first.letter.text("url")).unwrap_or_default());
    match fault {
        Some(Fault::Lose) => {
            let mut guard = held(state);
            let store = store_of(&mut guard);
            done.dropped = due.len();
            for Due { id, letter } in due {
                store.remove(OUTBOX, &id);
                store.put("dropped", &id, letter.with("status", "lost"));
            }
            store.commit()?;
            return Ok(done);
        }
        Some(Fault::Reorder) => due.reverse(),
        Some(Fault::Delay(ms)) => {
            let mut guard = held(state);
            let store = store_of(&mut guard);
            done.retried = due.len();
            for Due { id, letter } in due {
                store.put(OUTBOX, &id, letter.with("due", now + ms));
            }
            store.commit()?;
            return Ok(done);
        }
        _ => {}
    }
    let client = reqwest::Client::builder()
        .timeout(Duration::from_secs(20))
        .no_proxy()
        .build()
        .map_err(std::io::Error::other)?;
    for Due { id, letter } in due {
        let copies = if fault == Some(Fault::Duplicate) { 2 } else { 1 };
        let mut status = 0;
        for _ in 0..copies {
            status = post(&client, &letter).await;
        }
        settle(&mut *held(state), store_of, (&id, letter, status), now, again, &mut done)?;
    }
    Ok(done)
}

fn take_due<S>(state: &mut S, store_of: fn(&mut S) -> &mut Store, now: i64) -> Vec<Due> {
    let store = store_of(state);
    let due = store.all(OUTBOX).filter(|(_, letter)| letter.int("due") <= now);
    due.map(|(id, letter)| Due { id: id.to_string(), letter: letter.clone() }).collect()
}

fn settle<S>(
    state: &mut S,
    store_of: fn(&mut S) -> &mut Store,
    (id, letter, status): (&str, Json, u16),
    now: i64,
    again: Again,
    done: &mut Deliveries,
) -> std::io::Result<()> {
    let store = store_of(state);
    let tries = letter.int("tries") + 1;
    let again: Again = if is_given_up(store, &letter, status, now) { |_, _| None } else { again };
    let retriable = matches!(status, 0 | 408 | 409 | 425 | 429 | 500..) || system_retries_all(&letter);
    if (200..300).contains(&status) {
        store.remove(OUTBOX, id);
        store.put("sent", id, letter.with("status", status));
        done.delivered += 1;
    } else if let Some(wait) = again(id, tries).filter(|_| retriable) {
        store.put(OUTBOX, id, letter.with("tries", tries).with("due", now + wait).with("status", status));
        done.retried += 1;
    } else {
        store.remove(OUTBOX, id);
        store.put("dropped", id, letter.with("status", status));
        done.dropped += 1;
    }
    store.commit()
}

/// Atlassian makes a single attempt for each webhook at a host that failed without a pause for half an hour.
fn is_given_up(store: &mut Store, letter: &Json, status: u16, now: i64) -> bool {
    if letter.path("headers.x-atlassian-webhook-identifier").is_none() {
        return false;
    }
    let url = letter.text("url");
    let host = url::Url::parse(&url)
        .ok()
        .and_then(|url| Some(format!("{}:{}", url.host_str()?, url.port().unwrap_or_default())));
    let host = host.unwrap_or(url);
    if (200..300).contains(&status) {
        store.remove("failing", &host);
        return false;
    }
    let since = store.get("failing", &host).map_or(now, |kept| kept.int("since"));
    store.put("failing", &host, obj! {"since" => since});
    now - since > 30 * 60 * 1000
}

/// What became of a delivery: `outbox`, `sent` or `dropped`, with `url`, `headers`, `body`, `tries`, `status`.
pub(crate) fn deliveries(store: &Store) -> Json {
    let of = |name: &str| Json::List(store.all(name).map(|(id, letter)| letter.clone().with("id", id)).collect());
    obj! {"outbox" => of(OUTBOX), "sent" => of("sent"), "dropped" => of("dropped")}
}

/// Intuit and Salesforce send again after any failure, Atlassian only after some.
fn system_retries_all(letter: &Json) -> bool {
    letter.path("headers.intuit-signature").is_some() || is_soap(letter)
}

fn is_soap(letter: &Json) -> bool {
    letter.path("headers.soapaction").is_some()
}

fn headers(letter: &Json) -> Vec<(String, String)> {
    let kept = letter.get("headers").map_or(&[][..], Json::members);
    let mut headers: Vec<(String, String)> =
        kept.iter().map(|(name, value)| (name.clone(), value.scalar().unwrap_or_default().to_string())).collect();
    if letter.path("headers.content-type").is_none() {
        headers.push(("content-type".into(), "application/json".into()));
    }
    if letter.path("headers.x-atlassian-webhook-identifier").is_some() && letter.int("tries") > 0 {
        headers.push(("x-atlassian-webhook-retry".into(), letter.int("tries").to_string()));
    }
    headers
}

async fn post(client: &reqwest::Client, letter: &Json) -> u16 {
    let mut request = client.post(letter.text("url")).body(letter.text("body"));
    if letter.path("headers.intuit-signature").is_some() {
        // Intuit waits no longer
        request = request.timeout(Duration::from_secs(3));
    }
    for (name, value) in headers(letter) {
        request = request.header(name, value);
    }
    match request.send().await {
        Ok(answer) if is_soap(letter) => {
            let status = answer.status().as_u16();
            let heard = answer.text().await.unwrap_or_default();
            // only an acknowledgement counts
            if status == 200 && heard.contains("Ack>true<") { 200 } else { 500 }
        }
        Ok(answer) => answer.status().as_u16(),
        Err(error) => {
            tracing::debug!(%error, "a webhook was not received");
            0
        }
    }
}
