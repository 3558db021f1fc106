//! SOQL: the parser of the part that integrations use.

use crate::filter::{Reader, Token};

/// Something that a query selects.
#[derive(Clone, Debug)]
pub(crate) enum Item {
    Field(String),
    /// `FIELDS(ALL)`, `FIELDS(STANDARD)`, `FIELDS(CUSTOM)`
    Fields(String),
    /// Function, field, name in the answer.
    Aggregate(String, String, Option<String>),
    Children(Box<Select>),
}

/// A condition as it is written.
#[derive(Clone, Debug)]
pub(crate) enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
    Test(String, String, Vec<Token>),
    /// `field IN (SELECT …)`; true for `NOT IN`.
    Within(String, bool, Box<Select>),
}

/// One column of `ORDER BY`.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) field: String,
    pub(crate) down: bool,
    pub(crate) nulls_last: bool,
}

/// A parsed query.
#[derive(Clone, Debug)]
pub(crate) struct Select {
    pub(crate) items: Vec<Item>,
    pub(crate) from: String,
    pub(crate) filter: Option<Condition>,
    pub(crate) group: Vec<String>,
    pub(crate) order: Vec<Order>,
    pub(crate) limit: Option<usize>,
    pub(crate) offset: usize,
}

const AGGREGATES: [&str; 6] = ["count", "count_distinct", "sum", "avg", "min", "max"];
const AFTER_FROM: [&str; 9] = ["where", "group", "order", "limit", "offset", "for", "with", "using", "having"];

/// Reads a query.
pub(crate) fn parse(text: &str) -> Result<Select, String> {
    let mut reader = Reader::new(text)?;
    let select = select(&mut reader)?;
    if reader.done() { Ok(select) } else { Err(format!("unexpected token: '{}'", reader.take()?.text())) }
}

fn word(reader: &mut Reader) -> Result<String, String> {
    match reader.take()? {
        Token::Word(word) => Ok(word),
        other => Err(format!("unexpected token: '{}'", other.text())),
    }
}

fn select(reader: &mut Reader) -> Result<Select, String> {
    reader.expect("SELECT")?;
    let mut items = vec![item(reader)?];
    while reader.skip(",") {
        items.push(item(reader)?);
    }
    reader.expect("FROM")?;
    let from = word(reader)?;
    let alias = match reader.peek() {
        Some(Token::Word(next)) if !AFTER_FROM.contains(&next.to_ascii_lowercase().as_str()) => Some(word(reader)?),
        _ => None,
    };
    let mut select = Select { items, from, filter: None, group: Vec::new(), order: Vec::new(), limit: None, offset: 0 };
    if reader.skip("WHERE") {
        select.filter = Some(any(reader)?);
    }
    if reader.skip("WITH") {
        word(reader)?;
    }
    if reader.skip("GROUP") {
        reader.expect("BY")?;
        select.group.push(word(reader)?);
        while reader.skip(",") {
            select.group.push(word(reader)?);
        }
    }
    tail(reader, &mut select)?;
    if let Some(alias) = alias {
        unalias(&mut select, &format!("{alias}."));
    }
    Ok(select)
}

fn tail(reader: &mut Reader, select: &mut Select) -> Result<(), String> {
    if reader.skip("ORDER") {
        reader.expect("BY")?;
        loop {
            let mut field = word(reader)?;
            if reader.skip("(") {
                field = format!("{field}({})", if reader.skip(")") { String::new() } else { word(reader)? });
                if !field.ends_with("()") {
                    reader.expect(")")?;
                    field.push(')');
                }
            }
            let down = reader.descending();
            let mut nulls_last = false;
            if reader.skip("NULLS") {
                nulls_last = reader.skip("LAST");
                if !nulls_last {
                    reader.expect("FIRST")?;
                }
            }
            select.order.push(Order { field, down, nulls_last });
            if !reader.skip(",") {
                break;
            }
        }
    }
    if reader.skip("LIMIT") {
        select.limit = usize::try_from(reader.number()?).ok();
    }
    if reader.skip("OFFSET") {
        select.offset = usize::try_from(reader.number()?).unwrap_or_default();
    }
    if reader.skip("FOR") {
        word(reader)?;
    }
    Ok(())
}

