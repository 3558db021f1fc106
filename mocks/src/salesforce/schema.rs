//! Objects and fields of the simulated org.

use std::collections::BTreeMap;

use crate::json::{Json, list, obj};

/// A field of an object.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) kind: String,
    /// Digits in all, and behind the point.
    pub(crate) digits: (i64, i64),
    /// External id; looked up by upsert.
    pub(crate) external: bool,
    pub(crate) unique: bool,
    pub(crate) required: bool,
    pub(crate) read_only: bool,
    /// Computed when it is read: a change of its value moves no stamp.
    pub(crate) formula: bool,
    /// Values other than those of its list are refused.
    pub(crate) restricted: bool,
    /// Taken from the caller by field-level security, or not switched on in this org.
    pub(crate) hidden: bool,
    pub(crate) relation: Option<Relation>,
}

/// Where a reference leads.
#[derive(Clone, Debug)]
pub(crate) struct Relation {
    /// Name of the way up, `Account`.
    pub(crate) name: String,
    /// The object it leads to.
    pub(crate) to: String,
    /// Name of the way down, `Opportunities`; some have none.
    pub(crate) children: String,
}

/// An object type.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    pub(crate) name: String,
    pub(crate) prefix: String,
    fields: Vec<Field>,
}

impl Object {
    /// A field that the caller can see.
    pub(crate) fn field(&self, name: &str) -> Option<&Field> {
        self.fields().find(|field| field.name.eq_ignore_ascii_case(name))
    }

    /// The fields that the caller can see.
    pub(crate) fn fields(&self) -> impl Iterator<Item = &Field> {
        self.fields.iter().filter(|field| !field.hidden)
    }

    /// All fields.
    pub(crate) fn every_field(&self) -> &[Field] {
        &self.fields
    }

    pub(crate) fn add(&mut self, field: Field) {
        self.fields.retain(|old| old.name != field.name);
        self.fields.push(field);
    }

    pub(crate) fn hide(&mut self, name: &str, hidden: bool) -> bool {
        let found = self.fields.iter_mut().find(|field| field.name.eq_ignore_ascii_case(name));
        found.map(|field| field.hidden = hidden).is_some()
    }
}

/// `name:kind:flags:relation`; flags: x external id, u unique, q required, r read only, f formula, l restricted to its list;
/// a reference names `relationship>object>children`; a number may say `kind(digits,scale)`.
const STANDARD: &str = "Id:id:r CreatedDate:datetime:r CreatedById:reference:r:CreatedBy>User LastModifiedDate:datetime:r \
    LastModifiedById:reference:r:LastModifiedBy>User SystemModstamp:datetime:r IsDeleted:boolean:r \
    OwnerId:reference::Owner>User CurrencyIsoCode:picklist";

