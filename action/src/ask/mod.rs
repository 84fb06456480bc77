//! What a workflow asks for, from inputs and a file, to one checked fleet.
//!
//! Both become one untyped value with the fields of the Terraform resource; the rules of `spawn_model` judge it, so that a problem reads the same
//! wherever the field was written.

mod fields;
pub(crate) mod name;
mod place;
pub(crate) mod script;

use spawn_core::written::{self, Fields};
use spawn_model::problem::{Path, Problem};
use spawn_model::rules::{check_name, read_spec};
use spawn_model::spec::{FleetKind, FleetSpec};
use spawn_model::status::WaitFor;
use spawn_model::value::Value;
use uuid::Uuid;

pub(crate) use place::{line_of, only_line_of};

use crate::failure::Failure;
use crate::given::Given;
use crate::modes::Launched;
use crate::runner::Job;

/// The kind of a file that says nothing of it.
const NO_KIND: &str = "";

/// A fleet that a step is to launch.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) kind: FleetKind,
    pub(crate) spec: FleetSpec,
    /// What its ranks run, as its author has written it.
    pub(crate) shown: String,
    /// The word by which ranks tell that their command has failed, if their machines stay then.
    pub(crate) kept: Option<String>,
}

/// What is asked for, and what is known only now.
pub(crate) struct Asking<'a> {
    pub(crate) launched: Launched,
    /// Whether machines stay if something fails.
    pub(crate) keep: bool,
    pub(crate) given: &'a Given,
    pub(crate) job: &'a Job,
    /// For the name.
    pub(crate) random: [u8; 4],
}

impl Asking<'_> {
    /// Reads and checks the fleet.
    ///
    /// # Errors
    /// Every problem that it has.
    pub(crate) fn read(&self) -> Result<Asked, Failure> {
        let mut problems = Vec::new();
        let mut fields = self.file(&mut problems)?;
        let kind = self.kind(&mut fields, &mut problems);
        fields::apply(self.given, &self.job.workspace, &mut fields, &mut problems);
        let shown = self.command(kind, &mut fields, &mut problems);
        let kept = self.kept(kind, &mut fields);
        self.complete(kind, &mut fields, &mut problems);
        let (spec, broken) = read_spec(kind, &Value::Map(fields));
        problems.extend(broken);
        match spec {
            Some(spec) if problems.is_empty() => Ok(Asked { kind, spec, shown, kept }),
            _ => Err(problems.into()),
        }
    }

    /// What the file says, if there is one.
    fn file(&self, problems: &mut Vec<Problem>) -> Result<Fields, Failure> {
        let Some(file) = self.given.text("fleet") else { return Ok(Fields::new()) };
        Ok(written::read(&self.job.workspace.join(file), problems)?)
    }

    /// The kind that the file says; else a queue if there are jobs, and an array. Not every kind goes with what is to be done.
    fn kind(&self, fields: &mut Fields, problems: &mut Vec<Problem>) -> FleetKind {
        let has_jobs = fields.get("jobs").is_some_and(|jobs| !jobs.is_null());
        let written = fields.remove("kind").unwrap_or_default();
        let kind = match written.as_str().unwrap_or(NO_KIND) {
            NO_KIND if written.is_null() => Some(if has_jobs { FleetKind::Queue } else { FleetKind::JobArray }),
            "job_array" => Some(FleetKind::JobArray),
            "queue" => Some(FleetKind::Queue),
            "instance" => Some(FleetKind::Instance),
            "service" => Some(FleetKind::Service),
            _ => None,
        };
        let mut refuse = |message: String, help: &str| {
            problems.push(Problem::new(&Path::field("kind"), message, help));
            FleetKind::JobArray
        };
        match (self.launched, kind) {
            (_, None) => {
                refuse("is no kind of fleet".to_owned(), "Write \"job_array\" or \"queue\", or for a cluster \"instance\" or \"service\"")
            }
            (Launched::ToRun, Some(kind @ (FleetKind::Instance | FleetKind::Service))) => refuse(
                format!("a run ends with its commands, and those of a fleet of the kind {} do not end it", kind.word()),
                "Write `mode: cluster`",
            ),
            (Launched::ToStay, Some(FleetKind::Queue)) => {
                refuse("the machines of a queue go when no job is left".to_owned(), "Write `mode: run`")
            }
            (_, Some(kind)) => kind,
        }
    }

    /// What runs: the lines of `run`, or what the file says. As its author has written it.
    fn command(&self, kind: FleetKind, fields: &mut Fields, problems: &mut Vec<Problem>) -> String {
        let stays = self.launched == Launched::ToStay;
        if let Some(run) = self.given.text("run") {
            if ["command", "jobs"].iter().any(|name| fields.get(*name).is_some_and(|value| !value.is_null())) {
                let help = "Leave run out, or the command and jobs of the file";
                problems.push(Problem::new(&Path::field("run"), "says what runs, and so does the file of `fleet`", help));
            }
            fields::take_along(run, &self.job.workspace, fields, problems);
            set_command(fields, script::command(run, stays, problems));
            return run.to_owned();
        }
        if kind == FleetKind::Queue {
            return "the jobs of its file".to_owned();
        }
        let written = command_of(fields);
        match (written.is_empty(), stays) {
            (false, _) => written.join(" "),
            // An instance stays without a command.
            (true, true) if kind == FleetKind::Instance => "nothing".to_owned(),
            (true, true) => {
                set_command(fields, script::nothing());
                "nothing".to_owned()
            }
            (true, false) => {
                problems.push(Problem::new(
                    &Path::field("run"),
                    "is required in this mode",
                    "Write the lines of shell that every rank runs",
                ));
                fields.insert("command".to_owned(), Value::Unknown);
                String::new()
            }
        }
    }

    /// Has the machines of commands that fail stay, and tells the word by which those say so.
    fn kept(&self, kind: FleetKind, fields: &mut Fields) -> Option<String> {
        // Every other machine stays anyway, but for a queue's, which has other jobs.
        let goes = self.launched == Launched::ToRun && kind == FleetKind::JobArray;
        let command = command_of(fields);
        if !self.keep || !goes || command.is_empty() {
            return None;
        }
        let word = format!("spawn-kept-{}", Uuid::new_v4().simple());
        set_command(fields, script::kept(&command, &word));
        Some(word)
    }

    /// What nobody has to write, and what only the step knows.
    fn complete(&self, kind: FleetKind, fields: &mut Fields, problems: &mut Vec<Problem>) {
        let is_missing = |fields: &Fields, name: &str| fields.get(name).is_none_or(Value::is_null);
        if matches!(kind, FleetKind::JobArray | FleetKind::Service) && is_missing(fields, "size") {
            fields.insert("size".to_owned(), Value::Int(1));
        }
        let stays = self.launched == Launched::ToStay;
        if !stays || is_missing(fields, "wait_for") {
            let goal = if stays { WaitFor::Ready } else { WaitFor::Completed };
            fields.insert("wait_for".to_owned(), Value::from(goal.word()));
        }
        if (stays || self.keep) && is_missing(fields, "connect") {
            fields.insert("connect".to_owned(), Value::Bool(true));
        }
        let base = match fields.get("name") {
            None | Some(Value::Null) => Some(name::of_job(self.job)),
            Some(Value::String(name)) if is_name(name) => Some(name.clone()),
            // What is no name is refused by the rules.
            Some(_) => None,
        };
        if let Some(base) = base {
            fields.insert("name".to_owned(), Value::String(name::of_fleet(&base, self.job, self.random)));
        }
        self.tag(fields, problems);
    }

    /// Adds the tags by which the run finds the fleet again. Nobody else writes such.
    fn tag(&self, fields: &mut Fields, problems: &mut Vec<Problem>) {
        if let Some(Value::Map(tags)) = fields.get("tags") {
            for key in tags.keys().filter(|key| key.starts_with(name::TAGS)) {
                let message = format!("the tag key {key:?} says whose the fleet is, and is written by the Action");
                problems.push(Problem::new(&Path::field("tags").key(key), message, "Choose another"));
            }
        }
        let ours = name::tags(self.job).into_iter().map(|(key, value)| (key, Value::String(value))).collect();
        fields::add(fields, "tags", ours);
    }
}

