//! QuickBooks.

use milestoned_connector_kit::{Class, Cursor, Probe, Sink};
use milestoned_mapping::command::Command;
use milestoned_mapping::record::Content;
use milestoned_mapping::statement::Statement;
use milestoned_mocks::FaultSpec;
use serde_json::{Value, json};

use crate::lessons::erp::{
    Said, acceptance, contoso, credit_memo, customer, email, find, invoice, knowing, put_one, release,
};
use crate::lessons::quickbooks::Company;

fn in_currency(said: &Said, code: &str) -> Said {
    let mut command = serde_json::to_value(&said.1).unwrap();
    command["amount"] = json!(code.parse::<milestoned_mapping::money::Currency>().unwrap().parse("100.00").unwrap());
    (said.0.clone(), serde_json::from_value::<Command>(command).unwrap(), said.2.clone())
}

#[tokio::test]
async fn dimensions_taxes_delivery_and_a_purchase_order_are_set_by_configuration() {
    let company = Company::with(json!({ "tax_code": "TAX", "po_field": "3", "extra": [
        { "kinds": ["invoice"], "fields": { "BillEmail": { "Address": "ap@northwind.example" }, "EmailStatus": "NeedToSend" } },
        { "customers": ["Northwind Ltd"], "kinds": ["invoice"], "line": { "TaxCodeRef": { "value": "NON" }, "ItemRef": { "value": "2" } } },
        { "kinds": ["journal_entry"], "line": { "ClassRef": { "value": "9" } } },
    ] }))
    .await;
    let (key, command, after) = invoice("M1", "100.00", &company.customer);
    let Command::Invoice(mut document) = command else { panic!() };
    document.po_number = Some("PO-7".into());
    put_one(&company.quickbooks, &(key, Command::Invoice(document), after)).await.unwrap();
    put_one(&company.quickbooks, &release(3, "40.00", &company.customer)).await.unwrap();
    let written = &company.records("Invoice")[0];
    let detail = written.list("Line")[0].get("SalesItemLineDetail").cloned().unwrap();
    assert_eq!(
        [
            written.text("BillEmail.Address"),
            written.text("EmailStatus"),
            detail.text("TaxCodeRef.value"),
            detail.text("ItemRef.value")
        ],
        ["ap@northwind.example", "NeedToSend", "NON", "2"]
    );
    let custom: Vec<String> = written.list("CustomField").iter().map(|field| field.text("StringValue")).collect();
    assert_eq!(custom, ["SOW-1", "M1", "PO-7"]);
    assert!(written.get("CustomerMemo").is_none());
    for line in company.records("JournalEntry")[0].list("Line") {
        assert_eq!(line.text("JournalEntryLineDetail.ClassRef.value"), "9");
    }
    let places: Vec<String> = company.quickbooks.probe().await.into_iter().map(|problem| problem.place).collect();
    assert!(places.contains(&"extra.2.line.ClassRef".into()), "there is no class 9: {places:?}");
}

#[tokio::test]
async fn a_company_that_numbers_itself_is_written_to_found_again_and_read() {
    let company = Company::with(json!({ "numbers": "sequence" })).await;
    let simulator = &company.desk.simulators.quickbooks;
    simulator.set_preference("own", "CustomTxnNumbers", false).unwrap();
    assert_eq!(company.quickbooks.number_length(), None);
    let (one, other) = (invoice("M1", "100.00", &company.customer), invoice("M2", "70.00", &company.customer));
    let written = put_one(&company.quickbooks, &one).await.unwrap();
    let theirs = written.remote_number.clone().unwrap();
    assert_eq!(company.records("Invoice")[0].text("DocNumber"), theirs);
    put_one(&company.quickbooks, &other).await.unwrap();
    put_one(&company.quickbooks, &credit_memo("M1", "30.00", &company.customer, &written.remote_id)).await.unwrap();
    let found = find(&company.quickbooks, &one).await.unwrap();
    assert_eq!(found.says.differences(&Statement::of_command(&one.1)), [] as [&str; 0]);
    assert_eq!((found.receipt.remote_id, found.receipt.remote_number), (written.remote_id, Some(theirs.clone())));
    assert!(find(&company.quickbooks, &invoice("M3", "100.00", &company.customer)).await.is_none());
    simulator.pay("pay", &theirs, "40.00", "2026-03-05").unwrap();
    let (records, _) = company.read(&Cursor::default()).await;
    let numbers: Vec<&str> = records
        .iter()
        .filter_map(|record| match &record.content {
            Content::Invoice(seen) => Some(seen.number.as_str()),
            Content::Payment(paid) => Some(paid.invoice.as_str()),
            _ => None,
        })
        .collect();
    for number in ["SOW-1-M1", "SOW-1-M2", "SOW-1-M1-C1"] {
        assert!(numbers.contains(&number), "{numbers:?}");
    }
    assert_eq!(numbers.iter().filter(|number| **number == "SOW-1-M1").count(), 2, "invoice and payment: {numbers:?}");
}

