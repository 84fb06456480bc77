//! What a user asks for, from a YAML file and flags, to one checked fleet.
//!
//! Both become one untyped [`Value`] with the fields of the Terraform resource; the rules of `spawn_model` judge it, so that a
//! problem reads the same wherever the field was written.

mod check;
mod declared;
mod flags;
mod hooks;
mod idle;
mod part;
mod place;
mod program;
mod queue_file;
mod requirements;

use std::path::Path as FilePath;

use spawn_core::written;
use spawn_model::alert::AlertSpec;
use spawn_model::problem::{Path, Problem};
use spawn_model::queue::predecessor::Converted;
use spawn_model::rules::read_spec;
use spawn_model::schedule::ScheduleSpec;
use spawn_model::spec::{FleetKind, FleetSpec};
use spawn_model::value::Value;

pub(crate) use check::CheckArgs;
pub(crate) use flags::FleetArgs;
pub(crate) use idle::IdleArgs;
pub(crate) use part::judged;
pub(crate) use spawn_core::written::Fields;
use spawn_core::written::{name_of, read_text};

use crate::output::Failure;

/// A fleet that somebody has asked for.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) kind: FleetKind,
    pub(crate) spec: FleetSpec,
    /// What was left out of a file that was written for something else, and what means something else here.
    pub(crate) notes: Vec<String>,
}

impl FleetArgs {
    /// Reads and checks the fleet. `random` makes a name where none was given.
    pub(crate) fn read(&self, random: [u8; 2]) -> Result<Asked, Failure> {
        let mut problems = Vec::new();
        let Converted { mut fields, notes } = self.written(&mut problems)?;
        if fields.get("kind").and_then(Value::as_str) == Some("schedule") {
            // Nothing else in it is what a fleet has.
            let help = "`spawn schedule apply -f FILE` makes it";
            return Err(vec![Problem::new(&Path::field("kind"), "a schedule launches fleets, and is none itself", help)].into());
        }
        self.apply(&mut fields, &mut problems);
        let kind = self.kind(&mut fields, &mut problems);
        complete(kind, &mut fields, random);
        let (spec, broken) = read_spec(kind, &Value::Map(fields));
        problems.extend(broken);
        match spec {
            Some(spec) if problems.is_empty() => Ok(Asked { kind, spec, notes }),
            _ => Err(problems.into()),
        }
    }

    /// What the file says, if there is one.
    fn written(&self, problems: &mut Vec<Problem>) -> Result<Converted, Failure> {
        let Some(file) = &self.fleet_file else { return Ok(Converted { fields: Fields::new(), notes: Vec::new() }) };
        let text = written::text(file)?;
        queue_file::read(file, &text)
            .unwrap_or_else(|| Ok(Converted { fields: written::fields(file, &text, problems)?, notes: Vec::new() }))
    }

    /// The kind that was asked for; else a queue if there are jobs, an array if there is a size or a command, and an instance if there is nothing of
    /// that.
    fn kind(&self, fields: &mut Fields, problems: &mut Vec<Problem>) -> FleetKind {
        let written = fields.remove("kind");
        if let Some(kind) = self.kind {
            return kind.into();
        }
        match written.as_ref().map(|value| (value, value.as_str())) {
            Some((_, Some("job_array"))) => FleetKind::JobArray,
            Some((_, Some("instance"))) => FleetKind::Instance,
            Some((_, Some("service"))) => FleetKind::Service,
            Some((_, Some("queue"))) => FleetKind::Queue,
            None | Some((Value::Null, _)) => {
                let is_set = |name: &str| fields.get(name).is_some_and(|value| !value.is_null());
                match (is_set("jobs"), is_set("size") || is_set("command")) {
                    (true, _) => FleetKind::Queue,
                    (false, true) => FleetKind::JobArray,
                    (false, false) => FleetKind::Instance,
                }
            }
            Some((_, text)) => {
                let shown = text.map_or_else(|| "this".to_owned(), |text| format!("{text:?}"));
                problems.push(Problem::new(
                    &Path::field("kind"),
                    format!("{shown} is no kind of fleet"),
                    "Write \"job_array\", \"instance\", \"service\" or \"queue\"",
                ));
                FleetKind::JobArray
            }
        }
    }
}

