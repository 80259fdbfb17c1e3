//! What is asked, one file per group of words: the request, and how its answer is shown.

mod changes;
mod dlq;
mod notices;
mod policy;
mod scaling;
mod secrets;
mod status;

use clap::CommandFactory;
use serde_json::Value;

use crate::Problem;
use crate::args::{Args, Command, Route, Secrets, Who};
use crate::exit::Exit;
use crate::reach::Reach;
use crate::say::Out;

/// Does what is asked.
pub(crate) async fn run(args: &Args, out: &Out) -> Result<Exit, Problem> {
    // What needs no account is answered without one.
    if let Command::Completions { shell } = &args.command {
        return Ok(completions(*shell, out));
    }
    if let Command::Man = &args.command {
        return man(out);
    }
    if let Command::Policy(task) = &args.command
        && !policy::needs_account(task)
    {
        return policy::without_account(task, out);
    }
    let environment = args.env.clone().or_else(|| shared::config::Env::process().optional("WK_ENV"));
    let reach = Reach::new(environment.as_deref(), args.remote).await?;
    if out.is_for_people() {
        let how = if args.remote { "by the deployed functions" } else { "with your own credentials" };
        out.note(&format!("{} ({}), {how}", reach.stack.environment, reach.stack.name));
    }
    match &args.command {
        Command::Status(status) => status::run(&reach, status, out).await,
        Command::Diagnose { target } => changes::diagnose(&reach, target, out).await,
        Command::Rollback(rollback) => changes::rollback(&reach, rollback, out).await,
        Command::Redeploy(redeploy) => secrets::redeploy(&reach, redeploy, out).await,
        Command::Secrets(Secrets::Uses { secret }) => secrets::uses(&reach, secret, out).await,
        Command::Dlq(asked) => dlq::run(&reach, asked, out).await,
        Command::Scaling => scaling::run(&reach, out).await,
        Command::Incidents => notices::incidents(&reach, out).await,
        Command::Ack { incident, who } => notices::acknowledge(&reach, incident, who, out).await,
        Command::Silence(silence) => notices::silence(&reach, silence, out).await,
        Command::Route(Route::Test(sketch)) => notices::test(&reach, sketch, out).await,
        Command::Policy(_) => policy::in_place(&reach, out).await,
        Command::Completions { .. } | Command::Man => Ok(Exit::Good),
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
    let rendered = clap_mangen::Man::new(Args::command()).render(&mut page);
    rendered.map_err(|error| Problem::new(format!("the manual page cannot be written: {error}")))?;
    out.raw(&String::from_utf8_lossy(&page));
    Ok(Exit::Good)
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
    name.filter(|name| !name.trim().is_empty())
        .ok_or_else(|| Problem::new("it is not known who asks: give --by, it is told with what is done"))
}

/// The word that production asks for: as it was given, or as somebody types it. Nothing outside of production.
///
/// # Errors
/// Where it is production, and the word is another or nobody can be asked.
async fn sure(
    reach: &Reach,
    given: Option<&str>,
    word: &'static str,
    out: &Out,
) -> Result<Option<&'static str>, Problem> {
    if let Some(given) = given {
        return if given == word { Ok(Some(word)) } else { Err(Problem::new(format!("the word is {word}"))) };
    }
    if !reach.is_production().await {
        return Ok(None);
    }
    let environment = &reach.stack.environment;
    match out.typed(&format!("{environment} is production. Type {word} to go on:")) {
        Some(typed) if typed == word => Ok(Some(word)),
        Some(_) => Err(Problem::new("that is not the word; nothing was changed")),
        None => Err(Problem::new(format!(
            "{environment} is production, and nobody can be asked here: give --confirm {word}"
        ))),
    }
}
