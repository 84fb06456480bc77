//! The flags that say where a fleet's instances are, and what disks they have.

use std::collections::BTreeMap;

use clap::Args;
use spawn_model::problem::{Path, Problem};
use spawn_model::value::Value;

use super::Fields;
use super::declared::{doc, first_sentence};
use super::flags::{add, pair};

/// Network, placement and disks.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct PlaceArgs {
    #[arg(long, help = first_sentence("placement"), long_help = doc("placement"), value_name = "PLACEMENT")]
    placement: Option<String>,
    #[arg(long, help = first_sentence("network.subnets"), long_help = doc("network.subnets"), value_name = "SUBNET", value_delimiter = ',')]
    subnet: Vec<String>,
    #[arg(long, help = first_sentence("network.security_groups"), long_help = doc("network.security_groups"), value_name = "GROUP", value_delimiter = ',')]
    security_group: Vec<String>,
    #[arg(long, help = first_sentence("network.public_address"), long_help = doc("network.public_address"), value_name = "true|false")]
    public_address: Option<bool>,
    #[arg(long, help = first_sentence("dns.zone"), long_help = doc("dns.zone"), value_name = "ZONE")]
    dns_zone: Option<String>,
    #[arg(long, help = first_sentence("ssh_key"), long_help = doc("ssh_key"), value_name = "NAME")]
    ssh_key: Option<String>,
    #[arg(long, help = first_sentence("root_volume.size_gib") + ": the root volume", long_help = "The root volume: ".to_owned() + &doc("root_volume.size_gib"), value_name = "GIB")]
    root_gib: Option<u32>,
    #[arg(long, help = first_sentence("volumes"), long_help = doc("volumes") + " A size in GiB, or the snapshot that it begins as.", value_name = "DEVICE=GIB|SNAPSHOT", value_parser = pair)]
    volume: Vec<(String, String)>,
}

impl PlaceArgs {
    /// Writes what the flags say over `fields`.
    pub(super) fn apply(&self, fields: &mut Fields, problems: &mut Vec<Problem>) {
        let text = |text: &String| Value::String(text.clone());
        let words = |words: &Vec<String>| (!words.is_empty()).then(|| Value::List(words.iter().map(text).collect()));
        for (name, value) in [("placement", &self.placement), ("ssh_key", &self.ssh_key)] {
            if let Some(value) = value {
                fields.insert(name.to_owned(), text(value));
            }
        }
        let network = [
            ("subnets", words(&self.subnet)),
            ("security_groups", words(&self.security_group)),
            ("public_address", self.public_address.map(Value::Bool)),
        ];
        add(fields, "network", network.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect());
        add(fields, "dns", self.dns_zone.iter().map(|zone| ("zone".to_owned(), text(zone))).collect());
        add(fields, "root_volume", self.root_gib.map(|gib| ("size_gib".to_owned(), Value::Int(gib.into()))).into_iter().collect());
        let volumes = self.volume.iter().filter_map(|(device, what)| Some((device.clone(), volume(device, what, problems)?)));
        add(fields, "volumes", volumes.collect());
    }
}

/// A volume of a size, or from a snapshot.
fn volume(device: &str, what: &str, problems: &mut Vec<Problem>) -> Option<Value> {
    let (field, value) = match what.parse() {
        Ok(gib) => ("size_gib", Value::Int(gib)),
        Err(_) if what.starts_with("snap-") => ("snapshot", Value::String(what.to_owned())),
        Err(_) => {
            let help = "Write a number of GiB, or an id like \"snap-0123456789abcdef0\"";
            problems.push(Problem::new(&Path::field("volumes").key(device), format!("{what:?} is no size and no snapshot"), help));
            return None;
        }
    };
    Some(Value::Map(BTreeMap::from([(field.to_owned(), value)])))
}
