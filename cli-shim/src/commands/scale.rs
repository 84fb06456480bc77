//! `spawn scale`.

use clap::Args;
use serde::Serialize;
use spawn_model::spec::FleetKind;
use spawn_model::value::Value;

use super::{DONE, Outcome};
use crate::cli::Global;
use crate::input::{Fields, judged};
use crate::output::{Failure, Output};
use crate::session::{Session, operation};

/// Change how many instances a service has
///
/// When it shrinks, the highest ranks go. It is done when Auto Scaling has been told: `spawn status` shows how far it is. Of a fleet that
/// Terraform keeps, change `size` there as well, or the next apply changes it back.
#[derive(Debug, Args)]
pub(crate) struct Scale {
    /// The fleet's name or id
    name: String,
    /// How many instances: from 1 to 1000
    #[arg(allow_negative_numbers = true)]
    size: i64,
}

/// A service of another size, as programs read it.
#[derive(Serialize)]
struct Scaled {
    id: String,
    name: String,
    size_before: u32,
    size: u32,
}

impl Scale {
    pub(super) async fn run(self, global: &Global, output: &Output) -> Outcome {
        let size = self.size()?;
        let Session { engine } = Session::connect(global).await?;
        let operation = operation(output)?;
        let fleet = engine.find(&self.name).await?;
        engine.resize(&fleet, size, &operation).await?;
        let record = &fleet.record;
        let scaled = Scaled { id: record.fleet.to_string(), name: record.spec.name.clone(), size_before: fleet.size, size };
        output.result(&scaled, text)?;
        Ok(DONE)
    }

    /// Judged before anything is looked at, so that a size which no service has needs no AWS to be refused.
    fn size(&self) -> Result<u32, Failure> {
        judged(FleetKind::Service, Fields::from([("size".to_owned(), Value::Int(self.size))])).map(|spec| spec.size)
    }
}

fn text(scaled: &Scaled) -> String {
    let Scaled { name, size_before, size, .. } = scaled;
    let instances = if *size == 1 { "instance" } else { "instances" };
    if size == size_before {
        return format!("{name} is to have {size} {instances}, as before\n");
    }
    format!("{name} is to have {size} {instances}; before, it was {size_before}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_that_no_service_has_is_refused() {
        let scale = |size| Scale { name: "web".into(), size }.size();
        assert_eq!((scale(1).ok(), scale(1000).ok()), (Some(1), Some(1000)));
        let refused = [0, 1001, -1, i64::MAX].map(|size| scale(size).expect_err("a refusal").text());
        insta::assert_snapshot!("scale-refused", refused.join("\n"));
    }

    #[test]
    fn what_was_changed_is_told() {
        let scaled = |size_before, size| text(&Scaled { id: "fleet-abababababababab".into(), name: "web".into(), size_before, size });
        assert_eq!(scaled(3, 5), "web is to have 5 instances; before, it was 3\n");
        assert_eq!(scaled(3, 1), "web is to have 1 instance; before, it was 3\n");
        assert_eq!(scaled(3, 3), "web is to have 3 instances, as before\n");
    }
}
