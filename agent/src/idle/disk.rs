//! Use of disks, as `/proc/diskstats` tells it (the kernel's Documentation/admin-guide/iostats.rst).

use super::counters::Counters;

/// The kernel counts in sectors of this size, whatever the disk's are.
const SECTOR: u64 = 512;

/// What is no disk, or stands on one that is counted itself: memory, files, mappings, arrays and caches.
const ON_OTHERS: [&str; 8] = ["loop", "ram", "zram", "dm-", "md", "bcache", "sr", "fd"];

/// Reads `/proc/diskstats`: bytes read and written by each whole disk. Partitions are part of theirs.
pub(super) fn read(text: &str) -> Result<Counters, String> {
    let devices: Counters = text.lines().filter(|line| !line.trim().is_empty()).map(device).collect::<Result<_, String>>()?;
    let is_whole = |name: &str| !ON_OTHERS.iter().any(|prefix| name.starts_with(prefix)) && !is_partition(name, &devices);
    Ok(devices.iter().filter(|(name, _)| is_whole(name)).map(|(name, bytes)| (name.clone(), *bytes)).collect())
}

fn device(line: &str) -> Result<(String, u64), String> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let number = |index: usize| fields.get(index).and_then(|field| field.parse::<u64>().ok());
    match (fields.get(2), number(5), number(9)) {
        (Some(name), Some(read), Some(written)) => Ok(((*name).to_owned(), read.saturating_add(written).saturating_mul(SECTOR))),
        _ => Err(format!("a line has not the counters that it should: {line:?}")),
    }
}

/// Whether a device is a part of another one that is listed: `xvda1` of `xvda`, `nvme0n1p1` of `nvme0n1`. A name alone does not tell:
/// `nvme0n1` is whole, and so is the `xvda1` of a machine that has no `xvda`.
fn is_partition(name: &str, devices: &Counters) -> bool {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let ends_in_digit = |name: &str| name.ends_with(|c: char| c.is_ascii_digit());
    let whole = match stem.strip_suffix('p') {
        Some(whole) if ends_in_digit(whole) => whole,
        _ => stem,
    };
    stem.len() < name.len() && devices.contains_key(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(name: &str) -> String {
        format!(" 259 0 {name} 10 0 3 7 20 0 5 9 0 1 2 0 0 0 0 0 0\n")
    }

    #[test]
    fn whole_disks_count_once() {
        for (what, devices, counted) in [
            (
                "NVMe",
                &["nvme0n1", "nvme0n1p1", "nvme0n1p127", "nvme1n1", "nvme10n1", "nvme10n1p2"][..],
                &["nvme0n1", "nvme10n1", "nvme1n1"][..],
            ),
            ("Xen", &["xvda", "xvda1", "xvdbb", "xvdbb15"], &["xvda", "xvdbb"]),
            ("Xen without a table", &["xvda1", "xvdf"], &["xvda1", "xvdf"]),
            ("virtio and SCSI", &["vda", "vda1", "sda", "sda14", "sdb"], &["sda", "sdb", "vda"]),
            ("cards", &["mmcblk0", "mmcblk0p1"], &["mmcblk0"]),
            ("a disk whose name ends in p", &["sdp", "sdp1", "nbd0", "nbd0p1"], &["nbd0", "sdp"]),
            (
                "what stands on others",
                &["nvme0n1", "dm-0", "dm-1", "md127", "md127p1", "loop0", "loop12", "zram0", "ram0", "bcache0"],
                &["nvme0n1"],
            ),
            ("nothing", &[], &[]),
        ] {
            let text: String = devices.iter().map(|name| line(name)).collect();
            let found = read(&text).unwrap();
            assert_eq!(found.keys().map(String::as_str).collect::<Vec<_>>(), counted, "{what}");
            assert!(found.values().all(|bytes| *bytes == 8 * SECTOR), "{what}: {found:?}");
        }
    }

    #[test]
    fn old_kernels_tell_less_and_others_nothing() {
        // Without discards and flushes, as before 4.18.
        assert_eq!(read(" 202 0 xvda 10 0 3 7 20 0 5 9 0 1 2\n"), Ok(Counters::from([("xvda".to_owned(), 8 * SECTOR)])));
        for text in ["202 0 xvda\n", "202 0 xvda 1 2 x 4 5 6 7 8\n"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
