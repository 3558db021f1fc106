//! A Jira Cloud site: REST version 3 (and 2), JQL, webhooks.

mod fields;
mod http;
mod search;
mod show;
mod state;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Mutex;

use jiff::tz::TimeZone;
use serde_json::Value;

pub use self::state::Person;
use self::state::State;
use crate::call::{Call, Reply};
use crate::clock::{SimClock, held};
use crate::faults::Faults;
use crate::hooks::{self, Deliveries};
use crate::json::{Json, obj};
use crate::serve::{System, Trouble};
use crate::store::Store;
use crate::{Fields, Refused};

/// A simulated Jira site.
pub struct Jira {
    state: Mutex<State>,
    faults: Faults,
    clock: SimClock,
}

/// Number and key of an issue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssueRef {
    /// The number, which never changes.
    pub id: String,
    /// The key, which a move changes.
    pub key: String,
}

impl Jira {
    pub(crate) fn open(dir: Option<&Path>, clock: SimClock, base: String, faults: Faults) -> io::Result<Jira> {
        let zone = TimeZone::get("Europe/Berlin").unwrap_or(TimeZone::UTC);
        let state = State {
            store: Store::open(dir, "jira")?,
            clock: clock.clone(),
            base,
            zone,
            lag_ms: 0,
            burst: None,
            writes: BTreeMap::new(),
            revoked: false,
        };
        Ok(Jira { state: Mutex::new(state), faults, clock })
    }

    fn act(&self, act: &str, change: impl FnOnce(&mut State) -> Result<String, Reply>) -> Result<String, Refused> {
        let mut state = held(&self.state);
        if let Some(gave) = state.store.applied(act) {
            return Ok(gave);
        }
        let mark = state.store.mark();
        match change(&mut state) {
            Ok(gave) => {
                state.store.apply(act, &gave);
                state.store.commit().map_err(|error| Refused(error.to_string()))?;
                Ok(gave)
            }
            Err(reply) => {
                state.store.rollback(mark);
                Err(Refused(String::from_utf8_lossy(&reply.body).into_owned()))
            }
        }
    }

    /// Creates an issue; `fields` by field id, `status` by name.
    pub fn create_issue(&self, act: &str, project: &str, fields: Fields) -> Result<IssueRef, Refused> {
        let fields = Json::from(fields);
        let author = Person::integration().kept();
        let id = self.act(act, |state| state.create(project, &fields, &author))?;
        let key = self.issue(&id).map(|issue| issue.text("key")).unwrap_or_default();
        Ok(IssueRef { id, key })
    }

    /// Changes fields and perhaps the status in one go: one history with one item for each changed field.
    pub fn edit(
        &self,
        act: &str,
        issue: &str,
        author: &Person,
        fields: BTreeMap<String, Value>,
        to_status: Option<&str>,
    ) -> Result<(), Refused> {
        let fields = Json::Object(fields.into_iter().map(|(name, value)| (name, Json::from(value))).collect());
        let author = author.kept();
        self.act(act, |state| state.edit(issue, &author, &fields, to_status).map(|changed| changed.to_string()))
            .map(drop)
    }

    /// Deletes an issue.
    pub fn delete_issue(&self, act: &str, issue: &str) -> Result<(), Refused> {
        let author = Person::integration().kept();
        self.act(act, |state| state.delete(issue, &author).map(|()| String::new())).map(drop)
    }

    /// Moves an issue to another project: gives its new key; the id stays and the old key goes on resolving.
    pub fn move_issue(&self, act: &str, issue: &str, project: &str) -> Result<String, Refused> {
        let author = Person::integration().kept();
        self.act(act, |state| state.move_to(issue, &author, project))
    }

    /// Attaches a file; its content is its name. Gives the attachment's id.
    pub fn attach(&self, act: &str, issue: &str, author: &Person, filename: &str) -> Result<String, Refused> {
        let author = author.kept();
        self.act(act, |state| state.attach(issue, &author, filename))
    }

