//! Counts what passes between clients and a hub.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::tools::Result;

/// Ends the first line of a request.
const REQUEST: &[u8] = b" HTTP/1.1\r\n";

/// A door to the hub that counts.
pub(super) struct Counter {
    pub(super) address: SocketAddr,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    requests: AtomicU64,
    bytes: AtomicU64,
}

impl Counter {
    /// A door to a hub that runs.
    pub(super) fn before(hub: SocketAddr) -> Result<Self> {
        Ok(Self::open(|_| Ok(((), hub)))?.1)
    }

    /// A door to the hub that `start` starts when it knows where the door is, and what else that returns.
    ///
    /// Each connection has threads of its own.
    pub(super) fn open<T>(start: impl FnOnce(SocketAddr) -> Result<(T, SocketAddr)>) -> Result<(T, Self)> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let (started, hub) = start(address)?;
        let counts = Arc::new(Counts::default());
        let counted = Arc::clone(&counts);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(std::result::Result::ok) {
                if let Err(error) = join(client, hub, &counted) {
                    eprintln!("a connection was lost: {error}");
                }
            }
        });
        Ok((started, Self { address, counts }))
    }

    /// Requests, and bytes both ways, while `work` runs.
    pub(super) fn count(&self, work: impl FnOnce() -> Result<()>) -> Result<(u64, u64)> {
        let read = || (self.counts.requests.load(Ordering::SeqCst), self.counts.bytes.load(Ordering::SeqCst));
        let before = read();
        work()?;
        let after = read();
        Ok((after.0 - before.0, after.1 - before.1))
    }
}

fn join(client: TcpStream, hub: SocketAddr, counts: &Arc<Counts>) -> std::io::Result<()> {
    let server = TcpStream::connect(hub)?;
    for stream in [&client, &server] {
        stream.set_nodelay(true)?;
    }
    let (to, from) = (server.try_clone()?, client.try_clone()?);
    let (up, down) = (Arc::clone(counts), Arc::clone(counts));
    std::thread::spawn(move || pass(from, to, &up, true));
    std::thread::spawn(move || pass(server, client, &down, false));
    Ok(())
}

/// Passes bytes on until either side ends; what ends is told to the other side by closing it.
fn pass(mut from: TcpStream, mut to: TcpStream, counts: &Counts, is_asking: bool) {
    let mut space = vec![0; 64 << 10];
    let mut seen: Vec<u8> = Vec::new();
    while let Ok(count) = from.read(&mut space)
        && count > 0
    {
        let Some(bytes) = space.get(..count) else { break };
        counts.bytes.fetch_add(u64::try_from(count).unwrap_or(0), Ordering::SeqCst);
        if is_asking {
            seen.extend_from_slice(bytes);
            let requests = seen.windows(REQUEST.len()).filter(|window| *window == REQUEST).count();
            counts.requests.fetch_add(u64::try_from(requests).unwrap_or(0), Ordering::SeqCst);
            seen.drain(..seen.len().saturating_sub(REQUEST.len() - 1));
        }
        if to.write_all(bytes).is_err() {
            break;
        }
    }
    if to.shutdown(Shutdown::Write).is_err() {
        // It is closed already.
    }
}
