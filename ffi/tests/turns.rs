//! A C program, a Python program and this Rust program take turns on one directory: each finds what
//! the one before wrote, neither more nor less, because all three are the same group.

mod c_compiler;
mod python_environment;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use c_compiler::{Mode, compile, library_folder, package, succeeded};
use ottla::{Broker, Record, TopicConfig};

const ORDERS: usize = 10;
const TIME_MAX: Duration = Duration::from_secs(60);

fn rust(directory: &Path, before: &str, own: &str) -> ottla::Result<()> {
    let broker = Broker::open(directory)?;
    broker.ensure_topic("orders", TopicConfig::new().partitions(2))?;
    let builder = broker.consumer().set("group.id", "kitchen");
    let mut consumer =
        builder.set("auto.offset.reset", "earliest").subscribe(["orders"]).build()?;
    let wanted: Vec<String> = match before {
        "" => Vec::new(),
        _ => (0..ORDERS).map(|number| format!("{before} {number}")).collect(),
    };
    let (mut found, mut empty) = (Vec::new(), 0);
    while empty < 2 {
        let records = consumer.poll(Duration::from_millis(200))?;
        let before_poll = found.len();
        for record in &records {
            let text =
                |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or(b"-")).into_owned();
            found.push(format!("{} {}", text(record.key()), text(record.value())));
        }
        empty += usize::from(found.len() == before_poll && found.len() >= wanted.len());
    }
    found.sort();
    assert_eq!(found, wanted, "read by Rust");
    consumer.commit()?;
    drop(consumer);
    let producer = broker.producer().build()?;
    let mut deliveries = Vec::new();
    for number in 0..ORDERS {
        let partition = i32::try_from(number % 2).expect("small");
        let order = number.to_string();
        let record = Record::new("orders", &order).key(own).partition(partition);
        deliveries.push(producer.send(record)?);
    }
    for delivery in deliveries {
        delivery.wait()?;
    }
    drop(producer);
    broker.close()
}

fn program(command: &mut Command, directory: &Path, before: &str, own: &str) {
    command.arg(directory).args([before, own]);
    let outcome = c_compiler::run(command, TIME_MAX);
    succeeded(outcome).unwrap_or_else(|reason| panic!("{own} after {before:?}: {reason}"));
}

#[test]
fn c_python_and_rust_take_turns() {
    let Some(python) = python_environment::python() else { return };
    let (libraries, scratch) = (library_folder(), tempfile::tempdir().expect("a scratch folder"));
    let executable = libraries.path().join("turn");
    let source = package().join("tests/turns/turn.c");
    compile(&source, libraries.path(), Mode::Plain, &executable).unwrap_or_else(|e| panic!("{e}"));
    let directory = scratch.path().join("data");
    let mut before = "";
    // Each comes after each.
    for own in ["c", "python", "rust", "c", "rust", "python", "c"] {
        match own {
            "c" => program(&mut Command::new(&executable), &directory, before, own),
            "python" => {
                let mut turn = Command::new(python);
                turn.arg(package().join("tests/turns/turn.py"));
                program(&mut turn, &directory, before, own);
            }
            _ => rust(&directory, before, own).unwrap_or_else(|error| panic!("{error}")),
        }
        before = own;
    }
    // Of seventy orders the last ten were read by nobody.
    let broker = Broker::open(&directory).expect("it opens");
    let committed = broker.committed_offsets("kitchen").expect("it is known");
    let committed: Vec<_> = committed.into_iter().map(|(_, position)| position.offset).collect();
    assert_eq!(committed, [30, 30]);
}
