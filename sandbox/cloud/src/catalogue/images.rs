//! The images of a region.

use super::types::{ARM, X86};
use crate::identity::stable_id;
use crate::model::{Image, Platform, Tags};

const AMAZON: &str = "137112412989";
const CANONICAL: &str = "099720109477";
/// Somebody who publishes images under names that others are known for.
const STRANGER: &str = "703671901662";

const AMAZON_LINUX: Platform = Platform { name: "Amazon Linux", version: "2023", has_agent: true };
const NOBLE: Platform = Platform { name: "Ubuntu", version: "24.04", has_agent: true };
const JAMMY: Platform = Platform { name: "Ubuntu", version: "22.04", has_agent: true };

struct ImageSeed {
    name: &'static str,
    description: &'static str,
    architecture: &'static str,
    owner_id: &'static str,
    creation_date: &'static str,
    deprecation_time: Option<&'static str>,
    root_device_name: &'static str,
    volume_size: i64,
    volume_type: &'static str,
    platform: Platform,
    /// The public parameters that name it.
    parameters: &'static [&'static str],
}

const fn amazon(
    name: &'static str,
    description: &'static str,
    architecture: &'static str,
    creation_date: &'static str,
    parameters: &'static [&'static str],
) -> ImageSeed {
    ImageSeed {
        name,
        description,
        architecture,
        owner_id: AMAZON,
        creation_date,
        deprecation_time: None,
        root_device_name: "/dev/xvda",
        volume_size: 8,
        volume_type: "gp3",
        platform: AMAZON_LINUX,
        parameters,
    }
}

const fn canonical(
    name: &'static str,
    description: &'static str,
    architecture: &'static str,
    creation_date: &'static str,
    parameters: &'static [&'static str],
) -> ImageSeed {
    let like = amazon(name, description, architecture, creation_date, parameters);
    ImageSeed { owner_id: CANONICAL, root_device_name: "/dev/sda1", platform: NOBLE, ..like }
}

