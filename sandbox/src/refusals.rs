//! AWS's wording of refusals that are the same for every operation.

use crate::protocol::{Failure, Protocol, Request};
use crate::sigv4::SignatureError;

/// A signature that is not accepted.
pub(crate) fn signature(error: SignatureError, protocol: Protocol) -> Failure {
    let (status, code, message) = match protocol {
        Protocol::Ec2 => ec2(error),
        Protocol::RestXml => s3(error),
        Protocol::Query => query(error),
        Protocol::Json => (400, json(error).0, json(error).1),
        Protocol::RestJson => (403, json(error).0, json(error).1),
    };
    Failure::new(status, code, message)
}

const MISMATCH: &str = "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key \
                        and signing method. Consult the service documentation for details.";
const INVALID_TOKEN: &str = "The security token included in the request is invalid.";
const EXPIRED: &str = "The security token included in the request is expired";

fn ec2(error: SignatureError) -> (u16, &'static str, &'static str) {
    match error {
        SignatureError::Missing => (401, "MissingAuthenticationToken", "Request is missing Authentication Token"),
        SignatureError::Expired | SignatureError::Skewed => (400, "RequestExpired", "Request has expired."),
        SignatureError::Malformed | SignatureError::UnknownKey | SignatureError::WrongToken | SignatureError::Mismatch => {
            (401, "AuthFailure", "AWS was not able to validate the provided access credentials")
        }
    }
}

fn s3(error: SignatureError) -> (u16, &'static str, &'static str) {
    match error {
        SignatureError::Missing => (403, "AccessDenied", "Access Denied"),
        SignatureError::Malformed => (400, "AuthorizationHeaderMalformed", "The authorization header is malformed."),
        SignatureError::UnknownKey => (403, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records."),
        SignatureError::WrongToken => (400, "InvalidToken", "The provided token is malformed or otherwise invalid."),
        SignatureError::Expired => (400, "ExpiredToken", "The provided token has expired."),
        SignatureError::Skewed => {
            (403, "RequestTimeTooSkewed", "The difference between the request time and the current time is too large.")
        }
        SignatureError::Mismatch => (403, "SignatureDoesNotMatch", MISMATCH),
    }
}

fn query(error: SignatureError) -> (u16, &'static str, &'static str) {
    match error {
        SignatureError::Missing => (403, "MissingAuthenticationToken", "Request is missing Authentication Token"),
        SignatureError::Malformed => (400, "IncompleteSignature", "The request signature does not conform to AWS standards."),
        SignatureError::UnknownKey | SignatureError::WrongToken => (403, "InvalidClientTokenId", INVALID_TOKEN),
        SignatureError::Expired => (403, "ExpiredToken", EXPIRED),
        SignatureError::Skewed => (403, "SignatureDoesNotMatch", "Signature expired or not yet current."),
        SignatureError::Mismatch => (403, "SignatureDoesNotMatch", MISMATCH),
    }
}

fn json(error: SignatureError) -> (&'static str, &'static str) {
    match error {
        SignatureError::Missing => ("MissingAuthenticationTokenException", "Missing Authentication Token"),
        SignatureError::Malformed => ("IncompleteSignatureException", "The request signature does not conform to AWS standards."),
        SignatureError::UnknownKey | SignatureError::WrongToken => ("UnrecognizedClientException", INVALID_TOKEN),
        SignatureError::Expired => ("ExpiredTokenException", EXPIRED),
        SignatureError::Skewed => ("InvalidSignatureException", "Signature expired or not yet current."),
        SignatureError::Mismatch => ("InvalidSignatureException", MISMATCH),
    }
}

/// Access denied on request: as if no policy allowed it.
pub(crate) fn denied(request: &Request, account: &str) -> Failure {
    let action = format!("{}:{}", request.service, action(&request.service, &request.operation));
    let because = format!("because no identity-based policy allows the {action} action");
    not_authorized(&request.service, &request.caller.arn(account), &action, &resource(request, account), &because)
}

/// Access denied, in the service's words. A resource of `*` is not named.
pub(crate) fn not_authorized(service: &str, arn: &str, action: &str, resource: &str, because: &str) -> Failure {
    let on = match (resource, service) {
        ("*", _) => String::new(),
        (resource, "s3") => format!(" on resource: \"{resource}\""),
        (resource, _) => format!(" on resource: {resource}"),
    };
    let message = format!("User: {arn} is not authorized to perform: {action}{on} {because}");
    match Protocol::of(service) {
        Protocol::Ec2 => {
            let encoded = encoded(arn, action, resource, because);
            let message =
                format!("You are not authorized to perform this operation. {message}. Encoded authorization failure message: {encoded}");
            Failure::new(403, "UnauthorizedOperation", message)
        }
        Protocol::RestXml | Protocol::Query => Failure::new(403, "AccessDenied", message),
        Protocol::Json => Failure::new(400, "AccessDeniedException", message),
        Protocol::RestJson => Failure::new(403, "AccessDeniedException", message),
    }
}

/// What STS decodes for those who may know: the decision, the action, and on what.
fn encoded(arn: &str, action: &str, resource: &str, because: &str) -> String {
    use base64::Engine as _;
    let explicit = because.starts_with("with an explicit deny");
    let context = serde_json::json!({"principal": {"arn": arn}, "action": action, "resource": resource});
    let decision = serde_json::json!({"allowed": false, "explicitDeny": explicit, "context": context});
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(decision.to_string())
}

/// Too many requests, in the service's words.
pub(crate) fn throttled(protocol: Protocol, service: &str) -> Failure {
    match (protocol, service) {
        (Protocol::Ec2, _) => Failure::new(503, "RequestLimitExceeded", "Request limit exceeded."),
        (Protocol::RestXml, _) => Failure::new(503, "SlowDown", "Please reduce your request rate."),
        (Protocol::Query, _) => Failure::new(400, "Throttling", "Rate exceeded"),
        (Protocol::Json, _) => Failure::new(400, "ThrottlingException", "Rate exceeded"),
        (Protocol::RestJson, _) => Failure::new(429, "ThrottlingException", "Rate exceeded"),
    }
}

/// IAM's name for an operation, where it differs.
pub(crate) fn action<'a>(service: &str, operation: &'a str) -> &'a str {
    match service {
        "s3" => {}
        "lambda" if operation == "Invoke" => return "InvokeFunction",
        _ => return operation,
    }
    match operation {
        "HeadBucket" | "ListObjectsV2" | "ListObjects" => "ListBucket",
        "ListMultipartUploads" => "ListBucketMultipartUploads",
        "GetBucketNotificationConfiguration" => "GetBucketNotification",
        "PutBucketNotificationConfiguration" => "PutBucketNotification",
        "HeadObject" => "GetObject",
        "DeleteObjects" => "DeleteObject",
        "CopyObject" | "CreateMultipartUpload" | "UploadPart" | "CompleteMultipartUpload" => "PutObject",
        "ListBuckets" => "ListAllMyBuckets",
        "GetBucketLifecycleConfiguration" => "GetLifecycleConfiguration",
        "PutBucketLifecycleConfiguration" | "DeleteBucketLifecycle" => "PutLifecycleConfiguration",
        "GetBucketEncryption" => "GetEncryptionConfiguration",
        "PutBucketEncryption" | "DeleteBucketEncryption" => "PutEncryptionConfiguration",
        "GetPublicAccessBlock" => "GetBucketPublicAccessBlock",
        "PutPublicAccessBlock" | "DeletePublicAccessBlock" => "PutBucketPublicAccessBlock",
        "DeleteBucketTagging" => "PutBucketTagging",
        "DeleteBucketOwnershipControls" => "PutBucketOwnershipControls",
        other => other,
    }
}