fn is_name(name: &str) -> bool {
    let mut problems = Vec::new();
    check_name(name, &Path::field("name"), &mut problems);
    problems.is_empty()
}

/// The command, as far as it is one.
fn command_of(fields: &Fields) -> Vec<String> {
    let Some(Value::List(words)) = fields.get("command") else { return Vec::new() };
    words.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn set_command(fields: &mut Fields, command: Vec<String>) {
    fields.insert("command".to_owned(), Value::List(command.into_iter().map(Value::String).collect()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runner::tests::job;

    /// Reads inputs in a workspace with these files; what is wrong, a line each.
    fn read(launched: Launched, keep: bool, given: Given, files: &[(&str, &str)]) -> Result<Asked, Vec<String>> {
        let place = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(place.path().join(name), text).unwrap();
        }
        let shown = place.path().display().to_string();
        let job = job(&shown);
        let asking = Asking { launched, keep, given: &given, job: &job, random: [0xab; 4] };
        asking.read().map_err(|failure| failure.errors.iter().map(|error| error.to_string().replace(&shown, "{workspace}")).collect())
    }

    const TYPES: (&str, &str) = ("instance-types", "c7i.large");

    #[test]
    fn a_run_is_an_array_that_ends_with_its_command() {
        let given = Given::from([TYPES, ("size", "4"), ("run", "./test.sh"), ("ttl", "20m"), ("tags", "team=maths"), ("name", "tests")]);
        let Asked { kind, spec, shown, kept } = read(Launched::ToRun, false, given, &[("test.sh", "echo hello\n")]).unwrap();
        assert_eq!((kind, spec.size, spec.wait_for, spec.connect), (FleetKind::JobArray, 4, WaitFor::Completed, None));
        assert_eq!((spec.name.as_str(), shown.as_str(), kept), ("tests-1234567890-2-abababab", "./test.sh", None));
        assert_eq!(spec.command, ["bash", "-e", "-c", "./test.sh"]);
        assert_eq!(spec.files["test.sh"], "echo hello\n");
        assert_eq!((spec.tags.len(), spec.tags["team"].as_str(), spec.tags["github:run-id"].as_str()), (5, "maths", "1234567890"));
    }

    #[test]
    fn a_cluster_stays_and_lets_people_in() {
        let Asked { kind, spec, shown, .. } = read(Launched::ToStay, false, Given::from([TYPES, ("size", "3")]), &[]).unwrap();
        assert_eq!((kind, spec.wait_for, spec.connect, shown.as_str()), (FleetKind::JobArray, WaitFor::Ready, Some(true), "nothing"));
        assert_eq!((spec.command.join(" ").as_str(), spec.name.as_str()), ("sleep infinity", "integration-tests-1234567890-2-abababab"));
        let given = Given::from([TYPES, ("run", "serve &"), ("connect", "false")]);
        let asked = read(Launched::ToStay, false, given, &[]).unwrap();
        assert_eq!((asked.spec.connect, asked.spec.command[3].as_str()), (Some(false), "serve &\nexec sleep infinity\n"));
        let yaml = "kind: instance\ninstance_types: [c7i.large]\nwait_for: running\n";
        let asked = read(Launched::ToStay, false, Given::from([("fleet", "fleet.yaml")]), &[("fleet.yaml", yaml)]).unwrap();
        assert_eq!((asked.kind, asked.spec.command.len(), asked.spec.wait_for), (FleetKind::Instance, 0, WaitFor::Running));
    }

    #[test]
    fn a_file_says_what_inputs_do_not() {
        let yaml = "name: sums\nsize: 2\ninstance_types: [c7i.large]\ncommand: [./sum]\nfiles: {sum: !file sum}\nlease: {ttl: 20m}\nenv: {A: '1'}\n";
        let files = [("fleet.yaml", yaml), ("sum", "echo 1\n")];
        let given = || Given::from([("fleet", "fleet.yaml"), ("size", "3"), ("env", "B=2"), ("market", "spot")]);
        let asked = read(Launched::ToRun, false, given(), &files).unwrap();
        assert_eq!((asked.spec.size, asked.spec.lease.ttl.0, asked.spec.env.len(), asked.shown.as_str()), (3, 1200, 2, "./sum"));
        let kept = read(Launched::ToRun, true, given(), &files).unwrap();
        let word = kept.kept.unwrap();
        assert_eq!((kept.spec.command[4].as_str(), kept.spec.command[5].as_str(), kept.spec.connect), (word.as_str(), "./sum", Some(true)));
        let jobs = "instance_types: [c7i.large]\njobs: {a: {command: ['true']}}\n";
        let queue = read(Launched::ToRun, true, Given::from([("fleet", "q.yaml")]), &[("q.yaml", jobs)]).unwrap();
        assert_eq!((queue.kind, queue.kept), (FleetKind::Queue, None));
    }

    #[test]
    fn what_is_wrong_is_said_at_its_input_or_field() {
        use Launched::{ToRun, ToStay};
        let yaml = |kind: &str, rest: &str| format!("{kind}instance_types: [c7i.large]\n{rest}");
        let run = ("run", "make test");
        let cases = [
            ("no run", ToRun, Given::from([TYPES]), String::new()),
            ("no type", ToRun, Given::from([run]), String::new()),
            ("both", ToRun, Given::from([run, ("fleet", "fleet.yaml")]), yaml("", "command: ['true']\n")),
            ("service", ToRun, Given::from([("fleet", "fleet.yaml")]), yaml("kind: service\n", "command: [serve]\n")),
            ("queue", ToStay, Given::from([("fleet", "fleet.yaml")]), yaml("", "jobs: {a: {command: ['true']}}\n")),
            ("kind", ToRun, Given::from([("fleet", "fleet.yaml")]), yaml("kind: cluster\n", "command: ['true']\n")),
            (
                "several",
                ToRun,
                Given::from([TYPES, run, ("size", "0"), ("ttl", "5 parsecs"), ("name", "Tests"), ("gang", "yes")]),
                String::new(),
            ),
            ("tag", ToRun, Given::from([TYPES, run, ("tags", "github:run-id=1\nspawn:x=2")]), String::new()),
            ("no file", ToRun, Given::from([("fleet", "nowhere.yaml")]), String::new()),
            ("no yaml", ToRun, Given::from([("fleet", "fleet.yaml")]), "size: [1\n".to_owned()),
            ("no field", ToRun, Given::from([run, ("fleet", "fleet.yaml")]), yaml("", "lease: {tll: 20m}\n")),
        ];
        let told = cases.map(|(name, launched, given, text)| {
            let problems = read(launched, false, given, &[("fleet.yaml", &text)]).expect_err(name);
            format!("--- {name}\n{}\n", problems.join("\n"))
        });
        insta::assert_snapshot!("refused", told.join("\n"));
    }
}
