//! From what `ami` refers to, to an image that can be booted.

use spawn_model::error::{Class, Error};
use spawn_model::image::ImageReference;
use spawn_model::problem::Path;

use crate::ports::{Aws, Image, ImageQuery, Result};

/// The image that `ami` refers to, for types of an architecture. What is written has passed the rules of a spec.
///
/// # Errors
/// If there is no such image or parameter, blamed on `ami`.
pub(crate) async fn find(aws: &Aws, ami: Option<&str>, architecture: &str) -> Result<Image> {
    let query = match ImageReference::parse(ami) {
        Some(ImageReference::Id(id)) => ImageQuery::Id(id),
        Some(ImageReference::Parameter(name)) => ImageQuery::Id(of_parameter(aws, &name).await?),
        Some(ImageReference::Newest(distribution)) => ImageQuery::Newest { distribution, architecture: architecture.to_owned() },
        None => return Err(Error::new(Class::Bug, "InvalidRequest", format!("ami {ami:?} was not checked"), "").at(Path::field("ami"))),
    };
    aws.instances.image(&query).await.map_err(|error| match error.class {
        Class::Invalid | Class::NotFound => error.at(Path::field("ami")),
        _ => error,
    })
}

/// The image id that a parameter holds.
async fn of_parameter(aws: &Aws, name: &str) -> Result<String> {
    let value = aws.systems.parameter(name).await.map_err(|e| e.context("reading the parameter that `ami` names"))?;
    let found = value.ok_or_else(|| {
        let message = format!("there is no parameter {name} in this region");
        Error::new(Class::Invalid, "NoImage", message, "Write the name of a Systems Manager parameter that holds an AMI id")
            .at(Path::field("ami"))
    })?;
    match ImageReference::parse(Some(found.trim())) {
        Some(ImageReference::Id(id)) => Ok(id),
        _ => {
            let message = format!("the parameter {name} holds {found:?}, which is no AMI id");
            let help = "Name a parameter whose value is one id such as ami-0123456789abcdef0";
            Err(Error::new(Class::Invalid, "NoImage", message, help).at(Path::field("ami")))
        }
    }
}
