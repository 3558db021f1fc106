//! A part of the queue as somebody asks for it: a tab, filters, an order. Its text form stands in the address of the page, in
//! forms, in exports and in saved views.

use std::fmt::Write as _;
use std::sync::Arc;

use jiff::civil::Date;
use milestoned_mapping::contract::Severity;
use milestoned_mapping::fact::Leg;
use milestoned_mapping::problem::Problem;
use rust_decimal::Decimal;

use super::entry::Entry;
use super::holding::held;
use super::subject;

/// The tabs of the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tab {
    /// Everything that waits.
    #[default]
    Everything,
    /// Invoices that wait for an approval.
    Approvals,
    /// Exceptions that hold an invoice back.
    Blocked,
    /// What only tells.
    Warnings,
    /// What holds something back beside rules and approvals: refused writes, unread records, halts.
    Parked,
    /// What differs in a remote after billing.
    Drift,
}

impl Tab {
    /// All tabs, in their order.
    pub const ALL: [Self; 6] =
        [Self::Everything, Self::Approvals, Self::Blocked, Self::Warnings, Self::Parked, Self::Drift];

    /// Its word in addresses; empty for everything.
    pub fn word(self) -> &'static str {
        match self {
            Self::Everything => "",
            Self::Approvals => "approvals",
            Self::Blocked => "blocked",
            Self::Warnings => "warnings",
            Self::Parked => "parked",
            Self::Drift => "drift",
        }
    }

    /// What it is called.
    pub fn title(self) -> &'static str {
        match self {
            Self::Everything => "Everything",
            Self::Approvals => "To approve",
            Self::Blocked => "Blocked",
            Self::Warnings => "Warnings",
            Self::Parked => "Parked",
            Self::Drift => "Drift",
        }
    }

    /// Whether an item belongs there.
    pub fn has(self, item: &Entry) -> bool {
        match self {
            Self::Everything => true,
            Self::Approvals => matches!(item.kind(), "approval" | "change_order" | "customer"),
            Self::Blocked => item.severity == Severity::Blocking && item.kind() == "exception",
            Self::Warnings => item.severity == Severity::Warning && item.kind() != "drift",
            Self::Parked => {
                let elsewhere = ["approval", "change_order", "customer", "drift", "exception"];
                item.severity == Severity::Blocking && !elsewhere.contains(&item.kind())
            }
            Self::Drift => item.kind() == "drift",
        }
    }
}

/// The orders of the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// What holds something back first, then what has waited longest.
    #[default]
    Urgency,
    /// The longest first.
    Age,
    /// The largest amount first.
    Amount,
    /// By customer, then contract.
    Customer,
    /// By owner.
    Owner,
    /// By the date of the next review, those without one first.
    Review,
}

impl Order {
    /// All orders.
    pub const ALL: [Self; 6] = [Self::Urgency, Self::Age, Self::Amount, Self::Customer, Self::Owner, Self::Review];

    /// Its word in addresses; empty for the one that is taken without a word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Urgency => "",
            Self::Age => "age",
            Self::Amount => "amount",
            Self::Customer => "customer",
            Self::Owner => "owner",
            Self::Review => "review",
        }
    }

    /// What it is called.
    pub fn title(self) -> &'static str {
        match self {
            Self::Urgency => "Urgency",
            Self::Age => "Age",
            Self::Amount => "Amount held",
            Self::Customer => "Customer",
            Self::Owner => "Owner",
            Self::Review => "Next review",
        }
    }

    fn sort(self, items: &mut [Arc<Entry>]) {
        match self {
            Self::Urgency => {}
            Self::Age => items.sort_by_key(|item| item.since.unwrap_or(Date::MAX)),
            Self::Amount => items.sort_by_key(|item| std::cmp::Reverse(amount(item))),
            Self::Customer => items.sort_by(|a, b| (&a.customer, &a.contract).cmp(&(&b.customer, &b.contract))),
            Self::Owner => items.sort_by(|a, b| a.owner.cmp(&b.owner)),
            Self::Review => items.sort_by_key(|item| item.snoozed_until),
        }
    }
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selection {
    /// Tab.
    pub tab: Tab,
    /// Order.
    pub order: Order,
    /// Contract.
    pub contract: String,
    /// Customer.
    pub customer: String,
    /// Leg that disagrees.
    pub leg: Option<Leg>,
    /// Code of an exception or kind of a drift.
    pub code: String,
    /// First word of the subject.
    pub kind: String,
    /// Who looks after it; `-`: nobody.
    pub owner: String,
    /// Connection of the ERP.
    pub erp: String,
    /// At least so many days old.
    pub age: Option<i64>,
    /// At least so much is held, in whatever currency.
    pub amount: Option<Decimal>,
    /// Text that stands in contract, customer, milestone, title, code, reason, owner or note.
    pub text: String,
    /// Without what is to be looked at later.
    pub awake: bool,
}

