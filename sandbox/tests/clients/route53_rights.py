"""Rights on zones, and on single record sets in them."""

from kit import ACCOUNT, assumed, client, document, equal, refused, worker

iam, sts, ec2, route53 = client("iam"), client("sts"), client("ec2"), client("route53")
mine = assumed(sts, worker(iam, "worker"))("route53")
ARN = "arn:aws:route53:::hostedzone/"


def may(*statements):
    iam.put_role_policy(RoleName="worker", PolicyName="may", PolicyDocument=document(*statements))


def denied(action, on, call, *args, **more):
    said = refused("AccessDenied", call, *args, **more)["Error"]["Message"]
    named = f" on resource: {on}" if on else ""
    equal(said, f"User: arn:aws:sts::{ACCOUNT}:assumed-role/worker/me is not authorized to perform: {action}{named} because no identity-based policy allows the {action} action")


def change(action, name, kind="A", values=("192.0.2.1",)):
    return {"Action": action, "ResourceRecordSet": {"Name": name, "Type": kind, "TTL": 60, "ResourceRecords": [{"Value": value} for value in values]}}


def batch(*changes, by=mine, zone=None):
    return by.change_resource_record_sets(HostedZoneId=zone or own, ChangeBatch={"Changes": list(changes)})["ChangeInfo"]["Id"].split("/")[-1]


own, other = [route53.create_hosted_zone(Name=name, CallerReference=name)["HostedZone"]["Id"].split("/")[-1] for name in ["run.example.com", "other.com"]]

# Each operation takes the right of its name, on the zone or the change it is about.
said = batch(change("CREATE", "here.run.example.com"), by=route53)
for action, on, call, elsewhere in [
    ("GetHostedZone", ARN + own, lambda: mine.get_hosted_zone(Id=own), lambda: mine.get_hosted_zone(Id=other)),
    ("ListResourceRecordSets", ARN + own, lambda: mine.list_resource_record_sets(HostedZoneId=own), lambda: mine.list_resource_record_sets(HostedZoneId=other)),
    ("ChangeResourceRecordSets", ARN + own, lambda: batch(change("UPSERT", "a.run.example.com")), lambda: batch(change("UPSERT", "a.other.com"), zone=other)),
    ("GetChange", f"arn:aws:route53:::change/{said}", lambda: mine.get_change(Id=said), lambda: mine.get_change(Id="C0")),
    ("ListHostedZones", None, mine.list_hosted_zones, None),
    ("ListHostedZonesByName", None, mine.list_hosted_zones_by_name, None),
    ("CreateHostedZone", None, lambda: mine.create_hosted_zone(Name="new.com", CallerReference="new"), None),
]:
    may({"Action": "s3:GetObject"})
    denied(f"route53:{action}", on, call)
    may({"Action": f"route53:{action}", "Resource": on or "*"})
    call()
    if elsewhere:
        refused("AccessDenied", elsewhere)
new = route53.list_hosted_zones_by_name(DNSName="new.com", MaxItems="1")["HostedZones"][0]["Id"].split("/")[-1]
denied("route53:DeleteHostedZone", ARN + new, mine.delete_hosted_zone, Id=new)
may({"Action": "route53:DeleteHostedZone", "Resource": ARN + new})
mine.delete_hosted_zone(Id=new)

# Who names a network must be allowed to see networks; which one it is may be asked.
vpc, second = ec2.describe_vpcs()["Vpcs"][0]["VpcId"], ec2.create_vpc(CidrBlock="10.7.0.0/16")["Vpc"]["VpcId"]
network = lambda id: {"VPCRegion": "us-east-1", "VPCId": id}
private = lambda reference, id=vpc: mine.create_hosted_zone(Name="x.internal", CallerReference=reference, VPC=network(id))["HostedZone"]["Id"].split("/")[-1]
zones = {"Action": ["route53:CreateHostedZone", "route53:AssociateVPCWithHostedZone", "route53:DisassociateVPCFromHostedZone"]}
may(zones)
denied("ec2:DescribeVpcs", None, private, "p")
only = {"Condition": {"ForAllValues:StringEquals": {"route53:VPCs": [f"VPCId={vpc},VPCRegion=us-east-1"]}}}
may({**zones, **only}, {"Action": "ec2:DescribeVpcs"})
denied("route53:CreateHostedZone", None, private, "p", second)
inside = private("p")
denied("route53:AssociateVPCWithHostedZone", ARN + inside, mine.associate_vpc_with_hosted_zone, HostedZoneId=inside, VPC=network(second))
may({**zones, "Resource": ARN + inside}, {"Action": "ec2:DescribeVpcs"})
mine.associate_vpc_with_hosted_zone(HostedZoneId=inside, VPC=network(second))
mine.disassociate_vpc_from_hosted_zone(HostedZoneId=inside, VPC=network(second))