/// Reads and checks the schedule in a YAML file.
pub(crate) fn read_schedule(file: &FilePath) -> Result<ScheduleSpec, Failure> {
    let mut problems = Vec::new();
    let mut fields = written::read(file, &mut problems)?;
    if fields.get("kind").and_then(Value::as_str) == Some("schedule") {
        fields.remove("kind");
    }
    let (spec, broken) = spawn_model::schedule::read_schedule(&Value::Map(fields));
    problems.extend(broken);
    match spec {
        Some(spec) if problems.is_empty() => Ok(spec),
        _ => Err(problems.into()),
    }
}

/// Reads and checks the alert in a YAML file.
pub(crate) fn read_alert(file: &FilePath) -> Result<AlertSpec, Failure> {
    let mut problems = Vec::new();
    let mut fields = written::read(file, &mut problems)?;
    if fields.get("kind").and_then(Value::as_str) == Some("alert") {
        fields.remove("kind");
    }
    let (spec, broken) = spawn_model::alert::read_alert(&Value::Map(fields));
    problems.extend(broken);
    match spec {
        Some(spec) if problems.is_empty() => Ok(spec),
        _ => Err(problems.into()),
    }
}

/// What a person at a terminal need not write: a name, and the size of a fleet of one.
fn complete(kind: FleetKind, fields: &mut Fields, random: [u8; 2]) {
    let is_missing = |fields: &Fields, name: &str| fields.get(name).is_none_or(Value::is_null);
    if matches!(kind, FleetKind::JobArray | FleetKind::Service) && is_missing(fields, "size") {
        fields.insert("size".to_owned(), Value::Int(1));
    }
    if is_missing(fields, "name") {
        let program = match fields.get("command") {
            Some(Value::List(words)) => words.first().and_then(Value::as_str),
            _ => None,
        };
        let base = program.unwrap_or(if kind == FleetKind::Queue { "queue" } else { "instance" });
        fields.insert("name".to_owned(), Value::String(derived_name(base, random)));
    }
}

