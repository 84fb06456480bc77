"""What the client scripts share: clients for the sandbox, and checks that say what they saw."""

import json
import os
import urllib.request

import boto3
import botocore
from botocore.config import Config


def client(service, region="us-east-1", **more):
    """A client that tries once: what the sandbox answers is what the test sees."""
    return boto3.client(service, region_name=region, config=Config(retries={"total_max_attempts": 1}), **more)


def refused(code, call, *args, **more):
    """Calls, and checks that the refusal has this code. Answers the whole response."""
    try:
        answer = call(*args, **more)
    except botocore.exceptions.ClientError as error:
        got = error.response["Error"]["Code"]
        assert got == code, f"expected {code}, got {error.response}"
        return error.response
    raise AssertionError(f"expected {code}, got an answer: {answer}")


def forward(seconds):
    """Puts the sandbox's clock forward, and comes back when all that was due has happened."""
    request = urllib.request.Request(f"{os.environ['AWS_ENDPOINT_URL']}/_sandbox/clock", data=json.dumps({"advance_s": seconds}).encode())
    request.add_header("authorization", f"Bearer {os.environ['SANDBOX_CONTROL_TOKEN']}")
    urllib.request.urlopen(request).close()


def equal(got, expected):
    assert got == expected, f"expected {expected!r}, got {got!r}"


TRUST = """{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"%s"},"Action":"sts:AssumeRole"}]}"""


def role(iam, name, service):
    """Makes a role that a service may assume, and answers its ARN."""
    return iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST % service)["Role"]["Arn"]


def document(*statements):
    """A policy. Every statement allows, on everything, unless it says something else."""
    whole = [{"Effect": "Allow", **({} if {"Resource", "Principal", "NotPrincipal"} & set(s) else {"Resource": "*"}), **s} for s in statements]
    return json.dumps({"Version": "2012-10-17", "Statement": whole})


def trusting(principal, **more):
    """The trust policy of a role that a principal of AWS may assume."""
    return document({"Action": "sts:AssumeRole", "Principal": {"AWS": principal}, **more})


def worker(iam, name, **more):
    """Makes a role that the account's own identities may assume, as far as they are allowed to, and answers its ARN."""
    return iam.create_role(RoleName=name, AssumeRolePolicyDocument=trusting(ACCOUNT), **more)["Role"]["Arn"]


def assumed(sts, arn, name="me", **more):
    """Begins a session of a role; answers a function that makes its clients."""
    session = sts.assume_role(RoleArn=arn, RoleSessionName=name, **more)["Credentials"]
    keys = {"aws_access_key_id": session["AccessKeyId"], "aws_secret_access_key": session["SecretAccessKey"], "aws_session_token": session["SessionToken"]}
    return lambda service: client(service, **keys)


def allow(iam, role, actions, resource="*", **condition):
    """Lets a role do something."""
    statement = {"Effect": "Allow", "Action": actions, "Resource": resource, **({"Condition": condition} if condition else {})}
    number = len(iam.list_role_policies(RoleName=role)["PolicyNames"])
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_role_policy(RoleName=role, PolicyName=f"allow-{number}", PolicyDocument=document)


ACCOUNT = os.environ.get("SANDBOX_ACCOUNT", "123456789012")
