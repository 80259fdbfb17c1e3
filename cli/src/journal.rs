//! What the functions would log: here it is kept in a file of the operator's, one line of JSON for each request and each
//! letter, so that standard output is the answer alone and nobody has to remember what they did.

use std::fs::{DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;
use std::sync::Mutex;

use shared::config::Env;
use shared::report;

/// Where it is: `$XDG_STATE_HOME/watchkeeper/wk.ndjson`, by default under `~/.local/state` (XDG Base Directory
/// Specification); nowhere where there is no home.
pub fn path(env: &Env<'_>) -> Option<PathBuf> {
    let state = env.optional("XDG_STATE_HOME").map(PathBuf::from);
    let state = state.or_else(|| Some(PathBuf::from(env.optional("HOME")?).join(".local/state")))?;
    Some(state.join("watchkeeper/wk.ndjson"))
}

/// Has all lines of this process kept there. What cannot be kept is let go: it must not undo what is done.
pub fn keep(path: Option<PathBuf>) {
    let file = path.and_then(|path| {
        // It says what runs where, and who did what: that is the operator's own.
        DirBuilder::new().recursive(true).mode(0o700).create(path.parent()?).ok()?;
        OpenOptions::new().create(true).append(true).mode(0o600).open(path).ok()
    });
    let file = Mutex::new(file);
    report::divert(move |line| {
        if let Ok(mut file) = file.lock()
            && let Some(file) = file.as_mut()
        {
            // At once, so that two of us do not mix their lines.
            let _ = file.write_all(format!("{line}\n").as_bytes());
        }
    });
}

#[cfg(test)]
mod tests {
    use shared::config::Env;

    use super::path;

    #[track_caller]
    fn check(variables: &[(&str, &str)], expected: Option<&str>) {
        let lookup = |name: &str| {
            variables.iter().find(|(variable, _)| *variable == name).map(|(_, value)| (*value).to_owned())
        };
        assert_eq!(path(&Env::new(&lookup)).as_deref(), expected.map(std::path::Path::new));
    }

    #[test]
    fn it_stands_where_state_belongs() {
        check(&[("HOME", "/home/ann")], Some("/home/ann/.local/state/watchkeeper/wk.ndjson"));
        check(&[("HOME", "/home/ann"), ("XDG_STATE_HOME", "/state")], Some("/state/watchkeeper/wk.ndjson"));
        check(&[], None);
    }
}
