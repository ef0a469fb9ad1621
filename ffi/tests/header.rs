//! The committed header is the one that the sources make, and says what a header has to say.
//!
//! `OTTLA_BLESS=1 cargo test -p ottla-ffi --test header` writes it anew.

use std::fs;
use std::path::PathBuf;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn generated() -> String {
    let config = cbindgen::Config::from_file(root().join("cbindgen.toml")).expect("cbindgen.toml");
    let builder = cbindgen::Builder::new().with_crate(root()).with_config(config);
    let mut header = Vec::new();
    builder.generate().expect("the sources have a header").write(&mut header);
    String::from_utf8(header).expect("a header is text")
}

#[test]
fn the_committed_header_is_the_generated_one() {
    let path = root().join("include/ottla.h");
    let generated = generated();
    if std::env::var_os("OTTLA_BLESS").is_some() {
        fs::write(&path, &generated).expect("the header is written");
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == generated, "stale: OTTLA_BLESS=1 cargo test -p ottla-ffi --test header");
}