const OBJECTS: &[(&str, &str, &str)] = &[
    (
        "Account",
        "001",
        "Name:string:q ParentId:reference::Parent>Account>ChildAccounts AccountNumber:string Type:picklist Industry:picklist \
         BillingStreet:textarea BillingCity:string BillingState:string BillingPostalCode:string BillingCountry:string \
         Phone:phone Website:url Description:textarea Customer_Number__c:string:x",
    ),
    (
        "Contact",
        "003",
        "AccountId:reference::Account>Account>Contacts FirstName:string LastName:string:q Name:string:r Email:email Phone:phone",
    ),
    (
        "Opportunity",
        "006",
        "Name:string:q AccountId:reference::Account>Account>Opportunities StageName:picklist:q IsWon:boolean:r IsClosed:boolean:r \
         Amount:currency CloseDate:date:q Probability:percent ExpectedRevenue:currency:r Type:picklist NextStep:string \
         LeadSource:picklist Description:textarea ForecastCategoryName:picklist HasOpportunityLineItem:boolean:r \
         LastStageChangeDate:datetime:r ContractId:reference::Contract>Contract>Opportunities SOW_Number__c:string:x \
         Payment_Terms__c:string Amendment_Version__c:double Billing_Status__c:string Billed_Amount__c:currency \
         Recognised_Amount__c:currency Billing_Email__c:email Purchase_Order__c:string",
    ),
    (
        "OpportunityFieldHistory",
        "017",
        "OpportunityId:reference:r:Opportunity>Opportunity>Histories Field:string:r OldValue:string:r NewValue:string:r",
    ),
    (
        "pse__Milestone__History",
        "a9h",
        "ParentId:reference:r:Parent>pse__Milestone__c>Histories Field:string:r OldValue:string:r NewValue:string:r",
    ),
    (
        "Milestone__c",
        "a00",
        "Name:string External_Id__c:string:xu Legacy_Id__c:string:x Opportunity__c:reference::Opportunity__r>Opportunity>Milestones__r \
         Contract__c:string Milestone_Id__c:string Amount__c:currency Status__c:string Accepted_On__c:date \
         Completed_Date__c:date Due_Date__c:date Invoice_Number__c:string Invoiced_On__c:date Due_On__c:date Paid_On__c:date \
         Blocked_By__c:textarea Link__c:url Sequence__c:double Trigger__c:string Approver__c:string",
    ),
    (
        "OpportunityLineItem",
        "00k",
        "OpportunityId:reference:q:Opportunity>Opportunity>OpportunityLineItems Name:string PricebookEntryId:string Product2Id:string \
         ProductCode:string Quantity:double(12,2) UnitPrice:currency TotalPrice:currency ListPrice:currency Discount:percent \
         ServiceDate:date Description:string SortOrder:int External_Id__c:string:xu",
    ),
    (
        "OpportunityLineItemSchedule",
        "00o",
        "OpportunityLineItemId:reference:q:OpportunityLineItem>OpportunityLineItem>OpportunityLineItemSchedules ScheduleDate:date:q \
         Revenue:currency Quantity:double(12,2) Type:picklist:q Description:string",
    ),
    (
        "Contract",
        "800",
        "AccountId:reference:q:Account>Account>Contracts ContractNumber:string:r Status:picklist StatusCode:picklist:r StartDate:date \
         EndDate:date:r ContractTerm:int CustomerSignedDate:date CompanySignedDate:date ActivatedDate:datetime:r \
         SpecialTerms:textarea",
    ),
    (
        "Order",
        "801",
        "AccountId:reference:q:Account>Account>Orders ContractId:reference::Contract>Contract>Orders EffectiveDate:date:q \
         Status:picklist:q StatusCode:picklist:r TotalAmount:currency:r OrderNumber:string:r",
    ),
    ("User", "005", "Name:string Username:string Email:email TimeZoneSidKey:picklist IsActive:boolean"),
    (
        "Organization",
        "00D",
        "Name:string DefaultLocaleSidKey:picklist TimeZoneSidKey:picklist OrganizationType:picklist IsSandbox:boolean",
    ),
    (
        "OpportunityStage",
        "01J",
        "MasterLabel:string ApiName:string IsActive:boolean IsClosed:boolean IsWon:boolean SortOrder:int",
    ),
    (
        "ContentVersion",
        "068",
        "Title:string ContentDocumentId:reference::ContentDocument>ContentDocument>ContentVersions IsLatest:boolean:r \
         PathOnClient:string FileExtension:string:r FileType:string:r ContentSize:int:r Checksum:string:r VersionData:base64 \
         VersionNumber:string:r FirstPublishLocationId:anyid",
    ),
    (
        "ContentDocument",
        "069",
        "Title:string FileExtension:string:r FileType:string:r ContentSize:int:r \
         LatestPublishedVersionId:reference:r:LatestPublishedVersion>ContentVersion",
    ),
    (
        "ContentDocumentLink",
        "06A",
        "LinkedEntityId:anyid:q ContentDocumentId:reference:q:ContentDocument>ContentDocument>ContentDocumentLinks ShareType:picklist \
         Visibility:picklist",
    ),
    (
        "Attachment",
        "00P",
        "ParentId:anyid:q Name:string:q ContentType:string Body:base64 BodyLength:int:r Description:string",
    ),
    (
        "pse__Proj__c",
        "a1p",
        "Name:string:q pse__Account__c:reference::pse__Account__r>Account>pse__Projects__r \
         pse__Opportunity__c:reference::pse__Opportunity__r>Opportunity>pse__Projects__r pse__Billing_Type__c:picklist \
         pse__Is_Billable__c:boolean pse__Is_Active__c:boolean pse__Stage__c:picklist pse__Project_Status__c:picklist \
         pse__Bookings__c:currency pse__Billings__c:currency pse__Revenue__c:currency pse__Start_Date__c:date \
         pse__End_Date__c:date pse__Project_ID__c:string pse__Exclude_From_Billing__c:boolean pse__Recognition_Method__c:picklist \
         pse__Sync_With_Jira__c:boolean pse__Jira_Project_Key__c:string pse__Jira_Correlation_ID__c:string ExternalId__c:string:x",
    ),
    (
        "pse__Milestone__c",
        "a1m",
        "Name:string:q pse__Project__c:reference:q:pse__Project__r>pse__Proj__c>pse__Milestones__r pse__Milestone_Amount__c:currency \
         pse__Milestone_Cost__c:currency pse__Status__c:picklist pse__Approved__c:boolean \
         pse__Approver__c:reference::pse__Approver__r>User pse__Approved_for_Billing__c:boolean \
         pse__Include_In_Financials__c:boolean pse__Billed__c:boolean pse__Invoiced__c:boolean pse__Invoice_Number__c:string(80) \
         pse__Invoice_Date__c:date pse__Bill_Date__c:date pse__Billing_Hold__c:boolean pse__Exclude_from_Billing__c:boolean \
         pse__Eligible_for_Billing__c:string:f pse__Target_Date__c:date:q pse__Actual_Date__c:date pse__Start_Date__c:date \
         pse__Requires_Customer_Sign_off__c:boolean \
         pse__Billing_Event_Item__c:reference::pse__Billing_Event_Item__r>pse__Billing_Event_Item__c \
         pse__Billing_Event_Status__c:string:f pse__Billing_Event_Invoiced__c:boolean pse__Billing_Event_Released__c:boolean \
         pse__Opportunity_Product__c:anyid pse__Percent_Hours_Completed_For_Recognition__c:percent \
         pse__Recognition_Method__c:picklist pse__Admin_Global_Edit__c:boolean pse__Audit_Notes__c:textarea \
         pse__Description__c:textarea ExternalId__c:string:x Billing_Key__c:string:xu",
    ),
    (
        "pse__Project_Task__c",
        "a1t",
        "Name:string:q pse__Project__c:reference::pse__Project__r>pse__Proj__c>pse__Project_Tasks__r \
         pse__Milestone__c:reference::pse__Milestone__r>pse__Milestone__c>pse__Project_Tasks__r pse__Completed__c:boolean \
         pse__Sync_With_Jira__c:boolean pse__Jira_Correlation_ID__c:string",
    ),
    (
        "pse__Billing_Event__c",
        "a1e",
        "Name:string pse__Project__c:reference::pse__Project__r>pse__Proj__c>pse__Billing_Events__r pse__Status__c:picklist \
         pse__Is_Released__c:boolean pse__Is_Approved__c:boolean pse__Invoiced__c:boolean pse__Invoice_Number__c:string \
         pse__Invoice_Date__c:date",
    ),
    (
        "pse__Billing_Event_Item__c",
        "a1i",
        "Name:string pse__Billing_Event__c:reference::pse__Billing_Event__r>pse__Billing_Event__c>pse__Billing_Event_Items__r \
         pse__Amount__c:currency pse__Milestone__c:reference::pse__Milestone__r>pse__Milestone__c>pse__Billing_Event_Items__r \
         pse__Is_Released__c:boolean pse__Invoiced__c:boolean",
    ),
];

