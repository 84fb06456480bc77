//! A panic in one call must not end the process: Terraform would lose every answer that is still to come.

use std::any::Any;
use std::cell::RefCell;
use std::panic::AssertUnwindSafe;

use futures::FutureExt;

use super::diagnostic::Diagnostic;

thread_local! {
    /// Where this thread last panicked. The runtime has one thread, so the call that catches reads its own.
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Logs panics as lines that Terraform understands, and remembers where they happened.
pub(super) fn install_hook() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
        tracing::error!(place, "panic: {}", payload_text(panic.payload()));
        PLACE.set(Some(place));
    }));
}

/// Runs `work` to its end; a panic in it becomes an error diagnostic.
pub(super) async fn caught<T>(work: impl Future<Output = Result<T, Vec<Diagnostic>>>) -> Result<T, Vec<Diagnostic>> {
    match AssertUnwindSafe(work).catch_unwind().await {
        Ok(outcome) => outcome,
        Err(payload) => {
            let place = PLACE.take().unwrap_or_else(|| "an unknown place".to_owned());
            let detail = format!(
                "This is a bug in the provider, not in the configuration. Please report it with this text: \
                 {} ({place})",
                payload_text(payload.as_ref()),
            );
            Err(vec![Diagnostic::error("The provider failed unexpectedly", detail)])
        }
    }
}

fn payload_text(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("a panic without a message")
}