    /// Registers an admin webhook; the same URL replaces its registration. Without a secret deliveries are not signed.
    pub fn register_webhook(&self, url: &str, secret: &str, events: &[&str]) -> Result<(), Refused> {
        let mut state = held(&self.state);
        let events = Json::List(events.iter().map(|event| Json::from(*event)).collect());
        state.store.put("hooks", url, obj! {"url" => url, "secret" => secret, "events" => events});
        state.store.commit().map_err(|error| Refused(error.to_string()))
    }

    /// Delivers the webhooks that are due. Failures are tried again five times, 5 to 15 minutes later by the clock.
    pub async fn deliver_webhooks(&self) -> io::Result<Deliveries> {
        let now = self.clock.millis();
        hooks::deliver(
            &self.state,
            |state| &mut state.store,
            "jira",
            &self.faults,
            now,
            |id, tries| {
                // spread as the vendor spreads them, but the same at every run
                let spread = (id.parse::<i64>().unwrap_or_default() * 37 + tries * 101) % 600;
                (tries <= 5).then_some((300 + spread) * 1000)
            },
        )
        .await
    }

    /// An issue as it is kept: `id`, `key`, `project`, `created` and `updated` in milliseconds, `fields`, `histories`.
    pub fn issue(&self, id_or_key: &str) -> Option<Json> {
        held(&self.state).issue(id_or_key).ok()
    }

    /// All issues, by id.
    pub fn issues(&self) -> Vec<Json> {
        held(&self.state).store.all("issues").map(|(_, issue)| issue.clone()).collect()
    }

    /// A property that somebody wrote onto an issue.
    pub fn property(&self, id_or_key: &str, key: &str) -> Option<Json> {
        let state = held(&self.state);
        let id = state.issue_id(id_or_key)?;
        state.store.get(&format!("props:{id}"), key).cloned()
    }

    /// Remote links of an issue.
    pub fn links(&self, id_or_key: &str) -> Vec<Json> {
        self.of(id_or_key, "links")
    }

    /// Comments of an issue: `id`, `author`, `body` as rich text.
    pub fn comments(&self, id_or_key: &str) -> Vec<Json> {
        self.of(id_or_key, "comments")
    }

    fn of(&self, id_or_key: &str, what: &str) -> Vec<Json> {
        let state = held(&self.state);
        let Some(id) = state.issue_id(id_or_key) else { return Vec::new() };
        state.store.all(&format!("{what}:{id}")).map(|(_, kept)| kept.clone()).collect()
    }

    /// How long search goes on seeing an issue as it was before its last change.
    pub fn set_index_lag(&self, ms: i64) {
        held(&self.state).lag_ms = ms.max(0);
    }

    /// Writes to one issue that are allowed in two seconds (the vendor's figure is 20); off by default.
    pub fn set_issue_write_limit(&self, most: Option<usize>) {
        held(&self.state).burst = most;
    }

    /// The time zone of the caller's profile; false if there is none of this name.
    pub fn set_time_zone(&self, name: &str) -> bool {
        held(&self.state).set_zone(name)
    }
}

impl System for Jira {
    fn name(&self) -> &'static str {
        "jira"
    }

    fn answer(&self, call: &Call) -> Reply {
        let mut state = held(&self.state);
        let mark = state.store.mark();
        let reply = state.route(call);
        if reply.status >= 400 {
            state.store.rollback(mark);
        }
        match state.store.commit() {
            Ok(()) => reply,
            Err(error) => {
                tracing::error!(%error, "jira could not keep its state");
                self.trouble(Trouble::Broken)
            }
        }
    }

    fn trouble(&self, trouble: Trouble) -> Reply {
        match trouble {
            Trouble::Unavailable => Reply::empty(503)
                .header("retry-after", "5")
                .header("content-type", "text/html")
                .body("<html>Service unavailable</html>"),
            Trouble::TooMany => http::throttled(self.clock.now(), "jira-burst-based"),
            Trouble::Broken => state::problem(500, "Internal server error"),
        }
    }

    fn expire_tokens(&self) {
        held(&self.state).revoked = true;
    }
}
