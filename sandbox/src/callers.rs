//! Who may ask: credentials are random for each sandbox, and each machine has its own.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use jiff::{SignedDuration, Timestamp};

/// Who a call comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Caller {
    /// The credentials in the sandbox's file.
    Controller,
    /// Whoever follows an address that was sent to them: nobody in particular.
    Anonymous,
    /// A machine, with its role's credentials.
    Instance {
        /// Instance id.
        id: String,
        /// Name of its role.
        role: String,
        /// Unique id of its role (`AROA…`).
        role_id: String,
    },
    /// A session of a role that somebody assumed.
    Role(Arc<RoleSession>),
    /// A function, with its role's credentials.
    Function {
        /// Its name.
        name: String,
        /// Name of its role.
        role: String,
        /// Unique id of its role.
        role_id: String,
    },
    /// Lambda, which writes what a function prints with the function's role.
    FunctionLog {
        /// The function's name.
        name: String,
        /// Name of its role.
        role: String,
        /// Unique id of its role.
        role_id: String,
    },
    /// EventBridge Scheduler, with the schedule's role.
    Scheduler {
        /// Name of the role.
        role: String,
    },
    /// A Systems Manager automation, with the document's role.
    Automation {
        /// Name of the document.
        document: String,
        /// Name of the role.
        role: String,
    },
}

/// A session of a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RoleSession {
    /// Name of the role.
    pub(crate) role: String,
    /// Unique id of the role.
    pub(crate) role_id: String,
    /// Name of the session.
    pub(crate) name: String,
    /// Documents of the policies that limit it, if any do.
    pub(crate) policies: Option<Vec<String>>,
    /// Its tags.
    pub(crate) tags: BTreeMap<String, String>,
    /// Keys of those tags that go on to the sessions it begins.
    pub(crate) transitive: BTreeSet<String>,
}

static NO_TAGS: BTreeMap<String, String> = BTreeMap::new();

impl Caller {
    /// The name of the role it acts as; the controller is no role.
    pub(crate) fn role(&self) -> Option<&str> {
        match self {
            Self::Controller | Self::Anonymous => None,
            Self::Role(session) => Some(&session.role),
            Self::Instance { role, .. }
            | Self::Function { role, .. }
            | Self::FunctionLog { role, .. }
            | Self::Scheduler { role }
            | Self::Automation { role, .. } => Some(role),
        }
    }

    /// The tags of its session.
    pub(crate) fn session_tags(&self) -> &BTreeMap<String, String> {
        match self {
            Self::Role(session) => &session.tags,
            _ => &NO_TAGS,
        }
    }

    /// The policies that limit its session, if any do.
    pub(crate) fn session_policies(&self) -> Option<&[String]> {
        match self {
            Self::Role(session) => session.policies.as_deref(),
            _ => None,
        }
    }

    /// The ARN that AWS would name in an error.
    pub(crate) fn arn(&self, account: &str) -> String {
        let session = |role: &str, session: &str| format!("arn:aws:sts::{account}:assumed-role/{role}/{session}");
        match self {
            Self::Controller => format!("arn:aws:iam::{account}:user/controller"),
            Self::Anonymous => "anonymous".to_owned(),
            Self::Instance { id, role, .. } => session(role, id),
            Self::Role(assumed) => session(&assumed.role, &assumed.name),
            Self::Function { role, name, .. } | Self::FunctionLog { role, name, .. } => session(role, name),
            Self::Scheduler { role } => session(role, "EventBridgeScheduler"),
            Self::Automation { role, document } => session(role, &format!("Automation-{document}")),
        }
    }

