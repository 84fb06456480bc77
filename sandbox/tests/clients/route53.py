"""Route 53 as boto3 sees it."""

import json
import os
import urllib.request

from kit import client, equal, forward, refused

route53, ec2 = client("route53"), client("ec2")


def snapshot():
    """The zones of the account, without what every zone has."""
    request = urllib.request.Request(f"{os.environ['AWS_ENDPOINT_URL']}/_sandbox/snapshot")
    request.add_header("authorization", f"Bearer {os.environ['SANDBOX_CONTROL_TOKEN']}")
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)["route53"]


def zone(name, reference, **more):
    return route53.create_hosted_zone(Name=name, CallerReference=reference, **more)


def change(action, name, kind="A", values=("192.0.2.1",), ttl=60, **more):
    records = [{"Value": value} for value in values]
    return {"Action": action, "ResourceRecordSet": {"Name": name, "Type": kind, "TTL": ttl, "ResourceRecords": records, **more}}


def batch(where, *changes, **more):
    return route53.change_resource_record_sets(HostedZoneId=where, ChangeBatch={"Changes": list(changes), **more})["ChangeInfo"]


def invalid(where, *changes):
    """A batch that is refused; answers what is wrong with it."""
    return refused("InvalidChangeBatch", batch, where, *changes)["Error"]["Message"]


def sets(where, **more):
    return route53.list_resource_record_sets(HostedZoneId=where, **more)["ResourceRecordSets"]


def names(where, **more):
    return [f"{s['Name']} {s['Type']}" for s in sets(where, **more)]


# A public zone has four servers of its own, and what a zone always has.
made = zone("Example.com", "one", HostedZoneConfig={"Comment": "the <one> & only", "PrivateZone": False})
public = made["HostedZone"]["Id"]
equal(made["ResponseMetadata"]["HTTPStatusCode"], 201)
assert public.startswith("/hostedzone/Z") and len(public) == 32 and made["Location"].endswith(f"/2013-04-01{public}"), made
equal(made["HostedZone"], {"Id": public, "Name": "example.com.", "CallerReference": "one", "ResourceRecordSetCount": 2,
                           "Config": {"Comment": "the <one> & only", "PrivateZone": False}})
equal(made["ChangeInfo"]["Status"], "PENDING")
servers = made["DelegationSet"]["NameServers"]
equal([server.rsplit("awsdns-")[1][3:] for server in servers], ["co.uk", "com", "org", "net"])
got = route53.get_hosted_zone(Id=public)
equal((got["HostedZone"], got["DelegationSet"]["NameServers"], "VPCs" in got), (made["HostedZone"], servers, False))
equal([(s["Name"], s["Type"], s["TTL"]) for s in sets(public)], [("example.com.", "NS", 172800), ("example.com.", "SOA", 900)])
equal([r["Value"] for r in sets(public)[0]["ResourceRecords"]], [server + "." for server in servers])
assert sets(public)[1]["ResourceRecords"][0]["Value"].startswith(servers[0] + ". awsdns-hostmaster.amazon.com. "), sets(public)

refused("HostedZoneAlreadyExists", zone, "other.com", "one")
for name in ["a..b", "x" * 64 + ".com", "exa mple.com", "*.example.com", "."]:
    refused("InvalidDomainName", zone, name, "bad")
refused("InvalidInput", zone, "x.internal", "bad", HostedZoneConfig={"PrivateZone": True})
refused("NotImplemented", zone, "x.com", "bad", DelegationSetId="N1")
for call in [route53.get_hosted_zone, route53.delete_hosted_zone]:
    refused("NoSuchHostedZone", call, Id="Z0")
refused("NoSuchHostedZone", sets, "Z0")
refused("NoSuchHostedZone", batch, "Z0", change("CREATE", "a.example.com"))

