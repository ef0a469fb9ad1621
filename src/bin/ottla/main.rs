//! The command line of Ottla.

fn main() {}
