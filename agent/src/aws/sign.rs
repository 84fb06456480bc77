//! Signature Version 4.

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings, UriPathNormalizationMode, sign as make,
};
use aws_sigv4::sign::v4::SigningParams;
use http::Request;
use jiff::Timestamp;

use crate::failure::{Class, Failure};

/// A service as a signature names it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Service {
    Ec2,
    Logs,
    S3,
}

impl Service {
    fn name(self) -> &'static str {
        match self {
            Self::Ec2 => "ec2",
            Self::Logs => "logs",
            Self::S3 => "s3",
        }
    }

    /// S3 takes paths as they are and wants the body's hash in a header; the others do neither.
    fn settings(self) -> SigningSettings {
        let mut settings = SigningSettings::default();
        if self == Self::S3 {
            settings.percent_encoding_mode = PercentEncodingMode::Single;
            settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
            settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        }
        settings
    }
}

/// What of the body the signature covers.
pub(crate) enum Signed<'a> {
    /// All of it.
    Bytes(&'a [u8]),
    /// Nothing: it is read only while it is sent.
    Not,
}

/// Adds the signature's headers to a request.
pub(crate) fn sign<B>(
    request: &mut Request<B>,
    body: Signed<'_>,
    service: Service,
    region: &str,
    credentials: &Credentials,
    now: Timestamp,
) -> Result<(), Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::new(Class::Invalid, format!("the request cannot be signed: {error}"));
    let identity = credentials.clone().into();
    let params = SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(service.name())
        .time(now.try_into().map_err(|error: jiff::Error| failed(&error))?)
        .settings(service.settings())
        .build()
        .map_err(|error| failed(&error))?
        .into();
    let headers = request.headers().iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    let body = match body {
        Signed::Bytes(bytes) => SignableBody::Bytes(bytes),
        Signed::Not => SignableBody::UnsignedPayload,
    };
    let signable = SignableRequest::new(request.method().as_str(), request.uri().to_string(), headers, body);
    let signable = signable.map_err(|error| failed(&error))?;
    let (instructions, _signature) = make(signable, &params).map_err(|error| failed(&error))?.into_parts();
    instructions.apply_to_request_http1x(request);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of "Authenticating Requests: Using the Authorization Header" in the S3 API reference.
    #[test]
    fn the_published_example_has_its_signature() {
        let mut request = Request::get("https://examplebucket.s3.amazonaws.com/test.txt").header("range", "bytes=0-9").body(()).unwrap();
        let credentials =
            Credentials::new("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", None, None, "the documentation");
        let now = "2013-05-24T00:00:00Z".parse().unwrap();
        sign(&mut request, Signed::Bytes(b""), Service::S3, "us-east-1", &credentials, now).unwrap();
        assert_eq!(
            request.headers()["authorization"],
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, \
             SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, \
             Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
        );
    }

    #[test]
    fn a_body_that_is_not_read_yet_is_declared_unsigned() {
        let mut request = Request::put("http://127.0.0.1:1/bucket/key%20with%20spaces").body(()).unwrap();
        let credentials = Credentials::new("key", "secret", Some("token".to_owned()), None, "a test");
        sign(&mut request, Signed::Not, Service::S3, "us-east-1", &credentials, Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(request.headers()["x-amz-content-sha256"], "UNSIGNED-PAYLOAD");
        assert_eq!(request.headers()["x-amz-security-token"], "token");
    }
}
