//! Parameter Store.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::json::{read, validation};
use crate::protocol::{Failure, Request};
use crate::times::epoch;

use super::paging::paged;
use super::{Ssm, Tag, tag_map};

/// Characters of a standard parameter.
const MOST: usize = 4_096;

#[derive(Debug)]
pub(super) struct Parameter {
    kind: String,
    value: String,
    pub(super) version: u64,
    modified: Timestamp,
    description: Option<String>,
    data_type: String,
    pub(super) tags: BTreeMap<String, String>,
    public: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Get {
    name: String,
    with_decryption: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct GetMany {
    names: Vec<String>,
    with_decryption: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct ByPath {
    path: String,
    #[serde(default)]
    recursive: bool,
    with_decryption: Option<bool>,
    max_results: Option<usize>,
    next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Put {
    name: String,
    value: String,
    #[serde(rename = "Type")]
    kind: Option<String>,
    description: Option<String>,
    #[serde(default)]
    overwrite: bool,
    #[serde(default)]
    tags: Vec<Tag>,
    tier: Option<String>,
    data_type: Option<String>,
    allowed_pattern: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Delete {
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct DeleteMany {
    names: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Describe {
    #[serde(default)]
    parameter_filters: Vec<Filter>,
    max_results: Option<usize>,
    next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Filter {
    key: String,
    option: Option<String>,
    #[serde(default)]
    values: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Tagging {
    resource_type: String,
    resource_id: String,
    #[serde(default)]
    tags: Vec<Tag>,
}

impl Parameter {
    /// One of AWS's own.
    pub(super) fn public(value: String, modified: Timestamp) -> Self {
        Self {
            kind: "String".to_owned(),
            value,
            version: 1,
            modified,
            description: None,
            data_type: "aws:ec2:image".to_owned(),
            tags: BTreeMap::new(),
            public: true,
        }
    }

    pub(super) fn is_public(&self) -> bool {
        self.public
    }

    fn render(&self, name: &str, region: &str, account: &str, decrypt: bool) -> Value {
        // Not a cipher, but not the secret either: a client that forgets to ask for decryption must notice.
        let value = if self.kind == "SecureString" && !decrypt {
            crate::checksums::sha256_hex(format!("{account}{name}{}", self.value).as_bytes())
        } else {
            self.value.clone()
        };
        let owner = if self.public { "" } else { account };
        json!({
            "Name": name, "Type": self.kind, "Value": value, "Version": self.version,
            "LastModifiedDate": epoch(self.modified), "DataType": self.data_type,
            "ARN": format!("arn:aws:ssm:{region}:{owner}:parameter{}{name}", if name.starts_with('/') { "" } else { "/" }),
        })
    }
}

impl Ssm {
    pub(super) fn get_parameter(&self, request: &Request) -> Result<Value, Failure> {
        let asked: Get = read(request)?;
        let found = self.parameter(request, &asked.name, asked.with_decryption.unwrap_or(false));
        found.map(|parameter| json!({"Parameter": parameter})).ok_or_else(not_found)
    }

    /// Name, ARN, or either with `:version`.
    fn parameter(&self, request: &Request, selector: &str, decrypt: bool) -> Option<Value> {
        let name = match selector.split_once(":parameter") {
            Some((_, rest)) if selector.starts_with("arn:") => rest,
            _ => selector,
        };
        let (name, version) = match name.rsplit_once(':') {
            Some((name, version)) => (name, Some(version.parse::<u64>().ok()?)),
            None => (name, None),
        };
        let state = self.lock();
        let parameter = state.parameters.get(&(request.region.clone(), name.to_owned()))?;
        if version.is_some_and(|version| version != parameter.version) {
            return None;
        }
        Some(parameter.render(name, &request.region, &self.account, decrypt))
    }

    pub(super) fn get_parameters(&self, request: &Request) -> Result<Value, Failure> {
        let asked: GetMany = read(request)?;
        if asked.names.is_empty() || asked.names.len() > 10 {
            return Err(validation(
                "1 validation error detected: Value at 'names' failed to satisfy constraint: Member must have length between 1 and 10",
            ));
        }
        let (mut found, mut invalid) = (Vec::new(), Vec::new());
        for name in asked.names {
            match self.parameter(request, &name, asked.with_decryption.unwrap_or(false)) {
                Some(parameter) => found.push(parameter),
                None => invalid.push(name),
            }
        }
        Ok(json!({"Parameters": found, "InvalidParameters": invalid}))
    }

    pub(super) fn get_parameters_by_path(&self, request: &Request) -> Result<Value, Failure> {
        let asked: ByPath = read(request)?;
        if !asked.path.starts_with('/') {
            return Err(validation(
                "The parameter doesn't meet the parameter name requirements. The parameter name must begin with a forward slash \"/\".",
            ));
        }
        let prefix = if asked.path.ends_with('/') { asked.path.clone() } else { format!("{}/", asked.path) };
        let state = self.lock();
        let list: Vec<(String, Value)> = state
            .parameters
            .iter()
            .filter(|((region, name), _)| {
                *region == request.region && name.strip_prefix(&prefix).is_some_and(|rest| asked.recursive || !rest.contains('/'))
            })
            .map(|((region, name), parameter)| {
                (name.clone(), parameter.render(name, region, &self.account, asked.with_decryption.unwrap_or(false)))
            })
            .collect();
        paged("Parameters", &list, asked.next_token.as_deref(), asked.max_results, 10)
    }

    pub(super) fn put_parameter(&self, request: &Request) -> Result<Value, Failure> {
        let asked: Put = read(request)?;
        if asked.allowed_pattern.is_some() {
            return Err(Failure::gap("AllowedPattern of ssm PutParameter"));
        }
        if asked.tier.as_deref().is_some_and(|tier| tier != "Standard") {
            return Err(Failure::gap("tiers of ssm PutParameter other than Standard"));
        }
        check_name(&asked.name)?;
        if asked.value.is_empty() {
            return Err(validation(
                "1 validation error detected: Value '' at 'value' failed to satisfy constraint: Member must have length greater than or equal to 1",
            ));
        }
        if asked.value.len() > MOST {
            return Err(validation(format!(
                "Standard tier parameters support a maximum parameter value of {MOST} characters. To create a larger parameter value, upgrade the parameter to use the advanced-parameter tier."
            )));
        }
        if asked.overwrite && !asked.tags.is_empty() {
            return Err(validation(
                "Invalid request: tags and overwrite can't be used together. To create a parameter with tags, please remove overwrite flag. To update tags for an existing parameter, please use AddTagsToResource or RemoveTagsFromResource.",
            ));
        }
        let mut state = self.lock();
        let key = (request.region.clone(), asked.name);
        let before = state.parameters.get(&key);
        if before.is_some() && !asked.overwrite {
            return Err(Failure::new(
                400,
                "ParameterAlreadyExists",
                "The parameter already exists. To overwrite this value, set the overwrite option in the request to true.",
            ));
        }
        let kind = asked
            .kind
            .or_else(|| before.map(|parameter| parameter.kind.clone()))
            .ok_or_else(|| validation("A parameter type is required when you create a parameter."))?;
        if !matches!(kind.as_str(), "String" | "StringList" | "SecureString") {
            return Err(validation(format!(
                "1 validation error detected: Value '{kind}' at 'type' failed to satisfy constraint: Member must satisfy enum value set: [SecureString, StringList, String]"
            )));
        }
        let version = before.map_or(1, |parameter| parameter.version + 1);
        let tags = if version == 1 { tag_map(asked.tags) } else { before.map(|parameter| parameter.tags.clone()).unwrap_or_default() };
        let description = asked.description.or_else(|| before.and_then(|parameter| parameter.description.clone()));
        state.parameters.insert(
            key,
            Parameter {
                kind,
                value: asked.value,
                version,
                modified: request.now,
                description,
                data_type: asked.data_type.unwrap_or_else(|| "text".to_owned()),
                tags,
                public: false,
            },
        );
        Ok(json!({"Version": version, "Tier": "Standard"}))
    }

    pub(super) fn delete_parameter(&self, request: &Request) -> Result<Value, Failure> {
        let asked: Delete = read(request)?;
        if self.remove_parameter(request, &asked.name) { Ok(json!({})) } else { Err(not_found()) }
    }

    pub(super) fn delete_parameters(&self, request: &Request) -> Result<Value, Failure> {
        let asked: DeleteMany = read(request)?;
        let (gone, unknown): (Vec<String>, Vec<String>) = asked.names.into_iter().partition(|name| self.remove_parameter(request, name));
        Ok(json!({"DeletedParameters": gone, "InvalidParameters": unknown}))
    }

    fn remove_parameter(&self, request: &Request, name: &str) -> bool {
        let mut state = self.lock();
        let key = (request.region.clone(), name.to_owned());
        if state.parameters.get(&key).is_none_or(Parameter::is_public) {
            return false;
        }
        state.parameters.remove(&key).is_some()
    }

    pub(super) fn describe_parameters(&self, request: &Request) -> Result<Value, Failure> {
        let asked: Describe = read(request)?;
        for filter in &asked.parameter_filters {
            if filter.key != "Name" || !matches!(filter.option.as_deref(), None | Some("Equals" | "BeginsWith")) {
                return Err(Failure::gap(format!("filter {} of ssm DescribeParameters", filter.key)));
            }
        }
        let wanted = |name: &str| {
            asked.parameter_filters.iter().all(|filter| {
                let begins = filter.option.as_deref() == Some("BeginsWith");
                filter.values.iter().any(|value| if begins { name.starts_with(value) } else { name == value })
            })
        };
        let state = self.lock();
        let list: Vec<(String, Value)> = state
            .parameters
            .iter()
            .filter(|((region, name), parameter)| *region == request.region && !parameter.public && wanted(name))
            .map(|((_, name), parameter)| {
                let mut entry = json!({
                    "Name": name, "Type": parameter.kind, "Version": parameter.version, "Tier": "Standard", "Policies": [],
                    "LastModifiedDate": epoch(parameter.modified), "DataType": parameter.data_type,
                });
                if let Some(description) = &parameter.description {
                    entry["Description"] = description.as_str().into();
                }
                (name.clone(), entry)
            })
            .collect();
        paged("Parameters", &list, asked.next_token.as_deref(), asked.max_results, 50)
    }

    pub(super) fn add_tags(&self, request: &Request) -> Result<Value, Failure> {
        let asked: Tagging = read(request)?;
        self.tags_of(request, &asked.resource_type, &asked.resource_id, |tags| tags.extend(tag_map(asked.tags)))?;
        Ok(json!({}))
    }

    pub(super) fn list_tags(&self, request: &Request) -> Result<Value, Failure> {
        let asked: Tagging = read(request)?;
        let tags = self.tags_of(request, &asked.resource_type, &asked.resource_id, |tags| tags.clone())?;
        let list: Vec<Value> = tags.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect();
        Ok(json!({"TagList": list}))
    }

    fn tags_of<T>(
        &self,
        request: &Request,
        kind: &str,
        id: &str,
        work: impl FnOnce(&mut BTreeMap<String, String>) -> T,
    ) -> Result<T, Failure> {
        let mut state = self.lock();
        let key = (request.region.clone(), id.to_owned());
        let tags = match kind {
            "Parameter" => state.parameters.get_mut(&key).map(|parameter| &mut parameter.tags),
            "Document" => state.documents.get_mut(&key).map(|document| &mut document.tags),
            other => return Err(Failure::gap(format!("tags of ssm {other}"))),
        };
        tags.map(work).ok_or_else(|| {
            Failure::new(400, "InvalidResourceId", "The resource ID isn't valid. Verify that you entered the correct ID and try again.")
        })
    }
}

fn not_found() -> Failure {
    Failure::new(400, "ParameterNotFound", "")
}

fn check_name(name: &str) -> Result<(), Failure> {
    let valid = |c: char| c.is_ascii_alphanumeric() || "_.-/".contains(c);
    if name.is_empty() || name.len() > 1_011 || !name.chars().all(valid) || (name.contains('/') && !name.starts_with('/')) {
        return Err(validation(
            "Parameter name must be a fully qualified name: it starts with a forward slash when it has a path, and has only letters, digits and the symbols .-_/",
        ));
    }
    let first = name.trim_start_matches('/').to_ascii_lowercase();
    if first.starts_with("aws") || first.starts_with("ssm") {
        return Err(validation(format!("Parameter name: can't be prefixed with \"{}\" (case-insensitive).", &first[..3])));
    }
    if name.matches('/').count() > 15 {
        return Err(Failure::new(400, "HierarchyLevelLimitExceededException", "A hierarchy can have a maximum of 15 levels."));
    }
    Ok(())
}
