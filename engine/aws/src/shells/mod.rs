//! Run Command and Session Manager.

mod channel;
mod frame;
mod handshake;
mod socket;
mod unacknowledged;

use std::sync::Arc;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_ssm::Client;
use aws_sdk_ssm::config::Builder;
use aws_sdk_ssm::types::{CloudWatchOutputConfig, CommandInvocationStatus, InstanceInformationStringFilter, PingStatus};
use spawn_core::ports::{CommandResult, FromTerminal, Invocation, Kept, Result, ShellCommand, Shells, Terminal};
use spawn_model::error::{Class, Error};
use spawn_model::ids::InstanceId;

use crate::endpoint::{Call, Endpoint};
use crate::error::Tolerate;
use channel::Channel;

const DESCRIBE: Call = Call::repeatable("ssm", "DescribeInstanceInformation");
const SEND: Call = Call::once("ssm", "SendCommand");
const LIST: Call = Call::repeatable("ssm", "ListCommandInvocations");
const GET: Call = Call::repeatable("ssm", "GetCommandInvocation");
const CANCEL: Call = Call::repeatable("ssm", "CancelCommand");
const START: Call = Call::once("ssm", "StartSession");
const TERMINATE: Call = Call::repeatable("ssm", "TerminateSession");

/// The document that runs lines of shell.
const SHELL_DOCUMENT: &str = "AWS-RunShellScript";
/// The shortest time that a command may wait for its instance.
const DELIVERY_MIN_S: u32 = 30;

/// What people do on the instances of one region.
#[derive(Debug)]
pub(crate) struct Sessions {
    client: Client,
    endpoint: Arc<Endpoint>,
}

impl Sessions {
    pub(crate) fn new(config: &SdkConfig) -> Self {
        let endpoint = Arc::new(Endpoint::default());
        let client = Client::from_conf(Builder::from(config).interceptor(endpoint.watch()).build());
        Self { client, endpoint }
    }
}

#[async_trait]
impl Shells for Sessions {
    async fn reachable(&self, instances: &[InstanceId]) -> Result<Vec<InstanceId>> {
        let ids = instances.iter().map(|id| id.0.clone()).collect();
        let filter = InstanceInformationStringFilter::builder().key("InstanceIds").set_values(Some(ids)).build();
        let filter = filter.map_err(|error| Error::new(Class::Bug, "InvalidRequest", error.to_string(), ""))?;
        let describe = self.client.describe_instance_information().filters(filter).max_results(50);
        let answer = self.endpoint.call(DESCRIBE, || describe.clone().send()).await?;
        let answering = answer.instance_information_list().iter().filter(|about| about.ping_status() == Some(&PingStatus::Online));
        Ok(answering.filter_map(|about| about.instance_id()).map(|id| InstanceId(id.to_owned())).collect())
    }

    async fn send(&self, command: &ShellCommand) -> Result<String> {
        let send =
            self.client
                .send_command()
                .document_name(SHELL_DOCUMENT)
                .set_instance_ids(Some(command.instances.iter().map(|id| id.0.clone()).collect()))
                .parameters("commands", vec![command.line.clone()])
                .parameters("executionTimeout", vec![command.timeout_s.to_string()])
                .timeout_seconds(i32::try_from(command.timeout_s.max(DELIVERY_MIN_S)).unwrap_or(i32::MAX))
                .comment(command.comment.chars().take(100).collect::<String>())
                .set_cloud_watch_output_config(command.log_group.as_deref().map(|group| {
                    CloudWatchOutputConfig::builder().cloud_watch_output_enabled(true).cloud_watch_log_group_name(group).build()
                }));
        let answer = self.endpoint.call(SEND, || send.clone().send()).await?;
        let id = answer.command.and_then(|command| command.command_id);
        id.ok_or_else(|| Error::new(Class::Bug, "InvalidRequest", "SendCommand names no command", ""))
    }

