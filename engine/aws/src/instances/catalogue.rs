//! What EC2 offers: types and images.

use aws_sdk_ec2::types::{self, ArchitectureType, Filter, ImageState};
use spawn_core::ports::{Image, InstanceType, Result};
use spawn_model::error::{Class, Error};
use spawn_model::image::Distribution;
use spawn_model::problem::Path;
use spawn_model::requirements::Architecture;

use super::{Ec2, filter};
use crate::endpoint::Call;

const TYPES: Call = Call::repeatable("ec2", "DescribeInstanceTypes");
const IMAGES: Call = Call::repeatable("ec2", "DescribeImages");

/// The most types that one call names.
const TYPES_BATCH: usize = 100;
/// The most that it tells at once.
const TYPES_PAGE: i32 = 100;
/// The account by which Canonical publishes Ubuntu in the standard, the GovCloud and the China partition (Ubuntu on AWS, "Finding
/// images").
const CANONICAL: [(&str, &str); 3] = [("aws", "099720109477"), ("aws-us-gov", "513442679011"), ("aws-cn", "837727238323")];

/// Whose a distribution's images are, and how they are named: those with another purpose (minimal, daily, pro) left out, and those with
/// another kernel than the distribution's default.
fn published(distribution: Distribution, partition: &str) -> (&'static str, &'static str) {
    let canonical = CANONICAL.iter().find(|(of, _)| *of == partition).map_or(CANONICAL[0].1, |(_, account)| *account);
    match distribution {
        Distribution::AmazonLinux2023 => ("amazon", "al2023-ami-2023.*-kernel-6.1-*"),
        Distribution::Ubuntu2204 => (canonical, "ubuntu/images/hvm-ssd*/ubuntu-jammy-22.04-*-server-*"),
        Distribution::Ubuntu2404 => (canonical, "ubuntu/images/hvm-ssd*/ubuntu-noble-24.04-*-server-*"),
    }
}

impl Ec2 {
    pub(super) async fn instance_types(&self, names: &[String]) -> Result<Vec<InstanceType>> {
        let mut found = Vec::with_capacity(names.len());
        for batch in names.chunks(TYPES_BATCH) {
            let named = batch.iter().map(|name| types::InstanceType::from(name.as_str())).collect();
            let describe = self.client.describe_instance_types().set_instance_types(Some(named));
            let answer = self.endpoint.call(TYPES, || describe.clone().send()).await.map_err(|error| unknown_types(error, batch))?;
            found.extend(answer.instance_types().iter().filter_map(instance_type));
        }
        Ok(found)
    }

    pub(super) async fn instance_types_of(&self, architecture: Architecture) -> Result<Vec<InstanceType>> {
        let wanted = [
            ("bare-metal", "false"),
            ("burstable-performance-supported", "false"),
            ("current-generation", "true"),
            ("processor-info.supported-architecture", architecture.word()),
        ];
        let wanted = wanted.iter().map(|(name, value)| filter(name, value)).collect();
        let describe = self.client.describe_instance_types().set_filters(Some(wanted)).max_results(TYPES_PAGE);
        let mut found = Vec::new();
        let mut next = None;
        loop {
            let request = describe.clone().set_next_token(next.take());
            let page = self.endpoint.call(TYPES, || request.clone().send()).await?;
            found.extend(page.instance_types().iter().filter_map(instance_type));
            next = page.next_token.filter(|token| !token.is_empty());
            if next.is_none() {
                return Ok(found);
            }
        }
    }

    pub(super) async fn image_by_id(&self, id: &str) -> Result<Image> {
        let describe = self.client.describe_images().image_ids(id);
        let answer = self.endpoint.call(IMAGES, || describe.clone().send()).await.map_err(|error| match error.code.as_str() {
            "InvalidAMIID.NotFound" | "InvalidAMIID.Malformed" | "InvalidAMIID.Unavailable" => no_such_image(id, &error.code),
            _ => error,
        })?;
        let image = answer.images().first().ok_or_else(|| no_such_image(id, "InvalidAMIID.NotFound"))?;
        if !matches!(image.state(), Some(ImageState::Available) | None) {
            return Err(no_such_image(id, "InvalidAMIID.Unavailable"));
        }
        image_of(image).ok_or_else(|| no_such_image(id, "InvalidAMIID.NotFound"))
    }

