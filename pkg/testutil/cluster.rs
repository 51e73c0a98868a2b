//! Three nats-servers as one JetStream cluster; a test can kill each.

use crate::nats::{Nats, Options};
use std::net::{Ipv4Addr, TcpListener};

/// Servers of a cluster: a majority is left when one is down.
const SERVERS: usize = 3;

/// Ports of servers: below the range of outgoing connections, so that none takes the port of a server
/// that is down.
const PORTS: std::ops::Range<u16> = 21_000..30_000;

/// A cluster of servers with JetStream, each with files of its own.
#[derive(Debug)]
pub struct Cluster {
    servers: Vec<Nats>,
}

impl Cluster {
    /// Starts all servers with `options`, except for ports and cluster settings.
    ///
    /// # Panics
    /// When one is not installed or does not start.
    pub async fn start(options: Options) -> Self {
        let ports = free_ports(2 * SERVERS);
        let (ports, routes) = ports.split_at(SERVERS);
        let known: Vec<String> = routes.iter().map(|port| format!("nats://127.0.0.1:{port}")).collect();
        let mut servers = Vec::new();
        for (number, (port, route)) in ports.iter().zip(routes).enumerate() {
            servers.push(Nats::start(Options {
                port: *port,
                extra: format!(
                    "{}\nserver_name: {}\ncluster {{\n  name: cluster\n  listen: \"127.0.0.1:{route}\"\n  routes: {known:?}\n}}",
                    options.extra,
                    name(number),
                ),
                ..options.clone()
            }).await);
        }
        Self { servers }
    }

    /// `nats://127.0.0.1:PORT,127.0.0.1:PORT,127.0.0.1:PORT`, without a path.
    #[must_use]
    pub fn url(&self) -> String {
        let hosts: Vec<String> = self.servers.iter().map(Nats::url).collect();
        format!("nats://{}", hosts.join(",").replace("nats://", ""))
    }

    /// The names of the servers, as in JetStream's stream infos.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        (0..self.servers.len()).map(name).collect()
    }

    /// The server of this name.
    ///
    /// # Panics
    /// When there is none.
    pub fn server(&mut self, wanted: &str) -> &mut Nats {
        let number = (0..self.servers.len()).find(|number| name(*number) == wanted);
        let number = number.unwrap_or_else(|| panic!("{wanted} is none of the servers"));
        &mut self.servers[number]
    }
}

fn name(number: usize) -> String {
    format!("server_{number}")
}

/// `count` different free ports.
fn free_ports(count: usize) -> Vec<u16> {
    let span = usize::from(PORTS.end - PORTS.start);
    // Concurrent test runs begin at different ports.
    let first = std::process::id() as usize * count % span;
    let held: Vec<TcpListener> = (0..span)
        .filter_map(|step| {
            let port = PORTS.start + u16::try_from((first + step) % span).unwrap_or_default();
            TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok()
        })
        .take(count)
        .collect();
    assert_eq!(held.len(), count, "no port between {PORTS:?} is free");
    let ports = held.iter().filter_map(|listener| listener.local_addr().ok());
    ports.map(|address| address.port()).collect()
}
