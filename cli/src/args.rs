//! The words of the command line.

mod dlq;
mod freeze;
mod look;
mod notices;
mod services;
mod status;
mod time;

pub use dlq::{Dlq, Emptying, To};
pub use freeze::{Freeze, Switch};
pub use look::{Audit, Validate, Variables};
pub use notices::{Incidents, Route, Silence, Sketch};
pub use services::{Fix, Monitor, Scale, StackTask};
pub use status::{Format, Status};
pub use time::When;

use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{ArgGroup, Args as ClapArgs, Parser, Subcommand};
use clap_complete::Shell;

use crate::say::Output;

const EXAMPLES: &str = "\
Examples:
  wk status                                    what is wrong, first of all
  wk status --watch                            the same as it goes on, in the whole terminal
  wk diagnose prod/web                         how a service stands, and what a rollback would do
  wk monitor prod/web                          its deployment, followed to its end
  wk rollback ecs:prod/web                     the plan; with --apply it is carried out
  wk rollback ecs:prod/web --to web:41 --apply
  wk redeploy --secret prod/db                 who would be redeployed
  wk scale prod/web 4                          the plan: from how many, and who else scales it
  wk stack fix billing                         what a stack is stuck in, and what would be done
  wk dlq status                                the dead-letter queues, and when letters are lost
  wk dlq groups orders-dlq                     what letters died of, group by group
  wk ack <incident>                            you have it in hand: nobody else is called
  wk route test --severity sev1 --subject prod/web
  wk validate prod/web                         before a deployment: whether it can succeed
  wk env web --compare staging                 what differs, without showing a value
  wk doctor                                    what is missing, and how to mend it

Exit codes: 0 healthy or done, 1 errors or refused, 2 warnings or unknown, 3 could not run,
130 Ctrl-C.
Without --env, WK_ENV says the environment; without that, it is the only one watched here.";

/// The watch over services on Amazon ECS, by hand.
#[derive(Debug, Parser)]
#[command(name = "wk", version, after_help = EXAMPLES)]
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
        /// Such as prod/web, lambda:orders:live, stack:billing, or a name that only one has; without it, how the last
        /// deployment of each service stands.
        target: Option<String>,
    },
    /// Follow a deployment of a service to its end; the exit code tells which.
    Monitor(Monitor),
    /// Roll a target back. Without --apply, only the plan is told.
    Rollback(Rollback),
    /// Redeploy the services that use a secret, or one service. Without --apply, only the plan is told.
    Redeploy(Redeploy),
    /// Give a service another number of tasks. Without --apply, only the plan is told.
    Scale(Scale),
    /// Stacks of CloudFormation.
    #[command(subcommand)]
    Stack(StackTask),
    /// What services do with secrets.
    #[command(subcommand)]
    Secrets(Secrets),
    /// The environment variables that a service really runs with, masked.
    Env(Variables),
    /// Before a deployment: whether images, secrets, stacks, certificates and alarms are as it needs them.
    Validate(Validate),
    /// Dead-letter queues.
    #[command(subcommand)]
    Dlq(Dlq),
    /// What each service that follows a queue would get, and why.
    Scaling,
    /// What goes on now, and with --over what is over.
    Incidents(Incidents),
    /// You have an incident in hand: nobody else is called.
    #[command(after_help = notices::ACK)]
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
    /// Stop all that is changed by itself, or let it go on; at once.
    Freeze(Freeze),
    /// What Watchkeeper did, and why.
    Audit(Audit),
    /// What is missing for you or for Watchkeeper, and how to mend it.
    Doctor,
    /// Print the completions of a shell.
    Completions {
        /// Which.
        shell: Shell,
    },
    /// Print the manual page.
    Man,
}

impl Command {
    /// Whether it takes the whole terminal, and so hears Ctrl-C as a key.
    pub const fn is_live(&self) -> bool {
        matches!(self, Self::Status(Status { watch: true, .. }))
    }

    /// What is true when it is interrupted, whether it had begun to change something or not.
    pub const fn interrupted(&self, begun: bool) -> &'static str {
        match (self, begun) {
            (Self::Monitor(_), _) => "interrupted; nothing was changed, and the deployment goes on",
            (Self::Dlq(Dlq::Status { .. }), _) => "interrupted; nothing was changed",
            (Self::Dlq(_), false) => {
                "interrupted; nothing was changed. What was looked at comes back by itself, and until then, at most five \
                 minutes, the queue may count as being worked on"
            }
            (Self::Dlq(_), true) => {
                "interrupted. No letter is lost: what was in hand comes back by itself, and until then, at most five minutes, \
                 the queue counts as being worked on. What was sent or archived a moment ago may be there twice"
            }
            (_, false) => "interrupted; nothing was changed",
            (Self::Freeze(_), true) => {
                "interrupted. The policy is as it was, or with the freeze as you wanted it: wk freeze says which"
            }
            (_, true) => {
                "interrupted. What was begun is written down and may go on: look before you ask again (wk diagnose, wk \
                 incidents, wk silence)"
            }
        }
    }
}

/// Who asks.
#[derive(Debug, ClapArgs)]
pub struct Who {
    /// Who asks, in 80 characters at most; without it, $USER.
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
}

