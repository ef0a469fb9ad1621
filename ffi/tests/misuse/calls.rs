//! Writes a C file with a table of all functions: each can be called with any number in the place
//! of a handle, and with prepared arguments. So a function that is added is misused, too,
//! without anybody thinking of it.

use std::fmt::Write;

use crate::c_header::{Function, Header, Role, Variable};

/// More arguments no function has.
const ARGUMENTS_MAX: usize = 12;

pub(crate) fn table_of_calls(header: &Header) -> String {
    let mut text =
        String::from("/* Generated from ottla.h by the test `misuse`. */\n#pragma once\n\n");
    let handles: Vec<&str> = header.handles.iter().map(String::as_str).collect();
    let list = handles.iter().map(|name| format!("  \"{name}\",\n")).collect::<String>();
    let count = handles.len();
    put(&mut text, &format!("#define HANDLE_TYPES {count}\n#define ARGUMENTS {ARGUMENTS_MAX}\n"));
    put(&mut text, &format!("static const char *const type_names[HANDLE_TYPES] = {{\n{list}}};\n"));
    text.push_str("#include \"arguments.h\"\n\n");
    for (name, fields) in &header.structs {
        put(&mut text, &filler(header, name, fields));
    }
    let mut rows = String::new();
    for (number, function) in header.functions.iter().enumerate() {
        assert!(function.parameters.len() <= ARGUMENTS_MAX, "{}", function.name);
        put(&mut text, &wrapper(header, &handles, number, function));
        let found = handles_of(header, &handles, function);
        for taken in found.iter().copied().map(Some).chain(found.is_empty().then_some(None)) {
            put(&mut rows, &row(header, &handles, number, function, taken));
        }
    }
    put(&mut text, &format!("static const struct call calls[] = {{\n{rows}}};\n"));
    text.push_str("#define CALLS (sizeof calls / sizeof calls[0])\n");
    text
}

fn put(text: &mut String, more: &str) {
    writeln!(text, "{more}").expect("a string takes everything");
}

fn index_of(handles: &[&str], name: &str) -> usize {
    handles.iter().position(|handle| *handle == name).expect("a handle of the header")
}

/// Which parameters are handles, with the number of the type.
fn handles_of(header: &Header, handles: &[&str], function: &Function) -> Vec<(usize, usize)> {
    let parameters = function.parameters.iter().enumerate();
    let found = parameters.filter_map(|(position, parameter)| match header.role(parameter) {
        Role::Handle(kind) => Some((position, index_of(handles, kind))),
        _ => None,
    });
    found.collect()
}

/// A function that fills one struct for the library to read.
fn filler(header: &Header, name: &str, fields: &[Variable]) -> String {
    let mut body = String::new();
    // Reserved arrays stay zero.
    for field in fields.iter().filter(|field| !field.name.contains('[')) {
        let value = match (header.role(field), field.name.as_str()) {
            (_, "struct_size") => "sizeof *filled".to_owned(),
            (Role::Text, _) => "some_name(arguments)".to_owned(),
            (Role::Bytes, _) => "(const uint8_t *)some_name(arguments)".to_owned(),
            (Role::Number, _) => format!("({})some_number(arguments)", field.kind),
            // Callbacks, pointers to more structs.
            _ => "0".to_owned(),
        };
        put(&mut body, &format!("  filled->{} = {value};", field.name));
    }
    format!(
        "static inline void fill_{name}({name} *filled, struct arguments *arguments) {{\n{body}}}\n"
    )
}

fn argument(header: &Header, handles: &[&str], position: usize, parameter: &Variable) -> String {
    match header.role(parameter) {
        Role::Handle(kind) => format!("handles[{}]", index_of(handles, kind)),
        Role::Text => format!("arguments->text[{position}]"),
        Role::Texts => format!("(const char *const *)arguments->pointer[{position}]"),
        Role::Callback => "0".to_owned(),
        Role::Number if parameter.name.ends_with("timeout_ms") => {
            format!("arguments->timeout_ms[{position}]")
        }
        Role::Number if parameter.kind == "size_t" => format!("arguments->count[{position}]"),
        Role::Number => format!("({})arguments->number[{position}]", parameter.kind),
        _ => format!("arguments->pointer[{position}]"),
    }
}

/// A function that calls one of the library with prepared arguments.
fn wrapper(header: &Header, handles: &[&str], number: usize, function: &Function) -> String {
    let mut prepared = String::new();
    for (position, parameter) in function.parameters.iter().enumerate() {
        let place = format!("arguments->place[{position}]");
        match header.role(parameter) {
            Role::Structs(name) => {
                let fill = format!("fill_{name}(&(({name} *){place})[at], arguments);");
                let bound = format!("sizeof {place} / sizeof({name}) && at < 4");
                put(&mut prepared, &format!("  for (size_t at = 0; at < {bound}; at++) {fill}"));
            }
            Role::StructResult(name) if header.has_size(name) => {
                put(
                    &mut prepared,
                    &format!("  (({name} *){place})->struct_size = sizeof({name});"),
                );
            }
            Role::Texts => put(
                &mut prepared,
                &format!(
                    "  for (size_t at = 0; at < 4; at++) \
                     ((const char **){place})[at] = some_name(arguments);"
                ),
            ),
            _ => {}
        }
    }
    let list = function.parameters.iter().enumerate();
    let list: Vec<_> =
        list.map(|(position, each)| argument(header, handles, position, each)).collect();
    let call = format!("{}({})", function.name, list.join(", "));
    let cast = if function.returns.contains('*') { "(int64_t)(intptr_t)" } else { "(int64_t)" };
    format!(
        "static int64_t run_{number}(void *const *handles, struct arguments *arguments) {{\n  \
         (void)handles;\n  (void)arguments;\n{prepared}  return {cast}{call};\n}}\n"
    )
}

/// One row of the table: the function with the handle at one position, if it takes any.
fn row(
    header: &Header,
    handles: &[&str],
    number: usize,
    function: &Function,
    taken: Option<(usize, usize)>,
) -> String {
    let (position, kind) =
        taken.map_or((-1, -1), |(position, kind)| (position as i64, kind as i64));
    let mut results = Vec::new();
    let (mut outputs, mut sized) = (0_u32, 0_u32);
    for (at, parameter) in function.parameters.iter().enumerate() {
        match header.role(parameter) {
            Role::HandleResult(made) => {
                results.push(format!("{{{at}, {}}}", index_of(handles, made)));
                outputs |= u32::from(made != "ottla_error") << at;
            }
            Role::StructResult(name) => {
                outputs |= 1 << at;
                sized |= u32::from(header.has_size(name)) << at;
            }
            // How many records were taken is told on failure, too.
            Role::Result => outputs |= u32::from(parameter.name != "taken") << at,
            _ => {}
        }
    }
    assert!(results.len() <= 3, "{} makes {} handles", function.name, results.len());
    results.resize(3, "{-1, 0}".to_owned());
    let is_status = function.returns == "ottla_status" && function.name != "ottla_error_status";
    format!(
        "  {{\"{}\", {kind}, {position}, {}, {}, {outputs}u, {sized}u, {{{}}}, run_{number}}},",
        function.name,
        u8::from(is_status),
        u8::from(function.frees()),
        results.join(", "),
    )
}
