//! The header as data: its functions, handles and structs. Relies on how the header is generated,
//! not on C in general.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::collections::{BTreeMap, BTreeSet};

/// What the header declares.
#[derive(Debug, Default)]
pub(crate) struct Header {
    pub(crate) functions: Vec<Function>,
    /// Types without a visible struct.
    pub(crate) handles: BTreeSet<String>,
    /// Types with one: their fields.
    pub(crate) structs: BTreeMap<String, Vec<Variable>>,
    /// Types of functions of the program.
    pub(crate) callbacks: BTreeSet<String>,
}

#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) comment: String,
    pub(crate) returns: String,
    pub(crate) parameters: Vec<Variable>,
}

/// A parameter or a field.
#[derive(Debug)]
pub(crate) struct Variable {
    pub(crate) name: String,
    /// Without `struct`: "const ottla_setting *".
    pub(crate) kind: String,
}

/// What a parameter is to a caller.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Role<'a> {
    /// A handle of this type.
    Handle(&'a str),
    /// A place for a handle of this type.
    HandleResult(&'a str),
    /// Structs of this type that are read.
    Structs(&'a str),
    /// A place for a struct of this type.
    StructResult(&'a str),
    /// Text with a zero byte at its end.
    Text,
    /// An array of texts.
    Texts,
    /// Bytes, or numbers, that are read.
    Bytes,
    /// A function of the program, or what it is called with.
    Callback,
    /// Any other pointer: a place for a number, text or pointer.
    Result,
    /// A number.
    Number,
}

impl Header {
    pub(crate) fn parse(text: &str) -> Header {
        let mut header = Header::default();
        // The code after each comment, up to the next one.
        for block in text.split("/**").skip(1) {
            let (comment, code) = block.split_once("*/").expect("a comment ends");
            header.functions.extend(function(comment, &without_directives(code)));
        }
        let code = without_directives(&without_comments(text));
        for statement in code.split(';').filter(|each| each.trim_start().starts_with("typedef")) {
            let name = statement.split_once("(*").and_then(|(_, rest)| rest.split_once(')'));
            header.callbacks.extend(name.map(|(name, _)| name.to_owned()));
        }
        for part in code.split("typedef struct ").skip(1) {
            let declared = part.split([' ', '{', ';']).next().unwrap_or_default().to_owned();
            match part[declared.len()..].trim_start().strip_prefix('{') {
                Some(body) => {
                    let fields = body.split('}').next().unwrap_or_default().split(';');
                    let fields = fields.map(str::trim).filter(|field| !field.is_empty());
                    header.structs.insert(declared, fields.map(variable).collect());
                }
                None => {
                    header.handles.insert(declared);
                }
            }
        }
        header
    }

    pub(crate) fn role<'a>(&self, parameter: &'a Variable) -> Role<'a> {
        let kind = parameter.kind.as_str();
        if self.callbacks.contains(kind) || kind.contains("(*") || parameter.name == "user_data" {
            return Role::Callback;
        }
        let stars = kind.matches('*').count();
        let base = kind.trim_start_matches("const ").split([' ', '*']).next().unwrap_or_default();
        let is_read = kind.starts_with("const ");
        match (stars, base) {
            (0, _) => Role::Number,
            (1, base) if self.handles.contains(base) => Role::Handle(base),
            (2, base) if self.handles.contains(base) => Role::HandleResult(base),
            (1, base) if self.structs.contains_key(base) && is_read => Role::Structs(base),
            (1, base) if self.structs.contains_key(base) => Role::StructResult(base),
            (1, "char") if is_read => Role::Text,
            (2, "char") if kind.contains("*const") => Role::Texts,
            (1, _) if is_read => Role::Bytes,
            _ => Role::Result,
        }
    }

    /// Whether the struct begins with its size.
    pub(crate) fn has_size(&self, name: &str) -> bool {
        let first = self.structs.get(name).and_then(|fields| fields.first());
        first.is_some_and(|field| field.name == "struct_size")
    }
}

impl Function {
    /// Whether it gives a handle back to the library.
    pub(crate) fn frees(&self) -> bool {
        self.name.ends_with("_free") || ["ottla_close", "ottla_abandon"].contains(&&*self.name)
    }
}

fn without_comments(text: &str) -> String {
    let parts = text.split("/*").enumerate();
    let code = parts.map(|(at, part)| match at {
        0 => part,
        _ => part.split_once("*/").map_or("", |(_, code)| code),
    });
    code.collect()
}

fn without_directives(code: &str) -> String {
    let lines = code.lines().filter(|line| !line.starts_with('#') && !line.starts_with("extern"));
    lines.map(|line| line.to_owned() + "\n").collect()
}

/// The function that is declared first in the code after a comment, if that is what is there.
fn function(comment: &str, code: &str) -> Option<Function> {
    let declaration = code.split(';').next()?.trim();
    if declaration.starts_with("typedef") || !declaration.ends_with(')') {
        return None;
    }
    let (before, arguments) = declaration.strip_suffix(')')?.split_once('(')?;
    let Variable { name, kind } = variable(before);
    let arguments = split_at_commas(arguments);
    let parameters = arguments.iter().filter(|text| *text != "void").map(|text| variable(text));
    Some(Function {
        name,
        comment: comment.to_owned(),
        returns: kind,
        parameters: parameters.collect(),
    })
}

/// Commas within the parentheses of a function pointer do not count.
fn split_at_commas(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut depth = 0;
    for letter in text.chars() {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        match parts.last_mut() {
            Some(last) if letter != ',' || depth > 0 => last.push(letter),
            _ => parts.push(String::new()),
        }
    }
    parts.into_iter().map(|part| part.trim().to_owned()).collect()
}

fn variable(text: &str) -> Variable {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ").replace("struct ", "");
    if let Some((before, after)) = text.split_once("(*") {
        let name = after.split(')').next().unwrap_or_default().to_owned();
        return Variable { name, kind: format!("{before}(*)") };
    }
    let name = text.rsplit([' ', '*']).next().unwrap_or_default().to_owned();
    let kind = text[..text.len() - name.len()].trim().to_owned();
    Variable { name, kind }
}

#[test]
fn a_header_is_understood() {
    let text = "/** Opaque. */\ntypedef struct ottla_thing ottla_thing;\n\
        /** Plain. */\ntypedef struct ottla_plain {\n  /** Size. */\n  uint32_t struct_size;\n\
        const uint8_t *key;\n} ottla_plain;\n#define OTTLA_X 1\n\
        typedef bool (*ottla_asked)(void *data, int x);\n\
        /** Does it. */\nint32_t ottla_do(const struct ottla_thing *thing,\n\
        const char *const *texts, ottla_asked ask, struct ottla_plain *plain,\n\
        struct ottla_thing **made);\n/** Says it. */\nconst char *ottla_say(void);\n";
    let header = Header::parse(text);
    assert_eq!(header.handles.iter().collect::<Vec<_>>(), ["ottla_thing"]);
    assert!(header.has_size("ottla_plain") && header.structs["ottla_plain"][1].name == "key");
    let [does, says] = &header.functions[..] else { panic!("{:?}", header.functions) };
    assert_eq!(
        (&*does.name, &*does.returns, &*does.comment),
        ("ottla_do", "int32_t", " Does it. ")
    );
    let roles: Vec<_> = does.parameters.iter().map(|each| header.role(each)).collect();
    let expected = [
        Role::Handle("ottla_thing"),
        Role::Texts,
        Role::Callback,
        Role::StructResult("ottla_plain"),
        Role::HandleResult("ottla_thing"),
    ];
    assert_eq!(roles, expected);
    assert_eq!((&*says.returns, says.parameters.len()), ("const char *", 0));
}
