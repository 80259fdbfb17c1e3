//! What is asked, one file per group of words: the request, and how its answer is shown.

mod audit;
mod changes;
mod checks;
mod deed;
mod dlq;
mod doctor;
mod env;
mod freeze;
mod keys;
mod monitor;
mod notices;
mod policy;
mod quotas;
mod rotation;
mod scale;
mod scaling;
mod secrets;
mod services;
mod status;
mod validate;
mod watch;
mod when;

use clap::CommandFactory;
use serde_json::Value;
use shared::policy::Policy;
use shared::text::{LONGEST_NAME, is_hidden};

use crate::Problem;
use crate::args::{Args, Command, Route, Secrets, StackTask, Sure, Who};
use crate::exit::Exit;
use crate::reach::Reach;
use crate::say::Out;

/// What stands below a plan.
const PLAN: &str = "This is the plan; nothing was changed. With --apply it is carried out.";

/// Why nothing was done although the word was given.
const CHANGED: &str = "the plan has changed meanwhile; nothing was done. Look, and ask again";

/// Answers what needs no account; nothing where one is needed.
pub(crate) fn without_account(command: &Command, out: &Out) -> Option<Exit> {
    let done = match command {
        Command::Completions { shell } => Ok(completions(*shell, out)),
        Command::Man => man(out),
        Command::Policy(task) => policy::without_account(task, out)?,
        Command::Status(status) => Err(watch::refusal(status, out)?),
        Command::Diagnose { .. }
        | Command::Monitor(_)
        | Command::Rollback(_)
        | Command::Redeploy(_)
        | Command::Scale(_)
        | Command::Stack(_)
        | Command::Secrets(_)
        | Command::Env(_)
        | Command::Validate(_)
        | Command::Freeze(_)
        | Command::Audit(_)
        | Command::Doctor
        | Command::Dlq(_)
        | Command::Scaling
        | Command::Incidents(_)
        | Command::Ack { .. }
        | Command::Silence(_)
        | Command::Route(_) => return None,
    };
    Some(done.unwrap_or_else(|problem| {
        out.problem(&problem);
        Exit::Unable
    }))
}

/// Does what is asked, where that needs an account.
pub(crate) async fn run(args: &Args, out: &Out) -> Result<Exit, Problem> {
    let environment = args.env.clone().or_else(|| shared::config::Env::process().optional("WK_ENV"));
    if matches!(args.command, Command::Doctor) {
        return Ok(doctor::run(args, environment.as_deref(), out).await);
    }
    let reach = Reach::new(environment.as_deref(), args.profile.as_deref(), args.remote).await?;
    if out.is_for_people() {
        let how = if args.remote { "by the deployed functions" } else { "with your own credentials" };
        let (environment, name, place) = (&reach.stack.environment, &reach.stack.name, reach.stack.place());
        out.note(&format!("{environment} ({name} in {place}), {how}"));
    }
    match &args.command {
        Command::Status(status) => status::run(&reach, status, out).await,
        Command::Diagnose { target } => changes::diagnose(&reach, target.as_deref(), out).await,
        Command::Monitor(monitor) => monitor::run(&reach, monitor, out).await,
        Command::Rollback(rollback) => changes::rollback(&reach, rollback, out).await,
        Command::Redeploy(redeploy) => secrets::redeploy(&reach, redeploy, out).await,
        Command::Scale(scale) => scale::run(&reach, scale, out).await,
        Command::Stack(StackTask::Fix(fix)) => changes::fix(&reach, fix, out).await,
        Command::Secrets(Secrets::Uses { secret }) => secrets::uses(&reach, secret, out).await,
        Command::Secrets(Secrets::Check { service }) => keys::check(&reach, service, out).await,
        Command::Secrets(Secrets::Rotation) => rotation::run(&reach, out).await,
        Command::Env(asked) => env::run(&reach, asked, out).await,
        Command::Validate(asked) => validate::run(&reach, asked, out).await,
        Command::Freeze(asked) => freeze::run(&reach, asked, out).await,
        Command::Audit(asked) => audit::run(&reach, asked, out).await,
        Command::Dlq(asked) => dlq::run(&reach, asked, out).await,
        Command::Scaling => scaling::run(&reach, out).await,
        Command::Incidents(asked) => notices::incidents(&reach, asked, out).await,
        Command::Ack { incident, who } => notices::acknowledge(&reach, incident, who, out).await,
        Command::Silence(silence) => notices::silence(&reach, silence, out).await,
        Command::Route(Route::Test(sketch)) => notices::test(&reach, sketch, out).await,
        // The others were answered without an account, or without a stack.
        Command::Policy(_) | Command::Doctor | Command::Completions { .. } | Command::Man => {
            policy::in_place(&reach, out).await
        }
    }
}

fn completions(shell: clap_complete::Shell, out: &Out) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "wk", &mut script);
    out.raw(&String::from_utf8_lossy(&script));
    Exit::Good
}

fn man(out: &Out) -> Result<Exit, Problem> {
    let mut page = Vec::new();
    let mut all = Args::command().bin_name("wk");
    all.build();
    pages(&all, &mut page)
        .map_err(|error| Problem::new(format!("the manual page cannot be written: {error}")))?;
    out.raw(&String::from_utf8_lossy(&page));
    Ok(Exit::Good)
}

