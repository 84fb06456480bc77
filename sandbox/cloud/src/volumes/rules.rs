//! What a volume may be: EC2's table of types.

use std::ops::RangeInclusive;

use crate::error::ApiError;

/// What volumes of a type may have.
struct Kind {
    name: &'static str,
    gib: RangeInclusive<i64>,
    iops: Option<Iops>,
    /// Whether MiB a second can be chosen.
    throughput: bool,
    /// Whether an instance can boot from it.
    boots: bool,
}

/// Provisioned operations a second.
struct Iops {
    range: RangeInclusive<i64>,
    most_per_gib: i64,
    default: Option<i64>,
}

const fn kind(name: &'static str, gib: RangeInclusive<i64>) -> Kind {
    Kind { name, gib, iops: None, throughput: false, boots: true }
}

const fn iops(range: RangeInclusive<i64>, most_per_gib: i64, default: Option<i64>) -> Option<Iops> {
    Some(Iops { range, most_per_gib, default })
}

const KINDS: &[Kind] = &[
    kind("gp2", 1..=16_384),
    Kind { iops: iops(3_000..=80_000, 500, Some(3_000)), throughput: true, ..kind("gp3", 1..=65_536) },
    Kind { iops: iops(100..=64_000, 50, None), ..kind("io1", 4..=16_384) },
    Kind { iops: iops(100..=256_000, 1_000, None), ..kind("io2", 4..=65_536) },
    Kind { boots: false, ..kind("sc1", 125..=16_384) },
    Kind { boots: false, ..kind("st1", 125..=16_384) },
    kind("standard", 1..=1_024),
];

const THROUGHPUT: RangeInclusive<i64> = 125..=2_000;
/// MiB a second for each operation a second.
const MOST_THROUGHPUT_PER_IOPS: f64 = 0.25;

/// The speed of a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Speed {
    pub(crate) iops: Option<i64>,
    pub(crate) throughput: Option<i64>,
}

/// The speed that a volume asks for as another type: what is not asked for stays, as far as that type has it.
pub(crate) fn kept(volume_type: &str, asked: Speed, had: Speed) -> Speed {
    let kind = KINDS.iter().find(|k| k.name == volume_type);
    let (has_iops, has_throughput) = (kind.is_some_and(|k| k.iops.is_some()), kind.is_some_and(|k| k.throughput));
    Speed { iops: asked.iops.or(had.iops.filter(|_| has_iops)), throughput: asked.throughput.or(had.throughput.filter(|_| has_throughput)) }
}

/// Checks what a volume is asked to be, and fills in what was left out of its speed.
pub(crate) fn check(volume_type: &str, gib: i64, root: bool, asked: Speed) -> Result<Speed, ApiError> {
    let unknown = || ApiError::value(format!("Invalid value '{volume_type}' for VolumeType."));
    let kind = KINDS.iter().find(|k| k.name == volume_type).ok_or_else(unknown)?;
    if root && !kind.boots {
        let message = format!("The volume type {volume_type} cannot be used for a root device.");
        return Err(ApiError::new("InvalidBlockDeviceMapping", message));
    }
    if gib < *kind.gib.start() {
        let least = kind.gib.start();
        return Err(ApiError::value(format!("Volume of {gib}GiB is too small for volume type {volume_type}; minimum is {least}GiB.")));
    }
    if gib > *kind.gib.end() {
        let most = kind.gib.end();
        return Err(ApiError::value(format!("Volume of {gib}GiB is too large for volume type {volume_type}; maximum is {most}GiB.")));
    }
    let iops = check_iops(kind, gib, asked.iops)?;
    Ok(Speed { iops, throughput: check_throughput(kind, iops, asked.throughput)? })
}

fn check_iops(kind: &Kind, gib: i64, asked: Option<i64>) -> Result<Option<i64>, ApiError> {
    let Some(rule) = &kind.iops else {
        return match asked {
            Some(_) => Err(ApiError::combination(format!("The parameter iops is not supported for {} volumes.", kind.name))),
            None => Ok(None),
        };
    };
    let missing = || ApiError::combination(format!("The parameter iops must be specified for {} volumes.", kind.name));
    let iops = asked.or(rule.default).ok_or_else(missing)?;
    if iops < *rule.range.start() {
        return Err(ApiError::value(format!("Volume iops of {iops} is too low; minimum is {}.", rule.range.start())));
    }
    if iops > *rule.range.end() {
        return Err(ApiError::value(format!("Volume iops of {iops} is too high; maximum is {}.", rule.range.end())));
    }
    // What comes with every volume does not depend on its size.
    if asked.is_some_and(|iops| Some(iops) != rule.default) && iops > gib * rule.most_per_gib {
        let ratio = iops as f64 / gib as f64;
        let most = rule.most_per_gib;
        return Err(ApiError::value(format!("Iops to volume size ratio of {ratio:.6} is too high; maximum is {most}")));
    }
    Ok(Some(iops))
}

