//! The control API over HTTP, for whoever has the token from the credentials file.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use http_body_util::Full;
use jiff::SignedDuration;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::sigv4::{parse_query, same};
use crate::world::World;

use super::{Control, FaultScript};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    advance_s: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Instance {
    instance: String,
    #[serde(default = "two_minutes")]
    notice_s: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Bucket {
    name: String,
    owner: String,
}

fn two_minutes() -> i64 {
    120
}

/// Serves one request.
pub(crate) async fn serve_control(world: &Arc<World>, parts: &http::request::Parts, body: &Bytes) -> Response<Full<Bytes>> {
    let given = parts.headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let expected = format!("Bearer {}", world.control_token);
    if !same(given, &expected) {
        return reply(StatusCode::UNAUTHORIZED, &json!({"error": "the control token is missing or wrong"}));
    }
    match answer(world, parts, body).await {
        Ok(value) => reply(StatusCode::OK, &value),
        Err((status, message)) => reply(status, &json!({"error": message})),
    }
}

type Refusal = (StatusCode, String);

async fn answer(world: &Arc<World>, parts: &http::request::Parts, body: &Bytes) -> Result<Value, Refusal> {
    let control = Control { world: Arc::clone(world) };
    let query = parse_query(parts.uri.query().unwrap_or_default());
    let value = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    let path = parts.uri.path().trim_start_matches("/_sandbox/");
    let done = json!({});
    match (&parts.method, path) {
        (&Method::GET, "status") => to_json(&control.status()),
        (&Method::GET, "clock") => to_json(&control.clock()),
        (&Method::POST, "clock") => {
            let asked: Advance = read(body)?;
            if !(0.0..=1e10).contains(&asked.advance_s) {
                return Err((StatusCode::BAD_REQUEST, "the clock only goes forward".to_owned()));
            }
            let by = SignedDuration::from_millis((asked.advance_s * 1_000.0) as i64);
            to_json(&control.clock_advance(by).await)
        }
        (&Method::GET, "calls") => {
            let since = value("since").map_or(Ok(0), |text| text.parse::<u64>());
            to_json(&control.calls(since.map_err(|_| (StatusCode::BAD_REQUEST, "since must be a number".to_owned()))?))
        }
        (&Method::GET, "gaps") => to_json(&control.gaps()),
        (&Method::GET, "faults") => to_json(&control.faults()),
        (&Method::POST, "faults") => {
            control.add_fault(fault(body)?);
            Ok(done)
        }
        (&Method::DELETE, "faults") => {
            control.clear_faults();
            Ok(done)
        }
        (&Method::GET, "snapshot") => Ok(control.snapshot()),
        (&Method::GET, "console") => {
            let path = control.console(&value("instance").unwrap_or_default());
            to_json(&path.map(|path| path.display().to_string()))
        }
        (&Method::POST, "kill-host") => {
            let asked: Instance = read(body)?;
            control.kill_host(&asked.instance).await.map_err(|message| (StatusCode::NOT_FOUND, message))?;
            Ok(done)
        }
        (&Method::POST, "interrupt-spot") => {
            let asked: Instance = read(body)?;
            let notice = SignedDuration::from_secs(asked.notice_s);
            control.interrupt_spot(&asked.instance, notice).await.map_err(|message| (StatusCode::CONFLICT, message))?;
            Ok(done)
        }
        (&Method::POST, "recommend-rebalance") => {
            let asked: Instance = read(body)?;
            control.recommend_rebalance(&asked.instance).await.map_err(|message| (StatusCode::CONFLICT, message))?;
            Ok(done)
        }
        (&Method::POST, "foreign-bucket") => {
            let asked: Bucket = read(body)?;
            control.add_foreign_bucket(&asked.name, &asked.owner);
            Ok(done)
        }
        (&Method::POST, "settle") => {
            control.settled().await;
            Ok(done)
        }
        (&Method::POST, "stop") => {
            control.request_stop();
            Ok(done)
        }
        (method, path) => Err((StatusCode::NOT_FOUND, format!("{method} {path} is not known"))),
    }
}

/// Which of the two kinds of rules it is shows by its `kind`, so that an error speaks of the right one.
fn fault(body: &Bytes) -> Result<FaultScript, Refusal> {
    let value: Value = read(body)?;
    if value.get("kind").is_some() { read(body).map(FaultScript::Cloud) } else { read(body).map(FaultScript::Router) }
}

fn read<T: serde::de::DeserializeOwned>(body: &Bytes) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| (StatusCode::BAD_REQUEST, error.to_string()))
}

fn to_json(value: &impl serde::Serialize) -> Result<Value, Refusal> {
    serde_json::to_value(value).map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
}

fn reply(status: StatusCode, value: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(value.to_string())));
    *response.status_mut() = status;
    response.headers_mut().insert("content-type", http::HeaderValue::from_static("application/json"));
    response
}
