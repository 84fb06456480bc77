//! The pages that a Terraform registry shows, made of the declarations and the examples: nothing in them is written twice.
//!
//! Layout and headings are those that registries read and that readers know from other providers: `index.md`, `resources/`, `data-sources/`
//! and `functions/`.

use std::collections::BTreeMap;

use spawn_model::field::{Change, Field, Kind, Presence};

use crate::SpawnProvider;
use crate::wire::{DataSource, Function, Identity, Provider, Resource};

/// What names begin with.
const PREFIX: &str = "spawn_";

/// Every page by its path below `docs/`. `example` gives the text of an example by its folder.
pub fn pages(example: impl Fn(&str) -> String) -> BTreeMap<String, String> {
    let provider = SpawnProvider::default();
    let resources = provider.resources().iter().map(|it| (format!("resources/{}.md", bare(it.type_name())), resource(&**it, &example)));
    let sources = provider.data_sources().iter().map(|it| (format!("data-sources/{}.md", bare(it.type_name())), source(&**it, &example)));
    let functions = provider.functions().iter().map(|it| (format!("functions/{}.md", it.name()), function(&**it, &example)));
    resources.chain(sources).chain(functions).chain([("index.md".to_owned(), index(&provider, &example))]).collect()
}

fn bare(type_name: &str) -> &str {
    type_name.strip_prefix(PREFIX).unwrap_or(type_name)
}

fn index(provider: &SpawnProvider, example: &impl Fn(&str) -> String) -> String {
    let text = example("job-array");
    let used = blocks(&text).into_iter().skip(1).take(3).collect::<Vec<_>>().join("\n\n");
    let schema = Schema { fields: provider.schema(), tells_changes: false }.text();
    page("spawn Provider", provider.doc(), &used, &schema)
}

fn resource(resource: &dyn Resource, example: &impl Fn(&str) -> String) -> String {
    let name = resource.type_name();
    let text = example(&bare(name).replace('_', "-"));
    let used = blocks(&text).into_iter().filter(|block| !is_preamble(block)).collect::<Vec<_>>().join("\n\n");
    let schema = Schema { fields: resource.fields(), tells_changes: true }.text();
    let import = format!(
        "\n## Import\n\nBy name, or by id:\n\n```terraform\nimport {{\n  to = {name}.it\n  id = \"NAME\"\n}}\n```\n\n```shell\nterraform import \
         {name}.it NAME\n```\n"
    );
    let identity = resource.identity().map(|identity| by_identity(name, identity)).unwrap_or_default();
    page(&format!("{name} (Resource)"), resource.doc(), &used, &(schema + &import + &identity))
}

/// How an object is imported by its identity: with what import needs of it.
fn by_identity(name: &str, identity: &Identity) -> String {
    let needed = identity.fields.iter().filter(|field| field.presence == Presence::Required);
    let written: String = needed.map(|field| format!("    {} = \"{}\"\n", field.name, field.name.to_uppercase())).collect();
    let schema = grouped(identity.fields, "", false, "#### ");
    format!(
        "\nBy identity, with Terraform 1.12 or later:\n\n```terraform\nimport {{\n  to = {name}.it\n  identity = {{\n{written}  }}\n}}\n```\n\n\
         ### Identity Schema\n{schema}"
    )
}

fn source(source: &dyn DataSource, example: &impl Fn(&str) -> String) -> String {
    let name = source.type_name();
    let (text, declared, read) = (example("data"), format!("data \"{name}\""), format!("data.{name}."));
    let used = of(&text, |block| block.contains(&declared) || block.contains(&read));
    let schema = Schema { fields: source.fields(), tells_changes: false }.text();
    page(&format!("{name} (Data Source)"), source.doc(), &used, &schema)
}

fn function(function: &dyn Function, example: &impl Fn(&str) -> String) -> String {
    let name = function.name();
    let call = format!("provider::spawn::{name}(");
    let texts = [example("functions"), example("slurm")];
    let used = texts.iter().map(|text| of(text, |block| block.contains(&call))).find(|used| !used.is_empty()).unwrap_or_default();
    let parameters: Vec<String> =
        function.parameters().iter().map(|parameter| format!("{} {}", parameter.name, type_name(&parameter.kind).to_lowercase())).collect();
    let arguments: String =
        function.parameters().iter().map(|it| format!("1. `{}` ({}) {}\n", it.name, type_name(&it.kind), flat(it.doc))).collect();
    let returns = match function.returns() {
        Kind::Object(fields) => {
            let mut text = format!("\n## Return Type\n\nAn object:\n\n{}", lines(fields.iter(), "", false));
            Schema { fields, tells_changes: false }.nested(fields, "", &mut text);
            text
        }
        kind => format!("\n## Return Type\n\n{}\n", type_name(&kind)),
    };
    let title = format!("{name} (Function)");
    format!(
        "{}# function: {name}\n\n{}\n\n{}## Signature\n\n```text\n{name}({}) {}\n```\n\n## Arguments\n\n{arguments}{returns}",
        head(&title, function.summary()),
        function.doc().trim(),
        usage(&used),
        parameters.join(", "),
        type_name(&function.returns()).to_lowercase()
    )
}

fn page(title: &str, doc: &str, used: &str, rest: &str) -> String {
    format!("{}# {title}\n\n{}\n\n{}{rest}", head(title, doc), doc.trim(), usage(used))
}

/// What a registry reads of a page.
fn head(title: &str, doc: &str) -> String {
    let first = flat(doc.trim().split("\n\n").next().unwrap_or_default());
    format!("---\npage_title: \"{title}\"\nsubcategory: \"\"\ndescription: |-\n  {first}\n---\n\n")
}

