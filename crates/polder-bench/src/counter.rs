//! Counts what passes between clients and a hub.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::tools::Result;

/// Ends the first line of a request.
const REQUEST: &[u8] = b" HTTP/1.1\r\n";

/// A door to the hub that counts.
pub(crate) struct Counter {
    pub(crate) address: SocketAddr,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    requests: AtomicU64,
    to_hub: AtomicU64,
    from_hub: AtomicU64,
}

/// What passed.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Traffic {
    pub(crate) requests: u64,
    /// Bytes.
    pub(crate) to_hub: u64,
    /// Bytes.
    pub(crate) from_hub: u64,
}

impl Traffic {
    /// Bytes both ways.
    pub(crate) fn bytes(self) -> u64 {
        self.to_hub + self.from_hub
    }
}

impl Counts {
    fn read(&self) -> Traffic {
        let [requests, to_hub, from_hub] =
            [&self.requests, &self.to_hub, &self.from_hub].map(|count| count.load(Ordering::SeqCst));
        Traffic { requests, to_hub, from_hub }
    }
}

impl Counter {
    /// A door to a hub that runs.
    pub(crate) fn before(hub: SocketAddr) -> Result<Self> {
        Ok(Self::open(|_| Ok(((), hub)))?.1)
    }

    /// A door to the hub that `start` starts when it knows where the door is, and what else that returns.
    ///
    /// Each connection has threads of its own.
    pub(crate) fn open<T>(start: impl FnOnce(SocketAddr) -> Result<(T, SocketAddr)>) -> Result<(T, Self)> {
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

    /// What passes while `work` runs.
    pub(crate) fn count(&self, work: impl FnOnce() -> Result<()>) -> Result<Traffic> {
        let before = self.counts.read();
        work()?;
        let after = self.counts.read();
        Ok(Traffic {
            requests: after.requests - before.requests,
            to_hub: after.to_hub - before.to_hub,
            from_hub: after.from_hub - before.from_hub,
        })
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
        let passed = if is_asking { &counts.to_hub } else { &counts.from_hub };
        passed.fetch_add(u64::try_from(count).unwrap_or(0), Ordering::SeqCst);
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
