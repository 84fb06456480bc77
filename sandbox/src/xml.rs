//! The little XML that services beside EC2 need: elements, and bodies read into a tree.

use quick_xml::Reader;
use quick_xml::events::Event;
pub(crate) use sandbox_ec2::escape;

/// `<name>text</name>`, escaped.
pub(crate) fn element(name: &str, text: &str) -> String {
    format!("<{name}>{}</{name}>", escape(text))
}

/// An element with what is in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Node {
    /// Name without namespace prefix.
    pub(crate) name: String,
    /// The text directly inside.
    pub(crate) text: String,
    /// Elements inside, in order.
    pub(crate) children: Vec<Node>,
}

impl Node {
    /// Reads a document; `None` if it is not well formed.
    pub(crate) fn parse(body: &[u8]) -> Option<Node> {
        let text = std::str::from_utf8(body).ok()?;
        let mut reader = Reader::from_str(text);
        let mut open: Vec<Node> = vec![Node::default()];
        loop {
            match reader.read_event().ok()? {
                Event::Start(tag) => open.push(Node { name: local(tag.local_name().as_ref()), ..Node::default() }),
                Event::Empty(tag) => {
                    let node = Node { name: local(tag.local_name().as_ref()), ..Node::default() };
                    open.last_mut()?.children.push(node);
                }
                Event::Text(bytes) => open.last_mut()?.text.push_str(&bytes),
                Event::CData(bytes) => open.last_mut()?.text.push_str(&bytes),
                Event::GeneralRef(reference) => {
                    let resolved = match reference.resolve_char_ref().ok()? {
                        Some(c) => c.to_string(),
                        None => named(&reference)?.to_owned(),
                    };
                    open.last_mut()?.text.push_str(&resolved);
                }
                Event::End(_) => {
                    let done = open.pop()?;
                    open.last_mut()?.children.push(done);
                }
                Event::Eof => break,
                _ => {}
            }
        }
        if open.len() != 1 {
            return None;
        }
        open.pop()?.children.into_iter().next()
    }

    /// The first child of that name.
    pub(crate) fn child(&self, name: &str) -> Option<&Node> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The text of the first child of that name.
    pub(crate) fn text_of(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| child.text.as_str())
    }

    /// All children of that name.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Node> {
        self.children.iter().filter(move |child| child.name == name)
    }
}

fn local(name: &str) -> String {
    name.to_owned()
}

fn named(entity: &str) -> Option<&'static str> {
    Some(match entity {
        "amp" => "&",
        "lt" => "<",
        "gt" => ">",
        "quot" => "\"",
        "apos" => "'",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_nested_elements_entities_and_namespaces() {
        let node =
            Node::parse(b"<?xml version=\"1.0\"?><a:Delete xmlns:a=\"x\"><Object><Key>a&amp;b&#10;c</Key></Object><Quiet/></a:Delete>")
                .unwrap();
        assert_eq!(node.name, "Delete");
        assert_eq!(node.child("Object").unwrap().text_of("Key"), Some("a&b\nc"));
        assert_eq!(node.text_of("Quiet"), Some(""));
    }

    #[test]
    fn refuses_what_is_not_well_formed() {
        for body in [&b"<a><b></a>"[..], b"<a>", b"", b"plain"] {
            assert_eq!(Node::parse(body), None, "{body:?}");
        }
    }
}
