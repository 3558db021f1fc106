//! The paths of the simulated site.

use super::oauth::CLOUD;
use super::people::unauthorized;
use super::state::{Answer, State, problem, unknown_issue};
use super::{bodies, fields};
use crate::call::{Call, Reply};
use crate::json::{Json, list, obj};

const GONE: &str = "The requested API has been removed. Please migrate to the /rest/api/3/search/jql API. A full migration \
                    guideline is available at https://developer.atlassian.com/changelog/#CHANGE-2046";

pub(crate) fn no_route(call: &Call) -> Reply {
    let body = obj! {
        "type" => "about:blank", "title" => "Not Found", "status" => 404,
        "detail" => format!("No static resource {}.", call.path.trim_start_matches('/')), "instance" => &call.path,
    };
    Reply::json(404, &body).header("content-type", "application/problem+json")
}

/// The gateway words its errors in its own way.
fn no_site(call: &Call, now: String) -> Reply {
    let body = obj! {
        "timestamp" => now, "status" => 404, "error" => "Not Found", "message" => "No message available", "path" => &call.path,
    };
    Reply::json(404, &body)
}

pub(crate) fn json(call: &Call) -> Result<Json, Reply> {
    if !call.body.is_empty() && call.header("content-type").is_none_or(|kind| !kind.contains("json")) {
        return Err(Reply::empty(415));
    }
    call.json().map_err(|_| {
        let message = "There was an error parsing JSON. Check that your request body is valid.";
        Reply::json(400, &obj! {"errorMessages" => list![message]})
    })
}

pub(crate) fn page(call: &Call, most: usize) -> (usize, usize) {
    let number = |name: &str| call.param(name).and_then(|text| text.parse::<usize>().ok());
    (number("startAt").unwrap_or_default(), number("maxResults").unwrap_or(most).clamp(1, most))
}

impl State {
    pub(crate) fn route(&mut self, call: &Call) -> Reply {
        self.traces += 1;
        (self.cost, self.keep_on_refusal) = (0, false);
        let trace = format!("{:016x}{:016x}", self.clock.millis(), self.traces);
        let answer = self.answer(call).unwrap_or_else(|refusal| refusal);
        self.quirk = None;
        let answer = self.booked(call, answer);
        let answer = answer.header("atl-traceid", trace.clone()).header("x-arequestid", trace);
        if self.caller.is_anonymous() { answer } else { answer.header("x-aaccountid", self.caller.account()) }
    }

    fn answer(&mut self, call: &Call) -> Answer {
        self.caller.person = Json::Null;
        let parts = call.parts();
        match parts.as_slice() {
            ["oauth", rest @ ..] => return self.oauth(call, rest),
            ["media", "file", id, "binary"] => return self.media(call, id),
            _ => {}
        }
        let gateway = match parts.as_slice() {
            ["ex", "jira", cloud, ..] if *cloud == CLOUD => Some(*cloud),
            ["ex", ..] => return Err(no_site(call, self.stamp(self.clock.millis()))),
            _ => None,
        };
        if std::mem::take(&mut self.revoked) && !call.trusted {
            return Err(unauthorized());
        }
        self.caller = self.admit(call, gateway)?;
        self.limited(call)?;
        // a Data Center may have a path of its own in front
        let start = parts.iter().position(|part| *part == "rest" || *part == "secure").ok_or_else(|| no_route(call))?;
        match &parts[start..] {
            ["rest", "api", api @ ("2" | "3" | "latest"), rest @ ..] => {
                if *api == "3" && self.is_server() {
                    return Err(no_route(call));
                }
                self.api(call, if *api == "3" { "3" } else { "2" }, rest)
            }
            ["rest", "webhooks" | "jira-webhook", "1.0", "webhook", rest @ ..] => self.admin_webhooks(call, rest),
            ["rest", "servicedeskapi", rest @ ..] => self.service_desk(call, rest),
            ["secure", "attachment", id, _] => self.on_attachment(call, "2", &["content", id]),
            _ => Err(no_route(call)),
        }
    }

