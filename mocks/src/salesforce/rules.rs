//! What the org does beside keeping values: derived fields, roll-ups, formulas, validation and duplicate rules, locks.

use jiff::ToSpan as _;
use jiff::civil::Date;
use rust_decimal::Decimal;

use super::lots::Row;
use super::schema::{Field, Object};
use super::state::{Refusal, State, collection, full_id, refuse, stamp};
use crate::json::{Json, list, obj};

fn yes(record: &Json, field: &str) -> bool {
    record.get(field).is_some_and(Json::is_true)
}

impl State {
    /// What must hold before a record is kept that the API writes.
    pub(crate) fn check(&self, object: &Object, id: &str, old: Option<&Json>, record: &Json) -> Result<(), Refusal> {
        let missing = |field: &&Field| field.required && record.get(&field.name).is_none_or(Json::is_null);
        let missing: Vec<String> = object.fields().filter(missing).map(|field| field.name.clone()).collect();
        if !missing.is_empty() {
            let message = format!("Required fields are missing: [{}]", missing.join(", "));
            let mut refusal = Refusal::new(400, "REQUIRED_FIELD_MISSING", message);
            refusal.fields = missing;
            return Err(refusal);
        }
        for field in object.fields().filter(|field| field.unique) {
            let value = record.text(&field.name);
            if value.is_empty() || old.is_some_and(|old| old.text(&field.name) == value) {
                continue;
            }
            if let Some(holder) = self.find(&object.name, &field.name, &value).into_iter().find(|holder| holder != id) {
                let message =
                    format!("duplicate value found: {} duplicates value on record with id: {holder}", field.name);
                return refuse(400, "DUPLICATE_VALUE", message);
            }
        }
        self.locked(object, id, record)?;
        if object.name == "pse__Milestone__c" {
            return milestone_rules(old, record);
        }
        Ok(())
    }

    /// Locks on the record itself and on the records it points to.
    fn locked(&self, object: &Object, id: &str, record: &Json) -> Result<(), Refusal> {
        let now = self.clock.millis();
        let lock = |id: &str| self.store.get("locks", id).filter(|lock| lock.int("until") > now);
        if lock(id).is_some_and(|lock| yes(lock, "approval")) {
            return refuse(400, "ENTITY_IS_LOCKED", "entity is locked for editing");
        }
        let parents = object.fields().filter(|field| field.relation.is_some()).map(|field| record.text(&field.name));
        for id in std::iter::once(id.to_string()).chain(parents) {
            if lock(&id).is_some_and(|lock| !yes(lock, "approval")) {
                let message = format!("unable to obtain exclusive access to this record or 1 records: {id}");
                return refuse(self.settings.lock_status, "UNABLE_TO_LOCK_ROW", message);
            }
        }
        Ok(())
    }

    /// Somebody else holds a record until this time; an approval process holds it against edits of itself only.
    pub(crate) fn lock(&mut self, id: &str, until: i64, approval: bool) {
        self.store.put("locks", &full_id(id), obj! {"until" => until, "approval" => approval});
    }

    pub(crate) fn look_for_duplicates(&self, object: &Object, record: &Json) -> Result<(), Refusal> {
        if self.duplicates_allowed {
            return Ok(());
        }
        for rule in &self.settings.duplicate_rules {
            let Some((name, field)) = rule.split_once('.') else { continue };
            let value = record.text(field).to_lowercase();
            if name != object.name || value.is_empty() {
                continue;
            }
            let twin = |row: &Row<'_>| !row.is_deleted() && row.text(field).to_lowercase() == value;
            let Some(twin) = self.rows(&object.name).find(twin) else { continue };
            let message = "You're creating a duplicate record. We recommend you use an existing record instead.";
            let mut refusal = Refusal::new(400, "DUPLICATES_DETECTED", message);
            refusal.extra = Some(Box::new(("duplicateResut", duplicate_result(name, &twin.id(), message))));
            return Err(refusal);
        }
        Ok(())
    }

