"""Functions that really run, as whoever invokes them sees it."""

import base64
import os
import re
import subprocess
import tempfile

from functions import HANDLER, deploy, execution_role, invoke, logged, package, until
from kit import ACCOUNT, client, equal

functions = deploy(Environment={"Variables": {"OWN": "value", "TZ": "Europe/Berlin"}}, MemorySize=512)
ARN = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:f"

# One process serves one invocation after the other.
first, second = invoke(a=1), invoke(a=2)
equal((first["count"], second["count"], second["event"]), (1, 2, {"a": 2}))
equal(first["pid"], second["pid"])

# What it finds around itself: Lambda's variables and its own, and nothing of the host's AWS.
around = invoke(do="environment")
equal({name for name in around if name.startswith(("AWS_", "LAMBDA_", "_HANDLER"))}, {
    "_HANDLER", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL",
    "AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_VERSION", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME", "AWS_LAMBDA_RUNTIME_API", "LAMBDA_TASK_ROOT"})
equal([around[name] for name in ["OWN", "TZ", "_HANDLER", "AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_VERSION",
                                 "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_REGION", "AWS_ENDPOINT_URL"]],
      ["value", "Europe/Berlin", "main", "f", "$LATEST", "512", "/aws/lambda/f", "us-east-1", os.environ["AWS_ENDPOINT_URL"]])
assert re.fullmatch(r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}", around["AWS_LAMBDA_LOG_STREAM_NAME"]), around
assert around["AWS_ACCESS_KEY_ID"] != os.environ["AWS_ACCESS_KEY_ID"]
headers = invoke(do="headers")
equal(headers["Lambda-Runtime-Invoked-Function-Arn"], ARN)
assert re.fullmatch(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=0", headers["Lambda-Runtime-Trace-Id"]), headers
assert headers["Lambda-Runtime-Deadline-Ms"].isdigit(), headers
equal(invoke(do="whoami"), f"arn:aws:sts::{ACCOUNT}:assumed-role/f-role/f")

# Errors: its own, its answer's, its process's. After the last one another process serves.
equal(invoke(do="fail", message="no", error="ValueError"), {"errorMessage": "no", "errorType": "ValueError"})
equal(invoke()["pid"], first["pid"])
invoke(do="large", size=6291560, error="Function.ResponseSizeTooLarge")
equal(len(invoke(do="large", size=6291456)), 6291456)
equal(invoke()["pid"], first["pid"])
gone = invoke(do="exit", status=3, error="Runtime.ExitError")
assert gone["errorMessage"].endswith(" Error: Runtime exited with error: exit status 3"), gone
third = invoke()
assert third["pid"] != first["pid"] and third["count"] == 1, third

# Its time.
deploy("slow", Timeout=1)
slow = invoke("slow")["pid"]
late = invoke("slow", do="sleep", seconds=600, error="Sandbox.Timedout")
assert re.fullmatch(r"RequestId: [0-9a-f-]{36} Error: Task timed out after 1.00 seconds", late["errorMessage"]), late
assert not os.path.exists(f"/proc/{slow}"), "it still runs"
equal(invoke("slow")["count"], 1)

# A process that does not start is tried twice: once by itself, once for the invocation.
deploy("exits", package(text="#!/bin/sh\necho starting\nexit 7\n"))
invoke("exits", error="Runtime.ExitError")
deploy("reports", package(HANDLER + 'print("starting", flush=True)\npost("init/error", {"errorMessage": "no", "errorType": "Own.Init"})\ntime.sleep(600)\n'))
invoke("reports", error="Own.Init")
for name in ["exits", "reports"]:
    until("both starts are told", lambda: sum("INIT_REPORT" in line for line in logged(name)) == 2)
    equal(logged(name).count("starting\n"), 2)
deploy("empty", package(name="readme"))
invoke("empty", error="Runtime.InvalidEntrypoint")
deploy("plain", package(mode=0o644))
assert "permission denied" in invoke("plain", error="Runtime.InvalidEntrypoint")["errorMessage"]

# A shell script is as good as any program, and what AWS's own example does works.
SHELL = """#!/bin/sh
set -eu
while true; do
  HEADERS="$(mktemp)"
  EVENT=$(curl -sS -LD "$HEADERS" "http://${AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime/invocation/next")
  REQUEST_ID=$(grep -Fi Lambda-Runtime-Aws-Request-Id "$HEADERS" | tr -d '[:space:]' | cut -d: -f2)
  curl -sS "http://${AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime/invocation/$REQUEST_ID/response" -d "{\\"echo\\": $EVENT}" > /dev/null
done
"""
deploy("shell", package(text=SHELL))
equal(invoke("shell", a=1), {"echo": {"a": 1}})

# What it prints, between Lambda's own lines: at once for who asks, and in its log.
answer = functions.invoke(FunctionName="f", Payload=b'{"do": "print", "text": "hello"}', LogType="Tail")
tail = base64.b64decode(answer["LogResult"]).decode()
plain = re.sub(r"[0-9a-f-]{36}", "<id>", re.sub(r"[\d.]+ (ms|MB)", r"<n> \1", tail))
equal(plain, "START RequestId: <id> Version: $LATEST\nhello\nEND RequestId: <id>\n"
             "REPORT RequestId: <id>\tDuration: <n> ms\tBilled Duration: <n> ms\tMemory Size: <n> MB\tMax Memory Used: <n> MB\t\n")
until("it is in the log", lambda: "hello\n" in logged())

# What is published stays as it was; what is changed serves from then on.
functions.publish_version(FunctionName="f")
functions.update_function_code(FunctionName="f", ZipFile=package(HANDLER.replace('"count": count', '"count": -1')))
equal(invoke()["count"] > 0, True)
functions.get_waiter("function_updated_v2").wait(FunctionName="f", WaiterConfig={"Delay": 1})
equal((invoke()["count"], invoke("f:1")["count"]), (-1, 1))

# The aws command.
with tempfile.TemporaryDirectory() as directory:
    zipped, out = f"{directory}/code.zip", f"{directory}/out"
    with open(zipped, "wb") as file:
        file.write(package())


    def aws(*arguments):
        return subprocess.run(["aws", "--region", "us-east-1", "lambda", *arguments], check=True, capture_output=True, text=True).stdout

    aws("create-function", "--function-name", "cli", "--runtime", "provided.al2023", "--handler", "main", "--zip-file", f"fileb://{zipped}",
        "--role", execution_role("cli-role", "cli"))
    aws("wait", "function-active-v2", "--function-name", "cli")
    told = aws("invoke", "--function-name", "cli", "--payload", '{"b": 2}', "--query", "StatusCode", out)
    equal(told.strip(), "200")
    with open(out) as file:
        assert '"event": {"b": 2}' in file.read()
    aws("delete-function", "--function-name", "cli")
