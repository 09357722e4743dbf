//! Servers of the kit that answer each connection in a thread of its own.

use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

/// Has `server` answer whoever comes, until nobody else holds it.
pub(crate) fn answer_all<S, T>(listener: TcpListener, server: &Arc<S>, answer: fn(&S, TcpStream) -> T)
where
    S: Send + Sync + 'static,
    T: 'static,
{
    let server = Arc::downgrade(server);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (Some(server), Ok(stream)) = (server.upgrade(), stream) else { break };
            std::thread::spawn(move || drop(answer(&server, stream)));
        }
    });
}
