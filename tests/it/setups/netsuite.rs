//! NetSuite.

use milestoned_connector_kit::{Class, Cursor, Probe};
use milestoned_mapping::record::{Content, InvoiceStatus};
use serde_json::{Value, json};

use crate::conformance::fields;
use crate::lessons::erp::{contoso, credit_memo, customer, find, invoice, knowing, order, pull, put, put_one, release};
use crate::lessons::netsuite::Account;

/// The places of problems.
async fn told(account: &Account) -> Vec<String> {
    account.netsuite.probe().await.into_iter().map(|problem| problem.place).collect()
}

#[tokio::test]
async fn what_the_account_demands_is_named_and_set_by_configuration() {
    let demands = ["invoice.location", "invoice.item.class", "creditMemo.location", "journalEntry.line.department"];
    let plain = Account::with(json!({})).await;
    plain.desk.simulators.netsuite.set_mandatory(&demands);
    let fault = put_one(&plain.netsuite, &invoice("M1", "100.00", &plain.customer)).await.unwrap_err();
    assert!(fault.class == Class::Refused && fault.detail.contains("[[connections.netsuite.extra]]"), "{fault}");
    let account = Account::with(json!({ "extra": [
        { "kinds": ["invoice", "credit_memo"], "fields": { "location": { "id": "1" } }, "line": { "class": { "id": "7" } } },
        { "kinds": ["journal_entry"], "line": { "department": { "id": "3" } } },
        { "contracts": ["SOW-1"], "milestones": ["M2"], "kinds": ["invoice"],
          "fields": { "location": { "id": "2" }, "custbody_region": "EMEA" }, "line": { "item": { "id": "6" } } },
    ] }))
    .await;
    account.desk.simulators.netsuite.set_mandatory(&demands);
    let first = put_one(&account.netsuite, &invoice("M1", "100.00", &account.customer)).await.unwrap();
    put_one(&account.netsuite, &invoice("M2", "100.00", &account.customer)).await.unwrap();
    put_one(&account.netsuite, &credit_memo("M1", "30.00", &account.customer, &first.remote_id)).await.unwrap();
    put_one(&account.netsuite, &release(3, "40.00", &account.customer)).await.unwrap();
    let said: Vec<[String; 4]> = account
        .records("invoice")
        .iter()
        .map(|one| {
            let line = &one.list("item")[0];
            [one.text("location.id"), one.text("custbody_region"), line.text("class.id"), line.text("item.id")]
        })
        .collect();
    assert_eq!(said, [["1", "", "7", "5"], ["2", "EMEA", "7", "6"]]);
    let entry = &account.records("journalEntry")[0];
    for line in entry.list("line") {
        assert_eq!([line.text("department.id"), line.text("entity.id")], ["3".into(), account.customer.clone()]);
    }
}

#[tokio::test]
async fn a_check_asks_the_account_which_fields_it_has() {
    let account = Account::with(json!({ "extra": [
        { "kinds": ["invoice"], "fields": { "locaton": { "id": "1" }, "custbody_region": "EMEA" }, "line": { "class": { "id": "7" } } },
        { "kinds": ["journal_entry"], "fields": { "approvalStatus": { "id": "2" } }, "line": { "taxcode": { "id": "7" } } },
    ], "customers": { "Contoso": "999" } }))
    .await;
    account.desk.simulators.netsuite.set_custom_fields(&[
        "custbody_milestoned_contract",
        "custbody_milestoned_milestone",
        "custbody_milestoned_version",
    ]);
    let told = told(&account).await;
    let unknown =
        ["extra.0.fields.custbody_region", "extra.0.fields.locaton", "extra.1.line.taxcode", "customers.\"Contoso\""];
    assert_eq!(told, unknown);
}

