//! Where in a file something was written: YAML's reader keeps no lines.

use spawn_model::problem::{Path, Step};

/// A line of block YAML.
struct Line<'t> {
    number: usize,
    indent: usize,
    text: &'t str,
}

/// The line, from 1 on, on which the value at a path is written; that of the nearest one above it if it has none of its own.
pub(crate) fn line_of(text: &str, path: &Path) -> usize {
    let mut lines: Vec<Line<'_>> = text.lines().enumerate().filter_map(|(at, line)| read(at + 1, line)).collect();
    let mut found = 1;
    for step in &path.0 {
        let at = match step {
            Step::Key(name) => entry(&lines, name),
            Step::Index(index) => item(&lines, *index),
        };
        let Some(at) = at else { break };
        found = lines[at].number;
        lines = below(lines, at);
    }
    found
}

/// The line, from 1 on, on which the only entry of this name begins, however deep; nothing if there are several, or none.
pub(crate) fn only_line_of(text: &str, name: &str) -> Option<usize> {
    let mut found = text.lines().enumerate().filter(|(_, line)| is_entry(line.trim_start(), name)).map(|(at, _)| at + 1);
    let line = found.next()?;
    found.next().is_none().then_some(line)
}

fn read(number: usize, line: &str) -> Option<Line<'_>> {
    let text = line.trim_start();
    let says = !text.is_empty() && !text.starts_with('#') && !text.starts_with("---");
    says.then_some(Line { number, indent: line.len() - text.len(), text })
}

fn is_entry(text: &str, name: &str) -> bool {
    let rest = text.strip_prefix(name).or_else(|| {
        let quoted = text.strip_prefix(['"', '\''])?.strip_prefix(name)?;
        quoted.strip_prefix(['"', '\''])
    });
    rest.is_some_and(|rest| rest.strip_prefix(':').is_some_and(|value| value.is_empty() || value.starts_with(char::is_whitespace)))
}

/// The entry of a mapping, whose own entries are those that stand as far left as its first.
fn entry(lines: &[Line<'_>], name: &str) -> Option<usize> {
    let indent = lines.first()?.indent;
    lines.iter().position(|line| line.indent == indent && is_entry(line.text, name))
}

/// The item of a sequence.
fn item(lines: &[Line<'_>], index: usize) -> Option<usize> {
    let indent = lines.first()?.indent;
    lines.iter().enumerate().filter(|(_, line)| line.indent == indent && is_item(line)).map(|(at, _)| at).nth(index)
}

fn is_item(line: &Line<'_>) -> bool {
    line.text == "-" || line.text.starts_with("- ")
}

/// What is written below an entry or an item; what stands behind the `-` of an item is the first of it.
fn below<'t>(lines: Vec<Line<'t>>, at: usize) -> Vec<Line<'t>> {
    let mut lines = lines.into_iter().skip(at);
    let Some(head) = lines.next() else { return Vec::new() };
    let is_of_item = is_item(&head);
    let behind = is_of_item.then(|| head.text[1..].trim_start()).filter(|text| !text.is_empty());
    let first = behind.map(|text| Line { number: head.number, indent: head.indent + head.text.len() - text.len(), text });
    // The items of an entry may stand as far left as the entry itself.
    let rest = lines.take_while(|line| line.indent > head.indent || (!is_of_item && line.indent == head.indent && is_item(line)));
    first.into_iter().chain(rest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# a fleet
name: tests

lease:
  # not long
  ttl: 5 parsecs
  idle: {after: 10m}
instance_types:
- c7i.large
- 'c7a'
files:
  run.sh: |
    ttl: this is no field
    size: 0
  \"a b\": x
volumes:
  /dev/sdf:
    size_gib: 0
hooks:
  - command: [a]
    timeout: 1s
  -
    timeout: 0s
size: 0
";

    #[test]
    fn values_are_found_where_they_are_written() {
        let key = |names: &[&str]| names.iter().fold(Path::default(), |path, name| path.key(name));
        for (path, line) in [
            (Path::default(), 1),
            (key(&["name"]), 2),
            (key(&["lease", "ttl"]), 6),
            // It has no line of its own.
            (key(&["lease", "idle", "after"]), 7),
            (key(&["instance_types"]), 8),
            (key(&["instance_types"]).index(1), 10),
            (key(&["instance_types"]).index(2), 8),
            (key(&["files", "run.sh"]), 12),
            (key(&["files", "a b"]), 15),
            (key(&["volumes", "/dev/sdf", "size_gib"]), 18),
            (key(&["hooks"]).index(0).key("timeout"), 21),
            (key(&["hooks"]).index(0).key("command"), 20),
            (key(&["hooks"]).index(1).key("timeout"), 23),
            (key(&["size"]), 24),
            (key(&["nothing"]), 1),
        ] {
            assert_eq!(line_of(TEXT, &path), line, "{path}");
        }
        assert_eq!(line_of("", &key(&["size"])), 1);
    }

    #[test]
    fn an_entry_that_is_there_once_is_found_anywhere() {
        let workflow = "on: push\njobs:\n  one:\n    steps:\n      - uses: spawn\n        with:\n          ttl: 5 parsecs\n          size: 1\n  two:\n    size: 2\n";
        assert_eq!(only_line_of(workflow, "ttl"), Some(7));
        assert_eq!((only_line_of(workflow, "size"), only_line_of(workflow, "budget")), (None, None));
    }
}
