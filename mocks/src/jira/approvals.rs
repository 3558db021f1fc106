//! Approvals of service management. Without an agent's licence the whole interface is closed, without a word.

use super::state::{Answer, State, problem};
use crate::call::{Call, Reply};
use crate::json::{Json, list, obj};

impl State {
    /// Asks people to approve an issue; gives the approval's id.
    pub(crate) fn ask_approval(&mut self, issue: &str, name: &str, approvers: &[Json]) -> Result<String, Reply> {
        let issue = self.issue(issue)?.text("id");
        let id = self.store.next("approval", 1).to_string();
        let rows =
            approvers.iter().map(|person| obj! {"approver" => person, "approverDecision" => "pending"}).collect();
        let kept = obj! {
            "issue" => issue, "name" => name, "approvers" => Json::List(rows), "finalDecision" => "pending",
            "created" => self.clock.millis(),
        };
        self.store.put("approvals", &id, kept);
        Ok(id)
    }

    pub(crate) fn service_desk(&mut self, call: &Call, rest: &[&str]) -> Answer {
        if self.caller.is_anonymous() || !self.settings.service_management {
            return Err(Reply::empty(403));
        }
        let ["request", issue, "approval", rest @ ..] = rest else { return Err(Reply::empty(404)) };
        let issue = self.issue(issue)?.text("id");
        match (call.method.as_str(), rest) {
            ("GET", []) => {
                let number = |name: &str| call.param(name).and_then(|text| text.parse::<usize>().ok());
                let (from, size) = (number("start").unwrap_or_default(), number("limit").unwrap_or(50).clamp(1, 100));
                let own = self.store.all("approvals").filter(|(_, kept)| kept.text("issue") == issue);
                let all: Vec<Json> = own.map(|(id, kept)| self.approval(id, kept)).collect();
                let total = all.len();
                let values: Vec<Json> = all.into_iter().skip(from).take(size).collect();
                let last = from + values.len() >= total;
                let page = obj! {"size" => values.len(), "start" => from, "limit" => size, "isLastPage" => last, "values" => values};
                Ok(Reply::json(200, &page))
            }
            (method, [id]) => {
                let unknown = || problem(404, "The approval does not exist.");
                let kept = self.store.get("approvals", id).filter(|kept| kept.text("issue") == issue).cloned();
                let kept = kept.ok_or_else(unknown)?;
                match method {
                    "GET" => Ok(Reply::json(200, &self.approval(id, &kept))),
                    "POST" => {
                        let decision = call.json().map_err(|_| problem(400, "Invalid JSON"))?.text("decision");
                        let account = self.caller.account();
                        let decided = self.decide(id, kept, &account, &decision)?;
                        Ok(Reply::json(200, &self.approval(id, &decided)))
                    }
                    _ => Err(Reply::empty(405)),
                }
            }
            _ => Err(Reply::empty(404)),
        }
    }

    /// Somebody who was asked approves or declines. One who declines decides; otherwise all have to approve.
    pub(crate) fn decide(&mut self, id: &str, mut kept: Json, account: &str, decision: &str) -> Result<Json, Reply> {
        let decision = match decision {
            "approve" => "approved",
            "decline" => "declined",
            _ => return Err(problem(400, "The decision is approve or decline.")),
        };
        let mut rows = kept.list("approvers").to_vec();
        let own = rows.iter_mut().find(|row| row.text("approver.accountId") == account);
        let Some(own) = own else { return Err(problem(403, "You are not an approver of this approval.")) };
        own.set("approverDecision", decision);
        let open = rows.iter().any(|row| row.text("approverDecision") == "pending");
        if decision == "declined" || !open {
            kept.set("finalDecision", decision);
            kept.set("completed", self.clock.millis());
        }
        kept.set("approvers", rows);
        self.store.put("approvals", id, kept.clone());
        Ok(kept)
    }

    fn approval(&self, id: &str, kept: &Json) -> Json {
        let date = |millis: i64| {
            let text = self.stamp(millis);
            obj! {"iso8601" => &text, "jira" => &text, "friendly" => text.get(..10).unwrap_or_default(), "epochMillis" => millis}
        };
        let account = self.caller.account();
        let pending = kept.text("finalDecision") == "pending";
        let own = |row: &Json| row.text("approver.accountId") == account && row.text("approverDecision") == "pending";
        let can = pending && kept.list("approvers").iter().any(own);
        let row = |row: &Json| {
            let person = self.person(row.get("approver").unwrap_or(&Json::Null), true);
            obj! {"approver" => person, "approverDecision" => row.text("approverDecision")}
        };
        let mut shown = obj! {
            "id" => id, "name" => kept.text("name"), "finalDecision" => kept.text("finalDecision"), "canAnswerApproval" => can,
            "approvers" => Json::List(kept.list("approvers").iter().map(row).collect()), "createdDate" => date(kept.int("created")),
        };
        if kept.has("completed") {
            shown.set("completedDate", date(kept.int("completed")));
        }
        let own = format!("{}/rest/servicedeskapi/request/{}/approval/{id}", self.base, kept.text("issue"));
        shown.with("_links", obj! {"self" => own, "agent" => list![]})
    }
}
