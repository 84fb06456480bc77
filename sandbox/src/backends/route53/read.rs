//! Documents, read strictly: an element nobody takes is a gap.

use crate::protocol::{Failure, Request};
use crate::xml::Node;

use super::invalid_input;

/// Characters of a comment.
const COMMENT_MAX: usize = 256;

/// The elements within one, as long as nobody has taken them.
#[derive(Debug)]
pub(super) struct Fields {
    name: String,
    children: Vec<Node>,
}

impl Fields {
    /// The document of a request, whose root has the operation's name.
    ///
    /// # Errors
    /// `InvalidInput` for anything else.
    pub(super) fn document(request: &Request) -> Result<Self, Failure> {
        let root = format!("{}Request", request.operation);
        let node = Node::parse(&request.body).filter(|node| node.name == root);
        Self::of(node.ok_or_else(|| malformed(&format!("the document is no {root}")))?)
    }

    /// The elements within one.
    ///
    /// # Errors
    /// `InvalidInput` if there is text between them.
    pub(super) fn of(node: Node) -> Result<Self, Failure> {
        if !node.text.trim().is_empty() {
            return Err(malformed(&format!("element '{}' must not have text in it", node.name)));
        }
        Ok(Self { name: node.name, children: node.children })
    }

    /// Takes an element that is there once or not at all.
    fn take(&mut self, name: &str) -> Result<Option<Node>, Failure> {
        match self.all(name).as_mut_slice() {
            [] => Ok(None),
            [node] => Ok(Some(std::mem::take(node))),
            _ => Err(malformed(&format!("element '{name}' of '{}' is there twice", self.name))),
        }
    }

    /// Takes an element with elements in it.
    ///
    /// # Errors
    /// `InvalidInput` if it is there twice.
    pub(super) fn part(&mut self, name: &str) -> Result<Option<Self>, Failure> {
        self.take(name)?.map(Self::of).transpose()
    }

    /// The same of one that must be there.
    pub(super) fn need_part(&mut self, name: &str) -> Result<Self, Failure> {
        self.part(name)?.ok_or_else(|| self.lacks(name))
    }

    /// Takes an element with text in it.
    ///
    /// # Errors
    /// `InvalidInput` if it is there twice, a gap if it has elements in it.
    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>, Failure> {
        let Some(node) = self.take(name)? else { return Ok(None) };
        match node.children.first() {
            Some(child) => Err(unknown(&child.name, name)),
            None => Ok(Some(node.text)),
        }
    }

    /// The same of one that must be there.
    pub(super) fn need(&mut self, name: &str) -> Result<String, Failure> {
        self.text(name)?.ok_or_else(|| self.lacks(name))
    }

    /// Takes a comment.
    pub(super) fn comment(&mut self) -> Result<Option<String>, Failure> {
        let comment = self.text("Comment")?;
        if comment.as_ref().is_some_and(|text| text.chars().count() > COMMENT_MAX) {
            return Err(malformed(&format!("a comment must not have more than {COMMENT_MAX} characters")));
        }
        Ok(comment)
    }

    /// Takes all elements of a name.
    pub(super) fn all(&mut self, name: &str) -> Vec<Node> {
        let (taken, left): (Vec<Node>, Vec<Node>) = std::mem::take(&mut self.children).into_iter().partition(|node| node.name == name);
        self.children = left;
        taken
    }

    /// Refuses what nobody took.
    ///
    /// # Errors
    /// A gap that names the element.
    pub(super) fn finish(self) -> Result<(), Failure> {
        match self.children.first() {
            Some(child) => Err(unknown(&child.name, &self.name)),
            None => Ok(()),
        }
    }

    fn lacks(&self, name: &str) -> Failure {
        malformed(&format!("element '{name}' of '{}' is missing", self.name))
    }
}

fn unknown(element: &str, of: &str) -> Failure {
    Failure::gap(format!("route53 element {element} of {of}"))
}

/// AWS's beginning; how its reader of XML goes on is its own affair.
fn malformed(what: &str) -> Failure {
    invalid_input(format!("Invalid XML ; {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(text: &str) -> Fields {
        Fields::of(Node::parse(text.as_bytes()).unwrap()).unwrap()
    }

    #[test]
    fn every_element_is_taken_once() {
        let mut whole = fields("<R><A>a</A><L><M>1</M> <M>2</M></L></R>");
        assert_eq!(whole.need("A"), Ok("a".to_owned()));
        assert_eq!(whole.text("A"), Ok(None));
        assert_eq!(whole.need("A").unwrap_err().code, "InvalidInput");
        let mut list = whole.need_part("L").unwrap();
        assert_eq!(list.all("M").len(), 2);
        assert_eq!((list.finish(), whole.finish()), (Ok(()), Ok(())));
    }

    #[test]
    fn what_nobody_takes_is_a_gap() {
        assert_eq!(fields("<R><A/></R>").finish().unwrap_err().gap.as_deref(), Some("route53 element A of R"));
        assert_eq!(fields("<R><A><B/></A></R>").text("A").unwrap_err().gap.as_deref(), Some("route53 element B of A"));
        assert_eq!(fields("<R><A>1</A><A>2</A></R>").text("A").unwrap_err().code, "InvalidInput");
        assert_eq!(fields("<R><A>1</A></R>").part("A").unwrap_err().code, "InvalidInput");
    }
}
