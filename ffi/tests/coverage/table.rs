//! The table: what a C program uses in place of each thing, and what can be wrong with it.

use std::collections::{BTreeMap, BTreeSet};

use ottla::TopicConfig;
use ottla::config::consumer::ConsumerConfig;
use ottla::config::producer::ProducerConfig;

/// What stands for a thing.
#[derive(Debug, PartialEq)]
enum Row<'a> {
    /// Functions, types and fields of the header.
    Names(Vec<&'a str>),
    /// A setting.
    Setting(&'a str),
    /// A metric.
    Metric(&'a str),
    /// Nothing, and why.
    Reason(&'a str),
}

fn rows(table: &str) -> BTreeMap<&str, Row<'_>> {
    let mut rows = BTreeMap::new();
    let lines = table.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    for line in lines {
        let (thing, what) = line.split_once(" = ").unwrap_or_else(|| panic!("no row: {line}"));
        let row = match what.split_once(' ') {
            Some(("-", reason)) => Row::Reason(reason),
            Some(("setting", name)) => Row::Setting(name),
            Some(("metric", name)) => Row::Metric(name),
            _ => Row::Names(what.split(' ').collect()),
        };
        assert!(rows.insert(thing, row).is_none(), "two rows for {thing}");
    }
    rows
}

/// The header without its comments.
fn code_of(header: &str) -> String {
    let code = header.split("/*").map(|piece| match piece.split_once("*/") {
        Some((_, code)) => code,
        None => piece,
    });
    code.collect()
}

/// The words of the header's declarations, and "struct.field" of its structs.
fn declared(header: &str) -> BTreeSet<String> {
    let code = code_of(header);
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut declared: BTreeSet<String> =
        code.split(|c: char| !word(c)).map(str::to_owned).collect();
    for body in code.split("typedef struct ").skip(1) {
        let Some((name, rest)) = body.split_once(" {\n") else { continue };
        let fields = rest.split("\n}").next().unwrap_or_default();
        for field in fields.split(';') {
            let field = field.split('[').next().unwrap_or_default().trim_end();
            let field = field.rsplit(|c: char| !word(c)).next().unwrap_or_default();
            declared.insert(format!("{name}.{field}"));
        }
    }
    declared
}

fn settings() -> BTreeSet<&'static str> {
    let clients = ProducerConfig::names().chain(ConsumerConfig::names());
    clients.chain(TopicConfig::names()).collect()
}

/// What the rows are compared with.
pub(crate) struct Interface<'a> {
    /// The text of the header.
    pub(crate) header: &'a str,
    /// The text of the sources that name the metrics.
    pub(crate) metrics: &'a str,
}

/// What is wrong with the table, one line each; `public` is what it has to have.
pub(crate) fn faults(
    public: &BTreeSet<String>,
    table: &str,
    interface: &Interface<'_>,
) -> Vec<String> {
    let (rows, declared, settings) = (rows(table), declared(interface.header), settings());
    let mut faults = Vec::new();
    for thing in public.iter().filter(|thing| !rows.contains_key(thing.as_str())) {
        faults.push(format!("{thing} has no row: what does a C program use?"));
    }
    for (thing, row) in &rows {
        if !public.contains(*thing) {
            faults.push(format!("{thing} is not public any more"));
        }
        match row {
            Row::Names(names) => {
                for name in names.iter().filter(|name| !declared.contains(**name)) {
                    faults.push(format!("{thing}: the header does not declare {name}"));
                }
            }
            Row::Setting(name) if !settings.contains(name) => {
                faults.push(format!("{thing}: there is no setting {name}"));
            }
            Row::Metric(name) if !interface.metrics.contains(&format!("\"{name}\"")) => {
                faults.push(format!("{thing}: there is no metric {name}"));
            }
            Row::Reason(reason) if reason.len() < 10 => {
                faults.push(format!("{thing}: no reason why C has none"));
            }
            Row::Setting(_) | Row::Metric(_) | Row::Reason(_) => {}
        }
    }
    faults
}

#[test]
fn faults_are_found() {
    let public = ["A::new", "A.old"].map(str::to_owned).into();
    let header = "/* ottla_b(x) */\nottla_status ottla_a(int x); // typedef\n\
                  typedef struct ottla_s {\n  int8_t old; /* {new} */\n  char *name[3];\n} ottla_s;\n";
    let interface = Interface { header, metrics: "(\"poll-total\", 1.0)" };
    let found = |table: &str| faults(&public, table, &interface);
    for sound in [
        "# A table.\n\nA::new = ottla_a\nA.old = ottla_s.old ottla_s.name",
        "A::new = setting linger.ms\nA.old = metric poll-total",
        "A::new = - there is no use for it\nA.old = ottla_s",
    ] {
        assert_eq!(found(sound), Vec::<String>::new(), "{sound}");
    }
    for (wrong, part) in [
        ("A::new = ottla_a", "A.old has no row"),
        ("A::new = ottla_a\nA.old = ottla_b", "not declare ottla_b"),
        ("A::new = ottla_a\nA.old = ottla_s.new", "not declare ottla_s.new"),
        ("A::new = - so\nA.old = ottla_a", "no reason"),
        ("A::new = setting linger\nA.old = ottla_a", "no setting linger"),
        ("A::new = metric poll\nA.old = ottla_a", "no metric poll"),
        ("A::new = ottla_a\nA.old = ottla_a\nA::gone = ottla_a", "A::gone is not public"),
    ] {
        let found = found(wrong);
        assert!(found.len() == 1 && found[0].contains(part), "{wrong}: {found:?}");
    }
}
