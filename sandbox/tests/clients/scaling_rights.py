"""What it takes to make groups, and to change them."""

from kit import ACCOUNT, assumed, client, document, equal, forward, refused, role, worker

iam, ec2, asg = client("iam"), client("ec2"), client("autoscaling")
image = client("ssm").get_parameter(Name="/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64")["Parameter"]["Value"]
subnet, *_ = ec2.describe_subnets()["Subnets"]
role(iam, "machine", "ec2.amazonaws.com")
iam.create_instance_profile(InstanceProfileName="machine")
iam.add_role_to_instance_profile(InstanceProfileName="machine", RoleName="machine")
ec2.create_launch_template(LaunchTemplateName="web", LaunchTemplateData={
    "ImageId": image, "InstanceType": "c7i.large", "IamInstanceProfile": {"Name": "machine"}})
session = assumed(client("sts"), worker(iam, "worker"))
mine = session("autoscaling")
GROUP = f"arn:aws:autoscaling:us-east-1:{ACCOUNT}:autoScalingGroup:*:autoScalingGroupName/mine-*"
LAUNCH = {"Action": "ec2:RunInstances"}
PASS = {"Action": "iam:PassRole", "Resource": f"arn:aws:iam::{ACCOUNT}:role/machine"}


def may(*statements):
    iam.put_role_policy(RoleName="worker", PolicyName="may", PolicyDocument=document(*statements))


def create(name="mine-1", by=mine, **tags):
    by.create_auto_scaling_group(AutoScalingGroupName=name, LaunchTemplate={"LaunchTemplateName": "web"}, MinSize=0, MaxSize=2, DesiredCapacity=1,
                                 VPCZoneIdentifier=subnet["SubnetId"],
                                 Tags=[{"Key": k, "Value": v, "PropagateAtLaunch": True} for k, v in tags.items()])


def say(call, *args, **more):
    print(refused("AccessDenied", call, *args, **more)["Error"]["Message"])


# A group takes the rights of its launches, and to hand on the role; AWS does not tell which of them is missing.
may({"Action": "autoscaling:*", "Resource": GROUP})
say(create)
may({"Action": "autoscaling:*", "Resource": GROUP}, {"Action": "ec2:RunInstances", "Resource": f"arn:aws:ec2:us-east-1:{ACCOUNT}:launch-template/*"})
say(create)
may({"Action": "autoscaling:*", "Resource": GROUP}, LAUNCH)
say(create)
may({"Action": "autoscaling:*", "Resource": GROUP}, LAUNCH, PASS)
say(create, "yours-1")
create()

# Tags of a new group are asked about, and those of one that is there.
may({"Action": "autoscaling:CreateAutoScalingGroup", "Condition": {"StringEquals": {"aws:RequestTag/team": "blue"}, "ForAllValues:StringEquals": {"aws:TagKeys": ["team"]}}}, LAUNCH, PASS)
say(create, "two")
say(create, "two", team="blue", more="1")
create("two", team="blue")
may({"Action": ["autoscaling:SetDesiredCapacity", "autoscaling:TerminateInstanceInAutoScalingGroup"], "Condition": {"StringEquals": {"autoscaling:ResourceTag/team": "blue"}}})
mine.set_desired_capacity(AutoScalingGroupName="two", DesiredCapacity=2)
say(mine.set_desired_capacity, AutoScalingGroupName="mine-1", DesiredCapacity=2)
forward(30)
instances = {i["AutoScalingGroupName"]: i["InstanceId"] for i in asg.describe_auto_scaling_instances()["AutoScalingInstances"]}
mine.terminate_instance_in_auto_scaling_group(InstanceId=instances["two"], ShouldDecrementDesiredCapacity=True)
refused("AccessDenied", mine.terminate_instance_in_auto_scaling_group, InstanceId=instances["mine-1"], ShouldDecrementDesiredCapacity=True)
say(mine.describe_auto_scaling_groups)

# The size may be limited; a change that says nothing of a template takes no rights of launches.
may({"Action": "autoscaling:UpdateAutoScalingGroup", "Condition": {"NumericLessThanEquals": {"autoscaling:MaxSize": "3"}}})
mine.update_auto_scaling_group(AutoScalingGroupName="two", MaxSize=3)
refused("AccessDenied", mine.update_auto_scaling_group, AutoScalingGroupName="two", MaxSize=4)
refused("AccessDenied", mine.update_auto_scaling_group, AutoScalingGroupName="two", MaxSize=3, LaunchTemplate={"LaunchTemplateName": "web"})

# The template itself: by its tags, by name.
tried = {"LaunchTemplateName": "own", "LaunchTemplateData": {"ImageId": image}, "DryRun": True}
refused("UnauthorizedOperation", session("ec2").create_launch_template, **tried)
may({"Action": ["ec2:CreateLaunchTemplate", "ec2:CreateTags"]}, {"Action": "ec2:DeleteLaunchTemplate", "Condition": {"StringEquals": {"aws:ResourceTag/team": "blue"}}})
mine = session("ec2")
refused("DryRunOperation", mine.create_launch_template, **tried)
mine.create_launch_template(LaunchTemplateName="own", LaunchTemplateData={"ImageId": image},
                            TagSpecifications=[{"ResourceType": "launch-template", "Tags": [{"Key": "team", "Value": "blue"}]}])
mine.delete_launch_template(LaunchTemplateName="own")
refused("UnauthorizedOperation", mine.delete_launch_template, LaunchTemplateName="web")
equal([t["LaunchTemplateName"] for t in ec2.describe_launch_templates()["LaunchTemplates"]], ["web"])
