//! How fast other languages are beside the Rust interface, on the same work in the same run.
//!
//! `cargo bench -p ottla-ffi --bench speed`; `-- produce` measures the rows whose names contain
//! that. One file a row; `row.rs` says what a row is.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench")]

mod append;
mod c_side;
mod consume;
mod produce;
mod python_side;
mod row;
mod single;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let wanted = arguments.find(|argument| !argument.starts_with('-')).unwrap_or_default();
    for row in [
        produce::FORGOTTEN,
        produce::WAITED,
        append::ROW,
        append::SYNCED,
        single::ROW,
        consume::ROW,
    ] {
        if row.name.contains(&wanted) {
            row.measure();
        }
    }
}
