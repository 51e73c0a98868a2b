//! What `build.rs` makes of `api/grpc`.

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::needless_pass_by_value,
    clippy::semicolon_if_nothing_returned,
    clippy::uninlined_format_args,
    clippy::wildcard_imports,
    unused_qualifications,
    reason = "generated"
)]

/// The messages of the service. Those that hold events hold their bytes.
pub(crate) mod messages {
    tonic::include_proto!("awakari.messages");
}

/// The service that cleans.
pub(crate) mod cleaner {
    tonic::include_proto!("awakari.messages.cleaner");
}

/// Events.
pub(crate) mod pb {
    tonic::include_proto!("pb");
}

/// The services as clients see them by reflection: an encoded `FileDescriptorSet`.
pub const SERVICES: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/services.bin"));