/// Values of picklists, the default first where there is one.
const PICKLISTS: &[(&str, &[&str])] = &[
    (
        "Opportunity.StageName",
        &[
            "Prospecting",
            "Qualification",
            "Needs Analysis",
            "Value Proposition",
            "Id. Decision Makers",
            "Perception Analysis",
            "Proposal/Price Quote",
            "Negotiation/Review",
            "Closed Won",
            "Closed Lost",
        ],
    ),
    ("Contract.StatusCode", &["Draft", "InApproval", "Activated"]),
    ("pse__Milestone__c.pse__Status__c", &["Planned", "Open", "Approved", "Canceled"]),
    ("pse__Proj__c.pse__Billing_Type__c", &["Fixed Price", "Time and Materials"]),
    ("pse__Billing_Event__c.pse__Status__c", &["Saved", "Submitted", "Completed"]),
    ("OpportunityLineItemSchedule.Type", &["Revenue", "Quantity", "Both"]),
];

pub(crate) fn picklist(object: &str, field: &str) -> &'static [&'static str] {
    let name = format!("{object}.{field}");
    PICKLISTS.iter().find(|(known, _)| *known == name).map_or(&[], |(_, values)| values)
}

pub(crate) fn parse_field(text: &str) -> Field {
    let parts: Vec<&str> = text.split(':').collect();
    let part = |at: usize| parts.get(at).copied().unwrap_or_default();
    let flag = |sign: char| part(2).contains(sign);
    let (kind, size) = part(1).split_once('(').unwrap_or((part(1), ""));
    let mut sizes = size.trim_end_matches(')').split(',').map(|digits| digits.parse::<i64>().ok());
    let digits = match (kind, sizes.next().flatten(), sizes.next().flatten()) {
        (_, Some(all), behind) => (all, behind.unwrap_or_default()),
        ("currency", ..) => (18, 2),
        ("double", ..) => (18, 4),
        ("percent", ..) => (5, 2),
        ("string" | "picklist" | "url" | "email" | "phone", ..) => (255, 0),
        ("textarea", ..) => (32_768, 0),
        _ => (0, 0),
    };
    let mut way = part(3).split('>').map(str::to_string);
    let relation = match (way.next(), way.next(), way.next()) {
        (Some(name), Some(to), children) => Some(Relation { name, to, children: children.unwrap_or_default() }),
        _ => None,
    };
    Field {
        name: part(0).to_string(),
        kind: kind.to_string(),
        digits,
        external: flag('x'),
        unique: flag('u'),
        required: flag('q'),
        read_only: flag('r') || flag('f'),
        formula: flag('f'),
        restricted: flag('l'),
        hidden: false,
        relation,
    }
}

