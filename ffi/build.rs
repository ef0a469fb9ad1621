//! Gives the shared library its soname: programs linked against it ask for this major version. Once
//! loaded it stays: threads of the program hold destructors of it, and dlclose is then harmless.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let is_elf = std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|system| system == "linux");
    if is_elf {
        println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libottla.so.0");
        println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }
}
