//! Reads provider.d: a checked parser of the part of D's provider declarations that this crate accepts. An error names
//! the line.

/// macOS passes a USDT probe's arguments in registers, and the `usdt` crate takes six.
const MOST_ARGUMENTS: usize = 6;

/// A provider and its probes, in the order of the file.
#[derive(Debug, PartialEq, Eq)]
pub struct Provider {
    pub name: String,
    pub probes: Vec<Probe>,
}

/// One probe: its name as written (`scale__entry`), the comment in front of it, its arguments.
#[derive(Debug, PartialEq, Eq)]
pub struct Probe {
    pub name: String,
    pub comment: String,
    pub arguments: Vec<Argument>,
}

/// One argument of a probe.
#[derive(Debug, PartialEq, Eq)]
pub struct Argument {
    pub name: String,
    pub c_type: CType,
}

/// The C types an argument may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CType {
    U32,
    U64,
    Pointer,
    String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    Mark(char),
    Comment(String),
}

/// Parses the text of provider.d; an error is a sentence that begins with the line's number.
pub fn parse(text: &str) -> Result<Provider, String> {
    let mut tokens = Tokens { left: tokenize(text)?, next: 0, end: text.lines().count() };
    tokens.skip_comments();
    tokens.word("provider")?;
    let name = tokens.identifier("the provider's name")?;
    tokens.mark('{')?;
    let mut probes: Vec<Probe> = Vec::new();
    loop {
        let comment = tokens.skip_comments();
        if tokens.take_mark('}') {
            break;
        }
        let line = tokens.line();
        let probe = tokens.probe(comment)?;
        if probes.iter().any(|other| other.name == probe.name) {
            return Err(format!("line {line}: probe {} is declared twice", probe.name));
        }
        probes.push(probe);
    }
    tokens.mark(';')?;
    tokens.skip_comments();
    match tokens.peek() {
        Some(token) => Err(tokens.wrong("the end of the file", token)),
        None if probes.is_empty() => Err(format!("line {}: provider {name} has no probes", tokens.end)),
        None => Ok(Provider { name, probes }),
    }
}

fn tokenize(text: &str) -> Result<Vec<(usize, Token)>, String> {
    let (mut tokens, mut line, mut rest) = (Vec::new(), 1, text);
    while let Some(first) = rest.chars().next() {
        let length = if let Some(after) = rest.strip_prefix("/*") {
            let Some(end) = after.find("*/") else {
                return Err(format!("line {line}: this comment has no end"));
            };
            tokens.push((line, Token::Comment(after[..end].to_string())));
            end + 4
        } else if is_word(first) {
            let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            tokens.push((line, Token::Word(rest[..end].to_string())));
            end
        } else if "{}();,*".contains(first) {
            tokens.push((line, Token::Mark(first)));
            1
        } else if first.is_ascii_whitespace() {
            1
        } else {
            return Err(format!("line {line}: {first:?} is not expected here"));
        };
        line += rest[..length].matches('\n').count();
        rest = &rest[length..];
    }
    Ok(tokens)
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

struct Tokens {
    left: Vec<(usize, Token)>,
    next: usize,
    end: usize,
}

impl Tokens {
    fn peek(&self) -> Option<&Token> {
        self.left.get(self.next).map(|(_, token)| token)
    }

    fn line(&self) -> usize {
        self.left.get(self.next).map_or(self.end, |(line, _)| *line)
    }

    /// The last of the comments at this position, as one line of text.
    fn skip_comments(&mut self) -> String {
        let mut last = String::new();
        while let Some(Token::Comment(text)) = self.peek() {
            last = text.split_whitespace().collect::<Vec<_>>().join(" ");
            self.next += 1;
        }
        last
    }

    fn wrong(&self, expected: &str, found: &Token) -> String {
        let found = match found {
            Token::Word(word) => format!("`{word}`"),
            Token::Mark(mark) => format!("`{mark}`"),
            Token::Comment(_) => "a comment".to_string(),
        };
        format!("line {}: expected {expected}, found {found}", self.line())
    }

    fn missing(&self, expected: &str) -> String {
        match self.peek() {
            Some(found) => self.wrong(expected, found),
            None => format!("line {}: expected {expected}, found the end of the file", self.end),
        }
    }

    fn take_mark(&mut self, mark: char) -> bool {
        let taken = self.peek() == Some(&Token::Mark(mark));
        self.next += usize::from(taken);
        taken
    }

    fn mark(&mut self, mark: char) -> Result<(), String> {
        if self.take_mark(mark) { Ok(()) } else { Err(self.missing(&format!("`{mark}`"))) }
    }

    fn word(&mut self, word: &str) -> Result<(), String> {
        match self.peek() {
            Some(Token::Word(found)) if found == word => self.next += 1,
            _ => return Err(self.missing(&format!("`{word}`"))),
        }
        Ok(())
    }

    fn identifier(&mut self, what: &str) -> Result<String, String> {
        match self.peek() {
            Some(Token::Word(word)) if word.starts_with(|c: char| c.is_ascii_lowercase()) => {
                let word = word.clone();
                self.next += 1;
                Ok(word)
            }
            _ => Err(self.missing(what)),
        }
    }

    fn probe(&mut self, comment: String) -> Result<Probe, String> {
        self.word("probe")?;
        let line = self.line();
        let name = self.identifier("the probe's name")?;
        self.mark('(')?;
        let mut arguments: Vec<Argument> = Vec::new();
        while !self.take_mark(')') {
            if !arguments.is_empty() {
                self.mark(',')?;
            }
            let at = self.line();
            let argument = self.argument()?;
            if arguments.iter().any(|other| other.name == argument.name) {
                return Err(format!("line {at}: probe {name} has two arguments {}", argument.name));
            }
            arguments.push(argument);
        }
        self.mark(';')?;
        match arguments.len() {
            0 => Err(format!("line {line}: probe {name} has no arguments")),
            count if count > MOST_ARGUMENTS => {
                Err(format!("line {line}: probe {name} has {count} arguments, more than {MOST_ARGUMENTS}"))
            }
            _ => Ok(Probe { name, comment, arguments }),
        }
    }

    fn argument(&mut self) -> Result<Argument, String> {
        let expected = "uint32_t, uint64_t, uintptr_t or char *";
        let c_type = match self.peek() {
            Some(Token::Word(word)) => match word.as_str() {
                "uint32_t" => CType::U32,
                "uint64_t" => CType::U64,
                "uintptr_t" => CType::Pointer,
                "char" => CType::String,
                _ => return Err(self.missing(expected)),
            },
            _ => return Err(self.missing(expected)),
        };
        self.next += 1;
        if c_type == CType::String {
            self.mark('*')?;
        }
        Ok(Argument { name: self.identifier("the argument's name")?, c_type })
    }
}
