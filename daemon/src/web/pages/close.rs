//! Month-end closes: months, and one month with its checklist, its tables, its signature, and what was learned since.

use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use jiff::ToSpan as _;
use milestoned_identity::rights::Right;
use milestoned_mapping::money::Currency;
use milestoned_workbook::cell::Cell;
use rust_decimal::Decimal;
use serde::Deserialize;

use super::charts::{Bar, Chart, waterfall};
use super::exports::{Who, taken};
use super::jobs::{self, AtWork};
use super::person::Person;
use super::queue::Pages;
use super::reports::{Shown, shown};
use super::{filters, render, told};
use crate::environment::Environment;
use crate::report::close::steps::{self, Step};
use crate::report::close::{self, Adjustment, Figures, Month, Sheet, package};
use crate::report::export::List;
use crate::report::list_file::{Kind, ListFile};
use crate::review::acts::{Channel, Verb, Word};
use crate::store::closes::ClosePackage;
use crate::web::extract::{Fields, Pairs, Parameters, Segments};
use crate::web::jobs::{Made, MadeFile};
use crate::web::problem::ApiError;

/// Months of the list.
const MONTHS: i32 = 12;
/// Rows of a table on a page.
const OF_A_PAGE: usize = 100;

/// A month of the list.
struct Line {
    month: Month,
    package: Option<ClosePackage>,
    /// It is the month after the latest that is prepared; where none is, the last one that is over.
    is_next: bool,
}

#[derive(Template)]
#[template(path = "closes.html")]
struct ListPage {
    person: Person,
    may_close: bool,
    months: Vec<Line>,
}

/// `GET /closes`
pub(super) async fn list(State(env): State<Arc<Environment>>, person: Person) -> Result<Response, ApiError> {
    let this = person.today(&env).first_of_month();
    let mut packages = env.store.close_packages().await?;
    let mut months: Vec<Line> = Vec::new();
    for back in 1..=MONTHS {
        let month = Month::of(this.saturating_sub(back.months()));
        let place = packages.iter().position(|package| package.month == month.to_string());
        months.push(Line { month, package: place.map(|place| packages.remove(place)), is_next: false });
    }
    let next = months.iter().position(|line| line.package.is_some()).map_or(Some(0), |latest| latest.checked_sub(1));
    if let Some(line) = next.and_then(|next| months.get_mut(next)) {
        line.is_next = true;
    }
    // Months of earlier years that somebody has closed.
    months.extend(packages.into_iter().filter_map(|package| {
        let month = package.month.parse().ok()?;
        Some(Line { month, package: Some(package), is_next: false })
    }));
    Ok(render(&ListPage { may_close: person.caller.rights.has(Right::Overrule), person, months }))
}

/// A part of the page: name in the address, title, number of rows.
struct Tab {
    part: String,
    title: String,
    count: usize,
}

/// A balance of a roll-forward: its columns of the sheet.
struct Balance {
    name: String,
    /// Its word in an address.
    word: String,
    query: String,
    shown: bool,
}

/// A table below the tabs.
struct Table {
    /// What it is of, where several stand below each other.
    title: String,
    /// Balances of a wide sheet, of which one is shown at a time.
    balances: Vec<Balance>,
    sheet: Sheet,
    rows: Vec<Vec<Shown>>,
    pages: Pages,
}

#[derive(Template)]
#[template(path = "close.html")]
struct MonthPage {
    person: Person,
    may_close: bool,
    month: Month,
    package: ClosePackage,
    figures: Figures,
    part: String,
    tabs: Vec<Tab>,
    steps: Vec<Step>,
    open: usize,
    tables: Vec<Table>,
    adjustments: Vec<Adjustment>,
    chart: Option<Chart>,
}

/// Which part of a month.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    #[serde(default)]
    part: String,
    /// Which balance of a roll-forward.
    #[serde(default)]
    of: String,
    #[serde(default)]
    page: Option<usize>,
}