# A private zone has networks, which exist and see one zone of a name.
network = lambda id, region="us-east-1": {"VPCRegion": region, "VPCId": id}
vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
made = zone("run.internal.", "two", VPC=network(vpc), HostedZoneConfig={"Comment": "runs"})
private = made["HostedZone"]["Id"]
equal((made["VPC"], made["HostedZone"]["Config"]["PrivateZone"], "DelegationSet" in made), (network(vpc), True, False))
equal(route53.get_hosted_zone(Id=private)["VPCs"], [network(vpc)])
assert sets(private)[0]["ResourceRecords"][0]["Value"] == "ns-1536.awsdns-00.co.uk.", sets(private)
refused("InvalidVPCId", zone, "x.internal", "bad", VPC=network("vpc-0123456789abcdef0"))
refused("InvalidVPCId", zone, "x.internal", "bad", VPC=network(vpc, "eu-west-1"))
refused("ConflictingDomainExists", zone, "RUN.internal", "bad", VPC=network(vpc))
refused("NotImplemented", zone, "x.internal", "bad", VPC=network(vpc), HostedZoneConfig={"PrivateZone": False})

second = ec2.create_vpc(CidrBlock="10.7.0.0/16")["Vpc"]["VpcId"]
told = route53.associate_vpc_with_hosted_zone(HostedZoneId=private, VPC=network(second), Comment="two")["ChangeInfo"]
equal((told["Status"], told["Comment"]), ("PENDING", "two"))
equal(route53.get_hosted_zone(Id=private)["VPCs"], [network(vpc), network(second)])
refused("ConflictingDomainExists", route53.associate_vpc_with_hosted_zone, HostedZoneId=private, VPC=network(second))
refused("PublicZoneVPCAssociation", route53.associate_vpc_with_hosted_zone, HostedZoneId=public, VPC=network(second))
refused("InvalidVPCId", route53.associate_vpc_with_hosted_zone, HostedZoneId=private, VPC=network("vpc-0123456789abcdef0"))
route53.disassociate_vpc_from_hosted_zone(HostedZoneId=private, VPC=network(vpc))
refused("VPCAssociationNotFound", route53.disassociate_vpc_from_hosted_zone, HostedZoneId=private, VPC=network(vpc))
refused("LastVPCAssociation", route53.disassociate_vpc_from_hosted_zone, HostedZoneId=private, VPC=network(second))

# Changes are on their way for a while.
info = batch(public, change("CREATE", "www.example.com", values=["192.0.2.2", "192.0.2.1"]), change("CREATE", "WWW.example.com.", "TXT", ['"a & <b>" "c"']), Comment="first")
assert info["Id"].startswith("/change/C"), info
equal((info["Status"], info["Comment"]), ("PENDING", "first"))
equal(route53.get_change(Id=info["Id"])["ChangeInfo"], info)
forward(60)
equal(route53.get_change(Id=info["Id"])["ChangeInfo"]["Status"], "INSYNC")
route53.get_waiter("resource_record_sets_changed").wait(Id=info["Id"])
refused("NoSuchChange", route53.get_change, Id="C0")
equal(sets(public)[2:], [
    {"Name": "www.example.com.", "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": "192.0.2.2"}, {"Value": "192.0.2.1"}]},
    {"Name": "www.example.com.", "Type": "TXT", "TTL": 60, "ResourceRecords": [{"Value": '"a & <b>" "c"'}]}])
equal(route53.get_hosted_zone(Id=public)["HostedZone"]["ResourceRecordSetCount"], 4)

# All of a batch is done or nothing, and all that is wrong is told.
before = sets(public)
equal(invalid(public, change("CREATE", "new.example.com"), change("CREATE", "www.example.com"), change("DELETE", "none.example.com"),
              change("DELETE", "www.example.com", "TXT", ['"a"']), change("CREATE", "www.example.net")),
      "[Tried to create resource record set [name='www.example.com.', type='A'] but it already exists, "
      "Tried to delete resource record set [name='none.example.com.', type='A'] but it was not found, "
      "Tried to delete resource record set [name='www.example.com.', type='TXT'] but the values provided do not match the current values, "
      "RRSet with DNS name www.example.net. is not permitted in zone example.com.]")
for wrong in [change("DELETE", "www.example.com", values=["192.0.2.1"]), change("DELETE", "www.example.com", values=["192.0.2.1", "192.0.2.2"], ttl=61)]:
    assert invalid(public, wrong).endswith("but the values provided do not match the current values]"), wrong
equal(sets(public), before)

# One after the other: what is deleted may be made again, as something else too. Anything else twice is invalid.
batch(public, change("DELETE", "www.example.com", values=["192.0.2.1", "192.0.2.2"]), change("CREATE", "www.example.com", values=["192.0.2.3"]))
equal([r["Value"] for r in sets(public)[2]["ResourceRecords"]], ["192.0.2.3"])
twice = "[The request contains an invalid set of changes for a resource record set 'A new.example.com.']"
new = {action: change(action, "new.example.com") for action in ["CREATE", "DELETE", "UPSERT"]}
for actions in [("CREATE", "DELETE"), ("CREATE", "CREATE"), ("UPSERT", "UPSERT")]:
    equal(invalid(public, *[new[action] for action in actions]), twice)
