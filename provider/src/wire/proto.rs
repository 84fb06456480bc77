//! The protocol's messages, servers and clients, generated from `proto/`.

#![allow(missing_docs, clippy::all, reason = "generated: the .proto files say what they are")]

/// Terraform's own service.
pub mod tfplugin6 {
    tonic::include_proto!("tfplugin6");
}

/// What go-plugin asks of every plugin.
pub mod plugin {
    tonic::include_proto!("plugin");
}

/// gRPC's health check.
pub mod health {
    tonic::include_proto!("grpc.health.v1");
}
