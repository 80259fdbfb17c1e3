//! `wk`; its story is told in `lib.rs`.

use std::process::ExitCode;

fn main() -> ExitCode {
    watchkeeper::main()
}
