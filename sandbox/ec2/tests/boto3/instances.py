"""Instances, and what comes with them."""

import datetime
import urllib.request

from botocore.exceptions import HTTPClientError

from kit import URL, ec2, refused, wait


def check_region():
    regions = {r["RegionName"] for r in ec2.describe_regions()["Regions"]}
    assert regions >= {"us-east-1", "eu-west-1"}, regions
    zones = ec2.describe_availability_zones()["AvailabilityZones"]
    assert [z["ZoneId"] for z in zones] == ["use1-az1", "use1-az2", "use1-az3"], zones
    [vpc] = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
    assert vpc["IsDefault"] and vpc["CidrBlock"] == "172.31.0.0/16" and vpc["OwnerId"] == "123456789012"
    subnets = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc["VpcId"]]}])["Subnets"]
    assert len(subnets) == 3 and all(s["DefaultForAz"] and s["AvailableIpAddressCount"] == 4091 for s in subnets)
    attributes = ec2.describe_account_attributes(AttributeNames=["default-vpc"])["AccountAttributes"]
    assert attributes[0]["AttributeValues"] == [{"AttributeValue": vpc["VpcId"]}], attributes
    return vpc["VpcId"], subnets[0]["SubnetId"]


def check_catalogue():
    [kind] = ec2.describe_instance_types(InstanceTypes=["c7i.large"])["InstanceTypes"]
    assert kind["VCpuInfo"] == {"DefaultVCpus": 2, "DefaultCores": 1, "DefaultThreadsPerCore": 2}
    assert kind["MemoryInfo"]["SizeInMiB"] == 4096
    assert kind["ProcessorInfo"]["SupportedArchitectures"] == ["x86_64"]
    assert kind["SupportedUsageClasses"] == ["on-demand", "spot"]
    [gpu] = ec2.describe_instance_types(InstanceTypes=["g5.xlarge"])["InstanceTypes"][0]["GpuInfo"]["Gpus"]
    assert gpu["Name"] == "A10G" and gpu["MemoryInfo"]["SizeInMiB"] == 22888
    [metal] = ec2.describe_instance_types(InstanceTypes=["c7i.metal-24xl"])["InstanceTypes"]
    assert metal["BareMetal"] and "Hypervisor" not in metal and not metal["HibernationSupported"]
    [old] = ec2.describe_instance_types(Filters=[{"Name": "hypervisor", "Values": ["xen"]}])["InstanceTypes"]
    assert (old["InstanceType"], old["CurrentGeneration"]) == ("m3.large", False)
    assert old["PlacementGroupInfo"]["SupportedStrategies"] == ["partition", "spread"]
    assert old["InstanceStorageInfo"]["NvmeSupport"] == old["NetworkInfo"]["EnaSupport"] == "unsupported"
    pages = ec2.get_paginator("describe_instance_types").paginate(PaginationConfig={"PageSize": 20})
    names = [t["InstanceType"] for page in pages for t in page["InstanceTypes"]]
    assert len(names) == len(set(names)) > 60, names
    offered = ec2.describe_instance_type_offerings(
        LocationType="availability-zone", Filters=[{"Name": "instance-type", "Values": ["c7i.*"]}]
    )["InstanceTypeOfferings"]
    assert len(offered) == 16, offered
    message = refused("InvalidInstanceType", ec2.describe_instance_types, InstanceTypes=["c9z.large"])
    assert message == "The following supplied instance types do not exist: [c9z.large]"
    prices = ec2.describe_spot_price_history(
        InstanceTypes=["c7i.large"],
        ProductDescriptions=["Linux/UNIX"],
        StartTime=datetime.datetime.fromtimestamp(1770000000, datetime.timezone.utc),
    )["SpotPriceHistory"]
    assert len(prices) == 3 and all(0.02 < float(p["SpotPrice"]) < 0.06 for p in prices), prices
    image = max(
        ec2.describe_images(
            Owners=["amazon"],
            Filters=[{"Name": "name", "Values": ["al2023-ami-2023.*"]}, {"Name": "architecture", "Values": ["x86_64"]}],
        )["Images"],
        key=lambda image: image["CreationDate"],
    )
    assert image["State"] == "available" and image["RootDeviceName"] == "/dev/xvda"
    return image["ImageId"]


