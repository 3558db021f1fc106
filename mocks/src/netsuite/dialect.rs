//! SuiteQL in the dialect of SQLite: words, what the vendor does not know, and what SQLite does not. Texts become values
//! that are bound, so that a query that is asked again with another time is the same statement.

use std::cell::RefCell;

/// A query that the vendor would not take.
pub(crate) type Wrong = String;

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Sign(String),
}

impl Token {
    fn is(&self, word: &str) -> bool {
        match self {
            Token::Word(text) => text.eq_ignore_ascii_case(word),
            Token::Sign(sign) => sign == word,
            Token::Text(_) => false,
        }
    }

    fn number(&self) -> Option<i64> {
        match self {
            Token::Word(text) => text.parse().ok(),
            _ => None,
        }
    }
}

/// The query in SQLite's words.
pub(crate) struct Rewritten {
    pub(crate) text: String,
    /// The same without its order, to be counted.
    pub(crate) unordered: String,
    pub(crate) ordered: bool,
    /// What stands for `?1`, `?2`, … in both.
    pub(crate) values: Vec<String>,
}

/// Functions of the vendor; the others of SQLite are unknown to him.
const FUNCTIONS: &[&str] = &[
    "abs",
    "avg",
    "builtin.df",
    "ceil",
    "coalesce",
    "concat",
    "count",
    "decode",
    "floor",
    "greatest",
    "instr",
    "least",
    "length",
    "lower",
    "ltrim",
    "max",
    "min",
    "mod",
    "nullif",
    "nvl",
    "nvl2",
    "replace",
    "round",
    "rtrim",
    "sign",
    "substr",
    "sum",
    "to_char",
    "to_date",
    "to_number",
    "to_timestamp",
    "trim",
    "trunc",
    "upper",
    "row_number",
    "rank",
    "dense_rank",
    "lag",
    "lead",
];

/// Words that may stand before a parenthesis.
const BEFORE: &[&str] = &[
    "in",
    "and",
    "or",
    "not",
    "exists",
    "select",
    "from",
    "where",
    "on",
    "as",
    "over",
    "when",
    "then",
    "else",
    "by",
    "any",
    "all",
    "union",
    "minus",
    "intersect",
    "having",
    "join",
    "between",
    "like",
    "case",
    "distinct",
    "with",
    "partition",
    "using",
];

const DATES: &[&str] = &[
    "lastmodifieddate",
    "createddate",
    "datecreated",
    "trandate",
    "duedate",
    "startdate",
    "enddate",
    "deleteddate",
    "eventdate",
    "projectedenddate",
    "milestonedate",
];

fn tokens(query: &str) -> Result<Vec<Token>, Wrong> {
    let chars: Vec<char> = query.trim().trim_end_matches(';').chars().collect();
    let mut out = Vec::new();
    let mut at = 0;
    let find = |from: usize, end: char| chars[from..].iter().position(|c| *c == end).map(|found| from + found);
    while let Some(&c) = chars.get(at) {
        let next = chars.get(at + 1).copied().unwrap_or_default();
        if c.is_whitespace() {
            at += 1;
        } else if (c, next) == ('-', '-') {
            at = find(at, '\n').unwrap_or(chars.len());
        } else if (c, next) == ('/', '*') {
            at = find(at + 2, '/').ok_or("a comment is not closed")? + 1;
        } else if c == '\'' {
            let mut text = String::new();
            at += 1;
            loop {
                let end = find(at, '\'').ok_or("a text is not closed")?;
                text.extend(&chars[at..end]);
                at = end + 1;
                if chars.get(at) != Some(&'\'') {
                    break;
                }
                text.push('\'');
                at += 1;
            }
            out.push(Token::Text(text));
        } else if c == '"' {
            let end = find(at + 1, '"').ok_or("a name is not closed")?;
            out.push(Token::Word(chars[at + 1..end].iter().collect()));
            at = end + 1;
        } else if c.is_ascii_alphanumeric() || c == '_' || c == '$' {
            let start = at;
            while chars.get(at).is_some_and(|c| c.is_ascii_alphanumeric() || "_$.".contains(*c)) {
                at += 1;
            }
            out.push(Token::Word(chars[start..at].iter().collect()));
        } else {
            let two: String = [c, next].iter().collect();
            let sign = if ["<=", ">=", "!=", "<>", "||"].contains(&two.as_str()) { two } else { c.to_string() };
            at += sign.chars().count();
            out.push(Token::Sign(sign));
        }
    }
    Ok(out)
}

