"""Groups of instances, as boto3 sees them."""

import base64
import datetime

from kit import ACCOUNT, client, equal, forward, refused

ec2, asg = client("ec2"), client("autoscaling")
image = client("ssm").get_parameter(Name="/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64")["Parameter"]["Value"]
subnets = sorted(ec2.describe_subnets()["Subnets"], key=lambda subnet: subnet["AvailabilityZone"])
SUBNETS = ",".join(subnet["SubnetId"] for subnet in subnets)
template = ec2.create_launch_template(LaunchTemplateName="web", LaunchTemplateData={
    "ImageId": image, "InstanceType": "c7i.large", "UserData": base64.b64encode(b"#!/bin/sh\n").decode(),
    "TagSpecifications": [{"ResourceType": "instance", "Tags": [{"Key": "from", "Value": "template"}, {"Key": "team", "Value": "red"}]}],
})["LaunchTemplate"]
LAUNCH = {"LaunchTemplateName": "web"}


def group(name="web"):
    found = asg.describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"]
    return found[0] if found else None


def in_service(name="web"):
    return [i["InstanceId"] for i in group(name)["Instances"] if i["LifecycleState"] == "InService"]


def activities(name="web"):
    return asg.describe_scaling_activities(AutoScalingGroupName=name)["Activities"]


def check_group():
    asg.create_auto_scaling_group(
        AutoScalingGroupName="web", LaunchTemplate={**LAUNCH, "Version": "$Latest"}, MinSize=1, MaxSize=5, DesiredCapacity=3,
        VPCZoneIdentifier=SUBNETS, HealthCheckType="EC2", HealthCheckGracePeriod=60, DefaultCooldown=10, DefaultInstanceWarmup=20,
        CapacityRebalance=True, NewInstancesProtectedFromScaleIn=False, TerminationPolicies=["OldestLaunchTemplate", "Default"],
        ServiceLinkedRoleARN=f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling",
        Tags=[{"Key": "team", "Value": "blue", "PropagateAtLaunch": True}, {"Key": "cost", "Value": "1", "PropagateAtLaunch": False}],
    )
    made = group()
    arn = made["AutoScalingGroupARN"]
    assert arn.startswith(f"arn:aws:autoscaling:us-east-1:{ACCOUNT}:autoScalingGroup:") and arn.endswith(":autoScalingGroupName/web"), arn
    equal([made[k] for k in ("MinSize", "MaxSize", "DesiredCapacity", "DefaultCooldown", "DefaultInstanceWarmup")], [1, 5, 3, 10, 20])
    equal(made["LaunchTemplate"], {"LaunchTemplateId": template["LaunchTemplateId"], "LaunchTemplateName": "web", "Version": "$Latest"})
    equal(made["AvailabilityZones"], sorted({subnet["AvailabilityZone"] for subnet in subnets}))
    equal([made["VPCZoneIdentifier"], made["HealthCheckType"], made["CapacityRebalance"]], [SUBNETS, "EC2", True])
    equal(made["TerminationPolicies"], ["OldestLaunchTemplate", "Default"])
    equal([(t["Key"], t["ResourceId"], t["PropagateAtLaunch"]) for t in made["Tags"]], [("cost", "web", False), ("team", "web", True)])
    equal([made["Instances"], "Status" in made], [[], False])
    forward(20)
    instances = group()["Instances"]
    equal({(i["LifecycleState"], i["HealthStatus"], i["ProtectedFromScaleIn"]) for i in instances}, {("InService", "Healthy", False)})
    equal({i["LaunchTemplate"]["Version"] for i in instances}, {"1"})
    equal(len({i["AvailabilityZone"] for i in instances}), min(3, len(subnets)))
    [reservation, *_] = ec2.describe_instances(Filters=[{"Name": "tag:aws:autoscaling:groupName", "Values": ["web"]}])["Reservations"]
    tags = {t["Key"]: t["Value"] for t in reservation["Instances"][0]["Tags"]}
    equal(tags, {"aws:autoscaling:groupName": "web", "aws:ec2launchtemplate:id": template["LaunchTemplateId"],
                 "aws:ec2launchtemplate:version": "1", "from": "template", "team": "blue"})
    alone = asg.describe_auto_scaling_instances(InstanceIds=[instances[0]["InstanceId"]])["AutoScalingInstances"]
    equal([(i["AutoScalingGroupName"], i["HealthStatus"], i["LifecycleState"]) for i in alone], [("web", "HEALTHY", "InService")])
    [last, *_] = activities()
    equal([last["StatusCode"], last["Progress"], "EndTime" in last], ["Successful", 100, True])


