//! A TCP proxy in front of a server, with "weather": faults of the network.

use crate::owned::Owned;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, MutexGuard, watch};
use tokio::time::{sleep, timeout};

/// Bytes read at once, at the most.
const CHUNK: usize = 16 * 1024;

/// Connections at once; more wait to be accepted.
const CONNECTIONS: usize = 512;

/// The state of the simulated network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weather {
    /// No fault.
    Clear,
    /// Closes new connections at once; open ones continue.
    Refuse,
    /// Delays all bytes.
    Delay(Duration),
    /// Limits bytes per second, each way.
    Slow(u64),
    /// Silently holds all bytes back, both ways, and delivers them afterwards.
    Hole,
    /// Closes the server's end; the client learns of it only afterwards.
    HalfOpen,
}

#[derive(Clone, Copy, Debug)]
struct State {
    weather: Weather,
    /// Connections of an earlier generation are cut.
    generation: u64,
    upstream: Option<SocketAddr>,
}

/// Counts of effects, to check that a fault had one.
#[derive(Debug, Default)]
struct Seen {
    open: AtomicU64,
    cut: AtomicU64,
    refused: AtomicU64,
    /// Chunks held back, and connections left half open.
    held: AtomicU64,
}

/// A running proxy; ends when dropped.
pub(crate) struct Proxy {
    address: SocketAddr,
    state: watch::Sender<State>,
    seen: Arc<Seen>,
    claimed: Mutex<()>,
    _accepting: Owned,
}

impl Proxy {
    /// Starts a proxy on a free port, without a server yet.
    pub(crate) async fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (state, watched) = watch::channel(State {
            weather: Weather::Clear,
            generation: 0,
            upstream: None,
        });
        let seen = Arc::<Seen>::default();
        let accepting = Owned::spawn(accept(listener, watched, seen.clone()));
        Ok(Self {
            address,
            state,
            seen,
            claimed: Mutex::new(()),
            _accepting: accepting,
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sets the server of new connections.
    pub(crate) fn lead_to(&self, upstream: SocketAddr) {
        self.state.send_modify(|state| state.upstream = Some(upstream));
    }

    /// Keeps others from changing the weather.
    pub(crate) async fn claim(&self) -> MutexGuard<'_, ()> {
        self.claimed.lock().await
    }

    pub(crate) fn set(&self, weather: Weather) {
        self.state.send_modify(|state| state.weather = weather);
    }

    /// Cuts all connections.
    pub(crate) fn cut(&self) {
        self.state.send_modify(|state| state.generation += 1);
    }

    /// Number of open connections.
    pub(crate) fn open(&self) -> u64 {
        self.seen.open.load(Ordering::Relaxed)
    }

    /// Connections cut, connections refused and chunks held back so far.
    pub(crate) fn felt(&self) -> [u64; 3] {
        [&self.seen.cut, &self.seen.refused, &self.seen.held].map(|count| count.load(Ordering::Relaxed))
    }
}

async fn accept(listener: TcpListener, state: watch::Receiver<State>, seen: Arc<Seen>) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < CONNECTIONS => match accepted {
                Ok((client, _)) => {
                    connections.spawn(serve(client, state.clone(), seen.clone()));
                }
                // For instance out of file descriptors, which ending connections free.
                Err(_) => sleep(Duration::from_millis(50)).await,
            },
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
}