/// Refuses what SQLite would take and the vendor does not.
fn check(tokens: &[Token]) -> Result<(), Wrong> {
    if !tokens.first().is_some_and(|first| first.is("select") || first.is("with")) {
        return Err("only SELECT is supported".to_string());
    }
    for (at, token) in tokens.iter().enumerate() {
        let Token::Word(word) = token else { continue };
        let lower = word.to_ascii_lowercase();
        let called = tokens.get(at + 1).is_some_and(|next| next.is("("));
        if called && !FUNCTIONS.contains(&lower.as_str()) && !BEFORE.contains(&lower.as_str()) {
            let table = at > 0 && tokens.get(at - 1).is_some_and(|before| before.is("with") || before.is(","));
            if !table {
                return Err(format!("unknown function {word}"));
            }
        }
        if ["limit", "offset", "pragma", "attach", "glob", "regexp", "isnull", "notnull"].contains(&lower.as_str()) {
            return Err(format!("unexpected token {word}"));
        }
        if lower == "in" && called {
            let end = closing(tokens, at + 1);
            let commas = tokens[at + 1..end].iter().filter(|token| token.is(",")).count();
            if commas >= 1000 {
                return Err("ORA-01795: maximum number of expressions in a list is 1000".to_string());
            }
        }
    }
    Ok(())
}

/// Where the parenthesis that opens at `open` closes.
fn closing(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        if token.is("(") {
            depth += 1;
        } else if token.is(")") {
            depth -= 1;
            if depth == 0 {
                return at;
            }
        }
    }
    tokens.len()
}

/// The first place from `from` on, outside parentheses, where one of these words stands.
fn outside(tokens: &[Token], from: usize, words: &[&str]) -> Option<usize> {
    let mut at = from;
    while let Some(token) = tokens.get(at) {
        if token.is("(") {
            at = closing(tokens, at);
        } else if words.iter().any(|word| token.is(word)) {
            return Some(at);
        }
        at += 1;
    }
    None
}

pub(crate) fn rewrite(query: &str, now: &str) -> Result<Rewritten, Wrong> {
    let tokens = tokens(query)?;
    check(&tokens)?;
    let order = outside(&tokens, 0, &["order"]);
    let end = outside(&tokens, order.unwrap_or(0), &["fetch"]).unwrap_or(tokens.len());
    let unordered: Vec<Token> = match order {
        Some(order) => tokens[..order].iter().chain(&tokens[end..]).cloned().collect(),
        None => tokens.clone(),
    };
    let writer = Writer { now, values: RefCell::default() };
    let (text, unordered) = (writer.select(tokens)?, writer.select(unordered)?);
    Ok(Rewritten { text, unordered, ordered: order.is_some(), values: writer.values.into_inner() })
}

struct Writer<'a> {
    /// The time of the account, marked as a date.
    now: &'a str,
    /// Texts met so far. Equal ones are one: SQLite compares expressions by how they are written.
    values: RefCell<Vec<String>>,
}

