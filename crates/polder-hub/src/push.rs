//! Answering `POST git-receive-pack`.

use std::io::Read;

use polder_git::{Command, PushCapabilities, PushRequest, RefReport, Severity, Sink as _, Snapshot};
use polder_types::failpoint;
use serde_json::{Value, json};
use tokio::runtime::Handle;

use crate::Hub;
use crate::accept::{ABORTED, RefResult, Say};
use crate::access::{Contribute, Contributes, Grant};
use crate::blocking::start_admitted;
use crate::body::{BlockingBody, BodyEncoding, BodyStream, ByteStream, ResponseSink, decoded, response};
use crate::error::{Error, Kind, Result};
use crate::origin::{LargeObjects, Origin};

/// What a push is called in the audit log, and most refused refs that a row of it lists.
const PUSH: &str = "git.push";
const RECORDED_REFS_MAX: usize = 20;

impl Hub {
    /// Takes a push. The answer is git's report-status; `ok` is said only of what is durable.
    ///
    /// # Errors
    /// [`Kind::Throttled`] and [`Kind::Unavailable`] when no place came free. What is wrong with the push is in the report.
    pub async fn receive_pack<L: Contributes>(
        &self,
        grant: &Grant<L>,
        body: BodyStream,
        encoding: BodyEncoding,
    ) -> Result<ByteStream> {
        let (sink, stream) = response(self.pushes.enter(grant.share()).await?);
        let (hub, grant) = (self.clone(), grant.as_contributor());
        let body = BlockingBody::new(body);
        start_admitted(sink, move |mut sink| {
            let mut body = decoded(body, encoding);
            if let Err(error) = hub.push(&grant, &mut body, &mut sink) {
                log(&grant, &error);
                sink.send(polder_git::refuse(error.message())).unwrap_or_default();
            }
            sink.finish();
        });
        Ok(stream)
    }

