//! QuickBooks: what is refused with which code, and what one entity does to another.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

mod world;

use milestoned_mocks::{FaultSpec, LotSpec};
use serde_json::{Value, json};
use world::erp::{Company, company, fault, sale};
use world::{answer, fields, header};

fn with(mut body: Value, more: Value) -> Value {
    more.as_object().unwrap().iter().for_each(|(name, value)| body[name] = value.clone());
    body
}

fn journal(debit: &str, credit: &str, account: &str) -> Value {
    let line = |kind: &str, amount: &str, account: &str| {
        let amount: Value = serde_json::from_str(amount).unwrap();
        json!({"Amount": amount, "JournalEntryLineDetail": {"PostingType": kind, "AccountRef": {"value": account}}})
    };
    json!({"Line": [line("Debit", debit, account), line("Credit", credit, "79")]})
}

async fn euro(company: &Company) {
    let customer = json!({"DisplayName": "Euro", "CurrencyRef": {"value": "EUR"}});
    assert_eq!(company.post("/customer", customer).await.0, 200);
}

#[tokio::test]
async fn faults_by_code() {
    let company = company().await;
    euro(&company).await;
    company.0.quickbooks.close_period("x", "2026-10-31").unwrap();
    company.invoice("MS-1", "10").await;
    let line = |more: Value| json!({"Line": [with(json!({"Amount": 10, "DetailType": "SalesItemLineDetail"}), more)]});
    let table = [
        ("/nothing", json!({}), 400, "500"),
        ("/bill", json!({"VendorRef": {"value": "1"}}), 400, "500"),
        ("/reports", json!({}), 400, "500"),
        ("/upload", json!({}), 400, "2010"),
        ("/creditmemo?operation=void", json!({"Id": "1", "SyncToken": "0"}), 400, "500"),
        ("/customer?operation=delete", json!({"Id": "101", "SyncToken": "0"}), 400, "500"),
        ("/invoice?operation=delete", json!({"Id": "999", "SyncToken": "0"}), 400, "610"),
        ("/invoice", with(sale("A", "5"), json!({"docNumber": "x"})), 400, "2010"),
        ("/invoice", with(sale("A", "5"), json!({"DocNumbr": "x"})), 400, "2010"),
        (
            "/invoice",
            with(sale("A", "5"), json!({"CustomField": [{"DefinitionId": "4", "StringValue": "x"}]})),
            400,
            "2010",
        ),
        ("/invoice", json!({"Line": []}), 400, "2020"),
        ("/invoice", with(sale("A", "5"), json!({"Line": []})), 400, "2020"),
        ("/invoice", json!({"Id": "101"}), 400, "2020"),
        ("/invoice", sale("1234567890123456789012", "5"), 400, "2050"),
        ("/invoice", with(sale("A", "5"), json!({"PrivateNote": "x".repeat(4001)})), 400, "2050"),
        ("/invoice?requestid=123456789012345678901234567890123456789012345678901", sale("A", "5"), 400, "2050"),
        ("/estimate", with(sale("A", "5"), json!({"TxnStatus": "Open"})), 400, "2170"),
        ("/invoice", with(sale("A", "5"), json!({"CustomerRef": {"value": "7"}})), 400, "2500"),
        ("/customer", json!({"DisplayName": "C", "CurrencyRef": {"value": "1"}}), 400, "2500"),
        (
            "/payment",
            json!({"CustomerRef": {"value": "101"}, "TotalAmt": 1, "Line": [{"Amount": 1, "LinkedTxn": [{"TxnId": "9", "TxnType": "Invoice"}]}]}),
            400,
            "2500",
        ),
        ("/invoice", json!({"Id": "101", "SyncToken": "7", "sparse": true}), 400, "5010"),
        ("/invoice", with(sale("A", "5"), json!({"CurrencyRef": {"value": "EUR"}})), 400, "6000"),
        ("/journalentry", journal("5", "4", "23"), 400, "6000"),
        ("/journalentry", journal("5", "5", "84"), 400, "6000"),
        ("/journalentry", with(journal("5", "5", "23"), json!({"CurrencyRef": {"value": "EUR"}})), 400, "6000"),
        (
            "/customer",
            json!({"Id": "101", "SyncToken": "0", "sparse": true, "CurrencyRef": {"value": "EUR"}}),
            400,
            "6000",
        ),
        (
            "/invoice",
            with(sale("A", "5"), line(json!({"SalesItemLineDetail": {"Qty": 3, "UnitPrice": 3.34}}))),
            400,
            "6070",
        ),
        ("/invoice", with(sale("Z", "5"), line(json!({"SalesItemLineDetail": {"Qty": 0, "UnitPrice": 0}}))), 200, ""),
        ("/invoice", sale("MS-1", "5"), 400, "6140"),
        ("/invoice", with(sale("A", "5"), json!({"TxnDate": "2026-10-31"})), 400, "6210"),
        ("/vendor", json!({"DisplayName": "acme"}), 400, "6240"),
        ("/employee", json!({"GivenName": "Ac", "FamilyName": "me"}), 200, ""),
    ];
    for (path, body, status, code) in table {
        let (got, answer) = company.post(path, body).await;
        assert_eq!((got, fault(&answer)), (status, code), "{path}: {answer}");
    }
    assert_eq!(company.0.quickbooks.records("Invoice").len(), 2);
    company.0.quickbooks.set_faults_as_success(true);
    let (status, body) = company.post("/invoice", sale("MS-1", "5")).await;
    assert_eq!((status, fault(&body), &body["Fault"]["type"]), (200, "6140", &json!("ValidationFault")));
    company.0.stop().await;
}