/// `GET /closes/{month}`
pub(super) async fn page(
    State(env): State<Arc<Environment>>,
    person: Person,
    Segments(month): Segments<String>,
    Parameters(asked): Parameters<Asked>,
) -> Result<Response, ApiError> {
    let month: Month = month.parse()?;
    let (package, figures) = close::kept(&env, month).await?;
    let steps = steps::steps(&env, month, &figures).await?;
    let is_signed = package.signed.is_some();
    let adjusts = is_signed && asked.part == "adjustments";
    let adjustments = if adjusts { close::adjustments(&env, month, &figures).await? } else { Vec::new() };
    let sheet = figures.sheets.iter().find(|sheet| sheet.part() == asked.part);
    if sheet.is_none() && !adjusts && !asked.part.is_empty() {
        return Err(ApiError::not_found("part", &asked.part));
    }
    let tab = |sheet: &Sheet| Tab { part: sheet.part(), title: sheet.name.clone(), count: sheet.rows.len() };
    Ok(render(&MonthPage {
        may_close: person.caller.rights.has(Right::Overrule),
        tabs: figures.sheets.iter().map(tab).collect(),
        open: steps.iter().filter(|step| step.name != "dates" && !step.is_done()).count(),
        tables: sheet.map(|sheet| tables(sheet, month, &asked)).unwrap_or_default(),
        chart: if asked.part.is_empty() { liability(&figures) } else { None },
        part: asked.part,
        person,
        month,
        package,
        figures,
        steps,
        adjustments,
    }))
}

/// The tables of a sheet: of the sums one for each balance, for nobody has many currencies; of any other sheet one.
fn tables(sheet: &Sheet, month: Month, asked: &Asked) -> Vec<Table> {
    if sheet.part() != "sums" {
        return vec![table(sheet, month, (&asked.of, asked.page))];
    }
    let (balances, _) = by_balance(sheet, "");
    let of = |balance: Balance| {
        let table = table(sheet, month, (&balance.word, None));
        Table { title: balance.name, balances: Vec::new(), ..table }
    };
    let all: Vec<Table> = balances.into_iter().map(of).filter(|table| !table.rows.is_empty()).collect();
    if all.is_empty() { vec![table(sheet, month, ("", None))] } else { all }
}

fn table(sheet: &Sheet, month: Month, (of, page): (&str, Option<usize>)) -> Table {
    let (balances, sheet) = by_balance(sheet, of);
    let query = balances
        .iter()
        .find(|balance| balance.shown)
        .map_or_else(|| format!("part={}", sheet.part()), |balance| balance.query.clone());
    let pages = Pages::of(&format!("/closes/{month}"), &query, page.unwrap_or(1), sheet.rows.len(), OF_A_PAGE);
    let from = pages.page.saturating_sub(1).saturating_mul(OF_A_PAGE);
    let rows = sheet.rows.iter().skip(from).take(OF_A_PAGE).map(|row| shown(&sheet.columns, row)).collect();
    Table { title: String::new(), balances, sheet: Sheet { rows: Vec::new(), ..sheet }, rows, pages }
}

/// What a sheet shows of one balance: columns that are called `Contract liability, opening` belong to `Contract liability`, those
/// behind them to `Revenue`. A sheet without such columns is shown as it is.
fn by_balance(sheet: &Sheet, asked: &str) -> (Vec<Balance>, Sheet) {
    let of_balance = |column: &String| column.split_once(", ").map(|(name, _)| name.to_owned());
    let Some(first) = sheet.columns.iter().position(|column| of_balance(column).is_some()) else {
        return (Vec::new(), sheet.clone());
    };
    let group = |(place, column): (usize, &String)| {
        (place >= first).then(|| of_balance(column).unwrap_or_else(|| "Revenue".to_owned()))
    };
    let groups: Vec<Option<String>> = sheet.columns.iter().enumerate().map(group).collect();
    let mut names: Vec<&String> = groups.iter().flatten().collect();
    names.dedup();
    let word = |name: &str| name.to_lowercase().replace(' ', "-");
    let chosen = names
        .iter()
        .find(|name| word(name) == asked)
        .or(names.first())
        .map_or_else(String::new, |name| (*name).clone());
    let is_shown =
        |place: &usize| groups.get(*place).is_some_and(|group| group.as_ref().is_none_or(|name| *name == chosen));
    let places: Vec<usize> = (0..sheet.columns.len()).filter(is_shown).collect();
    let title = |column: &String| {
        let short = column.split_once(", ").map_or(column.as_str(), |(_, short)| short);
        let mut letters = short.chars();
        letters.next().map_or_else(String::new, |letter| letter.to_uppercase().chain(letters).collect())
    };
    let columns = places.iter().filter_map(|place| sheet.columns.get(*place)).map(title).collect();
    let cells = |row: &Vec<Cell>| -> Vec<Cell> { places.iter().filter_map(|place| row.get(*place).cloned()).collect() };
    // A contract without this balance has no row.
    let is_something = |row: &Vec<Cell>| {
        let amounts = row.iter().filter(|cell| matches!(cell, Cell::Amount(_)));
        amounts.into_iter().any(|cell| cell.shown().parse::<Decimal>().is_ok_and(|amount| !amount.is_zero()))
    };
    let rows = sheet.rows.iter().map(cells).filter(is_something).collect();
    let balance = |name: &&String| Balance {
        query: format!("part={}&of={}", sheet.part(), word(name)),
        word: word(name),
        shown: **name == chosen,
        name: (*name).clone(),
    };
    let balances = names.iter().map(balance).collect();
    (balances, Sheet { columns, rows, ..sheet.clone() })
}

