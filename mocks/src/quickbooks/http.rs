//! The REST paths of the simulated company.

use super::auth::unauthorized;
use super::chart;
use super::faults::{Fault, fault, gone, reply};
use super::state::State;
use super::xml::as_xml;
use crate::call::{Call, Reply};
use crate::json::{Json, list, obj};

type Answer = Result<Reply, Fault>;

fn unsupported(what: &str) -> Fault {
    fault("500", "Unsupported Operation", format!("Operation {what} is not supported."))
}

pub(crate) fn unreadable(why: String) -> Fault {
    let detail = format!("Request has invalid or unsupported property : {why}");
    fault("2010", "Request has invalid or unsupported property", detail)
}

/// Reads are paid for; writes are not.
fn is_read(call: &Call, rest: &[&str]) -> bool {
    call.method == "GET" || rest == ["query"]
}

impl State {
    /// Answers a request; what a refused one had changed is undone.
    pub(crate) fn route(&mut self, call: &Call) -> Reply {
        self.count("requests");
        let reply = self.answer(call);
        let tid = self.tid();
        let reply = reply.header("intuit_tid", tid);
        let json = call.header("accept").is_some_and(|accept| accept.contains("json"));
        let company = call.path.starts_with("/v3/company/");
        let binary = reply.headers.iter().any(|(name, value)| name == "content-type" && value.contains("pdf"));
        if company && !json && !binary && !reply.body.is_empty() { as_xml(reply, &self.stamp()) } else { reply }
    }

    /// The name under which support finds a request again.
    pub(crate) fn tid(&mut self) -> String {
        self.tids += 1;
        format!("1-{:08x}-{:024x}", self.clock.now().as_second(), self.tids)
    }

    fn answer(&mut self, call: &Call) -> Reply {
        if let Some(reply) = self.authorisation(call) {
            return reply;
        }
        let parts = call.parts();
        let ["v3", "company", realm, rest @ ..] = parts.as_slice() else {
            return Reply::empty(404);
        };
        if !call.trusted && !self.lives(call) {
            return unauthorized(self.clock.millis());
        }
        let time = self.stamp();
        if *realm != self.realm {
            return self.forbidden();
        }
        if let Some(reply) = self.too_many(call, rest == ["batch"]) {
            return reply;
        }
        if is_read(call, rest) && !self.metered_read() {
            return self.throttled();
        }
        let mark = self.store.mark();
        self.company(call, rest).unwrap_or_else(|fault| {
            self.store.rollback(mark);
            // seen in the field: a fault under a status that says success
            let status = if self.faults_as_success { 200 } else { fault.status };
            reply(status, obj! {"Fault" => fault.json()}, &time)
        })
    }

    /// Another company, or the other environment.
    pub(crate) fn forbidden(&self) -> Reply {
        let message = "message=ApplicationAuthorizationFailed; errorCode=003100; statusCode=403";
        let error = obj! {"Message" => message, "Detail" => "", "code" => "3100", "element" => ""};
        reply(403, obj! {"Fault" => obj! {"Error" => list![error], "type" => "AuthorizationFault"}}, &self.stamp())
    }

