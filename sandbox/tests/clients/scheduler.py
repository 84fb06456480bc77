"""EventBridge Scheduler as boto3 sees it."""

import datetime
import json

from kit import ACCOUNT, client, equal, refused, role

iam, scheduler = client("iam"), client("scheduler")
arn = role(iam, "scheduler", "scheduler.amazonaws.com")
other = role(iam, "unfit", "ec2.amazonaws.com")
now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)

target = {"Arn": "arn:aws:scheduler:::aws-sdk:ssm:startAutomationExecution", "RoleArn": arn,
          "Input": json.dumps({"DocumentName": "doc", "Parameters": {"A": ["b"]}}), "RetryPolicy": {"MaximumEventAgeInSeconds": 300}}
wanted = {"ScheduleExpression": "rate(5 minutes)", "StartDate": now + datetime.timedelta(hours=1), "EndDate": now + datetime.timedelta(hours=2),
          "FlexibleTimeWindow": {"Mode": "OFF"}, "ActionAfterCompletion": "DELETE", "Target": target, "Description": "ends"}
equal(scheduler.create_schedule(Name="one", **wanted)["ScheduleArn"], f"arn:aws:scheduler:us-east-1:{ACCOUNT}:schedule/default/one")
refused("ConflictException", scheduler.create_schedule, Name="one", **wanted)
got = scheduler.get_schedule(Name="one")
equal((got["State"], got["StartDate"], got["EndDate"], got["ActionAfterCompletion"]), ("ENABLED", wanted["StartDate"], wanted["EndDate"], "DELETE"))
equal(got["Target"]["RetryPolicy"]["MaximumEventAgeInSeconds"], 300)
equal(json.loads(got["Target"]["Input"])["Parameters"], {"A": ["b"]})
scheduler.update_schedule(Name="one", **{**wanted, "ScheduleExpression": "rate(10 minutes)"})
equal(scheduler.get_schedule(Name="one")["ScheduleExpression"], "rate(10 minutes)")
refused("ResourceNotFoundException", scheduler.update_schedule, Name="two", **wanted)
refused("ResourceNotFoundException", scheduler.get_schedule, Name="two")

for change in [{"ScheduleExpression": "rate(5 fortnights)"}, {"EndDate": now + datetime.timedelta(minutes=1)},
               {"Target": {**target, "RoleArn": other}}, {"Target": {**target, "RoleArn": arn + "x"}},
               {"ScheduleExpressionTimezone": "Mars/North"}]:
    refused("ValidationException", scheduler.create_schedule, Name="bad", **{**wanted, **change})
refused("NotImplemented", scheduler.create_schedule, Name="bad", **{**wanted, "Target": {**target, "Arn": "arn:aws:sqs:us-east-1:1:queue"}})
refused("NotImplemented", scheduler.create_schedule, Name="bad", **{**wanted, "FlexibleTimeWindow": {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 5}})

refused("ResourceNotFoundException", scheduler.create_schedule, Name="one", GroupName="team", **wanted)
scheduler.create_schedule_group(Name="team", Tags=[{"Key": "a", "Value": "b"}])
refused("ConflictException", scheduler.create_schedule_group, Name="team")
for n in range(5):
    scheduler.create_schedule(Name=f"s{n}", GroupName="team", **wanted)
pages = list(scheduler.get_paginator("list_schedules").paginate(GroupName="team", NamePrefix="s", PaginationConfig={"PageSize": 2}))
equal([s["Name"] for page in pages for s in page["Schedules"]], [f"s{n}" for n in range(5)])
equal([g["Name"] for g in scheduler.list_schedule_groups()["ScheduleGroups"]], ["default", "team"])
scheduler.delete_schedule(Name="s0", GroupName="team")
refused("ResourceNotFoundException", scheduler.delete_schedule, Name="s0", GroupName="team")
scheduler.delete_schedule_group(Name="team")
equal([s["Name"] for s in scheduler.list_schedules()["Schedules"]], ["one"])
