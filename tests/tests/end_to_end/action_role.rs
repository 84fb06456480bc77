//! The Action's role: assumed by the job's own token, again and again; and what `doctor` finds wrong with it.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use spawn_sandbox::Fault;
use spawn_tests::leftovers::holdings;
use spawn_tests::{Identity, Ran, World, assert_shown};

use super::action::{Job, RUN, TYPES, assert_gone};

/// GitHub's token service and AWS's STS, of which nobody here asks for more. It lives as long as the test's process.
struct Issuers {
    address: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Issuers {
    /// Gives whoever asks the keys of a session, for so long; without keys, refuses.
    fn open(session: Option<[String; 3]>, lasts: SignedDuration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let heard = asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let Some((what, status, body)) = answer(&stream, session.as_ref(), lasts) else { continue };
                heard.lock().expect("nobody has died over it").push(what);
                let head = format!("HTTP/1.1 {status} Said\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
                // Whoever has gone needs nothing more.
                drop((&stream).write_all(format!("{head}{body}").as_bytes()));
            }
        });
        Self { address, asked }
    }

    fn asked(&self, what: &str) -> usize {
        self.asked.lock().expect("nobody has died over it").iter().filter(|asked| asked.contains(what)).count()
    }
}

const CLAIMS: &str = r#"{"aud":"sts.amazonaws.com","sub":"repo:octo-org@123456/octo-repo@789012:environment:ec2","repository":"octo-org/octo-repo","repository_id":"789012","repository_owner_id":"123456","environment":"ec2"}"#;

/// What was asked, and the answer.
fn answer(stream: &TcpStream, session: Option<&[String; 3]>, lasts: SignedDuration) -> Option<(String, u16, String)> {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first).ok()?;
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        if line.trim().is_empty() {
            break;
        }
        if let Some(told) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = told.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let form = String::from_utf8(body).ok()?;
    if first.starts_with("GET ") {
        return Some(("token".to_owned(), 200, json!({ "value": format!("e30.{}.c2ln", base64url(CLAIMS)) }).to_string()));
    }
    let action = form.split('&').find_map(|pair| pair.strip_prefix("Action="))?.to_owned();
    let (result, status) = match (action.as_str(), session) {
        ("AssumeRoleWithWebIdentity", Some([id, secret, token])) => {
            let expires = Timestamp::from_second((Timestamp::now() + lasts).as_second()).ok()?;
            (
                format!(
                    "<Credentials><AccessKeyId>{id}</AccessKeyId><SecretAccessKey>{secret}</SecretAccessKey><SessionToken>{token}</SessionToken><Expiration>{expires}</Expiration></Credentials>"
                ),
                200,
            )
        }
        ("GetCallerIdentity", Some(_)) => (
            "<Arn>arn:aws:sts::123456789012:assumed-role/ci/spawn</Arn><UserId>AROA:spawn</UserId><Account>123456789012</Account>"
                .to_owned(),
            200,
        ),
        _ => {
            let error = "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>Not authorized to perform sts:AssumeRoleWithWebIdentity</Message></Error></ErrorResponse>";
            return Some((action, 403, error.to_owned()));
        }
    };
    let xml = format!(
        "<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{action}Result>{result}</{action}Result></{action}Response>"
    );
    Some((action, status, xml))
}

/// As a token's parts are written.
fn base64url(text: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let digit = |bits: usize| char::from(DIGITS[bits & 63]);
    text.as_bytes().chunks(3).fold(String::new(), |mut done, chunk| {
        let bits = chunk.iter().chain([&0, &0]).take(3).fold(0, |bits: usize, byte| (bits << 8) | usize::from(*byte));
        done.extend((0..=chunk.len()).map(|at| digit(bits >> (18 - 6 * at))));
        done
    })
}

/// Has a job ask these for its tokens, and its role.
fn trusting<'w>(job: Job<'w>, issuers: &Issuers) -> Job<'w> {
    job.saying("ACTIONS_ID_TOKEN_REQUEST_URL", &format!("{}/token?api-version=2.0", issuers.address))
        .saying("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "own")
        .saying("AWS_ENDPOINT_URL_STS", &issuers.address)
        .saying("AWS_ACCESS_KEY_ID", "AKIANOBODY")
}

fn keys(of: &Identity) -> [String; 3] {
    let environment: BTreeMap<&str, &str> = of.environment().collect();
    ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"].map(|name| environment[name].to_owned())
}

const ROLE: (&str, &str) = ("role-to-assume", "arn:aws:iam::123456789012:role/ci");

#[test]
fn a_role_is_assumed_again_whenever_its_credentials_run_out() {
    let world = World::with_setup();
    let before = holdings(&world);
    // What launching takes is all that the Action needs.
    let launcher = world.policy("launcher");
    let identity = world.identity("ci", &launcher);
    // The SDKs renew what ends within ten seconds.
    let issuers = Issuers::open(Some(keys(&identity)), SignedDuration::from_secs(13));
    let job = trusting(Job::new(&world, "oidc"), &issuers);
    let inputs = [RUN, TYPES, ROLE, ("ttl", "20m"), ("run", "sleep 8")];
    let ran = job.main(&inputs).succeeded();
    assert!(issuers.asked("token") >= 2 && issuers.asked("AssumeRoleWithWebIdentity") >= 2, "{}", ran.text());
    assert!(ran.stdout.starts_with("::add-mask::e30."), "a token is masked before anything else is said: {}", ran.text());
    let by_main = issuers.asked("token");
    job.post(&inputs, "success");
    assert!(issuers.asked("token") > by_main);
    world.python("iam = client('iam')\narn = 'arn:aws:iam::123456789012:policy/ci'\niam.detach_role_policy(RoleName='ci', PolicyArn=arn)\niam.delete_policy(PolicyArn=arn)\niam.delete_role(RoleName='ci')");
    assert_gone(&world, &before);
}

#[test]
fn a_role_that_does_not_trust_the_job_is_told_what_its_token_says() {
    let world = World::with_setup();
    let at = world.position();
    let issuers = Issuers::open(None, SignedDuration::ZERO);
    let shown = |ran: Ran| {
        let shown: Vec<&str> = ran.stdout.lines().filter(|line| !line.starts_with("::add-mask::")).collect();
        format!("exit code {}\n{}\n", ran.code.unwrap_or_default(), shown.join("\n"))
    };
    let run = trusting(Job::new(&world, "untrusted"), &issuers).main(&[RUN, TYPES, ROLE, ("run", "true")]).ended(3);
    let doctor = trusting(Job::new(&world, "doctor"), &issuers).main(&[("mode", "doctor"), ROLE]).ended(1);
    assert_shown!("action-untrusted", [shown(run), shown(doctor)].join("━━━ doctor\n"));
    assert_eq!(world.changes(at), Vec::<String>::new());
}

#[test]
fn doctor_says_what_is_right_and_what_is_wrong() {
    let world = World::start();
    let job = Job::new(&world, "doctor");
    let right = job.main(&[("mode", "doctor")]).succeeded();
    world.fault("pricing", "GetProducts", None, Fault::Deny);
    world.fault("ec2", "DescribeSubnets", None, Fault::Deny);
    let wrong = job.main(&[("mode", "doctor"), TYPES]).ended(1);
    assert_shown!("action-doctor", format!("{}━━━\n{}", right.stdout, wrong.stdout));
}