pub(crate) fn standard(name: &str, prefix: &str, own: &str) -> Object {
    let fields = STANDARD.split_whitespace().chain(own.split_whitespace()).map(parse_field).collect();
    Object { name: name.to_string(), prefix: prefix.to_string(), fields }
}

pub(crate) fn objects() -> BTreeMap<String, Object> {
    OBJECTS.iter().map(|(name, prefix, own)| ((*name).to_string(), standard(name, prefix, own))).collect()
}

fn describe_field(object: &str, field: &Field) -> Json {
    let number = matches!(field.kind.as_str(), "currency" | "double" | "percent");
    let soap = match field.kind.as_str() {
        "currency" | "double" | "percent" => "xsd:double",
        "int" => "xsd:int",
        "boolean" => "xsd:boolean",
        "date" => "xsd:date",
        "datetime" => "xsd:dateTime",
        "base64" => "xsd:base64Binary",
        "id" | "reference" | "anyid" => "tns:ID",
        _ => "xsd:string",
    };
    let length = match field.kind.as_str() {
        "id" | "reference" | "anyid" => 18,
        _ if number => 0,
        _ => field.digits.0,
    };
    let (precision, scale) = if number { field.digits } else { (0, 0) };
    let values = picklist(object, &field.name);
    let value = |(at, value): (usize, &&str)| {
        obj! {"active" => true, "defaultValue" => at == 0, "label" => *value, "validFor" => Json::Null, "value" => *value}
    };
    let kind = if field.kind == "anyid" { "reference" } else { &field.kind };
    let relation = field.relation.as_ref();
    obj! {
        "name" => &field.name, "label" => field.name.trim_end_matches("__c").replace('_', " "), "type" => kind,
        "soapType" => soap, "length" => length, "byteLength" => length * 3, "precision" => precision, "scale" => scale,
        "digits" => if field.kind == "int" { 9 } else { 0 }, "nillable" => !field.required && field.kind != "boolean",
        "defaultedOnCreate" => field.kind == "boolean", "calculated" => field.formula, "calculatedFormula" => Json::Null,
        "externalId" => field.external, "idLookup" => field.external || field.kind == "id", "unique" => field.unique,
        "caseSensitive" => false, "createable" => !field.read_only, "updateable" => !field.read_only,
        "filterable" => field.kind != "textarea", "sortable" => field.kind != "textarea", "groupable" => true,
        "custom" => field.name.ends_with("__c"), "picklistValues" => Json::List(values.iter().enumerate().map(value).collect()),
        "restrictedPicklist" => field.restricted,
        "referenceTo" => Json::List(relation.map(|way| Json::from(&way.to)).into_iter().collect()),
        "relationshipName" => relation.map(|way| way.name.clone()), "permissionable" => !field.required,
        "deprecatedAndHidden" => false, "defaultValue" => Json::Null, "inlineHelpText" => Json::Null,
    }
}

