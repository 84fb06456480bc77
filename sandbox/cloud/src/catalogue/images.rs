//! The images of a region.

use super::types::{ARM, X86};
use crate::identity::stable_id;
use crate::model::Image;

struct ImageSeed {
    name: &'static str,
    description: &'static str,
    architecture: &'static str,
    owner_id: &'static str,
    owner_alias: Option<&'static str>,
    creation_date: &'static str,
    root_device_name: &'static str,
    boot_mode: &'static str,
    /// The public parameters that name it.
    parameters: &'static [&'static str],
}

const IMAGES: &[ImageSeed] = &[
    ImageSeed {
        name: "al2023-ami-2023.9.20251110.1-kernel-6.1-x86_64",
        description: "Amazon Linux 2023 AMI 2023.9.20251110.1 x86_64 HVM kernel-6.1",
        architecture: X86,
        owner_id: "137112412989",
        owner_alias: Some("amazon"),
        creation_date: "2025-11-10T21:08:31.000Z",
        root_device_name: "/dev/xvda",
        boot_mode: "uefi-preferred",
        parameters: &[
            "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64",
            "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-6.1-x86_64",
        ],
    },
    ImageSeed {
        name: "al2023-ami-2023.9.20251110.1-kernel-6.1-arm64",
        description: "Amazon Linux 2023 AMI 2023.9.20251110.1 arm64 HVM kernel-6.1",
        architecture: ARM,
        owner_id: "137112412989",
        owner_alias: Some("amazon"),
        creation_date: "2025-11-10T21:08:29.000Z",
        root_device_name: "/dev/xvda",
        boot_mode: "uefi",
        parameters: &[
            "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64",
            "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-6.1-arm64",
        ],
    },
    ImageSeed {
        name: "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-20251022",
        description: "Canonical, Ubuntu, 24.04, amd64 noble image",
        architecture: X86,
        owner_id: "099720109477",
        owner_alias: None,
        creation_date: "2025-10-22T07:12:05.000Z",
        root_device_name: "/dev/sda1",
        boot_mode: "uefi-preferred",
        parameters: &["/aws/service/canonical/ubuntu/server/24.04/stable/current/amd64/hvm/ebs-gp3/ami-id"],
    },
    ImageSeed {
        name: "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-arm64-server-20251022",
        description: "Canonical, Ubuntu, 24.04, arm64 noble image",
        architecture: ARM,
        owner_id: "099720109477",
        owner_alias: None,
        creation_date: "2025-10-22T07:12:03.000Z",
        root_device_name: "/dev/sda1",
        boot_mode: "uefi",
        parameters: &["/aws/service/canonical/ubuntu/server/24.04/stable/current/arm64/hvm/ebs-gp3/ami-id"],
    },
];

/// The images of a region. Their ids follow from their names, and differ between regions.
pub fn images(region: &str) -> Vec<Image> {
    IMAGES
        .iter()
        .map(|seed| Image {
            id: stable_id("ami", &[region, seed.name]),
            name: seed.name.to_owned(),
            description: seed.description.to_owned(),
            architecture: seed.architecture.to_owned(),
            owner_id: seed.owner_id.to_owned(),
            owner_alias: seed.owner_alias.map(str::to_owned),
            creation_date: seed.creation_date.to_owned(),
            root_device_name: seed.root_device_name.to_owned(),
            snapshot_id: stable_id("snap", &[region, seed.name]),
            volume_size: 8,
            boot_mode: seed.boot_mode.to_owned(),
            tags: Default::default(),
        })
        .collect()
}

/// The public parameters of a region that name images: parameter and image id.
pub fn public_parameters(region: &str) -> Vec<(String, String)> {
    IMAGES
        .iter()
        .flat_map(|seed| {
            let id = stable_id("ami", &[region, seed.name]);
            seed.parameters.iter().map(move |name| ((*name).to_owned(), id.clone()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::{REGIONS, regions};

    #[test]
    fn image_ids_are_stable_and_differ_between_regions() {
        let all: std::collections::BTreeSet<String> = regions().flat_map(images).map(|i| i.id).collect();
        assert_eq!(all.len(), REGIONS.len() * IMAGES.len());
        assert_eq!(images("us-east-1"), images("us-east-1"));
        let ids: Vec<String> = images("us-east-1").into_iter().map(|i| i.id).collect();
        for (name, id) in public_parameters("us-east-1") {
            assert!(ids.contains(&id), "{name} names an image");
        }
    }
}
