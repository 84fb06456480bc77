"""Launch templates: what is described comes back as it was, version by version."""

import base64

from kit import ec2, pages, refused, tagged

DATA = {
    "ImageId": "ami-00000000000000001", "InstanceType": "c7i.large", "KeyName": "me", "EbsOptimized": True,
    "UserData": base64.b64encode(b"#!/bin/sh\n").decode(), "IamInstanceProfile": {"Name": "worker"}, "Monitoring": {"Enabled": False},
    "BlockDeviceMappings": [
        {"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 20, "VolumeType": "gp3", "Iops": 4000, "Encrypted": True, "DeleteOnTermination": True}},
        {"DeviceName": "/dev/sdf", "NoDevice": ""},
    ],
    "NetworkInterfaces": [{"DeviceIndex": 0, "Groups": ["sg-00000000000000001"], "AssociatePublicIpAddress": False, "SubnetId": "subnet-00000000000000001"}],
    "Placement": {"GroupName": "near", "Tenancy": "default"},
    "MetadataOptions": {"HttpTokens": "required", "HttpPutResponseHopLimit": 1, "InstanceMetadataTags": "enabled"},
    "InstanceMarketOptions": {"MarketType": "spot", "SpotOptions": {"MaxPrice": "0.05"}},
    "InstanceInitiatedShutdownBehavior": "terminate", "DisableApiTermination": False,
    "TagSpecifications": tagged("instance", team="blue") + tagged("volume", team="blue"),
    "SecurityGroupIds": ["sg-00000000000000001", "sg-00000000000000002"], "SecurityGroups": ["default"],
}


def versions(**which):
    return ec2.describe_launch_template_versions(**which)["LaunchTemplateVersions"]


def check_versions():
    # EC2 looks at nothing of it before somebody launches.
    made = ec2.create_launch_template(
        LaunchTemplateName="web/(1)", VersionDescription="first", LaunchTemplateData=DATA, ClientToken="t",
        TagSpecifications=tagged("launch-template", team="blue"),
    )["LaunchTemplate"]
    id = made["LaunchTemplateId"]
    assert id.startswith("lt-0") and (made["DefaultVersionNumber"], made["LatestVersionNumber"]) == (1, 1), made
    assert made["Tags"] == [{"Key": "team", "Value": "blue"}] and made["CreatedBy"] == "arn:aws:iam::123456789012:root", made
    [first] = versions(LaunchTemplateName="web/(1)")
    assert first["LaunchTemplateData"] == DATA, first["LaunchTemplateData"]
    assert (first["VersionNumber"], first["VersionDescription"], first["DefaultVersion"]) == (1, "first", True), first
    second = ec2.create_launch_template_version(LaunchTemplateId=id, SourceVersion="1", LaunchTemplateData={"InstanceType": "m7i.large"})
    second = second["LaunchTemplateVersion"]
    assert second["LaunchTemplateData"] == {**DATA, "InstanceType": "m7i.large"} and second["VersionNumber"] == 2, second
    ec2.create_launch_template_version(LaunchTemplateId=id, LaunchTemplateData={"InstanceType": "t3.micro"})
    changed = ec2.modify_launch_template(LaunchTemplateId=id, DefaultVersion="2")["LaunchTemplate"]
    assert (changed["DefaultVersionNumber"], changed["LatestVersionNumber"]) == (2, 3), changed
    assert [v["VersionNumber"] for v in versions(LaunchTemplateId=id)] == [3, 2, 1]
    assert [v["VersionNumber"] for v in versions(LaunchTemplateId=id, MinVersion="2")] == [3, 2]
    assert [(v["VersionNumber"], v["DefaultVersion"]) for v in versions(LaunchTemplateId=id, Versions=["$Latest", "$Default"])] == [(3, False), (2, True)]
    assert [v["VersionNumber"] for v in versions(Versions=["$Default"])] == [2]
    assert [v["VersionNumber"] for v in versions(LaunchTemplateId=id, Filters=[{"Name": "instance-type", "Values": ["t3.*"]}])] == [3]
    assert len(pages("describe_launch_template_versions", "LaunchTemplateVersions", 2, LaunchTemplateId=id)) == 3
    refused("InvalidLaunchTemplateId.VersionNotFound", ec2.describe_launch_template_versions, LaunchTemplateId=id, Versions=["9"])
    refused("InvalidLaunchTemplateId.VersionNotFound", ec2.modify_launch_template, LaunchTemplateId=id, DefaultVersion="9")


def check_names_and_tags():
    again = dict(LaunchTemplateName="web/(1)", LaunchTemplateData={"InstanceType": "t3.micro"})
    refused("InvalidLaunchTemplateName.AlreadyExistsException", ec2.create_launch_template, **again)
    refused("IdempotentParameterMismatch", ec2.create_launch_template, ClientToken="t", **again)
    refused("InvalidLaunchTemplateName.MalformedException", ec2.create_launch_template, **{**again, "LaunchTemplateName": "web 1"})
    refused("DryRunOperation", ec2.create_launch_template, status=412, DryRun=True, **{**again, "LaunchTemplateName": "dry"})
    other = ec2.create_launch_template(**{**again, "LaunchTemplateName": "other"})["LaunchTemplate"]["LaunchTemplateId"]
    ec2.create_tags(Resources=[other], Tags=[{"Key": "team", "Value": "red"}])

    def found(**which):
        return [t["LaunchTemplateName"] for t in ec2.describe_launch_templates(**which)["LaunchTemplates"]]

    assert found(Filters=[{"Name": "tag:team", "Values": ["red"]}]) == ["other"]
    assert found(Filters=[{"Name": "launch-template-name", "Values": ["web*"]}]) == ["web/(1)"]
    assert found(LaunchTemplateNames=["other"]) == found(LaunchTemplateIds=[other]) == ["other"]
    assert len(pages("describe_launch_templates", "LaunchTemplates", 1)) == 2
    [tag] = ec2.describe_tags(Filters=[{"Name": "resource-id", "Values": [other]}])["Tags"]
    assert (tag["ResourceType"], tag["Value"]) == ("launch-template", "red"), tag
    ec2.delete_tags(Resources=[other])
    assert found(Filters=[{"Name": "tag-key", "Values": ["team"]}]) == ["web/(1)"]
    assert ec2.delete_launch_template(LaunchTemplateName="other")["LaunchTemplate"]["LaunchTemplateId"] == other
    message = refused("InvalidLaunchTemplateName.NotFoundException", ec2.delete_launch_template, LaunchTemplateName="other")
    assert message == "The specified launch template, with template name other, does not exist."
    refused("InvalidLaunchTemplateName.NotFoundException", ec2.describe_launch_templates, LaunchTemplateNames=["other", "web/(1)"])
    refused("InvalidLaunchTemplateId.NotFound", ec2.describe_launch_templates, LaunchTemplateIds=[other])
    refused("InvalidLaunchTemplateId.Malformed", ec2.describe_launch_templates, LaunchTemplateIds=["lt-1"])
    refused("MissingParameter", ec2.describe_launch_template_versions)


check_versions()
check_names_and_tags()
unknown = dict(LaunchTemplateName="what", LaunchTemplateData={"CpuOptions": {"CoreCount": 1}})
refused("UnknownParameter", ec2.create_launch_template, **unknown)
print("all good")