# Conditions speak of every change in a batch: its name as it is kept, its type, and what becomes of it.
KEY = "route53:ChangeResourceRecordSets"
up = lambda name, kind="A", values=("192.0.2.1",): change("UPSERT", name, kind, values)
text = ('"x"',)
for condition, fits, breaks in [
    ({"ForAllValues:StringEquals": {KEY + "NormalizedRecordNames": ["w1.run.example.com", "w2.run.example.com"]}},
     [[up("W1.run.example.com.")], [up("w1.run.example.com"), up("w2.run.example.com")]],
     [[up("w3.run.example.com")], [up("w1.run.example.com"), up("w3.run.example.com")]]),
    ({"ForAllValues:StringLike": {KEY + "NormalizedRecordNames": ["*.team.run.example.com"]}},
     [[up("a.team.run.example.com"), up("b.a.TEAM.run.example.com")], [up("*.team.run.example.com")]],
     [[up("team.run.example.com")], [up("a.team.run.example.com"), up("a.run.example.com")]]),
    ({"ForAllValues:StringEquals": {KEY + "NormalizedRecordNames": ["\\052.star.run.example.com"]}},
     [[up("*.star.run.example.com")], [up("\\052.STAR.run.example.com")]],
     [[up("a.star.run.example.com")]]),
    ({"ForAllValues:StringEquals": {KEY + "RecordTypes": ["A", "TXT"]}},
     [[up("a.run.example.com"), up("a.run.example.com", "TXT", text)]],
     [[up("a.run.example.com"), up("c.run.example.com", "CNAME", ("a.b",))]]),
    ({"ForAllValues:StringEquals": {KEY + "Actions": ["UPSERT"]}},
     [[up("a.run.example.com"), up("b.run.example.com")]],
     [[change("CREATE", "new.run.example.com")], [up("a.run.example.com"), change("DELETE", "b.run.example.com")]]),
    ({"ForAllValues:StringLike": {KEY + "NormalizedRecordNames": ["w*.run.example.com"]}, "ForAllValues:StringEquals": {KEY + "RecordTypes": ["A"], KEY + "Actions": ["UPSERT", "DELETE"]}},
     [[up("w9.run.example.com")], [change("DELETE", "w9.run.example.com")]],
     [[up("w9.run.example.com", "TXT", text)], [change("CREATE", "w9.run.example.com")], [up("v9.run.example.com")]]),
]:
    may({"Action": "route53:ChangeResourceRecordSets", "Resource": ARN + own, "Condition": condition})
    for changes in fits:
        batch(*changes)
    for changes in breaks:
        denied("route53:ChangeResourceRecordSets", ARN + own, batch, *changes)
# A denial of one name holds for a batch that has others too.
may({"Action": "route53:ChangeResourceRecordSets"},
    {"Effect": "Deny", "Action": "route53:ChangeResourceRecordSets", "Condition": {"ForAnyValue:StringEquals": {KEY + "NormalizedRecordNames": ["keep.run.example.com"]}}})
batch(up("a.run.example.com"))
message = refused("AccessDenied", batch, up("a.run.example.com"), up("KEEP.run.example.com"))["Error"]["Message"]
assert message.endswith("with an explicit deny in an identity-based policy"), message

# Nothing is taken for granted: an operation that was not thought through is a gap.
may({"Action": "*"})
refused("NotImplemented", mine.list_health_checks)
