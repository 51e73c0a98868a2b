//! A real endpoint, which answers what a test says.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// What an endpoint does with a request.
#[derive(Clone)]
pub(super) enum Say {
    /// Writes these bytes and waits for the next request.
    This(String),
    /// Writes these bytes and closes.
    Last(String),
    /// Writes these bytes, then the letter `x` until the client closes.
    Endless(String),
    /// Writes these bytes, then nothing until the client closes.
    Hang(String),
}

/// An answer with a body.
pub(super) fn answer(status: &str, headers: &str, body: &str) -> Say {
    Say::This(format!(
        "HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    ))
}

/// A listener and what it has seen.
pub(super) struct Endpoint {
    pub(super) address: SocketAddr,
    connections: Arc<AtomicUsize>,
    requests: Arc<Mutex<Vec<String>>>,
    /// Bytes written to each connection that the client has closed.
    closed: mpsc::UnboundedReceiver<usize>,
    task: JoinHandle<()>,
}

struct Served {
    say: Box<dyn Fn(usize) -> Say + Send + Sync>,
    requests: Arc<Mutex<Vec<String>>>,
    closed: mpsc::UnboundedSender<usize>,
}

impl Endpoint {
    /// Listens at an address and answers each request, counted from 0, in its own way.
    pub(super) async fn at(
        ip: &str,
        tls: Option<TlsAcceptor>,
        say: impl Fn(usize) -> Say + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((ip, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        Self::on(listener, address, tls, say)
    }

    fn on(
        listener: TcpListener,
        address: SocketAddr,
        tls: Option<TlsAcceptor>,
        say: impl Fn(usize) -> Say + Send + Sync + 'static,
    ) -> Self {
        let (connections, requests) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
        let (sender, closed) = mpsc::unbounded_channel();
        let served = Arc::new(Served {
            say: Box::new(say),
            requests: requests.clone(),
            closed: sender,
        });
        let count = connections.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let (served, tls) = (served.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, &served).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, &served).await;
                            }
                        }
                    }
                });
            }
        });
        Self {
            address,
            connections,
            requests,
            closed,
            task,
        }
    }

    /// Another endpoint at the same port of another address.
    pub(super) async fn beside(&self, ip: &str, say: impl Fn(usize) -> Say + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((ip, self.address.port())).await.unwrap();
        let address = listener.local_addr().unwrap();
        Self::on(listener, address, None, say)
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/hook?a=b", self.address)
    }

    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// The heads and bodies of all requests.
    pub(super) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    /// Waits until the client has closed a connection; gives the bytes that were written to it.
    pub(super) async fn closed(&mut self) -> usize {
        self.closed.recv().await.unwrap()
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, served: &Served) {
    let mut written = 0;
    while let Some(request) = read(&mut stream).await {
        let number = {
            let mut requests = served.requests.lock().unwrap();
            requests.push(request);
            requests.len() - 1
        };
        match (served.say)(number) {
            Say::This(text) => {
                written += text.len();
                if stream.write_all(text.as_bytes()).await.is_err() || stream.flush().await.is_err() {
                    break;
                }
            }
            Say::Last(text) => {
                let _ = stream.write_all(text.as_bytes()).await;
                let _ = stream.shutdown().await;
                return;
            }
            Say::Hang(text) => {
                written += text.len();
                let _ = stream.write_all(text.as_bytes()).await;
                let _ = stream.flush().await;
            }
            Say::Endless(text) => {
                let _ = stream.write_all(text.as_bytes()).await;
                while stream.write_all(&[b'x'; 4096]).await.is_ok() {
                    written += 4096;
                }
                break;
            }
        }
    }
    let _ = served.closed.send(written);
}

/// Reads a request with its body, or none where the client has closed.
async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return Some(text.into_owned());
            }
        }
    }
}