#[tokio::test]
async fn an_account_that_numbers_itself_keeps_our_number_in_a_field() {
    let plain = Account::with(json!({})).await;
    plain.desk.simulators.netsuite.set_numbers_itself(true);
    let fault = put_one(&plain.netsuite, &invoice("M1", "100.00", &plain.customer)).await.unwrap_err();
    assert!(fault.class == Class::Refused && fault.detail.contains("number_field"), "{fault}");
    let account = Account::with(json!({ "number_field": "custbody_milestoned_number" })).await;
    let simulator = &account.desk.simulators.netsuite;
    simulator.set_numbers_itself(true);
    let many: Vec<_> = (1..=4).map(|n| invoice(&format!("M{n}"), "100.00", &account.customer)).collect();
    let given = put_one(&account.netsuite, &many[0]).await.unwrap().remote_number.unwrap();
    assert!(given.starts_with("INV"), "{given}");
    for outcome in put(&account.netsuite, &many[1..]).await {
        assert!(outcome.unwrap().remote_number.unwrap().starts_with("INV"));
    }
    let found = find(&account.netsuite, &many[0]).await.unwrap();
    assert_eq!(found.says.number.as_deref(), Some("SOW-1-M1"));
    simulator.pay("pay", &given, "40.00", "2026-03-05").unwrap();
    let (invoices, _) = pull(&account.netsuite, "invoices", &Cursor::default()).await;
    let Content::Invoice(seen) = &invoices[0].content else { panic!("{invoices:?}") };
    assert_eq!(seen.number, "SOW-1-M1");
    let (payments, _) = pull(&account.netsuite, "payments", &Cursor::default()).await;
    assert!(payments.iter().any(|one| matches!(&one.content, Content::Payment(paid) if paid.invoice == "SOW-1-M1")));
}

#[tokio::test]
async fn taxes_stand_in_no_comparison_and_legacy_tax_has_a_remedy() {
    let taxed = json!({ "extra": [{ "kinds": ["invoice"], "line": { "taxCode": { "id": "7" } } }] });
    let account = Account::with(taxed.clone()).await;
    let said = invoice("M1", "100.00", &account.customer);
    put_one(&account.netsuite, &said).await.unwrap();
    assert_eq!(account.records("invoice")[0].decimal("total").normalize().to_string(), "120");
    account.by_hand(
        "INV-7",
        json!({ "item": { "items": [{ "item": { "id": "5" }, "amount": "10.25", "taxCode": { "id": "7" } }] } }),
    );
    let found = find(&account.netsuite, &said).await.unwrap();
    assert_eq!(found.says.differences(&milestoned_mapping::statement::Statement::of_command(&said.1)), [] as [&str; 0]);
    let (invoices, _) = pull(&account.netsuite, "invoices", &Cursor::default()).await;
    let amounts: Vec<String> = invoices
        .iter()
        .filter_map(|one| match &one.content {
            Content::Invoice(seen) => Some(seen.amount.to_string()),
            _ => None,
        })
        .collect();
    assert_eq!(amounts, ["100", "10.25"]);
    let legacy = Account::with(taxed).await;
    legacy.desk.simulators.netsuite.set_legacy_tax(true);
    let fault = put_one(&legacy.netsuite, &said).await.unwrap_err();
    assert!(fault.class == Class::Refused && fault.detail.contains("legacy tax"), "{fault}");
    assert_eq!(told(&legacy).await, ["extra.0.line.taxCode"]);
}

