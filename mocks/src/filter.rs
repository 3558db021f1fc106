//! The part that SOQL, JQL and the QuickBooks query language have in common: words, comparisons, AND, OR, parentheses.

/// A word of a query.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token {
    Word(String),
    Quoted(String),
    Sign(String),
}

impl Token {
    pub(crate) fn is(&self, word: &str) -> bool {
        match self {
            Token::Word(text) => text.eq_ignore_ascii_case(word),
            Token::Sign(text) => text == word,
            Token::Quoted(_) => false,
        }
    }
    pub(crate) fn text(&self) -> &str {
        match self {
            Token::Word(text) | Token::Quoted(text) | Token::Sign(text) => text,
        }
    }
}

/// One comparison or a tree of them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Expr {
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Not(Box<Expr>),
    Test { field: String, op: String, values: Vec<Token> },
}

impl Expr {
    /// Every comparison of the tree.
    pub(crate) fn each(&self, see: &mut dyn FnMut(&str, &str, &[Token])) {
        match self {
            Expr::And(parts) | Expr::Or(parts) => parts.iter().for_each(|part| part.each(see)),
            Expr::Not(part) => part.each(see),
            Expr::Test { field, op, values } => see(field, op, values),
        }
    }
}

/// Cuts a query into words.
pub(crate) fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let chars: Vec<char> = text.chars().collect();
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(&c) = chars.get(at) {
        if c.is_whitespace() {
            at += 1;
        } else if c == '\'' || c == '"' {
            let (quoted, next) = quoted(&chars, at, c)?;
            out.push(Token::Quoted(quoted));
            at = next;
        } else if "()=<>!~,*".contains(c) {
            let two: String = chars[at..chars.len().min(at + 2)].iter().collect();
            let sign = if ["<=", ">=", "!=", "<>", "!~"].contains(&two.as_str()) { two } else { c.to_string() };
            at += sign.chars().count();
            out.push(Token::Sign(if sign == "<>" { "!=".to_string() } else { sign }));
        } else {
            let start = at;
            while chars.get(at).is_some_and(|c| !c.is_whitespace() && !"()=<>!~,*'\"".contains(*c)) {
                at += 1;
            }
            out.push(Token::Word(chars[start..at].iter().collect()));
        }
    }
    Ok(out)
}

fn quoted(chars: &[char], start: usize, quote: char) -> Result<(String, usize), String> {
    let mut text = String::new();
    let mut at = start + 1;
    while let Some(&c) = chars.get(at) {
        if c == quote {
            return Ok((text, at + 1));
        }
        if c == '\\' {
            at += 1;
            match chars.get(at) {
                Some('n') => text.push('\n'),
                Some('t') => text.push('\t'),
                Some(c) => text.push(*c),
                None => break,
            }
        } else {
            text.push(c);
        }
        at += 1;
    }
    Err("unterminated string".to_string())
}

/// Reads tokens from left to right.
pub(crate) struct Reader {
    tokens: Vec<Token>,
    at: usize,
}

impl Reader {
    pub(crate) fn new(text: &str) -> Result<Reader, String> {
        Ok(Reader { tokens: tokens(text)?, at: 0 })
    }

    pub(crate) fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    pub(crate) fn take(&mut self) -> Result<Token, String> {
        let token = self.tokens.get(self.at).cloned().ok_or("unexpected end of query")?;
        self.at += 1;
        Ok(token)
    }

    pub(crate) fn skip(&mut self, word: &str) -> bool {
        let found = self.peek().is_some_and(|token| token.is(word));
        if found {
            self.at += 1;
        }
        found
    }

    pub(crate) fn expect(&mut self, word: &str) -> Result<(), String> {
        if self.skip(word) {
            return Ok(());
        }
        let found = self.peek().map_or("<EOF>", Token::text);
        Err(format!("unexpected token: '{found}', expected '{word}'"))
    }