    /// The blocking half. An `Err` is told with an `ERR` packet: the request itself was not understood.
    fn push(&self, grant: &Grant<Contribute>, body: &mut dyn Read, out: &mut ResponseSink) -> Result<()> {
        let mut seen = PushCapabilities::default();
        let request = match polder_git::read_push_noting(body, &mut seen) {
            Ok(Some(request)) => request,
            Ok(None) => return Ok(()),
            // With the side band on, git's own client takes no other answer than a report.
            Err(error) if seen.side_band_64k && (seen.report_status || seen.report_status_v2) => {
                let error = Error::from(error);
                log(grant, &error);
                tell(grant, &seen, Err(one_line(error.message())), &[], out);
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        let capabilities = &request.capabilities;
        let mut say = |text: &str| {
            let framed = polder_git::progress(capabilities, format!("{text}\n").as_bytes());
            if !framed.is_empty() {
                // A client that is gone is noticed when the report is sent.
                out.send(framed).unwrap_or_default();
            }
        };
        let (unpack, results) = match self.try_push(grant, &request, body, &mut say) {
            Ok(results) => {
                self.record_refused_refs(grant, &results);
                (Ok(()), results)
            }
            Err(error) => {
                log(grant, &error);
                Handle::current().block_on(self.record_refusal(grant.entry(PUSH), &error));
                (Err(one_line(error.message())), refuse_all(&request.commands, "unpacker error"))
            }
        };
        failpoint::hit("push.before_report");
        tell(grant, capabilities, unpack, &in_order(&request, results), out);
        Ok(())
    }

    /// Puts the refs that were refused into the audit log, each with its reason.
    fn record_refused_refs(&self, grant: &Grant<Contribute>, results: &[RefResult]) {
        let refused = results.iter().filter_map(|(name, result)| Some((name, result.as_ref().err()?)));
        let count = refused.clone().count();
        let Some((_, why)) = refused.clone().next() else { return };
        let named: Vec<Value> =
            refused.take(RECORDED_REFS_MAX).map(|(name, why)| json!([name, why])).collect();
        let error = Error::invalid(why.as_str());
        let entry = grant.entry(PUSH).with("refs_omitted", count - named.len()).with("refs", named);
        Handle::current().block_on(self.record_refusal(entry, &error));
    }

    /// What hooks are to be given, if the client speaks of push options at all.
    fn push_options(&self, request: &PushRequest, body: &mut dyn Read) -> Result<Option<Vec<String>>> {
        if !request.capabilities.push_options {
            return Ok(None);
        }
        if !self.push_options {
            return Err(Error::invalid("push options are off on this hub; push without --push-option"));
        }
        Ok(Some(polder_git::read_push_options(body)?))
    }

    /// An answer for each command; an `Err` is about the pack as a whole.
    fn try_push(
        &self,
        grant: &Grant<Contribute>,
        request: &PushRequest,
        body: &mut dyn Read,
        say: Say<'_>,
    ) -> Result<Vec<RefResult>> {
        let push_options = self.push_options(request, body)?;
        let quiet = request.capabilities.quiet;
        let quarantined = self.quarantine(self.bill(grant), body, &mut |text| {
            if !quiet {
                say(text);
            }
        })?;
        let origin = Origin {
            repo: grant.repo_id(),
            name: grant.repo().clone(),
            actor: grant.actor(),
            pusher: Some(grant.clone()),
            push_options,
            severity: Severity::Push,
            run_hooks: true,
            atomic: request.capabilities.atomic,
            large_objects: LargeObjects::Here,
            head: None,
            mirror: None,
            proposal: None,
            rewrites: false,
            entry: grant.entry(PUSH),
        };
        let held = Handle::current().block_on(self.held(origin.repo))?;
        let (wanted, mut results) = sort_out(request, &held.snapshot);
        if wanted.is_empty() {
            return Ok(results);
        }
        match self.accept(&origin, &wanted, &quarantined, say) {
            Ok(done) => {
                self.post_receive(&origin, &wanted, &done, say);
                results.extend(done);
            }
            // What is wrong with the content is said of each ref; only a broken pack is an unpack error.
            Err(error) if error.kind() == Kind::Invalid => {
                log(grant, &error);
                results.extend(refuse_all(&wanted, &one_line(error.message())));
            }
            Err(error) => return Err(error),
        }
        Ok(results)
    }
}

fn tell(
    grant: &Grant<Contribute>,
    capabilities: &PushCapabilities,
    unpack: Result<(), String>,
    refs: &[RefReport],
    out: &mut ResponseSink,
) {
    if polder_git::report(capabilities, unpack, refs, out).is_err() {
        tracing::debug!(repo = %grant.repo(), "the client went away before the report");
    }
}

fn refuse_all(commands: &[Command], why: &str) -> Vec<RefResult> {
    commands.iter().map(|command| (command.name.clone(), Err(why.to_owned()))).collect()
}

/// Splits the commands into those to try and those that their name alone refuses. Under `atomic` one
/// refusal refuses all.
fn sort_out(request: &PushRequest, snapshot: &Snapshot) -> (Vec<Command>, Vec<RefResult>) {
    let mut wanted = Vec::new();
    let mut refused = Vec::new();
    let reports = polder_git::check_ref_names(&request.commands);
    for (command, report) in request.commands.iter().zip(reports) {
        let is_current = command.new.is_zero() && command.name == snapshot.head();
        match report.result {
            Ok(()) if is_current => {
                refused.push((report.name, Err("deletion of the current branch prohibited".to_owned())));
            }
            Ok(()) => wanted.push(command.clone()),
            Err(why) => refused.push((report.name, Err(why))),
        }
    }
    if request.capabilities.atomic && !refused.is_empty() {
        refused.extend(refuse_all(&wanted, ABORTED));
        wanted.clear();
    }
    (wanted, refused)
}

/// The results in the order of the commands, as git reports them.
fn in_order(request: &PushRequest, mut results: Vec<RefResult>) -> Vec<RefReport> {
    let mut reports = Vec::with_capacity(results.len());
    for command in &request.commands {
        if let Some(at) = results.iter().position(|(name, _)| *name == command.name) {
            let (name, result) = results.swap_remove(at);
            reports.push(RefReport { name, result });
        }
    }
    reports
}

fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn log(grant: &Grant<Contribute>, error: &Error) {
    let repo = grant.repo();
    match error.kind() {
        Kind::Internal | Kind::Unavailable | Kind::Full => {
            tracing::error!(%repo, error = %error.chain(), "push failed");
        }
        _ => tracing::info!(%repo, error = %error.chain(), "push refused"),
    }
}