#[tokio::test]
async fn preferences_change_what_is_demanded() {
    let company = company().await;
    let erp = &company.0.quickbooks;
    erp.set_preference("t", "UsingSalesTax", true).unwrap();
    let (_, body) = company.post("/invoice", sale("A", "5")).await;
    assert!(body["Fault"]["Error"][0]["Detail"].as_str().unwrap().contains("GST/HST rate"), "{body}");
    erp.set_preference("t2", "UsingSalesTax", false).unwrap();
    // the company numbers by itself, past numbers that are taken
    company.invoice("1001", "5").await;
    erp.set_preference("n", "CustomTxnNumbers", false).unwrap();
    let (_, body) = company.post("/invoice", sale("MS-7", "5")).await;
    assert_eq!(body["Invoice"]["DocNumber"], "1002");
    erp.set_preference("m", "MultiCurrencyEnabled", false).unwrap();
    let (_, body) = company.post("/customer", json!({"DisplayName": "E", "CurrencyRef": {"value": "EUR"}})).await;
    assert_eq!(fault(&body), "6000");
    erp.set_preference("r", "RevenueRecognition", true).unwrap();
    erp.close_period("books", "2026-10-31").unwrap();
    let preferences = company.get("/preferences").await.1["Preferences"].clone();
    assert_eq!(preferences["AccountingInfoPrefs"]["BookCloseDate"], "2026-10-31");
    assert_eq!(preferences["ProductAndServicesPrefs"]["RevenueRecognition"], true);
    assert_eq!(preferences["SalesFormsPrefs"]["CustomTxnNumbers"], false);
    erp.set_preference("s", "SubscriptionEnded", true).unwrap();
    assert_eq!(fault(&company.post("/invoice", sale("B", "5")).await.1), "6190");
    company.0.stop().await;
}

