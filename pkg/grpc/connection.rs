//! A connection whose first bytes have come in time.

use std::io::{self, Cursor};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tonic::transport::server::Connected;
use web::Stream;

/// How every client of HTTP/2 begins.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How long a client that speaks another protocol may take to read why it is refused.
const EXPLAINED: Duration = Duration::from_secs(2);

/// A connection that begins as HTTP/2.
pub(crate) struct Connection {
    /// What was read ahead.
    preface: Cursor<[u8; 24]>,
    stream: Stream,
}

impl Connection {
    /// Waits for the preface. A client of HTTP/1 is told what this port speaks.
    pub(crate) async fn begin(mut stream: Stream, within: Duration) -> io::Result<Self> {
        if !tokio::time::timeout(within, has_preface(&mut stream)).await?? {
            let refusing = web::refuse(&mut stream, "text/plain", "This port speaks gRPC, over HTTP/2.\n");
            let _ = tokio::time::timeout(EXPLAINED, refusing).await;
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the client does not speak HTTP/2",
            ));
        }
        Ok(Self {
            preface: Cursor::new(*PREFACE),
            stream,
        })
    }
}

/// Whether the client begins as one of HTTP/2. Known with the first byte that differs.
async fn has_preface(stream: &mut Stream) -> io::Result<bool> {
    let (mut bytes, mut there) = ([0; PREFACE.len()], 0);
    while there < PREFACE.len() {
        let read = stream.read(&mut bytes[there..]).await?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        there += read;
        if bytes[..there] != PREFACE[..there] {
            return Ok(false);
        }
    }
    Ok(true)
}

impl Connected for Connection {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.preface.position() < PREFACE.len() as u64 {
            return Pin::new(&mut this.preface).poll_read(context, into);
        }
        Pin::new(&mut this.stream).poll_read(context, into)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}