/// The contract liability of the currency that comes first, as a waterfall.
fn liability(figures: &Figures) -> Option<Chart> {
    let sheet = figures.sheets.iter().find(|sheet| sheet.name == "Sums")?;
    let row = sheet.rows.iter().max_by_key(|row| {
        figures
            .closing
            .values()
            .filter(|closing| row.first().is_some_and(|cell| cell.shown() == closing.currency.to_string()))
            .count()
    })?;
    let currency: Currency = row.first()?.shown().parse().ok()?;
    let label = figures.standard.labels().liability;
    let of = |name: &str| {
        let place = sheet.columns.iter().position(|column| *column == format!("{label}, {name}"))?;
        currency.parse(&row.get(place)?.shown()).ok()
    };
    let steps = ["billed", "recognised", "modifications", "revenue not billed"];
    let mut bars = vec![Bar::new("Opening", of("opening")?)];
    for name in steps {
        let mut title = name.to_owned();
        if let Some(first) = title.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        bars.push(Bar::new(title, of(name)?));
    }
    Some(waterfall(&format!("{label}, {currency}"), bars, of("closing")?))
}

fn word(person: &Person, reason: &str) -> Result<Word, ApiError> {
    person.caller.may(Right::Overrule)?;
    Ok(Word::new(&person.caller.name, reason, Channel::Page, Verb::Close)?)
}

/// `POST /closes/{month}/prepare`
pub(super) async fn prepare(
    State(env): State<Arc<Environment>>,
    Extension(at_work): AtWork,
    person: Person,
    Segments(month): Segments<String>,
) -> Result<Response, ApiError> {
    person.caller.may(Right::Overrule)?;
    let month: Month = month.parse()?;
    let wanted = (format!("close {month}"), format!("The figures of {}", month.in_words()));
    let (actor, at) = (person.caller.actor(), Arc::clone(&env));
    jobs::answer(&at, &at_work, wanted, &person.caller.name, |progress| async move {
        close::prepare(&env, month, &actor, &progress).await?;
        let text = format!("{} is prepared; look at each step, and sign", month.in_words());
        Ok(Made::Page(format!("/closes/{month}"), text))
    })
    .await
}

/// What somebody says about a step.
#[derive(Deserialize)]
pub(super) struct StepForm {
    step: String,
    #[serde(default)]
    owner: String,
    #[serde(default)]
    note: String,
    act: String,
}

/// `POST /closes/{month}/step`
pub(super) async fn step(
    State(env): State<Arc<Environment>>,
    person: Person,
    Segments(month): Segments<String>,
    Fields(form): Fields<StepForm>,
) -> Result<Response, ApiError> {
    person.caller.may(Right::Overrule)?;
    let month: Month = month.parse()?;
    let next = format!("/closes/{month}");
    if form.act == "assign" {
        let owner = Some(form.owner.trim().to_owned()).filter(|owner| !owner.is_empty());
        let text = owner.as_ref().map_or_else(
            || "nobody in particular looks after it".to_owned(),
            |owner| format!("{owner} looks after it"),
        );
        steps::assign(&env, month, &form.step, owner, person.caller.actor()).await?;
        return told(&next, &text);
    }
    steps::look_at(&env, month, &form.step, &word(&person, &form.note)?).await?;
    told(&next, "looked at")
}

