//! Every input of the Action: those of its own, and those that set a field of a fleet.
//!
//! A field is declared in `spawn_model`, with what it is for; here stands only what it is called in a workflow. `action.yml` is made of this table.

use spawn_model::field::{Field, Kind};
use spawn_model::spec::FleetSpec;

/// An input of the Action.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Input {
    /// As it is written in a workflow.
    pub name: &'static str,
    /// What it is for: Markdown, a paragraph.
    pub doc: String,
    /// What it is if nobody writes it, where `action.yml` has to say so.
    pub default: Option<&'static str>,
    /// Whether it has to be written.
    pub required: bool,
}

/// An input that is no field of a fleet.
struct Own {
    name: &'static str,
    default: Option<&'static str>,
    doc: &'static str,
}

/// The input that says what to do.
pub const MODE: &str = "mode";
/// The input by which the job's status reaches the post step: the runner evaluates defaults anew for it.
pub const JOB_STATUS: &str = "job-status";

/// The inputs that are no fields of a fleet, those first that a new user meets first.
const OWN: &[Own] = &[
    Own {
        name: MODE,
        default: None,
        doc: "What to do. `run` runs a command on machines of its own and ends with it; `cluster` launches machines for the steps that follow, and \
              ends them when the job ends; `stop` ends what this run has launched, and needs no output of the step that did; `sweep` ends what is past \
              its lease, whoever launched it; `doctor` says what is wrong with token, role and set-up.",
    },
    Own {
        name: "run",
        default: None,
        doc: "Lines of shell that every rank runs, as `bash -e`. Programs that they name as `./…`, and that are files of the workspace, go along. In a \
              `cluster` the machines stay when they have ended well. Left out in a `run`: the `command` or the `jobs` of `fleet`.",
    },
    Own {
        name: "fleet",
        default: None,
        doc: "A YAML file with the fields of the fleet, as `spawn up -f` reads it. Inputs come before what it says.",
    },
    Own {
        name: "files",
        default: None,
        doc: "Further files of the workspace that the command needs: a line each, `PATH`, `PATH=NAME` or a pattern such as `tests/**/*.py`. 1 MiB in all, \
              as text.",
    },
    Own {
        name: "results",
        default: None,
        doc: "A directory of the workspace that gets what each rank has left in `$SPAWN_RESULTS`: that of rank 3 in `00003`. Left out: it stays in the \
              bucket.",
    },
    Own { name: "region", default: None, doc: "The AWS region. Left out: the environment's." },
    Own {
        name: "role-to-assume",
        default: None,
        doc: "The ARN of the role to be, by the job's OpenID Connect token: the job needs `permissions: id-token: write`. The token is asked for \
              again whenever credentials run out, and by what ends the machines. Left out: the credentials of the environment.",
    },
    Own {
        name: "audience",
        default: Some("sts.amazonaws.com"),
        doc: "For whom that token is: what the role's trust policy asks of `aud`.",
    },
    Own {
        name: "keep-on-failure",
        default: Some("false"),
        doc: "Whether the machines of a step that fails stay until their lease ends, so that somebody can look at them. Then they let people in \
              (`connect`).",
    },
    Own {
        name: "allow-untrusted-events",
        default: Some("false"),
        doc: "Whether machines are launched for events that run a stranger's code with the rights of this repository: `pull_request_target`, and pull \
              requests and workflow runs of forks.",
    },
    Own {
        name: "run-id",
        default: None,
        doc: "Whose fleets `stop` ends: the id of a workflow run of this repository. Left out: this run.",
    },
    Own {
        name: "regions",
        default: None,
        doc: "Where `sweep` looks. Separated by commas or lines. Left out: in every region of the account.",
    },
    Own { name: "dry-run", default: Some("false"), doc: "Whether `sweep` only says what it would end." },
    Own {
        name: JOB_STATUS,
        default: Some("${{ job.status }}"),
        doc: "How the job stands, which nothing else tells what runs at its end. Not to be written.",
    },
    Own {
        name: "engine-path",
        default: None,
        doc: "A program to be used in the place of the one that is fetched from the release: for runners without a way to it.",
    },
];

/// The inputs that set a field, in the order of a new user's questions.
pub const FIELDS: &[(&str, &str)] = &[
    ("name", "name"),
    ("size", "size"),
    ("min-size", "min_size"),
    ("instance-types", "instance_types"),
    ("vcpu", "requirements.vcpu"),
    ("memory-gib", "requirements.memory_gib"),
    ("gpu", "requirements.gpu"),
    ("architecture", "requirements.architecture"),
    ("exclude", "requirements.exclude"),
    ("market", "market.type"),
    ("fallback", "market.fallback"),
    ("max-price", "market.max_price"),
    ("on-demand-base", "market.on_demand_base"),
    ("ttl", "lease.ttl"),
    ("budget", "lease.budget"),
    ("idle-after", "lease.idle.after"),
    ("env", "env"),
    ("gang", "gang"),
    ("placement", "placement"),
    ("connect", "connect"),
    ("policies", "policies"),
    ("ami", "ami"),
    ("root-volume-gib", "root_volume.size_gib"),
    ("subnets", "network.subnets"),
    ("security-groups", "network.security_groups"),
    ("public-address", "network.public_address"),
    ("tags", "tags"),
    ("delete-results", "delete_results"),
];

