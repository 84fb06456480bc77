//! Instance metadata, S3, CloudWatch Logs and EC2 on one port of loopback, as far as a machine of a fleet uses them. Every signature is checked.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings, UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4::SigningParams;
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

pub(crate) const ACCOUNT: &str = "123456789012";
pub(crate) const BUCKET: &str = "spawn-123456789012-us-east-1";
pub(crate) const REGION: &str = "us-east-1";
pub(crate) const INSTANCE: &str = "i-0123456789abcdef0";
pub(crate) const ADDRESS: &str = "172.31.0.10";
const TOKEN: &str = "a metadata session";

/// An answer that is given instead of the real one.
struct Fault {
    method: &'static str,
    /// What the path begins with, or which operation of Logs it is.
    what: String,
    status: u16,
    code: &'static str,
    times: u32,
}

#[derive(Default)]
struct Held {
    objects: BTreeMap<String, Vec<u8>>,
    written: BTreeMap<String, Timestamp>,
    faults: Vec<Fault>,
    requests: Vec<String>,
    streams: Vec<String>,
    events: Vec<String>,
    metadata: BTreeMap<String, String>,
}

impl Held {
    fn write(&mut self, key: &str, content: Vec<u8>) {
        self.objects.insert(key.to_owned(), content);
        self.written.insert(key.to_owned(), Timestamp::now());
    }
}

/// The fake.
pub(crate) struct Cloud {
    port: u16,
    held: Mutex<Held>,
    changed: Condvar,
}

struct Request {
    method: String,
    /// Path and query.
    target: String,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

type Answer = (u16, Vec<(&'static str, String)>, Vec<u8>);

impl Cloud {
    pub(crate) fn start() -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let cloud = Arc::new(Self { port: listener.local_addr().unwrap().port(), held: Mutex::default(), changed: Condvar::new() });
        for (path, value) in [
            ("meta-data/instance-id", INSTANCE),
            ("meta-data/local-ipv4", ADDRESS),
            ("meta-data/ami-launch-index", "0"),
            ("meta-data/instance-life-cycle", "on-demand"),
            ("meta-data/iam/security-credentials/", "role"),
        ] {
            cloud.metadata(path, value);
        }
        let keys = r#"{"Code": "Success", "AccessKeyId": "ASIATEST", "SecretAccessKey": "secret", "Token": "token", "Expiration": "2099-01-01T00:00:00Z"}"#;
        cloud.metadata("meta-data/iam/security-credentials/role", keys);
        let server = Arc::clone(&cloud);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let server = Arc::clone(&server);
                std::thread::spawn(move || server.serve(stream));
            }
        });
        cloud
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn metadata(&self, path: &str, value: &str) {
        self.held.lock().unwrap().metadata.insert(path.to_owned(), value.to_owned());
    }

    pub(crate) fn put(&self, key: &str, content: Vec<u8>) {
        self.held.lock().unwrap().write(key, content);
    }

    /// Has an object be as old as this.
    pub(crate) fn age(&self, key: &str, seconds: i64) {
        self.held.lock().unwrap().written.insert(key.to_owned(), Timestamp::now() - SignedDuration::from_secs(seconds));
    }

    pub(crate) fn get(&self, key: &str) -> Option<Vec<u8>> {
        self.held.lock().unwrap().objects.get(key).cloned()
    }

    pub(crate) fn keys(&self) -> Vec<String> {
        self.held.lock().unwrap().objects.keys().cloned().collect()
    }

