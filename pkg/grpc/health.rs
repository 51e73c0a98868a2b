//! Health by the gRPC protocol: `grpc.health.v1.Health`, of the server as a whole.

use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

/// Says whether the server can work. Cheap to clone.
#[derive(Clone)]
pub struct Health(pub(crate) HealthReporter);

impl Health {
    /// `SERVING`, or `NOT_SERVING`.
    pub async fn set(&self, serving: bool) {
        let status = if serving {
            ServingStatus::Serving
        } else {
            ServingStatus::NotServing
        };
        // The empty name stands for the server as a whole.
        self.0.set_service_status("", status).await;
    }
}

impl std::fmt::Debug for Health {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Health")
    }
}
