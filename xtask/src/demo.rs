//! The demo: eight machines on this machine compute a picture, hand it back, and are gone.

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::picture;
use crate::sandbox::Sandbox;
use crate::terraform::Mirror;
use crate::tools;
use crate::workspace::{Profile, Workspace, capture, copy_files, fresh_directory, run, say};

const FLEET: &str = "mandelbrot";

/// How often the demo looks at the ranks while Terraform works.
const LOOK_EVERY: Duration = Duration::from_millis(500);

pub(crate) fn demo(keep: bool) -> Result<()> {
    tools::require(&[tools::TERRAFORM, tools::PYTHON])?;
    let workspace = Workspace::find()?;
    say("Building the provider, the agent and the command (the first time takes some minutes: the AWS SDK is large)");
    workspace.build_programs()?;

    let directory = workspace.target().join("demo");
    std::fs::create_dir_all(&directory)?;
    say("Starting a sandbox: an AWS on this machine, in which instances really run");
    let sandbox = Sandbox::up(&workspace.programs(Profile::Dev), &directory.join("sandbox"), &[])?;
    let mirror = Mirror::install(&workspace, Profile::Dev, &directory)?;
    let configuration = directory.join("job-array");
    fresh_directory(&configuration)?;
    copy_files(&workspace.root.join("examples/job-array"), &configuration)?;
    let environment = sandbox.environment()?;
    let terraform = |arguments: &[&str]| {
        let mut command = mirror.terraform(&configuration, &environment);
        command.args(arguments);
        command
    };

    say("terraform init");
    run(&mut terraform(&["init", "-input=false", "-no-color"]))?;
    say("terraform plan");
    run(&mut terraform(&["plan", "-input=false", "-no-color"]))?;
    say("terraform apply");
    let began = Instant::now();
    let mut apply = terraform(&["apply", "-input=false", "-no-color", "-auto-approve"]).spawn()?;
    watch(&sandbox, &mut apply)?;
    let took = began.elapsed();

    say("The ranks' results, assembled");
    let picture = collect(&sandbox, &directory)?;
    report(&status(&sandbox)?, took);
    println!("  picture  {}", picture.display());

    say("terraform plan: nothing is left to do");
    let next = terraform(&["plan", "-input=false", "-no-color", "-detailed-exitcode"]).status()?;
    ensure!(next.code() == Some(0), "the next plan has actions");

    if keep {
        keep_up(sandbox, &workspace, &configuration, &mirror);
        return Ok(());
    }
    say("terraform destroy");
    run(&mut terraform(&["destroy", "-input=false", "-no-color", "-auto-approve"]))?;
    say("What is left in the cloud");
    nothing_left(&sandbox)
}