def check_groups(vpc):
    group = ec2.create_security_group(
        GroupName="fleet",
        Description="members reach each other",
        VpcId=vpc,
        TagSpecifications=[{"ResourceType": "security-group", "Tags": [{"Key": "team", "Value": "blue"}]}],
    )
    assert group["Tags"] == [{"Key": "team", "Value": "blue"}]
    inside = {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group["GroupId"]}]}
    ssh = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "10.0.0.0/8", "Description": "d"}]}
    added = ec2.authorize_security_group_ingress(
        GroupId=group["GroupId"],
        IpPermissions=[inside, ssh],
        TagSpecifications=[{"ResourceType": "security-group-rule", "Tags": [{"Key": "k", "Value": "v"}]}],
    )
    assert added["Return"] and len(added["SecurityGroupRules"]) == 2
    assert added["SecurityGroupRules"][0]["ReferencedGroupInfo"]["GroupId"] == group["GroupId"]
    [seen] = ec2.describe_security_groups(Filters=[{"Name": "tag:team", "Values": ["blue"]}])["SecurityGroups"]
    assert seen["IpPermissions"][1]["IpRanges"] == ssh["IpRanges"], seen
    assert seen["IpPermissionsEgress"][0]["IpProtocol"] == "-1"
    rules = ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group["GroupId"]]}])
    assert sorted(r["IsEgress"] for r in rules["SecurityGroupRules"]) == [False, False, True]
    revoked = ec2.revoke_security_group_ingress(GroupId=group["GroupId"], IpPermissions=[ssh])
    assert revoked["Return"] and len(revoked["RevokedSecurityGroupRules"]) == 1
    refused("InvalidPermission.Duplicate", ec2.authorize_security_group_ingress,
        GroupId=group["GroupId"], IpPermissions=[inside],
    )
    return group["GroupId"]


