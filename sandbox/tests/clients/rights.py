"""Every resource that a call touches is asked about, with the condition keys that AWS documents for it."""

import json

from kit import ACCOUNT, assumed, client, document, equal, refused, role, worker

iam, sts, ec2, ssm = client("iam"), client("sts"), client("ec2"), client("ssm")
IMAGE = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
image = ssm.get_parameter(Name=IMAGE)["Parameter"]["Value"]
subnet, elsewhere = ec2.describe_subnets(Filters=[{"Name": "default-for-az", "Values": ["true"]}])["Subnets"][:2]
ARN = f"arn:aws:ec2:us-east-1:{ACCOUNT}"
ROLE = f"arn:aws:iam::{ACCOUNT}:role"
session = assumed(sts, worker(iam, "worker"))
mine = session("ec2")


def may(*statements):
    iam.put_role_policy(RoleName="worker", PolicyName="may", PolicyDocument=document(*statements))


def tags(kind, **pairs):
    return {"ResourceType": kind, "Tags": [{"Key": key, "Value": value} for key, value in pairs.items()]}


def launch(by=mine, **more):
    return by.run_instances(**{"ImageId": image, "InstanceType": "c7i.large", "MinCount": 1, "MaxCount": 1, **more})["Instances"][0]["InstanceId"]


def say(call, *args, code="UnauthorizedOperation", **more):
    message = refused(code, call, *args, **more)["Error"]["Message"]
    readable, _, encoded = message.partition(" Encoded authorization failure message: ")
    print(readable)
    return encoded


# A launch takes rights on all that it touches; whichever is missing is named.
PARTS = {"image": f"arn:aws:ec2:us-east-1::image/{image}", "instance": f"{ARN}:instance/*", "volume": f"{ARN}:volume/*",
         "network-interface": f"{ARN}:network-interface/*", "subnet": f"{ARN}:subnet/*", "security-group": f"{ARN}:security-group/*"}
for missing in PARTS:
    may({"Action": "ec2:RunInstances", "Resource": [arn for part, arn in PARTS.items() if part != missing]})
    encoded = say(launch)
    # One that is only tried is refused alike, whatever else is wrong with it.
    refused("UnauthorizedOperation", launch, DryRun=True)
    refused("UnauthorizedOperation", launch, DryRun=True, KeyName="nobody")
may({"Action": "ec2:RunInstances", "Resource": list(PARTS.values())})
equal(refused("DryRunOperation", launch, DryRun=True)["ResponseMetadata"]["HTTPStatusCode"], 412)
equal(ec2.describe_instances()["Reservations"], [])
launch()
decoded = json.loads(sts.decode_authorization_message(EncodedMessage=encoded)["DecodedMessage"])
equal([decoded["allowed"], decoded["context"]["action"]], [False, "ec2:RunInstances"])
refused("AccessDenied", session("sts").decode_authorization_message, EncodedMessage=encoded)