batch(public, new["UPSERT"], change("UPSERT", "www.example.com", ttl=300))
batch(public, new["UPSERT"])
equal([(s["Name"], s["TTL"]) for s in sets(public) if s["Type"] == "A"], [("new.example.com.", 60), ("www.example.com.", 300)])

# An alias for a name stands alone.
alias = change("CREATE", "alias.example.com", "CNAME", ["www.example.com"])
batch(public, alias)
conflict = "because a conflicting RRSet of type CNAME with the same DNS name already exists in zone example.com.]"
equal(invalid(public, change("CREATE", "alias.example.com")), f"[RRSet of type A with DNS name alias.example.com. is not permitted {conflict}")
beside = "[RRSet of type CNAME with DNS name {} is not permitted {} in zone example.com.]"
equal(invalid(public, change("UPSERT", "new.example.com", "CNAME", ["a.b"])), beside.format("new.example.com.", "as it conflicts with other records with the same DNS name"))
equal(invalid(public, change("CREATE", "example.com", "CNAME", ["a.b"])), beside.format("example.com.", "at apex"))
batch(public, {**alias, "Action": "DELETE"}, change("CREATE", "alias.example.com"), change("CREATE", "alias.example.com", "AAAA", ["2001:db8::1"]))

# Names are kept in lower case, with escapes, and found however they are written.
batch(public, change("CREATE", "*.Run.EXAMPLE.com"), change("CREATE", "a/b.example.com.", "TXT", ['""']))
assert "\\052.run.example.com. A" in names(public) and "a\\057b.example.com. TXT" in names(public), names(public)
assert "already exists" in invalid(public, change("CREATE", "\\052.run.example.com"))
batch(public, change("DELETE", "\\052.RUN.example.com."), change("DELETE", "a\\057b.example.com", "TXT", ['""']))

# Values look as their types want it.
for kind, values, wrong in [
    ("A", ["192.0.2"], "ARRDATAIllegalIPv4Address (Value is not a valid IPv4 address) encountered with '192.0.2'"),
    ("A", ["www.example.com"], "ARRDATAIllegalIPv4Address"),
    ("AAAA", ["192.0.2.1"], "AAAARRDATAIllegalIPv6Address"),
    ("CNAME", ["a..b"], "DomainLabelEmpty"),
    ("TXT", ["plain"], "InvalidCharacterString (Value should be enclosed in quotation marks)"),
    ("TXT", [f'"{"x" * 256}"'], "CharacterStringTooLong (Value is too long)"),
    ("A", ["192.0.2.1", "192.0.2.1"], "Duplicate Resource Record: '192.0.2.1'"),
]:
    told = invalid(public, change("CREATE", "bad.example.com", kind, values))
    assert wrong in told, told
batch(public, change("UPSERT", "new.example.com", "TXT", [f'"{"x" * 255}" "{"y" * 255}"']))
for name, wrong in [("a..example.com", "DomainLabelEmpty"), ("x" * 64 + ".example.com", "DomainLabelTooLong"), ("a b.example.com", "UnsupportedCharacter")]:
    assert wrong in invalid(public, change("CREATE", name)), name

# What cannot be read is no batch, and what is not known is a gap.
plain = change("CREATE", "bad.example.com")["ResourceRecordSet"]
for missing in ["TTL", "ResourceRecords"]:
    broken = {"Action": "CREATE", "ResourceRecordSet": {key: value for key, value in plain.items() if key != missing}}
    assert "found none in Change with [Action=CREATE, Name=bad.example.com, Type=A" in refused("InvalidInput", batch, public, broken)["Error"]["Message"]
refused("InvalidInput", batch, public, change("REPLACE", "bad.example.com"))
refused("InvalidInput", batch, public, change("CREATE", "bad.example.com", "WKS"))
refused("NotImplemented", batch, public, change("CREATE", "bad.example.com", "MX", ["10 a.b"]))
for more in [{"SetIdentifier": "a", "Weight": 1}, {"SetIdentifier": "a", "MultiValueAnswer": True}, {"HealthCheckId": "h"}]:
    refused("NotImplemented", batch, public, change("CREATE", "bad.example.com", **more))
