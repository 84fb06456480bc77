//! What is refused, in the words that people read; and that a refusal leaves nothing behind.

use std::fmt::Write as _;

use spawn_sandbox::{Fault, FaultScript};
use spawn_tests::configuration::{ARRAY, INSTANCE, array, instance};
use spawn_tests::leftovers::{assert_same, holdings};
use spawn_tests::{Terraform, World, assert_shown, shown};

/// Fields that no fleet may have.
fn refused_fields() -> Vec<(&'static str, Vec<(&'static str, String)>)> {
    let one = |case, field, value: &str| (case, vec![(field, value.to_owned())]);
    vec![
        one("unknown-attribute", "instance_tipes", r#"["c7i.large"]"#),
        one("size-0", "size", "0"),
        one("size-10001", "size", "10001"),
        one("size-text", "size", r#""many""#),
        one("command-empty", "command", "[]"),
        one("command-without-program", "command", r#"[""]"#),
        one("type-unknown", "instance_types", r#"["c7i.enormous"]"#),
        one("type-unknown-among-others", "instance_types", r#"["c7i.large", "c7i.enormous"]"#),
        one("type-misspelt", "instance_types", r#"["c7i large"]"#),
        one("types-empty", "instance_types", "[]"),
        one("ttl-parsecs", "lease", r#"{ ttl = "5 parsecs" }"#),
        one("ttl-0s", "lease", r#"{ ttl = "0s" }"#),
        one("ttl-too-long", "lease", r#"{ ttl = "31d" }"#),
        one("idle-after-0s", "lease", r#"{ ttl = "8h", idle = { after = "0s" } }"#),
        one("idle-longer-than-the-lease", "lease", r#"{ ttl = "20m", idle = { after = "21m" } }"#),
        one("idle-ports", "lease", r#"{ idle = { after = "15m", ports = [0, 70000] } }"#),
        one("idle-process-without-name", "lease", r#"{ idle = { after = "15m", processes = [""] } }"#),
        one("idle-threshold", "lease", r#"{ idle = { after = "15m", cpu_percent = -1 } }"#),
        one("name-with-capitals", "name", r#""Tiles""#),
        one("name-with-underscore", "name", r#""tiles_1""#),
        one("name-too-long", "name", &format!("{:?}", "z".repeat(64))),
        one("files-too-large", "files", &format!("{{ \"work\" = \"{}\" }}", "x".repeat(1 << 20))),
        one("file-outside", "files", r#"{ "../work" = "x" }"#),
        one("env-name", "env", r#"{ "1ST" = "x" }"#),
        one("env-taken", "env", r#"{ "SPAWN_RANK" = "7" }"#),
        one("tag-taken", "tags", r#"{ "spawn:fleet" = "x" }"#),
        one("wait-for", "wait_for", r#""dinner""#),
        one("ami-unknown", "ami", r#""ami-0123456789abcdef0""#),
        one("ami-misspelt", "ami", r#""debian""#),
        ("several-at-once", vec![("size", "0".to_owned()), ("lease", r#"{ ttl = "0s" }"#.to_owned()), ("name", r#""-""#.to_owned())]),
    ]
}

/// The same fields for `spawn up -f`: Terraform's maps have an equals sign where YAML's have a colon.
fn yaml(fields: &[(&str, String)]) -> String {
    let mut lines = vec![
        ("name", r#""tiles""#.to_owned()),
        ("size", "2".to_owned()),
        ("instance_types", r#"["c7i.large"]"#.to_owned()),
        ("command", r#"["sleep", "600"]"#.to_owned()),
    ];
    lines.retain(|(name, _)| fields.iter().all(|(field, _)| field != name));
    lines.extend(fields.iter().map(|(name, value)| (*name, value.replace(" = ", ": "))));
    lines.iter().map(|(name, value)| format!("{name}: {value}\n")).collect()
}

/// Long values are no part of what is told.
fn without_long_lines(text: &str) -> String {
    text.lines().map(|line| if line.len() > 400 { "[a long line]" } else { line }).collect::<Vec<_>>().join("\n")
}

fn told(cases: Vec<(&str, String)>) -> String {
    cases.into_iter().fold(String::new(), |mut all, (case, text)| {
        let _ = writeln!(all, "━━━ {case}\n{}\n", text.trim());
        all
    })
}

/// Does something with every item, in four threads, and answers in order.
fn in_parallel<I: Sync, T: Send>(items: &[I], work: impl Fn(&I) -> T + Sync) -> Vec<T> {
    let work = &work;
    std::thread::scope(|scope| {
        let chunks = items.chunks(items.len().div_ceil(4)).map(|chunk| scope.spawn(move || chunk.iter().map(work).collect::<Vec<T>>()));
        chunks.collect::<Vec<_>>().into_iter().flat_map(|done| done.join().expect("it ends")).collect()
    })
}

#[test]
fn what_no_fleet_may_be_is_refused_by_the_plan() {
    let world = World::with_setup();
    let (before, at) = (holdings(&world), world.position());
    let cases = refused_fields();
    let texts = in_parallel(&cases, |(case, fields)| {
        let changes: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let ran = world.terraform(&array(&changes)).plan();
        assert_eq!(ran.code, Some(1), "{case}: {}", ran.text());
        (*case, without_long_lines(&shown::diagnostics(&ran.text())))
    });
    assert_shown!("refused-by-terraform", told(texts));
    let ran = world.terraform(&instance(&[("size", "2")])).plan().ended(1);
    assert_shown!("refused-instance-with-size", shown::diagnostics(&ran.text()));
    let ran = world.terraform(&array(&[("command", "")])).plan().ended(1);
    assert_shown!("refused-without-required", shown::diagnostics(&ran.text()));
    assert_same(&before, &holdings(&world));
    assert_eq!(world.changes(at), [""; 0]);
}

#[test]
fn the_command_refuses_the_same_with_the_same_words() {
    let world = World::with_setup();
    let (before, at) = (holdings(&world), world.position());
    let cases = refused_fields();
    let texts = in_parallel(&cases, |(case, fields)| {
        let file = world.directory().join(format!("{case}.yaml"));
        std::fs::write(&file, yaml(fields)).expect("a file");
        let file = file.to_str().expect("a plain path");
        let [plan, up] = ["plan", "up"].map(|command| world.spawn([command, "-f", file]));
        assert_eq!((plan.code, &plan.stderr), (up.code, &up.stderr), "{case}: plan and up refuse alike");
        assert_eq!(plan.stdout, "", "{case}");
        (*case, format!("exit code {}\n{}", plan.code.unwrap_or(-1), without_long_lines(&plan.stderr)))
    });
    assert_shown!("refused-by-spawn", told(texts));
    assert_same(&before, &holdings(&world));
    assert_eq!(world.changes(at), [""; 0]);
}

#[test]
fn two_fleets_with_one_name_are_refused() {
    let world = World::with_setup();
    let before = holdings(&world);
    let both = format!("{}{}", array(&[]), instance(&[("name", r#""tiles""#), ("depends_on", "[spawn_job_array.it]")]));
    let terraform = world.terraform(&both);
    let at = world.position();
    let planned = terraform.plan().ended(1);
    assert_shown!("two-new-fleets-with-one-name", shown::diagnostics(&planned.text()));
    assert_eq!(world.changes(at), [""; 0]);
    // One is there already, and might be about to give its name away: that is seen when it does not.
    terraform.configure(&array(&[]));
    terraform.apply().succeeded();
    terraform.configure(&both);
    let ran = terraform.apply().ended(1);
    assert_shown!("two-fleets-with-one-name", shown::diagnostics(&ran.text()));
    assert_eq!((terraform.state(ARRAY)["status"].as_str(), terraform.state(INSTANCE).is_null()), (Some("running"), true));
    assert_eq!(world.instances().len(), 2);
    terraform.destroy().succeeded();
    assert_same(&before, &holdings(&world));
}

#[test]
fn values_unknown_at_plan_time_stay_unknown_and_are_judged_at_apply() {
    let world = World::with_setup();
    let before = holdings(&world);
    let source = |name: &str| format!("resource \"terraform_data\" \"later\" {{\n  input = {name:?}\n}}\n");
    let fields: &[(&str, &str)] = &[
        ("name", "terraform_data.later.output"),
        ("env", "{ LATER = terraform_data.later.output }"),
        ("command", r#"["echo", terraform_data.later.id]"#),
        ("wait_for", r#""completed""#),
        ("files", ""),
    ];
    let terraform = world.terraform(&format!("{}{}", source("tiles"), array(fields)));
    assert_shown!("plan-with-unknown-values", terraform.plan().succeeded().stdout);
    terraform.apply().succeeded();
    terraform.assert_settled();
    let state = terraform.state(ARRAY);
    assert_eq!((&state["name"], &state["env"]["LATER"], &state["status"]), (&"tiles".into(), &"tiles".into(), &"succeeded".into()));
    terraform.destroy().succeeded();
    // What is wrong shows when it is known: the apply of another name, which only then is no name.
    let terraform = world.terraform(&format!("{}{}", source("No Name"), array(fields)));
    terraform.plan().succeeded();
    let ran = terraform.apply().ended(1);
    assert_shown!("unknown-value-refused-at-apply", shown::diagnostics(&ran.text()));
    assert_same(&before, &holdings(&world));
}

/// Plans and runs `spawn plan` with another environment, and tells what both say.
fn with_environment(world: &World, provider: &str, variables: &[(&str, Option<&str>)]) -> String {
    let terraform = world.terraform(&format!("{provider}{}", array(&[])));
    let set = |mut command: tokio::process::Command| {
        for (name, value) in variables {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        world.run(command).wait()
    };
    let planned = set(terraform.command(["plan", "-input=false", "-no-color"])).ended(1);
    let mut command = world.command(spawn_tests::programs::program("spawn"));
    command.args(["plan", "--type", "c7i.large", "--name", "tiles", "--", "true"]);
    let spawn = set(command);
    format!("{}\n\n{}exit code {}", shown::diagnostics(&planned.text()), spawn.stderr, spawn.code.unwrap_or(-1))
}

#[test]
fn a_wrong_environment_is_told_of() {
    let world = World::with_setup();
    let (before, at) = (holdings(&world), world.position());
    let keys = [("AWS_ACCESS_KEY_ID", None), ("AWS_SECRET_ACCESS_KEY", None)];
    let texts = vec![
        ("no credentials", with_environment(&world, "", &keys)),
        ("unknown credentials", with_environment(&world, "", &[("AWS_ACCESS_KEY_ID", Some("AKIAIOSFODNN7EXAMPLE"))])),
        ("endpoint without a scheme", with_environment(&world, "", &[("AWS_ENDPOINT_URL", Some("127.0.0.1:9"))])),
        ("no such profile", {
            let files = world.directory().join("config");
            std::fs::write(&files, "[profile lab]\nregion = us-east-1\n").expect("a file");
            let provider = "provider \"spawn\" {\n  region  = \"us-east-1\"\n  profile = \"nobody\"\n}\n";
            with_environment(&world, provider, &[("AWS_CONFIG_FILE", files.to_str()), ("AWS_PROFILE", Some("nowhere"))])
        }),
        ("endpoint down", with_environment(&world, "", &[("AWS_ENDPOINT_URL", Some("http://127.0.0.1:9"))])),
        ("no such region", {
            let provider = "provider \"spawn\" {\n  region = \"us-mars-1\"\n}\n";
            with_environment(&world, provider, &[("AWS_REGION", Some("us-mars-1")), ("AWS_DEFAULT_REGION", None)])
        }),
        ("no region", with_environment(&world, "provider \"spawn\" {}\n", &[("AWS_REGION", None), ("AWS_DEFAULT_REGION", None)])),
    ];
    assert_shown!("wrong-environment", told(texts));
    assert_shown!("region-without-set-up", world.spawn(["status", "tiles", "--region", "eu-west-1"]).ended(2).stderr);
    assert_same(&before, &holdings(&world));
    assert_eq!(world.changes(at), [""; 0]);
}

/// Applies in a world with trouble: it fails, says why, and leaves nothing.
fn apply_refused(trouble: impl Fn(&World), changes: &[(&str, &str)]) -> String {
    let world = World::with_setup();
    let before = holdings(&world);
    let terraform = world.terraform(&array(changes));
    trouble(&world);
    let ran = terraform.apply();
    assert_eq!(ran.code, Some(1), "{}", ran.text());
    assert!(terraform.state(ARRAY).is_null(), "{}", ran.text());
    assert_same(&before, &holdings(&world));
    shown::diagnostics(&ran.text())
}

#[test]
fn a_denied_call_names_the_permission_and_leaves_nothing() {
    let denied: Vec<(&str, &str)> = vec![
        ("sts", "GetCallerIdentity"),
        ("ec2", "DescribeInstanceTypes"),
        ("ec2", "DescribeSubnets"),
        ("s3", "PutObject"),
        ("iam", "CreateRole"),
        ("iam", "PutRolePolicy"),
        ("ec2", "CreateSecurityGroup"),
        ("scheduler", "CreateSchedule"),
        ("ec2", "RunInstances"),
        ("ec2", "CreateTags"),
    ];
    let texts = in_parallel(&denied, |(service, operation)| {
        // Tags ride in the launch, and prices are a courtesy: a launch needs no right of its own for either.
        if *operation == "CreateTags" {
            let world = World::with_setup();
            world.fault(service, operation, None, Fault::Deny);
            world.fault("pricing", "GetProducts", None, Fault::Deny);
            let terraform = world.terraform(&array(&[]));
            terraform.apply().succeeded();
            terraform.destroy().succeeded();
            return ("ec2:CreateTags and pricing:GetProducts", "succeeds".to_owned());
        }
        (*operation, apply_refused(|world| world.fault(service, operation, None, Fault::Deny), &[]))
    });
    assert_shown!("denied", told(texts));
}

#[test]
fn trouble_is_told_with_what_was_tried_and_what_to_do() {
    type Case<'a> = (&'a str, &'a (dyn Fn(&World) + Sync));
    let capacity = |world: &World| {
        for name in ["c7i.large", "c7a.large"] {
            world.control().add_fault(FaultScript::Cloud(sandbox_cloud::Fault::no_capacity(name)));
        }
    };
    let error = |code: &str, message: &str, status| Fault::Error { code: code.to_owned(), status, message: message.to_owned() };
    let quota = |world: &World| {
        let message = "You have requested more vCPU capacity than your current vCPU limit of 0 allows";
        world.fault("ec2", "RunInstances", None, error("VcpuLimitExceeded", message, 400));
    };
    let cases: [Case<'_>; 4] = [
        ("no capacity in any pool", &capacity),
        ("no quota", &quota),
        // A launch that is throttled is asked again for many minutes; a look before it is given up soon.
        ("throttled", &|world| world.fault("ec2", "DescribeSubnets", None, Fault::Throttle)),
        ("no answer", &|world| world.fault("ec2", "RunInstances", None, Fault::CloseBefore)),
    ];
    let texts =
        in_parallel(&cases, |(case, trouble)| (*case, apply_refused(trouble, &[("instance_types", r#"["c7i.large", "c7a.large"]"#)])));
    assert_shown!("trouble", told(texts));
}

#[test]
fn trouble_that_passes_is_not_even_noticed() {
    let world = World::with_setup();
    let before = holdings(&world);
    world.fault("ec2", "RunInstances", Some(2), Fault::Throttle);
    world.fault("ec2", "RunInstances", Some(1), Fault::LostReply);
    world.fault("iam", "CreateRole", Some(1), Fault::Throttle);
    world.fault("s3", "GetObject", Some(1), Fault::CloseBefore);
    let terraform = world.terraform(&array(&[("size", "3")]));
    terraform.apply().succeeded();
    assert_eq!(world.instances().len(), 3);
    terraform.assert_settled();
    terraform.destroy().succeeded();
    assert_same(&before, &holdings(&world));
}

#[test]
fn what_cannot_be_undone_is_named() {
    let world = World::with_setup();
    let before = holdings(&world);
    let terraform: Terraform<'_> = world.terraform(&array(&[]));
    // The instances are launched; recording them is denied, and so is ending them.
    world.fault_after(4, "controller", "s3", "PutObject", Some(1), Fault::Deny);
    world.fault("ec2", "TerminateInstances", None, Fault::Deny);
    let ran = terraform.apply().ended(1);
    assert_shown!("cannot-be-undone", shown::diagnostics(&ran.text()));
    let left: Vec<String> = world.instances().into_iter().filter(|(_, state)| state != "terminated").map(|(id, _)| id).collect();
    assert_eq!(left.len(), 2);
    assert!(left.iter().all(|id| ran.text().contains(id)), "{}", ran.text());
    world.control().clear_faults();
    world.spawn(["down", "tiles"]).succeeded();
    assert_same(&before, &holdings(&world));
}