# What is named besides is asked about too: a key, a group for placement, a parameter that names the image.
ec2.import_key_pair(KeyName="key", PublicKeyMaterial=b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK0wmN/Cr3JXqmLW7u+g9pTh+wyqDHpSQEIQczXkVx9q me")
ec2.create_placement_group(GroupName="near", Strategy="cluster")
say(launch, KeyName="key")
say(launch, Placement={"GroupName": "near"})
say(launch, ImageId=f"resolve:ssm:{IMAGE}")
more = [f"{ARN}:key-pair/key", f"{ARN}:placement-group/near"]
may({"Action": "ec2:RunInstances", "Resource": [*PARTS.values(), *more]}, {"Action": "ssm:GetParameters", "Resource": f"arn:aws:ssm:us-east-1::parameter{IMAGE}"})
launch(KeyName="key", Placement={"GroupName": "near"}, ImageId=f"resolve:ssm:{IMAGE}")

# Conditions of each resource: statements on `on`, a launch that fits, and one that does not.
ANY = {"Action": "ec2:CreateTags"}
for on, condition, fits, breaks in [
    ("instance", {"StringEquals": {"ec2:InstanceType": ["c7i.large", "t3.micro"]}}, {}, {"InstanceType": "c7i.xlarge"}),
    ("instance", {"StringEquals": {"aws:RequestTag/owned": "true"}}, {"TagSpecifications": [tags("instance", owned="true")]}, {}),
    ("instance", {"StringEquals": {"aws:RequestTag/owned": "true"}}, {"TagSpecifications": [tags("instance", owned="true")]}, {"TagSpecifications": [tags("volume", owned="true")]}),
    ("instance", {"ForAllValues:StringEquals": {"aws:TagKeys": ["owned"]}}, {"TagSpecifications": [tags("instance", owned="x")]}, {"TagSpecifications": [tags("instance", owned="x", other="y")]}),
    ("instance", {"StringEquals": {"ec2:MetadataHttpTokens": "required"}}, {"MetadataOptions": {"HttpTokens": "required"}}, {"MetadataOptions": {"HttpTokens": "optional"}}),
    ("instance", {"NumericLessThanEquals": {"ec2:MetadataHttpPutResponseHopLimit": "1"}}, {"MetadataOptions": {"HttpPutResponseHopLimit": 1}}, {"MetadataOptions": {"HttpPutResponseHopLimit": 2}}),
    ("instance", {"StringEquals": {"ec2:InstanceMarketType": "spot"}}, {"InstanceMarketOptions": {"MarketType": "spot"}}, {}),
    ("instance", {"Null": {"ec2:InstanceProfile": "true"}}, {}, None),
    ("volume", {"Bool": {"ec2:Encrypted": "true"}}, {"BlockDeviceMappings": [{"DeviceName": "/dev/xvda", "Ebs": {"Encrypted": True}}]}, {}),
    ("volume", {"NumericLessThanEquals": {"ec2:VolumeSize": "20"}}, {"BlockDeviceMappings": [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 20}}]}, {"BlockDeviceMappings": [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 21}}]}),
    ("image", {"StringEquals": {"ec2:Owner": "amazon"}, "Bool": {"ec2:Public": "true"}}, {}, None),
    ("subnet", {"ArnEquals": {"ec2:Vpc": f"{ARN}:vpc/{subnet['VpcId']}"}}, {}, None),
    ("subnet", {"StringEquals": {"ec2:SubnetID": subnet["SubnetId"]}}, {"SubnetId": subnet["SubnetId"]}, None),
    ("subnet", {"StringEquals": {"ec2:AvailabilityZone": subnet["AvailabilityZone"]}}, {"SubnetId": subnet["SubnetId"]}, {"Placement": {"AvailabilityZone": elsewhere["AvailabilityZone"]}}),
    ("network-interface", {"Bool": {"ec2:AssociatePublicIpAddress": "false"}}, {"NetworkInterfaces": [{"DeviceIndex": 0, "SubnetId": subnet["SubnetId"], "AssociatePublicIpAddress": False}]}, {"NetworkInterfaces": [{"DeviceIndex": 0, "SubnetId": subnet["SubnetId"], "AssociatePublicIpAddress": True}]}),
    ("security-group", {"StringEquals": {"aws:ResourceTag/owned": "true"}}, None, {}),
]:
    may(ANY, {"Action": "ec2:RunInstances", "Resource": [arn for part, arn in PARTS.items() if part != on]}, {"Action": "ec2:RunInstances", "Resource": PARTS[on], "Condition": condition})
    if fits is not None:
        launch(**fits)
    if breaks is not None:
        refused("UnauthorizedOperation", launch, **breaks)