target = {"HostedZoneId": "Z0", "DNSName": "a.b", "EvaluateTargetHealth": False}
refused("NotImplemented", batch, public, {"Action": "CREATE", "ResourceRecordSet": {"Name": "bad.example.com", "Type": "A", "AliasTarget": target}})
refused("NotImplemented", route53.update_hosted_zone_comment, Id=public, Comment="x")
refused("NotImplemented", route53.list_health_checks)
refused("NotImplemented", route53.list_hosted_zones, HostedZoneType="PrivateHostedZone")
refused("NotImplemented", sets, public, StartRecordName="a", StartRecordType="A", StartRecordIdentifier="x")

# The servers of a zone may be others, but there must be some.
own = [server + "." for server in servers]
equal(invalid(public, change("DELETE", "example.com", "NS", own, 172800)), "[A HostedZone must contain at least one NS record for the zone itself.]")
batch(public, change("UPSERT", "example.com", "NS", ["ns.example.net."], 60))

# Lists go by labels from the right, then by type.
ordered = zone("order.test", "three")["HostedZone"]["Id"]
batch(ordered, *[change("CREATE", name) for name in ["b.order.test", "z.a.order.test", "a.order.test", "*.order.test", "a-b.order.test"]],
      change("CREATE", "a.order.test", "TXT", ['"x"']), change("CREATE", "a.order.test", "AAAA", ["2001:db8::1"]))
whole = ["order.test. NS", "order.test. SOA", "\\052.order.test. A", "a-b.order.test. A", "a.order.test. A", "a.order.test. AAAA",
         "a.order.test. TXT", "z.a.order.test. A", "b.order.test. A"]
equal(names(ordered), whole)
for start, first in [({"StartRecordName": "A.order.test"}, 4), ({"StartRecordName": "a.order.test", "StartRecordType": "CNAME"}, 6), ({"StartRecordName": "c.order.test"}, 9),
                     ({"StartRecordName": "com"}, 0), ({"StartRecordName": "*.order.test"}, 2), ({"StartRecordName": "a.order.test", "StartRecordType": "TXT"}, 6)]:
    equal(names(ordered, **start), whole[first:])
refused("InvalidInput", sets, ordered, StartRecordType="A")
refused("InvalidInput", sets, ordered, StartRecordName="a", StartRecordType="WKS")
refused("InvalidInput", sets, ordered, MaxItems="0")
page = route53.list_resource_record_sets(HostedZoneId=ordered, MaxItems="5")
equal((page["IsTruncated"], page["NextRecordName"], page["NextRecordType"], page["MaxItems"]), (True, "a.order.test.", "AAAA", "5"))
pages = list(route53.get_paginator("list_resource_record_sets").paginate(HostedZoneId=ordered, PaginationConfig={"PageSize": 4}))
equal([len(page["ResourceRecordSets"]) for page in pages], [4, 4, 1])
equal([f"{s['Name']} {s['Type']}" for page in pages for s in page["ResourceRecordSets"]], whole)
equal(("NextRecordName" in pages[-1], pages[-1]["IsTruncated"]), (False, False))

# Requests, record sets and zones have limits.
address = lambda n: f"10.{n // 65536}.{n // 256 % 256}.{n % 256}"
many = lambda action, *counts: [change(action, f"m{i}.order.test", values=[address(n) for n in range(count)]) for i, count in enumerate(counts)]
equal(invalid(ordered, *many("CREATE", 400, 400, 201)), "[Number of records limit of 1000 exceeded.]")
equal(invalid(ordered, *many("UPSERT", 400, 101)), "[Number of records limit of 1000 exceeded.]")
equal(invalid(ordered, *many("CREATE", 401)), "[Cannot have more than 400 records in a RRSet.]")
batch(ordered, *many("UPSERT", 400, 100))
batch(ordered, *many("DELETE", 400, 100))
texts = lambda action, count: change(action, "t.order.test", "TXT", [f'"{n:0>198}"' for n in range(count)])
equal(invalid(ordered, texts("CREATE", 161)), "[RDATA character limit of 32000 exceeded.]")
equal(invalid(ordered, texts("UPSERT", 81)), "[RDATA character limit of 32000 exceeded.]")
batch(ordered, texts("CREATE", 160))
full = zone("full.test", "four")["HostedZone"]["Id"]
for start in range(0, 9998, 1000):
    batch(full, *[change("CREATE", f"n{n}.full.test", values=[address(n)]) for n in range(start, min(start + 1000, 9998))])
