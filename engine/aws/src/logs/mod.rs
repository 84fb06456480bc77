//! CloudWatch Logs.

use std::sync::Arc;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::config::Builder;
use aws_sdk_cloudwatchlogs::types::FilteredLogEvent;
use jiff::Timestamp;
use spawn_core::ports::{LogEvent, LogPage, Logs, Result};
use spawn_model::error::{Class, Error};

use crate::endpoint::{Call, Endpoint};
use crate::error::Tolerate;

const FILTER: Call = Call::repeatable("logs", "FilterLogEvents");
const CREATE: Call = Call::once("logs", "CreateLogGroup");
const RETAIN: Call = Call::repeatable("logs", "PutRetentionPolicy");
const DELETE: Call = Call::repeatable("logs", "DeleteLogGroup");

/// The log groups of one region.
#[derive(Debug)]
pub(crate) struct CloudWatchLogs {
    client: Client,
    endpoint: Arc<Endpoint>,
}

impl CloudWatchLogs {
    pub(crate) fn new(config: &SdkConfig) -> Self {
        let endpoint = Arc::new(Endpoint::default());
        let client = Client::from_conf(Builder::from(config).interceptor(endpoint.watch()).build());
        Self { client, endpoint }
    }
}

#[async_trait]
impl Logs for CloudWatchLogs {
    async fn page(&self, group: &str, stream_prefix: &str, from: Timestamp, next: Option<&str>) -> Result<LogPage> {
        let filter = self.client.filter_log_events().log_group_name(group).start_time(from.as_millisecond());
        let filter = if stream_prefix.is_empty() { filter } else { filter.log_stream_name_prefix(stream_prefix) };
        let filter = filter.set_next_token(next.map(str::to_owned));
        let page = self.endpoint.call(FILTER, || filter.clone().send()).await?;
        let mut events = page.events.unwrap_or_default().into_iter().map(log_event).collect::<Result<Vec<LogEvent>>>()?;
        // Stable, so that what was written in the same millisecond stays in the order in which it was told.
        events.sort_by_key(|event| event.at);
        // A token that does not change leads nowhere.
        Ok(LogPage { events, next: page.next_token.filter(|token| Some(token.as_str()) != next) })
    }

    async fn group_ensure(&self, group: &str, days: u32) -> Result<()> {
        let create = self.client.create_log_group().log_group_name(group);
        self.endpoint.call(CREATE, || create.clone().send()).await.tolerate(&["ResourceAlreadyExistsException"])?;
        let days = i32::try_from(days).unwrap_or(i32::MAX);
        let retain = self.client.put_retention_policy().log_group_name(group).retention_in_days(days);
        self.endpoint.call(RETAIN, || retain.clone().send()).await?;
        Ok(())
    }

    async fn group_delete(&self, group: &str) -> Result<()> {
        let delete = self.client.delete_log_group().log_group_name(group);
        self.endpoint.call(DELETE, || delete.clone().send()).await.tolerate(&["ResourceNotFoundException"])?;
        Ok(())
    }
}

fn log_event(event: FilteredLogEvent) -> Result<LogEvent> {
    let at = Timestamp::from_millisecond(event.timestamp.unwrap_or_default()).map_err(|cause| {
        let message = format!("a log event has no possible time: {cause}");
        Error::new(Class::Transient, "InvalidAnswer", message, "Try again")
    })?;
    Ok(LogEvent {
        at,
        stream: event.log_stream_name.unwrap_or_default(),
        id: event.event_id.unwrap_or_default(),
        message: event.message.unwrap_or_default(),
    })
}
