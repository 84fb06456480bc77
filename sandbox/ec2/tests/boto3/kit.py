"""Speaks to the server of a test as any user of boto3 would.

Every check of a script is an assertion: the test passes if the script ends with "all good".
"""

import sys
import urllib.request

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

URL = sys.argv[1]
CONFIG = Config(retries={"max_attempts": 0}, ignore_configured_endpoint_urls=False)
ec2 = boto3.client("ec2", endpoint_url=URL, region_name="us-east-1", config=CONFIG)


def wait(ms):
    with urllib.request.urlopen(urllib.request.Request(f"{URL}/wait/{ms}", data=b"")) as answer:
        return answer.read().decode()


def refused(code, call, status=400, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        assert error.response["Error"]["Code"] == code, error
        assert error.response["ResponseMetadata"]["HTTPStatusCode"] == status, error
        assert error.response["ResponseMetadata"]["RequestId"].count("-") == 4
        return error.response["Error"]["Message"]
    raise AssertionError(f"{call} was not refused with {code}")


def tagged(kind, **tags):
    return [{"ResourceType": kind, "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}]


def pages(operation, key, size, **arguments):
    paginator = ec2.get_paginator(operation).paginate(PaginationConfig={"PageSize": size}, **arguments)
    return [item for page in paginator for item in page[key]]
