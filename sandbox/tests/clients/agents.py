"""Instances with an agent, and commands on them, as boto3 does them. What is imported from here begins with a role that agents can use."""

import json
import time

from kit import *

ec2, iam, ssm = client("ec2"), client("iam"), client("ssm")
AL2023 = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
MINIMAL = "/aws/service/ami-amazon-linux-latest/al2023-ami-minimal-kernel-default-x86_64"
CORE = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"
MOVING = ("Pending", "InProgress", "Delayed", "Cancelling")


def until(what, check):
    end = time.monotonic() + 60
    while not (seen := check()):
        assert time.monotonic() < end, what
        time.sleep(0.05)
    return seen


def profile(name, *policies):
    """Makes a role for machines, with AWS's own policies."""
    role(iam, name, "ec2.amazonaws.com")
    for policy in policies:
        iam.attach_role_policy(RoleName=name, PolicyArn=policy)
    iam.create_instance_profile(InstanceProfileName=name)
    iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)


def launch(count=1, profile="managed", image=AL2023, tags=None, wait=True):
    """Launches instances, and waits until their agents are online."""
    more = {"TagSpecifications": [{"ResourceType": "instance", "Tags": [{"Key": k, "Value": v} for k, v in tags.items()]}]} if tags else {}
    if profile:
        more["IamInstanceProfile"] = {"Name": profile}
    image = ssm.get_parameter(Name=image)["Parameter"]["Value"]
    made = ec2.run_instances(ImageId=image, InstanceType="c7i.large", MinCount=count, MaxCount=count, UserData="#!/bin/sh\n", **more)
    ids = [i["InstanceId"] for i in made["Instances"]]
    if wait:
        until(f"{ids} online", lambda: set(ids) <= set(online()))
    return ids


if not iam.list_instance_profiles()["InstanceProfiles"]:
    profile("managed", CORE)


def state(id):
    return ec2.describe_instances(InstanceIds=[id])["Reservations"][0]["Instances"][0]["State"]["Name"]


def online(**more):
    listed = ssm.describe_instance_information(**more)["InstanceInformationList"]
    return [i["InstanceId"] for i in listed if i["PingStatus"] == "Online"]


def send(script, ids=None, ssm=ssm, parameters=None, **more):
    """Sends a script, and answers the command's id."""
    if ids:
        more["InstanceIds"] = ids
    parameters = {"commands": script if isinstance(script, list) else [script], **(parameters or {})}
    return ssm.send_command(DocumentName="AWS-RunShellScript", Parameters=parameters, **more)["Command"]["CommandId"]


def invocation(command, id):
    return ssm.get_command_invocation(CommandId=command, InstanceId=id)


def done(command, id):
    """Waits for the end of a command on an instance."""
    return until(f"{command} on {id}", lambda: (seen := invocation(command, id))["Status"] not in MOVING and seen)


def whole(command):
    return ssm.list_commands(CommandId=command)["Commands"][0]
