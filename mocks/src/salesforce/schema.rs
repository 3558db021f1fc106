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

/// What every object has, in the spelling of the table.
const STANDARD: &str = "Id:id:r CreatedDate:datetime:r CreatedById:reference:r:CreatedBy>User LastModifiedDate:datetime:r \
    LastModifiedById:reference:r:LastModifiedBy>User SystemModstamp:datetime:r IsDeleted:boolean:r \
    OwnerId:reference::Owner>User CurrencyIsoCode:picklist";

/// Objects with the prefix of their ids and their fields, of the table in `mocks/data`, whose head names its sources.
fn table() -> Vec<(&'static str, &'static str, Vec<&'static str>)> {
    let mut objects: Vec<(&str, &str, Vec<&str>)> = Vec::new();
    let text: &'static str = include_str!("../../data/salesforce.txt");
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        if let Some((name, prefix)) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')?.split_once(' ')) {
            objects.push((name, prefix, Vec::new()));
        } else if let (Some((_, fields)), Some((.., known))) = (line.split_once(": "), objects.last_mut()) {
            known.extend(fields.split_whitespace());
        }
    }
    objects
}

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
    table().into_iter().map(|(name, prefix, own)| (name.to_string(), standard(name, prefix, &own.join(" ")))).collect()
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