    /// Stage, amount and status decide what the vendor computes, unless the director wrote it himself.
    pub(crate) fn derive(&self, object: &Object, record: &mut Json, old: Option<&Json>, fields: &Json, now: &str) {
        let changed = |name: &str| old.is_none_or(|old| old.text(name) != record.text(name));
        match object.name.as_str() {
            "Opportunity" => {
                let stage = record.text("StageName");
                if changed("StageName") {
                    let row = self.rows("OpportunityStage").find(|row| row.text("MasterLabel") == stage);
                    let says = |name: &str| row.is_some_and(|row| row.get(name).is_true());
                    record.set("LastStageChangeDate", now);
                    for name in ["IsWon", "IsClosed"] {
                        if !fields.has(name) {
                            record.set(name, says(name));
                        }
                    }
                }
                if yes(record, "IsWon") {
                    record.set("IsClosed", true);
                }
                if let (Some(amount), Some(chance)) =
                    (record.get("Amount").and_then(Json::number), record.get("Probability").and_then(Json::number))
                {
                    record.set("ExpectedRevenue", Json::amount(amount * chance / Decimal::ONE_HUNDRED));
                }
            }
            "OpportunityLineItem" if !fields.has("TotalPrice") => {
                let price = record.get("UnitPrice").and_then(Json::number);
                let count = record.get("Quantity").and_then(Json::number).unwrap_or(Decimal::ONE);
                if let Some(price) = price {
                    record.set("TotalPrice", Json::amount(price * count));
                }
            }
            "pse__Milestone__c"
                if self.settings.milestone_workflow
                    && changed("pse__Status__c")
                    && record.text("pse__Status__c") == "Approved" =>
            {
                record.set("pse__Approved__c", true);
                record.set("pse__Include_In_Financials__c", true);
            }
            "Contract" => {
                let status = record.text("Status");
                let code = match status.as_str() {
                    "Activated" => "Activated",
                    "In Approval Process" => "InApproval",
                    _ => "Draft",
                };
                if changed("Status") && code == "Activated" {
                    record.set("ActivatedDate", now);
                }
                record.set("StatusCode", code);
                let start = record.text("StartDate").parse::<Date>();
                let months = record.int("ContractTerm");
                if let (Ok(start), 1..=1200) = (start, months) {
                    let end = start.checked_add(months.months()).and_then(|end| end.checked_sub(1.day()));
                    record.set("EndDate", end.map(|end| end.to_string()).ok());
                }
            }
            _ => {}
        }
    }

    /// The history of a deal's stage, amount and date, and of a milestone's approval and status: when it was won or approved, for
    /// those who ask afterwards.
    pub(crate) fn track(&mut self, object: &str, id: &str, old: &Json, new: &Json) -> Result<(), Refusal> {
        let milestone = object == "pse__Milestone__c" && self.settings.milestone_history;
        for field in ["pse__Approved__c", "pse__Status__c"].iter().filter(|_| milestone) {
            let (before, after) = (old.text(field), new.text(field));
            if before != after {
                let row = obj! {"ParentId" => id, "Field" => *field, "OldValue" => before, "NewValue" => after};
                self.create("pse__Milestone__History", &row, true)?;
            }
        }
        if object != "Opportunity" {
            return Ok(());
        }
        for field in ["StageName", "Amount", "CloseDate"] {
            let (before, after) = (old.text(field), new.text(field));
            if before != after {
                let row = obj! {"OpportunityId" => id, "Field" => field, "OldValue" => before, "NewValue" => after};
                self.create("OpportunityFieldHistory", &row, true)?;
            }
        }
        Ok(())
    }

    /// With products, the amount of a deal is their sum; the deal's stamp moves only where the sum does.
    pub(crate) fn roll_up(&mut self, object: &str, record: &Json) {
        let deal = record.text("OpportunityId");
        if object != "OpportunityLineItem" || deal.is_empty() {
            return;
        }
        let lines = self.rows(object).filter(|row| !row.is_deleted() && row.text("OpportunityId") == deal);
        let prices: Vec<Decimal> = lines.map(|row| row.get("TotalPrice").number().unwrap_or_default()).collect();
        let Some(old) = self.record("Opportunity", &deal).map(std::borrow::Cow::into_owned) else { return };
        let sum: Decimal = prices.iter().sum();
        if old.decimal("Amount") == sum && yes(&old, "HasOpportunityLineItem") != prices.is_empty() {
            return;
        }
        let now = stamp(self.clock.now());
        let deal_now = old.with("Amount", Json::amount(sum)).with("HasOpportunityLineItem", !prices.is_empty());
        let deal_now = deal_now.with("SystemModstamp", &now).with("LastModifiedDate", now);
        self.store.put(&collection("Opportunity"), &deal, deal_now);
        self.notice("Opportunity", &deal);
    }

