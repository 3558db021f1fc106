//! Jira: issues in, a property and a link out.

use std::sync::Arc;

use jiff::SignedDuration;
use milestoned_connector_kit::After;
use milestoned_connector_kit::conformance::{Conditions, Remote};
use milestoned_jira::Jira;
use milestoned_mapping::command::{Command, DeliveryKey};
use milestoned_mocks::Person;
use serde_json::json;

use super::{Desk, Kept, fields, status};

pub(super) struct Site {
    pub(super) desk: Desk,
    jira: Jira,
    /// One issue takes only so many writes in two seconds.
    shown_on: Vec<String>,
}

impl Site {
    pub(super) async fn start() -> Self {
        let desk = Desk::open("jira").await;
        let settings = json!({
            "base_url": desk.simulators.url("jira"), "projects": ["MS"],
            "auth": { "flow": "basic", "email": "mia@example.test", "api_token": "api-token" }, "limits": { "windows": [] },
        });
        let settings = serde_json::from_value(settings).unwrap();
        let read = vec!["summary".into(), "status".into()];
        let jira = Jira::build("jira", settings, read, desk.clock.clone(), Arc::new(Kept::default())).unwrap();
        let shown_on = (0..10).map(|_| issue(&desk)).collect();
        Self { desk, jira, shown_on }
    }
}

impl Site {
    fn shows(&self, ordinal: u32) -> &str {
        &self.shown_on[usize::try_from(ordinal).unwrap() % self.shown_on.len()]
    }
}

fn issue(desk: &Desk) -> String {
    let act = desk.act("issue");
    desk.simulators.jira.create_issue(&act, "MS", fields(json!({ "summary": act }))).unwrap().id
}

impl Remote for Site {
    type Connector = Jira;

    fn connector(&self) -> &Jira {
        &self.jira
    }
    fn stream(&self) -> &'static str {
        "issues"
    }
    fn create(&self, count: usize) -> Vec<String> {
        (0..count).map(|_| issue(&self.desk)).collect()
    }
    fn change(&self, id: &str) {
        let act = self.desk.act("change");
        let changes = fields(json!({ "summary": act })).into_iter().collect();
        self.desk.simulators.jira.edit(&act, id, &Person::integration(), changes, None).unwrap();
    }
    fn delete(&self, id: &str) {
        self.desk.simulators.jira.delete_issue(&self.desk.act("delete"), id).unwrap();
    }
    fn lag(&self, by: SignedDuration) {
        self.desk.simulators.jira.set_index_lag(i64::try_from(by.as_millis()).unwrap());
    }
    fn conditions(&self) -> &dyn Conditions {
        &self.desk
    }
    fn command(&self, ordinal: u32) -> (DeliveryKey, Command, After) {
        status(ordinal, self.shows(ordinal))
    }
    fn written(&self, ordinal: u32) -> usize {
        let wanted = format!("milestoned=CONF&milestone=M{ordinal}");
        let links = self.desk.simulators.jira.links(self.shows(ordinal));
        links.iter().filter(|link| link.text("globalId") == wanted).count()
    }
}

milestoned_connector_kit::conformance!(suite, Site::start().await);
