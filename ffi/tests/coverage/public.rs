//! What a Rust program can use, read from the sources: exported names, methods, fields.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The types that programs work with, and the module that each comes from: private types of other
/// modules may have the same names.
pub(crate) const TYPES: &[(&str, &str)] = &[
    ("Broker", "broker"),
    ("AtomicAppend", "broker"),
    ("PartitionHandle", "broker"),
    ("Appender", "broker"),
    ("Stream", "broker"),
    ("Producer", "producer"),
    ("ProducerBuilder", "producer"),
    ("Delivery", "producer"),
    ("Consumer", "consumer"),
    ("ConsumerBuilder", "consumer"),
    ("Snapshot", "consumer"),
    ("SnapshotReader", "consumer"),
    ("Table", "consumer"),
    ("Transaction", "transaction"),
    ("TransactionBuilder", "transaction"),
    ("TransactionalProducer", "transaction"),
    ("TransactionalProducerBuilder", "transaction"),
    ("CompactionOptions", "broker"),
    ("VerifyOptions", "broker"),
    ("VerifyReport", "broker"),
    ("RecoveryReport", "broker"),
    ("Error", "error"),
];

/// Structs whose fields are settings: ottla_settings_defaults lists them by name.
const SETTINGS: &[&str] = &["BrokerOptions"];

/// Not exported from here, and some of its types have names that others have, too.
const FORMAT: &str = "format";

/// All of it: "Name", "Type::method" and "Type.field".
pub(crate) fn public_in(source: &Path) -> BTreeSet<String> {
    let lib = fs::read_to_string(source.join("lib.rs")).expect("the root of the crate");
    let exported = exported(&lib);
    let mut public = methods_in(source);
    public.extend(fields_in(source, &exported));
    public.extend(exported);
    public
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
        for path in entries.map(|entry| entry.expect("an entry").path()) {
            let is_rust = path.extension().is_some_and(|ending| ending == "rs");
            if path.is_dir() {
                folders.push(path);
            } else if is_rust {
                files.push(path);
            }
        }
    }
    files
}

/// The names in the `pub use` lines of the crate.
fn exported(lib: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for used in lib.split("\npub use ").skip(1) {
        let path = used.split(';').next().unwrap_or_default();
        let last = match path.split_once('{') {
            Some((_, list)) => list.trim_end_matches('}'),
            None => path.rsplit("::").next().unwrap_or_default(),
        };
        let words = last.split(',').map(str::trim).filter(|name| !name.is_empty());
        names.extend(words.map(str::to_owned));
    }
    names
}

/// The type of an inherent `impl` that begins in this line.
fn type_of_impl(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("impl")?.trim_end().strip_suffix('{')?;
    // Parameters of the impl are in angle brackets right behind it.
    let rest = match rest.strip_prefix('<') {
        Some(parameters) => parameters.split_once("> ")?.1,
        None => rest.strip_prefix(' ')?,
    };
    if rest.contains(" for ") {
        return None;
    }
    rest.split(['<', ' ']).next().filter(|name| !name.is_empty())
}

/// The name of a public method that begins in this line.
fn method(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("    pub ")?;
    let rest = rest.strip_prefix("const ").unwrap_or(rest);
    let rest = rest.strip_prefix("async ").unwrap_or(rest);
    rest.strip_prefix("fn ")?.split(['(', '<']).next()
}

/// "Type::method" of all public methods of [`TYPES`].
fn methods_in(source: &Path) -> BTreeSet<String> {
    let mut modules: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (name, module) in TYPES {
        modules.entry(*module).or_default().push(*name);
    }
    let mut methods = BTreeSet::new();
    for (module, types) in modules {
        for file in rust_files(&source.join(module)) {
            let text = fs::read_to_string(&file).expect("a source file");
            let mut current = None;
            for line in text.lines() {
                if line.starts_with("impl") {
                    current = type_of_impl(line).filter(|name| types.contains(name));
                } else if line.starts_with('}') {
                    current = None;
                }
                if let (Some(name), Some(method)) = (current, method(line)) {
                    methods.insert(format!("{name}::{method}"));
                }
            }
        }
    }
    methods
}

/// The name of the struct with named fields that begins in this line.
fn type_of_struct(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("pub struct ")?.trim_end().strip_suffix('{')?;
    rest.split(['<', ' ']).next()
}

/// The name of the public field in this line.
fn field(line: &str) -> Option<&str> {
    let (name, _) = line.strip_prefix("    pub ")?.split_once(": ")?;
    Some(name).filter(|name| !name.contains([' ', '(']))
}

/// "Type.field" of all public fields of the exported structs.
fn fields_in(source: &Path, exported: &BTreeSet<String>) -> BTreeSet<String> {
    let mut fields = BTreeSet::new();
    let files = rust_files(source);
    for file in files.iter().filter(|file| !file.starts_with(source.join(FORMAT))) {
        let text = fs::read_to_string(file).expect("a source file");
        let mut current = None;
        for line in text.lines() {
            if line.starts_with("pub struct ") {
                current = type_of_struct(line)
                    .filter(|name| exported.contains(*name) && !SETTINGS.contains(name));
            } else if line.starts_with('}') {
                current = None;
            }
            if let (Some(name), Some(field)) = (current, field(line)) {
                fields.insert(format!("{name}.{field}"));
            }
        }
    }
    fields
}

#[test]
fn lines_are_read_as_they_are_written() {
    let lib = "use own::Own;\npub use a::b::C;\n#[doc]\npub use a::{D, E,\n    F};\npub mod g;";
    assert!(exported(lib).iter().eq(["C", "D", "E", "F"]));
    for (line, name) in [
        ("impl Broker {", Some("Broker")),
        ("impl<'a> ExpectEnd<'a> {", Some("ExpectEnd")),
        ("impl Drop for Broker {", None),
        ("impl<T: Clone> From<T> for Broker {", None),
    ] {
        assert_eq!(type_of_impl(line), name, "{line}");
    }
    for (line, name) in [
        ("    pub fn close(self) -> Result<()> {", Some("close")),
        ("    pub fn stream<'a>(&self) {", Some("stream")),
        ("    pub const fn len(&self) {", Some("len")),
        ("    pub(crate) fn engine(&self) {", None),
        ("    fn own(&self) {", None),
        ("        pub fn of_something_inner() {", None),
    ] {
        assert_eq!(method(line), name, "{line}");
    }
    for (line, name) in [
        ("    pub clean: bool,", Some("clean")),
        ("    pub(crate) own: bool,", None),
        ("    own: bool,", None),
        ("    pub fn of(map: Map) {", None),
    ] {
        assert_eq!(field(line), name, "{line}");
    }
    assert_eq!(type_of_struct("pub struct Records<'a> {"), Some("Records"));
    assert_eq!(type_of_struct("pub struct TopicId(pub [u8; 16]);"), None);
}
