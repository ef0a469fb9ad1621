//! The little JSON that Kafka's state files are written in: objects, arrays, strings, integers,
//! booleans and null. No fractions, no floating point: those files hold none.
//!
//! Not a general parser. The invariant: depth and length are bounded, and no input panics.

use crate::format::FormatError;

/// The longest text that is parsed.
pub const JSON_BYTES_MAX: usize = 1 << 16;

const DEPTH_MAX: usize = 16;

/// A parsed value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Json {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number without a fraction.
    Integer(i64),
    /// A string.
    Text(String),
    /// Values in order.
    Array(Vec<Json>),
    /// Names and values in order; a name may occur twice, the last one counts.
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Parses a whole text.
    ///
    /// # Errors
    /// It is no JSON of the kind described above, or longer than [`JSON_BYTES_MAX`].
    pub fn parse(bytes: &[u8]) -> Result<Json, FormatError> {
        if bytes.len() > JSON_BYTES_MAX {
            let what = format!("{} bytes of JSON, allowed are {JSON_BYTES_MAX}", bytes.len());
            return Err(FormatError::limit(what, JSON_BYTES_MAX));
        }
        let text = std::str::from_utf8(bytes)
            .map_err(|error| FormatError::corrupt("the JSON is not UTF-8", error.valid_up_to()))?;
        let mut parser = Parser { text, at: 0 };
        let value = parser.value(0)?;
        parser.skip_space();
        if parser.at < text.len() {
            return Err(parser.unexpected("the end"));
        }
        Ok(value)
    }

    /// The value of a name, if this is an object that has it.
    pub fn get(&self, name: &str) -> Option<&Json> {
        match self {
            Json::Object(members) => {
                members.iter().rev().find(|member| member.0 == name).map(|member| &member.1)
            }
            _ => None,
        }
    }

    /// The number, if this is one.
    pub fn as_integer(&self) -> Option<i64> {
        if let Json::Integer(number) = self { Some(*number) } else { None }
    }

    /// The text, if this is one.
    pub fn as_text(&self) -> Option<&str> {
        if let Json::Text(text) = self { Some(text) } else { None }
    }
}