fn resource(request: &Request, account: &str) -> String {
    let region = &request.region;
    match request.service.as_str() {
        "s3" => {
            let path = percent_encoding::percent_decode_str(request.path.trim_start_matches('/')).decode_utf8_lossy();
            if path.is_empty() { "*".to_owned() } else { format!("arn:aws:s3:::{}", path.trim_end_matches('/')) }
        }
        "ec2" if request.operation.starts_with("Describe") => "*".to_owned(),
        "ec2" => format!("arn:aws:ec2:{region}:{account}:{}/*", ec2_resource(&request.operation)),
        "iam" => {
            let form = crate::form::Form::parse(&request.body);
            let named = |key: &str, kind: &str| form.peek(key).map(|name| format!("arn:aws:iam::{account}:{kind}/{name}"));
            named("RoleName", "role")
                .or_else(|| named("InstanceProfileName", "instance-profile"))
                .or_else(|| named("PolicyName", "policy"))
                .unwrap_or_else(|| format!("arn:aws:iam::{account}:*"))
        }
        "lambda" => crate::backends::lambda::function_arn(request, account),
        "pricing" | "servicequotas" | "sts" => "*".to_owned(),
        "route53" => crate::backends::route53::resource(request),
        service => format!("arn:aws:{service}:{region}:{account}:*"),
    }
}

fn ec2_resource(operation: &str) -> &'static str {
    if operation.contains("SecurityGroup") {
        "security-group"
    } else if operation.contains("LaunchTemplate") {
        "launch-template"
    } else if operation.contains("Volume") {
        "volume"
    } else {
        "instance"
    }
}
