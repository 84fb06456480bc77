"""CloudWatch Logs as boto3 sees it."""

import time

from kit import client, equal, refused

logs = client("logs")
now = int(time.time() * 1000)

logs.create_log_group(logGroupName="/app/x", tags={"a": "b"})
refused("ResourceAlreadyExistsException", logs.create_log_group, logGroupName="/app/x")
logs.put_retention_policy(logGroupName="/app/x", retentionInDays=14)
refused("InvalidParameterException", logs.put_retention_policy, logGroupName="/app/x", retentionInDays=15)
group = logs.describe_log_groups(logGroupNamePrefix="/app/")["logGroups"][0]
equal((group["logGroupName"], group["retentionInDays"]), ("/app/x", 14))
refused("ResourceNotFoundException", logs.create_log_stream, logGroupName="/none", logStreamName="s")
for stream in ["run-1/0", "run-1/1", "run-2/0"]:
    logs.create_log_stream(logGroupName="/app/x", logStreamName=stream)
refused("ResourceAlreadyExistsException", logs.create_log_stream, logGroupName="/app/x", logStreamName="run-1/0")
refused("InvalidParameterException", logs.create_log_stream, logGroupName="/app/x", logStreamName="a:b")


def put(stream, events, group="/app/x"):
    return logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=[{"timestamp": t, "message": m} for t, m in events])


put("run-1/0", [(now + n, f"zero {n}") for n in range(25)])
put("run-1/1", [(now + n, f"one {n}") for n in range(25)])
put("run-2/0", [(now, "other")])
refused("InvalidParameterException", put, "run-1/0", [(now + 1, "b"), (now, "a")])
refused("InvalidParameterException", put, "run-1/0", [(now, "a"), (now + 90_000_000, "b")])
refused("InvalidParameterException", put, "run-1/0", [(now, "x" * 600_000), (now, "y" * 600_000)])
refused("ResourceNotFoundException", put, "none", [(now, "a")])
rejected = put("run-2/0", [(now - 15 * 86_400_000, "old")])["rejectedLogEventsInfo"]
equal(rejected, {"tooOldLogEventEndIndex": 1})

# From the beginning, page by page, until the token stays the same.
seen, token = [], None
while True:
    more = {"nextToken": token} if token else {"startFromHead": True}
    page = logs.get_log_events(logGroupName="/app/x", logStreamName="run-1/0", limit=10, **more)
    seen += [event["message"] for event in page["events"]]
    if page["nextForwardToken"] == token:
        break
    token = page["nextForwardToken"]
equal(seen, [f"zero {n}" for n in range(25)])
put("run-1/0", [(now + 100, "late")])
equal([e["message"] for e in logs.get_log_events(logGroupName="/app/x", logStreamName="run-1/0", nextToken=token)["events"]], ["late"])

# Across streams, in order of time.
pages = list(logs.get_paginator("filter_log_events").paginate(logGroupName="/app/x", logStreamNamePrefix="run-1/", PaginationConfig={"PageSize": 20}))
events = [event for page in pages for event in page["events"]]
equal([len(page["events"]) for page in pages], [20, 20, 11])
equal([event["timestamp"] for event in events], sorted(event["timestamp"] for event in events))
equal(len({event["eventId"] for event in events}), 51)
found = logs.filter_log_events(logGroupName="/app/x", startTime=now + 24, endTime=now + 25)["events"]
equal(sorted(event["message"] for event in found), ["one 24", "zero 24"])
equal([e["message"] for e in logs.filter_log_events(logGroupName="/app/x", filterPattern="late")["events"]], ["late"])
refused("NotImplemented", logs.filter_log_events, logGroupName="/app/x", filterPattern="{ $.a = 1 }")

equal([s["logStreamName"] for s in logs.describe_log_streams(logGroupName="/app/x", logStreamNamePrefix="run-1/")["logStreams"]], ["run-1/0", "run-1/1"])
logs.delete_log_stream(logGroupName="/app/x", logStreamName="run-2/0")
logs.delete_log_group(logGroupName="/app/x")
refused("ResourceNotFoundException", logs.describe_log_streams, logGroupName="/app/x")
