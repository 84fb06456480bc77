//! Users: recorded, never made on the host.

use std::fs::OpenOptions;
use std::io::{self, Write as _};

use super::Init;
use super::arguments::{Arguments, Known, Order, Value};
use super::control::Reply;
use super::failure::Failure;

/// What `useradd` exits with if the user exists, from useradd(8).
const EXIT_EXISTS: i32 = 9;

/// The first id given out to an ordinary and to a system user.
const FIRST_IDS: (u32, u32) = (1000, 201);

const USERADD: [Known; 11] = [
    Known("system", Some('r'), Value::No),
    Known("create-home", Some('m'), Value::No),
    Known("no-create-home", Some('M'), Value::No),
    Known("user-group", Some('U'), Value::No),
    Known("no-user-group", Some('N'), Value::No),
    Known("home-dir", Some('d'), Value::Yes),
    Known("home", None, Value::Yes),
    Known("shell", Some('s'), Value::Yes),
    Known("comment", Some('c'), Value::Yes),
    Known("uid", Some('u'), Value::Yes),
    Known("no-log-init", Some('l'), Value::No),
];

impl Init {
    fn accounts(&self) -> String {
        std::fs::read_to_string(self.guest.layout.passwd()).unwrap_or_default()
    }

    /// Whether a user is known, by name or by number.
    pub(super) fn has_user(&self, user: &str) -> bool {
        let matches = |line: &str| {
            let mut fields = line.split(':');
            fields.next() == Some(user) || fields.nth(1) == Some(user)
        };
        self.accounts().lines().any(matches)
    }

    /// Makes an ordinary user that is not there yet, and says that nothing really runs as it.
    pub(crate) fn need_user(&self, user: &str) -> io::Result<()> {
        if !self.has_user(user) {
            let id = self.next_id(false);
            self.add_user(&format!("{user}:x:{id}:{id}::/home/{user}:/bin/bash"))?;
        }
        self.say_users_are_not_switched(user);
        Ok(())
    }

    pub(super) fn say_users_are_not_switched(&self, user: &str) {
        let own = rustix::process::geteuid().as_raw();
        self.guest.say_once(&format!("users are not switched: what is to run as {user} runs as the hypervisor's own user ({own})"));
    }

    fn add_user(&self, line: &str) -> io::Result<()> {
        OpenOptions::new().append(true).open(self.guest.layout.passwd())?.write_all(format!("{line}\n").as_bytes())
    }

    fn next_id(&self, system: bool) -> u32 {
        let accounts = self.accounts();
        let taken: Vec<u32> = accounts.lines().filter_map(|line| line.split(':').nth(2)?.parse().ok()).collect();
        let first = if system { FIRST_IDS.1 } else { FIRST_IDS.0 };
        (first..).find(|id| !taken.contains(id)).unwrap_or(first)
    }
}

/// Carries out `useradd`.
pub(super) fn useradd(init: &Init, arguments: &[String]) -> Result<Reply, Failure> {
    let given = Arguments::parse(arguments, &USERADD, Order::Free)?;
    let [name] = given.operands.as_slice() else { return Err(Failure::error(2, "Usage: useradd [options] LOGIN")) };
    let fit = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if name.is_empty() || !name.chars().all(fit) || name.starts_with('-') {
        return Err(Failure::error(3, format!("invalid user name '{name}'")));
    }
    if init.has_user(name) {
        return Err(Failure::error(EXIT_EXISTS, format!("user '{name}' already exists")));
    }
    let id = match given.value("uid") {
        Some(id) => id.parse().map_err(|_| Failure::error(3, format!("invalid user ID '{id}'")))?,
        None => init.next_id(given.has("system")),
    };
    let home = given.value("home-dir").or_else(|| given.value("home")).map_or_else(|| format!("/home/{name}"), str::to_owned);
    let shell = given.value("shell").unwrap_or("/bin/bash");
    init.add_user(&format!("{name}:x:{id}:{id}:{}:{home}:{shell}", given.value("comment").unwrap_or_default()))?;
    Ok(Reply::default())
}
