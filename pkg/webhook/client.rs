//! Sends webhooks.

use crate::connection::{Answer, Connection};
use crate::outcome::{Attempt, Outcome, Reason};
use crate::pool::{LONGEST_USE, Pool};
use crate::resolve::Resolver;
use crate::target::Target;
use crate::{Allowed, Error, Request};
use rustls::{ClientConfig, RootCertStore};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Sends webhooks. One client serves all targets; its methods may be called at once from many tasks.
pub struct Client {
    allowed: Allowed,
    tls: Arc<ClientConfig>,
    resolver: Resolver,
    pool: Pool,
}

impl Client {
    /// Makes a client that trusts these authorities: `tls::authorities(None)`, the system's.
    ///
    /// # Errors
    /// [`Error::Tls`].
    pub fn new(roots: RootCertStore, allowed: Allowed) -> Result<Self, Error> {
        Self::with(roots, allowed, Resolver::system(), LONGEST_USE)
    }

    pub(crate) fn with(
        roots: RootCertStore,
        allowed: Allowed,
        resolver: Resolver,
        longest_use: Duration,
    ) -> Result<Self, Error> {
        let check = tls::Check::Authorities { roots, failed: |_| {} };
        let mut tls = tls::client(check).map_err(|error| Error::Tls(error.to_string()))?;
        // Some servers choose HTTP/2 for a client that names nothing.
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            allowed,
            tls: Arc::new(tls),
            resolver,
            pool: Pool::new(longest_use),
        })
    }

    /// Sends a request once, and waits for the answer until the timeout, which covers all of it: name,
    /// connection, handshake and answer.
    ///
    /// The one exception to "once": an endpoint may close a connection while its next request is on its
    /// way. A request that failed on a used connection without any answer is sent again on a new one. The
    /// receiver may see it twice, with the same id.
    ///
    /// Dropping the future closes the connection and leaves nothing behind.
    pub async fn send(&self, request: &Request, target: &Target, timeout: Duration) -> Attempt {
        let start = Instant::now();
        // An overflow would be further away than the process lives.
        let deadline = start
            .checked_add(timeout)
            .unwrap_or(start + Duration::from_secs(86_400));
        let answered = self.answer(request, target, deadline).await;
        let ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
        match answered {
            Ok(answer) => Attempt {
                outcome: Outcome::of(answer.status, answer.after),
                status: Some(answer.status),
                body: answer.body,
                ms,
            },
            Err(reason) => Attempt {
                outcome: match reason {
                    Reason::NotPublic | Reason::NotEncrypted => Outcome::Refused(reason),
                    reason => Outcome::Retry { reason, after: None },
                },
                status: None,
                body: String::new(),
                ms,
            },
        }
    }

    /// Closes connections that have been idle for a minute. Each request does so as well; without requests,
    /// call it every few seconds.
    pub fn close_idle(&self) {
        self.pool.sweep();
    }

    async fn answer(&self, request: &Request, target: &Target, deadline: Instant) -> Result<Answer, Reason> {
        let origin = target.origin();
        self.pool.sweep();
        if let Some(connection) = self.pool.take(origin).await {
            match self.exchange(connection, request, target, deadline).await {
                Err(Reason::Lost) => {}
                answered => return answered,
            }
        }
        let judged = Instant::now();
        let addresses = self.resolver.addresses(origin, &self.allowed, deadline).await?;
        let connection = Connection::open(&addresses, origin, &self.tls, judged, deadline).await?;
        self.exchange(connection, request, target, deadline).await
    }

    async fn exchange(
        &self,
        mut connection: Connection,
        request: &Request,
        target: &Target,
        deadline: Instant,
    ) -> Result<Answer, Reason> {
        let answer = connection.exchange(request.build(target), deadline).await?;
        if answer.reusable {
            self.pool.give(target.origin(), connection);
        }
        Ok(answer)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("allowed", &self.allowed)
            .finish_non_exhaustive()
    }
}
