//! From an error code of AWS to the class that decides what happens next: one table for whatever speaks to an AWS.

use spawn_model::error::Class;

/// Codes with their class. What is not here is decided by its form, then by the HTTP status.
const TABLE: &[(Class, &[&str])] = &[
    (
        Class::Capacity,
        &[
            "InsufficientInstanceCapacity",
            "InsufficientHostCapacity",
            "InsufficientReservedInstanceCapacity",
            "InsufficientCapacity",
            "UnfulfillableCapacity",
            "ReservationCapacityExceeded",
            "SpotMaxPriceTooLow",
            // The type is not in this zone. That no zone has it is the planner's to see.
            "Unsupported",
        ],
    ),
    (
        Class::Quota,
        &[
            "VcpuLimitExceeded",
            "InstanceLimitExceeded",
            "MaxSpotInstanceCountExceeded",
            "MaxFleetCountExceeded",
            "InsufficientFreeAddressesInSubnet",
            "LimitExceeded",
            "LimitExceededException",
            "ServiceQuotaExceededException",
            "TooManyBuckets",
        ],
    ),
    (
        Class::Throttled,
        &[
            "RequestLimitExceeded",
            "Throttling",
            "ThrottlingException",
            "ThrottledException",
            "EC2ThrottledException",
            "RequestThrottled",
            "RequestThrottledException",
            "TooManyRequestsException",
            "PriorRequestNotComplete",
            "SlowDown",
            "BandwidthLimitExceeded",
            "TooManyUpdates",
        ],
    ),
    (
        Class::Denied,
        &[
            "UnauthorizedOperation",
            "AccessDenied",
            "AccessDeniedException",
            "NotAuthorized",
            "OptInRequired",
            "PendingVerification",
            "Blocked",
        ],
    ),
    (Class::Denied, CREDENTIALS),
    (
        Class::NotFound,
        &[
            "NotFound",
            "NoSuchKey",
            "NoSuchBucket",
            "NoSuchUpload",
            "NoSuchEntity",
            "NoSuchHostedZone",
            "NotFoundException",
            "ResourceNotFoundException",
            "ParameterNotFound",
            "InvalidDocument",
        ],
    ),
    (
        Class::Conflict,
        &[
            "PreconditionFailed",
            "ConditionalRequestConflict",
            "AlreadyExists",
            "EntityAlreadyExists",
            "DeleteConflict",
            // What is there is not what was expected; or a name that cannot be, which is checked before.
            "InvalidChangeBatch",
            "ConflictException",
            "DocumentAlreadyExists",
            "ParameterAlreadyExists",
            "ResourceAlreadyExistsException",
            "BucketAlreadyExists",
            "BucketAlreadyOwnedByYou",
            "BucketNotEmpty",
            "DependencyViolation",
            "ResourceInUse",
            "ResourceInUseException",
            "IncorrectInstanceState",
            "IncorrectState",
            "OperationNotPermitted",
        ],
    ),
    (
        Class::Transient,
        &[
            // STS could not ask who gives out tokens for his keys.
            "IDPCommunicationError",
            "InternalError",
            "InternalFailure",
            "InternalServerError",
            "InternalServerException",
            "ServerInternal",
            "ServiceFailure",
            "ServiceUnavailable",
            "ResourceContention",
            "ScalingActivityInProgress",
            "ServiceLinkedRoleFailure",
            "ServiceUnavailableException",
            "Unavailable",
            "RequestTimeout",
            "OperationAborted",
            "OperationAbortedException",
            "ConcurrentModification",
        ],
    ),
    (
        Class::Bug,
        &[
            "IdempotentParameterMismatch",
            "InvalidAction",
            "InvalidDocumentContent",
            "MalformedPolicy",
            "MalformedPolicyDocument",
            "MalformedXML",
            "MissingParameter",
            "NotImplemented",
            "UnknownOperationException",
            "UnknownParameter",
        ],
    ),
    (
        Class::Invalid,
        &[
            "AuthorizationHeaderMalformed",
            "IllegalLocationConstraintException",
            "InvalidLocationConstraint",
            "PermanentRedirect",
            "ValidationError",
            "ValidationException",
        ],
    ),
];

/// Codes that find fault with who asks, not with what is asked.
const CREDENTIALS: &[&str] = &[
    "AuthFailure",
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "InvalidToken",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "RequestExpired",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
    "TokenRefreshRequired",
    "UnrecognizedClientException",
];

/// Every code that is listed here, with its class, by class and then as listed.
pub fn listed() -> impl Iterator<Item = (Class, &'static str)> {
    TABLE.iter().flat_map(|(class, codes)| codes.iter().map(|code| (*class, *code)))
}

/// Whether a code finds fault with the credentials.
#[must_use]
pub fn is_about_credentials(code: &str) -> bool {
    CREDENTIALS.contains(&code)
}

/// The class of an error by its code, if it has one, and its HTTP status.
#[must_use]
pub fn class_of(code: Option<&str>, status: u16) -> Class {
    let by_code = code.and_then(|code| {
        let listed = TABLE.iter().find(|(_, codes)| codes.contains(&code)).map(|(class, _)| *class);
        listed.or_else(|| by_form(code))
    });
    by_code.unwrap_or_else(|| by_status(status))
}