equal(invalid(full, change("CREATE", "more.full.test")), f"[Exceeded limit MAX_RRSETS_BY_ZONE for zone: {full.split('/')[-1]}]")
page = route53.list_resource_record_sets(HostedZoneId=full, MaxItems="1000")
equal((len(page["ResourceRecordSets"]), page["MaxItems"], page["IsTruncated"]), (300, "300", True))
equal(len(sets(full)), 300)

# Zones are listed by id, and by their names from the right.
found = route53.list_hosted_zones()
ids = [z["Id"] for z in found["HostedZones"]]
equal((ids, found["IsTruncated"], found["MaxItems"]), (sorted([public, private, ordered, full]), False, "100"))
page = route53.list_hosted_zones(MaxItems="3")
equal((len(page["HostedZones"]), page["IsTruncated"], f"/hostedzone/{page['NextMarker']}"), (3, True, ids[3]))
rest = route53.list_hosted_zones(Marker=page["NextMarker"])
equal(([z["Id"] for z in rest["HostedZones"]], rest["Marker"], "NextMarker" in rest), (ids[3:], page["NextMarker"], False))
pages = list(route53.get_paginator("list_hosted_zones").paginate(PaginationConfig={"PageSize": 1}))
equal([z["Id"] for page in pages for z in page["HostedZones"]], ids)
again = zone("example.com", "five")["HostedZone"]["Id"]
below = zone("a.example.com", "six")["HostedZone"]["Id"]
by_name = lambda **more: route53.list_hosted_zones_by_name(**more)
same = sorted([public, again])
order = [*same, below, private, full, ordered]
equal([z["Id"] for z in by_name()["HostedZones"]], order)
page = by_name(MaxItems="1")
equal((page["IsTruncated"], page["NextDNSName"], f"/hostedzone/{page['NextHostedZoneId']}"), (True, "example.com.", same[1]))
page = by_name(DNSName=page["NextDNSName"], HostedZoneId=page["NextHostedZoneId"], MaxItems="2")
equal([z["Id"] for z in page["HostedZones"]], [same[1], below])
equal((page["DNSName"], f"/hostedzone/{page['HostedZoneId']}", page["NextDNSName"], page["MaxItems"]), ("example.com.", same[1], "run.internal.", "2"))
equal([z["Id"] for z in by_name(DNSName="RUN.internal")["HostedZones"]], order[3:])
refused("InvalidInput", by_name, HostedZoneId=same[1])
refused("InvalidDomainName", by_name, DNSName="a..b")
refused("InvalidInput", by_name, MaxItems="many")

# A zone goes when only what is always there is left; its reference does not come again.
batch(private, change("CREATE", "w1.run.internal"), change("CREATE", "w1.run.internal", "TXT", ['"x"'], 5))
refused("HostedZoneNotEmpty", route53.delete_hosted_zone, Id=private)
equal(snapshot()[private.split("/")[-1]], {"name": "run.internal.", "private": True, "vpcs": [second], "records": [
    {"name": "w1.run.internal.", "type": "A", "ttl": 60, "values": ["192.0.2.1"]},
    {"name": "w1.run.internal.", "type": "TXT", "ttl": 5, "values": ['"x"']}]})
batch(private, change("DELETE", "w1.run.internal"), change("DELETE", "w1.run.internal", "TXT", ['"x"'], 5))
equal(route53.delete_hosted_zone(Id=private)["ChangeInfo"]["Status"], "PENDING")
refused("NoSuchHostedZone", route53.get_hosted_zone, Id=private)
refused("HostedZoneAlreadyExists", zone, "run.internal", "two", VPC=network(second))
zone("run.internal", "seven", VPC=network(second))
route53.delete_hosted_zone(Id=again)
equal(sorted(z["name"] for z in snapshot().values()), ["a.example.com.", "example.com.", "full.test.", "order.test.", "run.internal."])

# One state, whichever region a client is from.
equal(client("route53", "eu-west-1").get_hosted_zone(Id=public)["HostedZone"]["Name"], "example.com.")
