//! What every operation is handed besides its input: a way to say what it does, and to be told to stop.

use std::sync::Arc;

use spawn_model::error::{Class, Error};
use tokio_util::sync::CancellationToken;

use crate::ports::Result;

/// How an operation talks to the one who asked for it.
#[derive(Clone)]
pub struct Operation {
    /// Set when it should stop.
    pub cancel: CancellationToken,
    say: Arc<dyn Fn(&str) + Send + Sync>,
}

impl Operation {
    /// An operation that tells its progress to `say`.
    pub fn new(cancel: CancellationToken, say: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self { cancel, say: Arc::new(say) }
    }

    /// An operation that nobody watches and nobody stops.
    #[must_use]
    pub fn quiet() -> Self {
        Self::new(CancellationToken::new(), |_| {})
    }

    /// The same operation, about a part of what it does: its lines begin with that.
    #[must_use]
    pub fn about(&self, part: &str) -> Self {
        let (say, part) = (self.say.clone(), part.to_owned());
        Self::new(self.cancel.clone(), move |line| say(&format!("{part}: {line}")))
    }

    /// Tells a line of progress.
    pub fn say(&self, line: &str) {
        (self.say)(line);
    }

    /// Fails if the operation was told to stop.
    ///
    /// # Errors
    /// [`Class::Cancelled`].
    pub fn go_on(&self) -> Result<()> {
        if self.cancel.is_cancelled() {
            return Err(Error::new(Class::Cancelled, "Cancelled", "the operation was cancelled", ""));
        }
        Ok(())
    }
}
