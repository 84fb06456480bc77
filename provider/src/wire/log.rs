//! Log lines in the form that Terraform reads from a provider's standard error: one JSON object per line.

use std::fmt;
use std::io::Write;

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

/// Terraform splits longer lines, and then understands none of the parts.
const LINE_BYTES_MAX: usize = 60 * 1024;

/// Of a line that is too long, this much of the message is kept.
const MESSAGE_CHARS_KEPT: usize = 4 * 1024;

/// Libraries that say more about themselves than about us: warnings and errors only.
const CHATTY: [&str; 6] = ["h2", "hyper", "hyper_util", "rustls", "tonic", "tower"];

/// Starts logging as `TF_LOG_PROVIDER`, else `TF_LOG`, asks for. When neither does, nothing is installed, so that
/// nothing is formatted either: Terraform would drop it.
pub(super) fn install(variable: impl Fn(&str) -> Option<String>) {
    let asked = ["TF_LOG_PROVIDER", "TF_LOG"].into_iter().find_map(|name| variable(name).filter(|text| !text.is_empty()));
    let level = asked.map_or(LevelFilter::OFF, |text| level(&text));
    if level == LevelFilter::OFF {
        return;
    }
    let quiet = CHATTY.map(|target| (target, level.min(LevelFilter::WARN)));
    let targets = Targets::new().with_default(level).with_targets(quiet);
    // Fails only where a subscriber is installed already, which then is the one that somebody wants.
    let _ = tracing_subscriber::registry().with(HclogLayer::new(Timestamp::now).with_filter(targets)).try_init();
}

/// Terraform's own rule: what it does not know means everything.
fn level(text: &str) -> LevelFilter {
    match text.to_ascii_uppercase().as_str() {
        "OFF" => LevelFilter::OFF,
        "ERROR" => LevelFilter::ERROR,
        "WARN" => LevelFilter::WARN,
        "INFO" => LevelFilter::INFO,
        "DEBUG" => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    }
}

/// Writes every event, with the fields of the spans around it, as a line of go-hclog's JSON.
struct HclogLayer {
    now: fn() -> Timestamp,
}

/// The fields of a span, kept until an event inside it is written.
struct SpanFields(Map<String, Value>);

impl HclogLayer {
    fn new(now: fn() -> Timestamp) -> Self {
        Self { now }
    }
}

impl<S> Layer<S> for HclogLayer
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Collector::default();
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(SpanFields(fields.fields));
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Map::new();
        for span in context.event_scope(event).into_iter().flat_map(|scope| scope.from_root()) {
            if let Some(SpanFields(own)) = span.extensions().get::<SpanFields>() {
                fields.extend(own.clone());
            }
        }
        let mut collected = Collector { fields, message: String::new() };
        event.record(&mut collected);
        let metadata = event.metadata();
        let line = line((self.now)(), *metadata.level(), metadata.target(), collected.message, collected.fields);
        // There is nobody to tell if the log itself cannot be written.
        let _ = std::io::stderr().lock().write_all(line.as_bytes());
    }
}

#[derive(Default)]
struct Collector {
    fields: Map<String, Value>,
    message: String,
}

impl Collector {
    fn put(&mut self, field: &Field, value: Value) {
        self.fields.insert(field.name().to_owned(), value);
    }
}

impl Visit for Collector {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        } else {
            self.put(field, format!("{value:?}").into());
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            value.clone_into(&mut self.message);
        } else {
            self.put(field, value.into());
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }
}

/// One line, newline included. Terraform panics if one of the four `@` keys is not text, and no longer understands the
/// line if the time has any other number of fractional digits.
fn line(now: Timestamp, level: Level, target: &str, message: String, mut fields: Map<String, Value>) -> String {
    // A field of that name would be taken for the line's own.
    fields.retain(|name, _| !name.starts_with('@'));
    let text = render(now, level, target, &message, fields);
    if text.len() <= LINE_BYTES_MAX {
        return text;
    }
    let kept: String = message.chars().take(MESSAGE_CHARS_KEPT).collect();
    let bytes_lost = text.len() - kept.len();
    let fields = Map::from_iter([("truncated_bytes".to_owned(), json!(bytes_lost))]);
    render(now, level, target, &kept, fields)
}

fn render(now: Timestamp, level: Level, target: &str, message: &str, mut fields: Map<String, Value>) -> String {
    fields.insert("@level".to_owned(), level.as_str().to_ascii_lowercase().into());
    fields.insert("@message".to_owned(), message.into());
    fields.insert("@module".to_owned(), target.replace("::", ".").into());
    fields.insert("@timestamp".to_owned(), format!("{now:.6}").into());
    let mut text = Value::Object(fields).to_string();
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    #[test]
    fn a_line_is_what_terraform_reads() {
        let fields = Map::from_iter([("fleet".to_owned(), json!("f-1")), ("@level".to_owned(), json!(7))]);
        let line = line(at("2030-01-02T03:04:05Z"), Level::WARN, "spawn::wire", "two\nlines".to_owned(), fields);
        assert_eq!(
            line,
            "{\"@level\":\"warn\",\"@message\":\"two\\nlines\",\"@module\":\"spawn.wire\",\
             \"@timestamp\":\"2030-01-02T03:04:05.000000Z\",\"fleet\":\"f-1\"}\n"
        );
    }

    #[test]
    fn the_time_always_has_six_digits() {
        for (time, written) in [
            ("2030-01-02T03:04:05Z", "2030-01-02T03:04:05.000000Z"),
            ("2030-01-02T03:04:05.5Z", "2030-01-02T03:04:05.500000Z"),
            ("2030-01-02T03:04:05.123456789Z", "2030-01-02T03:04:05.123456Z"),
        ] {
            let line = line(at(time), Level::INFO, "", String::new(), Map::new());
            assert!(line.contains(&format!("\"@timestamp\":\"{written}\"")), "{line}");
        }
    }

    #[test]
    fn a_long_line_is_cut_before_terraform_splits_it() {
        let fields = Map::from_iter([("body".to_owned(), json!("ü".repeat(LINE_BYTES_MAX)))]);
        let line = line(at("2030-01-02T03:04:05Z"), Level::INFO, "", "ü".repeat(LINE_BYTES_MAX), fields);
        assert!(line.len() < LINE_BYTES_MAX, "{}", line.len());
        let tree: Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(tree["@message"], "ü".repeat(MESSAGE_CHARS_KEPT));
        assert!(tree["truncated_bytes"].as_u64() > Some(0), "{tree}");
    }

    #[test]
    fn the_environment_sets_the_level() {
        for (text, expected) in [
            ("off", LevelFilter::OFF),
            ("Error", LevelFilter::ERROR),
            ("warn", LevelFilter::WARN),
            ("DEBUG", LevelFilter::DEBUG),
            ("json", LevelFilter::TRACE),
            ("1", LevelFilter::TRACE),
        ] {
            assert_eq!(level(text), expected, "{text}");
        }
    }
}
