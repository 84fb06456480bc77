//! Errors of the SDK as they come, and what becomes of them.

use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::error::ErrorMetadata;
use spawn_model::error::Error;

use super::*;

const LAUNCH: Call = Call::once("ec2", "RunInstances");
const READ: Call = Call::repeatable("s3", "HeadObject").needing("s3:GetObject");
const HOST: &str = "ec2.us-east-1.amazonaws.com";

#[derive(Debug)]
struct Answer(ErrorMetadata);

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl StdError for Answer {}

impl ProvideErrorMetadata for Answer {
    fn meta(&self) -> &ErrorMetadata {
        &self.0
    }
}

fn answer(status: u16) -> HttpResponse {
    HttpResponse::new(StatusCode::try_from(status).expect("a status"), SdkBody::empty())
}

fn service_error(call: Call, status: u16, code: &str, message: &str) -> Error {
    let meta = ErrorMetadata::builder().code(code).message(message).build();
    translate(call, HOST, &SdkError::service_error(Answer(meta), answer(status)))
}

#[test]
fn a_missing_permission_is_named_as_aws_names_it_or_by_the_call() {
    let words = "You are not authorized to perform this operation. User: arn:aws:sts::123456789012:assumed-role/ci/run is not authorized to perform: \
                 iam:PassRole on resource: arn:aws:iam::123456789012:role/spawn/x because no identity-based policy allows the iam:PassRole action. \
                 Encoded authorization failure message: 4GIOHlTkIaWHQD0Q0m6XSnuUMC";
    let error = service_error(LAUNCH, 403, "UnauthorizedOperation", words);
    assert_eq!(error.class, Class::Denied);
    assert!(error.message.starts_with("the permission iam:PassRole is missing: "), "{}", error.message);
    assert!(!error.message.contains("4GIOH"), "{}", error.message);
    assert_eq!(error.help, "Allow arn:aws:sts::123456789012:assumed-role/ci/run iam:PassRole, or use other credentials");

    let error = service_error(READ, 403, "AccessDenied", "Access Denied");
    assert_eq!(error.message, "the permission s3:GetObject is missing: Access Denied");

    let silent = translate(READ, HOST, &SdkError::service_error(Answer(ErrorMetadata::builder().build()), answer(403)));
    assert_eq!((silent.class, silent.code.as_str()), (Class::Denied, "HTTP403"));
    assert!(silent.message.contains("s3:GetObject"), "{}", silent.message);
}

#[test]
fn bad_credentials_are_not_taken_for_a_missing_permission() {
    for (code, expected) in [
        ("InvalidClientTokenId", "AWS does not accept the credentials"),
        ("ExpiredToken", "the credentials have expired"),
        ("RequestExpired", "AWS finds the request too old or too new"),
    ] {
        let error = service_error(LAUNCH, 403, code, "The security token included in the request is invalid.");
        assert_eq!((error.class, error.code.as_str()), (Class::Denied, code));
        assert!(error.message.starts_with(expected), "{}", error.message);
        assert!(!error.message.ends_with('.'));
    }
}

#[test]
fn without_an_answer_a_change_is_ambiguous_and_a_read_is_not() {
    for (status, code, launch, read) in [
        (500, "InternalError", Class::Ambiguous, Class::Transient),
        (503, "Unavailable", Class::Transient, Class::Transient),
        (500, "InsufficientInstanceCapacity", Class::Capacity, Class::Capacity),
    ] {
        assert_eq!(service_error(LAUNCH, status, code, "no").class, launch, "{code}");
        assert_eq!(service_error(READ, status, code, "no").class, read, "{code}");
    }
    for (call, class) in [(LAUNCH, Class::Ambiguous), (READ, Class::Transient)] {
        let timeout: SdkError<Answer, HttpResponse> = SdkError::timeout_error("too slow");
        assert_eq!(translate(call, HOST, &timeout).class, class);
        let garbled: SdkError<Answer, HttpResponse> = SdkError::response_error("not XML", answer(200));
        assert_eq!(translate(call, HOST, &garbled).class, class);
    }
}

#[test]
fn missing_credentials_are_told_with_the_ways_to_get_some() {
    let cause = CredentialsError::not_loaded("nothing there");
    let error: SdkError<Answer, HttpResponse> = SdkError::construction_failure(cause);
    let error = translate(LAUNCH, HOST, &error);
    assert_eq!((error.class, error.code.as_str()), (Class::Denied, "NoCredentials"));
    for way in ["AWS_PROFILE", "AWS_ACCESS_KEY_ID", "eval \"$(spawn sandbox env)\""] {
        assert!(error.help.contains(way), "{}", error.help);
    }
}
