"""What a role may do, and what it is told when it may not."""

import json

from kit import ACCOUNT, TRUST, allow, assumed, client, equal, refused, worker

iam, s3, ec2 = client("iam"), client("s3"), client("ec2")
session = assumed(client("sts"), worker(iam, "worker"))
mine = {service: session(service) for service in ["s3", "ec2", "logs", "iam", "ssm"]}
s3.create_bucket(Bucket="records")
s3.put_object(Bucket="records", Key="fleets/a/x", Body=b"x")


def say(code, call, **more):
    print(refused(code, call, **more)["Error"]["Message"])


# Nothing is allowed at first; then what a policy says, and no more.
say("AccessDenied", mine["s3"].get_object, Bucket="records", Key="fleets/a/x")
allow(iam, "worker", ["s3:GetObject", "s3:PutObject"], "arn:aws:s3:::records/fleets/a/*")
equal(mine["s3"].get_object(Bucket="records", Key="fleets/a/x")["Body"].read(), b"x")
say("AccessDenied", mine["s3"].get_object, Bucket="records", Key="fleets/b/x")
say("AccessDenied", mine["s3"].put_object, Bucket="records", Key="fleets/b/x", Body=b"")
say("AccessDenied", mine["s3"].delete_object, Bucket="records", Key="fleets/a/x")

# Who may not list is not told that a key is absent.
refused("AccessDenied", mine["s3"].get_object, Bucket="records", Key="fleets/a/absent")
allow(iam, "worker", "s3:ListBucket", "arn:aws:s3:::records", StringLike={"s3:prefix": "fleets/a/*"})
refused("NoSuchKey", mine["s3"].get_object, Bucket="records", Key="fleets/a/absent")
equal(mine["s3"].list_objects_v2(Bucket="records", Prefix="fleets/a/")["KeyCount"], 1)
refused("AccessDenied", mine["s3"].list_objects_v2, Bucket="records", Prefix="fleets/")
refused("AccessDenied", mine["s3"].list_objects_v2, Bucket="records")

# Instances by their tags.
image = client("ssm").get_parameter(Name="/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64")["Parameter"]["Value"]


def launch(fleet):
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "Fleet", "Value": fleet}]}]
    return ec2.run_instances(ImageId=image, InstanceType="c7i.large", MinCount=1, MaxCount=1, TagSpecifications=tags)["Instances"][0]["InstanceId"]


own, other = launch("a"), launch("b")
refused("UnauthorizedOperation", mine["ec2"].describe_instances)
allow(iam, "worker", "ec2:TerminateInstances", f"arn:aws:ec2:us-east-1:{ACCOUNT}:instance/*", StringEquals={"aws:ResourceTag/Fleet": "a"})
refused("UnauthorizedOperation", mine["ec2"].terminate_instances, InstanceIds=[other])
refused("UnauthorizedOperation", mine["ec2"].terminate_instances, InstanceIds=[own, other])
mine["ec2"].terminate_instances(InstanceIds=[own])
refused("UnauthorizedOperation", mine["ec2"].create_tags, Resources=[other], Tags=[{"Key": "Fleet", "Value": "a"}])

# A boundary takes away what a policy gives.
document = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]})
boundary = iam.create_policy(PolicyName="most", PolicyDocument=document)["Policy"]["Arn"]
iam.put_role_permissions_boundary(RoleName="worker", PermissionsBoundary=boundary)
say("AccessDenied", mine["s3"].put_object, Bucket="records", Key="fleets/a/y", Body=b"")
iam.delete_role_permissions_boundary(RoleName="worker")

# A denial wins.
deny = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "s3:Put*", "Resource": "*"}]})
iam.put_role_policy(RoleName="worker", PolicyName="deny", PolicyDocument=deny)
say("AccessDenied", mine["s3"].put_object, Bucket="records", Key="fleets/a/y", Body=b"")
iam.delete_role_policy(RoleName="worker", PolicyName="deny")

# Logs by stream; parameters by name; roles not at all.
logs = client("logs")
logs.create_log_group(logGroupName="/g")
logs.create_log_stream(logGroupName="/g", logStreamName="b/0")
allow(iam, "worker", ["logs:CreateLogStream", "logs:PutLogEvents"], f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:/g:log-stream:a/*")
mine["logs"].create_log_stream(logGroupName="/g", logStreamName="a/0")
say("AccessDeniedException", mine["logs"].put_log_events, logGroupName="/g", logStreamName="b/0", logEvents=[{"timestamp": 1, "message": "m"}])
say("AccessDeniedException", mine["ssm"].get_parameter, Name="/secret")
say("AccessDenied", mine["iam"].create_role, RoleName="more", AssumeRolePolicyDocument=TRUST % "x")
