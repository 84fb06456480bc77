"""Lambda's management of functions as boto3 sees it; here nothing runs."""

import json

from functions import HANDLER, execution_role, package
from kit import ACCOUNT, allow, client, equal, refused, role

iam, functions = client("iam"), client("lambda")
own = execution_role("own", "f")
unfit = role(iam, "unfit", "ec2.amazonaws.com")
arn = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:f"
wanted = {"FunctionName": "f", "Runtime": "provided.al2023", "Role": own, "Handler": "main", "Code": {"ZipFile": package()}}


def say(code, call, **more):
    print(refused(code, call, **more)["Error"]["Message"])


# What AWS refuses, in its words.
for code, change in [
    ("InvalidParameterValueException", {"Role": unfit}),
    ("InvalidParameterValueException", {"Role": own + "x"}),
    ("AccessDeniedException", {"Role": own.replace(ACCOUNT, "210987654321")}),
    ("ValidationException", {"Role": "admin"}),
    ("ValidationException", {"Timeout": 901}),
    ("ValidationException", {"MemorySize": 10241}),
    ("ValidationException", {"FunctionName": "no spaces"}),
    ("ValidationException", {"Architectures": ["riscv"]}),
    ("ValidationException", {"Environment": {"Variables": {"1A": "x"}}}),
    ("InvalidParameterValueException", {"Environment": {"Variables": {"AWS_REGION": "x", "_HANDLER": "y"}}}),
    ("InvalidParameterValueException", {"Code": {"ZipFile": b"no zip"}}),
    ("InvalidParameterValueException", {"Code": {"ZipFile": package()[:-30]}}),
]:
    say(code, functions.create_function, **{**wanted, **change})
refused("InvalidParameterValueException", functions.create_function, **{**wanted, "Environment": {"Variables": {"AB": "x" * 4096}}})
refused("InvalidParameterValueException", functions.create_function, **{k: v for k, v in wanted.items() if k != "Runtime"})
# What the sandbox has not.
for change in [{"Runtime": "python3.12"}, {"Layers": ["arn:aws:lambda:us-east-1:1:layer:l:1"]}, {"VpcConfig": {"SubnetIds": ["subnet-1"]}},
               {"SnapStart": {"ApplyOn": "PublishedVersions"}}, {"PackageType": "Image"}, {"Code": {"S3Bucket": "code", "S3Key": "k"}},
               {"DeadLetterConfig": {"TargetArn": "arn:aws:sqs:us-east-1:1:q"}}]:
    refused("NotImplemented", functions.create_function, **{**wanted, **change})
refused("NotImplemented", functions.list_layers)

made = functions.create_function(**wanted, Description="d", Timeout=5, MemorySize=256, Architectures=["arm64"], Tags={"a": "b"},
                                 Environment={"Variables": {"KEY": "value"}})
equal((made["FunctionArn"], made["State"], made["Version"]), (arn, "Pending", "$LATEST"))
say("ResourceConflictException", functions.create_function, **wanted)
say("ResourceConflictException", functions.invoke, FunctionName="f")
say("ResourceConflictException", functions.update_function_configuration, FunctionName="f", Timeout=6)
functions.get_waiter("function_active_v2").wait(FunctionName="f", WaiterConfig={"Delay": 1})
for name in ["f", f"{ACCOUNT}:function:f", arn, arn + ":$LATEST"]:
    got = functions.get_function(FunctionName=name)
    equal((got["Configuration"]["State"], got["Configuration"]["LastUpdateStatus"], got["Tags"]), ("Active", "Successful", {"a": "b"}))
config = functions.get_function_configuration(FunctionName="f")
equal([config[k] for k in ["Timeout", "MemorySize", "Description", "Architectures", "Role", "Runtime", "Handler", "PackageType"]],
      [5, 256, "d", ["arm64"], own, "provided.al2023", "main", "Zip"])
equal(config["Environment"], {"Variables": {"KEY": "value"}})
equal(config["CodeSize"], len(package()))
say("ResourceNotFoundException", functions.get_function, FunctionName="g")
say("ResourceNotFoundException", functions.get_function, FunctionName="f", Qualifier="1")
say("ResourceNotFoundException", functions.get_function, FunctionName=arn.replace("us-east-1", "us-west-2"))
equal(functions.invoke(FunctionName="f", InvocationType="DryRun")["StatusCode"], 204)
refused("NotImplemented", functions.invoke, FunctionName="f")

# Payloads: JSON, and no larger than AWS takes.
say("InvalidRequestContentException", functions.invoke, FunctionName="f", Payload=b"{")
say("RequestEntityTooLargeException", functions.invoke, FunctionName="f", Payload=json.dumps("x" * 6291456))
say("RequestEntityTooLargeException", functions.invoke, FunctionName="f", InvocationType="Event", Payload=json.dumps("x" * 1048576))