    fn api(&mut self, call: &Call, api: &str, rest: &[&str]) -> Answer {
        let anonymous = self.caller.is_anonymous();
        if !anonymous {
            bodies::check(call, rest, self.is_server(), &self.tables)?;
        }
        match (call.method.as_str(), rest) {
            ("GET", ["serverInfo" | "myself"]) if anonymous => Err(unauthorized()),
            ("GET", ["serverInfo"]) => Ok(Reply::json(200, &self.server_info())),
            ("GET", ["myself"]) => {
                self.cost += 2;
                let shown = self.person(&self.caller.person.clone(), true);
                Ok(Reply::json(200, &shown.with("locale", "en_US").with("expand", "groups,applicationRoles")))
            }
            ("GET" | "POST", ["search"]) if self.is_server() => self.search_by_offset(call),
            (_, ["search"]) => Err(problem(410, GONE)),
            (_, ["search", ..]) if self.is_server() => Err(no_route(call)),
            ("GET" | "POST", ["search", "jql"]) => self.search(call, api),
            (_, ["issue", ..] | ["attachment", ..]) if anonymous => Err(unknown_issue()),
            ("GET", ["mypermissions"]) => Ok(self.permissions(call)),
            (_, ["project", ..]) if anonymous => Err(problem(404, "No project could be found.")),
            _ if anonymous => Err(unauthorized()),
            ("GET", ["field"]) => Ok(Reply::json(200, &fields::describe(&self.fields))),
            ("GET", ["status" | "statuses"]) => {
                let all =
                    fields::STATUSES.iter().map(|known| fields::status(known.0, &self.caller.link, api)).collect();
                Ok(Reply::json(200, &Json::List(all)))
            }
            ("GET", ["status", name]) => {
                let known =
                    fields::STATUSES.iter().find(|known| known.0 == *name || known.1.eq_ignore_ascii_case(name));
                let shown = known.map(|known| Reply::json(200, &fields::status(known.0, &self.caller.link, api)));
                shown.ok_or_else(|| problem(404, "The status does not exist."))
            }
            ("GET", ["resolution"]) => Ok(Reply::json(
                200,
                &list![
                    obj! {"id" => "10000", "name" => "Done", "description" => "Work has been completed on this issue."}
                ],
            )),
            ("GET", ["priority"]) => Ok(Reply::json(200, &list![obj! {"id" => "3", "name" => "Medium"}])),
            ("GET", ["issuetype"]) => Ok(Reply::json(
                200,
                &list![obj! {"id" => "10001", "name" => "Milestone", "subtask" => false, "description" => ""}],
            )),
            ("GET", ["user"]) => self.user(call),
            ("GET", ["user", "search"]) => self.find_users(call),
            (_, ["project", rest @ ..]) => self.on_project(call, api, rest),
            (_, ["version", rest @ ..]) => self.on_version(call, api, rest),
            (_, ["webhook", rest @ ..]) => self.dynamic_webhooks(call, rest),
            (_, ["attachment", rest @ ..]) => self.on_attachment(call, api, rest),
            _ => self.cloud_api(call, api, rest),
        }
    }

    /// What a Data Center does not have, and the issues.
    fn cloud_api(&mut self, call: &Call, api: &str, rest: &[&str]) -> Answer {
        let cloud = !self.is_server();
        match (call.method.as_str(), rest) {
            ("POST", ["search", "approximate-count"]) => self.approximate(call),
            ("POST", ["jql", "parse"]) if cloud => self.parse_many(call),
            ("POST", ["jql", "match"]) if cloud => self.match_many(call),
            ("POST", ["changelog", "bulkfetch"]) if cloud => self.many_changelogs(call),
            ("POST", ["issue", "bulkfetch"]) if cloud => self.many_issues(call, api),
            ("PUT", ["issue", "archive"]) if cloud => self.archive_many(call, true),
            ("PUT", ["issue", "unarchive"]) if cloud => self.archive_many(call, false),
            ("POST", ["issue"]) => self.post_issue(call, api),
            (_, ["issue", issue, rest @ ..]) => self.on_issue(call, api, issue, rest),
            (method, _) if !matches!(method, "GET" | "POST" | "PUT" | "DELETE") => {
                let body = obj! {
                    "type" => "about:blank", "title" => "Method Not Allowed", "status" => 405,
                    "detail" => format!("Method '{method}' is not supported."), "instance" => &call.path,
                };
                Err(Reply::json(405, &body).header("content-type", "application/problem+json"))
            }
            _ => Err(no_route(call)),
        }
    }
}