async fn serve(client: TcpStream, mut state: watch::Receiver<State>, seen: Arc<Seen>) {
    let now = *state.borrow_and_update();
    match now.weather {
        Weather::Refuse => {
            seen.refused.fetch_add(1, Ordering::Relaxed);
            let _ = client.set_zero_linger();
            return;
        }
        Weather::HalfOpen => {
            seen.held.fetch_add(1, Ordering::Relaxed);
            let _ = client.set_zero_linger();
            let _ = state.wait_for(|state| state.weather != Weather::HalfOpen).await;
            return;
        }
        _ => {}
    }
    let Some(server) = connect(now.upstream).await else {
        let _ = client.set_zero_linger();
        return;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    seen.open.fetch_add(1, Ordering::Relaxed);
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let (up, down) = (state.clone(), state.clone());
    let is_over = |state: &State| state.generation != now.generation || state.weather == Weather::HalfOpen;
    let passed = async {
        tokio::try_join!(
            pump(&mut from_client, &mut to_server, up, &seen),
            pump(&mut from_server, &mut to_client, down, &seen),
        )
    };
    // Closes properly only if both sides have; else with a reset.
    let cut = tokio::select! {
        biased;
        _ = state.wait_for(is_over) => true,
        passed = passed => {
            if passed.is_err() {
                reset(&to_client, &to_server);
            }
            false
        }
    };
    seen.open.fetch_sub(1, Ordering::Relaxed);
    if !cut {
        return;
    }
    reset(&to_client, &to_server);
    if state.borrow().weather == Weather::HalfOpen {
        seen.held.fetch_add(1, Ordering::Relaxed);
        drop((from_server, to_server));
        let _ = state.wait_for(|state| state.weather != Weather::HalfOpen).await;
    } else {
        seen.cut.fetch_add(1, Ordering::Relaxed);
    }
}

async fn connect(upstream: Option<SocketAddr>) -> Option<TcpStream> {
    let connecting = timeout(Duration::from_secs(5), TcpStream::connect(upstream?));
    let server = connecting.await.ok()?.ok()?;
    // On one machine, the system may assign a port without listener to the connecting socket, which
    // then connects to itself.
    (server.local_addr().ok() != server.peer_addr().ok()).then_some(server)
}

fn reset(to_client: &OwnedWriteHalf, to_server: &OwnedWriteHalf) {
    for end in [to_client, to_server] {
        let _ = end.as_ref().set_zero_linger();
    }
}

/// Copies bytes from one side to the other until the end, subject to the weather.
async fn pump(
    from: &mut OwnedReadHalf,
    to: &mut OwnedWriteHalf,
    mut state: watch::Receiver<State>,
    seen: &Seen,
) -> std::io::Result<()> {
    let mut chunk = vec![0; CHUNK];
    loop {
        let read = from.read(&mut chunk).await?;
        let weather = state.borrow().weather;
        if matches!(weather, Weather::Delay(_) | Weather::Slow(_) | Weather::Hole) {
            seen.held.fetch_add(1, Ordering::Relaxed);
        }
        match weather {
            Weather::Delay(delay) => sleep(delay).await,
            Weather::Slow(rate) => sleep(Duration::from_micros(read as u64 * 1_000_000 / rate.max(1))).await,
            Weather::Hole => {
                let _ = state.wait_for(|state| state.weather != Weather::Hole).await;
            }
            _ => {}
        }
        if read == 0 {
            return to.shutdown().await;
        }
        to.write_all(&chunk[..read]).await?;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]
    use super::*;

    /// An echo server.
    async fn echo() -> (SocketAddr, Owned) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = Owned::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(async move {
                    let (mut read, mut write) = stream.into_split();
                    let _ = tokio::io::copy(&mut read, &mut write).await;
                });
            }
        });
        (address, serving)
    }

    async fn exchange(stream: &mut TcpStream) -> std::io::Result<()> {
        stream.write_all(b"hello").await?;
        let mut back = [0; 5];
        stream.read_exact(&mut back).await?;
        assert_eq!(&back, b"hello");
        Ok(())
    }

    #[tokio::test]
    async fn every_weather_is_felt_and_passes() {
        let (upstream, _serving) = echo().await;
        let proxy = Proxy::start().await.unwrap();
        proxy.lead_to(upstream);
        let connect = async || TcpStream::connect(proxy.address()).await.unwrap();

        let mut old = connect().await;
        exchange(&mut old).await.unwrap();
        assert_eq!(proxy.open(), 1);
        proxy.set(Weather::Refuse);
        assert!(exchange(&mut connect().await).await.is_err());
        exchange(&mut old).await.unwrap();
        proxy.cut();
        assert!(exchange(&mut old).await.is_err());
        assert_eq!(proxy.felt()[..2], [1, 1]);

        proxy.set(Weather::Clear);
        let mut kept = connect().await;
        exchange(&mut kept).await.unwrap();
        for weather in [Weather::Delay(Duration::from_millis(1)), Weather::Slow(100_000)] {
            proxy.set(weather);
            let before = proxy.felt()[2];
            exchange(&mut kept).await.unwrap();
            assert_eq!(proxy.felt()[2], before + 2);
        }
        proxy.set(Weather::Hole);
        kept.write_all(b"x").await.unwrap();
        let mut back = [0];
        let held = proxy.felt()[2];
        while proxy.felt()[2] == held {
            tokio::task::yield_now().await;
        }
        proxy.set(Weather::Clear);
        kept.read_exact(&mut back).await.unwrap();

        proxy.set(Weather::HalfOpen);
        while proxy.open() > 0 {
            tokio::task::yield_now().await;
        }
        kept.write_all(b"nobody hears this").await.unwrap();
        proxy.set(Weather::Clear);
        assert!(kept.read_exact(&mut back).await.is_err());
        exchange(&mut connect().await).await.unwrap();
    }
}
