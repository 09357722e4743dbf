//! Serves one file with the server and the file body of this crate, for measuring them alone:
//! `cargo run --release -p polder-http --example serve_file -- FILE`.

use std::fs::File;
use std::io;
use std::sync::Arc;

use polder_http::{FileSource, ResponseFuture, ServerLimits, Stop, file_response, serve};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> io::Result<()> {
    let path = std::env::args_os().nth(1).ok_or_else(|| io::Error::other("say which file"))?;
    let file = Arc::new(File::open(path)?);
    let size_bytes = file.metadata()?.len();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    eprintln!("http://{}", listener.local_addr()?);
    let answer = move |request: http::Request<axum::body::Body>| -> ResponseFuture {
        let source = FileSource::File { file: Arc::clone(&file), size_bytes };
        Box::pin(async move { file_response(request.method(), request.headers(), source, "\"file\"") })
    };
    serve(listener, answer, ServerLimits::default(), Stop::default()).await;
    Ok(())
}