    /// The requests so far: method and path, `LOGS` and operation, or `EC2` and its form.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.held.lock().unwrap().requests.clone()
    }

    pub(crate) fn events(&self) -> Vec<String> {
        self.held.lock().unwrap().events.clone()
    }

    pub(crate) fn streams(&self) -> Vec<String> {
        self.held.lock().unwrap().streams.clone()
    }

    /// Answers the next `times` requests in this way. `what` is the beginning of an object's key or of a metadata path, or an operation of Logs.
    /// Of EC2 it is the beginning of the form.
    pub(crate) fn fail(&self, method: &'static str, what: &str, status: u16, code: &'static str, times: u32) {
        self.held.lock().unwrap().faults.push(Fault { method, what: what.to_owned(), status, code, times });
    }

    /// Waits until the fake's state is as wanted.
    pub(crate) fn until(&self, wanted: impl Fn(&[String], &BTreeMap<String, Vec<u8>>) -> bool) {
        let held = self.held.lock().unwrap();
        let (_held, timeout) =
            self.changed.wait_timeout_while(held, Duration::from_secs(30), |held| !wanted(&held.requests, &held.objects)).unwrap();
        assert!(!timeout.timed_out(), "it never happened");
    }

    fn serve(&self, stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut writer = stream;
        while let Some(request) = read(&mut reader) {
            let (status, headers, body) = self.answer(&request);
            self.changed.notify_all();
            let mut head = format!("HTTP/1.1 {status} Status\r\ncontent-length: {}\r\n", if status == 304 { 0 } else { body.len() });
            for (name, value) in headers {
                head += &format!("{name}: {value}\r\n");
            }
            if writer.write_all(format!("{head}\r\n").as_bytes()).and_then(|()| writer.write_all(&body)).is_err() {
                return;
            }
        }
    }

    fn answer(&self, request: &Request) -> Answer {
        let mut held = self.held.lock().unwrap();
        let operation = request.headers.get("x-amz-target").and_then(|target| target.split('.').nth(1));
        let form = request.headers.get("content-type").filter(|kind| kind.starts_with("application/x-www-form-urlencoded"));
        let form = form.map(|_| String::from_utf8_lossy(&request.body).into_owned());
        let path = request.target.split('?').next().unwrap_or_default();
        let name = match (operation, &form) {
            (Some(operation), _) => operation.to_owned(),
            (None, Some(form)) => form.clone(),
            (None, None) => decode(path.strip_prefix(&format!("/{BUCKET}/")).or(path.strip_prefix("/latest/")).unwrap_or(path)),
        };
        let (method, service) = match (operation, &form) {
            (Some(_), _) => ("LOGS", "logs"),
            (None, Some(_)) => ("EC2", "ec2"),
            (None, None) => (request.method.as_str(), "s3"),
        };
        held.requests.push(format!("{method} {name}"));
        if !path.starts_with("/latest/")
            && let Err(problem) = verify(request, self.port, service)
        {
            return error(403, "SignatureDoesNotMatch", &problem);
        }
        if let Some(fault) = held.faults.iter_mut().find(|fault| fault.times > 0 && fault.method == method && name.starts_with(&fault.what))
        {
            fault.times -= 1;
            return error(fault.status, fault.code, "scripted");
        }
        match (method, operation) {
            (_, Some(operation)) => logs(&mut held, operation, &request.body),
            ("EC2", _) => (200, vec![], b"<StopInstancesResponse/>".to_vec()),
            _ if path.starts_with("/latest/") => metadata(&held, request, &name),
            _ => s3(&mut held, request, &name),
        }
    }
}

fn metadata(held: &Held, request: &Request, name: &str) -> Answer {
    if request.method == "PUT" && name == "api/token" && request.headers.contains_key("x-aws-ec2-metadata-token-ttl-seconds") {
        return (200, vec![], TOKEN.as_bytes().to_vec());
    }
    if request.headers.get("x-aws-ec2-metadata-token").map(String::as_str) != Some(TOKEN) {
        return (401, vec![], vec![]);
    }
    match held.metadata.get(name) {
        Some(value) => (200, vec![], value.clone().into_bytes()),
        None => (404, vec![], vec![]),
    }
}

fn s3(held: &mut Held, request: &Request, key: &str) -> Answer {
    if request.headers.get("x-amz-expected-bucket-owner").map(String::as_str) != Some(ACCOUNT) {
        return error(403, "AccessDenied", "the owner is not named");
    }
    let tag = |content: &[u8]| format!("\"{}\"", hex::encode(&Sha256::digest(content)[..16]));
    match request.method.as_str() {
        "GET" if key.is_empty() => {
            let query = request.target.split_once('?').map(|(_, query)| query).unwrap_or_default();
            let prefix = query.split('&').find_map(|part| part.strip_prefix("prefix=")).map(decode).unwrap_or_default();
            let keys = held.objects.keys().filter(|key| key.starts_with(&prefix));
            let contents: String = keys.map(|key| format!("<Contents><Key>{key}</Key></Contents>")).collect();
            let body = format!("<ListBucketResult><IsTruncated>false</IsTruncated>{contents}</ListBucketResult>");
            (200, vec![], body.into_bytes())
        }
        "GET" => match held.objects.get(key) {
            None => error(404, "NoSuchKey", "there is no such key"),
            Some(content) if request.headers.get("if-none-match") == Some(&tag(content)) => (304, vec![], vec![]),
            Some(content) => {
                let date = |at: Timestamp| at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
                let dates = [("last-modified", date(held.written[key])), ("date", date(Timestamp::now()))];
                (200, std::iter::once(("etag", tag(content))).chain(dates).collect(), content.clone())
            }
        },
        "PUT" => {
            let current = held.objects.get(key).map(|content| tag(content));
            match (request.headers.get("if-match"), &current) {
                (Some(_), None) => return error(404, "NoSuchKey", "there is no such key"),
                (Some(wanted), Some(current)) if wanted != current => return error(412, "PreconditionFailed", "another"),
                _ if request.headers.contains_key("if-none-match") && current.is_some() => {
                    return error(412, "PreconditionFailed", "taken");
                }
                _ => {}
            }
            held.write(key, request.body.clone());
            (200, vec![("etag", tag(&request.body))], vec![])
        }
        _ => error(405, "MethodNotAllowed", ""),
    }
}