/// Appends `text` as a JSON string.
pub fn write_text(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c < ' ' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn unexpected(&self, wanted: &str) -> FormatError {
        let found = match self.text[self.at..].chars().next() {
            Some(c) => format!("{c:?}"),
            None => "the end".to_owned(),
        };
        FormatError::corrupt(format!("the JSON has {found} where {wanted} belongs"), self.at)
    }

    fn accept(&mut self, text: &str) -> bool {
        let accepted = self.text.as_bytes()[self.at..].starts_with(text.as_bytes());
        if accepted {
            self.at += text.len();
        }
        accepted
    }

    fn value(&mut self, depth: usize) -> Result<Json, FormatError> {
        if depth > DEPTH_MAX {
            return Err(FormatError::limit("the JSON is nested too deeply", self.at));
        }
        self.skip_space();
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => Ok(Json::Text(self.string()?)),
            Some(b'-' | b'0'..=b'9') => self.integer(),
            _ if self.accept("null") => Ok(Json::Null),
            _ if self.accept("true") => Ok(Json::Bool(true)),
            _ if self.accept("false") => Ok(Json::Bool(false)),
            _ => Err(self.unexpected("a value")),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Json, FormatError> {
        let mut members = Vec::new();
        self.sequence("{", "}", |parser| {
            parser.skip_space();
            let name = parser.string()?;
            parser.skip_space();
            if !parser.accept(":") {
                return Err(parser.unexpected("':'"));
            }
            members.push((name, parser.value(depth + 1)?));
            Ok(())
        })?;
        Ok(Json::Object(members))
    }

    fn array(&mut self, depth: usize) -> Result<Json, FormatError> {
        let mut values = Vec::new();
        self.sequence("[", "]", |parser| {
            values.push(parser.value(depth + 1)?);
            Ok(())
        })?;
        Ok(Json::Array(values))
    }

    fn sequence(
        &mut self,
        open: &str,
        close: &str,
        mut element: impl FnMut(&mut Self) -> Result<(), FormatError>,
    ) -> Result<(), FormatError> {
        self.accept(open);
        self.skip_space();
        if self.accept(close) {
            return Ok(());
        }
        loop {
            element(self)?;
            self.skip_space();
            if self.accept(close) {
                return Ok(());
            }
            if !self.accept(",") {
                return Err(self.unexpected("',' or the end of the list"));
            }
        }
    }

    fn integer(&mut self) -> Result<Json, FormatError> {
        let start = self.at;
        self.accept("-");
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        match self.text[start..self.at].parse() {
            Ok(number) => Ok(Json::Integer(number)),
            Err(_) => {
                self.at = start;
                Err(self.unexpected("an integer of 64 bits"))
            }
        }
    }

    fn string(&mut self) -> Result<String, FormatError> {
        if !self.accept("\"") {
            return Err(self.unexpected("a string"));
        }
        let mut text = String::new();
        loop {
            let Some(c) = self.text[self.at..].chars().next() else {
                return Err(self.unexpected("'\"'"));
            };
            match c {
                '"' => {
                    self.at += 1;
                    return Ok(text);
                }
                '\\' => text.push(self.escape()?),
                c if c < ' ' => return Err(self.unexpected("a printable character")),
                c => {
                    self.at += c.len_utf8();
                    text.push(c);
                }
            }
        }
    }

    fn escape(&mut self) -> Result<char, FormatError> {
        let plain = [
            ("\\\"", '"'),
            ("\\\\", '\\'),
            ("\\/", '/'),
            ("\\b", '\u{8}'),
            ("\\f", '\u{c}'),
            ("\\n", '\n'),
            ("\\r", '\r'),
            ("\\t", '\t'),
        ];
        if let Some((_, c)) = plain.into_iter().find(|(text, _)| self.accept(text)) {
            return Ok(c);
        }
        let hex = self.text.as_bytes().get(self.at + 2..self.at + 6);
        let code = hex.filter(|_| self.text.as_bytes()[self.at + 1] == b'u').and_then(|hex| {
            hex.iter().try_fold(0, |code, &c| Some(code << 4 | char::from(c).to_digit(16)?))
        });
        // Half a surrogate pair is refused: no name in these files needs one.
        match code.and_then(char::from_u32) {
            Some(c) => {
                self.at += 6;
                Ok(c)
            }
            None => Err(self.unexpected("a known escape")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_every_kind_are_read() {
        let json = br#" {"a":[1,-2,{}],"b":"x\"\u0041\n\u00e9","c":null,"d":true,"e":false,"a":9223372036854775807} "#;
        let json = Json::parse(json).unwrap();
        assert_eq!(json.get("a").unwrap().as_integer(), Some(i64::MAX));
        assert_eq!(json.get("b").unwrap().as_text(), Some("x\"A\n\u{e9}"));
        assert_eq!(json.get("c"), Some(&Json::Null));
        assert_eq!(json.get("d"), Some(&Json::Bool(true)));
        assert_eq!(json.get("z"), None);
        let mut text = String::new();
        write_text(&mut text, "x\"\\\n\u{e9}");
        assert_eq!(Json::parse(text.as_bytes()).unwrap().as_text(), Some("x\"\\\n\u{e9}"));
    }

    #[test]
    fn what_is_no_json_is_refused_and_nothing_panics() {
        for text in [
            "",
            "{",
            "}",
            "[1",
            "[1,]",
            "{\"a\"}",
            "{\"a\":}",
            "{a:1}",
            "1.5",
            "1e3",
            "-",
            "--1",
            "\"",
            "\"\\",
            "\"\\u12",
            "\"\\u12g4\"",
            "\"\\ud800\"",
            "\"\\x\"",
            "\"\n\"",
            "nul",
            "1 2",
            "\u{e9}",
            "\"\\\u{e9}\u{e9}\u{e9}\"",
            "99999999999999999999",
        ] {
            assert!(Json::parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(Json::parse(&[0xff]).is_err());
        assert!(Json::parse("[".repeat(1000).as_bytes()).is_err());
        assert!(Json::parse(" ".repeat(JSON_BYTES_MAX + 1).as_bytes()).is_err());
    }
}