#[tokio::test]
async fn an_update_is_sparse_or_clears_what_is_not_sent() {
    let company = company().await;
    let body =
        with(sale("A", "5"), json!({"PrivateNote": "note", "BillEmail": {"Address": "a@b.test"}, "DueDate": ""}));
    let (_, made) = company.post("/invoice", body).await;
    let made = &made["Invoice"];
    assert_eq!((&made["DueDate"], made.get("InvoiceLink")), (&json!("2026-12-20"), None));
    assert_eq!((&made["Line"][1]["DetailType"], made["Line"][1].get("Id")), (&json!("SubTotalLineDetail"), None));
    assert_eq!((&made["CustomerRef"]["name"], &made["ExchangeRate"]), (&json!("Acme"), &json!(1)));
    let id = made["Id"].as_str().unwrap();
    let sparse = json!({"Id": id, "SyncToken": "0", "sparse": true, "DocNumber": "B", "CustomerRef": {"value": "101", "name": "ignored"}});
    let (_, body) = company.post("/invoice", sparse).await;
    let body = &body["Invoice"];
    assert_eq!(
        (&body["PrivateNote"], &body["SyncToken"], &body["CustomerRef"]["name"]),
        (&json!("note"), &json!("1"), &json!("Acme"))
    );
    assert!(body["InvoiceLink"].is_string());
    let whole = with(sale("B", "7"), json!({"Id": id, "SyncToken": "1"}));
    let (_, body) = company.post("/invoice", whole).await;
    assert_eq!((body["Invoice"].get("PrivateNote"), &body["Invoice"]["TotalAmt"]), (None, &json!(7)));
    // the number that was given up is free
    assert_eq!(company.post("/invoice", sale("A", "5")).await.0, 200);
    let inactive = json!({"Id": "101", "SyncToken": "0", "sparse": true, "Active": false});
    assert_eq!(company.post("/customer", inactive).await.0, 200);
    assert_eq!(fault(&company.post("/invoice", sale("C", "5")).await.1), "610");
    company.0.stop().await;
}

#[tokio::test]
async fn payments_move_tokens_and_stand_in_the_way_of_voiding() {
    let company = company().await;
    let made = company.invoice("A", "100").await;
    let id = made["Id"].as_str().unwrap().to_string();
    let pay = |amount: i64| json!({"CustomerRef": {"value": "101"}, "TotalAmt": amount, "Line": [{"Amount": amount, "LinkedTxn": [{"TxnId": id, "TxnType": "Invoice"}]}]});
    let invoice = async || company.get(&format!("/invoice/{id}")).await.1["Invoice"].clone();
    let (_, paid) = company.post("/payment", pay(40)).await;
    let payment = paid["Payment"]["Id"].as_str().unwrap();
    assert_eq!((&invoice().await["SyncToken"], &invoice().await["Balance"]), (&json!("1"), &json!(60)));
    for operation in ["void", "delete"] {
        let (status, body) =
            company.post(&format!("/invoice?operation={operation}"), json!({"Id": id, "SyncToken": "1"})).await;
        assert_eq!((status, fault(&body)), (400, "6000"), "{operation}");
    }
    // it is given to another amount: what it had settled opens again
    let moved = with(pay(25), json!({"Id": payment, "SyncToken": "0"}));
    assert_eq!(company.post("/payment", moved).await.0, 200);
    assert_eq!(invoice().await["Balance"], 75);
    let void = json!({"Id": payment, "SyncToken": "1", "sparse": true});
    assert_eq!(company.post("/payment?operation=update&include=void", void).await.0, 200);
    let open = invoice().await;
    assert_eq!((&open["Balance"], &open["LinkedTxn"]), (&json!(100), &json!([])));
    let token = open["SyncToken"].clone();
    let (status, body) = company.post("/invoice?operation=void", json!({"Id": id, "SyncToken": token})).await;
    // the answer to a void is old; what is kept is new
    assert_eq!(
        (status, &body["Invoice"]["TotalAmt"], &body["Invoice"]["PrivateNote"]),
        (200, &json!(100), &json!("Voided"))
    );
    assert_eq!((&invoice().await["TotalAmt"], &invoice().await["Balance"]), (&json!(0), &json!(0)));
    let (_, free) = company.post("/payment", json!({"CustomerRef": {"value": "101"}, "TotalAmt": 9})).await;
    assert_eq!(free["Payment"]["UnappliedAmt"], 9);
    company.0.stop().await;
}

