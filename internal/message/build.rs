//! Compiles the services of `api/grpc`, without protoc.

use prost_types::field_descriptor_proto::Type;
use prost_types::{FileDescriptorProto, FileDescriptorSet};
use std::error::Error;
use std::path::PathBuf;

/// Named, as in their imports, from this folder: as users name them.
const FILES: [&str; 2] = ["api/grpc/service.proto", "api/grpc/cleaner/service.proto"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=api/grpc");
    let mut files = protox::compile(FILES, ["."])?;
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    // What clients see by reflection.
    std::fs::write(out.join("services.bin"), prost::Message::encode_to_vec(&files))?;
    keep_bytes(&mut files);
    tonic_prost_build::configure()
        .build_transport(false)
        .bytes(".")
        .compile_fds(files)?;
    Ok(())
}

/// Messages stay the bytes that they came as: decoded and encoded again they would lose what this version does not
/// know, and change the order of their attributes.
fn keep_bytes(files: &mut FileDescriptorSet) {
    let ours = |file: &&mut FileDescriptorProto| file.package() == "awakari.messages";
    for file in files.file.iter_mut().filter(ours) {
        for field in file.message_type.iter_mut().flat_map(|message| &mut message.field) {
            if field.name() == "msgs" {
                field.set_type(Type::Bytes);
                field.type_name = None;
            }
        }
    }
}
