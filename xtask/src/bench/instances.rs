//! A thousand instances, each a resource of its own: what the provider's processes need of the processor, for each of Terraform's commands.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, ensure};

use super::Row;
use super::provider::children_cpu_s;
use crate::sandbox::Sandbox;
use crate::terraform::Mirror;
use crate::workspace::{fresh_directory, run};

/// How many there are.
const COUNT: usize = 1000;

/// Terraform's commands, what of them is called in the table, and the limit of each in seconds of the provider's own processor time: a quarter of
/// what a provider written with Go's framework was measured to need that does nothing at all.
const COMMANDS: [(&str, &[&str], f64); 4] = [
    ("plan", &["plan", "-input=false"], 0.4),
    ("apply", &["apply", "-input=false", "-auto-approve"], 1.2),
    ("plan without changes", &["plan", "-input=false", "-detailed-exitcode"], 0.7),
    ("destroy", &["destroy", "-input=false", "-auto-approve"], 1.4),
];

pub(super) fn instances(programs: &Path, directory: &Path, rows: &mut Vec<Row>) -> Result<()> {
    let sandbox = Sandbox::up(programs, &directory.join("instances"), &["--no-boot", "--boot-delay-ms", "0"])?;
    run(sandbox.spawn()?.args(["--quiet", "setup"]).stdout(Stdio::null()))?;
    let environment = sandbox.environment()?;
    let watched = Watched::around(&programs.join("terraform-provider-spawn"), directory)?;
    let mirror = Mirror::of(&watched.program, &directory.join("watched"))?;
    let place = |name: &str, configuration: &str| -> Result<PathBuf> {
        let place = directory.join(name);
        fresh_directory(&place)?;
        std::fs::write(place.join("main.tf"), configuration)?;
        run(mirror.terraform(&place, &environment).args(["init", "-no-color"]).stdout(Stdio::null()))?;
        Ok(place)
    };
    let ours = place("a-thousand", &configuration())?;
    let floor = place("a-thousand-of-nothing", &format!("resource \"terraform_data\" \"one\" {{\n  count = {COUNT}\n}}\n"))?;
    for (what, arguments, limit) in COMMANDS {
        let total_s = |place: &Path| -> Result<f64> {
            let began = children_cpu_s()?;
            run(mirror.terraform(place, &environment).args(arguments).arg("-no-color").stdout(Stdio::null()))?;
            Ok(children_cpu_s()? - began)
        };
        let before = watched.cpu_s()?;
        let (floor_s, ours_s) = (total_s(&floor)?, total_s(&ours)?);
        let row = |whose: &str, measured: f64, limit: f64| Row {
            what: format!("{what} of {COUNT} spawn_instance, CPU of {whose}"),
            measured,
            limit,
            unit: "s".into(),
        };
        rows.push(row("the provider", watched.cpu_s()? - before, limit));
        rows.push(row("Terraform and the provider", ours_s, 0.0));
        rows.push(row("Terraform alone, with as many terraform_data", floor_s, 0.0));
    }
    Ok(())
}

fn configuration() -> String {
    format!(
        "terraform {{\n  required_providers {{\n    spawn = {{ source = \"spawn-dev/spawn\" }}\n  }}\n}}\n\nresource \"spawn_instance\" \"one\" {{\n  \
         count          = {COUNT}\n  name           = \"one-${{count.index}}\"\n  instance_types = [\"c7i.large\"]\n  \
         command        = [\"true\"]\n  lease          = {{ ttl = \"4h\" }}\n  wait_for       = \"launched\"\n}}\n"
    )
}

/// The provider in a shell that says what its process has needed, once it has ended: Terraform starts several, and ends them.
struct Watched {
    program: PathBuf,
    times: PathBuf,
}

impl Watched {
    fn around(provider: &Path, directory: &Path) -> Result<Self> {
        let watched = Self { program: directory.join("terraform-provider-watched"), times: directory.join("times") };
        let script = format!("#!/bin/sh\n'{}'\ntimes >>'{}'\n", provider.display(), watched.times.display());
        std::fs::write(&watched.program, script)?;
        std::fs::set_permissions(&watched.program, PermissionsExt::from_mode(0o755))?;
        std::fs::write(&watched.times, "")?;
        Ok(watched)
    }

    /// What all of them have needed so far. Of the two lines of each, the second is of what the shell has started (POSIX, `times`).
    fn cpu_s(&self) -> Result<f64> {
        let text = std::fs::read_to_string(&self.times)?;
        let lines: Vec<&str> = text.lines().collect();
        ensure!(lines.len().is_multiple_of(2), "{text:?} is not two lines a process");
        let of_children = lines.iter().skip(1).step_by(2).flat_map(|line| line.split_whitespace());
        of_children.map(seconds).sum()
    }
}

/// A time as the shell writes it: `1m2.5s`.
fn seconds(text: &str) -> Result<f64> {
    let (minutes, seconds) =
        text.strip_suffix('s').and_then(|text| text.split_once('m')).with_context(|| format!("{text:?} is no time"))?;
    Ok(minutes.parse::<f64>()? * 60.0 + seconds.parse::<f64>()?)
}