fn usage(used: &str) -> String {
    if used.is_empty() { String::new() } else { format!("## Example Usage\n\n```terraform\n{used}\n```\n\n") }
}

fn flat(doc: &str) -> String {
    doc.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The blocks of a configuration: what empty lines outside of braces part.
fn blocks(text: &str) -> Vec<String> {
    let (mut blocks, mut block, mut depth) = (Vec::new(), Vec::new(), 0_usize);
    for line in text.lines() {
        if line.trim().is_empty() && depth == 0 {
            blocks.extend((!block.is_empty()).then(|| std::mem::take(&mut block).join("\n")));
            continue;
        }
        depth += line.matches('{').count();
        depth = depth.saturating_sub(line.matches('}').count());
        block.push(line);
    }
    blocks.extend((!block.is_empty()).then(|| block.join("\n")));
    blocks
}

/// What every configuration begins with.
fn is_preamble(block: &str) -> bool {
    block.starts_with("terraform {") || block.starts_with("provider \"")
}

fn of(text: &str, is_meant: impl Fn(&str) -> bool) -> String {
    blocks(text).into_iter().filter(|block| is_meant(block)).collect::<Vec<_>>().join("\n\n")
}

/// A block's fields, as a page shows them.
struct Schema {
    fields: &'static [Field],
    tells_changes: bool,
}

impl Schema {
    fn text(&self) -> String {
        let mut text = format!("## Schema\n{}", grouped(self.fields, "", self.tells_changes, "### "));
        self.nested(self.fields, "", &mut text);
        text
    }

    /// The fields of objects, each below a heading of its own.
    fn nested(&self, fields: &'static [Field], path: &str, text: &mut String) {
        for field in fields {
            let Some(inner) = object(&field.kind) else { continue };
            let (path, title) =
                (format!("{path}--{}", field.name), format!("{path}--{}", field.name).trim_start_matches("--").replace("--", "."));
            text.push_str(&format!("\n<a id=\"nestedatt{path}\"></a>\n### Nested Schema for `{title}`\n"));
            text.push_str(&grouped(inner, &path, self.tells_changes, ""));
            self.nested(inner, &path, text);
        }
    }
}

fn object(kind: &Kind) -> Option<&'static [Field]> {
    match kind {
        Kind::Object(fields) | Kind::List(Kind::Object(fields)) | Kind::Map(Kind::Object(fields)) => Some(fields),
        _ => None,
    }
}

/// Fields by who writes them.
fn grouped(fields: &'static [Field], path: &str, tells_changes: bool, heading: &str) -> String {
    let group = |title: &str, is_in: fn(Presence) -> bool| {
        let lines = lines(fields.iter().filter(|field| is_in(field.presence)), path, tells_changes);
        let colon = if heading.is_empty() { ":" } else { "" };
        if lines.is_empty() { String::new() } else { format!("\n{heading}{title}{colon}\n\n{lines}") }
    };
    [
        group("Required", |presence| presence == Presence::Required),
        group("Optional", |presence| !matches!(presence, Presence::Required | Presence::Computed)),
        group("Read-Only", |presence| presence == Presence::Computed),
    ]
    .concat()
}

fn lines<'f>(fields: impl Iterator<Item = &'f Field>, path: &str, tells_changes: bool) -> String {
    fields.map(|field| format!("- {}\n", line(field, path, tells_changes))).collect()
}

fn line(field: &Field, path: &str, tells_changes: bool) -> String {
    let mut traits = vec![type_name(&field.kind)];
    traits.extend((field.sensitive && field.presence != Presence::WriteOnly).then(|| "Sensitive".to_owned()));
    traits.extend((field.presence == Presence::WriteOnly).then(|| "Write-only".to_owned()));
    let mut text = format!("`{}` ({}) {}", field.name, traits.join(", "), flat(field.doc));
    if let Presence::Default(default) = field.presence
        && default != "{}"
    {
        text.push_str(&format!(" Default: `{default}`."));
    }
    if tells_changes && field.presence != Presence::Computed {
        text.push_str(match field.change {
            Change::Replace => " Changing it makes another one in its place.",
            Change::Rerun => " Changing it runs it again.",
            Change::InPlace => "",
        });
    }
    if object(&field.kind).is_some() {
        text.push_str(&format!(" (see [below for nested schema](#nestedatt{path}--{}))", field.name));
    }
    text
}

/// A type as HCL's users know it.
fn type_name(kind: &Kind) -> String {
    match kind {
        Kind::Bool => "Boolean".to_owned(),
        Kind::Int | Kind::Float => "Number".to_owned(),
        Kind::String | Kind::Duration => "String".to_owned(),
        Kind::Object(_) => "Attributes".to_owned(),
        Kind::List(Kind::Object(_)) => "Attributes List".to_owned(),
        Kind::Map(Kind::Object(_)) => "Attributes Map".to_owned(),
        Kind::List(inner) => format!("List of {}", type_name(inner)),
        Kind::Map(inner) => format!("Map of {}", type_name(inner)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_is_parted_where_no_block_is_open() {
        let text = "# About.\n\nterraform {\n  a = {}\n\n  b = 1\n}\n\n\n# Of it.\nresource \"x\" \"y\" {\n}\n";
        let expected = ["# About.", "terraform {\n  a = {}\n\n  b = 1\n}", "# Of it.\nresource \"x\" \"y\" {\n}"];
        assert_eq!(blocks(text), expected);
    }
}
