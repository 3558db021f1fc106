//! Who calls, who edits, and what they may see.

use jiff::tz::TimeZone;

use super::state::{Answer, State, problem};
use crate::call::{Call, Reply};
use crate::json::{Json, list, obj};

/// Somebody who edits an issue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Atlassian account id.
    pub account_id: String,
    /// Name as shown.
    pub display_name: String,
    /// Mail address.
    pub email: String,
}

impl Person {
    /// The user whose API token the simulator accepts.
    pub fn integration() -> Person {
        Person {
            account_id: "5b10a2844c20165700ede21g".to_string(),
            display_name: "Mia Krystof".to_string(),
            email: "mia@example.test".to_string(),
        }
    }

    pub(crate) fn kept(&self) -> Json {
        obj! {"accountId" => &self.account_id, "displayName" => &self.display_name, "emailAddress" => &self.email}
    }
}

/// Who makes the call at hand.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// As [`Person::kept`]; null for nobody.
    pub(crate) person: Json,
    pub(crate) zone: TimeZone,
    /// Signed in by OAuth 2.0.
    pub(crate) app: bool,
    /// Where links to REST resources begin.
    pub(crate) link: String,
    /// May see everything: the director, and writes that were accepted earlier.
    pub(crate) trusted: bool,
}

impl Caller {
    pub(crate) fn director(base: &str) -> Caller {
        let zone = TimeZone::get("Europe/Berlin").unwrap_or(TimeZone::UTC);
        Caller { person: Person::integration().kept(), zone, app: false, link: base.to_string(), trusted: true }
    }

    pub(crate) fn is_anonymous(&self) -> bool {
        self.person.is_null()
    }

    pub(crate) fn account(&self) -> String {
        self.person.text("accountId")
    }
}

pub(crate) fn unauthorized() -> Reply {
    problem(401, "Client must be authenticated to access this resource.")
        .header("www-authenticate", "Basic realm=\"Jira\"")
}

impl State {
    /// A user with an API token of his own.
    pub(crate) fn add_person(&mut self, person: &Person, token: &str, zone: &str) {
        let kept = person.kept().with("token", token).with("timeZone", zone);
        self.store.put("people", &person.email, kept);
    }

    /// Finds out who calls. Basic with an unknown password and bearer tokens that are dead are refused; no credentials at
    /// all are nobody, who may ask much and is shown little.
    pub(crate) fn admit(&mut self, call: &Call, gateway: Option<&str>) -> Result<Caller, Reply> {
        let link = gateway.map_or_else(|| self.base.clone(), |cloud| format!("{}/ex/jira/{cloud}", self.base));
        let caller = |kept: &Json, app: bool| {
            let zone = TimeZone::get(&kept.text("timeZone")).unwrap_or(TimeZone::UTC);
            Caller { person: kept.clone(), zone, app, link: link.clone(), trusted: false }
        };
        if call.trusted {
            return Ok(Caller { link, ..Caller::director(&self.base) });
        }
        if let Some((user, token)) = call.basic() {
            let known = self.store.get("people", &user).filter(|kept| kept.text("token") == token);
            return known.map(|kept| caller(kept, false)).ok_or_else(unauthorized);
        }
        match call.bearer() {
            Some(token) => {
                let person = self.store.all("people").find(|(_, kept)| kept.text("token") == token);
                if let Some((_, kept)) = person {
                    return Ok(caller(kept, false));
                }
                // tokens of OAuth are good for the gateway only
                let opened = self.opened_by(token).filter(|_| gateway.is_some());
                opened.map(|kept| caller(&kept, true)).ok_or_else(unauthorized)
            }
            None if call.header("authorization").is_some() => Err(unauthorized()),
            None => Ok(caller(&Json::Null, false)),
        }
    }

    /// True if the caller may see an issue: its project lives, and neither is taken from him.
    pub(crate) fn may_see(&self, issue: &Json) -> bool {
        if self.caller.trusted {
            return true;
        }
        let (account, project) = (self.caller.account(), issue.text("project"));
        let denied = |place: &str| {
            let denied = self.store.get("denied", place);
            denied.is_some_and(|who| {
                who.items().iter().any(|item| item.as_str().is_some_and(|name| name == "*" || name == account))
            })
        };
        let gone = self.store.get("projects", &project).is_some_and(|kept| kept.text("status") == "deleted");
        !self.caller.is_anonymous() && !gone && !denied(&project) && !denied(&issue.text("id"))
    }

