"""A tiny function for tests, and ways to deploy and invoke it."""

import io
import json
import time
import zipfile

from kit import allow, client, role

# Speaks the runtime API with Python's standard library alone; what it does is what the event says.
RUNTIME = '''#!/usr/bin/env python3
import json, os, time, urllib.error, urllib.request
BASE = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2018-06-01/runtime/"
def post(path, body):
    try:
        urllib.request.urlopen(urllib.request.Request(BASE + path, data=json.dumps(body).encode(), method="POST")).read()
    except urllib.error.HTTPError as error:
        # Too large an answer is the invocation's trouble, not the process's.
        if error.code != 413: raise
%(start)s
count = 0
while True:
    with urllib.request.urlopen(BASE + "invocation/next") as answer:
        event, headers = json.loads(answer.read()), dict(answer.headers)
    id = headers["Lambda-Runtime-Aws-Request-Id"]
    count += 1
    try:
        result = handle(event, headers)
    except Exception as error:
        post("invocation/" + id + "/error", {"errorMessage": str(error), "errorType": type(error).__name__})
    else:
        post("invocation/" + id + "/response", result)
'''

HANDLER = '''
def handle(event, headers):
    what = event.get("do")
    if what == "fail": raise ValueError(event["message"])
    if what == "exit": os._exit(event["status"])
    if what == "sleep": time.sleep(event["seconds"])
    if what == "print": print(event["text"], flush=True)
    if what == "large": return "x" * event["size"]
    if what == "environment": return dict(os.environ)
    if what == "headers": return headers
    if what == "child":
        if os.fork() == 0:
            os.setsid(); time.sleep(600)
    if what == "put":
        import boto3
        boto3.client("s3").put_object(Bucket=event["bucket"], Key=event["key"], Body=b"x")
    if what == "whoami":
        import boto3
        return boto3.client("sts").get_caller_identity()["Arn"]
    if what == "note":
        # Its own record of every time it was asked, which outlives the process.
        with open(event["file"], "a") as file: file.write(json.dumps({"id": id, "pid": os.getpid(), "now": time.time()}) + "\\n")
        if event.get("fail"): raise ValueError("as asked")
    return {"pid": os.getpid(), "count": count, "event": event}
'''


def package(start=HANDLER, name="bootstrap", mode=0o755, text=None):
    """A zip with one file."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        info = zipfile.ZipInfo(name)
        info.external_attr = mode << 16
        info.compress_type = zipfile.ZIP_DEFLATED
        archive.writestr(info, RUNTIME % {"start": start} if text is None else text)
    return buffer.getvalue()


def deploy(name="f", code=None, role_arn=None, **more):
    """Makes a function and waits until it can be invoked."""
    functions = client("lambda")
    if role_arn is None:
        role_arn = execution_role(name + "-role", name)
    wanted = {"Runtime": "provided.al2023", "Handler": "main", "Timeout": 30, **more}
    functions.create_function(FunctionName=name, Role=role_arn, Code={"ZipFile": code or package()}, **wanted)
    functions.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
    return functions


def execution_role(name, function):
    """A role with which a function may write its own log, and nothing else."""
    iam = client("iam")
    arn = role(iam, name, "lambda.amazonaws.com")
    allow(iam, name, "logs:CreateLogGroup")
    allow(iam, name, ["logs:CreateLogStream", "logs:PutLogEvents"], f"arn:aws:logs:*:*:log-group:/aws/lambda/{function}:*")
    return arn


def invoke(name="f", do=None, error=None, **event):
    """Invokes a function and answers what it says; an error must be the expected one."""
    if do:
        event["do"] = do
    answer = client("lambda").invoke(FunctionName=name, Payload=json.dumps(event))
    body = json.loads(answer["Payload"].read())
    assert answer.get("FunctionError") == ("Unhandled" if error else None), body
    if error:
        assert body["errorType"] == error, body
    return body


def until(what, check):
    """Looks until something is so."""
    end = time.monotonic() + 60
    while not (found := check()):
        assert time.monotonic() < end, what
        time.sleep(0.05)
    return found


def logged(name="f"):
    """All that a function's log says, in order."""
    logs = client("logs")
    try:
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName=f"/aws/lambda/{name}")
        return [event["message"] for page in pages for event in page["events"]]
    except logs.exceptions.ResourceNotFoundException:
        return []