fn logs(held: &mut Held, operation: &str, body: &[u8]) -> Answer {
    let body: serde_json::Value = serde_json::from_slice(body).unwrap();
    let stream = body["logStreamName"].as_str().unwrap().to_owned();
    match operation {
        "CreateLogStream" if held.streams.contains(&stream) => {
            (400, vec![], br#"{"__type": "ResourceAlreadyExistsException", "message": "it exists"}"#.to_vec())
        }
        "CreateLogStream" => {
            held.streams.push(stream);
            (200, vec![], vec![])
        }
        "PutLogEvents" if held.streams.contains(&stream) => {
            let events = body["logEvents"].as_array().unwrap();
            let bytes: usize = events.iter().map(|event| event["message"].as_str().unwrap().len() + 26).sum();
            assert!(!events.is_empty() && events.len() <= 10_000 && bytes <= 1_048_576, "{} events, {bytes} bytes", events.len());
            held.events.extend(events.iter().map(|event| event["message"].as_str().unwrap().to_owned()));
            (200, vec![], b"{}".to_vec())
        }
        _ => (400, vec![], br#"{"__type": "ResourceNotFoundException", "message": "no such stream"}"#.to_vec()),
    }
}

fn error(status: u16, code: &str, message: &str) -> Answer {
    (status, vec![], format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>").into_bytes())
}

/// Makes the signature again, by another implementation than the one in user data, and compares.
fn verify(request: &Request, port: u16, service: &str) -> Result<(), String> {
    let header = |name: &str| request.headers.get(name).map(String::as_str).ok_or_else(|| format!("{name} is missing"));
    let authorization = header("authorization")?;
    let names = authorization.split("SignedHeaders=").nth(1).and_then(|rest| rest.split(',').next()).unwrap_or_default();
    let own = ["host", "x-amz-date", "x-amz-security-token", "x-amz-content-sha256"];
    let signed =
        names.split(';').filter(|name| !own.contains(name)).map(|name| Ok((name, header(name)?))).collect::<Result<Vec<_>, String>>()?;
    let digest = hex::encode(Sha256::digest(&request.body));
    let content = header("x-amz-content-sha256").unwrap_or(&digest);
    if content != "UNSIGNED-PAYLOAD" && content != digest {
        return Err("the body is another than was signed".to_owned());
    }
    let mut settings = SigningSettings::default();
    if service == "s3" {
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    }
    let time = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", header("x-amz-date")?);
    let time = time.and_then(|time| jiff::tz::TimeZone::UTC.to_timestamp(time)).map_err(|error| error.to_string())?;
    let identity = Credentials::new("ASIATEST", "secret", Some(header("x-amz-security-token")?.to_owned()), None, "test").into();
    let params = SigningParams::builder().identity(&identity).region(REGION).name(service).settings(settings);
    let params = params.time(time.try_into().unwrap()).build().unwrap().into();
    let uri = format!("http://127.0.0.1:{port}{}", request.target);
    let body = if content == "UNSIGNED-PAYLOAD" { SignableBody::UnsignedPayload } else { SignableBody::Precomputed(content.to_owned()) };
    let signable = SignableRequest::new(&request.method, uri, signed.into_iter(), body).unwrap();
    let (instructions, _) = sign(signable, &params).map_err(|error| error.to_string())?.into_parts();
    let expected = instructions.headers().find(|(name, _)| *name == "authorization").map(|(_, value)| value).unwrap_or_default();
    if expected == authorization { Ok(()) } else { Err(format!("{authorization} is not {expected}")) }
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, target) = (words.next()?, words.next()?);
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        match line.trim_end().split_once(':') {
            Some((name, value)) => headers.insert(name.to_lowercase(), value.trim().to_owned()),
            None => break,
        };
    }
    let mut body = vec![0; headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    Some(Request { method, target, headers, body })
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match (first, after) {
            (b'%', [high, low, after @ ..]) => {
                let digits = String::from_utf8_lossy(&[*high, *low]).into_owned();
                bytes.push(u8::from_str_radix(&digits, 16).unwrap());
                rest = after;
            }
            _ => bytes.push(*first),
        }
    }
    String::from_utf8(bytes).unwrap()
}