def check_refusals():
    new = dict(AutoScalingGroupName="new", LaunchTemplate=LAUNCH, MinSize=0, MaxSize=1, VPCZoneIdentifier=SUBNETS)
    refused("AlreadyExists", asg.create_auto_scaling_group, **{**new, "AutoScalingGroupName": "web"})
    refused("ValidationError", asg.create_auto_scaling_group, **{**new, "DesiredCapacity": 2})
    refused("ValidationError", asg.create_auto_scaling_group, **{**new, "LaunchTemplate": {"LaunchTemplateName": "none"}})
    refused("NotImplemented", asg.create_auto_scaling_group, **{**new, "HealthCheckType": "ELB"})
    refused("NotImplemented", asg.create_auto_scaling_group, **{**new, "PlacementGroup": "near"})
    refused("NotImplemented", asg.enable_metrics_collection, AutoScalingGroupName="web", Granularity="1Minute")
    answer = refused("ValidationError", asg.set_desired_capacity, AutoScalingGroupName="none", DesiredCapacity=1)
    equal(answer["Error"]["Message"], "AutoScalingGroup name not found - AutoScalingGroup 'none' not found")
    equal(answer["ResponseMetadata"]["HTTPStatusCode"], 400)
    refused("ValidationError", asg.describe_auto_scaling_groups, MaxRecords=101)
    refused("ResourceInUse", asg.delete_auto_scaling_group, AutoScalingGroupName="web")
    equal(group("new"), None)


def check_sizes_and_instances():
    asg.set_desired_capacity(AutoScalingGroupName="web", DesiredCapacity=4)
    forward(20)
    equal(len(in_service()), 4)
    asg.update_auto_scaling_group(AutoScalingGroupName="web", MaxSize=3)
    forward(20)
    equal([len(in_service()), group()["DesiredCapacity"]], [3, 3])
    one, two, three = in_service()
    asg.set_instance_protection(AutoScalingGroupName="web", InstanceIds=[one], ProtectedFromScaleIn=True)
    activity = asg.terminate_instance_in_auto_scaling_group(InstanceId=two, ShouldDecrementDesiredCapacity=True)["Activity"]
    equal([activity["StatusCode"], activity["Description"]], ["InProgress", f"Terminating EC2 instance: {two}"])
    forward(60)
    equal(in_service(), [one, three])
    asg.set_instance_health(InstanceId=three, HealthStatus="Unhealthy", ShouldRespectGracePeriod=False)
    forward(60)
    equal([len(in_service()), three in in_service(), one in in_service()], [2, False, True])
    ec2.terminate_instances(InstanceIds=[one])
    forward(60)
    equal([len(in_service()), one in in_service()], [2, False])
    asg.suspend_processes(AutoScalingGroupName="web", ScalingProcesses=["Launch"])
    [suspended] = group()["SuspendedProcesses"]
    equal([suspended["ProcessName"], suspended["SuspensionReason"][:18]], ["Launch", "User suspended at "])
    asg.resume_processes(AutoScalingGroupName="web")
    equal(group()["SuspendedProcesses"], [])


def check_schedule():
    soon = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=2)
    asg.put_scheduled_update_group_action(AutoScalingGroupName="web", ScheduledActionName="night", StartTime=soon, MinSize=0, MaxSize=0, DesiredCapacity=0)
    [action] = asg.describe_scheduled_actions(AutoScalingGroupName="web")["ScheduledUpdateGroupActions"]
    equal([action["StartTime"], action["DesiredCapacity"]], [soon.replace(microsecond=0), 0])
    assert action["ScheduledActionARN"].endswith(":autoScalingGroupName/web:scheduledActionName/night"), action
    refused("NotImplemented", asg.put_scheduled_update_group_action, AutoScalingGroupName="web", ScheduledActionName="x", Recurrence="0 0 * * *", MinSize=0)
    asg.put_scheduled_update_group_action(AutoScalingGroupName="web", ScheduledActionName="off", StartTime=soon + datetime.timedelta(hours=1), MinSize=2)
    asg.delete_scheduled_action(AutoScalingGroupName="web", ScheduledActionName="off")
    forward(2 * 3600 + 60)
    equal([in_service(), group()["MaxSize"]], [[], 0])
    assert "the scheduled action night executed." in activities()[0]["Cause"], activities()[0]
    equal(asg.describe_scheduled_actions()["ScheduledUpdateGroupActions"], [])


