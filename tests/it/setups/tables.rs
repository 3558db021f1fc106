//! The vendors' tables of properties hold what we send to them: without any one of the properties that we name, something is
//! refused. Salesforce's hold what we ask of it, too.

use std::sync::Arc;

use milestoned_connector_kit::customers::Customers;
use milestoned_connector_kit::{Connector as _, Cursor, Fault, Needs, Probe as _, Source as _};
use milestoned_jira::Jira;
use milestoned_mapping::command::{Command, DeliveryKey};
use milestoned_mapping::fieldmap::FieldMap;
use milestoned_mocks::Deployment;
use serde_json::{Value, json};

use crate::conformance::{Desk, Kept, fields, status};
use crate::lessons::erp::{
    Said, acceptance, contoso, credit_memo, customer, invoice, knowing, order, put_one, release,
};
use crate::lessons::netsuite::Account;
use crate::lessons::quickbooks::Company;
use crate::setups::org::Org;

/// What the simulators themselves write into each record.
const OF_THE_VENDOR: [&str; 4] = ["Id", "SyncToken", "MetaData", "domain"];

/// The same for the `n`th time: another key, and another number.
fn again(said: Said, n: usize) -> Said {
    let (_, command, after) = said;
    let mut command = serde_json::to_value(command).unwrap();
    for field in ["number", "name"] {
        if let Some(Value::String(text)) = command.get_mut(field) {
            *text = format!("{text}{n}");
        }
    }
    let key = DeliveryKey::of(&[&command.to_string(), &n.to_string()]);
    (key, serde_json::from_value::<Command>(command).unwrap(), after)
}

fn with_po(said: Said) -> Said {
    let (key, mut command, after) = said;
    if let Command::Invoice(document) = &mut command {
        document.po_number = Some("PO-7".into());
    }
    (key, command, after)
}

/// Properties that nothing misses.
fn unmissed(missed: Vec<((String, String), bool)>) -> Vec<String> {
    missed.into_iter().filter(|(_, missed)| !missed).map(|((record, name), _)| format!("{record}.{name}")).collect()
}

async fn all_of_quickbooks(company: &Company, n: usize) -> Result<(), Fault> {
    let (quickbooks, northwind) = (&company.quickbooks, company.customer.as_str());
    put_one(quickbooks, &again(knowing(&customer("Contoso GmbH", "USD"), &contoso()), n)).await?;
    put_one(quickbooks, &again(order(1, &[("M1", "100.00")], northwind), n)).await?;
    let said = knowing(&with_po(invoice("M1", "100.00", northwind)), &contoso());
    let invoice = put_one(quickbooks, &again(said, n)).await?.remote_id;
    put_one(quickbooks, &again(credit_memo("M1", "30.00", northwind, &invoice), n)).await?;
    put_one(quickbooks, &again(acceptance("M1", &invoice), n)).await?;
    put_one(quickbooks, &again(release(3, "40.00", northwind), n)).await.map(drop)
}

#[tokio::test]
async fn quickbooks_refuses_what_its_schema_lacks_whichever_property_it_is() {
    let company = Company::with(json!({ "orders": "write", "email_invoices": true, "tax_code": "TAX" })).await;
    all_of_quickbooks(&company, 0).await.unwrap();
    let simulator = &company.desk.simulators.quickbooks;
    let named = simulator.named_properties();
    let mut missed = Vec::new();
    for (n, (record, name)) in
        named.into_iter().enumerate().filter(|(_, (_, name))| !OF_THE_VENDOR.contains(&name.as_str()))
    {
        simulator.take_out_property(&record, &name);
        let refused = all_of_quickbooks(&company, n + 1).await.is_err();
        missed.push(((record, name), refused));
    }
    assert!(missed.len() > 40, "{missed:?}");
    assert_eq!(unmissed(missed), [] as [&str; 0]);
}

async fn all_of_netsuite(account: &Account, n: usize) -> Result<(), Fault> {
    let (netsuite, northwind) = (&account.netsuite, account.customer.as_str());
    put_one(netsuite, &again(knowing(&customer("Contoso GmbH", "USD"), &contoso()), n)).await?;
    put_one(netsuite, &again(order(1, &[("M1", "100.00")], northwind), n)).await?;
    let said = knowing(&with_po(invoice("M1", "100.00", northwind)), &contoso());
    let invoice = put_one(netsuite, &again(said, n)).await?.remote_id;
    put_one(netsuite, &again(credit_memo("M1", "30.00", northwind, &invoice), n)).await?;
    put_one(netsuite, &again(release(3, "40.00", northwind), n)).await.map(drop)
}