# Tags at birth take a right of their own, for the kind and the operation that makes it.
run = {"Action": "ec2:RunInstances"}
may(run)
refused("InvalidKeyPair.NotFound", launch, DryRun=True, KeyName="nobody")
refused("UnauthorizedOperation", launch, DryRun=True, TagSpecifications=[tags("instance", owned="true")])
say(launch, TagSpecifications=[tags("instance", owned="true")])
may(run, {"Action": "ec2:CreateTags", "Resource": f"{ARN}:instance/*", "Condition": {"StringEquals": {"ec2:CreateAction": "RunInstances"}}})
own = launch(TagSpecifications=[tags("instance", owned="true")])
say(launch, TagSpecifications=[tags("instance", owned="true"), tags("volume", owned="true")])
say(mine.create_tags, Resources=[own], Tags=[{"Key": "more", "Value": "x"}])

# By the tags of what is there.
foreign = launch(ec2)
may({"Action": ["ec2:TerminateInstances", "ec2:StopInstances", "ec2:CreateTags", "ec2:DeleteTags"], "Condition": {"StringEquals": {"aws:ResourceTag/owned": "true"}}},
    {"Effect": "Deny", "Action": "ec2:DeleteTags", "Condition": {"ForAnyValue:StringEquals": {"aws:TagKeys": "owned"}}})
say(mine.create_tags, Resources=[foreign], Tags=[{"Key": "owned", "Value": "true"}])
mine.create_tags(Resources=[own], Tags=[{"Key": "more", "Value": "x"}])
mine.delete_tags(Resources=[own], Tags=[{"Key": "more"}])
say(mine.delete_tags, Resources=[own], Tags=[{"Key": "owned"}])
say(mine.terminate_instances, InstanceIds=[own, foreign])
say(mine.terminate_instances, InstanceIds=["i-0123456789abcdef0"])
refused("UnauthorizedOperation", mine.start_instances, InstanceIds=[own])
refused("UnauthorizedOperation", mine.terminate_instances, InstanceIds=[foreign], DryRun=True)
refused("DryRunOperation", mine.terminate_instances, InstanceIds=[own], DryRun=True)
mine.terminate_instances(InstanceIds=[own])

# Groups: the network they are made in, and what they carry.
may({"Action": "ec2:CreateSecurityGroup", "Resource": f"{ARN}:security-group/*", "Condition": {"StringEquals": {"aws:RequestTag/owned": "true"}}}, ANY)
mark = {"TagSpecifications": [tags("security-group", owned="true")]}
say(mine.create_security_group, GroupName="g", Description="d", VpcId=subnet["VpcId"], **mark)
may({"Action": "ec2:CreateSecurityGroup", "Resource": f"{ARN}:security-group/*", "Condition": {"StringEquals": {"aws:RequestTag/owned": "true"}}}, ANY,
    {"Action": "ec2:CreateSecurityGroup", "Resource": f"{ARN}:vpc/{subnet['VpcId']}"},
    {"Action": ["ec2:AuthorizeSecurityGroupIngress", "ec2:DeleteSecurityGroup"], "Condition": {"StringEquals": {"ec2:ResourceTag/owned": "true"}}})
