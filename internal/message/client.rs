//! A client, for `odograph messages`.

use crate::proto::cleaner::CleanRequest;
use crate::proto::cleaner::service_client::ServiceClient as CleanerClient;
use crate::proto::messages::service_client::ServiceClient;
use crate::proto::messages::{DeleteBatchRequest, GetBatchRequest, PutBatchRequest};
use access::Secret;
use bytes::Bytes;
use grpc::status::{Failure, failure};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use secrecy::ExposeSecret;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::Request;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;
use url::Url;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);

/// A connection that carries nothing is asked whether it is there, and has as long to answer.
const ALIVE: Duration = Duration::from_secs(15);

/// How long a call may take.
const CALL: Duration = Duration::from_secs(60);

/// Speaks to a server of messages. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    messages: ServiceClient<Channel>,
    cleaner: CleanerClient<Channel>,
    key: Option<MetadataValue<Ascii>>,
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The URL is none of a server.
    #[error("{0:?} is no address of a server of messages; write http://HOST:50051 or https://HOST:50051")]
    Url(String),
    /// The key holds characters that no metadata may hold.
    #[error("the key holds characters other than visible ASCII")]
    Key,
    /// TLS cannot be used.
    #[error("TLS cannot be used: {0}")]
    Tls(String),
}

impl Client {
    /// Makes a client for a URL such as `http://127.0.0.1:50051`, without connecting yet. With https, the server's
    /// certificate is verified by the authorities of this file, else by the system's.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn new(url: &str, key: Option<&Secret>, authorities: Option<&Path>) -> Result<Self, ClientError> {
        let wrong = || ClientError::Url(url.to_owned());
        let parsed = Url::parse(url).map_err(|_| wrong())?;
        let host = parsed.host_str().ok_or_else(wrong)?.to_owned();
        let port = parsed.port().unwrap_or(50051);
        // TLS is below: the library knows none.
        let endpoint = Endpoint::from_shared(format!("http://{host}:{port}")).map_err(|_| wrong())?;
        // A connection that died silently is noticed before the calls on it are late.
        let endpoint = endpoint
            .connect_timeout(CONNECT)
            .timeout(CALL)
            .http2_keep_alive_interval(ALIVE)
            .keep_alive_timeout(ALIVE)
            .keep_alive_while_idle(true);
        let channel = match parsed.scheme() {
            "http" => endpoint.connect_lazy(),
            "https" => over_tls(&endpoint, &host, port, authorities)?,
            _ => return Err(wrong()),
        };
        let key = key.map(|key| format!("Bearer {}", key.expose_secret()).parse());
        Ok(Self {
            messages: ServiceClient::new(channel.clone()).max_decoding_message_size(usize::MAX),
            cleaner: CleanerClient::new(channel),
            key: key.transpose().map_err(|_| ClientError::Key)?,
        })
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(key) = &self.key {
            request.metadata_mut().insert("authorization", key.clone());
        }
        request
    }

    /// Puts encoded events.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn put(&mut self, msgs: Vec<Bytes>) -> Result<u32, Failure> {
        let request = self.request(PutBatchRequest { msgs });
        let answer = self
            .messages
            .put_batch(request)
            .await
            .map_err(|status| failure(&status))?;
        Ok(answer.into_inner().ack_count)
    }

    /// Gets the encoded events of these ids.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn get(&mut self, ids: Vec<String>) -> Result<Vec<Bytes>, Failure> {
        let request = self.request(GetBatchRequest { ids });
        let answer = self
            .messages
            .get_batch(request)
            .await
            .map_err(|status| failure(&status))?;
        Ok(answer.into_inner().msgs)
    }

    /// Deletes the messages of these ids.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn delete(&mut self, ids: Vec<String>) -> Result<u32, Failure> {
        let request = self.request(DeleteBatchRequest { ids });
        let answer = self
            .messages
            .delete_batch(request)
            .await
            .map_err(|status| failure(&status))?;
        Ok(answer.into_inner().ack_count)
    }

    /// Removes what is expired from the disk. Returns how many messages went.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn clean(&mut self) -> Result<u64, Failure> {
        let request = self.request(CleanRequest {});
        let answer = self.cleaner.clean(request).await.map_err(|status| failure(&status))?;
        Ok(answer.into_inner().count)
    }
}

fn over_tls(endpoint: &Endpoint, host: &str, port: u16, authorities: Option<&Path>) -> Result<Channel, ClientError> {
    let unusable = |error: &dyn std::fmt::Display| ClientError::Tls(error.to_string());
    let roots = tls::authorities(authorities).map_err(|error| unusable(&error))?;
    let check = tls::Check::Authorities { roots, failed: |_| {} };
    let mut config = tls::client(check).map_err(|error| unusable(&error))?;
    config.alpn_protocols = vec![web::HTTP_2.to_vec()];
    let connector = TlsConnector::from(Arc::new(config));
    let bare = host.trim_matches(['[', ']']).to_owned();
    let name = ServerName::try_from(bare.clone()).map_err(|error| unusable(&error))?;
    Ok(endpoint.connect_with_connector_lazy(service_fn(move |_| {
        let (connector, name, bare) = (connector.clone(), name.clone(), bare.clone());
        async move {
            let stream = TcpStream::connect((bare.as_str(), port)).await?;
            Ok::<_, std::io::Error>(TokioIo::new(connector.connect(name, stream).await?))
        }
    })))
}