    /// The value of a formula field, computed when it is looked at.
    pub(crate) fn formula(&self, field: &Field, row: Row<'_>) -> Json {
        let is = |name: &str| row.get(name).is_true();
        match field.name.as_str() {
            "pse__Eligible_for_Billing__c" => {
                let blocked = is("pse__Billing_Hold__c") || is("pse__Exclude_from_Billing__c");
                let billed = is("pse__Billed__c") || is("pse__Invoiced__c");
                let project = self.row("pse__Proj__c", &row.text("pse__Project__c"));
                let placed = project.is_some_and(|project| !project.text("pse__Account__c").is_empty());
                let free = row.text("pse__Billing_Event_Item__c").is_empty();
                let eligible = !blocked && !billed && placed && free && is("pse__Include_In_Financials__c");
                Json::from(if eligible { "Yes" } else { "No" })
            }
            "pse__Billing_Event_Status__c" => {
                let item = self.row("pse__Billing_Event_Item__c", &row.text("pse__Billing_Event_Item__c"));
                let event =
                    item.and_then(|item| self.row("pse__Billing_Event__c", &item.text("pse__Billing_Event__c")));
                event.map_or(Json::Null, |event| event.get("pse__Status__c").into_owned())
            }
            _ => Json::Null,
        }
    }
}

/// The four active validation rules of the package.
fn milestone_rules(old: Option<&Json>, record: &Json) -> Result<(), Refusal> {
    let failed = |message: &str| refuse(400, "FIELD_CUSTOM_VALIDATION_EXCEPTION", message);
    let (billed, invoiced) = (yes(record, "pse__Billed__c"), yes(record, "pse__Invoiced__c"));
    if billed && !(yes(record, "pse__Include_In_Financials__c") && yes(record, "pse__Approved__c")) {
        return failed("A Milestone must be Included In Financials and Approved before it can be marked as Billed.");
    }
    if invoiced && !billed {
        return failed("A Milestone must be marked as Billed before it can be marked as Invoiced.");
    }
    let said = |name: &str| !record.text(name).is_empty();
    if (said("pse__Invoice_Number__c") || said("pse__Invoice_Date__c")) && !invoiced {
        return failed("Invoice Number and Invoice Date may only be set on a Milestone that is marked as Invoiced.");
    }
    let moved = old.is_some_and(|old| old.text("pse__Project__c") != record.text("pse__Project__c"));
    let overruled = yes(record, "pse__Admin_Global_Edit__c") && said("pse__Audit_Notes__c");
    if (moved || !said("pse__Project__c")) && !overruled {
        return failed("Project may not be blank or changed once it is set.");
    }
    Ok(())
}

fn duplicate_result(object: &str, id: &str, message: &str) -> Json {
    let twin = obj! {
        "additionalInformation" => list![], "fieldDiffs" => list![], "matchConfidence" => Json::Number("100.0".to_string()),
        "record" => obj! {
            "attributes" => obj! {"type" => object, "url" => format!("/services/data/v62.0/sobjects/{object}/{id}")}, "Id" => id,
        },
    };
    let found = obj! {
        "entityType" => object, "errors" => list![], "matchEngine" => "ExactMatchEngine", "matchRecords" => list![twin],
        "rule" => format!("Standard_{object}_Match_Rule_v1_0"), "size" => 1, "success" => true,
    };
    obj! {
        "allowSave" => true, "duplicateRule" => format!("Standard_{object}_Duplicate_Rule"), "duplicateRuleEntityType" => object,
        "errorMessage" => message, "matchResults" => list![found],
    }
}
