//! Text as snapshots keep it: what differs from run to run becomes a placeholder.

use insta::Settings;

/// What is replaced, in this order.
const FILTERS: &[(&str, &str)] = &[
    (r"http://127\.0\.0\.1:\d+", "[endpoint]"),
    (r"127\.0\.0\.1:\d+", "[endpoint]"),
    (r"/tmp/[\w.-]*spawn-test-\w+", "[directory]"),
    (r"\b(alert|fleet|run)-[0-9a-f]{16}\b", "[$1]"),
    (r#""occurrence_id": "[0-9a-f]{16}""#, r#""occurrence_id": "[id]""#),
    (r"\b(i|ami|eni|r|rtb|sg|subnet|vol|vpc)-[0-9a-f]{8,17}\b", "[$1]"),
    (r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "[time]"),
    (r"\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC \([\dms. ]+ ago\)", "[ago]"),
    (r"\b172\.31\.\d+\.\d+\b", "[address]"),
    (r"\b[0-9a-f]{64}\b", "[sha256]"),
    (r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", "[request]"),
    (r"at most \$[\d.]+ so far", "at most [cost] so far"),
    (r#""cost_usd_max": [\d.]+"#, r#""cost_usd_max": [cost]"#),
    (r"\bafter \d+[ms]\d*s?\b", "after [elapsed]"),
    (r"\b\d\dm\d\ds elapsed\b", "[elapsed]"),
];

/// The settings of every snapshot here: filters, and the directory of the crate's tests.
pub fn settings() -> Settings {
    let mut settings = Settings::clone_current();
    for (pattern, placeholder) in FILTERS {
        settings.add_filter(pattern, *placeholder);
    }
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings
}

/// The errors and warnings among what Terraform printed.
pub fn diagnostics(text: &str) -> String {
    let mut found: Vec<Vec<&str>> = Vec::new();
    for line in text.lines().map(str::trim_end) {
        if line.starts_with("Error: ") || line.starts_with("Warning: ") {
            found.push(Vec::new());
        }
        let ends = ["Apply complete!", "Destroy complete!", "Plan:", "Terraform will", "Outputs:"].iter().any(|end| line.starts_with(end));
        match found.last_mut() {
            Some(diagnostic) if !ends => diagnostic.push(line),
            _ => {}
        }
    }
    let texts = found.into_iter().map(|lines| lines.join("\n").trim_end().to_owned());
    texts.collect::<Vec<_>>().join("\n\n")
}

/// Compares text with the snapshot of this name.
#[macro_export]
macro_rules! assert_shown {
    ($name:expr, $text:expr) => {
        $crate::shown::settings().bind(|| insta::assert_snapshot!($name, $text));
    };
}
