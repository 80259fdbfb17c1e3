//! The words of the command line.

use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::say::Output;

const EXAMPLES: &str = "\
Examples:
  wk status                                    what is wrong, first of all
  wk diagnose ecs:prod/web                     how a service stands, and what a rollback would do
  wk rollback ecs:prod/web                     the plan; with --apply it is carried out
  wk rollback ecs:prod/web --to web:41 --apply
  wk redeploy --secret prod/db                 who would be redeployed
  wk dlq status                                the dead-letter queues, and when letters are lost
  wk dlq redrive orders-dlq --group 3f2a
  wk ack <incident>                            you have it in hand: nobody else is called
  wk route test --severity sev1 --subject prod/web

Exit codes: 0 healthy or done, 1 errors or refused, 2 warnings or unknown, 3 could not run,
130 Ctrl-C.
Without --env, WK_ENV says the environment; without that, it is the only one watched here.";

/// The watch over services on Amazon ECS, by hand.
#[derive(Debug, Parser)]
#[command(name = "wk", version, after_help = EXAMPLES, disable_help_subcommand = true)]
pub struct Args {
    /// The environment whose stack is meant.
    #[arg(long, short, global = true, value_name = "ENVIRONMENT")]
    pub env: Option<String>,
    /// Have the deployed function do it, instead of doing it with your own credentials.
    #[arg(long, global = true)]
    pub remote: bool,
    /// How the answer is written.
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        hide_possible_values = true,
        value_name = "text|json"
    )]
    pub output: Output,
    /// The AWS profile, in place of the environment's.
    #[arg(long, global = true, value_parser = NonEmptyStringValueParser::new())]
    pub profile: Option<String>,
    /// The AWS Region, in place of the environment's.
    #[arg(long, global = true, value_parser = NonEmptyStringValueParser::new())]
    pub region: Option<String>,
    /// What is asked.
    #[command(subcommand)]
    pub command: Command,
}

/// What is asked.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check everything the services stand on, and say what is wrong.
    Status(Status),
    /// Say how a target stands, why its tasks stop, and what a rollback would do.
    Diagnose {
        /// Such as ecs:prod/web, lambda:orders:live or stack:billing.
        target: String,
    },
    /// Roll a target back. Without --apply, only the plan is told.
    Rollback(Rollback),
    /// Redeploy the services that use a secret. Without --apply, only the plan is told.
    Redeploy(Redeploy),
    /// What services do with secrets.
    #[command(subcommand)]
    Secrets(Secrets),
    /// Dead-letter queues.
    #[command(subcommand)]
    Dlq(Dlq),
    /// What each service that follows a queue would get, and why.
    Scaling,
    /// What goes on now.
    Incidents,
    /// You have an incident in hand: nobody else is called.
    Ack {
        /// Its key, which stands at the end of each message.
        incident: String,
        /// Who asks.
        #[command(flatten)]
        who: Who,
    },
    /// Tell nobody of something for a while; without anything to match, list the silences.
    Silence(Silence),
    /// Who is told what.
    #[command(subcommand)]
    Route(Route),
    /// The policy: what the owners decided.
    #[command(subcommand)]
    Policy(PolicyTask),
    /// Print the completions of a shell.
    Completions {
        /// Which.
        shell: Shell,
    },
    /// Print the manual page.
    Man,
}

impl Command {
    /// Whether it changes something that must not be left half done: it is ended only when that is asked for twice.
    pub const fn acts(&self) -> bool {
        match self {
            Self::Rollback(Rollback { apply, .. })
            | Self::Redeploy(Redeploy { apply, .. })
            | Self::Dlq(
                Dlq::Redrive { apply, .. }
                | Dlq::Archive(Emptying { apply, .. })
                | Dlq::Drain(Emptying { apply, .. })
                | Dlq::Purge(Emptying { apply, .. })
                | Dlq::Restore { apply, .. },
            ) => *apply,
            Self::Ack { .. } | Self::Silence(_) => true,
            Self::Dlq(Dlq::Status { .. } | Dlq::Peek { .. } | Dlq::Groups { .. })
            | Self::Status(_)
            | Self::Diagnose { .. }
            | Self::Secrets(_)
            | Self::Scaling
            | Self::Incidents
            | Self::Route(_)
            | Self::Policy(_)
            | Self::Completions { .. }
            | Self::Man => false,
        }
    }

    /// What is true when it is interrupted.
    pub const fn interrupted(&self) -> &'static str {
        match self {
            Self::Dlq(Dlq::Status { .. }) => NOTHING,
            Self::Dlq(_) => {
                "interrupted. No letter is lost: what was in hand comes back by itself, and until then, at most five \
                 minutes, the queue counts as being worked on. What was sent or archived a moment ago may be there twice"
            }
            Self::Rollback(_) | Self::Redeploy(_) | Self::Ack { .. } | Self::Silence(_) if self.acts() => {
                "interrupted. What was begun is written down and may go on: look before you ask again (wk diagnose, wk \
                 incidents, wk silence)"
            }
            Self::Rollback(_)
            | Self::Redeploy(_)
            | Self::Ack { .. }
            | Self::Silence(_)
            | Self::Status(_)
            | Self::Diagnose { .. }
            | Self::Secrets(_)
            | Self::Scaling
            | Self::Incidents
            | Self::Route(_)
            | Self::Policy(_)
            | Self::Completions { .. }
            | Self::Man => NOTHING,
        }
    }
}

