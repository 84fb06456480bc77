//! `spawn connect`.

use std::io::{IsTerminal, Read, Write};

use clap::Args;
use rustix::termios::{OptionalActions, Termios, Winsize, tcgetattr, tcgetwinsize, tcsetattr};
use spawn_core::operation::Operation;
use spawn_core::ports::{FromTerminal, Terminal};
use spawn_model::error::{Class, Error};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use super::{DONE, Outcome};
use crate::cli::Global;
use crate::output::{Failure, Output};
use crate::session::{Session, operation};

/// Open a terminal on an instance of a fleet
///
/// Through Systems Manager: no port is open, no key is needed, and IAM says who may (`spawn policy operator`). The fleet has to let people
/// in: see `connect`. Without a terminal here, standard input is sent, and then the end of it.
#[derive(Debug, Args)]
pub(crate) struct Connect {
    /// The fleet's name or id
    name: String,
    /// Which rank; needed where several live
    #[arg(long, value_name = "RANK")]
    rank: Option<u32>,
}

/// What ends the input of a terminal.
const END_OF_INPUT: u8 = 4;
/// How much is read at once of what is typed.
const TYPED_BYTES: usize = 4096;
/// The window of whoever has none.
const NO_WINDOW: (u16, u16) = (80, 24);

impl Connect {
    pub(super) async fn run(self, global: &Global, output: &Output) -> Outcome {
        let Session { engine } = Session::connect(global).await?;
        let operation = operation(output)?;
        let fleet = engine.inspect(&self.name).await?;
        let mut terminal = engine.connect(&fleet, self.rank, &operation).await?;
        let raw = Raw::enter();
        let went = relay(terminal.as_mut(), &operation).await;
        drop(raw);
        let closed = terminal.close().await;
        let said = went?;
        closed?;
        if !said.is_empty() {
            output.progress(&said);
        }
        Ok(DONE)
    }
}

/// Carries what is typed there and what is shown here, until the terminal has ended, or nobody is here any more. What it says at its end.
async fn relay(terminal: &mut dyn Terminal, operation: &Operation) -> Result<String, Failure> {
    let mut hung_up = heard(SignalKind::hangup())?;
    tokio::select! {
        said = carry(terminal) => said,
        _ = hung_up.recv() => Ok(String::new()),
        () = operation.cancel.cancelled() => Ok(operation.go_on().map(|()| String::new())?),
    }
}

async fn carry(terminal: &mut dyn Terminal) -> Result<String, Failure> {
    let mut resized = heard(SignalKind::window_change())?;
    let (columns, rows) = window();
    terminal.resize(columns, rows).await?;
    let mut typed = typed();
    loop {
        tokio::select! {
            from = terminal.receive() => match from? {
                FromTerminal::Output(bytes) => show(&bytes)?,
                FromTerminal::Closed(said) => return Ok(said),
            },
            Some(bytes) = typed.recv() => terminal.send(&bytes).await?,
            _ = resized.recv() => {
                let (columns, rows) = window();
                terminal.resize(columns, rows).await?;
            }
        }
    }
}

fn heard(kind: SignalKind) -> Result<Signal, Failure> {
    signal(kind).map_err(|error| Error::new(Class::Bug, "NoSignals", format!("signals cannot be heard: {error}"), "").into())
}

fn show(bytes: &[u8]) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(|_| Failure::reader_gone())
}

/// What is typed, as it is typed. A thread of its own reads it, for which nobody waits at the end: a read of a terminal cannot be given up.
fn typed() -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel(16);
    std::thread::spawn(move || hand_on(std::io::stdin().lock(), &sender));
    receiver
}

/// Hands on what is read, and the end of it, to whoever is still there.
fn hand_on(mut from: impl Read, to: &mpsc::Sender<Vec<u8>>) {
    let mut block = vec![0; TYPED_BYTES];
    let mut last = b'\n';
    loop {
        let read = from.read(&mut block).unwrap_or(0);
        let is_over = read == 0;
        let bytes = match block[..read].last() {
            Some(byte) => {
                last = *byte;
                block[..read].to_vec()
            }
            None if matches!(last, b'\n' | b'\r') => vec![END_OF_INPUT],
            // After a line that is not finished it would only hand over that line.
            None => vec![b'\n', END_OF_INPUT],
        };
        if to.blocking_send(bytes).is_err() || is_over {
            return;
        }
    }
}

/// Columns and rows of this window.
fn window() -> (u16, u16) {
    match tcgetwinsize(std::io::stdout()) {
        Ok(Winsize { ws_col, ws_row, .. }) if ws_col > 0 && ws_row > 0 => (ws_col, ws_row),
        _ => NO_WINDOW,
    }
}

/// This terminal, handing on every key as it is pressed, Ctrl-C too, until it is dropped.
struct Raw(Option<Termios>);

impl Raw {
    fn enter() -> Self {
        let stdin = std::io::stdin();
        if !stdin.is_terminal() {
            return Self(None);
        }
        let before = tcgetattr(&stdin).ok();
        if let Some(before) = &before {
            let mut raw = before.clone();
            raw.make_raw();
            // A terminal that stays as it was is still one.
            tcsetattr(&stdin, OptionalActions::Now, &raw).ok();
        }
        Self(before)
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            tcsetattr(std::io::stdin(), OptionalActions::Drain, before).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_input_begins_a_line() {
        for (read, expected) in [("", "\u{4}"), ("ls\n", "ls\n\u{4}"), ("ls", "ls\n\u{4}"), ("ls\r", "ls\r\u{4}")] {
            let (sender, mut receiver) = mpsc::channel(16);
            hand_on(read.as_bytes(), &sender);
            drop(sender);
            let mut typed = Vec::new();
            while let Some(bytes) = receiver.blocking_recv() {
                typed.extend(bytes);
            }
            assert_eq!(typed, expected.as_bytes(), "{read:?}");
        }
    }
}