impl Writer<'_> {
    /// A text, as the place of its value.
    fn bound(&self, text: &str) -> String {
        let mut values = self.values.borrow_mut();
        let known = values.iter().position(|value| value == text);
        let place = known.unwrap_or_else(|| {
            values.push(text.to_string());
            values.len() - 1
        });
        format!("?{}", place + 1)
    }

    /// One SELECT: `TOP`, `FETCH FIRST` and `ROWNUM` become its limit. `ROWNUM` counts before the order is made, so beside an
    /// order it stays a condition.
    fn select(&self, mut tokens: Vec<Token>) -> Result<String, Wrong> {
        let mut limit: Option<i64> = None;
        let mut lower = |most: i64| limit = Some(limit.map_or(most, |old: i64| old.min(most)));
        if tokens.get(1).is_some_and(|top| top.is("top")) {
            lower(tokens.get(2).and_then(Token::number).ok_or("TOP needs a number")?);
            tokens.drain(1..3);
        }
        if let Some(at) = outside(&tokens, 0, &["fetch"]) {
            lower(tokens.get(at + 2).and_then(Token::number).ok_or("FETCH FIRST needs a number")?);
            tokens.truncate(at);
        }
        let order = outside(&tokens, 0, &["order"]);
        let sorted = order.or_else(|| outside(&tokens, 0, &["group"]));
        let condition = outside(&tokens, 0, &["where"]);
        if let (Some(start), Some(at)) = (condition, outside(&tokens, condition.unwrap_or(0), &["rownum"])) {
            let sign = tokens.get(at + 1).cloned();
            let number = tokens.get(at + 2).and_then(Token::number).ok_or("ROWNUM needs a number")?;
            let most = match sign {
                Some(sign) if sign.is("<=") => number,
                Some(sign) if sign.is("<") => number - 1,
                Some(sign) if sign.is("=") => i64::from(number == 1),
                _ => 0,
            };
            let digit_one = || Token::Word("1".to_string());
            tokens.splice(at..at + 3, [digit_one(), Token::Sign("=".to_string()), digit_one()]);
            match sorted {
                None => lower(most),
                Some(end) => {
                    if let (Some(by), Some(first)) =
                        (order.map(|order| order + 2), order.and_then(|at| tokens.get(at + 2)))
                        && first.number().is_none()
                    {
                        // rows must not be met in this order, so no index may give it
                        tokens.insert(by, Token::Sign("+".to_string()));
                    }
                    let (head, rest) = (self.text(&tokens[..start])?, self.text(&tokens[end..])?);
                    let all = self.text(&tokens[start + 1..end])?;
                    let text = format!("{head} WHERE CASE WHEN ({all}) THEN rownum_where() END <= {most} {rest}");
                    return Ok(bounded(text, limit, order.is_some()));
                }
            }
        }
        let text = self.text(&tokens)?;
        Ok(bounded(text, limit, order.is_some()))
    }

    fn text(&self, tokens: &[Token]) -> Result<String, Wrong> {
        let mut out = String::new();
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            out.push(' ');
            let next = tokens.get(at + 1);
            match token {
                Token::Sign(sign) if sign == "(" => {
                    let end = closing(tokens, at);
                    let inner = tokens.get(at + 1..end).ok_or("a parenthesis is not closed")?;
                    let nested = inner.first().is_some_and(|first| first.is("select"));
                    let text = if nested { self.select(inner.to_vec())? } else { self.text(inner)? };
                    out.push_str(&format!("({text})"));
                    at = end;
                }
                Token::Sign(sign) => out.push_str(sign),
                Token::Text(text) if user_date(tokens, at) => out.push_str(&format!("user_date({})", self.bound(text))),
                Token::Text(text) => out.push_str(&self.bound(text)),
                Token::Word(word) if word.eq_ignore_ascii_case("builtin.df") => {
                    let end = closing(tokens, at + 1);
                    let column = tokens.get(at + 2..end).ok_or("BUILTIN.DF needs a column")?;
                    out.push_str(&display(&self.text(column)?));
                    at = end;
                }
                Token::Word(word)
                    if ["sysdate", "current_date", "current_timestamp"]
                        .iter()
                        .any(|now| word.eq_ignore_ascii_case(now)) =>
                {
                    let days = match (next, tokens.get(at + 2).and_then(Token::number)) {
                        (Some(sign), Some(days)) if sign.is("-") || sign.is("+") => {
                            at += 2;
                            if sign.is("-") { -days } else { days }
                        }
                        _ => 0,
                    };
                    out.push_str(&format!("day_shifted({}, {days})", self.bound(self.now)));
                }
                Token::Word(word) => out.push_str(&self.word(word)),
            }
            at += 1;
        }
        Ok(out)
    }

    fn word(&self, word: &str) -> String {
        let is = |name: &str| word.eq_ignore_ascii_case(name);
        if is("minus") {
            "EXCEPT".to_string()
        } else if is("rownum") {
            "rownum_select()".to_string()
        } else if is("greatest") {
            "max".to_string()
        } else if is("least") {
            "min".to_string()
        } else if word.split('.').any(|part| part.eq_ignore_ascii_case("transaction")) {
            let part = |part: &str| {
                if part.eq_ignore_ascii_case("transaction") { "\"transaction\"".to_string() } else { part.to_string() }
            };
            word.split('.').map(part).collect::<Vec<_>>().join(".")
        } else {
            word.to_string()
        }
    }
}