    /// Takes a project or an issue from an account's sight (`*`: from everybody's), or gives it back.
    pub(crate) fn permit(&mut self, place: &str, account: &str, allowed: bool) {
        let mut denied: Vec<Json> = self.store.get("denied", place).map(|who| who.items().to_vec()).unwrap_or_default();
        denied.retain(|row| row.as_str() != Some(account));
        if !allowed {
            denied.push(Json::from(account));
        }
        self.store.put("denied", place, denied);
    }

    pub(crate) fn person(&self, kept: &Json, mail: bool) -> Json {
        if kept.is_null() {
            return Json::Null;
        }
        let id = kept.text("accountId");
        if self.is_server() {
            let name = kept.text("emailAddress").split('@').next().unwrap_or_default().to_string();
            return obj! {
                "self" => format!("{}/rest/api/2/user?username={name}", self.caller.link), "name" => &name, "key" => &name,
                "emailAddress" => kept.text("emailAddress"), "displayName" => kept.text("displayName"), "active" => true,
                "timeZone" => self.caller.zone.iana_name().unwrap_or("UTC"),
            };
        }
        let own = format!("{}/rest/api/3/user?accountId={id}", self.caller.link);
        let mut shown = obj! {"self" => own, "accountId" => id};
        if mail {
            shown.set("emailAddress", kept.text("emailAddress"));
        }
        let avatar = |size: &str| (size.to_string(), Json::from(format!("{}/avatar/{size}.png", self.base)));
        shown
            .with("avatarUrls", Json::Object(["48x48", "24x24", "16x16", "32x32"].map(avatar).to_vec()))
            .with("displayName", kept.text("displayName"))
            .with("active", true)
            .with("timeZone", self.caller.zone.iana_name().unwrap_or("UTC"))
            .with("accountType", "atlassian")
    }

    /// `myself`, and one user by account id or name.
    pub(crate) fn user(&mut self, call: &Call) -> Answer {
        let wanted = ["accountId", "username", "key"].iter().find_map(|name| call.param(name)).unwrap_or_default();
        let fits = |kept: &Json| {
            let name = kept.text("emailAddress").split('@').next().unwrap_or_default().to_string();
            kept.text("accountId") == wanted || name == wanted
        };
        let found = self.store.all("people").map(|(_, kept)| kept).find(|kept| fits(kept)).cloned();
        // identities cost two points
        self.cost += 2;
        match found {
            Some(kept) => Ok(Reply::json(200, &self.person(&kept, true))),
            None => Err(problem(404, "Specified user does not exist or you do not have required permissions")),
        }
    }

    pub(crate) fn find_users(&mut self, call: &Call) -> Answer {
        let wanted = ["query", "username"].iter().find_map(|name| call.param(name)).unwrap_or_default().to_lowercase();
        let fits = |kept: &&Json| {
            ["displayName", "emailAddress"].iter().any(|name| kept.text(name).to_lowercase().contains(&wanted))
        };
        let found: Vec<Json> = self.store.all("people").map(|(_, kept)| kept).filter(fits).cloned().collect();
        self.cost += 2 * u64::try_from(found.len()).unwrap_or_default();
        Ok(Reply::json(200, &Json::List(found.iter().map(|kept| self.person(kept, true)).collect())))
    }

    pub(crate) fn permissions(&self, call: &Call) -> Reply {
        let wanted = call.param("permissions").unwrap_or("BROWSE_PROJECTS,EDIT_ISSUES,ADD_COMMENTS,TRANSITION_ISSUES");
        let row = |(at, name): (usize, &str)| {
            let shown = obj! {
                "id" => (10 + at).to_string(), "key" => name, "name" => name.replace('_', " "), "type" => "PROJECT", "description" => "",
                "havePermission" => !self.caller.is_anonymous(),
            };
            (name.to_string(), shown)
        };
        Reply::json(200, &obj! {"permissions" => Json::Object(wanted.split(',').enumerate().map(row).collect())})
    }

    pub(crate) fn server_info(&self) -> Json {
        let server = self.is_server();
        let (version, numbers) =
            if server { ("9.12.8", list![9, 12, 8]) } else { ("1001.0.0-SNAPSHOT", list![1001, 0, 0]) };
        let mut shown = obj! {
            "baseUrl" => &self.base, "version" => version, "versionNumbers" => numbers,
            "deploymentType" => if server { "Server" } else { "Cloud" }, "buildNumber" => 100_290,
            "buildDate" => "2026-11-01T00:00:00.000+0000", "serverTime" => self.stamp(self.clock.millis()), "scmInfo" => "simulated",
            "serverTitle" => "Jira",
        };
        if !server {
            shown.set("defaultLocale", obj! {"locale" => "en_US"});
        }
        shown
    }
}