/// A command's page, and after it those of its own commands: one document has all.
fn pages(command: &clap::Command, to: &mut Vec<u8>) -> std::io::Result<()> {
    clap_mangen::Man::new(command.clone()).render(to)?;
    let mut own = command.get_subcommands().filter(|command| command.get_name() != "help");
    own.try_for_each(|command| pages(command, to))
}

/// The text of a field; empty where there is none.
fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// What a field says, whatever it is; a dash where there is nothing.
fn shown(value: &Value, pointer: &str) -> String {
    match value.pointer(pointer) {
        None | Some(Value::Null) => "–".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// The members of a list.
fn each<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> {
    value.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}

/// Who asks.
fn by(who: &Who) -> Result<String, Problem> {
    let env = shared::config::Env::process();
    let name = who.by.clone().or_else(|| env.optional("USER")).or_else(|| env.optional("LOGNAME"));
    let name = name
        .filter(|name| !name.trim().is_empty())
        .ok_or_else(|| Problem::new("it is not known who asks: give --by, it is told with what is done"))?;
    one_line("who asks (--by)", &name, LONGEST_NAME)
}

/// A text that stands in messages to people: one short line that shows what it is.
fn one_line(what: &str, text: &str, most: usize) -> Result<String, Problem> {
    let text = text.trim();
    if text.chars().count() > most {
        return Err(Problem::new(format!("{what} is longer than {most} characters")));
    }
    if text.chars().any(|c| is_hidden(c) || matches!(c, '\u{2028}' | '\u{2029}')) {
        return Err(Problem::new(format!(
            "{what} contains line ends or other characters that cannot be seen"
        )));
    }
    Ok(text.to_owned())
}

/// Who asks for a deed; a plan is anybody's.
fn asker(sure: &Sure) -> Result<String, Problem> {
    match by(&sure.who) {
        Err(_) if !sure.apply => Ok("somebody".to_owned()),
        known => known,
    }
}

/// The word that production asks for: as it was given, or as somebody types it. Nothing outside of production, and of what
/// may be production: a target in the cluster, where there is one.
///
/// # Errors
/// Where it is production, and the word is another or nobody can be asked.
async fn sure(
    reach: &Reach,
    given: Option<&str>,
    word: &'static str,
    cluster: Option<&str>,
    out: &Out,
) -> Result<Option<&'static str>, Problem> {
    if let Some(given) = given {
        return if given == word {
            Ok(Some(word))
        } else {
            Err(Problem::refused(format!("the word is {word}; nothing was changed")))
        };
    }
    let environment = reach.is_production().await.then_some(reach.stack.environment.as_str());
    let Some(why) = production(environment, cluster) else {
        return Ok(None);
    };
    match out.typed(&format!("{why}. Type {word} to go on:")).await {
        Some(typed) if typed == word => Ok(Some(word)),
        Some(_) => Err(Problem::refused("that is not the word; nothing was changed")),
        None => Err(Problem::refused(format!("{why}, and nobody can be asked here: give --confirm {word}"))),
    }
}

/// Why the word is asked for: this environment is production, or the cluster is called as production is.
fn production(environment: Option<&str>, cluster: Option<&str>) -> Option<String> {
    let cluster = cluster.filter(|cluster| Policy::default().is_production(cluster));
    match (environment, cluster) {
        (Some(environment), _) => Some(format!("{environment} is production")),
        (None, Some(cluster)) => Some(format!("the cluster {cluster} is called as production is")),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{LONGEST_NAME, one_line, production};

    #[test]
    fn the_word_is_asked_for_where_anything_is_called_as_production_is() {
        for (environment, cluster, expected) in [
            (None, None, None),
            (None, Some("demo"), None),
            (None, Some("prod"), Some("the cluster prod is called as production is")),
            (Some("live"), Some("demo"), Some("live is production")),
            (Some("prod"), None, Some("prod is production")),
        ] {
            assert_eq!(production(environment, cluster).as_deref(), expected);
        }
    }

    #[test]
    fn who_asks_is_one_short_line_that_shows_what_it_is() {
        let long = "é".repeat(LONGEST_NAME);
        for (name, expected) in [
            (" ann ", Ok("ann")),
            ("Ann 👩\u{200d}🚒", Ok("Ann 👩\u{200d}🚒")),
            (long.as_str(), Ok(long.as_str())),
            (&format!("{long}e"), Err("longer than 80 characters")),
            ("ann\nben", Err("cannot be seen")),
            ("ann\u{1b}[31m", Err("cannot be seen")),
            ("ann\u{202e}", Err("cannot be seen")),
            ("ann\u{2028}ben", Err("cannot be seen")),
        ] {
            match (one_line("it", name, LONGEST_NAME), expected) {
                (Ok(name), Ok(expected)) => assert_eq!(name, expected),
                (Err(problem), Err(said)) => assert!(problem.to_string().contains(said), "{problem}"),
                (read, expected) => panic!("{read:?} instead of {expected:?}"),
            }
        }
    }
}
