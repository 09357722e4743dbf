//! A proxy in front of a hub as caching ones are: the API and `resolve` with ranges, no git, no LFS, no Xet.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// What it does with requests.
#[derive(Debug, Default, Clone)]
pub struct Passes {
    /// Files are behind a gate.
    pub gated: bool,
    /// Of answers to requests whose path ends so, only so many bytes in all pass until this is lifted.
    pub held: Option<(&'static str, u64)>,
}

#[derive(Default)]
struct State {
    passes: Passes,
    seen: Vec<String>,
    /// Bytes of bodies that passed, by path.
    sent: HashMap<String, u64>,
    hub: Option<SocketAddr>,
}

struct Inner {
    address: SocketAddr,
    state: Mutex<State>,
    changed: Condvar,
}

/// The proxy; it runs until the test's process ends.
#[derive(Clone)]
pub struct HfProxy(Arc<Inner>);

impl HfProxy {
    /// A proxy of the hub at that address.
    pub fn start(hub: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = Mutex::new(State { hub: Some(hub), ..State::default() });
        let proxy = Self(Arc::new(Inner { address, state, changed: Condvar::new() }));
        let served = proxy.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let proxy = served.clone();
                // Whoever hangs up has seen enough.
                std::thread::spawn(move || drop(proxy.pass(&stream)));
            }
        });
        proxy
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.0.address)
    }

    /// Changes what it does.
    pub fn behave(&self, change: impl FnOnce(&mut Passes)) {
        change(&mut self.state().passes);
        self.0.changed.notify_all();
    }

    /// What was asked since the last time.
    pub fn seen(&self) -> Vec<String> {
        std::mem::take(&mut self.state().seen)
    }

    /// Bytes of bodies that passed since the last time, of requests whose path ends so.
    pub fn sent(&self, path: &str) -> u64 {
        let state = self.state();
        state.sent.iter().filter(|(asked, _)| asked.ends_with(path)).map(|(_, bytes)| bytes).sum()
    }

    /// Counts from nothing again.
    pub fn forget_sent(&self) {
        self.state().sent.clear();
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pass(&self, stream: &TcpStream) -> std::io::Result<()> {
        let mut input = BufReader::new(stream.try_clone()?);
        let mut head = Vec::new();
        let mut line = String::new();
        while {
            line.clear();
            input.read_line(&mut line)? > 2
        } {
            head.push(line.trim_end().to_owned());
        }
        let first = head.first().cloned().unwrap_or_default();
        let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
        let (hub, gated) = {
            let mut state = self.state();
            state.seen.push(first.trim_end_matches(" HTTP/1.1").to_owned());
            (state.hub.expect("a hub"), state.passes.gated)
        };
        let bare = path.split('?').next().unwrap_or_default().to_owned();
        let (is_api, is_file) = (bare.starts_with("/api/"), bare.contains("/resolve/"));
        let mut out = stream;
        if !is_api && !is_file || bare.ends_with(".git/info/refs") {
            return out
                .write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
        if gated && is_file {
            let head = "HTTP/1.1 403 Forbidden\r\nX-Error-Code: GatedRepo\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            return out.write_all(head.as_bytes());
        }
        let mut there = TcpStream::connect(hub)?;
        head.retain(|line| !line.to_ascii_lowercase().starts_with("connection:"));
        there.write_all(format!("{}\r\nConnection: close\r\n\r\n", head.join("\r\n")).as_bytes())?;
        let mut answer = BufReader::new(there);
        while {
            line.clear();
            answer.read_line(&mut line)? > 2
        } {
            let lower = line.to_ascii_lowercase();
            if !lower.starts_with("x-xet-") && !lower.contains("rel=\"xet-auth\"") {
                out.write_all(line.as_bytes())?;
            }
        }
        out.write_all(b"\r\n")?;
        let mut chunk = vec![0; 16 << 10];
        loop {
            let count = answer.read(&mut chunk)?;
            if count == 0 {
                return Ok(());
            }
            self.wait_for_room(&bare, count);
            out.write_all(&chunk[..count])?;
        }
    }

    /// Counts bytes, once they may pass.
    fn wait_for_room(&self, path: &str, count: usize) {
        let mut state = self.state();
        while state.passes.held.is_some_and(|(end, most)| {
            path.ends_with(end) && state.sent.get(path).copied().unwrap_or_default() >= most
        }) {
            state = self.0.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        *state.sent.entry(path.to_owned()).or_default() += u64::try_from(count).expect("small");
    }
}
