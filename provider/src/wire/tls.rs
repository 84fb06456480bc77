//! Mutual TLS as go-plugin does it: each side pins the other's one certificate, and no authority is involved.

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::NoServerSessionStorage;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme};

/// Why no encrypted connection can be offered.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// Terraform's certificate is none.
    #[error("the certificate in PLUGIN_CLIENT_CERT cannot be read: {0}")]
    ClientCertificate(#[from] rustls::pki_types::pem::Error),
    /// Our own could not be made.
    #[error("no certificate of our own can be made: {0}")]
    OwnCertificate(#[from] rcgen::Error),
    /// The two do not make a server.
    #[error("TLS cannot be set up: {0}")]
    Configuration(#[from] rustls::Error),
}

/// What the server shows and whom it admits.
pub struct Identity {
    /// The certificate (DER) that the handshake line announces.
    pub certificate: CertificateDer<'static>,
    /// How it is shown, and who is let in.
    pub config: Arc<ServerConfig>,
}

/// Makes a certificate for this process and admits only who shows `client_pem`.
///
/// # Errors
/// If that is no certificate, or TLS cannot be set up.
pub fn identity(client_pem: &str) -> Result<Identity, TlsError> {
    let client = CertificateDer::from_pem_slice(client_pem.as_bytes())?;
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
    // Terraform verifies the name "localhost".
    let mut parameters = rcgen::CertificateParams::new(vec!["localhost".to_owned()])?;
    parameters.insert_extended_key_usage(rcgen::ExtendedKeyUsagePurpose::ServerAuth);
    let certificate = parameters.self_signed(&key)?.der().clone();
    // Named, because what the process-wide default is depends on which crates are linked. It must be one that knows
    // P-521, the curve of Terraform's certificate.
    let crypto = Arc::new(aws_lc_rs::default_provider());
    let verifier = Pinned { client, crypto: Arc::clone(&crypto) };
    let mut config = ServerConfig::builder_with_provider(crypto)
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(Arc::new(verifier))
        .with_single_cert(vec![certificate.clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    // One connection in a process's life: there is nothing to resume.
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(Identity { certificate, config: Arc::new(config) })
}

/// Admits one certificate, byte for byte. A verifier of chains would refuse it: it is an authority's and used as a leaf.
#[derive(Debug)]
struct Pinned {
    client: CertificateDer<'static>,
    crypto: Arc<CryptoProvider>,
}

impl ClientCertVerifier for Pinned {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        if *end_entity == self.client {
            Ok(ClientCertVerified::assertion())
        } else {
            Err(rustls::Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.crypto.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.crypto.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.crypto.signature_verification_algorithms.supported_schemes()
    }
}
