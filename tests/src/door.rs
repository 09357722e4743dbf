//! A door to a hub that tells what goes in.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

/// An address before a hub, which may be known before the hub runs.
#[derive(Debug)]
pub struct Door(TcpListener);

impl Door {
    /// Opens one; who comes waits until it leads somewhere.
    pub fn open() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").expect("an address"))
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.0.local_addr().expect("bound"))
    }

    /// Lets everyone in. What they send is told, piece by piece; the first connection on which more than `cut` bytes
    /// come out ends there.
    pub fn lead_to(self, hub: SocketAddr, cut: Option<usize>) -> Receiver<Vec<u8>> {
        let (tell, told) = channel();
        let is_whole = Arc::new(AtomicBool::new(cut.is_none()));
        std::thread::spawn(move || {
            for client in self.0.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(hub) else { continue };
                let (tell, is_whole) = (tell.clone(), Arc::clone(&is_whole));
                std::thread::spawn(move || {
                    join(&client, &server, tell, &is_whole, cut.unwrap_or(usize::MAX));
                });
            }
        });
        told
    }
}

fn join(client: &TcpStream, server: &TcpStream, tell: Sender<Vec<u8>>, is_whole: &AtomicBool, cut: usize) {
    std::thread::scope(|scope| {
        scope.spawn(move || {
            pass(client, server, |bytes| {
                // Nobody may listen any more.
                let _told = tell.send(bytes.to_vec());
                true
            });
        });
        let mut out = 0;
        pass(server, client, |bytes| {
            out += bytes.len();
            out <= cut || is_whole.swap(true, Ordering::SeqCst)
        });
    });
}

/// Passes on what comes for as long as `go_on` says; then both sides are closed.
fn pass(mut from: &TcpStream, mut to: &TcpStream, mut go_on: impl FnMut(&[u8]) -> bool) {
    let mut space = vec![0; 64 << 10];
    while let Ok(count @ 1..) = from.read(&mut space) {
        let Some(bytes) = space.get(..count) else { break };
        if !go_on(bytes) || to.write_all(bytes).is_err() {
            break;
        }
    }
    // Either may be closed already.
    let _closed = (to.shutdown(Shutdown::Both), from.shutdown(Shutdown::Both));
}
