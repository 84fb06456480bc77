//! A fleet from a queue file of the predecessor.

use std::path::Path as FilePath;

use spawn_model::problem::{Path, Problem};
use spawn_model::queue::predecessor::{Converted, NoQueueFile, convert, is_meant};

use crate::output::Failure;

/// The fields of a queue, and what is to be told of them; nothing if the file is none of these.
pub(super) fn read(file: &FilePath, text: &str) -> Option<Result<Converted, Failure>> {
    is_meant(text).then(|| {
        convert(text).map_err(|error| match error {
            NoQueueFile::Problems(problems) => problems.into(),
            NoQueueFile::NotJson { .. } => {
                let message = format!("{} is no queue file: {error}", file.display());
                vec![Problem::new(&Path::default(), message, "Write one JSON object; the fields of a queue may be YAML")].into()
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use spawn_model::spec::FleetKind;

    use super::super::{Asked, FleetArgs};
    use crate::output::Failure;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        fleet: FleetArgs,
    }

    const FILE: &str = r#"{
  "queue_id": "etl-20260127",
  "jobs": [
    {"job_id": "fetch", "command": "echo one >a.csv", "timeout": "5m", "result_paths": ["a.csv"]},
    {"job_id": "clean", "command": "sort a.csv", "timeout": "5m", "depends_on": ["fetch"], "retry": {"max_attempts": 3, "backoff": "fixed"}}
  ],
  "global_timeout": "2h",
  "on_failure": "stop"
}
"#;

    /// Reads a queue file with flags.
    fn read(text: &str, flags: &[&str]) -> Result<Asked, Failure> {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("queue.json");
        std::fs::write(&file, text).expect("a file");
        let line = ["up", "-f", file.to_str().expect("a plain path")].into_iter().chain(flags.iter().copied());
        Line::try_parse_from(line).expect("a command line").fleet.read([0xab, 0xcd])
    }

    fn refused(text: &str, flags: &[&str]) -> String {
        read(text, flags).map(|asked| format!("{asked:?}")).unwrap_or_else(|failure| failure.text())
    }

    #[test]
    fn a_queue_file_is_a_queue_to_which_flags_add() {
        let Asked { kind, spec, notes } = read(FILE, &["--type", "c7i.large"]).expect("a queue");
        assert_eq!((kind, spec.name.as_str(), spec.workers, spec.lease.ttl.0), (FleetKind::Queue, "etl-20260127", Some(1), 7200));
        assert_eq!(spec.jobs.keys().collect::<Vec<_>>(), ["clean", "fetch"]);
        assert!(notes.iter().any(|note| note.starts_with("commands run as an ordinary user")), "{notes:?}");
        let flags = ["--type", "c7i.large", "--name", "etl", "--ttl", "20m", "--workers", "3", "--on-failure", "continue"];
        let Asked { spec, .. } = read(FILE, &flags).expect("a queue");
        assert_eq!((spec.name.as_str(), spec.workers, spec.lease.ttl.0), ("etl", Some(3), 1200));
        assert_eq!(spec.on_failure.map(|on_failure| on_failure.word()), Some("continue"));
    }

    #[test]
    fn what_is_wrong_is_said_in_the_words_of_the_file_or_of_the_fleet() {
        for (from, to, flags, expected) in [
            ("", "", &[][..], "error: instance_types: is required without `requirements`\n"),
            (
                "\"max_attempts\": 3",
                "\"max_attempts\": 0",
                &["--type", "c7i.large"],
                "error: jobs.clean.retry.max_attempts: 0 attempts are not possible\n  help: Write a number from 1 to 100\n",
            ),
            (
                "[\"fetch\"]",
                "[\"fetch\"",
                &["--type", "c7i.large"],
                "is no queue file: line 5, column 98: expected `,` or `]`\n  help: Write one JSON object; the fields of a queue may be YAML\n",
            ),
            ("etl-20260127", "ETL", &["--type", "c7i.large"], "error: name: \"ETL\" cannot be a name in DNS and S3\n"),
            ("\"2h\"", "\"30s\"", &["--type", "c7i.large"], "error: lease.ttl: \"30s\" is shorter than the shortest lease, 1m\n"),
        ] {
            let told = refused(&FILE.replacen(from, to, 1), flags);
            assert!(told.contains(expected), "{told}");
        }
        // What the file says may not count, and then it need not be right.
        let text = FILE.replacen("etl-20260127", "ETL", 1).replacen("\"2h\"", "\"30s\"", 1);
        assert!(read(&text, &["--type", "c7i.large", "--name", "etl", "--ttl", "1h"]).is_ok());
    }
}