/// Shows how far the ranks are until Terraform is done.
fn watch(sandbox: &Sandbox, apply: &mut Child) -> Result<()> {
    let mut told = String::new();
    loop {
        if let Some(status) = apply.try_wait()? {
            ensure!(status.success(), "terraform apply failed: {status}");
            return Ok(());
        }
        if let Ok(fleet) = status(sandbox) {
            let line = ranks(&fleet);
            if line != told {
                println!("  {line}");
                told = line;
            }
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

fn ranks(fleet: &Value) -> String {
    let members = fleet["members"].as_array().map(Vec::as_slice).unwrap_or_default();
    let states: Vec<String> = members.iter().map(|m| format!("{} {}", m["rank"], m["state"].as_str().unwrap_or("?"))).collect();
    format!(
        "{}: {}",
        fleet["status"].as_str().unwrap_or("?"),
        if states.is_empty() { "no ranks yet".to_owned() } else { states.join(" · ") }
    )
}

fn status(sandbox: &Sandbox) -> Result<Value> {
    let mut command = sandbox.spawn()?;
    command.args(["status", FLEET, "--output", "json"]).stderr(Stdio::null());
    Ok(serde_json::from_str(&capture(&mut command)?)?)
}

/// Fetches the results and makes one picture of them.
fn collect(sandbox: &Sandbox, directory: &Path) -> Result<PathBuf> {
    let results = directory.join("results");
    fresh_directory(&results)?;
    run(sandbox.spawn()?.args(["results", FLEET, "--to"]).arg(&results))?;
    let mut ranks: Vec<PathBuf> = std::fs::read_dir(&results)?.map(|entry| Ok(entry?.path().join("rows.ppm"))).collect::<Result<_>>()?;
    ranks.sort();
    let picture = directory.join("mandelbrot.png");
    let (width, height) = picture::assemble(&ranks, &picture).context("assembling the picture")?;
    println!("  {} ranks, {width} × {height} pixels", ranks.len());
    Ok(picture)
}

fn report(fleet: &Value, took: Duration) {
    let members = fleet["members"].as_array().map(Vec::as_slice).unwrap_or_default();
    println!("  status   {} ({})", fleet["status"].as_str().unwrap_or("?"), fleet["status_reason"].as_str().unwrap_or("?"));
    println!("  time     {:.1} s from terraform apply to the last result", took.as_secs_f64());
    match fleet["price_usd_per_hour"].as_f64() {
        Some(price) => {
            // EC2 bills a Linux instance by the second, and at least a minute.
            #[expect(clippy::cast_precision_loss, reason = "a handful of members")]
            let hours = members.len() as f64 * took.as_secs_f64().max(60.0) / 3600.0;
            println!(
                "  cost     {:.4} USD on AWS: {} × {price} USD an hour on demand (Pricing API), a minute at least",
                price * hours,
                members.len()
            );
        }
        None => println!("  cost     unknown: the Pricing API told no price"),
    }
}

fn keep_up(sandbox: Sandbox, workspace: &Workspace, configuration: &Path, mirror: &Mirror) {
    let spawn = workspace.programs(Profile::Dev).join("spawn");
    let directory = sandbox.directory().display().to_string();
    sandbox.keep();
    say("The sandbox stays up. Look around:");
    println!("  export SPAWN_SANDBOX_DIR={directory}");
    println!("  eval \"$({} sandbox env)\"", spawn.display());
    println!("  {} ls                       # and: status {FLEET}, logs {FLEET}, sandbox calls", spawn.display());
    println!("  aws ec2 describe-instances --query 'Reservations[].Instances[].[InstanceId,State.Name]'");
    println!("  cd {} && TF_CLI_CONFIG_FILE={} terraform show", configuration.display(), mirror.cli_config.display());
    println!("  {} sandbox down             # ends it, and everything in it", spawn.display());
}

/// Shows what a fleet leaves: nothing that costs, and its records.
fn nothing_left(sandbox: &Sandbox) -> Result<()> {
    let fleets: Value = serde_json::from_str(&capture(sandbox.spawn()?.args(["ls", "--output", "json"]))?)?;
    ensure!(fleets["fleets"].as_array().is_some_and(Vec::is_empty), "fleets are left: {fleets}");
    let text = capture(sandbox.spawn()?.args(["sandbox", "snapshot", "--output", "json"]))?;
    let world: Value = serde_json::from_str(&text)?;
    // Policies of the set-up speak of the roles of fleets: what counts is which there are.
    let names = |what: &Value| what.as_object().into_iter().flat_map(|things| things.keys().cloned()).collect::<Vec<_>>().join(" ");
    let iam = names(&world["iam"]["roles"]) + " " + &names(&world["iam"]["instance_profiles"]);
    ensure!(iam.contains("spawn-setup-"), "the snapshot tells of no role");
    let text = |place: &str| world[place].to_string();
    for (place, found, name) in [
        ("ec2", text("ec2"), "\"i-"),
        ("ec2", text("ec2"), "\"vol-"),
        ("ec2", text("ec2"), "spawn-fleet-"),
        ("iam", iam, "spawn-fleet-"),
        ("schedules", text("schedules"), "spawn-run-"),
        ("s3", text("s3"), "names/"),
    ] {
        ensure!(!found.contains(name), "{name}… is still in {place}: {found}");
    }
    println!("  no instance, no volume, no security group, no role, no schedule, no name of the fleet");
    println!("  the account set-up stays, and the fleet's records, results and logs");
    Ok(())
}
