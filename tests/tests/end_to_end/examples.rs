//! Every example is what it says: it is applied, nothing is to do after it, and it goes away without a trace.

use std::path::PathBuf;

use spawn_tests::leftovers::{assert_same, holdings, silent};
use spawn_tests::programs::program;
use spawn_tests::{Terraform, World, assert_shown};

use crate::schedules::with_starter;

fn examples() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../examples")
}

#[test]
fn there_are_no_others() {
    let mut found: Vec<String> =
        std::fs::read_dir(examples()).expect("examples").flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    found.sort();
    assert_eq!(
        found,
        ["alert", "data", "functions", "instance", "job-array", "queue", "schedule", "service", "slurm", "workflows", "yaml"],
        "a new example needs a test here (workflows has its own)"
    );
}

#[test]
fn the_job_array_renders_a_picture_in_eight_parts() {
    let world = World::start();
    let terraform = Terraform::copy_of(&world, &examples().join("job-array"));
    let applied = terraform.apply().succeeded();
    assert!(applied.stdout.contains("status = \"succeeded\""), "{}", applied.text());
    terraform.assert_settled();
    let results = world.directory().join("results");
    world.spawn(["results", "mandelbrot", "--to", results.to_str().expect("a plain path")]).succeeded();
    for rank in 0..8 {
        let rows = std::fs::read(results.join(format!("{rank}/rows.ppm")))
            .or_else(|_| std::fs::read(results.join(format!("{rank:05}/rows.ppm"))))
            .expect("a rank's rows");
        // 960 × 640 pixels in eight parts of 80 rows, and not all of one colour.
        assert!(rows.starts_with(b"P6 960 80 255\n"), "rank {rank}");
        let pixels = &rows[b"P6 960 80 255\n".len()..];
        assert_eq!(pixels.len(), 960 * 80 * 3, "rank {rank}");
        assert!(pixels.chunks(3).any(|pixel| pixel != &pixels[..3]), "rank {rank}");
    }
    terraform.destroy().succeeded();
    assert_same(&empty_but_for_the_set_up(), &holdings(&world));
}

#[test]
fn the_instance_is_kept() {
    let world = World::start();
    let terraform = Terraform::copy_of(&world, &examples().join("instance"));
    terraform.apply().succeeded();
    terraform.assert_settled();
    assert!(world.instances().iter().all(|(_, state)| state == "running"));
    terraform.destroy().succeeded();
    assert_same(&empty_but_for_the_set_up(), &holdings(&world));
}

#[test]
fn the_service_works_until_it_is_told_to_end() {
    let world = World::start();
    let terraform = Terraform::copy_of(&world, &examples().join("service"));
    let applied = terraform.apply().succeeded();
    assert!(applied.stdout.contains("status = \"running\""), "{}", applied.text());
    terraform.assert_settled();
    let members = terraform.state("spawn_service.workers")["members"].as_array().cloned().expect("members");
    let markets: Vec<&str> = members.iter().filter_map(|member| member["market"].as_str()).collect();
    assert_eq!((markets.len(), markets.iter().filter(|market| **market == "on_demand").count()), (3, 1), "{markets:?}");
    world.eventually("every rank works", || {
        let lines = world.spawn(["logs", "workers"]).succeeded().stdout;
        (0..3).all(|rank| lines.contains(&format!("{rank} | rank {rank} works, attempt 1"))).then_some(())
    });
    terraform.destroy().succeeded();
    assert_same(&empty_but_for_the_set_up(), &holdings(&world));
}

#[test]
fn the_queue_finds_twin_primes() {
    let world = World::start();
    let terraform = Terraform::copy_of(&world, &examples().join("queue"));
    let applied = terraform.apply().succeeded();
    assert!(applied.stdout.contains("status = \"succeeded\""), "{}", applied.text());
    terraform.assert_settled();
    let results = world.directory().join("results");
    world.spawn(["queue", "results", "twins", "--to", results.to_str().expect("a plain path")]).succeeded();
    let counted = std::fs::read_to_string(results.join("total/count.txt")).expect("a count");
    assert_eq!(counted, "342\n", "pairs of twin primes of which the smaller one is below 20,000");
    let workers = terraform.state("spawn_queue.twins")["outcomes"].as_object().cloned().expect("outcomes");
    assert_eq!(workers.len(), 6);
    terraform.destroy().succeeded();
    assert_same(&empty_but_for_the_set_up(), &holdings(&world));
}

#[test]
fn the_schedule_reports_every_night() {
    let world = with_starter();
    let before = silent(holdings(&world));
    let terraform = Terraform::copy_of(&world, &examples().join("schedule"));
    terraform.apply().succeeded();
    terraform.assert_settled();
    assert_eq!(world.instances(), []);
    let next = terraform.state("spawn_schedule.nightly")["next_run_at"].as_str().expect("a time").parse::<jiff::Timestamp>();
    world.advance(next.expect("a time").duration_since(jiff::Timestamp::now()).as_secs() + 5);
    let reported = world.eventually("a start is known", || {
        let shown = world.spawn(["schedule", "show", "nightly", "-o", "json"]).succeeded().json();
        shown["starts"].as_array().and_then(|starts| starts.first().cloned())
    });
    assert_eq!(reported["outcome"], "started", "{reported}");
    world.eventually("both have reported", || {
        let shown = world.spawn(["status", "nightly", "-o", "json"]).succeeded().json();
        (shown["status"] == "succeeded").then_some(())
    });
    let results = world.directory().join("results");
    world.spawn(["results", "nightly", "--to", results.to_str().expect("a plain path")]).succeeded();
    let count = |rank: std::fs::DirEntry| std::fs::read_to_string(rank.path().join("primes.txt")).expect("a count");
    let counts = std::fs::read_dir(&results).expect("results").flatten().map(count);
    assert_eq!(counts.map(|count| count.trim().parse::<u32>().expect("a number")).sum::<u32>(), 669, "primes below 5,000");
    terraform.run(["apply", "-refresh-only", "-input=false", "-no-color", "-auto-approve"]).succeeded();
    terraform.assert_settled();
    let last = terraform.state("spawn_schedule.nightly")["last_runs"][0].clone();
    assert_eq!((&last["outcome"], &last["status"]), (&serde_json::json!("started"), &serde_json::json!("succeeded")));
    terraform.destroy().succeeded();
    assert_same(&before, &silent(holdings(&world)));
}