fn check_throughput(kind: &Kind, iops: Option<i64>, asked: Option<i64>) -> Result<Option<i64>, ApiError> {
    if !kind.throughput {
        return match asked {
            Some(_) => Err(ApiError::combination("throughput can only be specified for volumeType gp3.")),
            None => Ok(None),
        };
    }
    let throughput = asked.unwrap_or(*THROUGHPUT.start());
    if !THROUGHPUT.contains(&throughput) {
        let (least, most) = (THROUGHPUT.start(), THROUGHPUT.end());
        return Err(ApiError::value(format!("Volume throughput of {throughput} MiBps is not within {least} and {most} MiBps.")));
    }
    let ratio = throughput as f64 / iops.unwrap_or(1) as f64;
    if ratio > MOST_THROUGHPUT_PER_IOPS {
        return Err(ApiError::value(format!(
            "Throughput (MiBps) to iops ratio of {ratio:.6} is too high; maximum is {MOST_THROUGHPUT_PER_IOPS:.6} MiBps per iops"
        )));
    }
    Ok(Some(throughput))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_and_their_speed() {
        type Got = Result<(Option<i64>, Option<i64>), &'static str>;
        type Case<'a> = (&'a str, i64, Option<i64>, Option<i64>, Got);
        let cases: [Case; 20] = [
            ("gp3", 1, None, None, Ok((Some(3_000), Some(125)))),
            ("gp3", 1, Some(3_000), None, Ok((Some(3_000), Some(125)))),
            ("gp3", 8, Some(4_000), Some(1_000), Ok((Some(4_000), Some(1_000)))),
            ("gp3", 8, Some(4_001), None, Err("Iops to volume size ratio of 500.125000 is too high; maximum is 500")),
            ("gp3", 8, Some(2_999), None, Err("Volume iops of 2999 is too low; minimum is 3000.")),
            ("gp3", 999, Some(80_001), None, Err("Volume iops of 80001 is too high; maximum is 80000.")),
            (
                "gp3",
                8,
                None,
                Some(1_000),
                Err("Throughput (MiBps) to iops ratio of 0.333333 is too high; maximum is 0.250000 MiBps per iops"),
            ),
            ("gp3", 8, None, Some(124), Err("Volume throughput of 124 MiBps is not within 125 and 2000 MiBps.")),
            ("gp3", 65_537, None, None, Err("Volume of 65537GiB is too large for volume type gp3; maximum is 65536GiB.")),
            ("gp2", 1, None, None, Ok((None, None))),
            ("gp2", 1, Some(3_000), None, Err("The parameter iops is not supported for gp2 volumes.")),
            ("gp2", 1, None, Some(125), Err("throughput can only be specified for volumeType gp3.")),
            ("gp2", 16_385, None, None, Err("Volume of 16385GiB is too large for volume type gp2; maximum is 16384GiB.")),
            ("io1", 4, None, None, Err("The parameter iops must be specified for io1 volumes.")),
            ("io1", 4, Some(200), None, Ok((Some(200), None))),
            ("io1", 4, Some(201), None, Err("Iops to volume size ratio of 50.250000 is too high; maximum is 50")),
            ("io2", 4, Some(4_000), None, Ok((Some(4_000), None))),
            ("st1", 124, None, None, Err("Volume of 124GiB is too small for volume type st1; minimum is 125GiB.")),
            ("standard", 0, None, None, Err("Volume of 0GiB is too small for volume type standard; minimum is 1GiB.")),
            ("gp9", 8, None, None, Err("Invalid value 'gp9' for VolumeType.")),
        ];
        for (volume_type, gib, iops, throughput, expected) in cases {
            let got = check(volume_type, gib, false, Speed { iops, throughput });
            let got = got.map(|s| (s.iops, s.throughput)).map_err(|e| e.message);
            assert_eq!(got, expected.map_err(str::to_owned), "{volume_type} {gib} {iops:?} {throughput:?}");
        }
        assert_eq!(check("st1", 500, true, Speed { iops: None, throughput: None }).unwrap_err().code, "InvalidBlockDeviceMapping");
    }
}
