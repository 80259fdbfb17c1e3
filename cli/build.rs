//! How `wk` is linked where it is built small, by `install.toml`: for the program alone, because what one of its dependencies
//! also offers as a library of its own cannot be linked so. These are words of the linker that Rust brings for this platform.

#[expect(
    clippy::disallowed_methods,
    reason = "how it is built, cargo tells a build script in the environment"
)]
fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=small.ld");
    let is = |name: &str, value: &str| std::env::var(name).is_ok_and(|it| it == value);
    let knows_how = is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ARCH", "x86_64");
    if knows_how && is("OPT_LEVEL", "z") {
        // At a fixed address, as Go's programs are, the 2 MB are not needed that say what to move elsewhere.
        println!("cargo::rustc-link-arg-bins=-no-pie");
        // Of functions that are the same to the last byte, one is kept.
        println!("cargo::rustc-link-arg-bins=-Wl,--icf=all");
        // Nothing unwinds, and so the 3 MB are not needed that say how; the compiler makes them all the same.
        println!("cargo::rustc-link-arg-bins=-Wl,--no-eh-frame-hdr");
        println!("cargo::rustc-link-arg-bins=-Wl,-T,{}/small.ld", env!("CARGO_MANIFEST_DIR"));
    }
}
