//! The house rules as tests: what a reviewer would nag about is checked here, over the text of
//! every source file. Each rule is a function from text to complaints, and each is shown a text
//! that breaks it, so that a rule which stopped seeing anything is noticed.

#![allow(clippy::disallowed_methods, reason = "looks at the sources, not at a log directory")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The floors of ARCHITECTURE.md, lowest first. A file imports from its own folder, or from floors
/// with a smaller number. Folders on one floor do not see each other.
const FLOORS: &[(&str, u32)] = &[
    ("error", 0),
    ("topic", 1),
    ("config", 2),
    ("env", 3),
    ("format", 4),
    ("batch", 5),
    ("segment", 6),
    ("partition", 7),
    ("commit", 8),
    ("catalog", 9),
    ("group", 10),
    ("producer", 11),
    ("consumer", 11),
    ("transaction", 11),
    ("replication", 11),
    ("broker", 12),
];

/// What a floor does not see although it lies below: bytes and structs know no files and no clock.
const BLIND: &[(&str, &str)] = &[("format", "env"), ("batch", "env"), ("config", "env")];

/// Names that say nothing about the thing inside.
const BANNED_NAMES: &[&str] =
    &["util", "utils", "helper", "helpers", "common", "misc", "types", "manager", "impl"];

/// The longest file, in lines without its inline tests.
const FILE_LINES_MAX: usize = 600;

/// The longest function, in lines from its `fn` to its closing brace: one screen.
const FUNCTION_LINES_MAX: usize = 70;

/// The files that may hold `unsafe`: locks, maps and raw system calls.
const UNSAFE_ALLOWED: &[&str] = &["src/env/", "src/segment/"];

#[test]
fn imports_go_down_the_floors() {
    check_sources("src", |path, text| match module_of(path) {
        Some(module) => import_complaints(&module, text),
        None => Vec::new(),
    });
}

