//! Where programs print to: a pipe, whose other end is a file on the way to CloudWatch Logs.

use std::io;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use tokio::net::unix::pipe;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::{Progress, collect, forward};
use crate::aws::Session;
use crate::aws::logs::Stream;

/// How long output may stay open after what was started has ended.
const OPEN: Duration = Duration::from_secs(2);
/// How long the last output may take to reach Logs.
const SENT: Duration = Duration::from_secs(60);

/// What several programs print, in the order in which it comes.
pub(crate) struct Channel {
    writer: io::PipeWriter,
    stop: oneshot::Sender<()>,
    collector: JoinHandle<()>,
    forwarder: JoinHandle<Vec<String>>,
}

impl Channel {
    /// Opens one, whose file is at `path`.
    pub(crate) fn open(session: &Rc<Session>, stream: Stream, path: PathBuf) -> io::Result<Self> {
        let (reader, writer) = io::pipe()?;
        let (sender, progress) = watch::channel(Progress::default());
        let (stop, stopped) = oneshot::channel();
        let source = pipe::Receiver::from_owned_fd(reader.into())?;
        let collector = tokio::task::spawn_local(collect(source, path.clone(), sender, stopped));
        let session = Rc::clone(session);
        let forwarder = tokio::task::spawn_local(async move { forward(&session, &stream, &path, progress).await });
        Ok(Self { writer, stop, collector, forwarder })
    }

    /// An end to print to.
    pub(crate) fn writer(&self) -> io::Result<io::PipeWriter> {
        self.writer.try_clone()
    }

    /// Waits until everything has been sent, and says what could not be kept. What a program left behind may hold the output open for ever,
    /// and is not waited for.
    pub(crate) async fn close(self) -> Vec<String> {
        let Self { writer, stop, collector, forwarder } = self;
        drop(writer);
        if timeout(OPEN, collector).await.is_err() {
            // The collector may have come to the end by itself at this moment.
            let _ = stop.send(());
        }
        let late = || vec!["the last output did not reach CloudWatch Logs in time".to_owned()];
        timeout(SENT, forwarder).await.map_or_else(|_| late(), Result::unwrap_or_default)
    }
}
