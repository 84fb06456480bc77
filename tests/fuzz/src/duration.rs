//! Lengths of time as people write them: every field that has one.

use jiff::SignedDuration;
use spawn_model::duration::Seconds;

/// What is read is as long as it says, and printed as what reads the same.
pub fn target(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Some(read) = Seconds::parse(text) else { return };
    assert_eq!(u128::from(read.0), counted(text), "{text:?}");
    let printed = read.to_string();
    assert_eq!(Seconds::parse(&printed), Some(read), "{text:?} is printed as {printed:?}");
    let longest = i64::try_from(read.0).unwrap_or(i64::MAX);
    assert_eq!(SignedDuration::from(read).as_secs(), longest, "{text:?}");
}

/// The seconds of a text that is a length of time, counted once more and with room for any.
fn counted(text: &str) -> u128 {
    let (mut total, mut rest) = (0, text);
    while let Some(at) = rest.find(|c: char| !c.is_ascii_digit()) {
        let (digits, after) = rest.split_at(at);
        let unit = match after.as_bytes()[0] {
            b'w' => 7 * 86_400,
            b'd' => 86_400,
            b'h' => 3_600,
            b'm' => 60,
            _ => 1,
        };
        total += digits.parse::<u128>().expect("there are digits before a unit") * unit;
        rest = &after[1..];
    }
    total
}