const IMAGES: &[ImageSeed] = &[
    amazon(
        "al2023-ami-2023.9.20251110.1-kernel-6.1-x86_64",
        "Amazon Linux 2023 AMI 2023.9.20251110.1 x86_64 HVM kernel-6.1",
        X86,
        "2025-11-10T21:08:31.000Z",
        &[
            "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64",
            "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-6.1-x86_64",
        ],
    ),
    amazon(
        "al2023-ami-2023.9.20251110.1-kernel-6.1-arm64",
        "Amazon Linux 2023 AMI 2023.9.20251110.1 arm64 HVM kernel-6.1",
        ARM,
        "2025-11-10T21:08:29.000Z",
        &[
            "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64",
            "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-6.1-arm64",
        ],
    ),
    canonical(
        "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-20251022",
        "Canonical, Ubuntu, 24.04, amd64 noble image",
        X86,
        "2025-10-22T07:12:05.000Z",
        &["/aws/service/canonical/ubuntu/server/24.04/stable/current/amd64/hvm/ebs-gp3/ami-id"],
    ),
    canonical(
        "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-arm64-server-20251022",
        "Canonical, Ubuntu, 24.04, arm64 noble image",
        ARM,
        "2025-10-22T07:12:03.000Z",
        &["/aws/service/canonical/ubuntu/server/24.04/stable/current/arm64/hvm/ebs-gp3/ami-id"],
    ),
    ImageSeed {
        volume_type: "gp2",
        platform: JAMMY,
        ..canonical(
            "ubuntu/images/hvm-ssd/ubuntu-jammy-22.04-amd64-server-20251015",
            "Canonical, Ubuntu, 22.04, amd64 jammy image",
            X86,
            "2025-10-15T06:44:50.000Z",
            &["/aws/service/canonical/ubuntu/server/22.04/stable/current/amd64/hvm/ebs-gp2/ami-id"],
        )
    },
    ImageSeed {
        volume_type: "gp2",
        platform: JAMMY,
        ..canonical(
            "ubuntu/images/hvm-ssd/ubuntu-jammy-22.04-arm64-server-20251015",
            "Canonical, Ubuntu, 22.04, arm64 jammy image",
            ARM,
            "2025-10-15T06:44:47.000Z",
            &["/aws/service/canonical/ubuntu/server/22.04/stable/current/arm64/hvm/ebs-gp2/ami-id"],
        )
    },
    // Older ones: whoever wants the newest has to compare.
    amazon(
        "al2023-ami-2023.9.20251014.0-kernel-6.1-x86_64",
        "Amazon Linux 2023 AMI 2023.9.20251014.0 x86_64 HVM kernel-6.1",
        X86,
        "2025-10-14T22:10:07.000Z",
        &[],
    ),
    amazon(
        "al2023-ami-2023.9.20251014.0-kernel-6.1-arm64",
        "Amazon Linux 2023 AMI 2023.9.20251014.0 arm64 HVM kernel-6.1",
        ARM,
        "2025-10-14T22:10:02.000Z",
        &[],
    ),
    ImageSeed {
        deprecation_time: Some("2025-08-21T00:00:00.000Z"),
        ..amazon(
            "al2023-ami-2023.7.20250523.1-kernel-6.1-x86_64",
            "Amazon Linux 2023 AMI 2023.7.20250523.1 x86_64 HVM kernel-6.1",
            X86,
            "2025-05-23T20:51:16.000Z",
            &[],
        )
    },
    canonical(
        "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-20250821",
        "Canonical, Ubuntu, 24.04, amd64 noble image",
        X86,
        "2025-08-21T07:01:44.000Z",
        &[],
    ),
    // What fits the pattern `al2023-ami-*` too, and is not meant: no SSM agent, a small disk.
    ImageSeed {
        volume_size: 2,
        platform: Platform { has_agent: false, ..AMAZON_LINUX },
        ..amazon(
            "al2023-ami-minimal-2023.9.20251110.1-kernel-6.1-x86_64",
            "Amazon Linux 2023 AMI 2023.9.20251110.1 x86_64 Minimal HVM kernel-6.1",
            X86,
            "2025-11-10T21:09:12.000Z",
            &["/aws/service/ami-amazon-linux-latest/al2023-ami-minimal-kernel-default-x86_64"],
        )
    },
    // One whose disk is larger than most ask for.
    ImageSeed {
        volume_size: 35,
        ..amazon(
            "Deep Learning Base OSS Nvidia Driver GPU AMI (Amazon Linux 2023) 20251107",
            "Supported EC2 instances: G4dn, G5, G6. Release notes: https://docs.aws.amazon.com/dlami/latest/devguide/appendix-ami-release-notes.html",
            X86,
            "2025-11-07T18:23:55.000Z",
            &["/aws/service/deeplearning/ami/x86_64/base-oss-nvidia-driver-gpu-amazon-linux-2023/latest/ami-id"],
        )
    },
    // The newest of its name, but not by those who are known for it: whoever does not ask for an owner gets this.
    ImageSeed {
        owner_id: STRANGER,
        platform: Platform { has_agent: false, ..NOBLE },
        ..canonical(
            "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-20251119",
            "Not what it seems to be",
            X86,
            "2025-11-19T03:33:33.000Z",
            &[],
        )
    },
];

/// The images of a region. Their ids follow from their names, and differ between regions.
pub fn images(region: &str) -> Vec<Image> {
    IMAGES.iter().map(|seed| image(region, seed)).collect()
}

fn image(region: &str, seed: &ImageSeed) -> Image {
    Image {
        id: stable_id("ami", &[region, seed.name]),
        name: seed.name.to_owned(),
        description: seed.description.to_owned(),
        architecture: seed.architecture.to_owned(),
        owner_id: seed.owner_id.to_owned(),
        owner_alias: (seed.owner_id == AMAZON).then(|| "amazon".to_owned()),
        creation_date: seed.creation_date.to_owned(),
        root_device_name: seed.root_device_name.to_owned(),
        snapshot_id: stable_id("snap", &[region, seed.name]),
        volume_size: seed.volume_size,
        volume_type: seed.volume_type,
        deprecation_time: seed.deprecation_time.map(str::to_owned),
        boot_mode: if seed.architecture == ARM { "uefi" } else { "uefi-preferred" }.to_owned(),
        platform: seed.platform,
        tags: Tags::new(),
    }
}

/// The public parameters of a region that name images: parameter and image id.
pub fn public_parameters(region: &str) -> Vec<(String, String)> {
    let named = |seed: &'static ImageSeed| {
        let id = stable_id("ami", &[region, seed.name]);
        seed.parameters.iter().map(move |name| ((*name).to_owned(), id.clone()))
    };
    IMAGES.iter().flat_map(named).collect()
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
