//! Alerts: a schedule invokes what tells, which sends mail through SNS and posts to addresses; under Terraform and by the command.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use spawn_tests::configuration::{ALERT, alert, array};
use spawn_tests::leftovers::{assert_same, holdings, silent};
use spawn_tests::receivers::{Hook, Mailbox};
use spawn_tests::{Terraform, World, assert_shown};

use super::rights::{allowed, assert_function_needs};
use crate::lease::living;

/// What the watcher's role allows that none of its calls here takes, and what each is for.
const FOR_OTHERS: [&str; 13] = [
    // Lambda writes with them what it says; that it is read here proves them.
    "logs:CreateLogStream",
    "logs:PutLogEvents",
    // Names in DNS.
    "route53:ChangeResourceRecordSets",
    "route53:ListResourceRecordSets",
    "s3:DeleteObject",
    // Services, and their way back from spot.
    "autoscaling:DescribeScalingActivities",
    "autoscaling:UpdateAutoScalingGroup",
    // More than a few fleets, which share what AWS says of them.
    "scheduler:ListSchedules",
    // What a run may have cost that has a key pair, spot instances, or a network of the user's own.
    "ec2:DescribeKeyPairs",
    "ec2:DescribeRouteTables",
    "ec2:DescribeSpotPriceHistory",
    "ec2:DescribeVpcEndpoints",
    "ec2:DescribeSecurityGroups",
];

/// A sandbox with what tells in its set-up, and who gets it.
pub(crate) struct Told {
    pub(crate) world: World,
    mailbox: Mailbox,
    pub(crate) hook: Hook,
}

impl Told {
    pub(crate) fn start() -> Self {
        let (mailbox, hook) = (Mailbox::open(), Hook::secure());
        let mut world = World::with(|options| {
            options.smtp = Some(mailbox.address().to_owned());
            let trusted = options.dir.with_file_name("trusted.pem");
            std::fs::write(&trusted, hook.certificate().expect("a certificate")).expect("a file");
            options.trusted = Some(trusted);
        });
        world.upload(&["spored", "spawn-watcher"]);
        world.spawn(["setup"]).succeeded();
        Self { world, mailbox, hook }
    }

    /// Visits the address in the last mail that asks whether somebody wants mail.
    fn confirm(&self, who: &str) {
        let url = self.world.eventually("a mail that asks", || {
            let mails = self.mailbox.mails();
            let mail = mails.into_iter().rev().find(|mail| mail.to == who && mail.subject.ends_with("Subscription Confirmation"))?;
            mail.text.lines().find(|line| line.starts_with("http://")).map(str::to_owned)
        });
        self.world.python(&format!("import urllib.request\nurllib.request.urlopen({url:?}).read()"));
    }

    /// Lets two minutes pass, in which what tells comes by, and waits until it has.
    pub(crate) fn two_minutes(&self) {
        let at = self.world.position();
        let invoked = || self.world.calls(at, "Invoke").len();
        self.world.advance(2 * 60);
        self.world.eventually("what tells has come by", || (invoked() > 0).then_some(()));
    }

    fn subjects(&self) -> Vec<String> {
        self.mailbox.mails().into_iter().map(|mail| mail.subject).filter(|subject| subject.starts_with("spawn: ")).collect()
    }

    fn status(&self) -> String {
        let shown = self.world.spawn(["alert", "show", "money", "-o", "json"]).succeeded().json();
        shown["status"].as_str().expect("a status").to_owned()
    }
}

fn changes(terraform: &Terraform<'_>) -> String {
    let text = terraform.plan().succeeded().stdout;
    text.lines().filter(|line| !line.contains("Refreshing state")).collect::<Vec<_>>().join("\n")
}

