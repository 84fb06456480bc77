//! What is published, as each protocol gets it.

use serde_json::{Value, json};

use crate::form::Form;
use crate::protocol::{Failure, Request};
use crate::times::iso_seconds;
use crate::xml::element;

use super::outbox::Parcel;
use super::{Sns, invalid, no_topic};

/// Bytes of a message.
const MESSAGE_MAX: usize = 256 * 1024;

/// Characters of a subject.
const SUBJECT_MAX: usize = 100;

impl Sns {
    pub(super) fn publish(&self, request: &Request, form: &mut Form) -> Result<String, Failure> {
        let (arn, message) = (form.need("TopicArn")?, form.need("Message")?);
        let subject = form.take("Subject");
        if message.is_empty() {
            return Err(invalid("Empty message"));
        }
        if message.len() > MESSAGE_MAX {
            return Err(invalid("Message too long"));
        }
        if subject.as_deref().is_some_and(|subject| !is_subject(subject)) {
            return Err(invalid("Subject"));
        }
        let message = Message::read(message, form.take("MessageStructure").as_deref())?;
        let mut state = self.lock();
        let topic = state.topics.get_mut(&arn).ok_or_else(no_topic)?;
        topic.forget_unconfirmed(request.now);
        let id = uuid::Uuid::new_v4().to_string();
        for known in topic.subscriptions.values().filter(|known| known.is_confirmed) {
            let text = message.to(&known.protocol);
            let to = known.endpoint.clone();
            self.outbox.send(if known.protocol == "email" {
                let subject = subject.clone().unwrap_or_else(|| "AWS Notification Message".to_owned());
                Parcel::Mail { to, subject, text: text.to_owned() }
            } else {
                let mut body = json!({
                    "Type": "Notification", "MessageId": id, "TopicArn": arn, "Message": text, "Timestamp": iso_seconds(request.now),
                });
                if let Some(subject) = &subject {
                    body["Subject"] = json!(subject);
                }
                Parcel::Post { to, kind: "Notification", topic: arn.clone(), body: body.to_string() }
            });
        }
        Ok(element("MessageId", &id))
    }
}

/// One line of ASCII that begins with something to be seen.
fn is_subject(text: &str) -> bool {
    let plain = text.bytes().all(|b| (b' '..=b'~').contains(&b));
    plain && text.len() <= SUBJECT_MAX && text.bytes().next().is_some_and(|b| b.is_ascii_graphic())
}

/// A message, which may be another one for each protocol.
#[derive(Debug)]
enum Message {
    Same(String),
    Each(serde_json::Map<String, Value>),
}

impl Message {
    fn read(text: String, structure: Option<&str>) -> Result<Self, Failure> {
        match structure {
            None => Ok(Self::Same(text)),
            Some("json") => match serde_json::from_str(&text) {
                Ok(Value::Object(each)) if each.get("default").is_some_and(Value::is_string) => Ok(Self::Each(each)),
                Ok(Value::Object(_)) => Err(invalid("Message Structure - No default entry in JSON message body")),
                _ => Err(invalid("Message Structure - JSON message body failed to parse")),
            },
            Some(_) => Err(invalid("MessageStructure")),
        }
    }

    fn to(&self, protocol: &str) -> &str {
        match self {
            Self::Same(text) => text,
            Self::Each(each) => each.get(protocol).or_else(|| each.get("default")).and_then(Value::as_str).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_may_be_another_one_for_each_protocol() {
        let each = Message::read(r#"{"default": "d", "email": "e"}"#.to_owned(), Some("json")).expect("a message");
        assert_eq!((each.to("email"), each.to("http")), ("e", "d"));
        for (text, structure) in [(r#"{"email": "e"}"#, "json"), ("no JSON", "json"), ("{}", "xml")] {
            assert_eq!(
                Message::read(text.to_owned(), Some(structure)).err().map(|f| f.code),
                Some("InvalidParameter".to_owned()),
                "{text}"
            );
        }
    }

    #[test]
    fn a_subject_is_one_line_of_ascii() {
        for (text, expected) in [("it: failed", true), ("", false), (" it", false), ("a\nb", false), ("ü", false)] {
            assert_eq!(is_subject(text), expected, "{text:?}");
        }
        assert!(is_subject(&"x".repeat(100)) && !is_subject(&"x".repeat(101)));
    }
}