/// A limit keeps the order of a SELECT within another one; without one SQLite would forget it.
fn bounded(text: String, limit: Option<i64>, ordered: bool) -> String {
    match limit {
        Some(most) => format!("{text} LIMIT {most}"),
        None if ordered => format!("{text} LIMIT -1"),
        None => text,
    }
}

/// True if the text at `at` is compared with a date: it is read in the format of the integration user.
fn user_date(tokens: &[Token], at: usize) -> bool {
    let date = |at: Option<usize>| match at.and_then(|at| tokens.get(at)) {
        Some(Token::Word(word)) => {
            let name = word.rsplit('.').next().unwrap_or_default();
            DATES.iter().any(|date| date.eq_ignore_ascii_case(name))
        }
        _ => false,
    };
    let before = |back: usize| at.checked_sub(back).and_then(|at| tokens.get(at));
    let compared =
        before(1).is_some_and(|sign| ["=", "<", ">", "<=", ">=", "!=", "<>"].iter().any(|name| sign.is(name)));
    let between = before(1).is_some_and(|word| word.is("between"));
    let second = before(1).is_some_and(|word| word.is("and")) && before(3).is_some_and(|word| word.is("between"));
    (compared && date(at.checked_sub(2))) || (between && date(at.checked_sub(2))) || (second && date(at.checked_sub(4)))
}

/// What people see for a key: the name of what it points to.
fn display(column: &str) -> String {
    let name = column.rsplit('.').next().unwrap_or(column).trim().trim_matches('"').to_ascii_lowercase();
    let named = |table: &str, shown: &str| format!("(SELECT df.{shown} FROM {table} df WHERE df.id = {column})");
    match name.as_str() {
        "currency" => named("currency", "symbol"),
        "entity" | "customer" | "parent" => {
            format!(
                "coalesce((SELECT df.entityid FROM customer df WHERE df.id = {column}), \
                 (SELECT df.entityid FROM job df WHERE df.id = {column}))"
            )
        }
        "terms" => named("term", "name"),
        "account" | "incomeaccount" => named("account", "accountsearchdisplayname"),
        "item" => named("item", "itemid"),
        "subsidiary" => named("subsidiary", "name"),
        "project" | "job" => named("job", "entityid"),
        "postingperiod" | "accountingperiod" => named("accountingperiod", "periodname"),
        "previousdoc" | "nextdoc" | "createdfrom" | "transaction" => named("\"transaction\"", "tranid"),
        "status" => format!(
            "(CASE {column} WHEN 'A' THEN 'Open' WHEN 'B' THEN 'Paid In Full' WHEN 'V' THEN 'Voided' WHEN 'F' THEN 'Pending \
             Billing' WHEN 'G' THEN 'Billed' WHEN 'H' THEN 'Closed' ELSE {column} END)"
        ),
        _ => column.to_string(),
    }
}
