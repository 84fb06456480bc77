"""Run Command as boto3 sees it, on instances that run."""

from agents import *

[one, two] = launch(count=2, tags={"Group": "a", "Name": "pair"})
[bare] = launch(profile=None, wait=False)
[minimal] = launch(image=MINIMAL, wait=False)
profile("powerless")
[powerless] = launch(profile="powerless", wait=False)
for id in (bare, minimal, powerless):
    until(id, lambda: state(id) == "running")

# Which instances are managed.
equal(sorted(online()), sorted([one, two]))
equal(online(Filters=[{"Key": "InstanceIds", "Values": [one]}]), [one])
equal(online(InstanceInformationFilterList=[{"key": "InstanceIds", "valueSet": [two, bare]}]), [two])
equal(sorted(online(Filters=[{"Key": "tag:Group", "Values": ["a"]}, {"Key": "PlatformTypes", "Values": ["Linux"]}])), sorted([one, two]))
equal(online(Filters=[{"Key": "PingStatus", "Values": ["ConnectionLost"]}]), [])
equal(client("ssm", "us-west-2").describe_instance_information()["InstanceInformationList"], [])
[about] = ssm.describe_instance_information(Filters=[{"Key": "InstanceIds", "Values": [one]}])["InstanceInformationList"]
equal((about["PlatformName"], about["PlatformVersion"], about["ResourceType"]), ("Amazon Linux", "2023", "EC2Instance"))
refused("InvalidFilterKey", ssm.describe_instance_information, Filters=[{"Key": "Color", "Values": ["red"]}])
refused("InvalidInstanceInformationFilterValue", ssm.describe_instance_information, Filters=[{"Key": "PingStatus", "Values": ["Maybe"]}])
refused("NotImplemented", ssm.describe_instance_information, Filters=[{"Key": "AgentVersion", "Values": ["1"]}])
refused("ValidationException", ssm.describe_instance_information, MaxResults=51)

# What a script does is reported: its code, and its streams.
command = send(["echo out", "echo err >&2", "echo $AWS_SSM_INSTANCE_ID", "exit 3"], [one], Comment="first")
seen = done(command, one)
equal((seen["Status"], seen["StatusDetails"], seen["ResponseCode"]), ("Failed", "Failed", 3))
equal(seen["StandardOutputContent"], f"out\n{one}\n")
equal(seen["StandardErrorContent"], "err\nfailed to run commands: exit status 3")
equal((seen["PluginName"], seen["Comment"], seen["DocumentVersion"]), ("aws:runShellScript", "first", "$DEFAULT"))
assert seen["ExecutionStartDateTime"] <= seen["ExecutionEndDateTime"] and seen["ExecutionElapsedTime"].startswith("PT"), seen
equal((whole(command)["Status"], whole(command)["ErrorCount"], whole(command)["CompletedCount"]), ("Failed", 1, 1))
[listed] = ssm.list_command_invocations(CommandId=command, Details=True)["CommandInvocations"]
equal(listed["CommandPlugins"][0]["Output"], f"out\n{one}\n\n----------ERROR-------\nerr\nfailed to run commands: exit status 3")
equal((listed["InstanceName"], listed["CommandPlugins"][0]["ResponseCode"]), ("pair", 3))
refused("InvalidPluginName", ssm.get_command_invocation, CommandId=command, InstanceId=one, PluginName="aws:other")
refused("InvocationDoesNotExist", ssm.get_command_invocation, CommandId=command, InstanceId=two)

# It runs as root of its instance, where it is told to, with the interpreter it names, and may call AWS as its instance.
seen = done(send(["#!/usr/bin/env python3", "import os", "print(os.getcwd(), os.environ['AWS_EC2_METADATA_SERVICE_ENDPOINT'][:7])"], [one],
                 parameters={"workingDirectory": ["/tmp"]}), one)