/// `POST /closes/{month}/sign`: `digest` of what was shown, `looked` by step or `all`, `reason`.
pub(super) async fn sign(
    State(env): State<Arc<Environment>>,
    person: Person,
    Segments(month): Segments<String>,
    Pairs(form): Pairs,
) -> Result<Response, ApiError> {
    let month: Month = month.parse()?;
    let value =
        |name: &str| form.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str()).unwrap_or_default();
    let word = word(&person, value("reason"))?;
    let mut looked: Vec<String> =
        form.iter().filter(|(name, _)| name == "looked").map(|(_, step)| step.clone()).collect();
    if looked.iter().any(|step| step == "all") {
        let (_, figures) = close::kept(&env, month).await?;
        let open = steps::steps(&env, month, &figures).await?.into_iter().filter(|step| !step.is_done());
        looked = open.map(|step| step.name.to_owned()).collect();
    }
    close::sign(&env, month, value("digest"), &looked, &word).await?;
    person.has_acted().await;
    told(
        &format!("/closes/{month}"),
        &format!("{} is signed: its figures are frozen, and its dates are closed", month.in_words()),
    )
}

/// A table of the close, or what was learned since the signature, as a file.
async fn sheet_file(
    env: &Environment,
    month: Month,
    (part, kind): (&str, Kind),
    (who, file): (&Who, &str),
) -> Result<Made, ApiError> {
    let (package, figures) = close::kept(env, month).await?;
    let adjustments = part == "adjustments" && package.signed.is_some();
    let sheet = if adjustments {
        close::adjusted(&close::adjustments(env, month, &figures).await?)
    } else {
        let found = figures.sheets.into_iter().find(|sheet| sheet.part() == part);
        found.ok_or_else(|| ApiError::not_found("table", part))?
    };
    let columns: Vec<&str> = sheet.columns.iter().map(String::as_str).collect();
    let mut list = List::new("close", &columns, format!("{} of {}", sheet.name, month.in_words()));
    list.source = format!("{}, figures {}", env.settings.http.public_url, package.digest);
    if let Some(currency) = columns.iter().position(|column| *column == "Currency") {
        for row in &sheet.rows {
            let code = row.get(currency).map(Cell::shown).unwrap_or_default();
            for (column, cell) in columns.iter().zip(row) {
                if let Cell::Amount(amount) = cell {
                    list.add(column, &code, amount);
                }
            }
        }
    }
    list.rows = sheet.rows;
    taken(env, who, (file, ""), ListFile::begin(list, kind)?).await
}

/// `GET /closes/{month}/{file}`: `package.zip` or `package.json`, or one of the tables such as `journal.xlsx`.
pub(super) async fn file(
    State(env): State<Arc<Environment>>,
    Extension(at_work): AtWork,
    person: Person,
    Segments((month, file)): Segments<(String, String)>,
) -> Result<Response, ApiError> {
    let month: Month = month.parse()?;
    let part = file.split_once('.').and_then(|(part, ending)| Some((part.to_owned(), Kind::of(ending)?)));
    if let Some((part, kind)) = part {
        let wanted = (format!("/closes/{month}/{file}"), format!("The table {part} of {}", month.in_words()));
        let (who, at, name) = (Who::of(&person), Arc::clone(&env), format!("close-{month}-{file}"));
        return jobs::answer(&at, &at_work, wanted, &person.caller.name, |_| async move {
            sheet_file(&env, month, (&part, kind), (&who, &name)).await
        })
        .await;
    }
    if !["package.zip", "package.json"].contains(&file.as_str()) {
        return Err(ApiError::not_found("file", &file));
    }
    let (wanted, actor) =
        ((format!("/closes/{month}/{file}"), format!("The package of {month}")), person.caller.actor());
    let at = Arc::clone(&env);
    jobs::answer(&at, &at_work, wanted, &person.caller.name, |_| async move {
        let (package, figures) = close::kept(&env, month).await?;
        let (digest, named) = (package.digest.clone(), format!("milestoned-close-{month}-{file}"));
        let made = tokio::task::spawn_blocking(move || match named.ends_with(".zip") {
            true => package::zip(&package, &figures).map(|content| MadeFile::kept(named, "application/zip", content)),
            false => package::told(&figures).and_then(|text| {
                MadeFile::of(&named, "application/json", text.as_bytes()).map_err(|error| error.to_string())
            }),
        });
        let cannot = |error: String| ApiError::invalid(format!("the package cannot be written: {error}"));
        let made = made.await.map_err(|error| cannot(error.to_string()))?.map_err(cannot)?;
        let about = format!("close {month}, figures {digest}");
        env.store.list_exported(&actor, format!("{month} {file}"), about, env.clock.now()).await?;
        Ok(Made::File(Arc::new(made)))
    })
    .await
}
