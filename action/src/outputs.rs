//! What a step hands to those after it. `action.yml` is made of this table.

/// An output of the Action.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Output {
    /// As it is written in a workflow.
    pub name: &'static str,
    /// What it is: Markdown, a paragraph.
    pub doc: &'static str,
}

macro_rules! outputs {
    ($($(#[doc = $doc:literal])+ $name:ident = $word:literal,)+) => {
        $($(#[doc = $doc])+ pub const $name: &str = $word;)+

        /// Every output, in the order of `action.yml`.
        pub const ALL: &[Output] = &[$(Output { name: $word, doc: concat!($($doc),+) },)+];
    };
}

outputs! {
    /// The id of the fleet. `spawn status`, `logs` and `results` take it, for as long as its records are kept.
    FLEET = "fleet",
    /// The name of the fleet, as `spawn connect` and `spawn exec` take it while it lives.
    NAME = "name",
    /// The region that it is in.
    REGION = "region",
    /// What has become of it: `running`, `succeeded`, `failed`, `expired`, `interrupted` or `lost`.
    STATUS = "status",
    /// The worst exit code of its ranks; nothing as long as none has ended.
    EXIT_CODE = "exit-code",
    /// Its members by rank, as JSON: a list of objects with `rank`, `instance_id`, `private_ip`, `public_ip`, `zone`, `instance_type`, `market`, `state` and `exit_code`, for `fromJSON` too.
    MEMBERS = "members",
    /// A file on the runner with the members' private addresses, a line each, by rank.
    HOSTFILE = "hostfile",
    /// The directory that the results were put into; nothing without `results`.
    RESULTS = "results",
    /// Where the results are kept: an S3 URI with a directory for each rank.
    RESULTS_URI = "results-uri",
    /// About what it has cost so far, in US dollars; nothing if a price is unknown.
    COST_USD = "cost-usd",
    /// What `stop` has ended, as JSON: a list of objects with `name`, `fleet` and `region`.
    ENDED = "ended",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_output_is_named_as_workflows_name_things() {
        for Output { name, doc } in ALL {
            assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{name}");
            assert!(doc.trim().ends_with('.'), "{name}: {doc:?}");
        }
    }
}