#[tokio::test]
async fn estimates_close_with_an_invoice_and_open_without() {
    let company = company().await;
    let (_, body) = company.post("/estimate", with(sale("E-1", "1000"), json!({"TxnStatus": "Accepted"}))).await;
    let id = body["Estimate"]["Id"].as_str().unwrap().to_string();
    let part = |number: &str| with(sale(number, "250"), json!({"LinkedTxn": [{"TxnId": id, "TxnType": "Estimate"}]}));
    let estimate = async || company.get(&format!("/estimate/{id}")).await.1["Estimate"].clone();
    let (_, first) = company.post("/invoice", part("P-1")).await;
    let first = &first["Invoice"];
    assert_eq!(first["LinkedTxn"], first["Line"][0]["LinkedTxn"], "on the header and on the line");
    let closed = estimate().await;
    assert_eq!(
        (&closed["TxnStatus"], &closed["SyncToken"], &closed["LinkedTxn"][0]["TxnType"]),
        (&json!("Closed"), &json!("0"), &json!("Invoice"))
    );
    // progress invoicing is the client's arithmetic: more parts are taken, and the total does not shrink
    assert_eq!(company.post("/invoice", part("P-2")).await.0, 200);
    assert_eq!(
        (estimate().await["LinkedTxn"].as_array().unwrap().len(), &estimate().await["TotalAmt"]),
        (2, &json!(1000))
    );
    for invoice in company.0.quickbooks.records("Invoice") {
        let gone = json!({"Id": invoice.text("Id"), "SyncToken": "0"});
        let (status, body) = company.post("/invoice?operation=delete", gone).await;
        assert_eq!((status, &body["Invoice"]["status"]), (200, &json!("Deleted")));
        assert_eq!(fault(&company.get(&format!("/invoice/{}", invoice.text("Id"))).await.1), "610");
    }
    assert_eq!((&estimate().await["TxnStatus"], &estimate().await["LinkedTxn"]), (&json!("Accepted"), &json!([])));
    let none = with(sale("P-3", "1"), json!({"LinkedTxn": [{"TxnId": "999", "TxnType": "Estimate"}]}));
    assert_eq!(fault(&company.post("/invoice", none).await.1), "2500");
    company.0.stop().await;
}

#[tokio::test]
async fn request_ids_give_the_first_answer_for_ever() {
    let company = company().await;
    let path = "/invoice?requestid=r1";
    let (_, first) = company.post(path, sale("A", "5")).await;
    let gone = json!({"Id": first["Invoice"]["Id"], "SyncToken": "0"});
    assert_eq!(company.post("/invoice?operation=delete", gone).await.0, 200);
    // the answer is of what was deleted since
    assert_eq!(company.post(path, sale("B", "9")).await.1, first);
    assert!(company.0.quickbooks.records("Invoice").is_empty());
    // a refusal is not remembered, a header is not a request id
    assert_eq!(company.post("/invoice?requestid=r2", sale("1234567890123456789012", "5")).await.0, 400);
    assert_eq!(company.post("/invoice?requestid=r2", sale("C", "5")).await.0, 200);
    let header = |number: &str| company.call("POST", "/invoice").header("Request-Id", "r3").json(&sale(number, "5"));
    assert_eq!((answer(header("D")).await.0, answer(header("E")).await.0), (200, 200));
    company.0.faults.inject("quickbooks", FaultSpec::new("throttle_after_write")).unwrap();
    assert_eq!(company.post("/invoice?requestid=r4", sale("F", "5")).await.0, 429);
    assert_eq!(company.post("/invoice?requestid=r4", sale("F", "5")).await.1["Invoice"]["DocNumber"], "F");
    assert_eq!((company.0.quickbooks.records("Invoice").len(), company.0.quickbooks.usage()["replayed"]), (4, 2));
    company.0.stop().await;
}