/// Fields without an input of their name, and why: those, and what is below them, can be written into a `fleet` file.
pub const ELSEWHERE: &[(&str, &str)] = &[
    ("command", "`run`"),
    ("files", "`files`"),
    ("wait_for", "the mode says what is waited for"),
    ("triggers", "a workflow's run is a run by itself"),
    ("workers", "of a queue, which is written into a file"),
    ("jobs", "of a queue, which is written into a file"),
    ("on_failure", "of a queue, which is written into a file"),
    ("lease.idle", "the time is what is asked for; signals are a matter of a file"),
    ("lease.on_expiry", "nothing that a job launches is kept"),
    ("lease.on_idle", "nothing that a job launches is kept"),
    ("lease.retain", "nothing that a job launches is kept"),
    ("market.rebalance", "of a service"),
    ("dns", "names outlive caches, and jobs hardly do"),
    ("ssh_key", "people come with `spawn connect`"),
    ("root_volume", "its size is what is asked for"),
    ("volumes", "a disk is several fields"),
    ("pre_stop", "a hook is several fields"),
    ("checkpoint", "a hook is several fields"),
    ("peer_notice", "a hook is several fields"),
];

/// How what is written in a workflow becomes the value of a field.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Form {
    /// As it is.
    Text,
    /// One of a few words, whose parts may be joined by `-` as well as by `_`.
    Word,
    /// True or false.
    Flag,
    /// A whole number.
    Count,
    /// A number.
    Number,
    /// Parts, separated by commas or lines.
    Parts,
    /// Lines, in which there may be commas; `@FILE` is what is in a file.
    Lines,
    /// A `KEY=value` line each, or YAML.
    Pairs,
}

impl Form {
    /// How an input is written, by what its field is.
    #[must_use]
    pub fn of(path: &str) -> Self {
        match (path, field(path).kind) {
            ("market.type" | "market.fallback", _) => Self::Word,
            ("policies", _) => Self::Lines,
            (_, Kind::Bool) => Self::Flag,
            (_, Kind::Int) => Self::Count,
            (_, Kind::Float) => Self::Number,
            (_, Kind::List(_)) => Self::Parts,
            (_, Kind::Map(_) | Kind::Object(_)) => Self::Pairs,
            (_, Kind::String | Kind::Duration) => Self::Text,
        }
    }

    /// What an author has to know of it.
    const fn hint(self) -> &'static str {
        match self {
            Self::Text | Self::Flag | Self::Count | Self::Number => "",
            Self::Word => " Parts of a word may be joined by `-`.",
            Self::Parts => " Separated by commas or lines.",
            Self::Lines => " A line each; `@FILE` is what is in a file.",
            Self::Pairs => " A `KEY=value` line each, or YAML.",
        }
    }
}

/// Every input, in the order of `action.yml`.
#[must_use]
pub fn all() -> Vec<Input> {
    let own = |own: &Own| Input { name: own.name, doc: own.doc.to_owned(), default: own.default, required: own.name == MODE };
    let of_field = |&(name, path): &(&'static str, &'static str)| Input { name, doc: documented(path), default: None, required: false };
    OWN.iter().map(own).chain(FIELDS.iter().map(of_field)).collect()
}

/// Whether an input of this name exists.
#[must_use]
pub fn is_one(name: &str) -> bool {
    OWN.iter().any(|own| own.name == name) || FIELDS.iter().any(|(field, _)| *field == name)
}

/// The input that sets a field, or something below it.
#[must_use]
pub fn of_field(path: &str) -> Option<&'static str> {
    FIELDS.iter().find(|(_, field)| *field == path).map(|(name, _)| *name)
}

/// The declaration's own words, in one line, and how it is written here.
fn documented(path: &str) -> String {
    let words = |path: &str| field(path).doc.split_whitespace().collect::<Vec<_>>().join(" ");
    // What it is the size of is said above it.
    let above = if path.starts_with("root_volume.") { words("root_volume") + " " } else { String::new() };
    above + &words(path) + Form::of(path).hint()
}

/// The declaration of a field such as `size` or `lease.ttl`.
///
/// # Panics
/// If there is none; a test names every input.
fn field(path: &str) -> &'static Field {
    let mut fields = FleetSpec::FIELDS;
    let mut found = None;
    for name in path.split('.') {
        let field = fields.iter().find(|field| field.name == name).expect("inputs name declared fields");
        if let Kind::Object(inner) = field.kind {
            fields = inner;
        }
        found = Some(field);
    }
    found.expect("a path has a first step")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The paths of everything that can be written into a fleet, objects included.
    fn paths(fields: &'static [Field], above: &str) -> Vec<String> {
        let below = |field: &Field| {
            let path = format!("{above}{}", field.name);
            let inner = if let Kind::Object(inner) = field.kind { paths(inner, &format!("{path}.")) } else { Vec::new() };
            std::iter::once(path).chain(inner).collect::<Vec<_>>()
        };
        fields.iter().flat_map(below).collect()
    }

    #[test]
    fn every_field_has_an_input_or_a_reason_to_have_none() {
        let is_within = |path: &str, above: &str| path == above || path.strip_prefix(above).is_some_and(|rest| rest.starts_with('.'));
        for path in paths(FleetSpec::FIELDS, "") {
            let has_input = FIELDS.iter().any(|(_, field)| *field == path || is_within(field, &path));
            let is_elsewhere = ELSEWHERE.iter().any(|(field, _)| is_within(&path, field));
            assert!(has_input || is_elsewhere, "{path} has no input, and no reason for that");
        }
        for (path, _) in ELSEWHERE {
            field(path);
        }
    }

    #[test]
    fn every_input_has_a_name_of_its_own_that_yaml_and_environment_can_carry() {
        let inputs = all();
        let names: BTreeSet<&str> = inputs.iter().map(|input| input.name).collect();
        assert_eq!(names.len(), inputs.len());
        for Input { name, doc, .. } in &inputs {
            assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{name}");
            assert!(doc.ends_with('.') && !doc.contains('\n'), "{name}: {doc:?}");
            assert!(is_one(name));
        }
        assert!(!is_one("instance_types") && of_field("lease.ttl") == Some("ttl"));
    }
}
