//! Outbound messages: SOAP notifications of changed records, a nudge to look again.

use super::auth::ORG;
use super::select::Column;
use super::state::State;
use crate::hooks;
use crate::json::{Json, obj};

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

impl State {
    /// Notes a change for every registration that wants it.
    pub(crate) fn notice(&mut self, object: &str, id: &str) {
        let wanting: Vec<String> = self
            .store
            .all("outbound")
            .filter(|(_, hook)| hook.text("object") == object)
            .map(|(url, _)| url.to_string())
            .collect();
        for url in wanting {
            let number = self.store.next("notification", 1);
            let notification = format!("04l{number:012}AAA");
            self.store.put("notices", &number.to_string(), obj! {"url" => url, "id" => notification, "record" => id});
        }
    }

    /// Messages of up to a hundred notifications for each registration; records as they are now.
    pub(crate) fn bundle(&mut self) {
        let hooks: Vec<(String, Json)> =
            self.store.all("outbound").map(|(url, hook)| (url.to_string(), hook.clone())).collect();
        for (url, hook) in hooks {
            let waiting = self.store.all("notices").filter(|(_, notice)| notice.text("url") == url);
            let waiting: Vec<(String, Json)> = waiting.map(|(id, notice)| (id.to_string(), notice.clone())).collect();
            for waiting in waiting.chunks(100) {
                self.message(&url, &hook, waiting);
            }
        }
    }

    fn message(&mut self, url: &str, hook: &Json, waiting: &[(String, Json)]) {
        let mut inside = String::new();
        for (id, notice) in waiting {
            inside.push_str(&self.notification(hook, notice));
            self.store.remove("notices", id);
        }
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><soapenv:Envelope \
                 xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\" \
                 xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><soapenv:Body><notifications \
                 xmlns=\"http://soap.sforce.com/2005/09/outbound\"><OrganizationId>{ORG}</OrganizationId>\
                 <ActionId>04k000000000001AAA</ActionId><SessionId xsi:nil=\"true\"/><EnterpriseUrl>{0}/services/Soap/c/62.0\
                 </EnterpriseUrl><PartnerUrl>{0}/services/Soap/u/62.0</PartnerUrl>{inside}</notifications></soapenv:Body>\
                 </soapenv:Envelope>",
            self.base
        );
        let header = |name: &str, value: &str| (name.to_string(), value.to_string());
        let headers = vec![header("content-type", "text/xml; charset=utf-8"), header("soapaction", "\"\"")];
        let now = self.clock.millis();
        hooks::queue(&mut self.store, url, headers, &body, now);
    }

    fn notification(&self, hook: &Json, notice: &Json) -> String {
        let object = hook.text("object");
        let id = notice.text("record");
        let mut fields = format!("<sf:Id>{id}</sf:Id>");
        let living = self.row(&object, &id).filter(|row| !row.is_deleted());
        if let (Some(row), Ok(meta)) = (living, self.object(&object)) {
            let wanted = hook.list("fields").iter().filter_map(|name| meta.field(&name.text_of()));
            for field in wanted.filter(|field| field.name != "Id") {
                let column = Column { steps: Vec::new(), field };
                let shown = self.show(field, &self.reach(&column, row));
                // empty fields are left out, times end in Z here
                if let Some(text) = shown.scalar() {
                    let text = if field.kind == "datetime" { text.replace("+0000", "Z") } else { text };
                    fields.push_str(&format!("<sf:{0}>{1}</sf:{0}>", field.name, escape(&text)));
                }
            }
        }
        format!(
            "<Notification><Id>{}</Id><sObject xsi:type=\"sf:{object}\" \
             xmlns:sf=\"urn:sobject.enterprise.soap.sforce.com\">{fields}</sObject></Notification>",
            notice.text("id")
        )
    }
}

/// Growing gaps of up to two hours, for about a day.
pub(crate) fn again(_: &str, tries: i64) -> Option<i64> {
    let wait = 30_i64.checked_shl(u32::try_from(tries).unwrap_or_default().min(16)).unwrap_or(7200).min(7200);
    (tries < 18).then_some(wait * 1000)
}
