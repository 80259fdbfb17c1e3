//! What is asked of services and stacks.

use clap::{Args as ClapArgs, Subcommand};
use jiff::SignedDuration;

use super::Sure;

/// Which deployment is followed, and how long.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  wk monitor prod/web
  wk monitor web --timeout 10m
  wk --output json monitor ecs:prod/web      one JSON object for each change; the last one is the outcome

Exit codes: 0 the deployment completed, 1 it failed or was rolled back, 2 the time was over or not all
tasks run, 3 could not look, 130 Ctrl-C. Nothing is changed; the deployment goes on without it.")]
pub struct Monitor {
    /// Such as ecs:prod/web, prod/web, or a name that only one service has.
    pub service: String,
    /// For how long, such as 10m or 1h.
    #[arg(long, value_name = "TIME", default_value = "30m", value_parser = timeout)]
    pub timeout: SignedDuration,
    /// How often it is looked at, such as 5s.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = interval)]
    pub every: SignedDuration,
}

/// How many tasks a service gets.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  wk scale prod/web 4                        the plan: from how many, and who else scales it
  wk scale prod/web 4 --apply                in production the word SCALE is asked for")]
pub struct Scale {
    /// Such as ecs:prod/web, prod/web, or a name that only one service has.
    pub service: String,
    /// How many tasks it is to have.
    pub count: u32,
    /// What makes it a deed.
    #[command(flatten)]
    pub sure: Sure,
}

/// Stacks of CloudFormation.
#[derive(Debug, Subcommand)]
pub enum StackTask {
    /// Bring a stack on that is stuck. Without --apply, only the plan is told.
    Fix(Fix),
}

/// Which stack, and what may be done beyond what the policy allows.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  wk stack fix billing                       what it is stuck in, and what would be done
  wk stack fix billing --skip-unfixable      names what a continued rollback would leave out
  wk stack fix billing --cancel-in-progress --apply")]
pub struct Fix {
    /// Its name.
    pub stack: String,
    /// A rollback that failed again may be continued without the resources that keep it from ending.
    #[arg(long)]
    pub skip_unfixable: bool,
    /// An update that is in progress for too long (30 minutes, or what the policy says) may be cancelled.
    #[arg(long)]
    pub cancel_in_progress: bool,
    /// What makes it a deed.
    #[command(flatten)]
    pub sure: Sure,
}

fn timeout(text: &str) -> Result<SignedDuration, String> {
    lasting(text, SignedDuration::from_secs(1), SignedDuration::from_hours(24))
}

fn interval(text: &str) -> Result<SignedDuration, String> {
    lasting(text, SignedDuration::from_secs(1), SignedDuration::from_mins(5))
}

fn lasting(text: &str, least: SignedDuration, most: SignedDuration) -> Result<SignedDuration, String> {
    let read: SignedDuration = text.parse().map_err(|_| "write a time such as 90s, 30m or 1h".to_owned())?;
    if (least..=most).contains(&read) { Ok(read) } else { Err(format!("from {least:#} to {most:#}")) }
}
