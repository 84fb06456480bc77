//! Output of ranks, written as they would: no port of the engine writes logs.

use aws_config::BehaviorVersion;
use aws_sdk_cloudwatchlogs::config::{Credentials, Region};
use aws_sdk_cloudwatchlogs::types::InputLogEvent;
use jiff::{SignedDuration, Timestamp};

use crate::REGION;

/// Writes twelve lines to the streams in turn. What was written, in order.
pub(crate) async fn write(endpoint: &str, key: (&str, &str), group: &str, streams: &[&str]) -> Vec<(String, Timestamp, String)> {
    let config = aws_sdk_cloudwatchlogs::Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new(REGION))
        .endpoint_url(endpoint)
        .credentials_provider(Credentials::new(key.0, key.1, None, None, "test"))
        .build();
    let client = aws_sdk_cloudwatchlogs::Client::from_conf(config);
    for stream in streams {
        client.create_log_stream().log_group_name(group).log_stream_name(*stream).send().await.expect("a stream");
    }
    let start = Timestamp::from_second(Timestamp::now().as_second() - 60).expect("a time");
    let mut written = Vec::new();
    for (n, stream) in (0..12_i64).zip(streams.iter().cycle()) {
        let at = start + SignedDuration::from_secs(n);
        let message = format!("line {n}");
        let event = InputLogEvent::builder().timestamp(at.as_millisecond()).message(&message).build().expect("an event");
        client.put_log_events().log_group_name(group).log_stream_name(*stream).log_events(event).send().await.expect("written");
        written.push(((*stream).to_owned(), at, message));
    }
    written
}