say(mine.create_security_group, GroupName="g", Description="d")
refused("UnauthorizedOperation", mine.create_security_group, GroupName="g", Description="d", DryRun=True)
refused("DryRunOperation", mine.create_security_group, GroupName="g", Description="d", DryRun=True, **mark)
group = mine.create_security_group(GroupName="g", Description="d", **mark)["GroupId"]
rule = [{"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group}]}]
mine.authorize_security_group_ingress(GroupId=group, IpPermissions=rule)
mine.delete_security_group(GroupName="g")
default = ec2.describe_security_groups(GroupNames=["default"])["SecurityGroups"][0]["GroupId"]
say(mine.delete_security_group, GroupId=default)

# Roles: made only with a boundary and under a path, and handed only to whom they are for.
most = iam.create_policy(PolicyName="most", PolicyDocument=document({"Action": "s3:*"}))["Policy"]["Arn"]
roles, trust = session("iam"), '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}'
may({"Action": ["iam:CreateRole", "iam:PutRolePolicy", "iam:DeleteRolePolicy"], "Resource": f"{ROLE}/own/*", "Condition": {"StringEquals": {"iam:PermissionsBoundary": most}}},
    {"Action": ["iam:GetRole", "iam:DeleteRole"], "Resource": f"{ROLE}/own/*"})
denied = lambda call, **more: say(call, code="AccessDenied", **more)
role(iam, "plain", "ec2.amazonaws.com")
iam.create_role(RoleName="unlimited", Path="/own/", AssumeRolePolicyDocument=trust)
denied(roles.create_role, RoleName="r", Path="/own/", AssumeRolePolicyDocument=trust)
denied(roles.create_role, RoleName="r", AssumeRolePolicyDocument=trust, PermissionsBoundary=most)
denied(roles.create_role, RoleName="r", Path="/own/", AssumeRolePolicyDocument=trust, PermissionsBoundary=most, Tags=[{"Key": "a", "Value": "b"}])
roles.create_role(RoleName="r", Path="/own/", AssumeRolePolicyDocument=trust, PermissionsBoundary=most)
roles.put_role_policy(RoleName="r", PolicyName="p", PolicyDocument=document({"Action": "s3:GetObject"}))
denied(roles.put_role_policy, RoleName="unlimited", PolicyName="p", PolicyDocument=document({"Action": "*"}))
denied(roles.get_role, RoleName="plain")
# IAM knows a path only of what is there.
denied(roles.get_role, RoleName="absent")
refused("NoSuchEntity", iam.get_role, RoleName="absent")

for name in ["r", "plain"]:
    iam.create_instance_profile(InstanceProfileName=name)
may(run, {"Action": "iam:AddRoleToInstanceProfile"},
    {"Action": "iam:PassRole", "Resource": f"{ROLE}/own/*", "Condition": {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}})
denied(roles.add_role_to_instance_profile, InstanceProfileName="plain", RoleName="plain")
roles.add_role_to_instance_profile(InstanceProfileName="r", RoleName="r")
iam.add_role_to_instance_profile(InstanceProfileName="plain", RoleName="plain")
say(launch, IamInstanceProfile={"Name": "plain"})
launch(IamInstanceProfile={"Name": "r"})
may(run, {"Action": "iam:PassRole", "Condition": {"ArnLike": {"iam:AssociatedResourceArn": f"{ARN}:instance/*"}}})
launch(IamInstanceProfile={"Name": "plain"})
role(iam, "timer", "scheduler.amazonaws.com")
schedule = {"Name": "s", "ScheduleExpression": "rate(5 minutes)", "FlexibleTimeWindow": {"Mode": "OFF"},
            "Target": {"Arn": "arn:aws:scheduler:::aws-sdk:ssm:startAutomationExecution", "RoleArn": f"{ROLE}/timer", "Input": '{"DocumentName": "d"}'}}
may({"Action": "scheduler:CreateSchedule", "Resource": f"arn:aws:scheduler:us-east-1:{ACCOUNT}:schedule/default/s"})
say(session("scheduler").create_schedule, code="AccessDeniedException", **schedule)
may({"Action": "scheduler:CreateSchedule", "Resource": f"arn:aws:scheduler:us-east-1:{ACCOUNT}:schedule/default/s"},
    {"Action": "iam:PassRole", "Resource": f"{ROLE}/timer", "Condition": {"StringEquals": {"iam:PassedToService": "scheduler.amazonaws.com"}}})
session("scheduler").create_schedule(**schedule)
# A role that trusts somebody else, or Scheduler for another account, is no role for a schedule.
for principal, condition in [("ec2.amazonaws.com", {}), ("scheduler.amazonaws.com", {"StringEquals": {"aws:SourceAccount": "999999999999"}})]:
    iam.update_assume_role_policy(RoleName="timer", PolicyDocument=document({"Action": "sts:AssumeRole", "Principal": {"Service": principal}, "Condition": condition}))
    refused("ValidationException", client("scheduler").update_schedule, **schedule)

# Nothing is taken for granted: an operation that was not thought through is a gap, and so is a key.
may({"Action": "*"})
refused("NotImplemented", mine.disassociate_route_table, AssociationId="rtbassoc-0123456789abcdef0")