#[test]
fn what_fails_is_told_by_mail_and_to_an_address() {
    let told = Told::start();
    let Told { world, mailbox, hook } = &told;
    let before = silent(holdings(world));
    let terraform = world.terraform(&alert(hook.url(), &[]));
    assert_shown!("plan-of-an-alert", terraform.plan().succeeded().stdout.replace(hook.url(), "https://HOOK"));
    let applied = terraform.apply().succeeded();
    assert!(applied.text().contains("money reaches nobody at ada@example.com yet"), "{}", applied.text());
    terraform.assert_settled();
    told.confirm("ada@example.com");
    terraform.run(["apply", "-refresh-only", "-input=false", "-no-color", "-auto-approve"]).succeeded();
    terraform.assert_settled();
    let state = terraform.state(ALERT);
    assert_eq!((&state["status"], &state["pending_confirmation"]), (&json!("ok"), &json!([])));
    // The secret is in no state, and in nothing of what the account holds but one encrypted parameter.
    assert_eq!(state["notify"]["webhook"]["secret"], Value::Null);
    let file = std::fs::read_to_string(terraform.path("terraform.tfstate")).expect("the state");
    assert!(!file.contains("hunter2"));
    let held = world.control().snapshot().to_string();
    assert_eq!(held.matches("hunter2").count(), 0, "the sandbox shows no secrets, and no object holds one");

    let dear = alert(hook.url(), &[("cost_above", "1000")]);
    let both = |command: &str| format!("{dear}{}", array(&[("command", command), ("wait_for", r#""completed""#)]));
    terraform.configure(&both(r#"["sh", "-c", "test $SPAWN_RANK = 0"]"#));
    terraform.apply().succeeded();
    world.eventually("the machines are gone", || (living(world) == 0).then_some(()));
    told.two_minutes();
    let posted = world.eventually("a document", || hook.posted().first().cloned());
    assert_eq!((posted.path.as_str(), posted.header("x-spawn-secret")), ("/hook", Some("hunter2")));
    let document = &posted.document;
    assert_eq!((&document["kind"], &document["name"], &document["status"]), (&json!("failed"), &json!("tiles"), &json!("failed")));
    assert_eq!(posted.header("x-spawn-occurrence"), document["occurrence_id"].as_str());
    let mail = world.eventually("a mail", || mailbox.mails().into_iter().find(|mail| mail.subject.starts_with("spawn: ")));
    assert_eq!(mail.to, "ada@example.com");
    assert_shown!("mail-of-an-alert", format!("{}\n\n{}", mail.subject, mail.text));
    assert_shown!("document-of-an-alert", serde_json::to_string_pretty(document).expect("JSON"));
    for _ in 0..3 {
        told.two_minutes();
    }
    assert_eq!((hook.posted().len(), told.subjects()), (1, vec!["spawn: tiles failed".to_owned()]), "once");
    assert_shown!("history-of-an-alert", world.spawn(["alert", "history", "money"]).succeeded().stdout);

    // A run that goes on the same way is told again.
    terraform.configure(&both(r#"["false"]"#));
    terraform.apply().succeeded();
    told.two_minutes();
    world.eventually("another document", || (hook.posted().len() == 2).then_some(()));

    assert_function_needs(world, "spawn-setup-watcher-us-east-1", &FOR_OTHERS);

    terraform.destroy().succeeded();
    assert_same(&before, &silent(holdings(world)));
    assert_eq!(world.control().gaps(), []);
}

#[test]
fn every_field_of_an_alert_can_be_changed_and_what_others_change_is_noticed() {
    let told = Told::start();
    let Told { world, hook, .. } = &told;
    let before = silent(holdings(world));
    let terraform = world.terraform(&alert(hook.url(), &[]));
    terraform.apply().succeeded();
    told.confirm("ada@example.com");
    let id = terraform.state(ALERT)["id"].clone();
    let notify = |fields: &str| format!("{{ email = [\"ada@example.com\"], {fields} }}");
    let webhook = |fields: &str| notify(&format!("webhook = {{ url = \"{}/hook\", secret = \"hunter2\", {fields} }}", hook.url()));
    let slack = notify("slack = { webhook_url = \"https://hooks.slack.com/a\" }");
    for (field, value) in [
        ("watch", r#"{ fleets = ["tiles"] }"#),
        ("watch", r#"{ tags = { team = "maths" } }"#),
        ("on", r#"["failed", "lost"]"#),
        ("cost_above", "20.5"),
        ("longer_than", r#""2h""#),
        ("notify", webhook("secret_version = 2").as_str()),
        ("notify", webhook("header = \"Authorization\"").as_str()),
        ("notify", slack.as_str()),
        ("notify", r#"{ email = ["ada@example.com", "grace@example.com"] }"#),
        ("notify", r#"{ sns = ["arn:aws:sns:us-east-1:123456789012:ops"] }"#),
    ] {
        terraform.configure(&alert(hook.url(), &[(field, value)]));
        assert_eq!(terraform.planned(ALERT), "update", "{field} = {value}");
        terraform.apply().succeeded();
        terraform.assert_settled();
        assert_eq!(terraform.state(ALERT)["id"], id, "{field} = {value}");
    }
    // Without mail there is no topic, and with it again there is another one.
    assert_eq!(terraform.state(ALERT)["topic_arn"], Value::Null);
    terraform.configure(&alert(hook.url(), &[]));
    terraform.apply().succeeded();
    told.confirm("ada@example.com");

    for by in ["money", id.as_str().expect("an id")] {
        terraform.run(["state", "rm", ALERT]).succeeded();
        terraform.import(ALERT, by).succeeded();
        assert_eq!(terraform.planned(ALERT), "no-op", "imported by {by}");
    }
    let topic = "s = client('sns')\narn = [t['TopicArn'] for t in s.list_topics()['Topics'] if ':spawn-alert-' in t['TopicArn']][0]\n";
    let secret = "s = client('ssm')\nname = [p['Name'] for p in s.describe_parameters()['Parameters'] if p['Name'].startswith('/spawn/alerts/')][0]\n";
    for (what, change) in [
        (
            "a subscription",
            format!(
                "{topic}s.unsubscribe(SubscriptionArn=s.list_subscriptions_by_topic(TopicArn=arn)['Subscriptions'][0]['SubscriptionArn'])"
            ),
        ),
        ("the topic", format!("{topic}s.delete_topic(TopicArn=arn)")),
        ("a secret", format!("{secret}s.put_parameter(Name=name, Value='eve', Type='SecureString', Overwrite=True)")),
        ("a secret that is gone", format!("{secret}s.delete_parameter(Name=name)")),
    ] {
        world.python(&change);
        assert_eq!(terraform.planned(ALERT), "update", "{what}");
        assert_shown!(format!("drift-of-an-alert-{}", what.replace(' ', "-")), changes(&terraform).replace(hook.url(), "https://HOOK"));
        terraform.apply().succeeded();
        terraform.assert_settled();
    }
    terraform.configure(&alert(hook.url(), &[("name", r#""other""#)]));
    assert_eq!(terraform.planned(ALERT), "delete create: name");
    terraform.apply().succeeded();
    terraform.assert_settled();
    // Made anew under its own name.
    terraform.run(["apply", "-replace", ALERT, "-input=false", "-no-color", "-auto-approve"]).succeeded();
    terraform.assert_settled();
    // Gone by another hand, it is planned again.
    world.spawn(["alert", "down", "other"]).succeeded();
    assert_eq!(terraform.planned(ALERT), "create");
    terraform.destroy().succeeded();
    assert_same(&before, &silent(holdings(world)));
}

#[test]
fn a_channel_that_refuses_is_shown_and_told_again() {
    let told = Told::start();
    let Told { world, hook, .. } = &told;
    let terraform = world.terraform(&alert(hook.url(), &[]));
    terraform.apply().succeeded();
    told.confirm("ada@example.com");
    hook.answer(503);
    assert_shown!("test-of-an-alert", world.spawn(["alert", "test", "money"]).succeeded().stdout);
    told.two_minutes();
    world.eventually("the refusal is known", || (told.status() == "refused").then_some(()));
    let warned = changes(&terraform);
    assert!(warned.contains("money could not tell what it had to") && warned.contains("it answered 503: busy"), "{warned}");
    assert_eq!(terraform.planned(ALERT), "no-op", "it is no change of the configuration");
    hook.answer(200);
    told.two_minutes();
    told.two_minutes();
    world.eventually("it is taken", || (told.status() == "ok").then_some(()));
    assert_eq!(hook.posted()[0].document["kind"], "test");
    assert_eq!(told.subjects(), ["spawn: test of money"], "mail took it the first time");
}

#[test]
fn a_topic_of_ones_own_is_told_and_a_command_makes_alerts_too() {
    let told = Told::start();
    let Told { world, .. } = &told;
    let queue = Hook::plain();
    world.python("client('sns').create_topic(Name='ops')");
    let arn = "arn:aws:sns:us-east-1:123456789012:ops";
    world.python(&format!("client('sns').subscribe(TopicArn={arn:?}, Protocol='http', Endpoint={:?})", queue.url()));
    let asked = world.eventually("SNS asks", || queue.posted().first().cloned());
    let url = asked.document["SubscribeURL"].as_str().expect("an address").to_owned();
    world.python(&format!("import urllib.request\nurllib.request.urlopen({url:?}).read()"));

    let write = |text: &str| std::fs::write(world.directory().join("alert.yaml"), text).expect("a file");
    write(&format!("name: money\nwatch: {{fleets: [tiles]}}\non: [succeeded]\nlonger_than: 2h\nnotify: {{sns: [\"{arn}\"]}}\n"));
    assert_shown!("alert-checked", world.spawn(["alert", "apply", "-f", "alert.yaml", "--dry-run"]).succeeded().stdout);
    assert_shown!("alert-made", world.spawn(["alert", "apply", "-f", "alert.yaml"]).succeeded().stdout);
    assert_shown!("alerts-listed", world.spawn(["alert", "ls"]).succeeded().stdout);
    world
        .spawn(["up", "--name", "tiles", "--size", "1", "--type", "c7i.large", "--ttl", "20m", "--wait", "completed", "--", "true"])
        .succeeded();
    told.two_minutes();
    let told_of = world.eventually("SNS tells", || queue.posted().get(1).cloned());
    assert_eq!(told_of.document["Subject"], "spawn: tiles succeeded");
    let inner: Value = serde_json::from_str(told_of.document["Message"].as_str().expect("a message")).expect("JSON");
    assert_eq!((&inner["kind"], &inner["name"]), (&json!("succeeded"), &json!("tiles")));

    // Another secret by the environment, and what is wrong is said before anything is changed.
    write("name: money\nwatch: {everything: true}\non: [failed]\nnotify: {slack: {webhook_url: !env NO_SUCH_HOOK}}\n");
    assert_shown!("alert-without-its-secret", world.spawn(["alert", "apply", "-f", "alert.yaml"]).ended(2).stderr);
    write("name: Money\nwatch: {}\non: [exploded]\ncost_above: -1\nlonger_than: 3s\nnotify: {}\n");
    assert_shown!("alert-of-nothing", world.spawn(["alert", "apply", "-f", "alert.yaml"]).ended(2).stderr);
    assert_shown!("alert-ended", world.spawn(["alert", "down", "money"]).succeeded().stdout);
    assert_shown!("no-such-alert", world.spawn(["alert", "show", "money"]).ended(2).stderr);
    assert_shown!("no-alerts", world.spawn(["alert", "ls"]).succeeded().stdout);
}

#[test]
fn whoever_makes_alerts_needs_no_more_than_is_said() {
    let told = Told::start();
    let Told { world, hook, .. } = &told;
    let policy = world.policy("alerter");
    let who = world.identity("alerter", &policy);
    let terraform = world.terraform(&alert(hook.url(), &[]));
    terraform.run_by(&who);
    terraform.apply().succeeded();
    told.confirm("ada@example.com");
    terraform.assert_settled();
    terraform.configure(&alert(hook.url(), &[("notify", r#"{ email = ["grace@example.com"] }"#)]));
    terraform.apply().succeeded();
    world.spawn_as(&who, ["alert", "ls"]).succeeded();
    terraform.destroy().succeeded();
    let calls = world.control().calls(0);
    let rights: BTreeSet<String> = calls.iter().filter(|call| who.made(call)).flat_map(|call| call.rights.clone()).collect();
    assert_eq!(rights, allowed(&policy), "used, and allowed");
    assert_eq!(world.control().gaps(), []);
}

#[test]
fn what_is_wrong_with_an_alert_is_said_before_anything_is_made() {
    let world = World::with_setup();
    let terraform = world.terraform(&alert("https://example.com", &[]));
    assert_shown!("alert-without-a-watcher", terraform.plan().ended(1).stderr);
    for (name, fields) in [
        ("alert-that-watches-nothing", [("watch", "{}"), ("on", "[]")]),
        ("alert-that-reaches-nobody", [("notify", "{}"), ("cost_above", "0")]),
        (
            "alert-with-bad-addresses",
            [
                (
                    "notify",
                    r#"{ email = ["ops"], sns = ["ops"], slack = { webhook_url = "http://x" }, webhook = { url = "ftp://x", header = "Host" } }"#,
                ),
                ("longer_than", r#""5s""#),
            ],
        ),
    ] {
        terraform.configure(&alert("https://example.com", &fields));
        assert_shown!(name, terraform.plan().ended(1).stderr);
    }
}
