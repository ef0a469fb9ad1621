//! The floors of the house, and who may see whom.

use std::collections::BTreeSet;

use crate::lexer::without_comments_and_strings;

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
    ("replication", 11),
    ("transaction", 12),
    ("broker", 13),
    ("doors", 14),
];

/// What a floor does not see although it lies below: bytes and structs know no files and no clock.
const BLIND: &[(&str, &str)] = &[("format", "env"), ("batch", "env"), ("config", "env")];

pub(crate) fn floor_of(name: &str) -> Option<u32> {
    FLOORS.iter().find(|(floor, _)| *floor == name).map(|(_, number)| *number)
}

/// The modules from the crate root down to the file; `None` for the root and for binaries, which
/// are crates of their own.
pub(crate) fn module_of(path: &str) -> Option<Vec<String>> {
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

pub(crate) fn import_complaints(module: &[String], text: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    let own = &module[0];
    let Some(own_floor) = floor_of(own) else {
        return vec![format!("the folder {own} has no floor in tests/tidy/floors.rs")];
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

pub(crate) fn leading_word(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// The section "Floors" of ARCHITECTURE.md names every folder of `src` as `folder/`, and no other.
pub(crate) fn architecture_complaints(text: &str, folders: &BTreeSet<String>) -> Vec<String> {
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
