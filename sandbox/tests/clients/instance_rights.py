"""Who may send commands to which instances, and begin and end sessions there."""

from agents import *

sts = client("sts")
[ours] = launch(tags={"Team": "us"})
[theirs] = launch(tags={"Team": "them"})
instance = f"arn:aws:ec2:us-east-1:{ACCOUNT}:instance/*"
script = "arn:aws:ssm:us-east-1::document/AWS-RunShellScript"
shell = f"arn:aws:ssm:us-east-1:{ACCOUNT}:document/SSM-SessionManagerRunShell"


def somebody(name, *statements, session="me"):
    """A role that may do what these statements say; answers its Systems Manager."""
    arn = worker(iam, name)
    iam.put_role_policy(RoleName=name, PolicyName="all", PolicyDocument=document(*statements))
    return assumed(sts, arn, session)("ssm")


def denied(action, on, call, *args, **more):
    said = refused("AccessDeniedException", call, *args, **more)["Error"]["Message"]
    assert f"perform: {action} on resource: {on} because no identity-based policy" in said, said


# Commands: each instance, by its tags, and the document.
both = {"Action": "ssm:SendCommand", "Resource": [instance, script]}
done(send("true", [ours, theirs], ssm=somebody("all", both)), ours)
team = {"Action": "ssm:SendCommand", "Resource": instance, "Condition": {"StringEquals": {"ssm:resourceTag/Team": "us"}}}
tagged = somebody("tagged", team, {"Action": "ssm:SendCommand", "Resource": script})
done(send("true", [ours], ssm=tagged), ours)
done(send("true", ssm=tagged, Targets=[{"Key": "tag:Team", "Values": ["us"]}]), ours)
denied("ssm:SendCommand", instance.replace("*", theirs), send, "true", [ours, theirs], ssm=tagged)
denied("ssm:SendCommand", instance.replace("*", theirs), send, "true", ssm=tagged, Targets=[{"Key": "tag:Team", "Values": ["us", "them"]}])
globally = {**team, "Condition": {"StringEquals": {"aws:ResourceTag/Team": "us"}}}
denied("ssm:SendCommand", script, send, "true", [ours], ssm=somebody("undocumented", globally))
said = refused("AccessDeniedException", tagged.list_commands)["Error"]["Message"]
assert "perform: ssm:ListCommands because" in said, said

# Sessions: a document that is not named is not asked for, unless the policy checks documents.
start = {"Action": "ssm:StartSession", "Resource": instance}
plain = somebody("plain", start, session="jane")
mine = plain.start_session(Target=ours)["SessionId"]
assert mine.startswith("jane-"), mine
denied("ssm:StartSession", shell, plain.start_session, Target=ours, DocumentName="SSM-SessionManagerRunShell")
check = {"Condition": {"BoolIfExists": {"ssm:SessionDocumentAccessCheck": "true"}}}
checked = somebody("checked", {**start, **check}, {"Action": "ssm:StartSession", "Resource": shell, **check})
denied("ssm:StartSession", instance.replace("*", ours), checked.start_session, Target=ours)
checked.start_session(Target=ours, DocumentName="SSM-SessionManagerRunShell")
interactive = {"DocumentName": "AWS-StartInteractiveCommand", "Parameters": {"command": ["true"]}}
denied("ssm:StartSession", "arn:aws:ssm:us-east-1::document/AWS-StartInteractiveCommand", checked.start_session, Target=ours, **interactive)

# Who may end a session: by its name, or by who began it.
named = {"Action": "ssm:TerminateSession", "Resource": f"arn:aws:ssm:us-east-1:{ACCOUNT}:session/jane-*"}
own = {"Action": "ssm:TerminateSession", "Resource": "*", "Condition": {"StringEquals": {"ssm:resourceTag/aws:ssmmessages:session-id": "${aws:userid}"}}}
yours = client("ssm").start_session(Target=ours)["SessionId"]
ender = somebody("ender", own, start)
denied("ssm:TerminateSession", f"arn:aws:ssm:us-east-1:{ACCOUNT}:session/{yours}", ender.terminate_session, SessionId=yours)
again = ender.start_session(Target=ours)["SessionId"]
equal(ender.terminate_session(SessionId=again)["SessionId"], again)
somebody("namer", named).terminate_session(SessionId=mine)
refused("AccessDeniedException", plain.describe_sessions, State="Active")

# What the instance's own role lacks: the channels, or the whole.
profile("mute")
allow(iam, "mute", "ssm:UpdateInstanceInformation")
[mute] = launch(profile="mute")
refused("TargetNotConnected", ssm.start_session, Target=mute)
waiting = send("true", [mute])
equal(invocation(waiting, mute)["Status"], "Pending")
allow(iam, "mute", [f"ssmmessages:{name}" for name in ("CreateControlChannel", "CreateDataChannel", "OpenControlChannel", "OpenDataChannel")])
ssm.start_session(Target=mute)
iam.delete_role_policy(RoleName="mute", PolicyName="allow-0")
equal(sorted(online()), sorted([ours, theirs]))
said = refused("TargetNotConnected", ssm.start_session, Target=mute)["Error"]["Message"]
equal(said, f"{mute} is not connected.")
