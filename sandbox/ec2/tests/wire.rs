//! Requests and answers as they travel.

#![allow(clippy::unwrap_used, reason = "a test that panics has said what it has to say")]

use jiff::Timestamp;
use sandbox_cloud::{Cloud, Config, Effect, Fault, catalogue};
use sandbox_ec2::{Answer, Outcome, handle};

fn cloud() -> Cloud {
    Cloud::new(Config { throttle: false, ..Config::default() })
}

fn ask(cloud: &mut Cloud, form: &str) -> Answer {
    let now = Timestamp::from_second(1_770_000_000).unwrap();
    handle(cloud, now, "us-east-1", format!("{form}&Version=2016-11-15").as_bytes())
}

/// The XML with an element on each line, for reading.
fn lines(answer: &Answer) -> String {
    String::from_utf8(answer.body.clone()).unwrap().replace("><", ">\n<")
}

fn launch(more: &str) -> String {
    let image = &catalogue::images("us-east-1")[0].id;
    format!("Action=RunInstances&ImageId={image}&InstanceType=c7i.large&MinCount=1&MaxCount=1{more}")
}

#[test]
fn a_launch_in_full() {
    let mut cloud = cloud();
    let answer = ask(
        &mut cloud,
        &launch(
            "&ClientToken=t&TagSpecification.1.ResourceType=instance&TagSpecification.1.Tag.1.Key=a%26b&TagSpecification.1.Tag.1.Value=%3C1%3E",
        ),
    );
    assert_eq!((answer.status, answer.operation.as_str(), &answer.outcome), (200, "RunInstances", &Outcome::Ok));
    insta::assert_snapshot!("a_launch_in_full", lines(&answer));
}

#[test]
fn an_error_in_full() {
    let answer = ask(&mut cloud(), "Action=DescribeInstances&InstanceId.1=i-00000000000000000");
    assert_eq!(answer.outcome, Outcome::Err("InvalidInstanceID.NotFound".to_owned()));
    insta::assert_snapshot!("an_error_in_full", lines(&answer));
}