const NOTHING: &str = "interrupted; nothing was changed";

/// Which checks, and how they are shown.
#[derive(Debug, ClapArgs)]
pub struct Status {
    /// Only this kind, such as ecs-service; may be given several times.
    #[arg(long = "kind", value_name = "KIND")]
    pub kinds: Vec<String>,
    /// How it is shown; yaml is short, for language models.
    #[arg(long, value_enum, default_value = "table")]
    pub format: Format,
}

/// How checks are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[expect(missing_docs, reason = "the words are the function's own")]
pub enum Format {
    Summary,
    Table,
    Yaml,
    Json,
    Verbose,
    Html,
}

impl Format {
    /// The function's word.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Summary => "summary",
            Self::Table => "table",
            Self::Yaml => "yaml",
            Self::Json => "json",
            Self::Verbose => "verbose",
            Self::Html => "html",
        }
    }
}

/// Who asks.
#[derive(Debug, ClapArgs)]
pub struct Who {
    /// Who asks; without it, the name that you are logged in with.
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
}

/// What makes a plan a deed.
#[derive(Debug, ClapArgs)]
pub struct Sure {
    /// The word that production asks for, where nobody can be asked to type it.
    #[arg(long, value_name = "WORD", requires = "apply")]
    pub confirm: Option<String>,
}

/// Of what, and to what.
#[derive(Debug, ClapArgs)]
pub struct Rollback {
    /// Such as ecs:prod/web, lambda:orders:live or stack:billing.
    pub target: String,
    /// To this revision: web:41, 41 or an ARN of a service's, 7 of an alias.
    #[arg(long, value_name = "REVISION", conflicts_with_all = ["at", "undo"])]
    pub to: Option<String>,
    /// To what ran at this time, such as 2026-11-20T03:00:00Z.
    #[arg(long, value_name = "TIME", conflicts_with = "undo")]
    pub at: Option<String>,
    /// To what stood there before this operation.
    #[arg(long, value_name = "OPERATION")]
    pub undo: Option<String>,
    /// Carry the plan out.
    #[arg(long)]
    pub apply: bool,
    /// What makes it a deed.
    #[command(flatten)]
    pub sure: Sure,
    /// Who asks.
    #[command(flatten)]
    pub who: Who,
}

/// Of which secret.
#[derive(Debug, ClapArgs)]
pub struct Redeploy {
    /// The secret's name or ARN.
    #[arg(long)]
    pub secret: String,
    /// Carry the plan out.
    #[arg(long)]
    pub apply: bool,
    /// What makes it a deed.
    #[command(flatten)]
    pub sure: Sure,
    /// Who asks.
    #[command(flatten)]
    pub who: Who,
}

/// What services do with secrets.
#[derive(Debug, Subcommand)]
pub enum Secrets {
    /// Who uses a secret, where, and what a redeploy would do.
    Uses {
        /// The secret's name or ARN.
        secret: String,
    },
}

/// Dead-letter queues.
#[derive(Debug, Subcommand)]
pub enum Dlq {
    /// How the queues stand: how many letters, since when, lost when.
    Status {
        /// Only this queue: its name, URL or ARN.
        queue: Option<String>,
    },
    /// Show some letters, without what tells of people.
    Peek {
        /// Its name, URL or ARN.
        queue: String,
        /// How many, 1 to 100.
        #[arg(long, default_value_t = 10)]
        count: usize,
        /// Of this group only.
        #[arg(long)]
        group: Option<String>,
    },
    /// What the letters died of, group by group.
    Groups {
        /// Its name, URL or ARN.
        queue: String,
    },
    /// Send letters back: a few first, then the others. Without --apply, only what there is is told.
    Redrive {
        /// Its name, URL or ARN.
        queue: String,
        /// Of this group.
        #[arg(long, conflicts_with = "everything", required_unless_present = "everything")]
        group: Option<String>,
        /// All, whatever they died of.
        #[arg(long)]
        everything: bool,
        /// Do it; without it, what there is is shown.
        #[arg(long)]
        apply: bool,
        /// Who asks.
        #[command(flatten)]
        who: Who,
    },
    /// Keep letters in the archive, and take them out of the queue; with --apply.
    Archive(Emptying),
    /// Send back what can succeed, and archive the others; with --apply.
    Drain(Emptying),
    /// Empty a queue: all goes into the archive; with --apply.
    Purge(Emptying),
    /// Send letters of the archive to their queue again; with --apply.
    Restore {
        /// Its name, URL or ARN.
        queue: String,
        /// The run's key, as its notice names it, or one part's.
        run: String,
        /// Where to.
        #[arg(long, value_enum)]
        to: To,
        /// Of this group only.
        #[arg(long)]
        group: Option<String>,
        /// Also what was restored before.
        #[arg(long)]
        again: bool,
        /// Do it; without it, how the queue stands is shown.
        #[arg(long)]
        apply: bool,
        /// Who asks.
        #[command(flatten)]
        who: Who,
    },
}

