//! Nothing but a list of features.
//!
//! `sam build` builds one function after another, each with the features that it alone asks for. A crate that two
//! functions ask for with different features is built twice, and so is all that depends on it: the AWS SDKs, minutes of
//! them. What is listed in this package's `Cargo.toml` makes the features equal; the linker drops what nobody calls.
//! `tests/features.rs` names the crates whose features have come apart again. The name is the usual one for such a crate.
