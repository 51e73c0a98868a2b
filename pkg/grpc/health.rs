//! Health by the gRPC protocol: `grpc.health.v1.Health`, of the server as a whole and of each service.

use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

/// Says whether the server can work. Cheap to clone.
#[derive(Clone)]
pub struct Health {
    reporter: HealthReporter,
    /// Of the services; the empty name stands for the server as a whole.
    names: Vec<&'static str>,
}

impl Health {
    pub(crate) fn new(reporter: HealthReporter) -> Self {
        Self {
            reporter,
            names: vec![""],
        }
    }

    pub(crate) fn with(mut self, name: &'static str) -> Self {
        self.names.push(name);
        self
    }

    /// `SERVING`, or `NOT_SERVING`.
    pub async fn set(&self, serving: bool) {
        let status = if serving {
            ServingStatus::Serving
        } else {
            ServingStatus::NotServing
        };
        for name in &self.names {
            self.reporter.set_service_status(*name, status).await;
        }
    }

    /// `NOT_SERVING`, for good. Ends the streams of those who watch: the server would wait for them.
    pub async fn end(&self) {
        self.set(false).await;
        for name in &self.names {
            self.reporter.clone().clear_service_status(name).await;
        }
    }
}

impl std::fmt::Debug for Health {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Health")
    }
}