    /// Reads `ASC` or `DESC`, if one is there: true for the latter.
    pub(crate) fn descending(&mut self) -> bool {
        let down = self.skip("DESC");
        if !down {
            self.skip("ASC");
        }
        down
    }

    pub(crate) fn done(&self) -> bool {
        self.at >= self.tokens.len()
    }

    pub(crate) fn number(&mut self) -> Result<i64, String> {
        let token = self.take()?;
        token.text().parse().map_err(|_| format!("unexpected token: '{}'", token.text()))
    }

    pub(crate) fn expr(&mut self) -> Result<Expr, String> {
        let mut any = vec![self.conjunction()?];
        while self.skip("OR") {
            any.push(self.conjunction()?);
        }
        Ok(if any.len() == 1 { any.remove(0) } else { Expr::Or(any) })
    }

    fn conjunction(&mut self) -> Result<Expr, String> {
        let mut all = vec![self.primary()?];
        while self.skip("AND") {
            all.push(self.primary()?);
        }
        Ok(if all.len() == 1 { all.remove(0) } else { Expr::And(all) })
    }

    fn primary(&mut self) -> Result<Expr, String> {
        if self.skip("NOT") {
            return Ok(Expr::Not(Box::new(self.primary()?)));
        }
        if self.skip("(") {
            let inner = self.expr()?;
            self.expect(")")?;
            return Ok(inner);
        }
        let field = match self.take()? {
            Token::Sign(sign) => return Err(format!("unexpected token: '{sign}'")),
            token => token.text().to_string(),
        };
        let op = self.operator()?;
        let mut values = Vec::new();
        if op == "in" || op == "not in" {
            self.expect("(")?;
            loop {
                values.push(self.value()?);
                if !self.skip(",") {
                    break;
                }
            }
            self.expect(")")?;
        } else {
            values.push(self.value()?);
        }
        Ok(Expr::Test { field, op, values })
    }

    fn operator(&mut self) -> Result<String, String> {
        let token = self.take()?;
        let op = token.text().to_ascii_lowercase();
        match op.as_str() {
            "not" => {
                self.expect("in")?;
                Ok("not in".to_string())
            }
            "is" => Ok(if self.skip("not") { "!=" } else { "=" }.to_string()),
            "=" | "!=" | "<" | "<=" | ">" | ">=" | "~" | "!~" | "in" | "like" => Ok(op),
            _ => Err(format!("unexpected token: '{}'", token.text())),
        }
    }

    fn value(&mut self) -> Result<Token, String> {
        let token = self.take()?;
        if let Token::Sign(sign) = &token {
            return Err(format!("unexpected token: '{sign}'"));
        }
        if matches!(token, Token::Word(_)) && self.skip("(") {
            let argument = if self.skip(")") { String::new() } else { self.take()?.text().to_string() };
            if !argument.is_empty() {
                self.expect(")")?;
            }
            return Ok(Token::Word(format!("{}({argument})", token.text())));
        }
        Ok(token)
    }
}

/// `%` stands for anything, `_` for one character; case does not matter.
pub(crate) fn like(text: &str, pattern: &str) -> bool {
    fn fits(text: &[char], pattern: &[char]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some(('%', rest)) => (0..=text.len()).any(|skip| fits(&text[skip..], rest)),
            Some(('_', rest)) => !text.is_empty() && fits(&text[1..], rest),
            Some((c, rest)) => text.first() == Some(c) && fits(&text[1..], rest),
        }
    }
    let text: Vec<char> = text.to_lowercase().chars().collect();
    let pattern: Vec<char> = pattern.to_lowercase().chars().collect();
    fits(&text, &pattern)
}

/// Applies a comparison sign to an ordering.
pub(crate) fn compares(op: &str, order: std::cmp::Ordering) -> bool {
    match op {
        "=" => order.is_eq(),
        "!=" => order.is_ne(),
        "<" => order.is_lt(),
        "<=" => order.is_le(),
        ">" => order.is_gt(),
        ">=" => order.is_ge(),
        _ => false,
    }
}
