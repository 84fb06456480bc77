//! The EC2 query protocol over a simulated EC2.
//!
//! A request is a form (`Action=RunInstances&Version=2016-11-15&ImageId=…`), an answer is XML. [`handle`] reads the one,
//! asks [`sandbox_cloud::Cloud`], and writes the other, in the shapes that SDKs expect of AWS. It opens no socket: who
//! serves it decides how requests arrive, who may send them, and what the time is.
//!
//! Nothing that is asked is ignored. A parameter that no parser has read, an unknown operation, filter or value is refused,
//! and told in [`Answer::gap`], so that it can be listed.
//!
//! | module | what it does |
//! |---|---|
//! | `form` | parameters by name, and which of them were read |
//! | `parse` | a form into a [`sandbox_cloud::Request`] |
//! | `render` | a [`sandbox_cloud::Reply`] into XML |
//! | `xml` | elements and escaping |

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that panics has said what it has to say"))]

mod form;
mod parse;
mod render;
mod xml;

use jiff::Timestamp;
use sandbox_cloud::{ApiError, Cloud, Request};

pub use xml::escape;

/// The version of the API that is spoken.
pub const API_VERSION: &str = "2016-11-15";

/// What became of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Ok,
    /// It was refused with this error code.
    Err(String),
    /// The caller must not be answered: close its connection.
    Lost,
}

/// The answer to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The HTTP content type.
    pub content_type: &'static str,
    /// The XML.
    pub body: Vec<u8>,
    /// The operation that was asked for, as the request names it; empty if it names none.
    pub operation: String,
    /// What became of it.
    pub outcome: Outcome,
    /// What was asked that is not simulated, in one sentence.
    pub gap: Option<String>,
}

/// The request in a form, for whoever decides if it may be done; nothing if it cannot be read, which [`handle`] will tell.
pub fn read(body: &[u8]) -> Option<Request> {
    let form = form::Form::read(body).ok()?;
    parse::parse_tried(&form.action(), &form).ok().map(|(request, _)| request)
}

/// Does one request: `body` is the form of a POST.
pub fn handle(cloud: &mut Cloud, now: Timestamp, region: &str, body: &[u8]) -> Answer {
    let request_id = request_id(now, body);
    let form = match form::Form::read(body) {
        Ok(form) => form,
        Err(error) => return refusal(String::new(), &request_id, &error),
    };
    let operation = form.action();
    let done = parse::parse(&operation, &form).and_then(|request| cloud.call(now, region, request));
    match done {
        Ok(reply) => Answer {
            status: 200,
            content_type: CONTENT_TYPE,
            body: render::reply(&operation, &request_id, &reply).into_bytes(),
            operation,
            outcome: Outcome::Ok,
            gap: None,
        },
        Err(error) => refusal(operation, &request_id, &error),
    }
}

const CONTENT_TYPE: &str = "text/xml;charset=UTF-8";

fn refusal(operation: String, request_id: &str, error: &ApiError) -> Answer {
    Answer {
        status: error.status,
        content_type: CONTENT_TYPE,
        body: render::error(request_id, error).into_bytes(),
        gap: error.gap.then(|| {
            let who = if operation.is_empty() { "a request" } else { &operation };
            format!("{who}: {}", error.message)
        }),
        operation,
        outcome: if error.lost { Outcome::Lost } else { Outcome::Err(error.code.clone()) },
    }
}

/// An id in the form of a UUID that follows from the time and the request, so that a replay answers alike.
fn request_id(now: Timestamp, body: &[u8]) -> String {
    let mut hash = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d_u128;
    for byte in now.as_nanosecond().to_be_bytes().iter().chain(body) {
        hash = (hash ^ u128::from(*byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
    }
    let digits = format!("{hash:032x}");
    format!("{}-{}-4{}-a{}-{}", &digits[..8], &digits[8..12], &digits[13..16], &digits[17..20], &digits[20..])
}
