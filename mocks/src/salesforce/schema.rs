//! Objects and fields of the simulated org.

use std::collections::BTreeMap;

use crate::json::{Json, list, obj};

/// A field of an object.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) kind: String,
    /// External id; looked up by upsert.
    pub(crate) external: bool,
    pub(crate) unique: bool,
    pub(crate) required: bool,
    pub(crate) read_only: bool,
    /// Of a reference: the name of the relationship and the object it leads to.
    pub(crate) relation: Option<(String, String)>,
}

/// An object type.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    pub(crate) name: String,
    pub(crate) prefix: String,
    pub(crate) fields: Vec<Field>,
}

impl Object {
    pub(crate) fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name.eq_ignore_ascii_case(name))
    }
}

/// `name:kind:flags`; flags: x external id, u unique, q required, r read only; a reference names `relationship>object`.
const STANDARD: &str = "Id:id:r CreatedDate:datetime:r CreatedById:reference:r:CreatedBy>User LastModifiedDate:datetime:r \
    LastModifiedById:reference:r:LastModifiedBy>User SystemModstamp:datetime:r IsDeleted:boolean:r \
    OwnerId:reference::Owner>User CurrencyIsoCode:picklist";

const OBJECTS: &[(&str, &str, &str)] = &[
    (
        "Account",
        "001",
        "Name:string:q ParentId:reference::Parent>Account AccountNumber:string Type:picklist Industry:picklist \
         BillingStreet:textarea BillingCity:string BillingState:string BillingPostalCode:string BillingCountry:string \
         Phone:phone Website:url Description:textarea Customer_Number__c:string:x",
    ),
    (
        "Opportunity",
        "006",
        "Name:string:q AccountId:reference::Account>Account StageName:picklist:q IsWon:boolean:r IsClosed:boolean:r \
         Amount:currency CloseDate:date:q Probability:percent ExpectedRevenue:currency:r Type:picklist NextStep:string \
         LeadSource:picklist Description:textarea ForecastCategoryName:picklist HasOpportunityLineItem:boolean:r \
         LastStageChangeDate:datetime:r ContractId:reference::Contract>Contract SOW_Number__c:string:x \
         Payment_Terms__c:string Amendment_Version__c:double Billing_Status__c:string Billed_Amount__c:currency \
         Recognised_Amount__c:currency Billing_Email__c:email Purchase_Order__c:string",
    ),
    (
        "Milestone__c",
        "a00",
        "Name:string External_Id__c:string:xu Legacy_Id__c:string:x Opportunity__c:reference::Opportunity__r>Opportunity \
         Contract__c:string Milestone_Id__c:string Amount__c:currency Status__c:string Accepted_On__c:date \
         Invoice_Number__c:string Invoiced_On__c:date Due_On__c:date Paid_On__c:date Blocked_By__c:textarea Link__c:url \
         Sequence__c:double Trigger__c:string Approver__c:string",
    ),
    (
        "OpportunityLineItem",
        "00k",
        "OpportunityId:reference:q:Opportunity>Opportunity Name:string Product2Id:string ProductCode:string Quantity:double \
         UnitPrice:currency TotalPrice:currency ListPrice:currency Discount:percent ServiceDate:date Description:string \
         SortOrder:int",
    ),
    (
        "Contract",
        "800",
        "AccountId:reference:q:Account>Account ContractNumber:string:r Status:picklist StatusCode:picklist:r StartDate:date \
         EndDate:date:r ContractTerm:int CustomerSignedDate:date CompanySignedDate:date SpecialTerms:textarea",
    ),
    ("User", "005", "Name:string Username:string Email:email TimeZoneSidKey:picklist IsActive:boolean"),
    (
        "ContentVersion",
        "068",
        "Title:string:q ContentDocumentId:reference::ContentDocument>ContentDocument IsLatest:boolean FileExtension:string \
         FileType:string ContentSize:int Checksum:string VersionData:textarea VersionNumber:string",
    ),
];

pub(crate) fn parse_field(text: &str) -> Field {
    let parts: Vec<&str> = text.split(':').collect();
    let part = |at: usize| parts.get(at).copied().unwrap_or_default();
    Field {
        name: part(0).to_string(),
        kind: part(1).to_string(),
        external: part(2).contains('x'),
        unique: part(2).contains('u'),
        required: part(2).contains('q'),
        read_only: part(2).contains('r'),
        relation: part(3).split_once('>').map(|(name, object)| (name.to_string(), object.to_string())),
    }
}

pub(crate) fn standard(name: &str, prefix: &str, own: &str) -> Object {
    let fields = STANDARD.split_whitespace().chain(own.split_whitespace()).map(parse_field).collect();
    Object { name: name.to_string(), prefix: prefix.to_string(), fields }
}

pub(crate) fn objects() -> BTreeMap<String, Object> {
    OBJECTS.iter().map(|(name, prefix, own)| ((*name).to_string(), standard(name, prefix, own))).collect()
}

fn scale(kind: &str) -> (i64, i64) {
    match kind {
        "currency" => (18, 2),
        "double" => (18, 4),
        "percent" => (5, 2),
        _ => (0, 0),
    }
}

fn describe_field(field: &Field) -> Json {
    let (precision, scale) = scale(&field.kind);
    let soap = match field.kind.as_str() {
        "currency" | "double" | "percent" => "xsd:double",
        "int" => "xsd:int",
        "boolean" => "xsd:boolean",
        "date" => "xsd:date",
        "datetime" => "xsd:dateTime",
        "id" | "reference" => "tns:ID",
        _ => "xsd:string",
    };
    let length = match field.kind.as_str() {
        "id" | "reference" => 18,
        "textarea" => 32768,
        "string" | "picklist" | "url" | "email" | "phone" => 255,
        _ => 0,
    };
    let relation = field.relation.as_ref();
    obj! {
        "name" => &field.name, "label" => field.name.trim_end_matches("__c").replace('_', " "), "type" => &field.kind,
        "soapType" => soap, "length" => length, "byteLength" => length * 3, "precision" => precision, "scale" => scale,
        "digits" => if field.kind == "int" { 9 } else { 0 }, "nillable" => !field.required && field.kind != "boolean",
        "defaultedOnCreate" => field.kind == "boolean", "calculated" => false, "calculatedFormula" => Json::Null,
        "externalId" => field.external, "idLookup" => field.external || field.kind == "id", "unique" => field.unique,
        "caseSensitive" => false, "createable" => !field.read_only, "updateable" => !field.read_only,
        "filterable" => field.kind != "textarea", "sortable" => field.kind != "textarea", "groupable" => true,
        "custom" => field.name.ends_with("__c"), "picklistValues" => list![], "restrictedPicklist" => false,
        "referenceTo" => Json::List(relation.map(|(_, to)| Json::from(to)).into_iter().collect()),
        "relationshipName" => relation.map(|(name, _)| name.clone()), "permissionable" => !field.required,
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

pub(crate) fn describe(object: &Object, version: &str) -> Json {
    summary(object, version)
        .with("fields", Json::List(object.fields.iter().map(describe_field).collect()))
        .with("childRelationships", list![])
        .with("recordTypeInfos", list![])
        .with("supportedScopes", list![obj! {"label" => "All records", "name" => "everything"}])
}