impl Selection {
    /// Reads what stands behind the question mark; `page` is somebody else's.
    ///
    /// # Errors
    /// The first field that is not understood, with what it may be.
    pub fn read(query: &str) -> Result<Self, Problem> {
        let mut asked = Self::default();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let value = value.trim().to_owned();
            if value.is_empty() {
                continue;
            }
            let wrong = |remedy: String| Problem::new(name.to_string(), format!("{value:?} is not understood"), remedy);
            match &*name {
                "part" => asked.tab = by_word(&Tab::ALL, Tab::word, &value).map_err(wrong)?,
                "sort" => asked.order = by_word(&Order::ALL, Order::word, &value).map_err(wrong)?,
                "contract" => asked.contract = value,
                "customer" => asked.customer = value,
                "leg" => asked.leg = Some(subject::leg(&value).ok_or_else(|| wrong("crm, psa or erp".into()))?),
                "code" => asked.code = value,
                "kind" if subject::KINDS.contains(&value.as_str()) => asked.kind = value,
                "kind" => return Err(wrong(format!("one of {}", subject::KINDS.join(", ")))),
                "owner" => asked.owner = value,
                "erp" => asked.erp = value,
                "age" => asked.age = Some(value.parse().map_err(|_| wrong("a number of days, such as 5".into()))?),
                "amount" => {
                    let plain = value.replace(',', "");
                    let read = Decimal::from_str_exact(&plain);
                    asked.amount = Some(read.map_err(|_| wrong("a plain amount, such as 10000.00".into()))?);
                }
                "q" => asked.text = value,
                "awake" => asked.awake = value == "yes",
                "page" => {}
                _ => return Err(Problem::new(name.to_string(), "is no field of the queue", Self::FIELDS)),
            }
        }
        Ok(asked)
    }

    const FIELDS: &str = "write part, sort, contract, customer, leg, code, kind, owner, erp, age, amount, q or awake";

    /// Whether a leg is asked for by its word.
    pub fn has_leg(&self, word: &str) -> bool {
        self.leg.is_some_and(|leg| leg.to_string() == word)
    }

    /// The same with another tab.
    #[must_use]
    pub fn in_tab(&self, tab: &Tab) -> Self {
        Self { tab: *tab, ..self.clone() }
    }

    /// Whether more than a tab and an order is asked for.
    pub fn is_filtered(&self) -> bool {
        let texts = [&self.contract, &self.customer, &self.code, &self.kind, &self.owner, &self.erp, &self.text];
        let asked = texts.into_iter().any(|text| !text.is_empty()) || self.leg.is_some();
        asked || self.age.is_some() || self.amount.is_some() || self.awake
    }

    /// What stands behind the question mark of an address.
    pub fn query(&self) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        let mut say = |name: &str, value: &str| {
            if !value.is_empty() {
                query.append_pair(name, value);
            }
        };
        say("part", self.tab.word());
        say("sort", self.order.word());
        say("contract", &self.contract);
        say("customer", &self.customer);
        say("leg", &self.leg.map(|leg| leg.to_string()).unwrap_or_default());
        say("code", &self.code);
        say("kind", &self.kind);
        say("owner", &self.owner);
        say("erp", &self.erp);
        say("age", &self.age.map(|days| days.to_string()).unwrap_or_default());
        say("amount", &self.amount.map(|amount| amount.to_string()).unwrap_or_default());
        say("q", &self.text);
        say("awake", if self.awake { "yes" } else { "" });
        query.finish()
    }

    /// What is asked for, in words: `To approve, customer Northwind Ltd, at least 5 days old`.
    pub fn in_words(&self) -> String {
        let mut words = self.tab.title().to_owned();
        let mut say = |name: &str, value: &str| {
            if !value.is_empty() {
                let _ = write!(words, ", {name} {value}");
            }
        };
        say("contract", &self.contract);
        say("customer", &self.customer);
        say("leg", &self.leg.map(|leg| leg.to_string()).unwrap_or_default());
        say("code", &self.code);
        say("kind", &self.kind);
        say("owner", if self.owner == "-" { "nobody" } else { &self.owner });
        say("ERP", &self.erp);
        say("days old at least", &self.age.map(|days| days.to_string()).unwrap_or_default());
        say("amount at least", &self.amount.map(|amount| amount.to_string()).unwrap_or_default());
        say("text", &self.text);
        say("", if self.awake { "without what is to be looked at later" } else { "" });
        words
    }

    /// Whether an item is asked for, whatever the tab.
    fn keeps(&self, item: &Entry, today: &Date) -> bool {
        if !self.is_filtered() {
            return true;
        }
        let is = |asked: &str, value: Option<&str>| asked.is_empty() || value.is_some_and(|value| value == asked);
        let of_owner = match self.owner.as_str() {
            "-" => item.owner.is_none(),
            owner => is(owner, item.owner.as_deref()),
        };
        of_owner
            && is(&self.contract, item.contract.as_deref())
            && is(&self.customer, item.customer.as_deref())
            && is(&self.erp, item.erp.as_deref())
            && is(&self.code, item.code.as_deref())
            && (self.kind.is_empty() || self.kind == item.kind())
            && self.leg.is_none_or(|leg| item.leg == Some(leg))
            && self.age.is_none_or(|days| item.age(today) >= days)
            && self.amount.is_none_or(|least| amount(item).is_some_and(|held| held >= least))
            && (!self.awake || item.snoozed_until.is_none_or(|until| until <= *today))
            && self.is_spoken_of(item)
    }

    /// Whether the text that is searched for stands in what people read of an item.
    fn is_spoken_of(&self, item: &Entry) -> bool {
        if self.text.is_empty() {
            return true;
        }
        let names = [&item.contract, &item.customer, &item.milestone, &item.owner, &item.code];
        let names = names.into_iter().flatten().map(AsRef::as_ref);
        let mut said = names.chain(item.note.as_deref()).chain([&*item.title, &*item.reason]);
        said.any(|said| contains(said, &self.text))
    }

    /// How many items are asked for.
    pub fn count(&self, items: &[Arc<Entry>], today: &Date) -> usize {
        items.iter().filter(|item| self.tab.has(item) && self.keeps(item, today)).count()
    }

    /// Of all items those that are asked for, in the order that is asked for, and how many of each tab there are.
    pub fn pick(&self, items: &[Arc<Entry>], today: &Date) -> Picked {
        let kept: Vec<Arc<Entry>> = items.iter().filter(|item| self.keeps(item, today)).cloned().collect();
        let tabs = Tab::ALL.map(|tab| {
            let of_it: Vec<&Entry> = kept.iter().map(AsRef::as_ref).filter(|item| tab.has(item)).collect();
            TabCount { tab, count: of_it.len(), held: held(&of_it) }
        });
        let mut items: Vec<Arc<Entry>> = kept.into_iter().filter(|item| self.tab.has(item)).collect();
        self.order.sort(&mut items);
        Picked { items, tabs }
    }
}

