//! `sudo`: what a user of the image's sudoers asks for is done as root. Without it the host's own would be found, which means the host.

use std::io;

use uuid::Uuid;

use super::Init;
use super::arguments::{Arguments, Known, Order, Value};
use super::control::{Link, Reply};
use super::failure::Failure;
use crate::process::Owner;

/// Whom images let do everything without a password: who logs in, and whom the management agent makes.
const SUDOERS: [&str; 3] = ["ec2-user", "ssm-user", "ubuntu"];

const OPTIONS: [Known; 4] = [
    Known("non-interactive", Some('n'), Value::No),
    Known("preserve-env", Some('E'), Value::No),
    Known("set-home", Some('H'), Value::No),
    Known("user", Some('u'), Value::Yes),
];

/// Carries out `sudo`: the asking process becomes the command, as one of root's. `user` is who asks, if not root.
pub(super) async fn run(init: &Init, link: &mut Link, user: Option<&str>, directory: &str, arguments: &[String]) -> Result<Reply, Failure> {
    let given = Arguments::parse(arguments, &OPTIONS, Order::First)?;
    if given.value("user").is_some_and(|user| user != "root") {
        return Err(Failure::gap("another user than root"));
    }
    if let Some(user) = user.filter(|user| !SUDOERS.contains(user)) {
        return Err(Failure::error(1, format!("{user} is not in the sudoers file.")));
    }
    let [name, rest @ ..] = given.operands.as_slice() else { return Err(Failure::error(1, "usage: sudo command [arg ...]")) };
    let program = init.guest.find_program(name).ok_or_else(|| Failure::error(1, format!("{name}: command not found")))?;
    // The asking command is gone once it has become another; whatever is sent to it afterwards does not arrive.
    become_roots(init, link, directory, &program, rest).await.map_err(|error| Failure::error(1, error.to_string()))?;
    Ok(Reply::default())
}

async fn become_roots(init: &Init, link: &mut Link, directory: &str, program: &str, arguments: &[String]) -> io::Result<()> {
    let unit = format!("sudo-{}.scope", Uuid::new_v4().simple());
    let variable = format!("SANDBOX_UNIT={unit}");
    let head = ["scope", directory, "1", &variable, program];
    link.send(head.into_iter().chain(arguments.iter().map(String::as_str))).await?;
    let Some(pid) = link.receive().await?.and_then(|fields| fields.get(1)?.parse().ok()) else { return Ok(()) };
    let machine = std::sync::Arc::clone(&init.guest.id);
    let mark = init.guest.host.table.register(Owner { machine, unit: Some(unit.into()), user: None, metadata_denied: false });
    mark.put(pid);
    link.send(["go"]).await
}
