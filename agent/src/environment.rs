//! The environment of the workload. It is made from nothing: no variable of the agent's gets through, AWS's least of all; but for where
//! AWS is, if the workload may use it.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use spawn_model::record::{AgentConfig, Payload};

/// What the workload is told, beside what the user wrote.
pub(crate) struct Facts<'a> {
    pub(crate) config: &'a AgentConfig,
    pub(crate) payload: &'a Payload,
    pub(crate) rank: u32,
    pub(crate) attempt: u32,
    pub(crate) deadline: Timestamp,
    pub(crate) notices: &'a Path,
    pub(crate) peers: &'a Path,
    pub(crate) hostfile: &'a Path,
    pub(crate) results: &'a Path,
    pub(crate) home: &'a Path,
    pub(crate) user: &'a str,
    /// Where programs are found.
    pub(crate) path: &'a str,
    /// Where AWS is, if it is not where it usually is.
    pub(crate) endpoints: &'a [(&'static str, String)],
}

/// Variables that say where AWS is.
const ENDPOINTS: [&str; 2] = ["AWS_EC2_METADATA_SERVICE_ENDPOINT", "AWS_ENDPOINT_URL"];

/// Where AWS is for the agent.
pub(crate) fn endpoints() -> Vec<(&'static str, String)> {
    ENDPOINTS.into_iter().filter_map(|name| Some((name, std::env::var(name).ok()?))).collect()
}

/// Makes the environment. The user's variables come last, so they may replace what is usual, but not what spawn says.
pub(crate) fn make(facts: &Facts<'_>) -> BTreeMap<String, String> {
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let usual = [
        ("HOME", text(facts.home)),
        ("LANG", "C.UTF-8".to_owned()),
        ("LOGNAME", facts.user.to_owned()),
        ("PATH", facts.path.to_owned()),
        ("USER", facts.user.to_owned()),
    ];
    let (rank, size) = (facts.rank.to_string(), facts.payload.size.to_string());
    let ours = [
        ("JOB_ARRAY_ID", facts.config.run.to_string()),
        ("JOB_ARRAY_INDEX", rank.clone()),
        ("JOB_ARRAY_NAME", facts.payload.name.clone()),
        ("JOB_ARRAY_SIZE", size.clone()),
        ("SPAWN_ATTEMPT", facts.attempt.to_string()),
        ("SPAWN_DEADLINE", facts.deadline.to_string()),
        ("SPAWN_FLEET", facts.config.fleet.to_string()),
        ("SPAWN_HOSTFILE", text(facts.hostfile)),
        ("SPAWN_JOB", facts.config.run.to_string()),
        ("SPAWN_NOTICES", text(facts.notices)),
        ("SPAWN_PEERS", text(facts.peers)),
        ("SPAWN_RANK", rank),
        ("SPAWN_RESULTS", text(facts.results)),
        ("SPAWN_RUN", facts.config.run.to_string()),
        ("SPAWN_SIZE", size),
    ];
    let region = &facts.config.region;
    let aws = [("AWS_DEFAULT_REGION", region.clone()), ("AWS_REGION", region.clone())].into_iter().chain(facts.endpoints.iter().cloned());
    let aws = aws.filter(|_| facts.payload.uses_aws);
    let owned = |(name, value): (&str, String)| (name.to_owned(), value);
    let users = facts.payload.env.iter().filter(|(name, _)| !name.starts_with("SPAWN_")).map(|(name, value)| (name.clone(), value.clone()));
    usual.into_iter().chain(aws).chain(ours).map(owned).chain(users).collect()
}

#[cfg(test)]
mod tests {
    use spawn_model::ids::{FleetId, RunId};
    use spawn_model::record::SCHEMA;
    use spawn_model::spec::FleetKind;

    use super::*;

    fn lines(uses_aws: bool) -> Vec<String> {
        let config = AgentConfig {
            schema: SCHEMA,
            account: "123456789012".to_owned(),
            region: "us-east-1".to_owned(),
            bucket: "bucket".to_owned(),
            fleet: FleetId::from_random([1; 8]),
            run: RunId::from_random([2; 8]),
            kind: FleetKind::JobArray,
            rank_base: 0,
            deadline: Timestamp::UNIX_EPOCH,
            ends: spawn_model::stopping::Ends::default(),
            log_group: "/spawn/fleets".to_owned(),
        };
        let env = [("PALETTE", "fire"), ("PATH", "/opt/bin"), ("SPAWN_RANK", "7")];
        let payload = Payload {
            schema: SCHEMA,
            command: vec!["./render".to_owned()],
            files: BTreeMap::new(),
            env: env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            size: 8,
            fewer_may_do: false,
            uses_aws,
            pre_stop: None,
            checkpoint: None,
            peer_notice: None,
            jobs: BTreeMap::new(),
            on_failure: None,
            resumed: false,
            name: "mandelbrot".to_owned(),
        };
        let facts = Facts {
            config: &config,
            payload: &payload,
            rank: 3,
            attempt: 1,
            deadline: "2030-01-02T03:04:05Z".parse().unwrap(),
            notices: Path::new("/var/lib/spored/notices"),
            peers: Path::new("/var/lib/spored/peers"),
            hostfile: Path::new("/var/lib/spored/hostfile"),
            results: Path::new("/var/lib/spored/results"),
            home: Path::new("/home/spawn"),
            user: "spawn",
            path: "/usr/bin:/bin",
            endpoints: &[("AWS_ENDPOINT_URL", "http://127.0.0.1:4566".to_owned())],
        };
        make(&facts).iter().map(|(name, value)| format!("{name}={value}")).collect()
    }

    #[test]
    fn the_workload_is_told_everything_by_name() {
        insta::assert_snapshot!("environment", lines(false).join("\n"));
    }

    #[test]
    fn who_may_use_aws_is_told_where_it_is() {
        let (without, with) = (lines(false), lines(true));
        let more: Vec<&String> = with.iter().filter(|line| !without.contains(line)).collect();
        assert_eq!(more, ["AWS_DEFAULT_REGION=us-east-1", "AWS_ENDPOINT_URL=http://127.0.0.1:4566", "AWS_REGION=us-east-1"]);
        assert!(without.iter().all(|line| !line.starts_with("AWS_")));
    }
}
