//! The client against servers that a test makes, honest and not.

mod forbidden;
mod limits;
mod redirects;
mod server;
mod tls;

use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::{Allowance, Egress, Error, Options, Request, Resolve, Resolving, Response, Url};

/// A resolver that answers what the test says, in turn; the last answer stays.
#[derive(Default)]
struct Scripted {
    answers: Mutex<Vec<Vec<IpAddr>>>,
    asked: AtomicUsize,
}

impl Scripted {
    fn new(answers: &[&[&str]]) -> Arc<Self> {
        let parse = |texts: &&[&str]| texts.iter().map(|text| text.parse().expect(text)).collect();
        let answers = answers.iter().rev().map(parse).collect();
        Arc::new(Self { answers: Mutex::new(answers), asked: AtomicUsize::new(0) })
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Resolve for Scripted {
    fn resolve(&self, _name: &str) -> Resolving {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mut answers = self.answers.lock().expect("lock");
        let answer = if answers.len() > 1 { answers.pop() } else { answers.last().cloned() };
        Box::pin(async move { answer.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound)) })
    }
}

/// Long enough for a busy machine, and for a test to wait for.
const TIME_MAX: Duration = Duration::from_secs(5);

fn quick(resolver: Arc<Scripted>) -> Options {
    Options { resolver, connect_max: TIME_MAX, wait_max: TIME_MAX, idle_max: TIME_MAX, ..Options::default() }
}

/// A client whose names are all on this machine.
fn local() -> Egress {
    Egress::new(quick(Scripted::new(&[&["127.0.0.1"]]))).expect("client")
}

fn url(text: &str) -> Url {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

async fn get(egress: &Egress, url: &Url) -> Result<Response, Error> {
    egress.send(Request::get(url, &Allowance::naming(url))).await
}

async fn text(response: Response) -> String {
    String::from_utf8(response.bytes(1 << 20).await.expect("body").to_vec()).expect("UTF-8")
}