fn item(reader: &mut Reader) -> Result<Item, String> {
    if reader.skip("(") {
        let inner = select(reader)?;
        reader.expect(")")?;
        return Ok(Item::Children(Box::new(inner)));
    }
    let name = word(reader)?;
    if !reader.skip("(") {
        return Ok(Item::Field(name));
    }
    let inner = if reader.skip(")") { String::new() } else { word(reader)? };
    if !inner.is_empty() {
        reader.expect(")")?;
    }
    let function = name.to_ascii_lowercase();
    if function == "fields" {
        return Ok(Item::Fields(inner.to_ascii_uppercase()));
    }
    if !AGGREGATES.contains(&function.as_str()) || (inner.is_empty() && function != "count") {
        return Err(format!("unexpected token: '{name}('"));
    }
    let alias = match reader.peek() {
        Some(Token::Word(next)) if !next.eq_ignore_ascii_case("from") => Some(word(reader)?),
        _ => None,
    };
    Ok(Item::Aggregate(function, inner, alias))
}

fn any(reader: &mut Reader) -> Result<Condition, String> {
    let mut parts = vec![all(reader)?];
    while reader.skip("OR") {
        parts.push(all(reader)?);
    }
    Ok(if parts.len() == 1 { parts.remove(0) } else { Condition::Any(parts) })
}

fn all(reader: &mut Reader) -> Result<Condition, String> {
    let mut parts = vec![one(reader)?];
    while reader.skip("AND") {
        parts.push(one(reader)?);
    }
    Ok(if parts.len() == 1 { parts.remove(0) } else { Condition::All(parts) })
}

fn one(reader: &mut Reader) -> Result<Condition, String> {
    if reader.skip("NOT") {
        return Ok(Condition::Not(Box::new(one(reader)?)));
    }
    if reader.skip("(") {
        let inner = any(reader)?;
        reader.expect(")")?;
        return Ok(inner);
    }
    let field = word(reader)?;
    let sign = reader.take()?;
    let mut op = sign.text().to_ascii_lowercase();
    if op == "not" {
        reader.expect("IN")?;
        op = "not in".to_string();
    }
    match op.as_str() {
        "=" | "!=" | "<" | "<=" | ">" | ">=" | "like" => {
            let value = value(reader)?;
            Ok(Condition::Test(field, op, vec![value]))
        }
        "in" | "not in" | "includes" | "excludes" => {
            reader.expect("(")?;
            if reader.peek().is_some_and(|token| token.is("SELECT")) {
                let inner = select(reader)?;
                reader.expect(")")?;
                return Ok(Condition::Within(field, op == "not in", Box::new(inner)));
            }
            let mut values = vec![value(reader)?];
            while reader.skip(",") {
                values.push(value(reader)?);
            }
            reader.expect(")")?;
            Ok(Condition::Test(field, op, values))
        }
        _ => Err(format!("unexpected token: '{}'", sign.text())),
    }
}

fn value(reader: &mut Reader) -> Result<Token, String> {
    match reader.take()? {
        Token::Sign(sign) => Err(format!("unexpected token: '{sign}'")),
        token => Ok(token),
    }
}

/// Takes the alias of the object off every path.
fn unalias(select: &mut Select, alias: &str) {
    let cut = |path: &mut String| {
        if let Some(rest) = path.strip_prefix(alias) {
            *path = rest.to_string();
        }
    };
    fn each(condition: &mut Condition, cut: &dyn Fn(&mut String)) {
        match condition {
            Condition::All(parts) | Condition::Any(parts) => parts.iter_mut().for_each(|part| each(part, cut)),
            Condition::Not(part) => each(part, cut),
            Condition::Test(field, ..) | Condition::Within(field, ..) => cut(field),
        }
    }
    for item in &mut select.items {
        match item {
            Item::Field(path) | Item::Aggregate(_, path, _) => cut(path),
            // `FROM a.Contacts` is the other way to say from where a sub-query starts
            Item::Children(inner) => cut(&mut inner.from),
            Item::Fields(_) => {}
        }
    }
    if let Some(filter) = &mut select.filter {
        each(filter, &cut);
    }
    select.group.iter_mut().for_each(cut);
    select.order.iter_mut().for_each(|order| cut(&mut order.field));
}