/// Which letters are taken out.
#[derive(Debug, ClapArgs)]
pub struct Emptying {
    /// Its name, URL or ARN.
    pub queue: String,
    /// How many there are, so that nobody empties what they have not looked at.
    #[arg(long)]
    pub count: u64,
    /// Of this group only; not for a purge.
    #[arg(long)]
    pub group: Option<String>,
    /// Do it; without it, what there is is shown.
    #[arg(long)]
    pub apply: bool,
    /// Who asks.
    #[command(flatten)]
    pub who: Who,
}

/// Where letters of the archive are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum To {
    /// To the dead-letter queue.
    Dlq,
    /// To where they came from.
    Source,
}

impl To {
    /// The function's word.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Dlq => "dlq",
            Self::Source => "source",
        }
    }
}

/// What is silenced.
#[derive(Debug, ClapArgs)]
pub struct Silence {
    /// What it is about, such as service=web or source=rds; all of them have to fit.
    #[arg(value_name = "FIELD=VALUE", requires_all = ["until", "reason"])]
    pub matches: Vec<String>,
    /// Until when, such as 2026-12-01T00:00:00Z.
    #[arg(long, value_name = "TIME", requires = "matches")]
    pub until: Option<String>,
    /// Why.
    #[arg(long, requires = "matches")]
    pub reason: Option<String>,
    /// Who asks.
    #[command(flatten)]
    pub who: Who,
}

/// Who is told what.
#[derive(Debug, Subcommand)]
pub enum Route {
    /// Which channels would get something, and why or why not. Nobody is told.
    Test(Sketch),
}

/// What would be told.
#[derive(Debug, ClapArgs)]
pub struct Sketch {
    /// How bad: sev1 to sev5.
    #[arg(long, default_value = "sev2")]
    pub severity: String,
    /// Whether it begins (firing), ends (resolved) or is told for the record (info).
    #[arg(long, default_value = "firing")]
    pub state: String,
    /// Who tells it, such as alarm-rollback.
    #[arg(long)]
    pub source: Option<String>,
    /// What kind of thing it is about, such as ecs-service.
    #[arg(long)]
    pub kind: Option<String>,
    /// What it is about, such as prod/web.
    #[arg(long)]
    pub subject: Option<String>,
    /// A label, such as service=web; may be given several times.
    #[arg(long = "label", value_name = "NAME=VALUE")]
    pub labels: Vec<String>,
    /// When, such as 2026-11-29T03:00:00Z; without it, now.
    #[arg(long, value_name = "TIME")]
    pub at: Option<String>,
    /// Under this policy, which is not in place yet.
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
}

/// The policy.
#[derive(Debug, Subcommand)]
pub enum PolicyTask {
    /// Check a policy: the file's, or the one that is in place.
    Check {
        /// A file.
        file: Option<PathBuf>,
    },
    /// Print the JSON Schema of policies, for editors.
    Schema,
    /// Print an example with every field, to begin with.
    Init,
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};
    use expect_test::expect_file;

    use super::Args;

    #[test]
    fn the_words_contradict_each_other_nowhere() {
        Args::command().debug_assert();
    }

    #[test]
    fn the_help_is_what_people_read() {
        let help = Args::command().term_width(100).render_help().to_string();
        expect_file!["../snapshots/help.txt"].assert_eq(&help);
    }

    #[track_caller]
    fn check(line: &str, wrong: Option<&str>) {
        let parsed = Args::try_parse_from(line.split(' '));
        match (parsed, wrong) {
            (Ok(_), None) => {}
            (Err(error), Some(said)) => assert!(error.to_string().contains(said), "{error}"),
            (parsed, wrong) => panic!("{line}: {parsed:?} instead of {wrong:?}"),
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_what_is_missing() {
        check("wk status --kind dlq --format yaml --env prod", None);
        check("wk rollback ecs:prod/web --to 41 --apply --confirm ROLLBACK", None);
        check("wk rollback ecs:prod/web --confirm ROLLBACK", Some("--apply"));
        check("wk rollback ecs:prod/web --to 41 --at 2026-11-20T03:00:00Z", Some("cannot be used with"));
        check("wk dlq redrive orders-dlq", Some("--group"));
        check("wk dlq purge orders-dlq", Some("--count"));
        check("wk silence service=web", Some("--until"));
        check("wk silence", None);
        check("wk silence --until 2026-12-01T00:00:00Z --reason none", Some("FIELD=VALUE"));
        check("wk --region  status", Some("--region"));
        check("wk rolback ecs:prod/web", Some("rollback"));
    }
}
