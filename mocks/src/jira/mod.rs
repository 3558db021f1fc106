//! A Jira site, Cloud or Data Center: REST versions 3 and 2, JQL, webhooks, OAuth.

mod approvals;
mod attachments;
mod bodies;
mod fields;
mod http;
mod issue;
mod jql;
mod limits;
mod links;
mod lots;
mod oauth;
mod people;
mod search;
mod settings;
mod show;
mod state;
mod versions;
mod webhooks;

use std::collections::BTreeMap;
use std::io;
use std::sync::Mutex;

use jiff::Timestamp;
use serde_json::Value;

use self::fields::Field;
use self::limits::Used;
use self::lots::Lot;
use self::people::Caller;
pub use self::people::Person;
pub use self::settings::{Deployment, SiteSettings};
use self::state::State;
use crate::call::{Call, Reply};
use crate::clock::{SimClock, held};
use crate::faults::Faults;
use crate::hooks::{self, Deliveries, Letter};
use crate::json::{Json, obj};
use crate::lot::LotSpec;
use crate::properties::Kept;
use crate::serve::{System, Trouble};
use crate::store::Store;
use crate::systems::Opening;
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

/// When an issue changed, by which issues stand in order.
fn changed(issue: &Json) -> i64 {
    issue.int("updated")
}

impl Jira {
    /// The id of the site at the gateway: `/ex/jira/{CLOUD_ID}/rest/api/3`.
    pub const CLOUD_ID: &str = oauth::CLOUD;
    /// Client id of the OAuth 2.0 app.
    pub const CLIENT_ID: &str = oauth::CLIENT;
    /// Its secret, by which webhooks of apps are signed, too.
    pub const CLIENT_SECRET: &str = oauth::SECRET;
    /// The refresh token that is there from the start.
    pub const REFRESH_TOKEN: &str = oauth::REFRESH;

    pub(crate) fn open(Opening { dir, clock, base, faults }: Opening<'_>) -> io::Result<Jira> {
        let mut store = Store::open(dir, "jira")?;
        store.keep_order("issues", changed);
        let fresh = store.is_empty();
        let lots = store.all("lots").map(|(_, kept)| Lot::new(kept)).collect();
        let mut fields = fields::standard();
        fields.extend(store.all("fields").map(|(id, kept)| Field::new(id, &kept.text("name"), &kept.text("kind"))));
        let mut state = State {
            store,
            clock: clock.clone(),
            caller: Caller::director(&base),
            base,
            settings: SiteSettings::default(),
            fields,
            lots,
            used: Used::default(),
            cost: 0,
            pages: BTreeMap::new(),
            revoked: false,
            tables: Kept::default(),
            quirk: None,
            keep_on_refusal: false,
            traces: 0,
            telling: false,
        };
        if fresh {
            state.ensure_project("MS");
            state.add_person(&Person::integration(), "api-token", "Europe/Berlin");
            state.begin_grant(&Person::integration().kept(), oauth::REFRESH);
            state.store.commit()?;
        }
        Ok(Jira { state: Mutex::new(state), faults, clock })
    }