/// EC2 builds its codes by a rule: `InvalidGroup.Duplicate`, `InvalidAMIID.NotFound`, `AddressLimitExceeded`.
fn by_form(code: &str) -> Option<Class> {
    let ends = |endings: &[&str]| endings.iter().any(|ending| code.ends_with(ending));
    if code.starts_with("AuthFailure.") {
        Some(Class::Denied)
    } else if ends(&[".NotFound", "NotFoundException"]) {
        Some(Class::NotFound)
    } else if ends(&[".Duplicate", ".InUse", "AlreadyExists", "AlreadyExistsException"]) {
        Some(Class::Conflict)
    } else if ends(&["LimitExceeded", "QuotaExceededException"]) {
        Some(Class::Quota)
    } else if code.starts_with("Invalid") {
        Some(Class::Invalid)
    } else {
        None
    }
}

fn by_status(status: u16) -> Class {
    match status {
        401 | 403 => Class::Denied,
        404 => Class::NotFound,
        409 | 412 => Class::Conflict,
        429 => Class::Throttled,
        // An emulator that lacks the operation. AWS has all that is called here.
        501 => Class::Bug,
        500..=599 => Class::Transient,
        _ => Class::Invalid,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_code_is_listed_twice() {
        let mut codes: Vec<&str> = TABLE.iter().flat_map(|(_, codes)| codes.iter().copied()).collect();
        let listed = codes.len();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), listed);
    }

    #[test]
    fn codes_have_their_class() {
        use Class::{Bug, Capacity, Conflict, Denied, Invalid, NotFound, Quota, Throttled, Transient};
        for (code, status, class) in [
            ("InsufficientInstanceCapacity", 500, Capacity),
            ("UnfulfillableCapacity", 400, Capacity),
            ("Unsupported", 400, Capacity),
            ("VcpuLimitExceeded", 400, Quota),
            ("SecurityGroupLimitExceeded", 400, Quota),
            ("InsufficientFreeAddressesInSubnet", 400, Quota),
            ("LimitExceeded", 409, Quota),
            ("ServiceQuotaExceededException", 402, Quota),
            ("RequestLimitExceeded", 503, Throttled),
            ("Throttling", 400, Throttled),
            ("ThrottlingException", 400, Throttled),
            ("SlowDown", 503, Throttled),
            ("PriorRequestNotComplete", 400, Throttled),
            ("UnauthorizedOperation", 403, Denied),
            ("AuthFailure", 401, Denied),
            ("AuthFailure.ServiceLinkedRoleCreationNotPermitted", 403, Denied),
            ("AccessDenied", 403, Denied),
            ("AccessDeniedException", 400, Denied),
            ("ExpiredToken", 400, Denied),
            ("ExpiredTokenException", 400, Denied),
            ("InvalidClientTokenId", 403, Denied),
            ("SignatureDoesNotMatch", 403, Denied),
            ("UnrecognizedClientException", 400, Denied),
            ("RequestExpired", 400, Denied),
            ("NoSuchKey", 404, NotFound),
            ("NoSuchBucket", 404, NotFound),
            ("NoSuchEntity", 404, NotFound),
            ("ParameterNotFound", 400, NotFound),
            ("InvalidDocument", 400, NotFound),
            ("ResourceNotFoundException", 404, NotFound),
            ("InvalidInstanceID.NotFound", 400, NotFound),
            ("PreconditionFailed", 412, Conflict),
            ("ConditionalRequestConflict", 409, Conflict),
            ("EntityAlreadyExists", 409, Conflict),
            ("DeleteConflict", 409, Conflict),
            ("DocumentAlreadyExists", 400, Conflict),
            ("ConflictException", 409, Conflict),
            ("ResourceAlreadyExistsException", 400, Conflict),
            ("InvalidGroup.Duplicate", 400, Conflict),
            ("InvalidGroup.InUse", 400, Conflict),
            ("DependencyViolation", 400, Conflict),
            ("InternalError", 500, Transient),
            ("ServiceUnavailable", 503, Transient),
            ("OperationAborted", 409, Transient),
            ("InvalidInstanceType", 400, Invalid),
            ("InvalidParameterValue", 400, Invalid),
            ("InvalidInstanceID.Malformed", 400, Invalid),
            ("ValidationException", 400, Invalid),
            ("IdempotentParameterMismatch", 400, Bug),
            ("MalformedPolicyDocument", 400, Bug),
            ("SomethingNew", 400, Invalid),
            ("SomethingNew", 403, Denied),
            ("SomethingNew", 503, Transient),
        ] {
            assert_eq!(class_of(Some(code), status), class, "{code}");
        }
        for (status, class) in
            [(403, Denied), (404, NotFound), (412, Conflict), (429, Throttled), (500, Transient), (501, Bug), (400, Invalid)]
        {
            assert_eq!(class_of(None, status), class, "HTTP {status}");
        }
    }
}