/// What is refused, with which code, and whether it is told as a gap.
#[test]
fn refusals() {
    let good = launch("");
    let with = |more: &str| format!("{good}{more}");
    let cases = [
        ("Foo=1".to_owned(), 400, "MissingAction", false),
        ("Action=CreateVpcPeeringConnection&VpcId=vpc-1".to_owned(), 400, "UnsupportedOperation", true),
        ("Action=DescribeInstances&Colour=red".to_owned(), 400, "UnknownParameter", true),
        ("Action=DescribeInstances&Filter.1.Name=colour&Filter.1.Value.1=red".to_owned(), 400, "InvalidParameterValue", true),
        ("Action=DescribeInstances&Filter.1.Name=vpc-id".to_owned(), 400, "InvalidParameterValue", false),
        ("Action=DescribeInstances&MaxResults=many".to_owned(), 400, "InvalidParameterValue", false),
        ("Action=DescribeInstances&IncludeManagedResources=true".to_owned(), 400, "UnsupportedOperation", true),
        ("Action=TerminateInstances".to_owned(), 400, "MissingParameter", false),
        ("Action=TerminateInstances&DryRun=true".to_owned(), 412, "DryRunOperation", false),
        ("Action=StopInstances&InstanceId.1=i-1&Force=true".to_owned(), 400, "UnsupportedOperation", true),
        ("Action=ModifyInstanceAttribute&InstanceId=i-1&SourceDestCheck.Value=false".to_owned(), 400, "UnknownParameter", true),
        ("Action=ModifyInstanceAttribute&InstanceId=i-1".to_owned(), 400, "InvalidParameterCombination", false),
        ("Action=DescribeInstanceTypeOfferings&LocationType=outpost".to_owned(), 400, "InvalidParameterValue", true),
        ("Action=CreateVpc&CidrBlock=10.0.0.0/16&InstanceTenancy=dedicated".to_owned(), 400, "UnsupportedOperation", true),
        ("Action=CreateVpc&CidrBlock=10.0.0.0/8".to_owned(), 400, "InvalidVpc.Range", false),
        (
            "Action=CreateRoute&RouteTableId=rtb-1&DestinationCidrBlock=0.0.0.0/0&TransitGatewayId=tgw-1".to_owned(),
            400,
            "UnknownParameter",
            true,
        ),
        ("Action=ModifySubnetAttribute&SubnetId=subnet-1&EnableDns64.Value=true".to_owned(), 400, "UnknownParameter", true),
        ("Action=CreateVpcEndpoint&VpcId=vpc-1&ServiceName=s3&PolicyDocument=x".to_owned(), 400, "UnknownParameter", true),
        (with("&DryRun=true"), 412, "DryRunOperation", false),
        (with("&DryRun=true&KeyName=nobody"), 400, "InvalidKeyPair.NotFound", false),
        (with("&DryRun=perhaps"), 400, "InvalidParameterValue", false),
        ("Action=CreateSecurityGroup&GroupName=g&GroupDescription=d&DryRun=true".to_owned(), 412, "DryRunOperation", false),
        ("Action=CreatePlacementGroup&GroupName=g&Strategy=spread&DryRun=true".to_owned(), 412, "DryRunOperation", false),
        (
            "Action=CreateLaunchTemplate&LaunchTemplateName=own&LaunchTemplateData.InstanceType=c7i.large&DryRun=true".to_owned(),
            412,
            "DryRunOperation",
            false,
        ),
        ("Action=CreateLaunchTemplate&LaunchTemplateData.InstanceType=c7i.large&DryRun=true".to_owned(), 400, "MissingParameter", false),
        (with("&HibernationOptions.Configured=true"), 400, "UnsupportedHibernationConfiguration", false),
        (with("&KeyName=nobody"), 400, "InvalidKeyPair.NotFound", false),
        (with("&Placement.GroupName=none"), 400, "InvalidPlacementGroup.Unknown", false),
        ("Action=CreateKeyPair&KeyName=k".to_owned(), 400, "UnsupportedOperation", true),
        ("Action=ImportKeyPair&KeyName=k&PublicKeyMaterial=eA==".to_owned(), 400, "InvalidKey.Format", false),
        ("Action=CreatePlacementGroup&GroupName=g&Strategy=partition".to_owned(), 400, "InvalidParameterValue", true),
        ("Action=CreatePlacementGroup&GroupName=g&SpreadLevel=host".to_owned(), 400, "UnsupportedOperation", true),
        ("Action=CreateSnapshot&VolumeId=vol-1&Location=local".to_owned(), 400, "UnknownParameter", true),
        ("Action=ModifyVolume&VolumeId=vol-1&MultiAttachEnabled=true".to_owned(), 400, "UnsupportedOperation", true),
        ("Action=ModifyVolume&VolumeId=vol-00000000000000001&Size=9".to_owned(), 400, "InvalidVolume.NotFound", false),
        (with("&LaunchTemplate.LaunchTemplateName=x"), 400, "UnknownParameter", true),
        (with("&UserData=%25%25%25"), 400, "InvalidParameterValue", false),
        (with("&EbsOptimized=perhaps"), 400, "InvalidParameterValue", false),
        (with("&InstanceInitiatedShutdownBehavior=explode"), 400, "InvalidParameterValue", false),
        (with("&InstanceMarketOptions.MarketType=capacity-block"), 400, "UnsupportedOperation", true),
        (
            with("&InstanceMarketOptions.MarketType=spot&InstanceMarketOptions.SpotOptions.SpotInstanceType=persistent"),
            400,
            "UnsupportedOperation",
            true,
        ),
        (
            with("&InstanceMarketOptions.MarketType=spot&InstanceMarketOptions.SpotOptions.InstanceInterruptionBehavior=hibernate"),
            400,
            "InvalidParameterCombination",
            false,
        ),
        (with("&InstanceMarketOptions.MarketType=spot&InstanceMarketOptions.SpotOptions.MaxPrice=0"), 400, "InvalidParameterValue", false),
        ("Action=CancelSpotInstanceRequests".to_owned(), 400, "MissingParameter", false),
        (with("&NetworkInterface.1.DeviceIndex=0&NetworkInterface.1.InterfaceType=efa"), 400, "UnsupportedOperation", true),
        (with("&BlockDeviceMapping.1.DeviceName=/dev/sdf&BlockDeviceMapping.1.VirtualName=ephemeral0"), 400, "UnknownParameter", true),
        (with("&MinCount=2"), 400, "InvalidParameter", false),
    ];
    for (form, status, code, gap) in cases {
        let mut cloud = cloud();
        let before = cloud.snapshot();
        let answer = ask(&mut cloud, &form);
        assert_eq!(answer.outcome, Outcome::Err(code.to_owned()), "{form}");
        assert_eq!((answer.status, answer.gap.is_some()), (status, gap), "{form}: {:?}", answer.gap);
        let code = format!("<Code>{code}</Code>");
        assert!(String::from_utf8_lossy(&answer.body).contains(&code), "{form}");
        assert_eq!(cloud.snapshot(), before, "{form}");
    }
}

