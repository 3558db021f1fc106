//! Batches: up to thirty operations, one after another, each with its own outcome; and request ids, which give the first
//! answer again.

use super::chart;
use super::faults::{Fault, fault, reply};
use super::query::parser;
use super::state::State;
use crate::call::{Call, Reply};
use crate::json::{Json, list, obj};

const MOST: usize = 30;

fn too_long(what: &str, most: usize) -> Fault {
    let detail = format!("Invalid String Length : {what} exceeds the maximum of {most} characters");
    fault("2050", "Invalid String Length", detail)
}

impl State {
    /// A request id that was used before gives the first answer again and writes nothing, even if what it made has been
    /// changed or deleted since.
    pub(crate) fn once(
        &mut self,
        call: &Call,
        write: impl FnOnce(&mut State, &Call) -> Result<Reply, Fault>,
    ) -> Result<Reply, Fault> {
        let Some(id) = call.param("requestid").filter(|id| !id.is_empty()) else { return write(self, call) };
        if id.chars().count() > 50 {
            return Err(too_long("requestid", 50));
        }
        if let Some(first) = self.store.get("requests", id).and_then(Json::scalar) {
            self.count("replayed");
            return Ok(Reply::json(200, &Json::Null).body(first));
        }
        let answer = write(self, call)?;
        self.store.put("requests", id, answer.text());
        Ok(answer)
    }

    pub(crate) fn batch(&mut self, call: &Call) -> Result<Reply, Fault> {
        self.count("batches");
        let body = call.json().map_err(parser)?;
        let items = body.list("BatchItemRequest");
        if items.len() > MOST {
            let detail = "The number of items in a batch request is limited to 30";
            return Err(fault("1040", "Too many batch items", detail));
        }
        if let Some(id) = call.param("requestid") {
            if id.chars().count() > 36 {
                return Err(too_long("requestid of a batch", 36));
            }
            if items.iter().any(|item| item.text("bId").chars().count() > 10) {
                return Err(too_long("bId beside a requestid", 10));
            }
        }
        let mut answers = Vec::new();
        for (at, item) in items.iter().enumerate() {
            let mark = self.store.mark();
            let outcome = if self.throttled_items.is_some_and(|from| at >= from) {
                Err(Fault {
                    status: 429,
                    code: "3001",
                    message: "ThrottleExceeded",
                    detail: "message=ThrottleExceeded; errorCode=003001; statusCode=429".to_string(),
                    kind: "THROTTLE",
                })
            } else {
                self.batch_item(item)
            };
            let outcome = outcome.unwrap_or_else(|fault| {
                self.store.rollback(mark);
                obj! {"Fault" => fault.json()}
            });
            self.count("batch_items");
            answers.push(outcome.with("bId", item.text("bId")));
        }
        self.throttled_items = None;
        Ok(reply(200, obj! {"BatchItemResponse" => answers}, &self.stamp()))
    }

    fn batch_item(&mut self, item: &Json) -> Result<Json, Fault> {
        if item.has("Query") {
            if !self.metered_read() {
                return Err(fault("3001", "ThrottleExceeded", "The metered reads of this month are used up."));
            }
            return Ok(obj! {"QueryResponse" => self.query(&item.text("Query"))?});
        }
        let found = item.members().iter().find_map(|(name, body)| Some((chart::entity(name)?, body)));
        let Some((entity, body)) = found else {
            return Err(fault("2010", "Request has invalid or unsupported property", "no entity in the batch item"));
        };
        let voids = item.text("optionsData").eq_ignore_ascii_case("void");
        let record = match item.text("operation").as_str() {
            "create" => self.create(entity, body, false)?,
            "update" if voids => self.void(entity, body)?,
            "update" => self.update(entity, body, false)?,
            "delete" => {
                let gone = self.delete(entity, body)?;
                return Ok(obj! {entity => gone});
            }
            other => return Err(fault("500", "Unsupported Operation", format!("Operation {other} is not supported."))),
        };
        Ok(obj! {entity => State::shown(&record)})
    }

    /// A pair of currencies: one unit of the source in the currency of the books.
    pub(crate) fn exchange_rate(&self, call: &Call) -> Result<Reply, Fault> {
        const RATES: &[(&str, &str)] =
            &[("USD", "1"), ("EUR", "1.08"), ("GBP", "1.27"), ("CAD", "0.73"), ("JPY", "0.0067"), ("CHF", "1.12")];
        let code = call.param("sourcecurrencycode").unwrap_or_default();
        let Some((code, rate)) = RATES.iter().find(|(known, _)| *known == code) else {
            return Err(fault("2500", "Invalid Reference Id", format!("Invalid Reference Id : currency {code}")));
        };
        let date = call.param("asofdate").map_or_else(|| self.today().to_string(), str::to_string);
        let rate = obj! {
            "SourceCurrencyCode" => *code, "TargetCurrencyCode" => "USD", "Rate" => Json::Number((*rate).to_string()),
            "AsOfDate" => date, "MetaData" => obj! {"LastUpdatedTime" => self.stamp()}, "domain" => "QBO", "sparse" => false,
        };
        Ok(reply(200, obj! {"ExchangeRate" => rate}, &self.stamp()))
    }

    pub(crate) fn company_info(&self) -> Json {
        obj! {
            "CompanyName" => "Acme Services", "LegalName" => "Acme Services, Inc.", "Country" => "US",
            "FiscalYearStartMonth" => "January", "Email" => obj! {"Address" => "books@example.com"},
            "NameValue" => list![obj! {"Name" => "OfferingSku", "Value" => "QuickBooks Online Advanced"}],
            "Id" => "1", "SyncToken" => "0", "domain" => "QBO", "sparse" => false,
            "MetaData" => obj! {"CreateTime" => self.stamp(), "LastUpdatedTime" => self.stamp()},
        }
    }
}
