"""IAM and STS as boto3 sees them."""

import json

from kit import ACCOUNT, TRUST, client, equal, refused, trusting

iam, sts = client("iam"), client("sts")

equal(sts.get_caller_identity()["Arn"], f"arn:aws:iam::{ACCOUNT}:user/controller")
equal(iam.get_user()["User"]["UserName"], "controller")

# Policies and roles.
DOCUMENT = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}'
boundary = iam.create_policy(PolicyName="boundary", Path="/team/", PolicyDocument=DOCUMENT, Description="most")["Policy"]["Arn"]
equal(boundary, f"arn:aws:iam::{ACCOUNT}:policy/team/boundary")
refused("EntityAlreadyExists", iam.create_policy, PolicyName="boundary", PolicyDocument=DOCUMENT)
refused("MalformedPolicyDocument", iam.create_policy, PolicyName="bad", PolicyDocument="{}")
made = iam.create_role(
    RoleName="worker", Path="/team/", AssumeRolePolicyDocument=TRUST % "ec2.amazonaws.com", PermissionsBoundary=boundary,
    Tags=[{"Key": "owner", "Value": "me & you"}], Description="works", MaxSessionDuration=7200)["Role"]
equal(made["Arn"], f"arn:aws:iam::{ACCOUNT}:role/team/worker")
assert made["RoleId"].startswith("AROA"), made
refused("EntityAlreadyExists", iam.create_role, RoleName="Worker", AssumeRolePolicyDocument=TRUST % "ec2.amazonaws.com")
refused("NoSuchEntity", iam.create_role, RoleName="other", AssumeRolePolicyDocument=TRUST % "x", PermissionsBoundary=boundary + "x")
got = iam.get_role(RoleName="worker")["Role"]
equal(got["PermissionsBoundary"]["PermissionsBoundaryArn"], boundary)
equal(got["Tags"], [{"Key": "owner", "Value": "me & you"}])
equal(got["AssumeRolePolicyDocument"], json.loads(TRUST % "ec2.amazonaws.com"))
equal(got["MaxSessionDuration"], 7200)
refused("NoSuchEntity", iam.get_role, RoleName="nobody")
iam.tag_role(RoleName="worker", Tags=[{"Key": "b", "Value": "2"}])
iam.untag_role(RoleName="worker", TagKeys=["owner"])
equal(iam.list_role_tags(RoleName="worker")["Tags"], [{"Key": "b", "Value": "2"}])

# Inline and attached policies.
iam.put_role_policy(RoleName="worker", PolicyName="inline", PolicyDocument=DOCUMENT)
equal(iam.get_role_policy(RoleName="worker", PolicyName="inline")["PolicyDocument"], json.loads(DOCUMENT))
equal(iam.list_role_policies(RoleName="worker")["PolicyNames"], ["inline"])
refused("NoSuchEntity", iam.get_role_policy, RoleName="worker", PolicyName="none")
refused("LimitExceeded", iam.put_role_policy, RoleName="worker", PolicyName="huge", PolicyDocument=DOCUMENT.replace("*", "x" * 10300))
iam.attach_role_policy(RoleName="worker", PolicyArn=boundary)
equal(iam.list_attached_role_policies(RoleName="worker")["AttachedPolicies"], [{"PolicyName": "boundary", "PolicyArn": boundary}])
equal(iam.get_policy(PolicyArn=boundary)["Policy"]["AttachmentCount"], 1)
refused("DeleteConflict", iam.delete_policy, PolicyArn=boundary)
equal([p["PolicyName"] for p in iam.list_policies(Scope="Local", PathPrefix="/team/")["Policies"]], ["boundary"])

# Instance profiles.
iam.create_instance_profile(InstanceProfileName="worker", Path="/team/")
iam.add_role_to_instance_profile(InstanceProfileName="worker", RoleName="worker")
refused("LimitExceeded", iam.add_role_to_instance_profile, InstanceProfileName="worker", RoleName="worker")
equal(iam.get_instance_profile(InstanceProfileName="worker")["InstanceProfile"]["Roles"][0]["RoleName"], "worker")
equal([p["InstanceProfileName"] for p in iam.list_instance_profiles_for_role(RoleName="worker")["InstanceProfiles"]], ["worker"])
equal([p["Path"] for p in iam.list_instance_profiles(PathPrefix="/team/")["InstanceProfiles"]], ["/team/"])

# A role is assumed by those whom it trusts, and its session is somebody else.
refused("AccessDenied", sts.assume_role, RoleArn=made["Arn"], RoleSessionName="ci-1")
iam.update_assume_role_policy(RoleName="worker", PolicyDocument=trusting(ACCOUNT))
session = sts.assume_role(RoleArn=made["Arn"], RoleSessionName="ci-1")["Credentials"]
keys = {"aws_access_key_id": session["AccessKeyId"], "aws_secret_access_key": session["SecretAccessKey"], "aws_session_token": session["SessionToken"]}
who = client("sts", **keys).get_caller_identity()
equal(who["Arn"], f"arn:aws:sts::{ACCOUNT}:assumed-role/worker/ci-1")
equal(who["UserId"], f"{made['RoleId']}:ci-1")
refused("AccessDenied", sts.assume_role, RoleArn=made["Arn"] + "x", RoleSessionName="ci-1")

# Everything goes in order, and only in order.
refused("DeleteConflict", iam.delete_role, RoleName="worker")
refused("DeleteConflict", iam.delete_instance_profile, InstanceProfileName="worker")
iam.remove_role_from_instance_profile(InstanceProfileName="worker", RoleName="worker")
iam.delete_instance_profile(InstanceProfileName="worker")
iam.delete_role_policy(RoleName="worker", PolicyName="inline")
refused("DeleteConflict", iam.delete_role, RoleName="worker")
iam.detach_role_policy(RoleName="worker", PolicyArn=boundary)
iam.delete_role(RoleName="worker")
iam.delete_policy(PolicyArn=boundary)
refused("NoSuchEntity", iam.delete_role, RoleName="worker")

# Pages.
for n in range(7):
    iam.create_role(RoleName=f"r{n}", Path="/many/", AssumeRolePolicyDocument=TRUST % "ec2.amazonaws.com")
pages = list(iam.get_paginator("list_roles").paginate(PathPrefix="/many/", PaginationConfig={"PageSize": 3}))
equal([len(page["Roles"]) for page in pages], [3, 3, 1])

# Service-linked roles exist once.
equal(iam.create_service_linked_role(AWSServiceName="spot.amazonaws.com")["Role"]["RoleName"], "AWSServiceRoleForEC2Spot")
refused("InvalidInput", iam.create_service_linked_role, AWSServiceName="spot.amazonaws.com")

# Wrong keys, and what is not known.
refused("InvalidClientTokenId", client("sts", aws_access_key_id="AKIAX", aws_secret_access_key="x").get_caller_identity)
import os
bad = {"aws_access_key_id": os.environ["AWS_ACCESS_KEY_ID"], "aws_secret_access_key": "wrong"}
refused("SignatureDoesNotMatch", client("sts", **bad).get_caller_identity)
refused("SignatureDoesNotMatch", client("s3", **bad).list_buckets)
refused("AuthFailure", client("ec2", **bad).describe_regions)
refused("InvalidSignatureException", client("ssm", **bad).get_parameter, Name="x")
refused("InvalidSignatureException", client("scheduler", **bad).list_schedules)
refused("NotImplemented", iam.list_users)
refused("NotImplemented", client("sns").list_platform_applications)