equal((seen["Status"], seen["ResponseCode"], seen["StandardOutputContent"]), ("Success", 0, "/tmp http://\n"))
seen = done(send("true", [one], parameters={"workingDirectory": ["/no/such/place"]}), one)
equal((seen["Status"], seen["ResponseCode"]), ("Failed", 1))
assert seen["StandardErrorContent"].startswith("failed to run commands: "), seen

# Of much output the beginning is reported.
seen = done(send("head -c 100000 /dev/zero | tr '\\0' x; head -c 100000 /dev/zero | tr '\\0' y >&2", [one]), one)
output, errors = seen["StandardOutputContent"], seen["StandardErrorContent"]
equal((len(output), len(errors)), (24000, 8000))
assert output == "x" * (24000 - 20) + "--output truncated--" and errors == "y" * (8000 - 20) + "--output truncated--"

# What runs too long is ended, and what somebody cancels; of both nothing is reported.
slow = send("echo begun; sleep 600", [one], parameters={"executionTimeout": ["5"]})
ended = send("echo begun; sleep 600", [two])
until("it runs", lambda: invocation(ended, two)["Status"] == "InProgress")
equal((invocation(ended, two)["StandardOutputContent"], invocation(ended, two)["ResponseCode"]), ("", -1))
refused("InvalidInstanceId", ssm.cancel_command, CommandId=ended, InstanceIds=[one])
ssm.cancel_command(CommandId=ended)
seen = done(ended, two)
equal((seen["Status"], seen["StatusDetails"], seen["ResponseCode"], seen["StandardOutputContent"]), ("Cancelled", "Cancelled", 137, ""))
equal(whole(ended)["Status"], "Cancelled")
seen = done(slow, one)
equal((seen["Status"], seen["StatusDetails"], seen["ResponseCode"], seen["StandardOutputContent"]), ("TimedOut", "ExecutionTimedOut", 137, ""))
equal((whole(slow)["Status"], whole(slow)["StatusDetails"]), ("TimedOut", "ExecutionTimedOut"))

# Instances by their tags; one after the other; not after an error.
group = [{"Key": "tag:Group", "Values": ["a", "b"]}]
command = send("echo $AWS_SSM_INSTANCE_ID", Targets=group)
equal(sorted(done(command, id)["StandardOutputContent"].strip() for id in (one, two)), sorted([one, two]))
equal((whole(command)["TargetCount"], whole(command)["Status"], whole(command)["Targets"]), (2, "Success", group))
command = send("exit 1", Targets=group, MaxConcurrency="1")
details = sorted(done(command, id)["StatusDetails"] for id in (one, two))
equal((details, whole(command)["Status"]), (["Failed", "Terminated"], "Failed"))
command = send("exit 1", Targets=group, MaxConcurrency="50%", MaxErrors="100%")
equal([done(command, id)["StatusDetails"] for id in (one, two)], ["Failed", "Failed"])
equal(whole(command)["StatusDetails"], "Incomplete")
both = send("true", Targets=[*group, {"Key": "InstanceIds", "Values": [two]}])
equal((done(both, two)["Status"], whole(both)["TargetCount"]), ("Success", 1))
nobody = send("true", Targets=[{"Key": "tag:Group", "Values": ["none"]}])
until("nobody is found", lambda: whole(nobody)["StatusDetails"] == "NoInstancesInTag")

# Lists.
pages = list(ssm.get_paginator("list_commands").paginate(InstanceId=one, PaginationConfig={"PageSize": 2}))
assert len(pages) > 2 and pages[0]["Commands"][0]["CommandId"] == command, pages
equal([c["CommandId"] for c in ssm.list_commands(Filters=[{"key": "Status", "value": "Cancelled"}])["Commands"]], [ended])
equal([i["CommandId"] for i in ssm.list_command_invocations(Filters=[{"key": "Status", "value": "ExecutionTimedOut"}])["CommandInvocations"]], [slow])
equal(ssm.list_commands(Filters=[{"key": "InvokedBefore", "value": "2020-01-01T00:00:00Z"}])["Commands"], [])
equal(client("ssm", "us-west-2").list_commands()["Commands"], [])
refused("InvalidCommandId", ssm.cancel_command, CommandId="00000000-0000-0000-0000-000000000000")