#[tokio::test]
async fn numbers_name_their_holder() {
    let company = company().await;
    let lot = LotSpec::new(3, fields(sale("LOT-{n}", "5")), company.0.clock.now());
    assert_eq!(company.0.quickbooks.generate("g", "Invoice", &lot).unwrap(), "101");
    let (_, body) = company.post("/invoice", sale("LOT-2", "5")).await;
    let detail = body["Fault"]["Error"][0]["Detail"].as_str().unwrap();
    assert!(detail.ends_with("DocNumber=LOT-2 is assigned to TxnType=Invoice with TxnId=102"), "{detail}");
    assert_eq!(company.post("/creditmemo", sale("LOT-2", "5")).await.0, 200, "of its own kind only");
    assert_eq!(company.post("/invoice?include=allowduplicatedocnum", sale("LOT-2", "5")).await.0, 200);
    let (_, body) =
        company.post("/journalentry", with(journal("5.10", "5.10", "23"), json!({"DocNumber": "RR-1"}))).await;
    let entry = &body["JournalEntry"];
    assert_eq!(
        (&entry["TotalAmt"], &entry["Line"][0]["Id"], &entry["DocNumber"]),
        (&json!(0), &json!("0"), &json!("RR-1"))
    );
    assert_eq!(entry["Line"][0]["JournalEntryLineDetail"]["AccountRef"]["name"], "Deferred Revenue");
    assert_eq!(
        fault(&company.post("/journalentry", with(journal("1", "1", "23"), json!({"DocNumber": "RR-1"}))).await.1),
        "6140"
    );
    company.0.stop().await;
}

#[tokio::test]
async fn sending_printing_and_the_other_flavour() {
    let company = company().await;
    let made = company.invoice("A", "5").await;
    let path = format!("/invoice/{}", made["Id"].as_str().unwrap());
    assert_eq!(fault(&answer(company.call("POST", &format!("{path}/send"))).await.1), "2020", "nobody to send it to");
    let send = || {
        company.call("POST", &format!("{path}/send?sendTo=a@b.test")).header("content-type", "application/octet-stream")
    };
    let (_, body) = answer(send()).await;
    let sent = &body["Invoice"];
    assert_eq!(
        (&sent["SyncToken"], &sent["EmailStatus"], &sent["DeliveryInfo"]["DeliveryType"]),
        (&json!("1"), &json!("EmailSent"), &json!("Email"))
    );
    for _ in 1..40 {
        assert_eq!(answer(send()).await.0, 200);
    }
    assert_eq!(answer(send()).await.0, 400, "forty mails a day");
    let pdf = company.call("GET", &format!("{path}/pdf")).header("accept", "application/pdf").send().await.unwrap();
    assert_eq!(
        (header(&pdf, "content-type"), header(&pdf, "intuit_tid").is_empty()),
        ("application/pdf".to_string(), false)
    );
    let xml = reqwest::Client::new().get(format!("{}/v3/company/9341452000000001{path}", company.0.url("quickbooks")));
    let xml = xml.bearer_auth("at-smoke").send().await.unwrap().text().await.unwrap();
    assert!(
        xml.contains("<Invoice domain=\"QBO\" sparse=\"false\">")
            && xml.contains("<CustomerRef name=\"Acme\">101</CustomerRef>"),
        "{xml}"
    );
    assert_eq!(company.get("/exchangerate?sourcecurrencycode=EUR").await.1["ExchangeRate"]["Rate"], 1.08);
    assert_eq!(company.get("/companyinfo/9341452000000001").await.1["CompanyInfo"]["CompanyName"], "Acme Services");
    company.0.stop().await;
}

#[tokio::test]
async fn faults_on_demand_are_the_vendors_own() {
    let company = company().await;
    let mut met = Vec::new();
    for (name, body) in [
        ("error(5010)", sale("A", "5")),
        ("error(6210)", sale("A", "5")),
        ("error(3200)", sale("A", "5")),
        ("error(502)", sale("A", "5")),
        ("race", sale("B", "5")),
        ("race", json!({"Id": "101", "SyncToken": "0", "sparse": true})),
    ] {
        company.0.faults.inject("quickbooks", FaultSpec::new(name)).unwrap();
        let (status, answered) = company.post("/invoice", body).await;
        let lower = answered["fault"]["error"][0]["code"].as_str().unwrap_or_default().to_string();
        met.push((status, if lower.is_empty() { fault(&answered).to_string() } else { lower }));
    }
    let wanted = [(400, "5010"), (400, "6210"), (401, "3200"), (502, "10000"), (400, "6140"), (400, "5010")];
    assert_eq!(met, wanted.map(|(status, code)| (status, code.to_string())));
    // the race was won by somebody: his invoice is there
    assert_eq!(company.0.quickbooks.records("Invoice").len(), 1);
    company.0.stop().await;
}
