//! Times, counts and sizes as sbatch writes them.

/// The most memory that can be meant: more than any machine has.
const MEMORY_MAX_MIB: u64 = 64 * 1024 * 1024;

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
    let number = digits.parse::<u64>().ok().filter(|number| *number <= u64::from(u32::MAX));
    let mib = match (number, text[digits.len()..].to_uppercase().trim_end_matches('B')) {
        (Some(kib), "K") => Some(kib.div_ceil(1024)),
        (Some(mib), "" | "M") => Some(mib),
        (Some(gib), "G") => gib.checked_mul(1024),
        (Some(tib), "T") => tib.checked_mul(1024 * 1024),
        _ => None,
    };
    let mib = mib.filter(|mib| *mib <= MEMORY_MAX_MIB).ok_or_else(|| format!("{text:?} is no memory: write MiB, or one like 16G"))?;
    Ok((mib > 0).then_some(mib))
}

/// So many of a generic resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Resource {
    pub(super) kind: String,
    pub(super) model: Option<String>,
    pub(super) count: u64,
}

/// Generic resources, such as `gpu:a100:2,shard:4`.
pub(super) fn generic(text: &str) -> Result<Vec<Resource>, String> {
    let one = |part: &str| {
        let part = part.strip_prefix("gres:").or_else(|| part.strip_prefix("gres/")).unwrap_or(part);
        let (kind, rest) = part.split_once(':').unwrap_or((part, "1"));
        if kind.is_empty() || rest.is_empty() {
            return Err(format!("{text:?} is no resource: write one like gpu:2"));
        }
        let (model, count) = model_and_count(rest)?;
        Ok(Resource { kind: kind.to_owned(), model, count })
    };
    text.split(',').filter(|part| *part != "none").map(one).collect()
}

/// GPUs, such as `2`, `a100:2` or `a100:2,v100:1`.
pub(super) fn gpus(text: &str) -> Result<Vec<Resource>, String> {
    let one = |part: &str| {
        let (model, count) = model_and_count(part)?;
        Ok(Resource { kind: "gpu".to_owned(), model, count })
    };
    text.split(',').map(one).collect()
}

/// `2`, `a100` or `a100:2`.
fn model_and_count(text: &str) -> Result<(Option<String>, u64), String> {
    match text.rsplit_once(':') {
        Some((model, number)) => Ok((Some(model.to_owned()), count(number)?)),
        None if text.bytes().all(|b| b.is_ascii_digit()) => Ok((None, count(text)?)),
        None => Ok((Some(text.to_owned()), 1)),
    }
}

/// What commas separate outside of quotes, without the quotes.
pub(super) fn list(text: &str) -> Vec<String> {
    let (mut parts, mut part, mut quote) = (Vec::new(), String::new(), None);
    for c in text.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            (None, ',') => parts.push(std::mem::take(&mut part)),
            (_, c) => part.push(c),
        }
    }
    parts.push(part);
    parts.retain(|part| !part.is_empty());
    parts
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
        let gpu = |model: Option<&str>, count| vec![Resource { kind: "gpu".to_owned(), model: model.map(str::to_owned), count }];
        for (text, expected) in [
            ("gpu", gpu(None, 1)),
            ("gpu:2", gpu(None, 2)),
            ("gpu:a100", gpu(Some("a100"), 1)),
            ("gpu:a100:4", gpu(Some("a100"), 4)),
            ("none", Vec::new()),
        ] {
            assert_eq!(generic(text), Ok(expected), "{text}");
        }
        assert_eq!((gpus("2"), gpus("a100:4")), (Ok(gpu(None, 2)), Ok(gpu(Some("a100"), 4))));
        assert_eq!(list("ALL,A=1,B='x,y',"), ["ALL", "A=1", "B=x,y"]);
    }
}
