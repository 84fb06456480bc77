//! The socket through which a machine's commands speak to its init.
//!
//! A message is its length in decimal, a newline, and fields separated by NUL: what a shell script's arguments can hold, and no more.

use std::io;
use std::os::fd::AsRawFd as _;
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};

use super::failure::Failure;
use super::{Init, accounts, network, shutdown, sudo, systemctl, systemd_run};
use crate::guest::Power;

/// The longest message: twice what Linux lets the arguments of a command be by default.
const MESSAGE_MAX: usize = 4 << 20;

/// What a command prints and exits with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) out: String,
    pub(super) err: String,
    pub(super) code: i32,
    /// What to do with the power once the command knows its answer.
    pub(super) power: Option<Power>,
}

impl Reply {
    /// Prints `out` and exits with success.
    pub(super) fn said(out: impl Into<String>) -> Self {
        Self { out: out.into(), ..Self::default() }
    }
}

/// One command, connected.
pub(super) struct Link {
    stream: BufReader<UnixStream>,
}

impl Link {
    /// The next message; none when the command is gone.
    pub(super) async fn receive(&mut self) -> io::Result<Option<Vec<String>>> {
        let mut length = String::new();
        // A command that is cut off in the middle is as gone as one that is cut off before.
        if (&mut self.stream).take(16).read_line(&mut length).await? == 0 {
            return Ok(None);
        }
        let invalid = |_| io::Error::from(io::ErrorKind::InvalidData);
        let length: usize = length.trim_end().parse().map_err(invalid)?;
        if length > MESSAGE_MAX {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut data = vec![0; length];
        self.stream.read_exact(&mut data).await?;
        let text = String::from_utf8(data).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "not UTF-8"))?;
        Ok(Some(text.split('\0').map(str::to_owned).collect()))
    }

    /// Sends a message.
    pub(super) async fn send<'a>(&mut self, fields: impl IntoIterator<Item = &'a str>) -> io::Result<()> {
        let fields: Vec<&str> = fields.into_iter().collect();
        let data = fields.join("\0");
        let message = [format!("{}\n", data.len()).as_bytes(), data.as_bytes()].concat();
        self.stream.get_mut().write_all(&message).await
    }
}

impl Init {
    /// Starts to listen to the machine's commands.
    pub(crate) fn listen(&self) -> io::Result<()> {
        // By way of the directory: an address longer than 108 bytes cannot be bound.
        let directory = std::fs::File::open(self.guest.layout.run())?;
        let listener = UnixListener::bind(format!("/proc/self/fd/{}/control", directory.as_raw_fd()))?;
        tokio::spawn(self.clone().serve(listener));
        Ok(())
    }

    async fn serve(self, listener: UnixListener) {
        loop {
            tokio::select! {
                () = self.boot.stop.cancelled() => return,
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => drop(tokio::spawn(self.clone().converse(stream))),
                    Err(error) => tracing::warn!(%error, id = &*self.guest.id, "command not accepted"),
                },
            }
        }
    }

    async fn converse(self, stream: UnixStream) {
        let pid = stream.peer_cred().ok().and_then(|credentials| credentials.pid());
        let mut link = Link { stream: BufReader::new(stream) };
        let power = match self.answer(&mut link, pid).await {
            Ok(power) => power,
            // A command that was killed has no use for its answer.
            Err(error) => return tracing::debug!(%error, id = &*self.guest.id, "command went away"),
        };
        if let Some(power) = power {
            Arc::clone(&self.guest).obey(Arc::clone(&self.boot), power).await;
        }
    }

    async fn answer(&self, link: &mut Link, pid: Option<i32>) -> io::Result<Option<Power>> {
        let Some(fields) = link.receive().await? else { return Ok(None) };
        let [name, directory, arguments @ ..] = fields.as_slice() else { return Ok(None) };
        let user = pid.and_then(|pid| self.guest.host.table.owner(pid)).and_then(|owner| owner.user.clone());
        let result = match authorise(user.as_deref(), name, arguments) {
            Err(failure) => Err(failure),
            Ok(()) if name == "sudo" => sudo::run(self, link, user.as_deref(), directory, arguments).await,
            Ok(()) if name == "systemd-run" => systemd_run::run(self, link, directory, arguments).await,
            Ok(()) => self.carry_out(name, arguments).await,
        };
        let reply = result.unwrap_or_else(|failure| {
            if matches!(failure, Failure::Gap(_)) {
                self.refuse(name, &failure);
            }
            Reply { err: format!("{name}: {}\n", failure.message()), code: failure.code(), ..Reply::default() }
        });
        link.send(["out", &reply.out]).await?;
        link.send(["err", &reply.err]).await?;
        link.send(["exit", &reply.code.to_string()]).await?;
        Ok(reply.power)
    }

    async fn carry_out(&self, name: &str, arguments: &[String]) -> Result<Reply, Failure> {
        match name {
            "shutdown" => shutdown::shutdown(self, arguments),
            "poweroff" | "reboot" | "halt" => shutdown::power(name, arguments),
            "systemctl" => systemctl::systemctl(self, arguments).await,
            "useradd" => accounts::useradd(self, arguments),
            "ip" => network::ip(self, arguments),
            _ => Err(Failure::gap("this command")),
        }
    }
}

/// Lets what runs as another user than root look, and nothing more, as on a real machine. Whom `sudo` lets do more is its own to know.
fn authorise(user: Option<&str>, name: &str, arguments: &[String]) -> Result<(), Failure> {
    let looks = match name {
        "systemctl" => systemctl::only_looks(arguments),
        "shutdown" => arguments.iter().any(|argument| argument == "--show"),
        "ip" | "sudo" => true,
        _ => false,
    };
    match user {
        Some(user) if !looks => Err(Failure::error(1, format!("Interactive authentication required (asked as user {user})."))),
        _ => Ok(()),
    }
}
