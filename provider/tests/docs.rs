//! The pages for registries are what declarations and examples say.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use spawn_model::field::Presence;
use spawn_provider::wire::Provider;
use spawn_provider::{SpawnProvider, docs};

/// The folders of pages that are made, and nothing else lies in them.
const FOLDERS: [&str; 3] = ["data-sources", "functions", "resources"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the provider is in the repository").to_owned()
}

fn example(folder: &str) -> String {
    let file = root().join("examples").join(folder).join("main.tf");
    std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

#[test]
fn every_page_is_what_declarations_and_examples_say() {
    let (directory, pages) = (root().join("docs"), docs::pages(example));
    if std::env::var_os("SPAWN_WRITE_DOCS").is_some() {
        write(&directory, &pages);
    }
    let again = "write them again: cargo xtask docs";
    let wanted: BTreeSet<String> = pages.keys().filter(|path| path.contains('/')).cloned().collect();
    assert_eq!(there(&directory), wanted, "{again}");
    for (path, page) in pages {
        let there = std::fs::read_to_string(directory.join(&path)).unwrap_or_default();
        assert!(there == page, "docs/{path} is not what declarations and examples say; {again}");
    }
}

fn write(directory: &Path, pages: &BTreeMap<String, String>) {
    for folder in FOLDERS {
        drop(std::fs::remove_dir_all(directory.join(folder)));
        std::fs::create_dir_all(directory.join(folder)).expect("a folder");
    }
    pages.iter().for_each(|(path, page)| std::fs::write(directory.join(path), page).expect("a page"));
}

fn there(directory: &Path) -> BTreeSet<String> {
    let in_folder = |folder: &&str| -> Vec<String> {
        let entries = std::fs::read_dir(directory.join(folder)).into_iter().flatten().flatten();
        entries.map(|entry| format!("{folder}/{}", entry.file_name().to_string_lossy())).collect()
    };
    FOLDERS.iter().flat_map(in_folder).collect()
}

#[test]
fn every_page_shows_how_it_is_used_and_every_field() {
    for (path, page) in docs::pages(example) {
        assert!(page.contains("## Example Usage\n\n```terraform\n"), "{path} shows no example");
        assert!(!page.contains("required_providers") || path == "index.md", "{path} shows what every configuration begins with");
        // A page that a registry cuts is of no use (Terraform registry, "Provider documentation": 500 KB).
        assert!(page.len() < 500_000, "{path} has {} bytes", page.len());
        let links = page.matches("(#nestedatt").count();
        assert_eq!(links, page.matches("<a id=\"nestedatt").count(), "{path}: as many nested schemas as links to them");
    }
}

#[test]
fn every_resource_shows_what_import_needs_of_its_identity() {
    let pages = docs::pages(example);
    for resource in SpawnProvider::default().resources() {
        let name = resource.type_name();
        let page = &pages[&format!("resources/{}.md", name.trim_start_matches("spawn_"))];
        let (_, import) = page.split_once("\n## Import\n").unwrap_or_else(|| panic!("{name} shows no import"));
        let block = format!("with Terraform 1.12 or later:\n\n```terraform\nimport {{\n  to = {name}.it\n  identity = {{\n");
        assert!(import.contains(&block), "{name} shows no import by identity: {import}");
        for field in resource.identity().expect("an identity").fields {
            let is_written = import.contains(&format!("\n    {} = \"", field.name));
            assert_eq!(is_written, field.presence == Presence::Required, "{name}: {}", field.name);
            assert!(import.contains(&format!("\n- `{}` (String) {}", field.name, field.doc)), "{name}: {} is not explained", field.name);
        }
    }
}
