//! Times, counts and sizes as sbatch writes them.

/// A count.
pub(super) fn count(text: &str) -> Result<u64, String> {
    let number = text.parse::<u64>().ok().filter(|number| (1..=100_000).contains(number));
    number.ok_or_else(|| format!("{text:?} is no count: write a whole number from 1"))
}

/// A time limit in seconds; nothing if there is none. `minutes`, `minutes:seconds`, `hours:minutes:seconds`, `days-hours`,
/// `days-hours:minutes` or `days-hours:minutes:seconds`.
pub(super) fn time_s(text: &str) -> Result<Option<u64>, String> {
    if matches!(text.to_uppercase().as_str(), "UNLIMITED" | "INFINITE" | "0") {
        return Ok(None);
    }
    let wrong = || format!("{text:?} is no time limit: write minutes, or one like 1:30:00 or 2-12:00");
    let (days, rest) = text.split_once('-').map_or((None, text), |(days, rest)| (Some(days), rest));
    let parts: Option<Vec<u64>> = days.into_iter().chain(rest.split(':')).map(|part| part.parse::<u64>().ok()).collect();
    let parts = parts.filter(|parts| parts.iter().all(|part| *part <= 100_000)).ok_or_else(wrong)?;
    let seconds = match (days.is_some(), parts.as_slice()) {
        (false, [minutes]) => minutes * 60,
        (false, [minutes, seconds]) => minutes * 60 + seconds,
        (false, [hours, minutes, seconds]) => hours * 3_600 + minutes * 60 + seconds,
        (true, [days, hours]) => days * 86_400 + hours * 3_600,
        (true, [days, hours, minutes]) => days * 86_400 + hours * 3_600 + minutes * 60,
        (true, [days, hours, minutes, seconds]) => days * 86_400 + hours * 3_600 + minutes * 60 + seconds,
        _ => return Err(wrong()),
    };
    Ok((seconds > 0).then_some(seconds))
}

/// Memory in MiB; nothing if it is all that a machine has.
pub(super) fn memory_mib(text: &str) -> Result<Option<u64>, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number = digits.parse::<u64>().ok().filter(|number| *number <= 1 << 40);
    let mib = match (number, text[digits.len()..].to_uppercase().trim_end_matches('B')) {
        (Some(kib), "K") => Some(kib.div_ceil(1024)),
        (Some(mib), "" | "M") => Some(mib),
        (Some(gib), "G") => gib.checked_mul(1024),
        (Some(tib), "T") => tib.checked_mul(1024 * 1024),
        _ => None,
    };
    let mib = mib.ok_or_else(|| format!("{text:?} is no memory: write MiB, or one like 16G"))?;
    Ok((mib > 0).then_some(mib))
}

/// Kinds and counts of generic resources, such as `gpu:a100:2,shard:4`.
pub(super) fn generic(text: &str) -> Result<Vec<(String, u64)>, String> {
    let one = |part: &str| {
        let part = part.strip_prefix("gres:").or_else(|| part.strip_prefix("gres/")).unwrap_or(part);
        let words: Vec<&str> = part.split(':').collect();
        match words[..] {
            ["none"] => Ok(None),
            [kind] if !kind.is_empty() => Ok(Some((kind.to_owned(), 1))),
            // A word after the kind is a model or the count.
            [kind, last] if !last.is_empty() => Ok(Some((kind.to_owned(), last.parse().unwrap_or(1)))),
            [kind, _, last] => Ok(Some((kind.to_owned(), count(last)?))),
            _ => Err(format!("{text:?} is no resource: write one like gpu:2")),
        }
    };
    let found: Result<Vec<Option<(String, u64)>>, String> = text.split(',').map(one).collect();
    Ok(found?.into_iter().flatten().collect())
}

/// A count of GPUs, with their model before it or without.
pub(super) fn gpus(text: &str) -> Result<u64, String> {
    count(text.rsplit(':').next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_all_their_forms() {
        for (text, expected) in [
            ("30", Some(1_800)),
            ("30:15", Some(1_815)),
            ("1:30:00", Some(5_400)),
            ("2-12", Some(216_000)),
            ("2-12:30", Some(217_800)),
            ("1-00:00:01", Some(86_401)),
            ("0", None),
            ("UNLIMITED", None),
        ] {
            assert_eq!(time_s(text), Ok(expected), "{text}");
        }
        for text in ["", "soon", "1:2:3:4", "-5", "1-", "1-2:3:4:5", "9999999999999"] {
            assert!(time_s(text).is_err(), "{text}");
        }
    }

    #[test]
    fn memory_and_resources_are_read() {
        for (text, expected) in
            [("100", Some(100)), ("6500M", Some(6_500)), ("16G", Some(16_384)), ("1T", Some(1 << 20)), ("0", None), ("5k", Some(1))]
        {
            assert_eq!(memory_mib(text), Ok(expected), "{text}");
        }
        assert!(memory_mib("12Q").is_err() && memory_mib("G").is_err());
        let gpu = |count| vec![("gpu".to_owned(), count)];
        for (text, expected) in [("gpu", gpu(1)), ("gpu:2", gpu(2)), ("gpu:a100", gpu(1)), ("gpu:a100:4", gpu(4)), ("none", Vec::new())] {
            assert_eq!(generic(text), Ok(expected), "{text}");
        }
        assert_eq!((gpus("2"), gpus("a100:4")), (Ok(2), Ok(4)));
    }
}