/// A name from a program's file name without its extension, and four random hexadecimal digits.
fn derived_name(program: &str, random: [u8; 2]) -> String {
    let stem = FilePath::new(program).file_stem().map(|stem| stem.to_string_lossy().to_lowercase()).unwrap_or_default();
    let plain: String = stem.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(58).collect();
    let plain = plain.trim_matches('-');
    let begins = plain.starts_with(|c: char| c.is_ascii_lowercase());
    let base = if begins { plain.to_owned() } else { format!("job-{plain}").trim_end_matches('-').chars().take(58).collect() };
    format!("{base}-{:02x}{:02x}", random[0], random[1])
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        fleet: FleetArgs,
    }

    /// Reads a command line in which `{dir}` is a directory with these files.
    fn read(line: &[&str], files: &[(&str, &[u8])]) -> Result<(FleetKind, FleetSpec), String> {
        let dir = tempfile::tempdir().expect("a directory");
        for (name, content) in files {
            std::fs::write(dir.path().join(name), content).expect("a file");
        }
        let shown = dir.path().display().to_string();
        let words = line.iter().map(|word| word.replace("{dir}", &shown));
        let line = Line::try_parse_from(std::iter::once("up".to_owned()).chain(words)).expect("a command line");
        line.fleet.read([0xab, 0xcd]).map(|asked| (asked.kind, asked.spec)).map_err(|failure| failure.text().replace(&shown, "{dir}"))
    }

    fn read_yaml(yaml: &str) -> Result<(FleetKind, FleetSpec), String> {
        read(
            &["-f", "{dir}/fleet.yaml"],
            &[("fleet.yaml", yaml.as_bytes()), ("render", b"#!/bin/sh\necho hello\n"), ("binary", b"\x7fELF\0\xff")],
        )
    }

    #[test]
    fn yaml_and_flags_describe_the_same_fleet() {
        let yaml = read_yaml(
            "name: mandelbrot\nsize: 8\ninstance_types: [c7i.large, c7a.large]\nfiles: {render: !file render}\n\
             command: [./render, --depth, '512']\nenv: {PALETTE: fire}\nlease: {ttl: 20m}\nwait_for: completed\ntags: {team: maths}\n",
        );
        let flags = read(
            &[
                "--name",
                "mandelbrot",
                "--size",
                "8",
                "--type",
                "c7i.large,c7a.large",
                "--file",
                "{dir}/render",
                "--env",
                "PALETTE=fire",
                "--ttl",
                "20m",
                "--wait",
                "completed",
                "--tag",
                "team=maths",
                "--",
                "./render",
                "--depth",
                "512",
            ],
            &[("render", b"#!/bin/sh\necho hello\n")],
        );
        assert_eq!(yaml, flags);
        let (kind, spec) = yaml.expect("a fleet");
        assert_eq!((kind, spec.files["render"].as_str()), (FleetKind::JobArray, "#!/bin/sh\necho hello\n"));
    }

    #[test]
    fn flags_come_before_the_file_and_add_to_its_maps() {
        let yaml = "name: a\nsize: 2\ninstance_types: [c7i.large]\ncommand: ['true']\nenv: {A: '1', B: '2'}\nlease: {ttl: 20m}\n";
        let (_, spec) = read(
            &["-f", "{dir}/fleet.yaml", "--size", "3", "--env", "B=3", "--env", "C=a=b", "--ttl", "1h"],
            &[("fleet.yaml", yaml.as_bytes())],
        )
        .expect("a fleet");
        assert_eq!((spec.name.as_str(), spec.size, spec.lease.ttl.0), ("a", 3, 3600));
        assert_eq!(spec.env, [("A", "1"), ("B", "3"), ("C", "a=b")].map(|(k, v)| (k.to_owned(), v.to_owned())).into());
    }

    #[test]
    fn idleness_is_told_in_a_file_and_by_flags() {
        let yaml =
            "name: a\ninstance_types: [c7i.large]\nlease:\n  ttl: 8h\n  idle: {after: 15m, processes: [jupyter-lab], cpu_percent: 20}\n";
        let flags = ["--idle-after", "1h", "--idle-port", "8888", "--idle-port", "22", "--idle-network", "500"];
        let line: Vec<&str> = ["-f", "{dir}/fleet.yaml"].into_iter().chain(flags).collect();
        let (_, spec) = read(&line, &[("fleet.yaml", yaml.as_bytes())]).expect("a fleet");
        assert_eq!(spec.lease.ttl.0, 8 * 3600);
        let idle = spec.lease.idle.expect("it is told");
        assert_eq!((idle.after.0, idle.processes, idle.ports), (3600, vec!["jupyter-lab".to_owned()], vec![8888, 22]));
        assert_eq!((idle.cpu_percent, idle.network_bytes_per_second, idle.disk_bytes_per_second), (20, 500, 100_000));
        let line = ["--type", "c7i.large", "--ttl", "2h", "--idle-after", "15m"];
        let (_, spec) = read(&line, &[]).expect("a fleet");
        assert_eq!((spec.lease.ttl.0, spec.lease.idle.map(|idle| idle.after.0)), (7200, Some(900)));
    }

    #[test]
    fn a_size_or_a_command_makes_an_array() {
        for (line, kind, size, name) in [
            (&["--type", "t3.micro"][..], FleetKind::Instance, 1, "instance-abcd"),
            (&["--type", "t3.micro", "--", "sleep", "60"], FleetKind::JobArray, 1, "sleep-abcd"),
            (&["--type", "t3.micro", "--kind", "instance", "--", "sleep", "60"], FleetKind::Instance, 1, "sleep-abcd"),
            (&["--type", "t3.micro", "--size", "2", "--", "sleep", "60"], FleetKind::JobArray, 2, "sleep-abcd"),
            (&["--type", "t3.micro", "--kind", "service", "--", "serve"], FleetKind::Service, 1, "serve-abcd"),
        ] {
            let (found, spec) = read(line, &[]).expect("a fleet");
            assert_eq!((found, spec.size, spec.name.as_str()), (kind, size, name), "{line:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_at_its_field() {
        let good = "name: a\nsize: 1\ninstance_types: [c7i.large]\ncommand: ['true']\n";
        let cases = [
            ("unknown-field", format!("{good}instance_tipes: [c7i.large]\n")),
            ("size-0", good.replace("size: 1", "size: 0")),
            ("size-10001", good.replace("size: 1", "size: 10001")),
            ("size-text", good.replace("size: 1", "size: '8'")),
            ("empty-command", good.replace("['true']", "[]")),
            ("array-without-command", good.replace("command: ['true']\n", "")),
            ("instance-with-size", format!("kind: instance\n{good}")),
            ("kind", format!("kind: cluster\n{good}")),
            ("service-size-1001", format!("kind: service\n{}", good.replace("size: 1", "size: 1001"))),
            ("service-as-a-gang", format!("kind: service\n{good}gang: true\nmin_size: 1\nlease: {{idle: {{after: 15m}}}}\n")),
            ("ttl-parsecs", format!("{good}lease: {{ttl: 5 parsecs}}\n")),
            ("ttl-0s", format!("{good}lease: {{ttl: 0s}}\n")),
            ("ttl-too-long", format!("{good}lease: {{ttl: 31d}}\n")),
            ("ttl-misspelt", format!("{good}lease: {{tll: 20m}}\n")),
            ("idle-without-after", format!("{good}lease: {{idle: {{ports: [8888]}}}}\n")),
            ("idle-too-long", format!("{good}lease: {{ttl: 20m, idle: {{after: 21m}}}}\n")),
            ("name", good.replace("name: a", "name: Grüße")),
            ("env-number", format!("{good}env: {{DEPTH: 512}}\n")),
            ("number-as-key", format!("{good}env: {{1: a}}\n")),
            ("several", format!("{}lease: {{ttl: 0s}}\nnmae: b\n", good.replace("size: 1", "size: 0"))),
            ("file-missing", format!("{good}files: {{render: !file nowhere}}\n")),
            ("file-binary", format!("{good}files: {{render: !file binary}}\n")),
            ("tag", format!("{good}files: {{render: !include render}}\n")),
            ("files-too-large", format!("{good}files: {{render: {}}}\n", "x".repeat(1 << 20))),
            ("twice", format!("{good}size: 2\n")),
            ("not-yaml", "name: [a\nsize: 1\n".to_owned()),
            ("no-fields", "# nothing yet\n".to_owned()),
        ];
        let texts = cases.map(|(name, yaml)| format!("--- {name}\n{}", read_yaml(&yaml).expect_err(name)));
        insta::assert_snapshot!("yaml-refused", texts.join("\n"));
    }

    #[test]
    fn flags_are_refused_like_fields() {
        let cases: [(&str, &[&str]); 9] = [
            ("no type", &["--", "true"]),
            ("size", &["--type", "c7i.large", "--size", "-1", "--", "true"]),
            ("ttl", &["--type", "c7i.large", "--ttl", "5 parsecs"]),
            ("idle after", &["--type", "c7i.large", "--idle-after", "0s"]),
            ("idle port and no after", &["--type", "c7i.large", "--idle-port", "70000", "--idle-cpu", "-1"]),
            ("no such program", &["--type", "c7i.large", "--", "./nowhere"]),
            ("program elsewhere", &["--type", "c7i.large", "--", "../render"]),
            ("binary file", &["--type", "c7i.large", "--file", "{dir}/binary", "--", "./binary"]),
            ("no fleet file", &["-f", "{dir}/nowhere.yaml"]),
        ];
        let texts = cases.map(|(name, line)| {
            let text = read(line, &[("binary", b"\x7fELF\0\xff")]).expect_err(name);
            format!("--- {name}\n{text}")
        });
        insta::assert_snapshot!("flags-refused", texts.join("\n"));
    }

    #[test]
    fn a_derived_name_is_always_a_name() {
        for (program, name) in [
            ("./render", "render-00ff"),
            ("./bin/Render_All.sh", "render-all-00ff"),
            ("python3", "python3-00ff"),
            ("./7zip", "job-7zip-00ff"),
            ("./---", "job-00ff"),
            ("", "job-00ff"),
            (&format!("./{}", "x".repeat(200)), &format!("{}-00ff", "x".repeat(58))),
        ] {
            let derived = derived_name(program, [0, 0xff]);
            assert_eq!(derived, name);
            let mut problems = Vec::new();
            spawn_model::rules::check_name(&derived, &Path::field("name"), &mut problems);
            assert_eq!(problems, [], "{program:?}");
        }
    }

    #[test]
    fn a_file_goes_along_under_its_path_below_here_or_its_name() {
        for (file, name) in [
            ("render", Some("render")),
            ("./bin/render", Some("bin/render")),
            ("../render", Some("render")),
            ("a/../render", Some("render")),
            ("/usr/bin/env", Some("env")),
            (".", None),
            ("..", None),
        ] {
            assert_eq!(name_of(FilePath::new(file)).as_deref(), name, "{file}");
        }
    }
}