/// Parameters whose value says what happens anyway are accepted.
#[test]
fn what_has_no_effect_is_accepted() {
    let cases = [
        "&HibernationOptions.Configured=false&EnclaveOptions.Enabled=false&DisableApiStop=false",
        "&Monitoring.Enabled=true&Placement.Tenancy=default&MaintenanceOptions.AutoRecovery=default",
        "&CapacityReservationSpecification.CapacityReservationPreference=open",
        "&NetworkInterface.1.DeviceIndex=0&NetworkInterface.1.InterfaceType=interface&NetworkInterface.1.NetworkCardIndex=0",
        "&InstanceMarketOptions.MarketType=spot&InstanceMarketOptions.SpotOptions.InstanceInterruptionBehavior=terminate",
        "&UserData=aGk", // Without padding.
    ];
    for more in cases {
        let answer = ask(&mut cloud(), &launch(more));
        assert_eq!((answer.outcome, answer.gap), (Outcome::Ok, None), "{more}: {}", String::from_utf8_lossy(&answer.body));
    }
}

#[test]
fn versions_regions_and_nonsense() {
    let now = Timestamp::from_second(1_770_000_000).unwrap();
    let cases: [(&str, &[u8], &str); 4] = [
        ("us-east-1", b"Action=DescribeRegions&Version=2010-01-01", "NoSuchVersion"),
        ("us-east-1", b"Action=DescribeRegions", "MissingParameter"),
        ("mars-north-1", b"Action=DescribeRegions&Version=2016-11-15", "InvalidRegion"),
        ("us-east-1", b"Action=%FF", "MalformedQueryString"),
    ];
    for (region, body, code) in cases {
        assert_eq!(handle(&mut cloud(), now, region, body).outcome, Outcome::Err(code.to_owned()), "{code}");
    }
}

#[test]
fn a_lost_answer_is_told_as_lost() {
    let mut cloud = cloud();
    cloud.fault(Fault::lost("RunInstances", Effect::After, 1));
    assert_eq!(ask(&mut cloud, &launch("")).outcome, Outcome::Lost);
    assert_eq!(cloud.machine_ids().len(), 1);
}

#[test]
fn throttling_is_told_with_its_status() {
    let mut cloud = Cloud::new(Config::default());
    let statuses: Vec<u16> = (0..6).map(|_| ask(&mut cloud, &launch("")).status).collect();
    assert_eq!(statuses, [200, 200, 200, 200, 200, 503]);
}

#[test]
fn text_survives_the_journey() {
    let mut cloud = cloud();
    ask(
        &mut cloud,
        &launch(
            "&TagSpecification.1.ResourceType=instance&TagSpecification.1.Tag.1.Key=k&TagSpecification.1.Tag.1.Value=%C3%A9%0D%0A%22%3E%01",
        ),
    );
    let answer = ask(&mut cloud, "Action=DescribeTags");
    let text = String::from_utf8(answer.body).unwrap();
    assert!(text.contains("<value>é&#13;\n&quot;&gt;\u{fffd}</value>"), "{text}");
}