fn urls(object: &Object, version: &str) -> Json {
    let base = format!("/services/data/{version}/sobjects/{}", object.name);
    obj! {
        "sobject" => &base, "describe" => format!("{base}/describe"), "rowTemplate" => format!("{base}/{{ID}}"),
        "compactLayouts" => format!("{base}/describe/compactLayouts"), "layouts" => format!("{base}/describe/layouts"),
    }
}

/// The short form in the list of all objects.
pub(crate) fn summary(object: &Object, version: &str) -> Json {
    obj! {
        "name" => &object.name, "label" => object.name.trim_end_matches("__c").replace('_', " "),
        "labelPlural" => format!("{}s", object.name.trim_end_matches("__c").replace('_', " ")),
        "keyPrefix" => &object.prefix, "custom" => object.name.ends_with("__c"), "createable" => true, "updateable" => true,
        "deletable" => true, "queryable" => true, "retrieveable" => true, "searchable" => true, "replicateable" => true,
        "undeletable" => true, "triggerable" => true, "layoutable" => true, "mergeable" => false, "feedEnabled" => false,
        "deprecatedAndHidden" => false, "customSetting" => false, "activateable" => false, "urls" => urls(object, version),
    }
}

/// What the caller may know of an object; `all` gives the relationships that lead down from it.
pub(crate) fn describe(object: &Object, all: &BTreeMap<String, Object>, version: &str) -> Json {
    let mut down = Vec::new();
    for child in all.values() {
        let leads = |field: &&Field| field.relation.as_ref().is_some_and(|way| way.to == object.name);
        for field in child.fields().filter(leads) {
            let name = field.relation.as_ref().map(|way| way.children.clone()).filter(|name| !name.is_empty());
            down.push(obj! {
                "cascadeDelete" => field.required, "childSObject" => &child.name, "deprecatedAndHidden" => false,
                "field" => &field.name, "junctionIdListNames" => list![], "junctionReferenceTo" => list![],
                "relationshipName" => name, "restrictedDelete" => false,
            });
        }
    }
    let master = "012000000000000AAA";
    let record_type = obj! {
        "active" => true, "available" => true, "defaultRecordTypeMapping" => true, "developerName" => "Master", "master" => true,
        "name" => "Master", "recordTypeId" => master,
        "urls" => obj! {"layout" => format!("/services/data/{version}/sobjects/{}/describe/layouts/{master}", object.name)},
    };
    summary(object, version)
        .with("fields", Json::List(object.fields().map(|field| describe_field(&object.name, field)).collect()))
        .with("childRelationships", Json::List(down))
        .with("recordTypeInfos", list![record_type])
        .with("supportedScopes", list![obj! {"label" => "All records", "name" => "everything"}])
}
