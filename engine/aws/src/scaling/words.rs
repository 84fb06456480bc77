//! Auto Scaling has few codes; what it means stands in its sentences.

use spawn_model::error::{Class, Error};

/// The code of whatever Auto Scaling finds wrong.
const WRONG: &str = "ValidationError";

/// The same error, told as what is not there if it is that.
pub(super) fn told(error: Error) -> Error {
    // "AutoScalingGroup name not found - …", "Instance Id not found - No managed instance found …".
    let missing = error.code == WRONG && (error.message.contains(" not found") || error.message.contains("No managed instance found"));
    if missing { Error { class: Class::NotFound, ..error } } else { error }
}

/// Whether a deletion can have been refused for nothing but that it goes on already.
pub(super) fn may_be_going(error: &Error) -> bool {
    [WRONG, "ScalingActivityInProgress", "ResourceInUse", "ResourceContention"].contains(&error.code.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_read_from_the_sentence() {
        for (code, message, class) in [
            (WRONG, "autoscaling:X failed: AutoScalingGroup name not found - AutoScalingGroup 'spawn-run-0' not found", Class::NotFound),
            (WRONG, "autoscaling:X failed: Instance Id not found - No managed instance found for instance ID: i-0", Class::NotFound),
            (WRONG, "autoscaling:X failed: The AutoScaling group may not be modified while it is pending delete", Class::Invalid),
            ("AlreadyExists", "autoscaling:X failed: it was not found wanting", Class::Invalid),
        ] {
            assert_eq!(told(Error::new(Class::Invalid, code, message, "")).class, class, "{message}");
        }
    }
}
