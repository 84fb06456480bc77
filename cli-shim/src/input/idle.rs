//! The flags that say when a machine is idle.

use clap::Args;
use spawn_model::value::Value;

use super::Fields;
use super::declared::{doc, first_sentence};
use super::flags::add;

/// `lease.idle`, from flags.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct IdleArgs {
    #[arg(long, help = first_sentence("lease.idle.after"), long_help = doc("lease.idle.after"), value_name = "DURATION")]
    idle_after: Option<String>,
    #[arg(long, help = first_sentence("lease.idle.processes"), long_help = doc("lease.idle.processes"), value_name = "NAME")]
    idle_process: Vec<String>,
    #[arg(long, help = first_sentence("lease.idle.ports"), long_help = doc("lease.idle.ports"), value_name = "PORT", allow_negative_numbers = true)]
    idle_port: Vec<i64>,
    #[arg(long, help = first_sentence("lease.idle.cpu_percent"), long_help = doc("lease.idle.cpu_percent"), value_name = "PERCENT", allow_negative_numbers = true)]
    idle_cpu: Option<i64>,
    #[arg(long, help = first_sentence("lease.idle.network_bytes_per_second"), long_help = doc("lease.idle.network_bytes_per_second"), value_name = "BYTES", allow_negative_numbers = true)]
    idle_network: Option<i64>,
    #[arg(long, help = first_sentence("lease.idle.disk_bytes_per_second"), long_help = doc("lease.idle.disk_bytes_per_second"), value_name = "BYTES", allow_negative_numbers = true)]
    idle_disk: Option<i64>,
    #[arg(long, help = first_sentence("lease.idle.gpu_percent"), long_help = doc("lease.idle.gpu_percent"), value_name = "PERCENT", allow_negative_numbers = true)]
    idle_gpu: Option<i64>,
}

impl IdleArgs {
    /// The name of every flag.
    pub(crate) const FLAGS: [&'static str; 7] =
        ["idle_after", "idle_process", "idle_port", "idle_cpu", "idle_network", "idle_disk", "idle_gpu"];

    /// Writes what the flags say over a fleet's fields.
    pub(crate) fn apply(&self, fields: &mut Fields) {
        let written = self.written();
        if written.is_empty() {
            return;
        }
        let lease = fields.entry("lease".to_owned()).or_default();
        if lease.is_null() {
            *lease = Value::Map(Fields::new());
        }
        if let Value::Map(lease) = lease {
            add(lease, "idle", written);
        }
    }

    fn written(&self) -> Vec<(String, Value)> {
        let list = |items: Vec<Value>| (!items.is_empty()).then_some(Value::List(items));
        let fields = [
            ("after", self.idle_after.as_ref().map(|after| Value::String(after.clone()))),
            ("processes", list(self.idle_process.iter().map(|name| Value::String(name.clone())).collect())),
            ("ports", list(self.idle_port.iter().map(|port| Value::Int(*port)).collect())),
            ("cpu_percent", self.idle_cpu.map(Value::Int)),
            ("network_bytes_per_second", self.idle_network.map(Value::Int)),
            ("disk_bytes_per_second", self.idle_disk.map(Value::Int)),
            ("gpu_percent", self.idle_gpu.map(Value::Int)),
        ];
        fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    }
}

#[cfg(test)]
mod tests {
    use clap::Command;
    use spawn_model::idle::IdleSpec;

    use super::*;

    #[test]
    fn every_field_has_a_flag_whose_help_is_its_first_sentence() {
        let command = IdleArgs::augment_args(Command::new("up"));
        assert_eq!(IdleSpec::FIELDS.len(), IdleArgs::FLAGS.len());
        for (flag, field) in IdleArgs::FLAGS.iter().zip(IdleSpec::FIELDS) {
            let arg = command.get_arguments().find(|arg| arg.get_id() == flag).unwrap_or_else(|| panic!("no flag {flag}"));
            let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
            assert_eq!(help, first_sentence(&format!("lease.idle.{}", field.name)));
        }
    }
}