#[tokio::test]
async fn netsuite_refuses_what_its_records_lack_whichever_property_it_is() {
    for revenue in ["journal", "billing_events", "schedules"] {
        let settings = json!({ "revenue": revenue, "revenue_event_type": "1", "email_invoices": true, "orders": "write",
            "subsidiary": "1" });
        let account = Account::with(settings).await;
        all_of_netsuite(&account, 0).await.unwrap();
        let simulator = &account.desk.simulators.netsuite;
        let mut missed = Vec::new();
        for (n, (record, name)) in simulator.named_properties().into_iter().enumerate() {
            simulator.take_out_property(&record, &name);
            let refused = all_of_netsuite(&account, n + 1).await.is_err();
            missed.push(((record, name), refused));
        }
        assert!(missed.len() > 30, "{revenue}: {missed:?}");
        assert_eq!(unmissed(missed), [] as [&str; 0], "{revenue}");
    }
}

fn jira(desk: &Desk, auth: Value) -> Jira {
    let settings = fields(json!({
        "base_url": desk.simulators.url("jira"), "projects": ["MS"], "webhook_secret": "secret", "auth": auth,
        "limits": { "windows": [] }, "transitions": { "invoiced": "Done" },
        "transition_fields": { "Done": { "customfield_10105": "https://docs.example/1" } },
    }));
    let map = include_str!("../../../config/fieldmaps/jira.toml");
    let needs = Needs {
        field_map: Some(FieldMap::from_toml(map, Jira::SHAPE).unwrap()),
        platform: desk.clock.clone().into(),
        tokens: Arc::new(Kept::default()),
        customers: Customers::default(),
    };
    Jira::create("jira", serde_json::from_value(settings.into()).unwrap(), needs).unwrap()
}

/// Whether everything that is asked of a site, and told to it, went well.
async fn all_of_jira(jira: &Jira, issue: &str) -> bool {
    let read = jira.pull("issues", &Cursor::default()).await.is_ok();
    let sound = jira.probe().await.is_empty();
    read && sound && put_one(jira, &status(1, issue)).await.is_ok()
}

#[tokio::test]
async fn jira_refuses_what_its_requests_lack_whichever_property_it_is() {
    for (deployment, auth) in [
        (Deployment::Cloud, json!({ "flow": "basic", "email": "mia@example.test", "api_token": "api-token" })),
        (Deployment::Server, json!({ "flow": "bearer", "token": "api-token" })),
    ] {
        let desk = Desk::open("jira").await;
        let simulator = &desk.simulators.jira;
        simulator.configure(|site| {
            site.deployment = deployment;
            (site.embedded_histories, site.embedded_histories_in_lists) = (1, 1);
            site.transitions_demand = vec!["Done:customfield_10105".into()];
        });
        let issue = simulator.create_issue("one", "MS", fields(json!({ "summary": "Design" }))).unwrap().id;
        for status in ["In Progress", "To Do"] {
            simulator
                .edit(status, &issue, &milestoned_mocks::Person::integration(), Default::default(), Some(status))
                .unwrap();
        }
        let site = jira(&desk, auth);
        assert!(all_of_jira(&site, &issue).await, "{deployment:?}: {:?}", site.probe().await);
        let mut missed = Vec::new();
        for (request, name) in simulator.named_properties() {
            simulator.take_out_property(&request, &name);
            let refused = !all_of_jira(&site, &issue).await;
            missed.push(((request, name), refused));
        }
        assert!(missed.len() > 8, "{missed:?}");
        assert_eq!(unmissed(missed), [] as [&str; 0], "{deployment:?}");
    }
}

#[tokio::test]
async fn salesforce_refuses_what_its_objects_lack_whichever_field_it_is_and_the_field_is_named() {
    let org = Org::start().await;
    assert_eq!(org.told().await, [] as [&str; 0]);
    let simulator = &org.desk.simulators.salesforce;
    let mut missed = Vec::new();
    for (object, field) in simulator.named_properties() {
        simulator.hide_field(&object, &field, true).unwrap();
        // A relationship is called like the field that leads there: `AccountId`, `Account`; `Deal__c`, `Deal__r`.
        let named = field.trim_end_matches("__c");
        let named = named.strip_suffix("Id").filter(|name| !name.is_empty()).unwrap_or(named);
        let told = org
            .told()
            .await
            .iter()
            .any(|said| said.contains(named) && (said.contains(&object) || said.contains(" FROM ")));
        simulator.hide_field(&object, &field, false).unwrap();
        missed.push(((object, field), told));
    }
    assert!(missed.len() > 40, "{missed:?}");
    assert_eq!(unmissed(missed), [] as [&str; 0]);
}