#[tokio::test]
async fn a_customer_is_the_one_that_an_operator_named_and_none_is_created_beside_one_that_is_called_alike() {
    let account = Account::with(json!({})).await;
    let fault = put_one(&account.netsuite, &customer("Northwind, Limited", "USD")).await.unwrap_err();
    let named = format!("\"Northwind Ltd\" (id {})", account.customer);
    assert!(matches!(fault.class, Class::Alike(_)) && fault.detail.contains(&named), "{fault}");
    assert_eq!(account.records("customer").len(), 1);
    put_one(&account.netsuite, &customer("Nordlicht AG", "USD")).await.unwrap();
    let mapped = Account::with(json!({ "customers": { "Northwind, Limited": "101", "Northwind (new)": "new" } })).await;
    assert_eq!(mapped.customer, "101");
    let found = find(&mapped.netsuite, &customer("Northwind, Limited", "USD")).await.unwrap();
    assert_eq!((found.receipt.remote_id.as_str(), found.says.customer.as_deref()), ("101", Some("Northwind, Limited")));
    put_one(&mapped.netsuite, &customer("Northwind (new)", "USD")).await.unwrap();
    mapped.by_hand("INV-1", json!({}));
    let (invoices, _) = pull(&mapped.netsuite, "invoices", &Cursor::default()).await;
    let Content::Invoice(seen) = &invoices[0].content else { panic!("{invoices:?}") };
    assert_eq!(seen.customer, "Northwind, Limited", "it is read back under the agreement's name");
}

#[tokio::test]
async fn an_invoice_that_waits_for_an_approval_is_pending_and_one_may_be_sent_approved() {
    for (extra, expected) in [
        (json!([]), InvoiceStatus::Pending),
        (json!([{ "kinds": ["invoice"], "fields": { "approvalStatus": { "id": "2" } } }]), InvoiceStatus::Open),
    ] {
        let account = Account::with(json!({ "extra": extra })).await;
        account.desk.simulators.netsuite.set_approval_routing(true);
        put_one(&account.netsuite, &invoice("M1", "100.00", &account.customer)).await.unwrap();
        let (invoices, _) = pull(&account.netsuite, "invoices", &Cursor::default()).await;
        let Content::Invoice(seen) = &invoices[0].content else { panic!("{invoices:?}") };
        assert_eq!(seen.status, expected);
    }
}

#[tokio::test]
async fn subsidiaries_are_named_by_customer() {
    let account = Account::with(json!({ "subsidiary": "1", "extra": [
        { "kinds": ["customer", "invoice"], "customers": ["Contoso", "Northwind Ltd"], "fields": { "subsidiary": { "id": "2" } } },
    ] }))
    .await;
    account.desk.simulators.netsuite.put_record("sub", "subsidiary", "", fields(json!({ "name": "Europe" }))).unwrap();
    let subsidiary: Value = json!({ "id": account.records("subsidiary")[1].text("id") });
    assert_ne!(subsidiary["id"], "1");
    put_one(&account.netsuite, &customer("Fabrikam", "USD")).await.unwrap();
    let of = |name: &str| {
        let all = account.records("customer");
        all.iter().find(|one| one.text("companyName") == name).map(|one| one.text("subsidiary.id")).unwrap_or_default()
    };
    assert_eq!(of("Fabrikam"), "1");
}

#[tokio::test]
async fn a_customer_is_created_with_what_the_crm_knows_and_an_invoice_is_mailed_and_leads_to_its_acceptance() {
    let account = Account::with(json!({ "email_invoices": true, "acceptance_field": "custbody_acceptance" })).await;
    put_one(&account.netsuite, &knowing(&customer("Contoso GmbH", "USD"), &contoso())).await.unwrap();
    let written =
        account.records("customer").into_iter().find(|one| one.text("companyName") == "Contoso GmbH").unwrap();
    assert_eq!(
        [written.text("email"), written.text("vatRegNumber"), written.text("terms.id")],
        ["ap@contoso.example", "DE123456789", "2"]
    );
    let address = &written.list("addressBook")[0];
    let fields = ["addr1", "city", "state", "zip", "country.id"].map(|field| format!("addressBookAddress.{field}"));
    let said = ["Marienplatz 1\nRückgebäude", "München", "BY", "80331", "DE"];
    assert_eq!(fields.map(|field| address.text(&field)), said);
    let (key, command, after) = knowing(&invoice("M1", "100.00", &account.customer), &contoso());
    let milestoned_mapping::command::Command::Invoice(mut document) = command else { panic!() };
    document.acceptance = Some("https://milestoned.example/contracts/SOW-1#M1".into());
    let said = (key, milestoned_mapping::command::Command::Invoice(document), after);
    put_one(&account.netsuite, &said).await.unwrap();
    let invoice = &account.records("invoice")[0];
    assert_eq!(
        [invoice.text("toBeEmailed"), invoice.text("email"), invoice.text("custbody_acceptance")],
        ["true", "ap@contoso.example", "https://milestoned.example/contracts/SOW-1#M1"]
    );
}

