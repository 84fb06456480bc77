//! EC2: the one call that a machine makes about itself.

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use spawn_model::ids::InstanceId;

use super::sign::Service;
use super::xml::refusal;
use super::{Call, Content, Session};
use crate::failure::{Class, Failure};

/// The time one call may take.
const WITHIN: Duration = Duration::from_secs(15);

/// What EC2 says to what was launched moments ago, or is between two states: it may be able to in a minute.
const NOT_YET: [&str; 2] = ["IncorrectInstanceState", "UnsupportedOperation"];

/// Asks EC2 to hibernate an instance.
pub(crate) async fn hibernate(session: &Session, instance: &InstanceId) -> Result<(), Failure> {
    let form = format!("Action=StopInstances&Version=2016-11-15&Hibernate=true&InstanceId.1={}", instance.0);
    let call = Call {
        service: Service::Ec2,
        method: Method::POST,
        url: format!("{}/", session.endpoint("ec2").await?),
        headers: vec![("content-type", "application/x-www-form-urlencoded; charset=utf-8".to_owned())],
        content: Content::Bytes(Bytes::from(form)),
        within: WITHIN,
    };
    let answer = session.send(call).await?;
    if answer.status.is_success() {
        return Ok(());
    }
    let failure = refusal("StopInstances", &answer);
    Err(if NOT_YET.contains(&failure.code.as_str()) { Failure { class: Class::Transient, ..failure } } else { failure })
}