/// What makes a plan a deed.
#[derive(Debug, ClapArgs)]
pub struct Sure {
    /// Carry the plan out.
    #[arg(long)]
    pub apply: bool,
    /// The word that production asks for, where nobody can be asked to type it.
    #[arg(long, value_name = "WORD", requires = "apply")]
    pub confirm: Option<String>,
    /// Who asks.
    #[command(flatten)]
    pub who: Who,
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
    /// What makes it a deed.
    #[command(flatten)]
    pub sure: Sure,
}

/// Of which secret, or which service.
#[derive(Debug, ClapArgs)]
#[command(group = ArgGroup::new("what").args(["secret", "service"]).required(true).multiple(false))]
pub struct Redeploy {
    /// The services that use this secret, by its name or ARN.
    #[arg(long)]
    pub secret: Option<String>,
    /// This service alone, such as prod/web: what runs is deployed anew.
    #[arg(long)]
    pub service: Option<String>,
    /// What makes it a deed.
    #[command(flatten)]
    pub sure: Sure,
}

/// What services do with secrets.
#[derive(Debug, Subcommand)]
pub enum Secrets {
    /// Who uses a secret, where, and what a redeploy would do.
    Uses {
        /// The secret's name or ARN.
        secret: String,
    },
    /// Which secrets and keys a service's tasks read when they start, and which are missing.
    Check {
        /// The service, such as web or prod/web.
        service: String,
    },
    /// When each secret was rotated and will be, and what is overdue or stuck.
    Rotation,
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

    #[test]
    fn what_is_interrupted_says_only_what_may_be_true() {
        let deed = "may be there twice";
        for (line, begun, said, unsaid) in [
            ("wk dlq status", false, "nothing was changed", deed),
            ("wk dlq peek q", false, "nothing was changed", deed),
            ("wk dlq groups q", false, "comes back by itself", deed),
            ("wk dlq drain q --count 3", false, "nothing was changed", deed),
            ("wk dlq drain q --count 3 --apply", true, deed, "nothing was changed"),
            ("wk silence", false, "nothing was changed", "may go on"),
            ("wk silence --end 0f1e", true, "may go on", "nothing was changed"),
            ("wk freeze off", true, "wk freeze says which", "nothing was changed"),
            ("wk monitor web", false, "the deployment goes on", deed),
        ] {
            let words = Args::try_parse_from(line.split(' ')).unwrap().command.interrupted(begun);
            assert!(words.contains(said) && !words.contains(unsaid), "{line}: {words}");
        }
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
        check("wk monitor prod/web --timeout 10m", None);
        check("wk monitor prod/web --timeout soon", Some("write a time such as 90s, 30m or 1h"));
        check("wk monitor prod/web --every 10m", Some("from 1s to 5m"));
        check("wk scale prod/web", Some("<COUNT>"));
        check("wk scale prod/web -1", Some("-1"));
        check("wk stack fix billing --skip-unfixable --cancel-in-progress --apply", None);
        check("wk redeploy --service web --secret prod/db", Some("cannot be used with"));
        check("wk redeploy", Some("<--secret <SECRET>|--service <SERVICE>>"));
        check("wk redeploy --apply --confirm REDEPLOY", Some("--service <SERVICE>"));
        check("wk rollback ecs:prod/web --to 41 --at 2026-11-20T03:00:00Z", Some("cannot be used with"));
        check("wk dlq redrive orders-dlq", Some("<--group <GROUP>|--everything>"));
        check("wk dlq redrive orders-dlq --group abcdef --everything", Some("cannot be used with"));
        check("wk dlq drain orders-dlq --count 3 --apply --confirm DRAIN", None);
        check("wk dlq drain orders-dlq --count 3 --confirm DRAIN", Some("--apply"));
        check("wk dlq purge orders-dlq", Some("--count"));
        check("wk silence service=web", Some("--until"));
        check("wk silence", None);
        check("wk silence --until 2026-12-01T00:00:00Z --reason none", Some("FIELD=VALUE"));
        check("wk silence service=web --until 2h --reason none", None);
        check("wk silence service=web --until soon --reason none", Some("such as 30m, 2h or 3d"));
        check("wk silence --end 0f1e --by ann", None);
        check("wk silence service=web --end 0f1e --until 2h --reason none", Some("cannot be used with"));
        check("wk incidents --over --since 7d", None);
        check("wk incidents --since 7d", Some("--over"));
        check("wk incidents --over --since 31d", Some("up to 30d"));
        check("wk route test --severity P1 --state info --at 8h", None);
        check("wk route test --severity sev9", Some("write sev1, sev2, sev3 or sev4"));
        check("wk route test --state over", Some("[possible values: firing, resolved, info]"));
        check("wk route test --at noon", Some("a time with its offset"));
        check("wk --region  status", Some("--region"));
        check("wk freeze on --reason holidays --until 2026-12-27T00:00:00Z", None);
        check("wk freeze on --until 3d", None);
        check("wk freeze on --until tomorrow", Some("--until"));
        check("wk audit --since 200d", Some("180d"));
        check("wk env web --compare staging --show", Some("cannot be used with"));
        check("wk env web --with staging/web", Some("--compare"));
        check("wk rolback ecs:prod/web", Some("rollback"));
    }
}