#[test]
fn what_is_asked_and_worked_out_is_told() {
    let world = World::with_setup();
    world
        .spawn([
            "up",
            "--name",
            "tiles",
            "--size",
            "2",
            "--type",
            "c7i.large",
            "--ttl",
            "20m",
            "--tag",
            "team=maths",
            "--wait",
            "running",
            "--",
            "sleep",
            "600",
        ])
        .succeeded();
    let (before, at) = (holdings(&world), world.position());
    for example in ["data", "functions"] {
        let terraform = Terraform::copy_of(&world, &examples().join(example));
        terraform.apply().succeeded();
        terraform.assert_settled();
        let outputs = terraform.run(["output", "-no-color"]).succeeded().stdout;
        assert_shown!(format!("outputs-of-the-example-{example}"), outputs);
    }
    assert_eq!(world.changes(at), Vec::<String>::new(), "nothing is made");
    assert_same(&before, &holdings(&world));
}

#[test]
fn the_yaml_file_counts_primes() {
    let world = World::start();
    let file = examples().join("yaml/fleet.yaml");
    world.spawn(["up", "-f", file.to_str().expect("a plain path")]).succeeded();
    let results = world.directory().join("results");
    world.spawn(["results", "primes", "--to", results.to_str().expect("a plain path")]).succeeded();
    let counts = std::fs::read_dir(&results).expect("results").flatten();
    let total: u32 = counts
        .map(|rank| std::fs::read_to_string(rank.path().join("count.txt")).expect("a count").trim().parse::<u32>().expect("a number"))
        .sum();
    assert_eq!(total, 17_984, "primes below 200,000");
    world.spawn(["down", "primes"]).succeeded();
    assert_same(&empty_but_for_the_set_up(), &holdings(&world));
}

/// What a fresh account holds after `spawn setup`.
fn empty_but_for_the_set_up() -> serde_json::Value {
    holdings(&World::with_setup())
}

/// The README's first command, from the programs that this test was built with.
#[test]
fn the_demo_shows_a_picture_and_leaves_nothing() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let picture = root.join("target/demo/mandelbrot.png");
    // It may be of an earlier demo.
    std::fs::remove_file(&picture).ok();
    let demo = std::process::Command::new(program("xtask")).arg("demo").current_dir(&root).output().expect("the demo runs");
    let (stdout, stderr) = (String::from_utf8_lossy(&demo.stdout), String::from_utf8_lossy(&demo.stderr));
    assert!(demo.status.success(), "{stdout}{stderr}");
    let steps: Vec<&str> = stdout.lines().filter(|line| line.starts_with('▶')).collect();
    assert_shown!("steps-of-the-demo", steps.join("\n"));
    assert!(stdout.contains("8 ranks, 960 × 640 pixels") && stdout.contains("no instance, no volume"), "{stdout}");
    assert!(std::fs::read(&picture).expect("a picture").starts_with(b"\x89PNG"));
}

#[test]
fn the_alert_tells_of_the_tile_that_fails() {
    let told = crate::alerts::Told::start();
    let (world, hook) = (&told.world, &told.hook);
    let terraform = Terraform::copy_of(world, &examples().join("alert"));
    terraform.write("terraform.tfvars", &format!("hook = \"{}\"\nhook_secret = \"hunter2\"\n", hook.url()));
    let applied = terraform.apply().succeeded();
    assert!(applied.stdout.contains("alert = \"pending_confirmation\""), "{}", applied.text());
    terraform.assert_settled();
    world.eventually("the array is over", || (world.spawn(["status", "tiles", "-o", "json"]).json()["status"] == "failed").then_some(()));
    told.two_minutes();
    let posted = world.eventually("a document", || hook.posted().first().cloned());
    assert_eq!((&posted.document["kind"], posted.header("x-spawn-secret")), (&serde_json::json!("failed"), Some("hunter2")));
    terraform.destroy().succeeded();
    assert_eq!(world.control().snapshot()["sns"], serde_json::json!({}));
}

#[test]
fn the_batch_script_of_a_cluster_finds_primes() {
    let world = World::start();
    let terraform = Terraform::copy_of(&world, &examples().join("slurm"));
    let applied = terraform.apply().succeeded();
    assert!(applied.stdout.contains("status = \"succeeded\""), "{}", applied.text());
    assert!(applied.stdout.contains("--partition is left out"), "{}", applied.text());
    terraform.assert_settled();
    let results = world.directory().join("results");
    world.spawn(["results", "primes", "--to", results.to_str().expect("a plain path")]).succeeded();
    let count = |rank: u32| {
        let of_rank = [format!("{rank}/primes.txt"), format!("{rank:05}/primes.txt")];
        let text = of_rank.iter().find_map(|path| std::fs::read_to_string(results.join(path)).ok()).expect("a rank's primes");
        text.lines().count()
    };
    // How many primes there are in each of the first three thousands.
    assert_eq!([0, 1, 2].map(count), [168, 135, 127]);
    terraform.destroy().succeeded();
    assert_same(&empty_but_for_the_set_up(), &holdings(&world));
}
