//! Use of GPUs, as NVIDIA's driver tells it through `nvidia-smi`.
//!
//! It is the share of the last moments in which something ran on the GPU, up to a second: less than what lies between two looks, and
//! nothing else is told.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

/// What the driver makes for every GPU, below `/proc`.
const GPUS: &str = "driver/nvidia/gpus";
const PROGRAM: &str = "nvidia-smi";
const QUERY: [&str; 2] = ["--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"];
/// Without its persistence mode the driver takes a GPU into use first, which takes seconds.
const WITHIN: Duration = Duration::from_secs(15);

/// How busy the busiest GPU is, in percent; nothing if no driver has one. Programs may be there without any, as in images for both.
pub(super) async fn look(proc: &Path) -> Result<Option<u32>, String> {
    let has_gpus = std::fs::read_dir(proc.join(GPUS)).is_ok_and(|mut gpus| gpus.next().is_some());
    if !has_gpus {
        return Ok(None);
    }
    let mut command = Command::new(PROGRAM);
    command.args(QUERY).stdin(Stdio::null()).kill_on_drop(true);
    let output = match timeout(WITHIN, command.output()).await {
        Ok(output) => output.map_err(|error| format!("{PROGRAM}: {error}"))?,
        Err(_) => return Err(format!("{PROGRAM} does not answer")),
    };
    let said = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        return Err(format!("{PROGRAM} ended with {}: {}", output.status, said.trim()));
    }
    busiest(&said).map(Some)
}

/// Reads the answer: a line for each GPU.
fn busiest(said: &str) -> Result<u32, String> {
    let lines = said.lines().map(str::trim).filter(|line| !line.is_empty());
    let percents: Vec<u32> = lines.map(|line| line.parse().map_err(|_| format!("{PROGRAM} says {line:?}"))).collect::<Result<_, _>>()?;
    percents.into_iter().max().ok_or_else(|| format!("{PROGRAM} says nothing"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers as nvidia-smi(1) describes them and bug reports show them. None was recorded here: not run on a GPU.
    #[test]
    fn the_busiest_gpu_counts() {
        for (said, percent) in
            [("0\n", Some(0)), ("37\n", Some(37)), ("0\n0\n99\n3\n", Some(99)), (" 100 \n", Some(100)), ("5\n\n", Some(5))]
        {
            assert_eq!(busiest(said).ok(), percent, "{said:?}");
        }
        // A GPU that is divided into instances, one that cannot tell, one that has fallen off, none, and an older header.
        for said in ["[N/A]\n", "0\n[Not Supported]\n", "[Unknown Error]\n", "No devices were found\n", "", "utilization.gpu [%]\n0 %\n"] {
            assert!(busiest(said).is_err_and(|reason| reason.starts_with(PROGRAM)), "{said:?}");
        }
    }

    #[tokio::test]
    async fn without_a_driver_there_is_none() {
        let proc = tempfile::tempdir().unwrap();
        assert_eq!(look(proc.path()).await, Ok(None));
        std::fs::create_dir_all(proc.path().join(GPUS)).unwrap();
        assert_eq!(look(proc.path()).await, Ok(None));
    }
}
