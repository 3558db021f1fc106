//! What the lessons of both ERPs write and read.

use milestoned_connector_kit::{After, Cursor, Fault, Found, Receipt, Sink, Source, Write};
use milestoned_mapping::command::{
    AcceptanceRecord, Account, Command, DeliveryKey, Document, InvoiceEmail, JournalEntry, JournalLine, OrderLine,
    OrderedLine, SalesOrder, Side,
};
use milestoned_mapping::money::Money;
use milestoned_mapping::record::{Particulars, SourceRecord};

/// A write in a test: key, command, and what had to be delivered before.
pub(crate) type Said = (DeliveryKey, Command, After);

fn usd(amount: &str) -> Money {
    "USD".parse::<milestoned_mapping::money::Currency>().unwrap().parse(amount).unwrap()
}

/// A receipt of a record with this id.
pub(crate) fn receipt(id: &str) -> Option<Receipt> {
    Some(Receipt { remote_id: id.into(), remote_number: None, request_id: None, unposted: false })
}

fn of_customer(id: &str) -> After {
    After { customer: receipt(id), ..After::default() }
}

fn document(milestone: &str, amount: &str) -> Document {
    Document {
        number: format!("SOW-1-{milestone}"),
        contract: "SOW-1".into(),
        milestone: milestone.into(),
        customer: "Northwind Ltd".into(),
        date: "2026-03-02".parse().unwrap(),
        due_on: "2026-04-01".parse().unwrap(),
        amount: usd(amount),
        description: "Design".into(),
        po_number: None,
        payment_terms: "net 30".into(),
        acceptance: None,
        original: None,
        order: None,
        obligation: None,
    }
}

fn keyed(command: Command, after: After) -> Said {
    let key = DeliveryKey::of(&["lessons", &serde_json::to_string(&command).unwrap()]);
    (key, command, after)
}

/// An invoice of SOW-1 for the customer with this id.
pub(crate) fn invoice(milestone: &str, amount: &str, customer: &str) -> Said {
    keyed(Command::Invoice(document(milestone, amount)), of_customer(customer))
}

/// A credit memo for an invoice with this id.
pub(crate) fn credit_memo(milestone: &str, amount: &str, customer: &str, invoice: &str) -> Said {
    let one = document(milestone, amount);
    let one = Document { number: format!("{}-C1", one.number), original: Some(one.number.clone()), ..one };
    keyed(Command::CreditMemo(one), After { original: receipt(invoice), ..of_customer(customer) })
}

/// What the CRM knows of a customer is known to a write.
pub(crate) fn knowing(said: &Said, particulars: &Particulars) -> Said {
    let (key, command, after) = said.clone();
    (key, command, After { particulars: particulars.clone(), ..after })
}

/// A customer of whom the CRM knows everything.
pub(crate) fn contoso() -> Particulars {
    let text = |text: &str| Some(text.to_owned());
    Particulars {
        street: text("Marienplatz 1\nRückgebäude"),
        city: text("München"),
        region: text("BY"),
        postal_code: text("80331"),
        country: text("DE"),
        email: text("ap@contoso.example"),
        tax_registration: text("DE123456789"),
        payment_terms: text("net 30"),
    }
}

/// The mail with an invoice that has this id.
pub(crate) fn email(milestone: &str, invoice: &str) -> Said {
    let email = InvoiceEmail {
        number: format!("SOW-1-{milestone}"),
        contract: "SOW-1".into(),
        milestone: milestone.into(),
        customer: "Northwind Ltd".into(),
    };
    keyed(Command::InvoiceEmail(email), After { original: receipt(invoice), ..After::default() })
}

/// The acceptance record beside an invoice that has this id.
pub(crate) fn acceptance(milestone: &str, invoice: &str) -> Said {
    let record = AcceptanceRecord {
        number: format!("SOW/1-{milestone}"),
        contract: "SOW/1".into(),
        milestone: milestone.into(),
        customer: "Northwind Ltd".into(),
        description: "Größe & Entwurf".into(),
        accepted_on: "2026-03-02".parse().unwrap(),
        deemed: false,
        document: Some("https://example.com/signed.pdf".into()),
        link: "https://m.example/contracts/SOW%2F1#M1".into(),
    };
    keyed(Command::AcceptanceRecord(record), After { original: receipt(invoice), ..After::default() })
}

