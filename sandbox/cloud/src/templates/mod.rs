//! Launch templates and their versions.

pub(crate) mod describe;

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::cloud::{Cloud, Region};
use crate::error::ApiError;
use crate::identity::is_well_formed;
use crate::model::{LaunchTemplate, LaunchTemplateVersion};
use crate::reply::Reply;
use crate::request::{CreateLaunchTemplate, CreateLaunchTemplateVersion, LaunchTemplateData, ModifyLaunchTemplate, NamedTemplate, Request};
use crate::tags;

/// The launch templates of a region.
#[derive(Clone, Debug, Default)]
pub(crate) struct Templates {
    /// By id.
    pub(crate) by_id: BTreeMap<String, Kept>,
    /// Calls that can be repeated, with what they were answered, by client token.
    tokens: BTreeMap<String, (Request, Reply)>,
}

/// A template with its versions.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) template: LaunchTemplate,
    versions: BTreeMap<u64, LaunchTemplateVersion>,
}

impl Kept {
    /// A version by number, `$Latest` or `$Default`.
    pub(crate) fn version(&self, named: &str) -> Result<LaunchTemplateVersion, ApiError> {
        let number = match named {
            "$Latest" => self.template.latest_version,
            "$Default" => self.template.default_version,
            text => text.parse().map_err(|_| malformed_version(text))?,
        };
        let found = self.versions.get(&number).ok_or_else(|| {
            let id = &self.template.id;
            let message = format!("Could not find the specified version {number} for the launch template with ID {id}.");
            ApiError::new("InvalidLaunchTemplateId.VersionNotFound", message)
        })?;
        Ok(self.marked(found))
    }

    /// All versions.
    pub(crate) fn versions(&self) -> impl Iterator<Item = LaunchTemplateVersion> {
        self.versions.values().map(|version| self.marked(version))
    }

    fn marked(&self, version: &LaunchTemplateVersion) -> LaunchTemplateVersion {
        LaunchTemplateVersion { is_default: version.number == self.template.default_version, ..version.clone() }
    }
}

impl Templates {
    /// The template that a call names.
    pub(crate) fn find(&self, named: &NamedTemplate) -> Result<&Kept, ApiError> {
        match (&named.id, &named.name) {
            (Some(_), Some(_)) => Err(ApiError::combination("You may specify LaunchTemplateId or LaunchTemplateName, but not both.")),
            (None, None) => Err(ApiError::missing("LaunchTemplateId or LaunchTemplateName")),
            (Some(id), None) if !is_well_formed(id, "lt") => Err(malformed_id(id)),
            (Some(id), None) => self.by_id.get(id).ok_or_else(|| unknown_id(id)),
            (None, Some(name)) => self.by_id.values().find(|kept| kept.template.name == *name).ok_or_else(|| {
                let message = format!("The specified launch template, with template name {name}, does not exist.");
                ApiError::new("InvalidLaunchTemplateName.NotFoundException", message)
            }),
        }
    }

    fn find_mut(&mut self, named: &NamedTemplate) -> Result<&mut Kept, ApiError> {
        let id = self.find(named)?.template.id.clone();
        self.by_id.get_mut(&id).ok_or_else(|| unknown_id(&id))
    }
}

pub(crate) fn malformed_id(id: &str) -> ApiError {
    ApiError::new("InvalidLaunchTemplateId.Malformed", format!("Invalid launch template ID: '{id}'"))
}

pub(crate) fn unknown_id(id: &str) -> ApiError {
    let message = format!("The specified launch template, with template ID {id}, does not exist.");
    ApiError::new("InvalidLaunchTemplateId.NotFound", message)
}

fn malformed_version(text: &str) -> ApiError {
    ApiError::value(format!("Value ({text}) for parameter LaunchTemplateVersion is invalid. It must be a number, $Latest or $Default."))
}

/// Does a call once, however often it comes with the same token.
fn once(
    cloud: &mut Cloud,
    region: &str,
    token: Option<&String>,
    request: Request,
    work: impl FnOnce(&mut Cloud) -> Result<Reply, ApiError>,
) -> Result<Reply, ApiError> {
    let Some(token) = token else { return work(cloud) };
    match cloud.region(region).templates.tokens.get(token) {
        Some((first, reply)) if *first == request => return Ok(reply.clone()),
        Some(_) => {
            return Err(ApiError::new(
                "IdempotentParameterMismatch",
                "Arguments on this idempotent request are inconsistent with arguments used in previous request(s).",
            ));
        }
        None => {}
    }
    let reply = work(cloud)?;
    cloud.region_mut(region).templates.tokens.insert(token.clone(), (request, reply.clone()));
    Ok(reply)
}