# Output goes to a log if that is wanted, as far as the instance may write it.
where = {"CloudWatchOutputEnabled": True}
seen = done(send("echo unheard", [one], CloudWatchOutputConfig=where), one)
equal(seen["CloudWatchOutputConfig"], {"CloudWatchLogGroupName": "", "CloudWatchOutputEnabled": True})
equal(client("logs").describe_log_groups()["logGroups"], [])
# It looks whether the group is there before it makes a stream.
allow(iam, "managed", ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"])
command = send("echo unheard", [one], CloudWatchOutputConfig=where)
done(command, one)
group = "/aws/ssm/AWS-RunShellScript"
equal(client("logs").describe_log_streams(logGroupName=group)["logStreams"], [])
allow(iam, "managed", ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogGroups", "logs:PutLogEvents"])
command = send("echo heard; echo too >&2; seq 50000; exit 7", [one], CloudWatchOutputConfig=where)
done(command, one)
log = lambda name: [e["message"] for e in client("logs").get_log_events(logGroupName=group, logStreamName=f"{command}/{one}/aws-runShellScript/{name}", startFromHead=True)["events"]]
# Many lines are one event, and the last line break is left out.
events = log("stdout")
assert 2 <= len(events) <= 4, len(events)
equal("\n".join(event.removesuffix("\n") for event in events).split("\n"), ["heard", *map(str, range(1, 50001))])
equal(log("stderr"), ["too\nfailed to run commands: exit status 7"])
# While it runs, too.
command = send("echo first; sleep 600", [one], CloudWatchOutputConfig=where)
until("its first line is sent", lambda: [s for s in client("logs").describe_log_streams(logGroupName=group)["logStreams"] if s["logStreamName"].startswith(command)])
equal(log("stdout"), ["first\n"])
ssm.cancel_command(CommandId=command)
done(command, one)

# What is refused.
for id in (bare, minimal, powerless, "i-0123456789abcdef0"):
    said = refused("InvalidInstanceId", send, "true", [one, id])["Error"]["Message"]
    equal(said, f"Instances [[{id}]] not in a valid state for account {ACCOUNT}")
refused("DuplicateInstanceId", send, "true", [one, one])
refused("ValidationException", send, "true")
refused("ValidationException", send, "true", [one], TimeoutSeconds=2592001)
refused("ValidationException", send, "true", [one], MaxConcurrency="0")
refused("InvalidParameters", send, "true", [one], parameters={"color": ["red"]})
refused("InvalidParameters", send, "true", [one], parameters={"executionTimeout": ["soon"]})
refused("InvalidParameters", ssm.send_command, DocumentName="AWS-RunShellScript", InstanceIds=[one])
refused("InvalidDocument", ssm.send_command, DocumentName="mine", InstanceIds=[one])
refused("InvalidDocumentVersion", send, "true", [one], DocumentVersion="2")
refused("NotImplemented", ssm.send_command, DocumentName="AWS-RunPowerShellScript", InstanceIds=[one], Parameters={"commands": ["x"]})
refused("NotImplemented", send, "true", [one], OutputS3BucketName="bucket")
refused("NotImplemented", send, "true", Targets=[{"Key": "resource-groups:Name", "Values": ["x"]}])

# A stopped instance is known, and out of reach.
ec2.stop_instances(InstanceIds=[two])
until("it stops", lambda: state(two) == "stopped")
equal([i["InstanceId"] for i in ssm.describe_instance_information(Filters=[{"Key": "PingStatus", "Values": ["ConnectionLost"]}])["InstanceInformationList"]], [two])
refused("InvalidInstanceId", send, "true", [two])

# Many, in pages.
launch(count=6)
pages = list(ssm.get_paginator("describe_instance_information").paginate(PaginationConfig={"PageSize": 5}))
equal([len(page["InstanceInformationList"]) for page in pages], [5, 3])