    async fn invocations(&self, command: &str) -> Result<Vec<Invocation>> {
        let (mut found, mut next) = (Vec::new(), None);
        loop {
            let list = self.client.list_command_invocations().command_id(command).max_results(50).set_next_token(next);
            // A command that was sent a moment ago may not be known yet.
            let Some(page) = self.endpoint.call(LIST, || list.clone().send()).await.tolerate(&["InvalidCommandId"])? else {
                return Ok(found);
            };
            found.extend(page.command_invocations().iter().filter_map(|invocation| {
                let is_over = invocation.status().is_some_and(is_over);
                Some(Invocation { instance: InstanceId(invocation.instance_id()?.to_owned()), is_over })
            }));
            next = page.next_token.filter(|token| !token.is_empty());
            if next.is_none() {
                return Ok(found);
            }
        }
    }

    async fn result(&self, command: &str, instance: &InstanceId) -> Result<CommandResult> {
        let get = self.client.get_command_invocation().command_id(command).instance_id(&instance.0);
        let answer = self.endpoint.call(GET, || get.clone().send()).await?;
        // One that never ran has a code too, and so has one that was ended.
        let by_itself = matches!(answer.status(), Some(CommandInvocationStatus::Success | CommandInvocationStatus::Failed));
        let exit_code = Some(answer.response_code()).filter(|code| by_itself && *code >= 0);
        Ok(CommandResult {
            status: answer.status_details().or(answer.status().map(|status| status.as_str())).unwrap_or_default().to_owned(),
            exit_code,
            stdout: kept(answer.standard_output_content.as_deref()),
            stderr: kept(answer.standard_error_content.as_deref()),
        })
    }

    async fn cancel(&self, command: &str) -> Result<()> {
        let cancel = self.client.cancel_command().command_id(command);
        self.endpoint.call(CANCEL, || cancel.clone().send()).await.tolerate(&["InvalidCommandId"])?;
        Ok(())
    }

    async fn open(&self, instance: &InstanceId) -> Result<Box<dyn Terminal>> {
        let start = self.client.start_session().target(&instance.0);
        let session = self.endpoint.call(START, || start.clone().send()).await?;
        let (Some(id), Some(url), Some(token)) = (session.session_id, session.stream_url, session.token_value) else {
            return Err(Error::new(Class::Bug, "InvalidRequest", "StartSession names no channel", ""));
        };
        let ends = SessionEnd { client: self.client.clone(), endpoint: Arc::clone(&self.endpoint), id };
        match Channel::open(&url, &token).await {
            Ok(channel) => Ok(Box::new(Open { channel, ends })),
            Err(error) => {
                // The first error says what is wrong. A session that stays open all the same is ended by its idle timeout.
                if let Err(also) = ends.terminate().await {
                    tracing::debug!(session = ends.id, code = also.code, "a session that did not begin is not ended");
                }
                Err(error)
            }
        }
    }
}

/// What the agent puts where it cuts.
const CUT: &str = "--output truncated--";

fn kept(content: Option<&str>) -> Kept {
    let content = content.unwrap_or_default();
    match content.trim_end().strip_suffix(CUT) {
        Some(text) => Kept { text: text.to_owned(), is_cut: true },
        None => Kept { text: content.to_owned(), is_cut: false },
    }
}

/// Whether a command is in no state that changes any more.
fn is_over(status: &CommandInvocationStatus) -> bool {
    use CommandInvocationStatus::{Cancelling, Delayed, InProgress, Pending};
    !matches!(status, Pending | InProgress | Delayed | Cancelling)
}

/// What ends a session.
struct SessionEnd {
    client: Client,
    endpoint: Arc<Endpoint>,
    id: String,
}

impl SessionEnd {
    async fn terminate(&self) -> Result<()> {
        let terminate = self.client.terminate_session().session_id(&self.id);
        self.endpoint.call(TERMINATE, || terminate.clone().send()).await.tolerate(&["DoesNotExistException"])?;
        Ok(())
    }
}

/// A terminal that is open.
struct Open {
    channel: Channel,
    ends: SessionEnd,
}

#[async_trait]
impl Terminal for Open {
    async fn send(&mut self, typed: &[u8]) -> Result<()> {
        self.channel.send(typed).await
    }

    async fn resize(&mut self, columns: u16, rows: u16) -> Result<()> {
        self.channel.resize(columns, rows).await
    }

    async fn receive(&mut self) -> Result<FromTerminal> {
        self.channel.receive().await
    }

    async fn close(&mut self) -> Result<()> {
        self.ends.terminate().await
    }
}
