//! Partitions: ARNs and the Pricing API's home differ between them.

/// The partition that a region is in, as ARNs name it.
pub(crate) fn partition(region: &str) -> &'static str {
    if region.starts_with("us-gov-") {
        "aws-us-gov"
    } else if region.starts_with("cn-") {
        "aws-cn"
    } else {
        "aws"
    }
}

/// The region that answers for prices. The Pricing API is in few of them.
pub(crate) fn pricing_region(region: &str) -> &'static str {
    if partition(region) == "aws-cn" { "cn-northwest-1" } else { "us-east-1" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_are_in_their_partition() {
        for (region, expected, prices) in [
            ("us-east-1", "aws", "us-east-1"),
            ("eu-central-2", "aws", "us-east-1"),
            ("us-gov-west-1", "aws-us-gov", "us-east-1"),
            ("cn-north-1", "aws-cn", "cn-northwest-1"),
        ] {
            assert_eq!((partition(region), pricing_region(region)), (expected, prices), "{region}");
        }
    }
}