    pub(super) async fn image_newest(&self, distribution: Distribution, architecture: &str) -> Result<Image> {
        let (owner, name) = published(distribution, self.partition);
        let wanted: Vec<Filter> = vec![filter("name", name), filter("architecture", architecture), filter("state", "available")];
        let describe = self.client.describe_images().owners(owner).set_filters(Some(wanted));
        let answer = self.endpoint.call(IMAGES, || describe.clone().send()).await?;
        let full = answer.images().iter().filter(|image| !image.name().unwrap_or_default().contains("minimal"));
        // RFC 3339 in UTC: the order of text is that of time. The name decides between equals, so that the answer is always the same.
        let newest = full.max_by_key(|image| (image.creation_date().unwrap_or_default(), image.name().unwrap_or_default()));
        newest.and_then(image_of).ok_or_else(|| {
            let message = format!("there is no {} image for {architecture} in this region", distribution.title());
            Error::new(Class::Invalid, "NoImage", message, "Name an image with `ami`").at(Path::field("ami"))
        })
    }
}

fn instance_type(info: &types::InstanceTypeInfo) -> Option<InstanceType> {
    let architectures = info.processor_info().map(|processor| processor.supported_architectures()).unwrap_or_default();
    // Old types name i386 beside x86_64; no image of ours is for that.
    let architecture = [ArchitectureType::X8664, ArchitectureType::Arm64].into_iter().find(|known| architectures.contains(known));
    let architecture = architecture.or_else(|| architectures.first().cloned())?;
    Some(InstanceType {
        name: info.instance_type()?.as_str().to_owned(),
        architecture: architecture.as_str().to_owned(),
        vcpus: info.v_cpu_info()?.default_v_cpus().and_then(|vcpus| u32::try_from(vcpus).ok())?,
        memory_mib: info.memory_info()?.size_in_mib().and_then(|mib| u64::try_from(mib).ok())?,
        gpus: info.gpu_info().map_or(0, |gpus| gpus.gpus().iter().filter_map(|gpu| u32::try_from(gpu.count()?).ok()).sum()),
        spot: info.supported_usage_classes().contains(&types::UsageClassType::Spot),
        hibernates: info.hibernation_supported().unwrap_or_default(),
        clusters: info.placement_group_info()?.supported_strategies().contains(&types::PlacementGroupStrategy::Cluster),
    })
}

fn image_of(image: &types::Image) -> Option<Image> {
    Some(Image {
        id: image.image_id()?.to_owned(),
        architecture: image.architecture()?.as_str().to_owned(),
        root_device: image.root_device_name()?.to_owned(),
        root_gib: image
            .block_device_mappings()
            .iter()
            .find(|mapping| mapping.device_name() == image.root_device_name())
            .and_then(|mapping| u32::try_from(mapping.ebs()?.volume_size()?).ok()),
    })
}

fn no_such_image(id: &str, code: &str) -> Error {
    let message = format!("there is no image {id} to boot in this region");
    Error::new(Class::Invalid, code, message, "Image ids differ between regions. Leave `ami` out for Amazon Linux 2023")
        .at(Path::field("ami"))
}

fn unknown_types(error: Error, asked: &[String]) -> Error {
    if error.code != "InvalidInstanceType" {
        return error;
    }
    let mut unknown: Vec<&str> = asked.iter().map(String::as_str).filter(|name| names_type(&error.message, name)).collect();
    if unknown.is_empty() {
        unknown = asked.iter().map(String::as_str).collect();
    }
    let message = match unknown.as_slice() {
        [one] => format!("there is no instance type {one}"),
        several => format!("there are no instance types {}", several.join(", ")),
    };
    let help = "Write types as EC2 names them, such as c7i.large";
    Error::new(Class::Invalid, error.code, message, help).at(Path::field("instance_types"))
}

/// Whether a message names a type, and not just one that begins or ends like it.
fn names_type(message: &str, name: &str) -> bool {
    message.split(|c: char| !(c.is_ascii_alphanumeric() || c == '.' || c == '-')).any(|word| word.trim_matches('.') == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_that_do_not_exist_are_named() {
        let asked: Vec<String> = ["c7i.large", "c9z.large", "z1.tiny"].map(str::to_owned).into();
        for (said, expected) in [
            ("The following supplied instance types do not exist: [c9z.large]", "there is no instance type c9z.large"),
            ("The following supplied instance types do not exist: [c9z.large, z1.tiny]", "there are no instance types c9z.large, z1.tiny"),
            ("no", "there are no instance types c7i.large, c9z.large, z1.tiny"),
        ] {
            let error = unknown_types(Error::new(Class::Invalid, "InvalidInstanceType", said, ""), &asked);
            assert_eq!((error.class, error.message.as_str()), (Class::Invalid, expected));
        }
        let other = Error::new(Class::Throttled, "RequestLimitExceeded", "slower", "");
        assert_eq!(unknown_types(other.clone(), &asked), other);
    }
}
