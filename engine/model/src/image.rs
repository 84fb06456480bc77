//! Which image a fleet boots, as a user writes it.

/// What `ami` refers to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ImageReference {
    /// This image: `ami-0123456789abcdef0`.
    Id(String),
    /// The image that a parameter of Systems Manager names: `ssm:/aws/service/…`.
    Parameter(String),
    /// The newest of a distribution, for the architecture of the instance types: `al2023`, `ubuntu-24.04`.
    Newest(Distribution),
}

/// A distribution whose images have what the agent needs: cloud-init, Python 3 and systemd.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Distribution {
    /// Amazon Linux 2023.
    AmazonLinux2023,
    /// Ubuntu 22.04 LTS.
    Ubuntu2204,
    /// Ubuntu 24.04 LTS.
    Ubuntu2404,
}

impl Distribution {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::AmazonLinux2023, Self::Ubuntu2204, Self::Ubuntu2404];

    /// How it is written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AmazonLinux2023 => "al2023",
            Self::Ubuntu2204 => "ubuntu-22.04",
            Self::Ubuntu2404 => "ubuntu-24.04",
        }
    }

    /// How people call it.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::AmazonLinux2023 => "Amazon Linux 2023",
            Self::Ubuntu2204 => "Ubuntu 22.04",
            Self::Ubuntu2404 => "Ubuntu 24.04",
        }
    }
}

impl ImageReference {
    /// Reads what is written in `ami`; nothing written is Amazon Linux 2023. Nothing comes back if it is none of the forms.
    #[must_use]
    pub fn parse(written: Option<&str>) -> Option<Self> {
        let Some(written) = written else { return Some(Self::Newest(Distribution::AmazonLinux2023)) };
        if let Some(digits) = written.strip_prefix("ami-") {
            let id = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit());
            return id.then(|| Self::Id(written.to_owned()));
        }
        if let Some(parameter) = written.strip_prefix("ssm:") {
            // The characters of a parameter's name (Systems Manager user guide, "Creating parameters").
            let valid = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'.' | b'-' | b'_');
            return (!parameter.is_empty() && parameter.bytes().all(valid)).then(|| Self::Parameter(parameter.to_owned()));
        }
        Distribution::ALL.into_iter().find(|one| one.name() == written).map(Self::Newest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_read() {
        let newest = |one| Some(ImageReference::Newest(one));
        for (written, expected) in [
            (None, newest(Distribution::AmazonLinux2023)),
            (Some("al2023"), newest(Distribution::AmazonLinux2023)),
            (Some("ubuntu-24.04"), newest(Distribution::Ubuntu2404)),
            (Some("ubuntu-22.04"), newest(Distribution::Ubuntu2204)),
            (Some("ami-0abc"), Some(ImageReference::Id("ami-0abc".to_owned()))),
            (Some("ssm:/golden/image"), Some(ImageReference::Parameter("/golden/image".to_owned()))),
            (Some("ssm:"), None),
            (Some("ssm:/a b"), None),
            (Some("ami-xyz"), None),
            (Some("ami-"), None),
            (Some("ubuntu"), None),
            (Some("AMI-0abc"), None),
            (Some(""), None),
        ] {
            assert_eq!(ImageReference::parse(written), expected, "{written:?}");
        }
    }
}