#[tokio::test]
async fn the_rate_of_a_documents_date_is_asked_of_quickbooks_once() {
    let company = Company::with(json!({})).await;
    let eur = json!({ "DisplayName": "Contoso SA", "CurrencyRef": { "value": "EUR" } });
    let contoso = company.put("contoso", "Customer", eur);
    put_one(&company.quickbooks, &in_currency(&invoice("M1", "100.00", &contoso), "EUR")).await.unwrap();
    let before = company.reads();
    put_one(&company.quickbooks, &in_currency(&invoice("M2", "100.00", &contoso), "EUR")).await.unwrap();
    assert_eq!(company.reads(), before, "it is known for the date");
    for one in company.records("Invoice") {
        assert_eq!(one.text("ExchangeRate"), "1.08");
    }
    let fault =
        put_one(&company.quickbooks, &in_currency(&invoice("M3", "100.00", &contoso), "SEK")).await.unwrap_err();
    assert!(fault.class == Class::Refused && fault.detail.contains("exchange_rates.SEK"), "{fault}");
}

#[tokio::test]
async fn a_customer_is_the_one_that_an_operator_named_and_none_is_created_beside_one_that_is_called_alike() {
    let company = Company::with(json!({})).await;
    let fault = put_one(&company.quickbooks, &customer("Northwind, Limited", "USD")).await.unwrap_err();
    let named = format!("\"Northwind Ltd\" (id {})", company.customer);
    assert!(matches!(fault.class, Class::Alike(_)) && fault.detail.contains(&named), "{fault}");
    put_one(&company.quickbooks, &customer("Nordlicht AG", "USD")).await.unwrap();
    let changes: Value = json!({ "customers": { "Northwind, Limited": company.customer, "Nordlicht": "new" } });
    let mapped = Company::with(changes).await;
    let found = find(&mapped.quickbooks, &customer("Northwind, Limited", "USD")).await.unwrap();
    assert_eq!(found.receipt.remote_id, company.customer);
    assert_eq!(found.says.customer.as_deref(), Some("Northwind, Limited"));
    put_one(&mapped.quickbooks, &invoice("M1", "10.00", &mapped.customer)).await.unwrap();
    let (records, _) = mapped.read(&Cursor::default()).await;
    let Content::Invoice(seen) = &records[0].content else { panic!("{records:?}") };
    assert_eq!(seen.customer, "Northwind, Limited");
}

#[tokio::test]
async fn a_sub_customer_is_found_by_its_full_name_and_proposed_by_its_own_and_none_is_created() {
    let company = Company::with(json!({})).await;
    let below = json!({ "value": company.customer });
    let roof = json!({ "DisplayName": "Roof", "ParentRef": below, "Job": true, "BillWithParent": true });
    let roof = company.put("roof", "Customer", roof);
    let found = find(&company.quickbooks, &customer("Northwind Ltd:Roof", "USD")).await.unwrap();
    assert_eq!((found.receipt.remote_id, found.says.customer.as_deref()), (roof.clone(), Some("Northwind Ltd:Roof")));
    put_one(&company.quickbooks, &invoice("M1", "10.00", &roof)).await.unwrap();
    let (records, _) = company.read(&Cursor::default()).await;
    let Content::Invoice(seen) = &records[0].content else { panic!("{records:?}") };
    assert_eq!(seen.customer, "Northwind Ltd:Roof");
    let named = format!("\"Northwind Ltd:Roof\" (id {roof})");
    for called in ["Roof", "Northwind Ltd:Roofs"] {
        assert!(find(&company.quickbooks, &customer(called, "USD")).await.is_none());
        let fault = put_one(&company.quickbooks, &customer(called, "USD")).await.unwrap_err();
        assert!(matches!(fault.class, Class::Alike(_)) && fault.detail.contains(&named), "{fault}");
    }
    let fault = put_one(&company.quickbooks, &customer("Northwind Ltd:Cellar", "USD")).await.unwrap_err();
    assert!(fault.class == Class::Refused && fault.detail.contains("has no sub-customer \"Cellar\""), "{fault}");
}

#[tokio::test]
async fn a_customer_is_created_with_what_the_crm_knows_and_what_an_operator_sets_stands_over_it() {
    let extra = json!([{ "kinds": ["customer"], "fields": { "PrimaryTaxIdentifier": "X-1" } }]);
    let company = Company::with(json!({ "extra": extra })).await;
    put_one(&company.quickbooks, &knowing(&customer("Contoso GmbH", "USD"), &contoso())).await.unwrap();
    let written =
        company.records("Customer").into_iter().find(|one| one.text("DisplayName") == "Contoso GmbH").unwrap();
    let fields = [
        "BillAddr.Line1",
        "BillAddr.Line2",
        "BillAddr.City",
        "BillAddr.CountrySubDivisionCode",
        "BillAddr.PostalCode",
        "BillAddr.Country",
        "PrimaryEmailAddr.Address",
        "PrimaryTaxIdentifier",
        "SalesTermRef.value",
    ];
    let said = ["Marienplatz 1", "Rückgebäude", "München", "BY", "80331", "DE", "ap@contoso.example", "X-1", "3"];
    assert_eq!(fields.map(|field| written.text(field)), said);
}

