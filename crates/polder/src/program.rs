//! From the command line to the exit code.

use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser as _;

use crate::admin::{self, Answer, Command, Line};
use crate::cli::{self, Cli, Invocation, Serve};
use crate::config::{Config, Environment};
use crate::options::hub_options;
use crate::screen::Screen;
use crate::{Error, demo, failpoint, logging, output, serve, verify};

/// How long the last blocking work gets when everything else has ended.
const LAST_WORK_MAX: Duration = Duration::from_secs(2);

/// Runs the program on the arguments and environment of this process.
///
/// Exit code 0: done. 1: it failed, and `error: …` on standard error says why; or `fsck` or
/// `verify` found something. 2: the command line is wrong.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are such "errors" too; clap knows which stream and code each has.
            let code = u8::try_from(error.exit_code()).unwrap_or(2);
            return match error.print() {
                Ok(()) => ExitCode::from(code),
                Err(_) => ExitCode::FAILURE,
            };
        }
    };
    match run(cli, &Environment::of_process()) {
        Ok(code) => code,
        Err(error) => {
            let mut stderr = io::stderr().lock();
            // Without standard error there is nobody left to tell.
            let _told = writeln!(stderr, "error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli, environment: &Environment) -> Result<ExitCode, Error> {
    let invocation = Invocation::from(cli.action);
    let flags = match &invocation {
        Invocation::Serve(flags) | Invocation::Demo(flags) => flags.clone(),
        Invocation::Admin { .. } | Invocation::Restore(_) | Invocation::Verify(_) => Serve::default(),
    };
    let config = Config::load(&cli.common, &flags, environment)?;
    let level = if matches!(invocation, Invocation::Serve(_)) { "info" } else { "warn" };
    logging::start(&config.log, level);
    failpoint::arm(config.failpoint.as_deref())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::caused_by("cannot start threads", error))?;
    let outcome = runtime.block_on(async {
        match invocation {
            Invocation::Serve(_) => Box::pin(serve::serve(config)).await.map(|()| ExitCode::SUCCESS),
            Invocation::Demo(_) => Box::pin(demo::demo(config)).await.map(|()| ExitCode::SUCCESS),
            Invocation::Verify(flags) => Box::pin(verify_clone(flags)).await,
            Invocation::Restore(dir) => restore(&config, &dir).await,
            Invocation::Admin { command, json } => command_line(&config, command, json).await,
        }
    });
    runtime.shutdown_timeout(LAST_WORK_MAX);
    outcome
}

async fn command_line(config: &Config, command: Command, json: bool) -> Result<ExitCode, Error> {
    let mut screen = Screen::of_process();
    let answer = Box::pin(admin::run(config, command, |line| screen.show(line))).await;
    screen.end();
    let answer = answer?;
    let mut stdout = io::stdout().lock();
    let written = output::write_answer(&mut stdout, &answer, json).and_then(|()| stdout.flush());
    match written {
        // `polder repo list | head` has seen enough.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            return Err(Error::caused_by("cannot write to standard output", error));
        }
        _ => {}
    }
    Ok(match answer {
        Answer::Fsck(found) if !found.problems.is_empty() => ExitCode::FAILURE,
        Answer::AuditVerified(report) if report.problem.is_some() => ExitCode::FAILURE,
        _ => ExitCode::SUCCESS,
    })
}

async fn verify_clone(flags: cli::Verify) -> Result<ExitCode, Error> {
    let json = flags.list.json;
    let report = verify::run(flags).await?;
    let mut stdout = io::stdout().lock();
    report
        .write(&mut stdout, json)
        .map_err(|error| Error::caused_by("cannot write to standard output", error))?;
    Ok(if report.problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn restore(config: &Config, dir: &Path) -> Result<ExitCode, Error> {
    let say = Arc::new(|line: &str| Screen::of_process().show(&Line::Progress(line.to_owned())));
    let report = Box::pin(polder_hub::restore(hub_options(config, None), dir, say)).await?;
    let (rows, files, data) = (report.rows, report.files, config.data.display());
    let restored = format!("restored {rows} rows and {files} files to `{data}`");
    Screen::of_process().show(&Line::Output(restored));
    Ok(ExitCode::SUCCESS)
}