def check_tags():
    tag = {"ResourceId": "web", "ResourceType": "auto-scaling-group"}
    asg.create_or_update_tags(Tags=[{**tag, "Key": "team", "Value": "green", "PropagateAtLaunch": False}])
    asg.delete_tags(Tags=[{**tag, "Key": "cost"}])
    equal(asg.describe_tags(Filters=[{"Name": "auto-scaling-group", "Values": ["web"]}])["Tags"],
          [{**tag, "Key": "team", "Value": "green", "PropagateAtLaunch": False}])
    found = lambda *filters: [g["AutoScalingGroupName"] for g in asg.describe_auto_scaling_groups(Filters=[{"Name": n, "Values": [v]} for n, v in filters])["AutoScalingGroups"]]
    equal([found(("tag:team", "green")), found(("tag-key", "cost")), found(("tag-value", "green"), ("tag-key", "team"))], [["web"], [], ["web"]])
    refused("ValidationError", asg.create_or_update_tags, Tags=[{**tag, "ResourceId": "none", "Key": "a", "Value": "b", "PropagateAtLaunch": False}])


def check_mixed():
    policy = {
        "LaunchTemplate": {"LaunchTemplateSpecification": {**LAUNCH, "Version": "1"}, "Overrides": [{"InstanceType": t} for t in ("c7i.large", "m7i.large")]},
        "InstancesDistribution": {"OnDemandAllocationStrategy": "prioritized", "OnDemandBaseCapacity": 1, "OnDemandPercentageAboveBaseCapacity": 0,
                                  "SpotAllocationStrategy": "price-capacity-optimized", "SpotMaxPrice": "0.08"},
    }
    asg.create_auto_scaling_group(AutoScalingGroupName="mixed", MixedInstancesPolicy=policy, MinSize=0, MaxSize=4, DesiredCapacity=3, VPCZoneIdentifier=SUBNETS)
    told = group("mixed")["MixedInstancesPolicy"]
    equal(told["InstancesDistribution"], policy["InstancesDistribution"])
    equal(told["LaunchTemplate"]["Overrides"], policy["LaunchTemplate"]["Overrides"])
    forward(20)
    ids = in_service("mixed")
    launched = [i for r in ec2.describe_instances(InstanceIds=ids)["Reservations"] for i in r["Instances"]]
    equal(sorted(i.get("InstanceLifecycle", "on-demand") for i in launched), ["on-demand", "spot", "spot"])
    # How it is divided can be told alone, and what runs is replaced by and by.
    divided = {**policy["InstancesDistribution"], "OnDemandBaseCapacity": 2}
    asg.update_auto_scaling_group(AutoScalingGroupName="mixed", MixedInstancesPolicy={"InstancesDistribution": divided})
    equal(group("mixed")["MixedInstancesPolicy"], {**told, "InstancesDistribution": divided})
    forward(120)
    launched = [i for r in ec2.describe_instances(InstanceIds=in_service("mixed"))["Reservations"] for i in r["Instances"]]
    equal(sorted(i.get("InstanceLifecycle", "on-demand") for i in launched), ["on-demand", "on-demand", "spot"])
    for name, more in (("web", {}), ("mixed", {"LaunchTemplate": {**LAUNCH, "Version": "1"}})):
        refused("ValidationError", asg.update_auto_scaling_group, AutoScalingGroupName=name, MixedInstancesPolicy={"InstancesDistribution": divided}, **more)
    equal(len(asg.get_paginator("describe_auto_scaling_groups").paginate(PaginationConfig={"PageSize": 1}).build_full_result()["AutoScalingGroups"]), 2)


def check_end():
    asg.delete_auto_scaling_group(AutoScalingGroupName="mixed", ForceDelete=True)
    equal(group("mixed")["Status"], "Delete in progress")
    asg.delete_auto_scaling_group(AutoScalingGroupName="web")
    forward(60)
    equal([group("web"), group("mixed")], [None, None])
    states = {i["State"]["Name"] for r in ec2.describe_instances()["Reservations"] for i in r["Instances"]}
    equal(states, {"terminated"})
    [last, *_] = asg.describe_scaling_activities(AutoScalingGroupName="mixed", IncludeDeletedGroups=True)["Activities"]
    equal([last["AutoScalingGroupState"], last["StatusCode"]], ["Deleted", "Successful"])
    refused("ValidationError", asg.describe_scaling_activities, AutoScalingGroupName="mixed")


check_group()
check_refusals()
check_sizes_and_instances()
check_schedule()
check_tags()
check_mixed()
check_end()
