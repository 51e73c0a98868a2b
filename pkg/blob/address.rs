//! Opens the store of a URL.

use crate::folder::Folder;
use crate::{Error, Store};
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{ClientOptions, ObjectStore, RetryConfig};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

const ALLOWED: &str =
    "write s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, az://CONTAINER/PREFIX, file:///FOLDER or memory:///PREFIX";
const S3_PARAMETERS: &[&str] = &["endpoint", "region", "path_style", "copy_limit"];

/// One memory for the whole process: stores of the same URL share their blobs.
static MEMORY: LazyLock<InMemory> = LazyLock::new(InMemory::new);

/// Default size limit, in bytes, of copies within a cloud: enough for most blobs, and copied within a
/// request's deadline at 6 MB/s.
const COPY_LIMIT: u64 = 1 << 30;

/// Bytes that one request reads of a blob in a cloud.
const RANGE: u64 = 4 << 20;

impl Store {
    /// Opens `s3://bucket/prefix`, `gs://bucket/prefix`, `az://container/prefix`,
    /// `file:///folder` (made when missing) or `memory:///prefix` (one memory for the whole
    /// process). Credentials come from the usual variables of each cloud, and so do S3's
    /// `endpoint`, `region` and `path_style` unless the URL has them as query parameters.
    ///
    /// Does not connect to the store yet.
    pub fn open(url: &str) -> Result<Self, Error> {
        open(url)
    }
}

fn open(url: &str) -> Result<Store, Error> {
    let address = Address::parse(url)?;
    match address.scheme {
        "s3" => {
            let s3 = s3(&address)?.build();
            address.cloud(s3)
        }
        "gs" => {
            let bucket = address.container("bucket")?;
            let gcs = GoogleCloudStorageBuilder::from_env()
                .with_bucket_name(bucket)
                .with_retry(retry());
            address.cloud(gcs.with_client_options(client(false)).build())
        }
        "az" => {
            let container = address.container("container")?;
            let azure = MicrosoftAzureBuilder::from_env()
                .with_container_name(container)
                .with_retry(retry());
            address.cloud(azure.with_client_options(client(false)).build())
        }
        "file" => {
            address.no_host()?;
            let (folder, store) = Folder::open(&std::path::Path::new("/").join(address.prefix.as_ref()))?;
            Ok(Store {
                inner: Arc::new(store),
                folder: Some(Arc::new(folder)),
                range: None,
                copy_limit: u64::MAX,
            })
        }
        "memory" => {
            address.no_host()?;
            Ok(Store {
                inner: Arc::new(PrefixStore::new(MEMORY.clone(), address.prefix)),
                folder: None,
                range: None,
                copy_limit: u64::MAX,
            })
        }
        scheme if scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
            Err(Error::Url(format!("the scheme {scheme:?} is not known; {ALLOWED}")))
        }
        // It may be a misplaced password, so the error does not repeat it.
        _ => Err(Error::Url(format!("its scheme is not known; {ALLOWED}"))),
    }
}

/// The checks of [`open`], without opening a store.
/// Parses a URL and opens nothing; for `fuzz/`.
///
/// # Errors
/// [`Error::Url`] where the URL cannot be used.
#[cfg(fuzzing)]
pub fn parse(url: &str) -> Result<(), Error> {
    let address = Address::parse(url)?;
    match address.scheme {
        "s3" => s3(&address).map(|_| ()),
        "gs" | "az" => address.container("container").map(|_| ()),
        _ => address.no_host(),
    }
}

/// The parts of a URL, decoded. Error messages never show the query: users put secrets there by mistake.
#[derive(Debug)]
struct Address<'a> {
    scheme: &'a str,
    host: &'a str,
    prefix: Path,
    parameters: Vec<(String, String)>,
    copy_limit: u64,
}

impl<'a> Address<'a> {
    fn parse(url: &'a str) -> Result<Self, Error> {
        let (scheme, rest) = url
            .split_once("://")
            .ok_or_else(|| Error::Url(format!("it has no scheme; {ALLOWED}")))?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        if host.contains('@') {
            return Err(Error::Url(format!(
                "credentials do not belong in it, but in the usual variables of the store; {ALLOWED}"
            )));
        }
        let path = Path::from_url_path(path).map_err(|error| Error::Url(format!("its path is not valid: {error}")))?;
        let (mut parameters, mut copy_limit) = (Vec::new(), COPY_LIMIT);
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let allowed = if scheme == "s3" { S3_PARAMETERS } else { &[] };
            if !allowed.contains(&name) {
                return Err(Error::Url(unknown_parameter(scheme, name, allowed)));
            }
            let value = percent::decode(value).map_err(|error| Error::Url(format!("the parameter {name}: {error}")))?;
            if name == "copy_limit" {
                let bytes = value.parse();
                copy_limit = bytes.map_err(|_| Error::Url("copy_limit is not a number of bytes".to_owned()))?;
            }
            parameters.push((name.to_owned(), value));
        }
        Ok(Self {
            scheme,
            host,
            prefix: path,
            parameters,
            copy_limit,
        })
    }

    fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    fn container(&self, noun: &str) -> Result<&'a str, Error> {
        if self.host.is_empty() {
            return Err(Error::Url(format!(
                "it names no {noun}: {}://{}/PREFIX",
                self.scheme,
                noun.to_uppercase()
            )));
        }
        Ok(self.host)
    }

    fn no_host(&self) -> Result<(), Error> {
        if self.host.is_empty() {
            return Ok(());
        }
        Err(Error::Url(format!(
            "write three slashes: {0}:///{1}, not {0}://{1}",
            self.scheme, self.host
        )))
    }

    fn cloud<S: ObjectStore>(self, store: object_store::Result<S>) -> Result<Store, Error> {
        let store = store.map_err(|error| Error::Url(error.to_string()))?;
        Ok(Store {
            inner: Arc::new(PrefixStore::new(store, self.prefix)),
            folder: None,
            range: Some(RANGE),
            copy_limit: self.copy_limit,
        })
    }
}

