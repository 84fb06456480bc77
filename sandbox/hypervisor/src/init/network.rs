//! `ip`: what a machine without a network of its own can say about it.

use super::Init;
use super::control::Reply;
use super::failure::Failure;

/// Carries out `ip`. Rules and routes can be shown; changing them would change nothing here, which is refused rather than pretended.
pub(super) fn ip(init: &Init, arguments: &[String]) -> Result<Reply, Failure> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).filter(|word| !matches!(*word, "-4" | "-o")).collect();
    let address = &init.guest.facts().private_ip;
    let subnet = address.rsplit_once('.').map_or(address.as_str(), |(subnet, _)| subnet);
    match words.as_slice() {
        ["rule" | "ru"] | ["rule" | "ru", "show" | "list" | "ls"] => {
            Ok(Reply::said("0:\tfrom all lookup local\n32766:\tfrom all lookup main\n32767:\tfrom all lookup default\n"))
        }
        ["route" | "r"] | ["route" | "r", "show" | "list" | "ls"] => {
            Ok(Reply::said(format!("default via {subnet}.1 dev ens5 proto dhcp src {address} metric 512\n")))
        }
        _ => Err(Failure::gap(arguments.join(" "))),
    }
}
