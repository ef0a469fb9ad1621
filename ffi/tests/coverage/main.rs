//! Everything that a Rust program can do, a C program can do: coverage.txt says with what.
//!
//! The Rust side is read from the sources: the names that the crate exports, the public methods of
//! the types that programs work with, the public fields of structs. One without a row, a row without
//! one, and a row that names what the header does not declare are failures.

mod public;
mod table;

use std::fs;
use std::path::PathBuf;

use public::{TYPES, public_in};
use table::{Interface, faults};

fn package() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(package().join(path)).expect(path)
}

#[test]
fn everything_public_is_there_for_c_programs() {
    let metrics = read("src/producer.rs") + &read("src/consumer/mod.rs");
    let interface = Interface { header: &read("include/ottla.h"), metrics: &metrics };
    let faults = faults(&public_in(&package().join("../src")), &read("coverage.txt"), &interface);
    assert!(faults.is_empty(), "coverage.txt:\n{}", faults.join("\n"));
}

#[test]
fn every_type_was_found_in_the_sources() {
    let public = public_in(&package().join("../src"));
    for (name, module) in TYPES {
        let begins = format!("{name}::");
        let found = public.iter().any(|thing| thing.starts_with(&begins));
        assert!(found, "{name} has no public method in src/{module}: was it moved?");
    }
    for field in ["RecoveryReport.clean", "OwnedRecord.offset", "Appended.base_offset"] {
        assert!(public.contains(field), "{field} was not found");
    }
}