    fn act(&self, act: &str, change: impl FnOnce(&mut State) -> Result<String, Reply>) -> Result<String, Refused> {
        let mut state = held(&self.state);
        if let Some(gave) = state.store.applied(act) {
            return Ok(gave);
        }
        state.caller = Caller::director(&state.base);
        let mark = state.store.mark();
        match change(&mut state) {
            Ok(gave) => {
                state.store.apply(act, &gave);
                state.store.commit().map_err(|error| Refused(error.to_string()))?;
                Ok(gave)
            }
            Err(reply) => {
                state.store.rollback(mark);
                Err(Refused(reply.text()))
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

    /// Makes as many issues as `lot` says without keeping them: a million costs no more than one. `{n}` in a text field
    /// stands for the number of the issue, from 1; a `status` other than the first gives each a history. Gives the number of
    /// the first.
    pub fn generate(&self, act: &str, project: &str, lot: &LotSpec) -> Result<String, Refused> {
        let fields = Json::from(lot.fields.clone());
        let author = Person::integration().kept();
        self.act(act, |state| state.generate(project, &fields, lot, &author))
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

    /// Archives an issue, or brings it back.
    pub fn archive_issue(&self, act: &str, issue: &str, archived: bool) -> Result<(), Refused> {
        self.act(act, |state| state.archive(issue, archived).map(|()| String::new())).map(drop)
    }

    /// Lets search not see an issue until this time, although it is there.
    pub fn hide_from_search(&self, act: &str, issue: &str, until: Timestamp) -> Result<(), Refused> {
        self.act(act, |state| {
            let id = state.issue(issue)?.text("id");
            state.store.put("unseen", &id, obj! {"until" => until.as_millisecond()});
            Ok(id)
        })
        .map(drop)
    }

    /// Takes a project or an issue (its number) from an account's sight, `*` from everybody's; or gives it back.
    pub fn permit(&self, act: &str, place: &str, account: &str, allowed: bool) -> Result<(), Refused> {
        self.act(act, |state| {
            state.permit(place, account, allowed);
            Ok(String::new())
        })
        .map(drop)
    }

    /// Makes a project `live`, `archived` or `deleted`; it is created where it is new.
    pub fn set_project(&self, act: &str, key: &str, status: &str) -> Result<(), Refused> {
        self.act(act, |state| {
            state.set_project(key, status);
            Ok(String::new())
        })
        .map(drop)
    }

    /// Creates a version of a project, or changes the one of this name: `released`, `releaseDate`, `approvers`. Gives its id.
    pub fn put_version(&self, act: &str, project: &str, fields: Fields) -> Result<String, Refused> {
        let fields = Json::from(fields);
        self.act(act, |state| match state.version_named(project, &fields) {
            Ok(known) => {
                state.change_version(&known.text("id"), &fields);
                Ok(known.text("id"))
            }
            Err(_) => state.add_version(project, &fields),
        })
    }

    /// Asks people to approve an issue; gives the approval's id.
    pub fn ask_approval(&self, act: &str, issue: &str, name: &str, approvers: &[Person]) -> Result<String, Refused> {
        let approvers: Vec<Json> = approvers.iter().map(Person::kept).collect();
        self.act(act, |state| state.ask_approval(issue, name, &approvers))
    }

    /// Somebody who was asked says `approve` or `decline`.
    pub fn decide_approval(&self, act: &str, approval: &str, by: &Person, decision: &str) -> Result<(), Refused> {
        self.act(act, |state| {
            let kept = state.store.get("approvals", approval).cloned().unwrap_or_default();
            state.decide(approval, kept, &by.account_id, decision).map(|_| String::new())
        })
        .map(drop)
    }

    /// Attaches a file; its content is its name. Gives the attachment's id.
    pub fn attach(&self, act: &str, issue: &str, author: &Person, filename: &str) -> Result<String, Refused> {
        let author = author.kept();
        self.act(act, |state| state.attach(issue, &author, filename, filename.as_bytes()))
    }

    /// A user with an API token and the time zone of his profile.
    pub fn add_person(&self, person: &Person, token: &str, zone: &str) -> Result<(), Refused> {
        let mut state = held(&self.state);
        state.add_person(person, token, zone);
        state.store.commit().map_err(|error| Refused(error.to_string()))
    }

    /// Declares a custom field: id, name and kind (`text`, `textarea`, `number`, `select`, `multiselect`, `url`, `labels`,
    /// `user`, `date`, `datetime`). An id that is known changes its name and kind.
    pub fn define_field(&self, id: &str, name: &str, kind: &str) -> Result<(), Refused> {
        let mut state = held(&self.state);
        state.fields.retain(|field| field.id != id);
        state.fields.push(Field::new(id, name, kind));
        state.store.put("fields", id, obj! {"name" => name, "kind" => kind});
        state.store.commit().map_err(|error| Refused(error.to_string()))
    }

    /// Registers an admin webhook; the same URL replaces its registration. Without a secret deliveries are not signed.
    pub fn register_webhook(&self, url: &str, secret: &str, events: &[&str]) -> Result<(), Refused> {
        let mut state = held(&self.state);
        let events = Json::List(events.iter().map(|event| Json::from(*event)).collect());
        state.store.put(
            "hooks",
            url,
            obj! {"id" => url, "name" => url, "url" => url, "secret" => secret, "events" => events},
        );
        state.store.commit().map_err(|error| Refused(error.to_string()))
    }

    /// Delivers the webhooks that are due. Failures are tried again five times, 5 to 15 minutes later by the clock.
    pub async fn deliver_webhooks(&self) -> io::Result<Deliveries> {
        let now = self.clock.millis();
        hooks::deliver(&self.state, |state| &mut state.store, "jira", &self.faults, now, again).await
    }

    /// Webhooks that are due, to be carried without a network.
    pub fn letters(&self) -> Vec<Letter> {
        hooks::letters(&self.state, |state| &mut state.store, self.clock.millis())
    }

    /// A letter was answered with this status; 0: not at all.
    pub fn answered(&self, letter: &Letter, status: u16) -> io::Result<()> {
        hooks::answered(&self.state, |state| &mut state.store, letter, status, self.clock.millis(), again)
    }

    /// Webhooks: `outbox`, `sent`, `dropped`.
    pub fn deliveries(&self) -> Json {
        hooks::deliveries(&held(&self.state).store)
    }

    /// An issue as it is kept: `id`, `key`, `project`, `created` and `updated` in milliseconds, `fields`, `histories`.
    pub fn issue(&self, id_or_key: &str) -> Option<Json> {
        let state = held(&self.state);
        let id = state.issue_id(id_or_key)?;
        state.by_number(&id).map(std::borrow::Cow::into_owned)
    }

    /// All issues, by id.
    pub fn issues(&self) -> Vec<Json> {
        let state = held(&self.state);
        let mut all: Vec<Json> = state.by_change(i64::MIN..=i64::MAX).map(std::borrow::Cow::into_owned).collect();
        all.sort_by_key(|issue| issue.int("id"));
        all
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

    /// The switches as they are.
    pub fn settings(&self) -> SiteSettings {
        held(&self.state).settings.clone()
    }

    /// Changes switches.
    pub fn configure(&self, change: impl FnOnce(&mut SiteSettings)) {
        change(&mut held(&self.state).settings);
    }

    /// Takes a property out of the vendor's tables: whatever names it is refused.
    pub fn take_out_property(&self, record: &str, name: &str) {
        held(&self.state).tables.take_out(record, name);
    }

    /// Properties of the vendor's tables that clients have named, with their records.
    pub fn named_properties(&self) -> Vec<(String, String)> {
        held(&self.state).tables.named()
    }

    /// How long search goes on seeing an issue as it was before its last change.
    pub fn set_index_lag(&self, ms: i64) {
        self.configure(|settings| settings.index_lag_ms = ms.max(0));
    }

    /// Writes to one issue that are allowed in two seconds (the vendor's figure is 20); off by default.
    pub fn set_issue_write_limit(&self, most: Option<usize>) {
        self.configure(|settings| settings.issue_writes = most);
    }

    /// The time zone of the profile of the user that is there from the start; false if there is none of this name.
    pub fn set_time_zone(&self, name: &str) -> bool {
        let known = jiff::tz::TimeZone::get(name).is_ok();
        known && self.add_person(&Person::integration(), "api-token", name).is_ok()
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
        if reply.status >= 400 && !state.keep_on_refusal {
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
            Trouble::TooMany => held(&self.state).throttled("jira-burst-based", 2000),
            Trouble::Broken => state::problem(500, "Internal server error"),
        }
    }

    fn error(&self, code: &str, call: &Call) -> Reply {
        let state = held(&self.state);
        match code {
            "jira-quota-global-based" | "jira-quota-tenant-based" => state.throttled(code, 600_000),
            "jira-burst-based" | "jira-per-issue-on-write" => state.throttled(code, 2000),
            "409" => state::problem(409, "There was a conflicting update. Try again."),
            "500" => state::problem(500, "Duplicate key com.atlassian.jira.issue (attempted merging values)"),
            "404" if call.path.contains("/issue/") => state::unknown_issue(),
            code => match code.parse() {
                Ok(status) => state::problem(status, "The request was refused."),
                Err(_) => state::problem(400, code),
            },
        }
    }

    fn raced(&self, _: &Call, _: &Reply) -> Reply {
        state::problem(409, "There was a conflicting update. Try again.")
    }

    fn expire_tokens(&self) {
        let mut state = held(&self.state);
        state.revoked = true;
        state.expire_access();
        if let Err(error) = state.store.commit() {
            tracing::error!(%error, "tokens");
        }
    }

    fn expire_cursors(&self) {
        held(&self.state).pages.clear();
    }

    fn quirk(&self, name: &str) {
        held(&self.state).quirk = Some(name.to_string());
    }
}

/// Spread as the vendor spreads them, but the same at every run.
fn again(id: &str, tries: i64) -> Option<i64> {
    let spread = (id.parse::<i64>().unwrap_or_default() * 37 + tries * 101) % 600;
    (tries <= 5).then_some((300 + spread) * 1000)
}