# Changing, and versions.
other = package(HANDLER + "\n# other\n")
refused("PreconditionFailedException", functions.update_function_code, FunctionName="f", ZipFile=other, RevisionId="00000000-0000-0000-0000-000000000000")
equal(functions.update_function_code(FunctionName="f", ZipFile=other, DryRun=True)["CodeSha256"], config["CodeSha256"])
changed = functions.update_function_code(FunctionName="f", ZipFile=other, RevisionId=config["RevisionId"])
assert changed["CodeSha256"] != config["CodeSha256"]
equal(changed["LastUpdateStatus"], "InProgress")
say("ResourceConflictException", functions.update_function_configuration, FunctionName="f", Timeout=6)
functions.get_waiter("function_updated_v2").wait(FunctionName="f", WaiterConfig={"Delay": 1})
equal(functions.publish_version(FunctionName="f", Description="first")["FunctionArn"], arn + ":1")
equal(functions.publish_version(FunctionName="f")["Version"], "1")
functions.update_function_configuration(FunctionName="f", Timeout=6, Environment={"Variables": {}})
functions.get_waiter("function_updated_v2").wait(FunctionName="f", WaiterConfig={"Delay": 1})
equal(functions.get_function_configuration(FunctionName="f")["Timeout"], 6)
equal(functions.get_function_configuration(FunctionName="f", Qualifier="1")["Timeout"], 5)
refused("InvalidParameterValueException", functions.update_function_configuration, FunctionName="f", Role=unfit)
equal([v["Version"] for v in functions.list_versions_by_function(FunctionName="f")["Versions"]], ["$LATEST", "1"])
equal(functions.create_function(**{**wanted, "FunctionName": "published"}, Publish=True)["Version"], "1")

# Tags, shares, retries, policy.
functions.tag_resource(Resource=arn, Tags={"c": "d"})
functions.untag_resource(Resource=arn, TagKeys=["a"])
equal(functions.list_tags(Resource=arn)["Tags"], {"c": "d"})
functions.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=0)
say("TooManyRequestsException", functions.invoke, FunctionName="f")
say("InvalidParameterValueException", functions.put_function_concurrency, FunctionName="published", ReservedConcurrentExecutions=901)
equal(functions.get_function(FunctionName="f")["Concurrency"], {"ReservedConcurrentExecutions": 0})
functions.delete_function_concurrency(FunctionName="f")
refused("ResourceNotFoundException", functions.get_function_event_invoke_config, FunctionName="f")
refused("ValidationException", functions.put_function_event_invoke_config, FunctionName="f", MaximumRetryAttempts=3)
functions.put_function_event_invoke_config(FunctionName="f", MaximumRetryAttempts=0, MaximumEventAgeInSeconds=60)
equal(functions.get_function_event_invoke_config(FunctionName="f")["MaximumRetryAttempts"], 0)
functions.delete_function_event_invoke_config(FunctionName="f")
refused("ResourceNotFoundException", functions.get_policy, FunctionName="f")
rule = f"arn:aws:events:us-east-1:{ACCOUNT}:rule/r"
allowed = {"FunctionName": "f", "StatementId": "rule", "Action": "lambda:InvokeFunction", "Principal": "events.amazonaws.com", "SourceArn": rule}
functions.add_permission(**allowed)
say("ResourceConflictException", functions.add_permission, **allowed)
[statement] = json.loads(functions.get_policy(FunctionName="f")["Policy"])["Statement"]
equal(statement, {"Sid": "rule", "Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "lambda:InvokeFunction",
                  "Resource": arn, "Condition": {"ArnLike": {"AWS:SourceArn": rule}}})
functions.remove_permission(FunctionName="f", StatementId="rule")
refused("ResourceNotFoundException", functions.remove_permission, FunctionName="f", StatementId="rule")

# A role may do what its policies say, and hand over only the roles it may hand over.
launcher = role(iam, "launcher", "ec2.amazonaws.com")
iam.update_assume_role_policy(RoleName="launcher", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "sts:AssumeRole"}]}))
session = client("sts").assume_role(RoleArn=launcher, RoleSessionName="me")["Credentials"]
mine = client("lambda", aws_access_key_id=session["AccessKeyId"], aws_secret_access_key=session["SecretAccessKey"], aws_session_token=session["SessionToken"])
say("AccessDeniedException", mine.invoke, FunctionName="f", InvocationType="DryRun")
allow(iam, "launcher", "lambda:InvokeFunction", arn)
equal(mine.invoke(FunctionName="f", InvocationType="DryRun")["StatusCode"], 204)
refused("AccessDeniedException", mine.invoke, FunctionName="published", InvocationType="DryRun")
allow(iam, "launcher", "lambda:CreateFunction", f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:mine-*")
refused("AccessDeniedException", mine.create_function, **{**wanted, "FunctionName": "yours"})
say("AccessDeniedException", mine.create_function, **{**wanted, "FunctionName": "mine-1"})
allow(iam, "launcher", "iam:PassRole", own, StringEquals={"iam:PassedToService": "lambda.amazonaws.com"})
mine.create_function(**{**wanted, "FunctionName": "mine-1"})

# Listing, and the end.
for n in range(3):
    functions.create_function(**{**wanted, "FunctionName": f"n{n}"})
pages = functions.get_paginator("list_functions").paginate(PaginationConfig={"PageSize": 2})
equal([f["FunctionName"] for page in pages for f in page["Functions"]], ["f", "mine-1", "n0", "n1", "n2", "published"])
equal(client("lambda", region="us-west-2").list_functions()["Functions"], [])
refused("InvalidParameterValueException", functions.delete_function, FunctionName="f", Qualifier="$LATEST")
functions.delete_function(FunctionName="f", Qualifier="1")
refused("ResourceNotFoundException", functions.get_function, FunctionName="f", Qualifier="1")
functions.delete_function(FunctionName="f")
refused("ResourceNotFoundException", functions.delete_function, FunctionName="f")