#[test]
fn every_folder_of_src_has_a_floor_and_stands_in_the_architecture() {
    let floors: BTreeSet<String> = entries_of(&root().join("src"))
        .iter()
        .filter(|path| path.is_dir())
        .map(|path| file_name(path))
        .collect();
    let unknown: Vec<_> =
        floors.iter().filter(|name| *name != "bin" && floor_of(name).is_none()).collect();
    assert!(unknown.is_empty(), "folders without a floor in tests/tidy.rs: {unknown:?}");
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    let complaints = architecture_complaints(&text, &floors);
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn names_say_what_is_inside() {
    let mut complaints = Vec::new();
    for path in rust_files(&["src", "tests", "benches", "examples"]) {
        complaints.extend(name_complaints(&relative(&path)));
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn files_and_functions_fit_a_screen_and_a_mind() {
    check_sources("src", |path, text| {
        let mut complaints = function_length_complaints(text);
        if !path.ends_with("tests.rs") {
            complaints.extend(file_length_complaints(text));
        }
        complaints
    });
}

#[test]
fn sources_open_with_what_they_are_and_are_plain() {
    for folder in ["src", "tests", "benches", "examples"] {
        check_sources(folder, |_, text| plainness_complaints(text));
    }
}

#[test]
fn unsafe_stays_in_its_few_files_and_says_why() {
    check_sources("src", |path, text| {
        let allowed = UNSAFE_ALLOWED.iter().any(|prefix| path.starts_with(prefix));
        unsafe_complaints(text, allowed)
    });
}

#[test]
fn lint_exceptions_have_a_reason() {
    check_sources("src", |_, text| exception_complaints(text));
}

#[test]
fn no_file_names_a_path_of_one_machine() {
    let mut complaints = Vec::new();
    for path in text_files(&root()) {
        // A file that is not UTF-8 is data.
        if let Ok(text) = fs::read_to_string(&path) {
            let found = machine_path_complaints(&text);
            complaints.extend(found.into_iter().map(|what| format!("{}: {what}", relative(&path))));
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

// Where things are.

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn relative(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).to_string_lossy().into_owned()
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn entries_of(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("entry").path()).collect();
    paths.sort();
    paths
}

fn rust_files(folders: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut queue: Vec<PathBuf> = folders.iter().map(|folder| root().join(folder)).collect();
    while let Some(path) = queue.pop() {
        if path.is_dir() {
            queue.extend(entries_of(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Everything a person wrote: not the build, not the data that Kafka wrote, not dot folders but ours.
fn text_files(top: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut queue = vec![top.to_owned()];
    while let Some(path) = queue.pop() {
        let name = file_name(&path);
        let skipped = matches!(name.as_str(), "target" | "fixtures" | "vectors" | "Cargo.lock")
            || name.starts_with('.') && name != ".ci" && path != top;
        if skipped {
            continue;
        }
        if path.is_dir() {
            queue.extend(entries_of(&path));
        } else {
            found.push(path);
        }
    }
    found
}

fn check_sources(folder: &str, check: impl Fn(&str, &str) -> Vec<String>) {
    let mut complaints = Vec::new();
    for path in rust_files(&[folder]) {
        let text = fs::read_to_string(&path).expect("a source file is UTF-8");
        let name = relative(&path);
        complaints.extend(check(&name, &text).into_iter().map(|what| format!("{name}: {what}")));
    }
    assert!(complaints.is_empty(), "{} complaints:\n{}", complaints.len(), complaints.join("\n"));
}

// The rules.

fn floor_of(name: &str) -> Option<u32> {
    FLOORS.iter().find(|(floor, _)| *floor == name).map(|(_, number)| *number)
}

/// The modules from the crate root down to the file; `None` for the root and for binaries, which
/// are crates of their own.
fn module_of(path: &str) -> Option<Vec<String>> {
    let inside = path.strip_prefix("src/")?.strip_suffix(".rs")?;
    if inside == "lib" || inside.starts_with("bin/") {
        return None;
    }
    let mut module: Vec<String> = inside.split('/').map(str::to_owned).collect();
    if module.last().is_some_and(|last| last == "mod") {
        module.pop();
    }
    Some(module)
}

fn import_complaints(module: &[String], text: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    let own = &module[0];
    let Some(own_floor) = floor_of(own) else {
        return vec![format!("the folder {own} has no floor in tests/tidy.rs")];
    };
    let code = without_comments_and_strings(text);
    for (line, target) in crate_paths(&code) {
        if &target == own {
            continue;
        }
        let blind = BLIND.iter().any(|(from, to)| from == own && *to == target);
        match floor_of(&target) {
            None => complaints.push(format!(
                "line {line}: crate::{target} is no floor; import from the module that defines it"
            )),
            Some(floor) if floor >= own_floor => {
                complaints.push(format!("line {line}: {own} must not see {target}"));
            }
            Some(_) if blind => {
                complaints.push(format!("line {line}: {own} must not see {target}"));
            }
            Some(_) => {}
        }
    }
    for (number, line) in code.lines().enumerate() {
        // A file's inline `mod tests` is one level deeper than the file.
        let supers = line.matches("super::").count();
        if line.contains("super::super::") && supers > module.len() {
            complaints.push(format!("line {}: super:: climbs out of the folder", number + 1));
        }
    }
    complaints
}

/// The first segment of every path that starts with `crate::`, also of grouped ones.
fn crate_paths(code: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (start, _) in code.match_indices("crate::") {
        let before = code[..start].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '(') {
            continue;
        }
        let line = code[..start].matches('\n').count() + 1;
        let rest = &code[start + "crate::".len()..];
        match rest.strip_prefix('{') {
            None => found.push((line, leading_word(rest))),
            Some(group) => {
                found.extend(group_heads(group).into_iter().map(|name| (line, name)));
            }
        }
    }
    found
}

fn group_heads(group: &str) -> Vec<String> {
    let mut heads = Vec::new();
    let (mut depth, mut at_head) = (0, true);
    for (position, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => at_head = true,
            c if at_head && !c.is_whitespace() => {
                heads.push(leading_word(&group[position..]));
                at_head = false;
            }
            _ => {}
        }
    }
    heads
}

fn leading_word(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// The section "Floors" of ARCHITECTURE.md names every folder of `src` as `folder/`, and no other.
fn architecture_complaints(text: &str, folders: &BTreeSet<String>) -> Vec<String> {
    let mut named = BTreeSet::new();
    let mut inside = false;
    for line in text.lines() {
        if line.starts_with("## ") {
            inside = line.contains("Floors");
            continue;
        }
        if inside {
            named.extend(folder_words(line));
        }
    }
    let mut complaints = Vec::new();
    for missing in folders.difference(&named) {
        complaints.push(format!("ARCHITECTURE.md, Floors: the folder {missing}/ is missing"));
    }
    for extra in named.difference(folders) {
        let member =
            ["src", "ffi", "tests", "benches", "examples", "docs"].contains(&extra.as_str());
        if !member {
            complaints.push(format!("ARCHITECTURE.md, Floors: there is no folder src/{extra}/"));
        }
    }
    complaints
}

/// Words followed by a slash that start a path: `commit/`, and `bin` of `bin/ottla`.
fn folder_words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (slash, _) in line.match_indices('/') {
        let before = &line[..slash];
        let length =
            before.chars().rev().take_while(|c| c.is_ascii_lowercase() || *c == '_').count();
        let start = slash - length;
        let open = line[..start].chars().next_back();
        let starts_a_path = open.is_none_or(|c| matches!(c, ' ' | '`' | '|' | '(' | ',' | '\t'));
        if length > 1 && starts_a_path {
            words.push(line[start..slash].to_owned());
        }
    }
    words
}

fn name_complaints(path: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    for part in path.split('/') {
        let stem = part.strip_suffix(".rs").unwrap_or(part);
        if stem.split('_').any(|word| BANNED_NAMES.contains(&word)) {
            complaints.push(format!("{path}: {stem} does not name a thing"));
        }
    }
    complaints
}

fn file_length_complaints(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    let tests_start = lines.windows(2).position(|pair| {
        pair[0].trim() == "#[cfg(test)]" && pair[1].trim_end().ends_with("mod tests {")
    });
    let length = tests_start.unwrap_or(lines.len());
    if length > FILE_LINES_MAX {
        vec![format!("{length} lines without tests, the wall is {FILE_LINES_MAX}")]
    } else {
        Vec::new()
    }
}

/// Relies on rustfmt: a function ends at the first closing brace in the column of its first line.
fn function_length_complaints(text: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    let code = without_comments_and_strings(text);
    let lines: Vec<&str> = code.lines().collect();
    for (start, line) in lines.iter().enumerate() {
        let trimmed = line.trim_start();
        let indent = line.len() - trimmed.len();
        let name = match function_name(trimmed) {
            Some(name) if !trimmed.ends_with(';') => name,
            _ => continue,
        };
        let close = format!("{}}}", " ".repeat(indent));
        let length = lines[start..].iter().position(|line| line.trim_end() == close);
        if let Some(length) = length
            && length + 1 > FUNCTION_LINES_MAX
        {
            complaints.push(format!(
                "line {}: fn {name} has {} lines, a screen has {FUNCTION_LINES_MAX}",
                start + 1,
                length + 1
            ));
        }
    }
    complaints
}

fn function_name(line: &str) -> Option<String> {
    let at = if line.starts_with("fn ") { 0 } else { line.find(" fn ")? + 1 };
    let modifiers = ["pub", "pub(crate)", "pub(super)", "const", "unsafe", "async", "extern"];
    let only_modifiers = line[..at]
        .split_whitespace()
        .all(|word| modifiers.contains(&word) || word.starts_with("pub(") || word.starts_with('"'));
    let name = leading_word(&line[at + 3..]);
    (only_modifiers && !name.is_empty()).then_some(name)
}

fn plainness_complaints(text: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    if !text.starts_with("//! ") {
        complaints.push("does not open with //! and a sentence".to_owned());
    }
    let marks = [
        concat!("to", "do!("),
        concat!("unimple", "mented!("),
        concat!("#[ig", "nore"),
        concat!("FIX", "ME"),
        concat!("XX", "X"),
    ];
    for (number, line) in text.lines().enumerate() {
        if let Some(c) = line.chars().find(|c| !c.is_ascii()) {
            complaints.push(format!("line {}: {c:?} is not ASCII; write an escape", number + 1));
        }
        for mark in marks.iter().filter(|mark| line.contains(**mark)) {
            complaints.push(format!("line {}: {mark}", number + 1));
        }
    }
    complaints
}

fn unsafe_complaints(text: &str, allowed: bool) -> Vec<String> {
    let mut complaints = Vec::new();
    let code = without_comments_and_strings(text);
    let original: Vec<&str> = text.lines().collect();
    for (number, line) in code.lines().enumerate() {
        let mut words = line.split(|c: char| !(c.is_alphanumeric() || c == '_'));
        if !words.any(|word| word == "unsafe") {
            continue;
        }
        if !allowed {
            complaints.push(format!("line {}: no unsafe here", number + 1));
        }
        let above = &original[number.saturating_sub(8)..=number];
        if !above.iter().any(|line| line.contains("SAFETY:") || line.contains("# Safety")) {
            complaints.push(format!("line {}: unsafe without a SAFETY line", number + 1));
        }
    }
    complaints
}

fn exception_complaints(text: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    for opening in ["#[allow(", "#![allow(", "#[expect(", "#![expect("] {
        for (start, _) in text.match_indices(opening) {
            let end = text[start..].find(")]").map_or(text.len(), |length| start + length);
            if !text[start..end].contains("reason") {
                let line = text[..start].matches('\n').count() + 1;
                complaints.push(format!("line {line}: a lint exception without a reason"));
            }
        }
    }
    complaints
}

fn machine_path_complaints(text: &str) -> Vec<String> {
    let roots = [
        concat!("/ho", "me/"),
        concat!("/ro", "ot/"),
        concat!("/wo", "rk/"),
        concat!("/Us", "ers/"),
        concat!("/tm", "p/"),
    ];
    let mut complaints = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for root in roots {
            let starts_a_path = line.match_indices(root).any(|(start, _)| {
                let before = line[..start].chars().next_back();
                !before.is_some_and(|c| {
                    c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '}' | '/')
                })
            });
            if starts_a_path {
                complaints.push(format!("line {}: names {root}", number + 1));
            }
        }
    }
    complaints
}

/// Code with comments, strings and character literals blanked out; line breaks stay where they are.
fn without_comments_and_strings(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut kept = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let end = skipped_to(bytes, at);
        if end == at {
            kept.push(bytes[at]);
            at += 1;
        } else {
            kept.extend(bytes[at..end].iter().map(|&b| if b == b'\n' { b'\n' } else { b' ' }));
            at = end;
        }
    }
    String::from_utf8_lossy(&kept).into_owned()
}

/// Where the comment, string or character that starts at `at` ends; `at` if none starts there.
fn skipped_to(bytes: &[u8], at: usize) -> usize {
    let rest = &bytes[at..];
    if rest.starts_with(b"//") {
        return at + rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len());
    }
    if rest.starts_with(b"/*") {
        return at
            + rest.windows(2).position(|pair| pair == b"*/").map_or(rest.len(), |end| end + 2);
    }
    let after_word = at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_');
    if rest[0] == b'r' && (!after_word || bytes[at - 1] == b'b') {
        let hashes = rest[1..].iter().take_while(|&&b| b == b'#').count();
        if rest.get(1 + hashes) == Some(&b'"') {
            let close: Vec<u8> = [b"\"".as_slice(), &b"#".repeat(hashes)].concat();
            let body = &rest[2 + hashes..];
            let end = body.windows(close.len()).position(|window| window == close);
            return end.map_or(bytes.len(), |end| at + 2 + hashes + end + close.len());
        }
    }
    match rest[0] {
        b'"' => at + 1 + quoted_length(&rest[1..], b'"'),
        // 'x' and '\n' are characters, 'a without a closing quote is a lifetime.
        b'\'' if rest.get(1) == Some(&b'\\') => {
            at + 3 + quoted_length(rest.get(3..).unwrap_or(&[]), b'\'')
        }
        b'\'' if rest.get(2) == Some(&b'\'') => at + 3,
        _ => at,
    }
}

fn quoted_length(body: &[u8], quote: u8) -> usize {
    let mut at = 0;
    while at < body.len() {
        match body[at] {
            b'\\' => at += 2,
            b if b == quote => return at + 1,
            _ => at += 1,
        }
    }
    body.len()
}

// Each rule is shown what it must see, and what it must let pass.

fn module(path: &str) -> Vec<String> {
    path.split('/').map(str::to_owned).collect()
}

#[test]
fn the_import_rule_sees_upward_sideways_and_root_imports() {
    let complaints = |own: &str, text: &str| import_complaints(&module(own), text).len();
    assert_eq!(complaints("segment/scan", "use crate::partition::Partition;"), 1);
    assert_eq!(complaints("producer/delivery", "use crate::consumer::fetch::Fetch;"), 1);
    assert_eq!(complaints("format/varint", "use crate::env::vfs::Vfs;"), 1);
    assert_eq!(complaints("segment/scan", "use crate::Error;"), 1);
    assert_eq!(
        complaints("segment/scan", "use crate::{error::{Error, Result}, broker::Broker};"),
        1
    );
    assert_eq!(complaints("segment/scan", "fn f() -> crate::broker::Broker {"), 1);
    assert_eq!(complaints("segment/scan", "use super::super::broker::Broker;"), 0);
    assert_eq!(complaints("segment", "use super::super::broker::Broker;"), 1);
    assert_eq!(complaints("segment/scan", "use super::super::super::broker::Broker;"), 1);
    assert_eq!(complaints("novel/thing", "use crate::error::Error;"), 1);
    assert_eq!(complaints("partition/read", "use crate::segment::scan::Scan;"), 0);
    assert_eq!(complaints("partition/read", "use crate::partition::append::Append;"), 0);
    assert_eq!(complaints("segment/scan", "// crate::broker\nlet s = \"crate::broker\";"), 0);
    assert_eq!(complaints("segment/scan", "pub(in crate::segment) fn f() {}"), 0);
}

#[test]
fn the_architecture_rule_sees_missing_and_invented_folders() {
    let folders = BTreeSet::from(["env".to_owned(), "commit".to_owned()]);
    let complaints = |text: &str| architecture_complaints(text, &folders).len();
    assert_eq!(complaints("## Floors\n| `commit/` | `env/` disk.rs |\n## Else\n`other/`"), 0);
    assert_eq!(complaints("## Floors\n commit/  journal"), 1);
    assert_eq!(complaints("## Floors\n commit/ env/ engine/"), 1);
    assert_eq!(complaints("## Other\n commit/ env/"), 2);
}

#[test]
fn the_name_rule_sees_empty_words() {
    assert_eq!(name_complaints("src/env/utils.rs").len(), 1);
    assert_eq!(name_complaints("src/common/mod.rs").len(), 1);
    assert_eq!(name_complaints("src/partition/segment_manager.rs").len(), 1);
    assert_eq!(name_complaints("src/partition/simple.rs").len(), 0);
}

#[test]
fn the_length_rules_see_long_files_and_functions() {
    let long = "let a = 1;\n".repeat(FILE_LINES_MAX + 1);
    assert_eq!(file_length_complaints(&long).len(), 1);
    let tested = format!("fn f() {{}}\n#[cfg(test)]\nmod tests {{\n{long}}}\n");
    assert_eq!(file_length_complaints(&tested).len(), 0);
    let body = "        a();\n".repeat(FUNCTION_LINES_MAX - 2);
    let short = format!("impl A {{\n    pub(crate) fn f() {{\n{body}    }}\n}}\n");
    assert_eq!(function_length_complaints(&short).len(), 0);
    let long = short.replace("fn f() {\n", "fn f() {\n        a();\n");
    assert_eq!(function_length_complaints(&long).len(), 1);
}

#[test]
fn the_plainness_rule_sees_each_blemish() {
    let complaints = |text: &str| plainness_complaints(text).len();
    assert_eq!(complaints("//! A thing.\n"), 0);
    assert_eq!(complaints("use std::fmt;\n"), 1);
    assert_eq!(complaints("//! A thing.\n// \u{e4}\n"), 1);
    assert_eq!(complaints(concat!("//! A thing.\nto", "do!()\n")), 1);
    assert_eq!(complaints(concat!("//! A thing.\n// FIX", "ME later\n")), 1);
    assert_eq!(complaints(concat!("//! A thing.\n#[ig", "nore]\n")), 1);
}

#[test]
fn the_unsafe_rule_sees_strangers_and_silence() {
    let silent = "fn f() {\n    unsafe { g() }\n}\n";
    let spoken = "fn f() {\n    // SAFETY: g is fine.\n    unsafe { g() }\n}\n";
    assert_eq!(unsafe_complaints(silent, true).len(), 1);
    assert_eq!(unsafe_complaints(silent, false).len(), 2);
    assert_eq!(unsafe_complaints(spoken, true).len(), 0);
    assert_eq!(unsafe_complaints(spoken, false).len(), 1);
    assert_eq!(unsafe_complaints("#![forbid(unsafe_code)]\n// unsafe\n", false).len(), 0);
}

#[test]
fn the_exception_rule_sees_a_missing_reason() {
    assert_eq!(exception_complaints("#[allow(dead_code)]\nfn f() {}\n").len(), 1);
    assert_eq!(exception_complaints("#[expect(dead_code, reason = \"why\")]\n").len(), 0);
}

#[test]
fn the_machine_rule_sees_homes() {
    assert_eq!(machine_path_complaints(concat!("cd /ro", "ot/project")).len(), 1);
    assert_eq!(machine_path_complaints(concat!("\"/ho", "me/me/x\"")).len(), 1);
    assert_eq!(machine_path_complaints(concat!("frame", "/wo", "rk/")).len(), 0);
    assert_eq!(machine_path_complaints("src/env/").len(), 0);
}

#[test]
fn the_lexer_keeps_code_and_drops_the_rest() {
    let text = "a '\"' b \"x\\\"y\" c r#\"z\"# d // e\nf /* g */ h 'i: loop {} '\\'' j";
    let words = without_comments_and_strings(text);
    let words: Vec<&str> = words.split_whitespace().collect();
    assert_eq!(words, ["a", "b", "c", "d", "f", "h", "'i:", "loop", "{}", "j"]);
}
