//! Documents: kept by version, checked when they are written.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::automation;
use crate::checksums::sha256_hex;
use crate::json::{read, validation};
use crate::protocol::{Failure, Request};
use crate::times::epoch;

use super::filters::Filter;
use super::paging::paged;
use super::{Ssm, Tag, tag_map};

#[derive(Debug)]
pub(super) struct Document {
    pub(super) versions: BTreeMap<u64, Version>,
    pub(super) default: u64,
    created: Timestamp,
    pub(super) tags: BTreeMap<String, String>,
    target_type: Option<String>,
}

#[derive(Debug)]
pub(super) struct Version {
    content: String,
    pub(super) parsed: automation::Document,
    name: Option<String>,
    created: Timestamp,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Create {
    content: String,
    name: String,
    document_type: Option<String>,
    document_format: Option<String>,
    version_name: Option<String>,
    target_type: Option<String>,
    #[serde(default)]
    tags: Vec<Tag>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Update {
    content: String,
    name: String,
    document_format: Option<String>,
    document_version: Option<String>,
    version_name: Option<String>,
    target_type: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Get {
    name: String,
    document_version: Option<String>,
    version_name: Option<String>,
    document_format: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct SetDefault {
    name: String,
    document_version: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Delete {
    name: String,
    #[serde(default)]
    force: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct List {
    #[serde(default)]
    filters: Vec<Filter>,
    max_results: Option<usize>,
    next_token: Option<String>,
}

impl Document {
    /// A version by number, `$LATEST`, `$DEFAULT`, or the default.
    pub(super) fn version(&self, which: Option<&str>) -> Option<(u64, &Version)> {
        let number = match which {
            None | Some("$DEFAULT") => self.default,
            Some("$LATEST") => *self.versions.last_key_value()?.0,
            Some(text) => text.parse().ok()?,
        };
        self.versions.get(&number).map(|version| (number, version))
    }

    fn describe(&self, name: &str, number: u64, account: &str) -> Option<Value> {
        let version = self.versions.get(&number)?;
        let latest = self.versions.last_key_value().map_or(number, |(last, _)| *last);
        let parameters: Vec<Value> = version.parsed.parameters.iter().map(|(name, parameter)| parameter.describe(name)).collect();
        let mut entry = json!({
            "Name": name, "Owner": account, "CreatedDate": epoch(version.created), "Status": "Active",
            "DocumentVersion": number.to_string(), "DefaultVersion": self.default.to_string(), "LatestVersion": latest.to_string(),
            "Hash": sha256_hex(version.content.as_bytes()), "HashType": "Sha256", "Description": version.parsed.description,
            "Parameters": parameters, "PlatformTypes": ["Windows", "Linux", "MacOS"], "DocumentType": "Automation",
            "SchemaVersion": "0.3", "DocumentFormat": "JSON",
            "Tags": self.tags.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect::<Vec<_>>(),
        });
        if let Some(kind) = &self.target_type {
            entry["TargetType"] = kind.as_str().into();
        }
        if let Some(label) = &version.name {
            entry["VersionName"] = label.as_str().into();
        }
        Some(entry)
    }
}

impl Ssm {
    pub(super) fn create_document(&self, request: &Request) -> Result<Value, Failure> {
        let asked: Create = read(request)?;
        if asked.document_type.as_deref() != Some("Automation") {
            return Err(Failure::gap(format!("document type {} of ssm", asked.document_type.unwrap_or_else(|| "Command".to_owned()))));
        }
        check_format(asked.document_format.as_deref())?;
        check_name(&asked.name)?;
        let version = version(asked.content, asked.version_name, request)?;
        let mut state = self.lock();
        let key = (request.region.clone(), asked.name.clone());
        if state.documents.contains_key(&key) {
            return Err(Failure::new(400, "DocumentAlreadyExists", "Document with same name already exists"));
        }
        let document = Document {
            versions: BTreeMap::from([(1, version)]),
            default: 1,
            created: request.now,
            tags: tag_map(asked.tags),
            target_type: asked.target_type,
        };
        let answer = document.describe(&asked.name, 1, &self.account);
        state.documents.insert(key, document);
        Ok(json!({"DocumentDescription": answer}))
    }

    pub(super) fn get_document(&self, request: &Request) -> Result<Value, Failure> {
        let asked: Get = read(request)?;
        check_format(asked.document_format.as_deref())?;
        self.with_version(request, &asked, |_, number, version| {
            Some(json!({
                "Name": asked.name, "DocumentVersion": number.to_string(), "Status": "Active", "Content": version.content,
                "DocumentType": "Automation", "DocumentFormat": "JSON", "CreatedDate": epoch(version.created),
            }))
        })
    }

    pub(super) fn describe_document(&self, request: &Request) -> Result<Value, Failure> {
        let asked: Get = read(request)?;
        self.with_version(request, &asked, |document, number, _| {
            Some(json!({"Document": document.describe(&asked.name, number, &self.account)?}))
        })
    }

    fn with_version(
        &self,
        request: &Request,
        asked: &Get,
        work: impl FnOnce(&Document, u64, &Version) -> Option<Value>,
    ) -> Result<Value, Failure> {
        let state = self.lock();
        let document = state.documents.get(&(request.region.clone(), asked.name.clone())).ok_or_else(|| no_such(&asked.name))?;
        let found = match &asked.version_name {
            Some(label) => document.versions.iter().find(|(_, version)| version.name.as_ref() == Some(label)).map(|(n, v)| (*n, v)),
            None => document.version(asked.document_version.as_deref()),
        };
        found.and_then(|(number, version)| work(document, number, version)).ok_or_else(no_version)
    }

    pub(super) fn update_document(&self, request: &Request) -> Result<Value, Failure> {
        let asked: Update = read(request)?;
        check_format(asked.document_format.as_deref())?;
        let version = version(asked.content, asked.version_name, request)?;
        let mut state = self.lock();
        let document = state.documents.get_mut(&(request.region.clone(), asked.name.clone())).ok_or_else(|| no_such(&asked.name))?;
        // Without $LATEST or a number, AWS updates from version 1 and refuses when that is not the latest.
        document.version(asked.document_version.as_deref().or(Some("1"))).ok_or_else(no_version)?;
        if document.versions.values().any(|known| known.content == version.content) {
            return Err(Failure::new(
                400,
                "DuplicateDocumentContent",
                "The content of the association document matches another document. Change the content of the document and try again.",
            ));
        }
        if version.name.is_some() && document.versions.values().any(|known| known.name == version.name) {
            return Err(Failure::new(
                400,
                "DuplicateDocumentVersionName",
                "The version name has already been used in this document. Specify a different version name, and then try again.",
            ));
        }
        let number = document.versions.last_key_value().map_or(1, |(last, _)| last + 1);
        document.versions.insert(number, version);
        if asked.target_type.is_some() {
            document.target_type = asked.target_type;
        }
        Ok(json!({"DocumentDescription": document.describe(&asked.name, number, &self.account)}))
    }

    pub(super) fn update_default_version(&self, request: &Request) -> Result<Value, Failure> {
        let asked: SetDefault = read(request)?;
        let mut state = self.lock();
        let document = state.documents.get_mut(&(request.region.clone(), asked.name.clone())).ok_or_else(|| no_such(&asked.name))?;
        let (number, label) =
            document.version(Some(&asked.document_version)).map(|(n, version)| (n, version.name.clone())).ok_or_else(no_version)?;
        document.default = number;
        let mut answer = json!({"Name": asked.name, "DefaultVersion": number.to_string()});
        if let Some(label) = label {
            answer["DefaultVersionName"] = label.into();
        }
        Ok(json!({"Description": answer}))
    }

    pub(super) fn delete_document(&self, request: &Request) -> Result<Value, Failure> {
        let asked: Delete = read(request)?;
        // Force is for documents AWS shares with others; ours are never shared.
        let _force = asked.force;
        let gone = self.lock().documents.remove(&(request.region.clone(), asked.name.clone()));
        gone.map(|_| json!({})).ok_or_else(|| no_such(&asked.name))
    }

    pub(super) fn list_documents(&self, request: &Request) -> Result<Value, Failure> {
        let asked: List = read(request)?;
        let mut prefixes: Option<Vec<String>> = None;
        for Filter { key, values } in asked.filters {
            match key.as_str() {
                "Name" => prefixes = Some(values),
                "Owner" if values.iter().any(|value| value == "Self") => {}
                "DocumentType" if values == ["Automation"] => {}
                _ => return Err(Failure::gap(format!("filter {key} of ssm ListDocuments"))),
            }
        }
        let state = self.lock();
        let list: Vec<(String, Value)> = state
            .documents
            .iter()
            .filter(|((region, name), _)| *region == request.region && prefixes.as_ref().is_none_or(|list| list.iter().any(|prefix| name.starts_with(prefix))))
            .map(|((_, name), document)| {
                let entry = json!({
                    "Name": name, "CreatedDate": epoch(document.created), "Owner": self.account, "DocumentVersion": document.default.to_string(),
                    "DocumentType": "Automation", "SchemaVersion": "0.3", "DocumentFormat": "JSON",
                    "PlatformTypes": ["Windows", "Linux", "MacOS"],
                    "Tags": document.tags.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect::<Vec<_>>(),
                });
                (name.clone(), entry)
            })
            .collect();
        paged("DocumentIdentifiers", &list, asked.next_token.as_deref(), asked.max_results, 50)
    }
}

fn version(content: String, name: Option<String>, request: &Request) -> Result<Version, Failure> {
    if content.len() > 65_536 {
        return Err(Failure::new(400, "MaxDocumentSizeExceeded", "The size limit of a document is 64 KB."));
    }
    let parsed = automation::Document::parse(&content).map_err(|error| match error {
        automation::ParseError::Invalid(message) => Failure::new(400, "InvalidDocumentContent", message),
        automation::ParseError::Gap(what) => Failure::gap(what),
    })?;
    Ok(Version { content, parsed, name, created: request.now })
}

fn check_format(format: Option<&str>) -> Result<(), Failure> {
    match format {
        None | Some("JSON") => Ok(()),
        Some(other) => Err(Failure::gap(format!("document format {other} of ssm"))),
    }
}

fn check_name(name: &str) -> Result<(), Failure> {
    let valid = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    let lower = name.to_ascii_lowercase();
    let reserved = ["aws", "amazon", "amzn", "amazonec2", "amazonconfigrules", "amazonssm"];
    if !(3..=128).contains(&name.len()) || !name.chars().all(valid) || reserved.iter().any(|prefix| lower.starts_with(prefix)) {
        return Err(validation(format!(
            "1 validation error detected: Value '{name}' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: ^[a-zA-Z0-9_\\-.]{{3,128}}$"
        )));
    }
    Ok(())
}

pub(super) fn no_such(name: &str) -> Failure {
    Failure::new(400, "InvalidDocument", format!("Document with name {name} does not exist."))
}

pub(super) fn no_version() -> Failure {
    Failure::new(400, "InvalidDocumentVersion", "The document version is not valid or does not exist.")
}