    fn company(&mut self, call: &Call, rest: &[&str]) -> Answer {
        let time = self.stamp();
        self.asks_enhanced = call.param("include").is_some_and(|include| include.contains("enhancedAllCustomFields"));
        let entity = |name: &str| chart::entity(name).ok_or_else(|| unsupported(name));
        match (call.method.as_str(), rest) {
            ("GET", ["query"]) => {
                let found = self.query(call.param("query").unwrap_or_default())?;
                Ok(reply(200, obj! {"QueryResponse" => found}, &time))
            }
            ("POST", ["query"]) => {
                let found = self.query(&call.text())?;
                Ok(reply(200, obj! {"QueryResponse" => found}, &time))
            }
            ("GET", ["cdc"]) => self.changes(call),
            ("POST", ["upload"]) => self.upload(call),
            ("POST", ["batch"]) => self.once(call, |state, call| state.batch(call)),
            ("GET", ["preferences"]) => Ok(reply(200, obj! {"Preferences" => self.preferences()}, &time)),
            ("POST", ["preferences"]) => self.set_preferences(call),
            ("GET", ["companyinfo", _]) => Ok(reply(200, obj! {"CompanyInfo" => self.company_info()}, &time)),
            ("GET", ["exchangerate"]) => self.exchange_rate(call),
            ("GET", ["reports", "GeneralLedger"]) => Ok(reply(200, self.general_ledger(call)?, &time)),
            ("GET", [name, id]) => {
                let entity = entity(name)?;
                let record = self.record(entity, id).ok_or_else(gone)?;
                Ok(reply(200, obj! {entity => State::shown(&record)}, &time))
            }
            ("GET", [name, id, "pdf"])
                if matches!(entity(name)?, "Invoice" | "Estimate" | "CreditMemo" | "SalesReceipt") =>
            {
                let record = self.record(entity(name)?, id).ok_or_else(gone)?;
                let page = format!("%PDF-1.4\n% {} {}\n%%EOF\n", name, record.text("DocNumber"));
                Ok(Reply::empty(200).header("content-type", "application/pdf").body(page))
            }
            ("POST", [name, id, "send"]) => {
                let entity = entity(name)?;
                self.once(call, |state, call| state.send(call, entity, id))
            }
            ("POST", [name]) => {
                let entity = entity(name)?;
                self.once(call, |state, call| state.write(call, entity))
            }
            _ => Err(unsupported(&rest.join("/"))),
        }
    }

    fn send(&mut self, call: &Call, entity: &'static str, id: &str) -> Answer {
        let record = self.record(entity, id).ok_or_else(gone)?;
        let to = call.param("sendTo").map_or_else(|| record.text("BillEmail.Address"), str::to_string);
        if to.is_empty() {
            return Err(fault(
                "2020",
                "Required param missing, need to supply the required value for the API",
                "BillEmail",
            ));
        }
        if !self.may_mail() {
            return Err(fault(
                "6000",
                "A business validation error has occurred",
                "The mails of this day are used up.",
            ));
        }
        let delivery = obj! {"DeliveryType" => "Email", "DeliveryTime" => self.stamp()};
        let sent = record.with("EmailStatus", "EmailSent").with("DeliveryInfo", delivery);
        let sent = self.touched(sent.with("BillEmail", obj! {"Address" => to}), true);
        self.keep(entity, sent.clone());
        self.tell(entity, id, "emailed");
        Ok(reply(200, obj! {entity => State::shown(&sent)}, &self.stamp()))
    }

    fn write(&mut self, call: &Call, entity: &'static str) -> Answer {
        let body = call.json().map_err(unreadable)?;
        if !matches!(body, Json::Object(_)) {
            return Err(unreadable("the body is not an object".to_string()));
        }
        let include = call.param("include").unwrap_or_default();
        let duplicates = include.contains("allowduplicatedocnum");
        let updates = !body.text("Id").is_empty();
        let record = match call.param("operation").unwrap_or_default() {
            "delete" => return Ok(reply(200, obj! {entity => self.delete(entity, &body)?}, &self.stamp())),
            "void" => self.void(entity, &body)?,
            "update" if include == "void" => self.void(entity, &body)?,
            "" | "update" if updates => self.update(entity, &body, duplicates)?,
            "" | "create" => self.create(entity, &body, duplicates)?,
            other => return Err(unsupported(other)),
        };
        let mut shown = State::shown(&record);
        if updates && entity == "Invoice" {
            // in the answer to an update, not in that to a creation
            let link = format!("https://connect.intuit.com/t/scs-v1-{:0>32}", record.text("Id"));
            shown.set("InvoiceLink", link);
        }
        Ok(reply(200, obj! {entity => shown}, &self.stamp()))
    }

    fn set_preferences(&mut self, call: &Call) -> Answer {
        let body = call.json().map_err(unreadable)?;
        let mut kept = self.store.get("config", "preferences").cloned().unwrap_or_default();
        for (path, name) in [
            ("AccountingInfoPrefs.BookCloseDate", "BookCloseDate"),
            ("SalesFormsPrefs.CustomTxnNumbers", "CustomTxnNumbers"),
            ("CurrencyPrefs.MultiCurrencyEnabled", "MultiCurrencyEnabled"),
        ] {
            if let Some(value) = body.path(path) {
                kept.set(name, value);
            }
        }
        self.store.put("config", "preferences", kept);
        Ok(reply(200, obj! {"Preferences" => self.preferences()}, &self.stamp()))
    }
}
