//! In which order policies count: what each of them says of a call, taken together.

use super::statements::{Decision, Grant};

/// What the policies say that speak of one right.
#[derive(Debug, Clone, Copy)]
pub(super) struct Said {
    /// The identity's own.
    pub(super) identity: Decision,
    /// The resource's own.
    pub(super) resource: Grant,
    /// The role's permissions boundary; one that is not there allows.
    pub(super) boundary: Decision,
    /// The session's; one that is not there allows.
    pub(super) session: Decision,
    /// Whether the resource is a role: nobody assumes it that it does not trust.
    pub(super) on_role: bool,
}

impl Said {
    /// Why the right is refused, in AWS's words; nothing if it is not.
    ///
    /// Any denial is one. Else a resource's own policy may allow by itself, as far as role and session are not limited; else the
    /// identity's policies must, and boundary and session as well.
    pub(super) fn refusal(self, action: &str) -> Option<String> {
        self.denial().map(|policy| format!("with an explicit deny in {policy}")).or_else(|| {
            let silent = self.silence()?;
            Some(format!("because no {silent} allows the {action} action"))
        })
    }

    fn denial(self) -> Option<&'static str> {
        match self {
            Self { identity: Decision::Deny, .. } => Some("an identity-based policy"),
            Self { resource: Grant::Deny, on_role: true, .. } => Some("the role trust policy"),
            Self { resource: Grant::Deny, .. } => Some("a resource-based policy"),
            Self { boundary: Decision::Deny, .. } => Some("a permissions boundary"),
            Self { session: Decision::Deny, .. } => Some("a session policy"),
            _ => None,
        }
    }

    /// The policy that should allow and does not.
    fn silence(self) -> Option<&'static str> {
        match self {
            Self { resource: Grant::Nothing, on_role: true, .. } => Some("role trust policy"),
            Self { resource: Grant::Caller, .. } => None,
            Self { identity: Decision::Nothing, resource: Grant::Nothing | Grant::Account, .. } => Some("identity-based policy"),
            Self { boundary: Decision::Nothing, .. } => Some("permissions boundary"),
            Self { session: Decision::Nothing, .. } => Some("session policy"),
            _ => None,
        }
    }

    /// Whether the identity's policies are what is missing.
    pub(super) fn lacks_identity(self) -> bool {
        self.denial().is_none() && self.silence() == Some("identity-based policy")
    }
}

#[cfg(test)]
mod tests {
    use super::Decision::{Allow, Deny, Nothing};
    use super::*;

    #[test]
    fn policies_count_in_order() {
        let denied = |policy: &str| Some(format!("with an explicit deny in {policy}"));
        let silent = |policy: &str| Some(format!("because no {policy} allows the s3:GetObject action"));
        for (identity, resource, boundary, session, on_role, expected) in [
            (Allow, Grant::Nothing, Allow, Allow, false, None),
            (Nothing, Grant::Nothing, Allow, Allow, false, silent("identity-based policy")),
            // Whoever limits allows nothing.
            (Nothing, Grant::Nothing, Nothing, Nothing, false, silent("identity-based policy")),
            (Allow, Grant::Nothing, Nothing, Allow, false, silent("permissions boundary")),
            (Allow, Grant::Nothing, Allow, Nothing, false, silent("session policy")),
            // Any denial is one, whoever allows.
            (Deny, Grant::Caller, Allow, Allow, false, denied("an identity-based policy")),
            (Allow, Grant::Deny, Allow, Allow, false, denied("a resource-based policy")),
            (Allow, Grant::Deny, Allow, Allow, true, denied("the role trust policy")),
            (Allow, Grant::Caller, Deny, Allow, false, denied("a permissions boundary")),
            (Nothing, Grant::Caller, Allow, Deny, false, denied("a session policy")),
            // A resource allows by itself: a caller without limits, a role within them, an account not at all.
            (Nothing, Grant::Caller, Nothing, Nothing, false, None),
            (Nothing, Grant::Role, Allow, Allow, false, None),
            (Nothing, Grant::Role, Nothing, Allow, false, silent("permissions boundary")),
            (Nothing, Grant::Role, Allow, Nothing, false, silent("session policy")),
            (Nothing, Grant::Account, Allow, Allow, false, silent("identity-based policy")),
            // A role must trust whoever assumes it.
            (Allow, Grant::Nothing, Allow, Allow, true, silent("role trust policy")),
            (Allow, Grant::Account, Allow, Allow, true, None),
            (Nothing, Grant::Account, Allow, Allow, true, silent("identity-based policy")),
            (Nothing, Grant::Role, Allow, Allow, true, None),
        ] {
            let said = Said { identity, resource, boundary, session, on_role };
            assert_eq!(said.refusal("s3:GetObject"), expected, "{said:?}");
        }
    }
}
