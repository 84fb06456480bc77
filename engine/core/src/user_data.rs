//! What a new machine is told to do: arm its own end, fetch the agent, start it.
//!
//! User data is readable by everything on the machine and by many outside it, so it holds no secret: only where things are
//! and what the agent's SHA-256 has to be.

use spawn_model::record::AgentConfig;
use spawn_model::stopping::HIBERNATES_WITHIN;

/// The shell script around everything else.
const BOOT: &str = include_str!("user_data/boot.sh");
/// What a machine is told too that may be started again.
const BOOT_TIMER: &str = include_str!("user_data/boot_timer.sh");
/// What comes before the shutdown that is scheduled at a moment, on a machine that hibernates: a moment may pass while it is off, and would end it as it
/// wakes.
const UNLESS_TIMED: &str = "command -v systemctl >/dev/null || ";
/// When the timer of such a machine elapses: a span, for which only the time counts in which it is on, and later than it should have hibernated.
const SPAN: &str = "\"OnActiveSec=$((minutes * 60 + @WITHIN@))\"";
/// The program that downloads the agent.
const FETCH: &str = include_str!("user_data/fetch.py");

/// The most bytes EC2 takes, before they are encoded.
pub const MAX_BYTES: usize = 16 * 1024;

/// How long a machine tries to fetch its agent: rights of a role that was just made arrive late.
const PATIENCE_SECONDS: u32 = 180;

/// What user data is made of.
#[derive(Clone, Copy, Debug)]
pub struct UserData<'a> {
    /// What the agent is told.
    pub config: &'a AgentConfig,
    /// The agents that the bucket holds: what `uname -m` says (`x86_64`, `aarch64`), and the SHA-256 in hex. A machine of another kind ends itself.
    pub agent_sha256: &'a [(String, String)],
}

impl UserData<'_> {
    /// Makes the script. It runs under any POSIX shell and needs Python 3.6 or newer, as in every image with cloud-init.
    #[must_use]
    pub fn render(&self) -> Vec<u8> {
        let deadline = self.config.deadline;
        let calendar = deadline.strftime("%Y-%m-%d %H:%M:%S UTC").to_string();
        let agents: Vec<String> = self.agent_sha256.iter().map(|(machine, sha256)| format!("'{machine}={sha256}'")).collect();
        let hibernates = self.config.ends.hibernates();
        let when = if hibernates { SPAN.replace("@WITHIN@", &HIBERNATES_WITHIN.0.to_string()) } else { format!("'OnCalendar={calendar}'") };
        let config = serde_json::to_string(self.config).expect("a configuration is plain data");
        BOOT.replace("@DEADLINE_EPOCH@", &deadline.as_second().to_string())
            .replace("@DEADLINE@", &calendar)
            .replace("@UNLESS_TIMED@", if hibernates { UNLESS_TIMED } else { "" })
            .replace("@WHEN@", &when)
            .replace("@PERSISTENT@", if self.config.ends.stops() { "false" } else { "true" })
            .replace("@BOOT_TIMER@", if self.config.ends.stops() { BOOT_TIMER } else { "" })
            .replace("@REGION@", &self.config.region)
            .replace("@BUCKET@", &self.config.bucket)
            .replace("@ACCOUNT@", &self.config.account)
            .replace("@PATIENCE_SECONDS@", &PATIENCE_SECONDS.to_string())
            .replace("@AGENTS@", &agents.join(" "))
            .replace("@FETCH@", FETCH.trim_end())
            .replace("@CONFIG@", &config)
            .into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use spawn_model::ids::{FleetId, RunId};
    use spawn_model::record::SCHEMA;
    use spawn_model::spec::FleetKind;
    use spawn_model::stopping::{Ends, OnEnd};

    use super::*;

    fn config() -> AgentConfig {
        AgentConfig {
            schema: SCHEMA,
            account: "123456789012".to_owned(),
            region: "us-east-1".to_owned(),
            bucket: "spawn-123456789012-us-east-1".to_owned(),
            fleet: FleetId::from_random([1; 8]),
            run: RunId::from_random([2; 8]),
            kind: FleetKind::JobArray,
            rank_base: 0,
            deadline: "2030-01-02T03:04:05Z".parse().unwrap(),
            ends: Ends::default(),
            log_group: "/spawn/fleets".to_owned(),
        }
    }

    fn rendered() -> String {
        render(&config())
    }

    fn render(config: &AgentConfig) -> String {
        let agents = [("x86_64".to_owned(), "a".repeat(64)), ("aarch64".to_owned(), "b".repeat(64))];
        String::from_utf8(UserData { config, agent_sha256: &agents }.render()).unwrap()
    }

    #[test]
    fn a_machine_that_stops_is_told_what_to_do_when_it_is_started_again() {
        let final_end = rendered();
        let more = |end: OnEnd| {
            let script = render(&AgentConfig { ends: Ends { on_expiry: end, ..Ends::default() }, ..config() });
            script.lines().filter(|line| !final_end.contains(line)).collect::<Vec<&str>>().join("\n")
        };
        insta::assert_snapshot!("user_data_that_stops", more(OnEnd::Stop));
        insta::assert_snapshot!("user_data_that_hibernates", more(OnEnd::Hibernate));
    }

    #[test]
    fn it_is_small_enough_and_complete() {
        let script = rendered();
        assert!(script.len() < MAX_BYTES, "{} bytes", script.len());
        let left: Vec<&str> = script.split_whitespace().filter(|word| word.starts_with('@') && word.ends_with('@')).collect();
        assert!(left.is_empty(), "{left:?}");
        insta::assert_snapshot!("user_data", script);
    }

    #[test]
    fn the_end_is_armed_before_anything_that_may_fail() {
        let script = rendered();
        let place = |text: &str| script.find(text).unwrap_or_else(|| panic!("{text} is missing"));
        assert!(place("shutdown -P \"+") < place("spawn-deadline.timer"));
        assert!(place("enable --now spawn-deadline.timer") < place("mkdir -p \"$directory\""));
        assert!(!script.contains("set -e"));
    }

    #[test]
    fn the_shell_and_python_can_read_it() {
        let script = rendered();
        let directory = std::env::temp_dir().join(format!("spawn-user-data-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let (boot, fetch) = (directory.join("boot.sh"), directory.join("fetch.py"));
        std::fs::write(&boot, script).unwrap();
        std::fs::write(&fetch, FETCH).unwrap();
        let shell = std::process::Command::new("sh").arg("-n").arg(&boot).output().unwrap();
        let python = "import ast, sys; ast.parse(open(sys.argv[1]).read(), feature_version=(3, 6))";
        let python = std::process::Command::new("python3").args(["-I", "-c", python]).arg(&fetch).output().unwrap();
        std::fs::remove_dir_all(&directory).unwrap();
        assert!(shell.status.success(), "{}", String::from_utf8_lossy(&shell.stderr));
        assert!(python.status.success(), "{}", String::from_utf8_lossy(&python.stderr));
    }
}
