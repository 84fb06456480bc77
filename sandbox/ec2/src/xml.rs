//! Elements and escaping: as much XML as EC2's answers need.

use std::fmt::Display;

/// A document being written.
#[derive(Default)]
pub(crate) struct Xml {
    text: String,
}

impl Xml {
    /// A document whose root has the namespace of the API.
    pub(crate) fn document(root: &str, namespace: Option<&str>, content: impl FnOnce(&mut Xml)) -> String {
        let mut xml = Xml { text: "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned() };
        xml.text.push('<');
        xml.text.push_str(root);
        if let Some(namespace) = namespace {
            xml.text.push_str(&format!(" xmlns=\"{namespace}\""));
        }
        xml.text.push('>');
        content(&mut xml);
        xml.text.push_str(&format!("</{root}>"));
        xml.text
    }

    /// An element with elements in it.
    pub(crate) fn element(&mut self, name: &str, content: impl FnOnce(&mut Xml)) {
        self.text.push_str(&format!("<{name}>"));
        content(self);
        self.text.push_str(&format!("</{name}>"));
    }

    /// An element with a text in it.
    pub(crate) fn leaf(&mut self, name: &str, value: impl Display) {
        self.text.push_str(&format!("<{name}>"));
        escape_into(&value.to_string(), &mut self.text);
        self.text.push_str(&format!("</{name}>"));
    }

    /// The same, if there is a value.
    pub(crate) fn maybe(&mut self, name: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.leaf(name, value);
        }
    }

    /// A list: `<name><item>…</item>…</name>`.
    pub(crate) fn list<T>(&mut self, name: &str, items: impl IntoIterator<Item = T>, mut item: impl FnMut(&mut Xml, T)) {
        self.element(name, |xml| {
            for one in items {
                xml.element("item", |xml| item(xml, one));
            }
        });
    }

    /// A list of texts.
    pub(crate) fn texts<T: Display>(&mut self, name: &str, items: impl IntoIterator<Item = T>) {
        self.element(name, |xml| {
            for one in items {
                xml.leaf("item", one);
            }
        });
    }
}

/// Text made safe for an XML element, whichever service answers with it.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    escape_into(text, &mut out);
    out
}

fn escape_into(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // A bare carriage return would be read back as a line feed.
            '\r' => out.push_str("&#13;"),
            // What XML 1.0 cannot carry at all.
            c if c < ' ' && !matches!(c, '\t' | '\n') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
}
