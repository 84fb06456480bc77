"""The same story told to the sandbox and to moto, which knows Lambda's answers and nothing of the sandbox."""

import json
import os

import boto3
import botocore
from functions import HANDLER, execution_role, package
from kit import equal
from moto import mock_aws

# What moto has of its own accord and AWS too, but with values that are its own; and what it lacks of AWS's answers.
OWN = {"CodeSha256", "CodeSize", "LastModified", "RevisionId", "ResponseMetadata", "Location", "RuntimeVersionConfig", "Layers", "LoggingConfig",
       "SnapStart", "EphemeralStorage", "State", "StateReason", "StateReasonCode", "LastUpdateStatus", "LastUpdateStatusReason",
       "LastUpdateStatusReasonCode", "TracingConfig", "VpcConfig", "ImageConfigResponse", "SigningJobArn", "SigningProfileVersionArn"}


def comparable(value):
    """An answer without what nobody could tell beforehand."""
    if isinstance(value, dict):
        return {key: json.loads(inner) if key == "Statement" else comparable(inner) for key, inner in value.items() if key not in OWN}
    return [comparable(inner) for inner in value] if isinstance(value, list) else value


def story():
    """Yields each answer, or the code of each refusal."""
    functions = boto3.client("lambda", region_name="us-east-1")
    role = execution_role("own", "f")

    def tell(call, **more):
        try:
            return call.__name__, comparable(call(**more))
        except botocore.exceptions.ClientError as error:
            return call.__name__, error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]

    wanted = {"Runtime": "provided.al2023", "Role": role, "Handler": "main", "Code": {"ZipFile": package()}}
    yield tell(functions.get_function, FunctionName="f")
    yield tell(functions.create_function, FunctionName="f", **wanted, Description="d", Timeout=5, MemorySize=256, Tags={"a": "b"},
               Environment={"Variables": {"KEY": "value"}})
    yield tell(functions.create_function, FunctionName="f", **wanted)
    functions.get_waiter("function_active_v2").wait(FunctionName="f", WaiterConfig={"Delay": 1})
    yield tell(functions.get_function_configuration, FunctionName="f")
    yield tell(functions.list_functions)
    yield tell(functions.update_function_configuration, FunctionName="f", Timeout=6)
    functions.get_waiter("function_updated_v2").wait(FunctionName="f", WaiterConfig={"Delay": 1})
    yield tell(functions.update_function_code, FunctionName="f", ZipFile=package(HANDLER + "\n"))
    functions.get_waiter("function_updated_v2").wait(FunctionName="f", WaiterConfig={"Delay": 1})
    arn = functions.get_function_configuration(FunctionName="f")["FunctionArn"]
    yield tell(functions.tag_resource, Resource=arn, Tags={"c": "d"})
    yield tell(functions.untag_resource, Resource=arn, TagKeys=["a"])
    yield tell(functions.list_tags, Resource=arn)
    yield tell(functions.put_function_concurrency, FunctionName="f", ReservedConcurrentExecutions=2)
    yield tell(functions.get_function_concurrency, FunctionName="f")
    yield tell(functions.delete_function_concurrency, FunctionName="f")
    yield tell(functions.get_policy, FunctionName="f")
    yield tell(functions.add_permission, FunctionName="f", StatementId="s", Action="lambda:InvokeFunction", Principal="events.amazonaws.com")
    yield tell(functions.remove_permission, FunctionName="f", StatementId="s")
    yield tell(functions.delete_function, FunctionName="f")
    yield tell(functions.delete_function, FunctionName="f")


ours = list(story())
del os.environ["AWS_ENDPOINT_URL"]
with mock_aws(config={"lambda": {"use_docker": False}}):
    theirs = list(story())
for mine, other in zip(ours, theirs, strict=True):
    equal(mine, other)