fn s3(address: &Address<'_>) -> Result<AmazonS3Builder, Error> {
    let bucket = address.container("bucket")?;
    let mut builder = AmazonS3Builder::from_env().with_bucket_name(bucket).with_retry(retry());
    if let Some(region) = address.parameter("region") {
        builder = builder.with_region(region);
    }
    let virtual_hosted = match address.parameter("path_style") {
        None => false,
        Some("true") => false,
        Some("false") => true,
        Some(_) => return Err(Error::Url("path_style is neither true nor false".to_owned())),
    };
    let environment = builder.get_config_value(&AmazonS3ConfigKey::Endpoint);
    let endpoint = address.parameter("endpoint").map(str::to_owned).or(environment);
    let plain = endpoint
        .as_deref()
        .is_some_and(|endpoint| endpoint.starts_with("http://"));
    if let Some(endpoint) = endpoint {
        let Some((scheme, host)) = endpoint
            .split_once("://")
            .filter(|(scheme, _)| matches!(*scheme, "http" | "https"))
        else {
            return Err(Error::Url(
                "endpoint starts with neither http:// nor https://".to_owned(),
            ));
        };
        let host = host.trim_end_matches('/');
        // The client expects a bucket that is part of the host name in the endpoint.
        let host = if virtual_hosted {
            format!("{bucket}.{host}")
        } else {
            host.to_owned()
        };
        builder = builder.with_endpoint(format!("{scheme}://{host}"));
    }
    if address.parameter("path_style").is_some() {
        builder = builder.with_virtual_hosted_style_request(virtual_hosted);
    }
    Ok(builder.with_client_options(client(plain)))
}

/// Deadlines of a request: enough for a part of 8 MiB at 50 KB/s. A copy within the store is one request,
/// too, bounded by [`COPY_LIMIT`].
fn client(plain: bool) -> ClientOptions {
    ClientOptions::new()
        .with_allow_http(plain)
        .with_connect_timeout(Duration::from_secs(10))
        .with_timeout(Duration::from_secs(170))
}

fn retry() -> RetryConfig {
    RetryConfig {
        max_retries: 8,
        retry_timeout: Duration::from_secs(120),
        ..RetryConfig::default()
    }
}

fn unknown_parameter(scheme: &str, name: &str, allowed: &[&str]) -> String {
    if allowed.is_empty() {
        format!("{scheme}:// takes no parameters, and it has {name:?}")
    } else {
        format!(
            "the parameter {name:?} is not known; {scheme}:// takes {}",
            allowed.join(", ")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write;

    fn refusal(url: &str) -> String {
        open(url).expect_err(url).to_string()
    }

    #[test]
    fn refusals_name_what_is_allowed() {
        let mut refusals = String::new();
        for url in [
            "ftp://host/dir",
            "/var/dumps",
            "s3://bucket/p?regoin=eu",
            "s3://bucket?copy_limit=5GiB",
            "s3://bucket?path_style=yes",
            "s3://bucket?endpoint=127.0.0.1:9000",
            "s3://bucket?endpoint=%zz",
            "s3://bucket?region=%+1",
            "s3:///prefix",
            "az://",
            "file://var/dumps",
            "memory://dumps",
            "memory:///dumps?region=x",
            "file:///var/../etc",
        ] {
            let _written = writeln!(refusals, "{url}\n    {}", refusal(url));
        }
        insta::assert_snapshot!(refusals);
    }

    #[test]
    fn a_secret_put_into_the_query_is_not_repeated() {
        let refusal = refusal("s3://bucket?secret_access_key=hunter2");
        assert!(!refusal.contains("hunter2"), "{refusal}");
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let refusal = refusal(&format!("file://{}/below", file.path().display()));
        assert!(refusal.contains("cannot use the folder /"), "{refusal}");
    }

    #[test]
    fn parameters_are_decoded() {
        let url = "s3://bucket/a/b%20c?endpoint=http%3A%2F%2F127.0.0.1:9000&region=eu-central-1&path_style=true";
        let address = Address::parse(url).unwrap();
        assert_eq!((address.host, address.prefix.as_ref()), ("bucket", "a/b c"));
        assert_eq!(address.parameter("endpoint"), Some("http://127.0.0.1:9000"));
        let builder = s3(&address).unwrap();
        assert_eq!(
            builder.get_config_value(&AmazonS3ConfigKey::Region).as_deref(),
            Some("eu-central-1")
        );
        assert_eq!(
            builder.get_config_value(&AmazonS3ConfigKey::Endpoint).as_deref(),
            Some("http://127.0.0.1:9000")
        );
    }

    #[test]
    fn a_bucket_is_part_of_the_host_where_asked_for() {
        let address = Address::parse("s3://bucket?endpoint=https://s3.example.org&path_style=false").unwrap();
        let builder = s3(&address).unwrap();
        let endpoint = builder.get_config_value(&AmazonS3ConfigKey::Endpoint);
        assert_eq!(endpoint.as_deref(), Some("https://bucket.s3.example.org"));
    }
}
