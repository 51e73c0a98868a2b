//! Addresses of a host: resolved once, judged, and then connected to. Nothing resolves a name again between
//! the judgement and the connection, so a name server cannot answer differently (DNS rebinding).

use crate::Allowed;
use crate::outcome::Reason;
use crate::target::{Name, Origin};
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

/// How long name servers have; the try's deadline may be earlier.
const LONGEST: Duration = Duration::from_secs(5);
/// Lookups at once. Each holds a thread of the runtime until the system gives up, which may be long after
/// the try's deadline; the runtime has 512, and files need them too.
const LOOKUPS: usize = 128;

type Lookup = dyn Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync;

/// Resolves and judges hosts.
pub(crate) struct Resolver {
    lookup: Arc<Lookup>,
    room: Arc<Semaphore>,
}

impl Resolver {
    /// Asks the system, as `getaddrinfo` does.
    pub(crate) fn system() -> Self {
        Self::of(|host, port| Ok((host, port).to_socket_addrs()?.collect()))
    }

    pub(crate) fn of(lookup: impl Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static) -> Self {
        Self {
            lookup: Arc::new(lookup),
            room: Arc::new(Semaphore::new(LOOKUPS)),
        }
    }

    /// The addresses of an origin, all of them permitted. One that is not refuses all: a host that has
    /// such an address is not on the public internet, or tries addresses out.
    pub(crate) async fn addresses(
        &self,
        origin: &Origin,
        allowed: &Allowed,
        deadline: Instant,
    ) -> Result<Vec<SocketAddr>, Reason> {
        if origin.tls.is_none() && !origin.may_be_plain(allowed) {
            return Err(Reason::NotEncrypted);
        }
        let (host, addresses) = match &origin.host {
            Name::Ip(ip) => (None, vec![SocketAddr::new(*ip, origin.port)]),
            Name::Host(name) => {
                let deadline = deadline.min(Instant::now() + LONGEST);
                let found = timeout_at(deadline, self.resolve(name, origin.port)).await;
                (Some(name.as_str()), found.map_err(|_| Reason::SlowName)??)
            }
        };
        if addresses.is_empty() {
            return Err(Reason::Unresolved);
        }
        if addresses.iter().all(|address| allowed.permits(host, address.ip())) {
            Ok(addresses)
        } else {
            Err(Reason::NotPublic)
        }
    }

    async fn resolve(&self, name: &str, port: u16) -> Result<Vec<SocketAddr>, Reason> {
        let unresolved = |_| Reason::Unresolved;
        let room = self.room.clone().acquire_owned().await.map_err(|_| Reason::SlowName)?;
        let (lookup, name) = (self.lookup.clone(), name.to_owned());
        // Not `tokio::net::lookup_host`: that does the same, but its thread could not hold the permit past
        // the deadline.
        let found = tokio::task::spawn_blocking(move || {
            let _room = room;
            lookup(&name, port)
        });
        let found = found.await.map_err(|_| Reason::Unresolved)?.map_err(unresolved)?;
        // A resolver may answer with any port; ours is the URL's.
        Ok(found
            .into_iter()
            .map(|address| SocketAddr::new(address.ip(), port))
            .collect())
    }
}