/// Items that were asked for.
#[derive(Debug, Clone)]
pub struct Picked {
    /// In the order that was asked for.
    pub items: Vec<Arc<Entry>>,
    /// Every tab under the same filters.
    pub tabs: [TabCount; 6],
}

/// A tab, and how much it is.
#[derive(Debug, Clone)]
pub struct TabCount {
    /// Which.
    pub tab: Tab,
    /// How many items.
    pub count: usize,
    /// What they hold back, by currency.
    pub held: String,
}

fn amount(item: &Entry) -> Option<Decimal> {
    item.held.as_ref().map(|(amount, _)| *amount)
}

/// Whether a text contains another, in whatever letters they are written.
pub(super) fn contains(text: &str, wanted: &str) -> bool {
    if wanted.is_empty() {
        return true;
    }
    if text.is_ascii() && wanted.is_ascii() {
        let wanted = wanted.as_bytes();
        return text.as_bytes().windows(wanted.len()).any(|part| part.eq_ignore_ascii_case(wanted));
    }
    text.to_lowercase().contains(&wanted.to_lowercase())
}

fn by_word<T: Copy>(all: &[T], word: fn(T) -> &'static str, value: &str) -> Result<T, String> {
    let found = all.iter().copied().find(|candidate| word(*candidate) == value);
    found.ok_or_else(|| {
        let words: Vec<&str> = all.iter().map(|choice| word(*choice)).filter(|word| !word.is_empty()).collect();
        format!("one of {}", words.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_read_back_from_its_text() {
        let query = "part=approvals&sort=amount&contract=A%2FB&customer=North+%26+Co&leg=crm&code=AMOUNT_MISMATCH\
                     &kind=exception&owner=-&erp=netsuite&age=5&amount=1000.50&q=M1&awake=yes";
        let asked = Selection::read(query).unwrap();
        assert_eq!(asked.query(), query);
        assert_eq!(Selection::read(&asked.query()).unwrap(), asked);
        assert_eq!(Selection::read("part=&owner=&page=3").unwrap(), Selection::default());
    }

    #[test]
    fn what_is_not_understood_is_refused_with_what_may_be_written() {
        for (query, remedy) in [
            ("part=nothing", "approvals, blocked"),
            ("sort=x", "age, amount"),
            ("leg=x", "crm, psa or erp"),
            ("age=old", "such as 5"),
            ("amount=1e5", "such as 10000.00"),
            ("kind=x", "approval, change_order"),
            ("nope=1", "part, sort"),
        ] {
            let problem = Selection::read(query).unwrap_err();
            assert!(problem.remedy.contains(remedy), "{query}: {problem}");
        }
    }
}