pub(crate) fn create(cloud: &mut Cloud, now: Timestamp, region: &str, request: &CreateLaunchTemplate) -> Result<Reply, ApiError> {
    let whole = Request::CreateLaunchTemplate(Box::new(request.clone()));
    once(cloud, region, request.client_token.as_ref(), whole, |cloud| create_anew(cloud, now, region, request))
}

fn create_anew(cloud: &mut Cloud, now: Timestamp, region: &str, request: &CreateLaunchTemplate) -> Result<Reply, ApiError> {
    let name = &request.name;
    let allowed = |c: char| c.is_ascii_alphanumeric() || "()./_-".contains(c);
    if !(3..=128).contains(&name.len()) || !name.chars().all(allowed) {
        return Err(ApiError::new(
            "InvalidLaunchTemplateName.MalformedException",
            "The specified launch template name is invalid. A launch template name must be between 3 and 128 characters, and may contain \
             letters, numbers, and the following characters: - ( ) . / _.",
        ));
    }
    check_description(request.version_description.as_ref())?;
    check_data(&request.data)?;
    let tags = tags::specified(&request.tag_specifications, "launch-template")?;
    if cloud.region(region).templates.by_id.values().any(|kept| kept.template.name == *name) {
        return Err(ApiError::new("InvalidLaunchTemplateName.AlreadyExistsException", "Launch template name already in use."));
    }
    let template = LaunchTemplate {
        id: cloud.generator.id("lt"),
        name: name.clone(),
        create_time: whole_second(now),
        created_by: format!("arn:aws:iam::{}:root", cloud.config.account_id),
        default_version: 1,
        latest_version: 1,
        tags,
    };
    let first = version(&template, now, request.version_description.clone(), request.data.clone());
    let kept = Kept { template: template.clone(), versions: BTreeMap::from([(1, first)]) };
    cloud.region_mut(region).templates.by_id.insert(template.id.clone(), kept);
    Ok(Reply::LaunchTemplate(template))
}

fn check_description(description: Option<&String>) -> Result<(), ApiError> {
    match description {
        Some(text) if text.chars().count() > 255 => Err(ApiError::value("VersionDescription may have at most 255 characters.")),
        _ => Ok(()),
    }
}

fn check_data(data: &LaunchTemplateData) -> Result<(), ApiError> {
    if *data == LaunchTemplateData::default() { Err(ApiError::missing("LaunchTemplateData")) } else { Ok(()) }
}

/// EC2 keeps these times in seconds.
fn whole_second(now: Timestamp) -> Timestamp {
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}

fn version(template: &LaunchTemplate, now: Timestamp, description: Option<String>, data: LaunchTemplateData) -> LaunchTemplateVersion {
    LaunchTemplateVersion {
        template_id: template.id.clone(),
        template_name: template.name.clone(),
        number: template.latest_version,
        description,
        create_time: whole_second(now),
        created_by: template.created_by.clone(),
        is_default: false,
        data,
    }
}

pub(crate) fn create_version(
    cloud: &mut Cloud,
    now: Timestamp,
    region: &str,
    request: &CreateLaunchTemplateVersion,
) -> Result<Reply, ApiError> {
    let whole = Request::CreateLaunchTemplateVersion(Box::new(request.clone()));
    once(cloud, region, request.client_token.as_ref(), whole, |cloud| {
        check_description(request.version_description.as_ref())?;
        check_data(&request.data)?;
        let kept = cloud.region_mut(region).templates.find_mut(&request.template)?;
        let data = match &request.source_version {
            Some(source) => request.data.clone().or(&kept.version(source)?.data),
            None => request.data.clone(),
        };
        kept.template.latest_version += 1;
        let made = version(&kept.template, now, request.version_description.clone(), data);
        kept.versions.insert(made.number, made.clone());
        Ok(Reply::LaunchTemplateVersion(Box::new(made)))
    })
}

pub(crate) fn modify(region: &mut Region, request: &ModifyLaunchTemplate) -> Result<LaunchTemplate, ApiError> {
    let kept = region.templates.find_mut(&request.template)?;
    let wanted = request.default_version.as_ref().ok_or_else(|| ApiError::missing("SetDefaultVersion"))?;
    kept.template.default_version = kept.version(wanted)?.number;
    Ok(kept.template.clone())
}

pub(crate) fn delete(region: &mut Region, request: &NamedTemplate) -> Result<LaunchTemplate, ApiError> {
    let id = region.templates.find(request)?.template.id.clone();
    region.templates.by_id.remove(&id).map(|kept| kept.template).ok_or_else(|| unknown_id(&id))
}