def launch_arguments(image, subnet, group):
    return dict(
        ImageId=image,
        InstanceType="c7i.large",
        MinCount=2,
        MaxCount=3,
        ClientToken="one",
        SubnetId=subnet,
        SecurityGroupIds=[group],
        IamInstanceProfile={"Name": "worker"},
        UserData="#!/bin/sh\necho 'ünïcode & <tags>'\n",
        InstanceInitiatedShutdownBehavior="terminate",
        EbsOptimized=True,
        MetadataOptions={"HttpTokens": "required", "HttpPutResponseHopLimit": 1, "InstanceMetadataTags": "disabled"},
        BlockDeviceMappings=[
            {"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 20, "VolumeType": "gp3", "Encrypted": True, "DeleteOnTermination": True}}
        ],
        TagSpecifications=[
            {"ResourceType": "instance", "Tags": [{"Key": "team/name", "Value": "a <b> & \"c\""}, {"Key": "rank", "Value": ""}]},
            {"ResourceType": "volume", "Tags": [{"Key": "team/name", "Value": "disk"}]},
        ],
    )


def check_instances(arguments):
    launched = ec2.run_instances(**arguments)
    ids = [i["InstanceId"] for i in launched["Instances"]]
    assert launched["OwnerId"] == "123456789012" and len(ids) == 3
    assert [i["AmiLaunchIndex"] for i in launched["Instances"]] == [0, 1, 2]
    first = launched["Instances"][0]
    assert first["State"] == {"Code": 0, "Name": "pending"}
    assert first["LaunchTime"].isoformat() == "2026-02-02T02:40:00+00:00", first["LaunchTime"]
    assert first["IamInstanceProfile"]["Arn"].endswith("instance-profile/worker")
    assert first["MetadataOptions"]["HttpTokens"] == "required"
    assert first["SecurityGroups"] == [{"GroupId": arguments["SecurityGroupIds"][0], "GroupName": "fleet"}]
    assert first["NetworkInterfaces"][0]["PrivateIpAddresses"][0]["PrivateIpAddress"] == first["PrivateIpAddress"]
    assert {t["Key"]: t["Value"] for t in first["Tags"]} == {"team/name": "a <b> & \"c\"", "rank": ""}
    again = [i["InstanceId"] for i in ec2.run_instances(**arguments)["Instances"]]
    assert again == ids, "the same token is the same instances"
    refused("IdempotentParameterMismatch", ec2.run_instances, **{**arguments, "MaxCount": 2})
    assert wait(2000).count("Boot") == 3
    ec2.get_waiter("instance_running").wait(InstanceIds=ids, WaiterConfig={"Delay": 0, "MaxAttempts": 1})
    [found] = ec2.describe_instances(Filters=[{"Name": "tag:team/name", "Values": ["a <b>*"]}])["Reservations"]
    assert {i["InstanceId"] for i in found["Instances"]} == set(ids)
    assert all(i["PublicIpAddress"].startswith("198.18.") for i in found["Instances"])
    statuses = ec2.describe_instance_status(InstanceIds=ids)["InstanceStatuses"]
    assert all(s["InstanceStatus"]["Status"] == "ok" for s in statuses) and len(statuses) == 3
    return ids


def check_disks_tags_attributes(ids, arguments):
    volumes = ec2.describe_volumes(Filters=[{"Name": "attachment.instance-id", "Values": ids}])["Volumes"]
    assert [(v["Size"], v["Encrypted"], v["Tags"][0]["Value"]) for v in volumes] == [(20, True, "disk")] * 3
    ec2.create_tags(Resources=ids[:2], Tags=[{"Key": "deadline", "Value": "soon"}])
    tags = ec2.describe_tags(Filters=[{"Name": "key", "Values": ["deadline"]}])["Tags"]
    assert {t["ResourceId"] for t in tags} == set(ids[:2]) and tags[0]["ResourceType"] == "instance"
    ec2.delete_tags(Resources=[ids[0]], Tags=[{"Key": "deadline"}])
    assert len(ec2.describe_tags(Filters=[{"Name": "tag:deadline", "Values": ["soon"]}])["Tags"]) == 1
    import base64

    data = ec2.describe_instance_attribute(InstanceId=ids[0], Attribute="userData")["UserData"]["Value"]
    assert base64.b64decode(data).decode() == arguments["UserData"]
    behavior = ec2.describe_instance_attribute(InstanceId=ids[0], Attribute="instanceInitiatedShutdownBehavior")
    assert behavior["InstanceInitiatedShutdownBehavior"] == {"Value": "terminate"}
    ec2.modify_instance_attribute(InstanceId=ids[0], InstanceInitiatedShutdownBehavior={"Value": "stop"})
    ec2.reboot_instances(InstanceIds=[ids[0]])
    stopping = ec2.stop_instances(InstanceIds=[ids[0]])["StoppingInstances"]
    assert stopping[0]["CurrentState"]["Name"] == "stopping"
    wait(1000)
    ec2.modify_instance_attribute(InstanceId=ids[0], UserData={"Value": b"two"})
    data = ec2.describe_instance_attribute(InstanceId=ids[0], Attribute="userData")["UserData"]["Value"]
    assert base64.b64decode(data) == b"two"
    assert ec2.start_instances(InstanceIds=[ids[0]])["StartingInstances"][0]["CurrentState"]["Name"] == "pending"


def check_refusals(arguments):
    refused("InvalidInstanceID.NotFound", ec2.describe_instances, InstanceIds=["i-00000000000000000"])
    refused("InvalidInstanceID.Malformed", ec2.terminate_instances, InstanceIds=["nonsense"])
    refused("DryRunOperation", status=412, call=ec2.run_instances, **{**arguments, "ClientToken": "dry", "DryRun": True})
    refused("DryRunOperation", status=412, call=ec2.describe_instances, DryRun=True)
    # Not simulated: refused, and told as gaps.
    refused("UnsupportedOperation", ec2.describe_hosts)
    message = refused("UnknownParameter", ec2.run_instances, **{**arguments, "ClientToken": "cpu", "CpuOptions": {"CoreCount": 1}}
    )
    assert message == "The parameter CpuOptions.CoreCount is not recognized"
    message = refused("InvalidParameterValue", ec2.describe_instances, Filters=[{"Name": "moon-phase", "Values": ["full"]}]
    )
    assert message == "The filter 'moon-phase' is invalid"


def check_pages_and_lost_reply(arguments):
    arguments = {**arguments, "MinCount": 20, "MaxCount": 20, "ClientToken": "lost"}
    urllib.request.urlopen(urllib.request.Request(f"{URL}/fault", data=b"RunInstances")).read()
    try:
        ec2.run_instances(**arguments)
        raise AssertionError("the answer was to be lost")
    except HTTPClientError:
        pass
    ids = {i["InstanceId"] for i in ec2.run_instances(**arguments)["Instances"]}
    assert len(ids) == 20, "the repetition finds what the first call launched"
    pages = ec2.get_paginator("describe_instances").paginate(
        Filters=[{"Name": "client-token", "Values": ["lost"]}], PaginationConfig={"PageSize": 7}
    )
    sizes = [sum(len(r["Instances"]) for r in page["Reservations"]) for page in pages]
    assert sizes == [7, 7, 6], sizes
    spot = ec2.run_instances(
        ImageId=arguments["ImageId"],
        InstanceType="m7i.large",
        MinCount=1,
        MaxCount=1,
        InstanceMarketOptions={"MarketType": "spot", "SpotOptions": {"SpotInstanceType": "one-time", "MaxPrice": "0.1"}},
        NetworkInterfaces=[{"DeviceIndex": 0, "SubnetId": arguments["SubnetId"], "AssociatePublicIpAddress": False}],
    )["Instances"][0]
    assert spot["InstanceLifecycle"] == "spot" and spot["SpotInstanceRequestId"].startswith("sir-")
    check_spot_request(spot)
    return list(ids) + [spot["InstanceId"]]


def check_spot_request(spot):
    id = spot["SpotInstanceRequestId"]
    [request] = ec2.describe_spot_instance_requests(SpotInstanceRequestIds=[id])["SpotInstanceRequests"]
    assert (request["State"], request["Status"]["Code"]) == ("active", "fulfilled"), request
    assert (request["InstanceId"], request["SpotPrice"], request["Type"]) == (spot["InstanceId"], "0.100000", "one-time")
    assert request["LaunchSpecification"]["InstanceType"] == "m7i.large"
    assert request["LaunchedAvailabilityZone"] == spot["Placement"]["AvailabilityZone"]
    refused("InvalidSpotInstanceRequestID.NotFound", ec2.cancel_spot_instance_requests, SpotInstanceRequestIds=["sir-0"])
    [cancelled] = ec2.cancel_spot_instance_requests(SpotInstanceRequestIds=[id])["CancelledSpotInstanceRequests"]
    assert cancelled == {"SpotInstanceRequestId": id, "State": "cancelled"}, cancelled
    pages = ec2.get_paginator("describe_spot_instance_requests").paginate(Filters=[{"Name": "state", "Values": ["cancelled"]}])
    [request] = [r for page in pages for r in page["SpotInstanceRequests"]]
    assert request["Status"]["Code"] == "request-canceled-and-instance-running", request
    message = refused("InvalidParameterCombination", ec2.run_instances, ImageId=spot["ImageId"], InstanceType="m7i.large", MinCount=1, MaxCount=1,
        InstanceMarketOptions={"MarketType": "spot", "SpotOptions": {"InstanceInterruptionBehavior": "stop"}},
    )
    assert message.startswith("The request with type 'one-time' is not supported"), message
    message = refused("SpotMaxPriceTooLow", ec2.run_instances, ImageId=spot["ImageId"], InstanceType="m7i.large", MinCount=1, MaxCount=1,
        InstanceMarketOptions={"MarketType": "spot", "SpotOptions": {"MaxPrice": "0.01"}},
    )
    assert message.startswith("Your Spot request price of 0.01 is lower than the minimum required"), message


def check_end(ids, group):
    ended = ec2.terminate_instances(InstanceIds=ids)["TerminatingInstances"]
    assert {e["CurrentState"]["Name"] for e in ended} == {"shutting-down"}
    refused("DependencyViolation", ec2.delete_security_group, GroupId=group)
    wait(1000)
    ec2.get_waiter("instance_terminated").wait(InstanceIds=ids, WaiterConfig={"Delay": 0, "MaxAttempts": 1})
    [one] = ec2.describe_instances(InstanceIds=ids[:1])["Reservations"][0]["Instances"]
    assert one["StateReason"]["Code"] == "Client.UserInitiatedShutdown" and "PrivateIpAddress" not in one
    assert one["StateTransitionReason"].startswith("User initiated (2026-02-02")
    assert ec2.delete_security_group(GroupId=group)["GroupId"] == group
    assert ec2.describe_volumes()["Volumes"] == []
    wait(3_600_000)
    assert ec2.describe_instances()["Reservations"] == []


vpc, subnet = check_region()
image = check_catalogue()
group = check_groups(vpc)
arguments = launch_arguments(image, subnet, group)
ids = check_instances(arguments)
check_disks_tags_attributes(ids, arguments)
check_refusals(arguments)
ids += check_pages_and_lost_reply(arguments)
check_end(ids, group)
print("all good")