#[tokio::test]
async fn an_invoice_is_mailed_once_and_a_lost_answer_is_looked_up() {
    let company = Company::with(json!({ "email_invoices": true })).await;
    let said = knowing(&invoice("M1", "100.00", &company.customer), &contoso());
    let invoice = put_one(&company.quickbooks, &said).await.unwrap();
    let mail = email("M1", &invoice.remote_id);
    assert!(find(&company.quickbooks, &mail).await.is_none(), "nobody has mailed it");
    let lost = FaultSpec::new("drop_after_write").on("POST", "/send");
    company.desk.simulators.faults.inject("quickbooks", lost).unwrap();
    assert_eq!(put_one(&company.quickbooks, &mail).await.unwrap_err().class, Class::Unanswered);
    let found = find(&company.quickbooks, &mail).await.unwrap();
    assert_eq!(found.says.differences(&Statement::of_command(&mail.1)), [] as [&str; 0]);
    let written = &company.records("Invoice")[0];
    assert_eq!([written.text("EmailStatus"), written.text("BillEmail.Address")], ["EmailSent", "ap@contoso.example"]);
    company.desk.simulators.quickbooks.void_invoice("void", "SOW-1-M1").unwrap();
    let (key, command, after) = &mail;
    let write = milestoned_connector_kit::Write { key, command, after };
    let fault = company.quickbooks.find(&[write]).await.unwrap_err();
    assert!(fault.class == Class::Refused && fault.detail.contains("void"), "{fault}");
}

#[tokio::test]
async fn the_record_of_an_acceptance_is_attached_to_its_invoice_once_and_a_lost_answer_is_looked_up() {
    let company = Company::with(json!({ "attach_acceptances": true })).await;
    let invoice = put_one(&company.quickbooks, &invoice("M1", "100.00", &company.customer)).await.unwrap();
    let record = acceptance("M1", &invoice.remote_id);
    assert!(find(&company.quickbooks, &record).await.is_none(), "nobody has attached it");
    let lost = FaultSpec::new("drop_after_write").on("POST", "/upload");
    company.desk.simulators.faults.inject("quickbooks", lost).unwrap();
    assert_eq!(put_one(&company.quickbooks, &record).await.unwrap_err().class, Class::Unanswered);
    let found = find(&company.quickbooks, &record).await.unwrap();
    assert_eq!(found.says.differences(&Statement::of_command(&record.1)), [] as [&str; 0]);
    let attached = &company.records("Attachable")[0];
    assert_eq!(attached.text("FileName"), "acceptance-SOW_1-M1.txt");
    let reference = &attached.list("AttachableRef")[0];
    assert_eq!(
        ["EntityRef.type", "EntityRef.value", "IncludeOnSend"].map(|name| reference.text(name)),
        ["Invoice", invoice.remote_id.as_str(), "false"]
    );
    let file = company.desk.simulators.quickbooks.file(&found.receipt.remote_id).unwrap();
    for said in ["Accepted on: 2026-03-02\n", "Billed for: Größe & Entwurf\n", "https://example.com/signed.pdf"] {
        assert!(file.contains(said), "{file}");
    }
    let gone = acceptance("M2", "999999");
    assert_eq!(put_one(&company.quickbooks, &gone).await.unwrap_err().class, Class::Refused);
}

#[tokio::test]
async fn an_invoice_without_an_address_is_not_mailed_and_the_remedy_is_told() {
    let company = Company::with(json!({ "email_invoices": true })).await;
    let invoice = put_one(&company.quickbooks, &invoice("M1", "100.00", &company.customer)).await.unwrap();
    let fault = put_one(&company.quickbooks, &email("M1", &invoice.remote_id)).await.unwrap_err();
    assert!(fault.class == Class::Refused && fault.detail.contains("give Northwind Ltd a mail address"), "{fault}");
}

#[tokio::test]
async fn what_is_paid_of_an_invoice_with_tax_counts_without_the_tax() {
    let company = Company::with(json!({})).await;
    let line = json!({ "DetailType": "SalesItemLineDetail", "Amount": "300.00",
        "SalesItemLineDetail": { "ItemRef": { "value": "1" } } });
    let taxed = json!({ "CustomerRef": { "value": company.customer }, "DocNumber": "SOW-1-M1", "TxnDate": "2026-03-02",
        "Line": [line], "TxnTaxDetail": { "TotalTax": "60.00" } });
    company.put("taxed", "Invoice", taxed);
    company.desk.simulators.quickbooks.pay("pay", "SOW-1-M1", "360.00", "2026-03-05").unwrap();
    let (records, _) = company.read(&Cursor::default()).await;
    let said: Vec<String> = records
        .iter()
        .filter_map(|record| match &record.content {
            Content::Invoice(seen) => Some(format!("{} and {} of tax", seen.amount, seen.tax.unwrap_or_default())),
            Content::Payment(paid) => Some(format!("paid {}", paid.amount)),
            _ => None,
        })
        .collect();
    assert_eq!(said, ["300 and 60 of tax", "paid 300"]);
}