/// A customer in a currency.
pub(crate) fn customer(name: &str, currency: &str) -> Said {
    keyed(Command::Customer { name: name.into(), currency: currency.into() }, After::default())
}

/// Deferred revenue that becomes revenue.
pub(crate) fn release(day: u32, amount: &str, customer: &str) -> Said {
    let line = |account, side| JournalLine { account, side, amount: usd(amount) };
    let entry = JournalEntry {
        number: format!("SOW-1-202603{day:02}J"),
        contract: "SOW-1".into(),
        customer: "Northwind Ltd".into(),
        date: format!("2026-03-{day:02}").parse().unwrap(),
        milestone: Some("M1".into()),
        obligation: None,
        lines: vec![line(Account::DeferredRevenue, Side::Debit), line(Account::Revenue, Side::Credit)],
        memo: "Revenue of contract SOW-1".into(),
    };
    keyed(Command::JournalEntry(entry), of_customer(customer))
}

fn order_key() -> DeliveryKey {
    DeliveryKey::of(&["lessons", "order"])
}

/// The order of SOW-1 with these milestones and amounts, as one version has it.
pub(crate) fn order(version: u32, milestones: &[(&str, &str)], customer: &str) -> Said {
    let line = |(milestone, amount): &(&str, &str)| OrderLine {
        milestone: Some((*milestone).into()),
        amount: usd(amount),
        description: "Design".into(),
        timing: "arrears".into(),
        invoice: "on_completion".into(),
        recognition: Some("output".into()),
    };
    let lines: Vec<OrderLine> = milestones.iter().map(line).collect();
    let total = lines.iter().map(|line| line.amount.minor()).sum();
    let order = SalesOrder {
        order: order_key(),
        contract: "SOW-1".into(),
        customer: "Northwind Ltd".into(),
        date: "2026-03-02".parse().unwrap(),
        version,
        po_number: Some("PO-7".into()),
        payment_terms: "net 30".into(),
        amount: usd("0").currency().minor(total),
        lines,
    };
    keyed(Command::SalesOrder(order), of_customer(customer))
}

/// An invoice for a line of so many of the order.
pub(crate) fn ordered(milestone: &str, (line, lines): (u32, u32), amount: &str, customer: &str) -> Said {
    let order = Some(OrderedLine { order: order_key(), line, lines });
    keyed(Command::Invoice(Document { order, ..document(milestone, amount) }), of_customer(customer))
}

fn writes(said: &[Said]) -> Vec<Write<'_>> {
    said.iter().map(|(key, command, after)| Write { key, command, after }).collect()
}

/// Puts writes of one lane.
pub(crate) async fn put(sink: &impl Sink, said: &[Said]) -> Vec<Result<Receipt, Fault>> {
    sink.put(&writes(said)).await
}

/// Puts one.
pub(crate) async fn put_one(sink: &impl Sink, said: &Said) -> Result<Receipt, Fault> {
    put(sink, std::slice::from_ref(said)).await.remove(0)
}

/// Looks one up.
pub(crate) async fn find(sink: &impl Sink, said: &Said) -> Option<Found> {
    sink.find(&writes(std::slice::from_ref(said))).await.unwrap().remove(0)
}

/// Reads a stream to its end; gives what came and where to go on.
pub(crate) async fn pull(source: &impl Source, stream: &str, from: &Cursor) -> (Vec<SourceRecord>, Cursor) {
    let (mut records, mut cursor, mut more) = (Vec::new(), from.clone(), true);
    for _ in 0..1000 {
        if !more {
            break;
        }
        let page = source.pull(stream, &cursor).await.unwrap();
        assert!(page.unreadable.is_empty(), "{:?}", page.unreadable);
        records.extend(page.records);
        (cursor, more) = (page.next, page.more);
    }
    assert!(!more, "{stream} does not end");
    (records, cursor)
}
