//! Every error code of ours is declared, is used, and has a page; the pages are what the declarations say.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use regex_lite::Regex;
use spawn_core::classes;
use spawn_model::codes;

/// What makes errors.
const SOURCES: &[&str] = &["engine/model/src", "engine/core/src", "engine/aws/src", "provider/src", "cli-shim/src", "action/src"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is in the repository").to_owned()
}

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).expect("a directory of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The codes that the sources write, each with the classes it is written with. Tests write what they like.
fn written() -> BTreeMap<String, BTreeSet<String>> {
    let made = Regex::new(r#"(?:Error|Self)::new\(\s*(?:[\w:]*::)?(\w+),\s*"([A-Za-z]+)""#).expect("a pattern");
    let named = Regex::new(r#"const [A-Z_]+: &str = "([A-Z][a-z]+[A-Za-z]*)";|code: "([A-Z][A-Za-z]+)"\.to_owned\(\)"#).expect("a pattern");
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut files = Vec::new();
    SOURCES.iter().for_each(|source| sources(&root().join(source), &mut files));
    for file in files.iter().filter(|file| {
        !file.components().any(|part| part.as_os_str() == "codes" || part.as_os_str() == "codes.rs")
            && !file.components().any(|part| part.as_os_str() == "tests.rs")
    }) {
        let text = std::fs::read_to_string(file).expect("a source");
        let text = text.split("#[cfg(test)]").next().unwrap_or_default();
        for made in made.captures_iter(text) {
            found.entry(made[2].to_owned()).or_default().insert(made[1].to_owned());
        }
        for named in named.captures_iter(text) {
            let code = named.get(1).or_else(|| named.get(2)).map_or("", |code| code.as_str());
            if codes::find(code).is_some() {
                found.entry(code.to_owned()).or_default();
            }
        }
    }
    found
}

#[test]
fn every_code_is_declared_with_its_classes_and_used() {
    let written = written();
    assert!(written.len() > 20, "the sources write {} codes: the pattern no longer fits", written.len());
    let of_aws: BTreeSet<&str> = classes::listed().map(|(_, code)| code).collect();
    let mut wrong = Vec::new();
    for (code, classes) in &written {
        let Some(declared) = codes::find(code) else {
            if !of_aws.contains(code.as_str()) {
                wrong.push(format!("{code} {classes:?} is neither declared in engine/model/src/codes.rs nor one of AWS's"));
            }
            continue;
        };
        let declared: BTreeSet<String> = declared.classes.iter().map(|class| format!("{class:?}")).collect();
        // Where the class is worked out, the name of a variable stands in its place.
        let undeclared: Vec<&String> =
            classes.iter().filter(|class| class.starts_with(char::is_uppercase) && !declared.contains(*class)).collect();
        if !undeclared.is_empty() {
            wrong.push(format!("{code} is made with {undeclared:?}, and declared with {declared:?}"));
        }
    }
    wrong.extend(
        codes::all().filter(|code| !written.contains_key(code.name)).map(|code| format!("{} is declared and never made", code.name)),
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Every page by its name.
fn pages() -> BTreeMap<String, String> {
    let own = codes::all().map(|code| (format!("{}.md", code.name), code.page()));
    own.chain([("README.md".to_owned(), index())]).collect()
}

fn index() -> String {
    let mut page = "# Errors\n\nEvery error has a code, which stays the same from version to version, and a class, which decides whether spawn asks again\nby itself and what the exit code of the command is.\n\n| code | class | what has happened |\n|---|---|---|\n".to_owned();
    for code in codes::all() {
        let classes: Vec<String> = code.classes.iter().map(|class| format!("{class:?}")).collect();
        let first = code.meaning.split_inclusive(". ").next().unwrap_or_default().trim();
        page.push_str(&format!("| [{0}]({0}.md) | {1} | {first} |\n", code.name, classes.join(", ")));
    }
    page.push_str("\n## AWS's own codes\n\nThey keep their names. The class of one that is not listed follows from its form (`….NotFound`, `…LimitExceeded`), then from\nthe HTTP status.\n\n| class | codes |\n|---|---|\n");
    let mut by_class: Vec<(String, Vec<&str>)> = Vec::new();
    for (class, code) in classes::listed() {
        let class = format!("{class:?}");
        match by_class.last_mut() {
            Some((last, codes)) if *last == class => codes.push(code),
            _ => by_class.push((class, vec![code])),
        }
    }
    for (class, codes) in by_class {
        page.push_str(&format!("| {class} | {} |\n", codes.join(", ")));
    }
    page
}

#[test]
fn every_code_has_the_page_that_its_declaration_says() {
    let directory = root().join("docs/errors");
    let pages = pages();
    if std::env::var_os("SPAWN_WRITE_DOCS").is_some() {
        drop(std::fs::remove_dir_all(&directory));
        std::fs::create_dir_all(&directory).expect("docs/errors");
        pages.iter().for_each(|(name, page)| std::fs::write(directory.join(name), page).expect("a page"));
    }
    let there: BTreeSet<String> = std::fs::read_dir(&directory)
        .expect("docs/errors")
        .map(|entry| entry.expect("a page").file_name().to_string_lossy().into_owned())
        .collect();
    let wanted: BTreeSet<String> = pages.keys().cloned().collect();
    let again = "write them again: cargo xtask docs";
    assert_eq!(there, wanted, "{again}");
    for (name, page) in pages {
        let there = std::fs::read_to_string(directory.join(&name)).expect("a page");
        assert!(there == page, "docs/errors/{name} is not what the declaration says; {again}");
    }
}
