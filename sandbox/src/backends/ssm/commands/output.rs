//! What a script writes: the beginning of it, as the agent reports it.

/// What is added to a stream that was longer than it may be.
const TRUNCATED: &str = "--output truncated--";
/// The most that an entry of a list shows of both streams.
const SUMMARY: usize = 2_400;
const SUMMARY_TITLE: &str = "\n----------ERROR-------\n";
const OUTPUT_CUT: &str = "\n---Output truncated---";
const ERRORS_CUT: &str = "\n---Error truncated----";

/// A stream, or the beginning of it.
#[derive(Debug)]
pub(super) struct Beginning {
    /// The most characters that are reported.
    most: usize,
    /// The most bytes that are kept.
    kept: usize,
    bytes: Vec<u8>,
}

impl Beginning {
    /// Of at most so many characters.
    pub(super) fn new(most: usize) -> Self {
        // A character has at most four bytes; one byte more tells that there was more.
        Self { most, kept: most * 4 + 1, bytes: Vec::new() }
    }

    /// Takes what was read, as far as it counts.
    pub(super) fn keep(&mut self, bytes: &[u8]) {
        let kept = bytes.len().min(self.kept.saturating_sub(self.bytes.len()));
        self.bytes.extend_from_slice(&bytes[..kept]);
    }

    /// Adds what the agent itself has to say.
    pub(super) fn add(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
    }

    /// As text that is no longer than it may be.
    pub(super) fn text(&self) -> String {
        let text = String::from_utf8_lossy(&self.bytes);
        if text.chars().count() <= self.most {
            return text.into_owned();
        }
        let mut cut: String = text.chars().take(self.most - TRUNCATED.len()).collect();
        cut.push_str(TRUNCATED);
        cut
    }
}

/// Both streams, cut to what an entry of a list has room for.
pub(super) fn summary(output: &str, errors: &str) -> String {
    let title = if errors.is_empty() { "" } else { SUMMARY_TITLE };
    let space = SUMMARY - title.len();
    if output.len() + errors.len() < space {
        return format!("{output}{title}{errors}");
    }
    let head = |text: &str, bytes: usize| text[..text.floor_char_boundary(bytes)].to_owned();
    match (output.len() > space / 2, errors.len() > space / 2) {
        (true, true) => {
            let half = (space - OUTPUT_CUT.len() - ERRORS_CUT.len()) / 2;
            format!("{}{OUTPUT_CUT}{title}{}{ERRORS_CUT}", head(output, half), head(errors, half))
        }
        (false, _) => format!("{output}{title}{}{ERRORS_CUT}", head(errors, space - ERRORS_CUT.len() - output.len())),
        (true, false) => format!("{}{OUTPUT_CUT}{title}{errors}", head(output, space - OUTPUT_CUT.len() - errors.len())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_cut_by_characters() {
        let of = |text: &str| Beginning { most: 24, kept: 97, bytes: text.as_bytes().to_vec() }.text();
        assert_eq!(of("24 characters and no mor"), "24 characters and no mor");
        assert_eq!(of("äöüß characters and more and more"), format!("äöüß{TRUNCATED}"));
    }

    #[test]
    fn a_summary_has_room_for_both() {
        assert_eq!(summary("out\n", ""), "out\n");
        assert_eq!(summary("out\n", "err\n"), format!("out\n{SUMMARY_TITLE}err\n"));
        let long = "x".repeat(3_000);
        for (output, errors, marks) in [(&*long, "e", (true, false)), ("o", &*long, (false, true)), (&*long, &*long, (true, true))] {
            let text = summary(output, errors);
            assert!(text.len() <= SUMMARY && text.len() > SUMMARY - 4, "{}", text.len());
            assert_eq!((text.contains(OUTPUT_CUT), text.contains(ERRORS_CUT)), marks);
        }
    }
}