#[tokio::test]
async fn each_line_of_an_order_has_the_item_of_its_milestone() {
    let account = Account::with(json!({ "orders": "write", "extra": [
        { "kinds": ["order"], "milestones": ["M2"], "line": { "item": { "id": "6" } } },
    ] }))
    .await;
    put_one(&account.netsuite, &order(1, &[("M1", "10.00"), ("M2", "20.00")], &account.customer)).await.unwrap();
    let items: Vec<String> =
        account.records("salesOrder")[0].list("item").iter().map(|one| one.text("item.id")).collect();
    assert_eq!(items, ["5", "6"]);
}

#[tokio::test]
async fn what_is_paid_of_an_invoice_with_tax_counts_without_the_tax() {
    let taxed = json!([{ "kinds": ["invoice"], "countries": ["de"], "line": { "taxCode": { "id": "7" } } }]);
    let account = Account::with(json!({ "extra": taxed })).await;
    put_one(&account.netsuite, &knowing(&invoice("M1", "300.00", &account.customer), &contoso())).await.unwrap();
    put_one(&account.netsuite, &invoice("M2", "50.00", &account.customer)).await.unwrap();
    let simulator = &account.desk.simulators.netsuite;
    simulator.pay("pay", "SOW-1-M1", "360.00", "2026-03-05").unwrap();
    simulator.pay("pay it", "SOW-1-M2", "50.00", "2026-03-05").unwrap();
    let (payments, _) = pull(&account.netsuite, "payments", &Cursor::default()).await;
    let paid = |number: &str| {
        payments.iter().find_map(|one| match &one.content {
            Content::Payment(paid) if paid.invoice == number => Some(paid.amount.to_string()),
            _ => None,
        })
    };
    assert_eq!([paid("SOW-1-M1"), paid("SOW-1-M2")], [Some("300".into()), Some("50".into())]);
    let (invoices, _) = pull(&account.netsuite, "invoices", &Cursor::default()).await;
    let Content::Invoice(seen) = &invoices[0].content else { panic!("{invoices:?}") };
    assert_eq!((seen.amount.to_string(), seen.tax.unwrap().to_string()), ("300".into(), "60".into()));
}

#[tokio::test]
async fn one_connection_writes_to_several_subsidiaries() {
    let account = Account::with(json!({})).await;
    let subsidiary = fields(json!({ "name": "Contoso Europe" }));
    let id = account.desk.simulators.netsuite.put_record("europe", "subsidiary", "", subsidiary).unwrap();
    let own = json!({ "customers": ["Northwind Ltd", "Contoso GmbH"], "kinds": ["customer", "invoice", "journal_entry"],
        "fields": { "subsidiary": { "id": &id } } });
    let account = account.again(json!({ "subsidiary": "1", "extra": [own] }));
    put_one(&account.netsuite, &customer("Contoso GmbH", "USD")).await.unwrap();
    put_one(&account.netsuite, &customer("Globex", "USD")).await.unwrap();
    put_one(&account.netsuite, &invoice("M1", "100.00", &account.customer)).await.unwrap();
    put_one(&account.netsuite, &release(3, "40.00", &account.customer)).await.unwrap();
    let of = |kind: &str, place: usize| account.records(kind)[place].text("subsidiary.id");
    let said = [of("customer", 1), of("customer", 2), of("invoice", 0), of("journalEntry", 0)];
    assert_eq!(said, [id.as_str(), "1", &id, &id]);
}
