//! What a provider says about somebody, read as far as Carrel needs it.

use serde_json::{Map, Value};

/// Names and values as a provider gives them.
pub type Said = Map<String, Value>;

/// Somebody whom a provider vouches for.
pub struct Claims {
    /// As the provider names itself.
    pub issuer: String,
    /// Given by the provider for good.
    pub subject: String,
    pub all: Said,
}

impl Claims {
    /// `None` when nobody is named.
    pub fn new(issuer: &str, all: Said) -> Option<Self> {
        Some(Self { issuer: issuer.to_owned(), subject: text(&all, "sub")?, all })
    }

    /// A claim that is text and not empty, or a number.
    pub fn text(&self, name: &str) -> Option<String> {
        text(&self.all, name)
    }

    /// A claim that is one text or a list of them.
    pub fn texts(&self, name: &str) -> Vec<String> {
        match self.all.get(name) {
            Some(Value::Array(list)) => list.iter().filter_map(in_letters).collect(),
            Some(one) => in_letters(one).into_iter().collect(),
            None => Vec::new(),
        }
    }

    /// The e-mail address, unless the provider says in any way that nobody proved it.
    pub fn email(&self) -> Option<String> {
        let is_proved = match self.all.get("email_verified") {
            None | Some(Value::Null) => true,
            Some(Value::Bool(said)) => *said,
            Some(Value::String(said)) => said.eq_ignore_ascii_case("true"),
            Some(_) => false,
        };
        self.text("email").filter(|_| is_proved)
    }
}

/// Text that is not empty, or a whole number in digits.
pub fn text(said: &Said, name: &str) -> Option<String> {
    said.get(name).and_then(in_letters)
}

fn in_letters(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) if !number.is_f64() => number.to_string(),
        _ => return None,
    };
    Some(text).filter(|text| !text.is_empty())
}