    /// The unique id `GetCallerIdentity` answers.
    pub(crate) fn user_id(&self) -> String {
        match self {
            Self::Controller => "AIDASANDBOXCONTROLLER".to_owned(),
            Self::Anonymous => "ANONYMOUS".to_owned(),
            Self::Instance { id, role_id, .. } => format!("{role_id}:{id}"),
            Self::Role(session) => format!("{}:{}", session.role_id, session.name),
            Self::Function { role_id, name, .. } | Self::FunctionLog { role_id, name, .. } => format!("{role_id}:{name}"),
            Self::Scheduler { role } | Self::Automation { role, .. } => role.clone(),
        }
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Controller => f.write_str("controller"),
            Self::Anonymous => f.write_str("anonymous"),
            Self::Instance { id, .. } => write!(f, "instance {id}"),
            Self::Role(session) => write!(f, "role {}/{}", session.role, session.name),
            Self::Function { name, .. } => write!(f, "function {name}"),
            Self::FunctionLog { name, .. } => write!(f, "log of function {name}"),
            Self::Scheduler { .. } => f.write_str("scheduler"),
            Self::Automation { document, .. } => write!(f, "automation {document}"),
        }
    }
}

/// A set of credentials.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Credentials {
    /// Access key id.
    pub(crate) access_key_id: String,
    /// Secret access key.
    pub(crate) secret_access_key: String,
    /// Session token; long-lived credentials have none.
    pub(crate) session_token: Option<String>,
    /// When they end, in real time: whoever holds them lives in it.
    pub(crate) expires: Option<Timestamp>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Secrets do not belong in logs.
        f.debug_struct("Credentials").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

/// Every key that opens this sandbox.
#[derive(Debug)]
pub(crate) struct Callers {
    known: Mutex<HashMap<String, (Caller, Credentials)>>,
    controller: Credentials,
}

impl Default for Callers {
    fn default() -> Self {
        let controller = Credentials {
            access_key_id: format!("AKIA{}", random_id(16)),
            secret_access_key: random_secret(),
            session_token: None,
            expires: None,
        };
        let known = HashMap::from([(controller.access_key_id.clone(), (Caller::Controller, controller.clone()))]);
        Self { known: Mutex::new(known), controller }
    }
}

impl Callers {
    /// The controller's credentials.
    pub(crate) fn controller(&self) -> &Credentials {
        &self.controller
    }

    /// New session credentials for a caller, valid from `now` (real time) for `valid`.
    pub(crate) fn mint(&self, caller: Caller, now: Timestamp, valid: SignedDuration) -> Credentials {
        let credentials = Credentials {
            access_key_id: format!("ASIA{}", random_id(16)),
            secret_access_key: random_secret(),
            session_token: Some(format!("{}{}", random_secret(), random_secret())),
            expires: Some(now.saturating_add(valid).unwrap_or(Timestamp::MAX)),
        };
        let mut known = self.known.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        known.insert(credentials.access_key_id.clone(), (caller, credentials.clone()));
        credentials
    }

    /// Who an access key belongs to.
    pub(crate) fn find(&self, access_key_id: &str) -> Option<(Caller, Credentials)> {
        let known = self.known.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        known.get(access_key_id).cloned()
    }

    /// Takes credentials away.
    pub(crate) fn forget(&self, access_key_id: &str) {
        self.known.lock().unwrap_or_else(std::sync::PoisonError::into_inner).remove(access_key_id);
    }

    /// Takes a machine's credentials away.
    pub(crate) fn forget_instance(&self, instance: &str) {
        let mut known = self.known.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        known.retain(|_, (caller, _)| !matches!(caller, Caller::Instance { id, .. } if id == instance));
    }
}

/// `length` random characters of the alphabet AWS uses for ids.
pub(crate) fn random_id(length: usize) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    random_bytes(length).iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect()
}

/// Forty characters nobody can guess.
pub(crate) fn random_secret() -> String {
    base64::engine::general_purpose::STANDARD_NO_PAD.encode(random_bytes(30))
}

fn random_bytes(length: usize) -> Vec<u8> {
    use sha2::Digest as _;
    // Hashed, because a UUID carries six constant bits.
    let mut bytes = Vec::with_capacity(length + 32);
    while bytes.len() < length {
        let mut hash = sha2::Sha256::new();
        hash.update(uuid::Uuid::new_v4().as_bytes());
        hash.update(uuid::Uuid::new_v4().as_bytes());
        hash.update(uuid::Uuid::new_v4().as_bytes());
        bytes.extend_from_slice(&hash.finalize());
    }
    bytes.truncate(length);
    bytes
}
