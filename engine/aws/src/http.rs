//! The one HTTP client of all services: whom it trusts, and whether it needs to trust anybody.

use std::path::Path as FilePath;
use std::sync::Arc;

use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use hyper_rustls::ConfigBuilderExt;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use spawn_core::ports::Result;
use spawn_model::error::{Class, Error};

/// The variables that name a file of certificates: that of every AWS tool first, then that of OpenSSL.
const VARIABLES: [&str; 2] = ["AWS_CA_BUNDLE", "SSL_CERT_FILE"];

/// Where distributions keep the bundle of all certificates they trust (Debian, Fedora, openSUSE, Alpine and macOS). Without one,
/// every file of a directory is read, which takes longer than everything else a plan does here.
const BUNDLES: [&str; 4] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem"];

/// The client for a connection to `endpoint_url`, or to AWS itself.
///
/// # Errors
/// `NoCertificates` if a variable names a file of certificates that cannot be read.
pub(crate) fn client(endpoint_url: Option<&str>) -> Result<SharedHttpClient> {
    if is_plain(endpoint_url, std::env::vars()) {
        return Ok(Builder::new().build_http());
    }
    let trusted = match bundle()? {
        Some(pem) => TrustStore::empty().with_pem_certificate(pem),
        None => TrustStore::default(),
    };
    let context = TlsContext::builder().with_trust_store(trusted).build();
    let context = context.map_err(|cause| Error::new(Class::Bug, "InvalidRequest", format!("no TLS client: {cause}"), ""))?;
    Ok(Builder::new().tls_provider(Provider::Rustls(CryptoMode::AwsLc)).tls_context(context).build_https())
}

/// Whether every service is spoken to without TLS, as sandboxes and emulators on loopback are: then nobody needs to be trusted.
fn is_plain(endpoint_url: Option<&str>, mut environment: impl Iterator<Item = (String, String)>) -> bool {
    let mut of_all = endpoint_url.map(str::to_owned);
    let others_are = environment.all(|(name, value)| {
        if name == "AWS_ENDPOINT_URL" {
            of_all.get_or_insert(value);
            return true;
        }
        !name.starts_with("AWS_ENDPOINT_URL_") || value.starts_with("http://")
    });
    others_are && of_all.is_some_and(|url| url.starts_with("http://"))
}

/// The certificates to trust, in PEM: those that a variable names, else those of the distribution.
///
/// # Errors
/// `NoCertificates` if a variable names a file that cannot be read.
fn bundle() -> Result<Option<Vec<u8>>> {
    for variable in VARIABLES {
        let Some(path) = std::env::var_os(variable).filter(|path| !path.is_empty()) else { continue };
        let read = std::fs::read(&path).map_err(|cause| {
            let message = format!("{variable} names {}, which cannot be read: {cause}", FilePath::new(&path).display());
            Error::new(Class::Invalid, "NoCertificates", message, format!("Name a file of certificates in PEM, or unset {variable}"))
        });
        return read.map(Some);
    }
    Ok(BUNDLES.iter().find_map(|path| std::fs::read(path).ok()))
}

/// TLS for what is no call of an SDK: trusts whom every service of AWS is trusted by.
///
/// # Errors
/// In words, if the certificates cannot be read.
pub fn tls() -> Result<ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().map_err(|error| error.to_string())?;
    let Some(pem) = bundle().map_err(|error| error.message)? else {
        return Ok(builder.with_native_roots().map_err(|error| error.to_string())?.with_no_client_auth());
    };
    let mut roots = RootCertStore::empty();
    // One certificate that cannot be read does not take the others away.
    roots.add_parsable_certificates(CertificateDer::pem_slice_iter(&pem).flatten());
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_endpoints_need_no_trust() {
        let set = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let (plain, secure) = ("http://127.0.0.1:4566", "https://example.com");
        for (option, environment, expected) in [
            (None, set(&[]), false),
            (Some(plain), set(&[]), true),
            (Some(secure), set(&[("AWS_ENDPOINT_URL", plain)]), false),
            (None, set(&[("AWS_ENDPOINT_URL", plain)]), true),
            (None, set(&[("AWS_ENDPOINT_URL", secure)]), false),
            (None, set(&[("AWS_ENDPOINT_URL", plain), ("AWS_ENDPOINT_URL_S3", secure)]), false),
            (None, set(&[("AWS_ENDPOINT_URL_S3", plain)]), false),
        ] {
            assert_eq!(is_plain(option, environment.clone().into_iter()), expected, "{option:?} {environment:?}");
        }
    }
}
