"""Sessions of roles: who may begin them, what limits them, and what they carry."""

from kit import ACCOUNT, assumed, client, document, equal, refused, trusting, worker

iam, sts, s3 = client("iam"), client("sts"), client("s3")


def say(code, call, **more):
    print(refused(code, call, **more)["Error"]["Message"])


def made(name, trust, **more):
    return iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust, **more)["Role"]["Arn"]


def may(name, *statements):
    iam.put_role_policy(RoleName=name, PolicyName="may", PolicyDocument=document(*statements))


# A role that trusts the account leaves it to the account's policies; one that names a role needs no more.
ci = worker(iam, "ci", Path="/team/")
mine = assumed(sts, ci, "build")
equal(mine("sts").get_caller_identity()["Arn"], f"arn:aws:sts::{ACCOUNT}:assumed-role/ci/build")
for_account = made("for-account", trusting(f"arn:aws:iam::{ACCOUNT}:root"))
for_ci = made("for-ci", trusting(ci))
for_session = made("for-session", trusting(f"arn:aws:sts::{ACCOUNT}:assumed-role/ci/build"))
for_nobody = made("for-nobody", trusting("arn:aws:iam::999999999999:root"))
say("AccessDenied", mine("sts").assume_role, RoleArn=for_account, RoleSessionName="me")
assumed(mine("sts"), for_ci)
assumed(mine("sts"), for_session)
say("AccessDenied", mine("sts").assume_role, RoleArn=for_nobody, RoleSessionName="me")
say("AccessDenied", sts.assume_role, RoleArn=for_ci, RoleSessionName="me")
refused("AccessDenied", assumed(sts, ci, "deploy")("sts").assume_role, RoleArn=for_session, RoleSessionName="me")
refused("AccessDenied", sts.assume_role, RoleArn=ci + "x", RoleSessionName="me")
may("ci", {"Action": "sts:AssumeRole", "Resource": for_account})
assumed(mine("sts"), for_account)

# A boundary limits what a role is allowed as a role, and not what its session is allowed by name.
most = iam.create_policy(PolicyName="most", PolicyDocument=document({"Action": "s3:*"}))["Policy"]["Arn"]
iam.put_role_permissions_boundary(RoleName="ci", PermissionsBoundary=most)
say("AccessDenied", mine("sts").assume_role, RoleArn=for_ci, RoleSessionName="me")
assumed(mine("sts"), for_session)
iam.delete_role_permissions_boundary(RoleName="ci")

# Conditions of a trust policy: a secret between two parties, a name, tags.
shared = made("shared", trusting(ACCOUNT, Condition={"StringEquals": {"sts:ExternalId": "42"}}))
refused("AccessDenied", sts.assume_role, RoleArn=shared, RoleSessionName="me")
refused("AccessDenied", sts.assume_role, RoleArn=shared, RoleSessionName="me", ExternalId="43")
assumed(sts, shared, ExternalId="42")
named = made("named", trusting(ACCOUNT, Condition={"StringLike": {"sts:RoleSessionName": "ci-*"}}))
refused("AccessDenied", sts.assume_role, RoleArn=named, RoleSessionName="me")
assumed(sts, named, "ci-1")
say("AccessDenied", sts.assume_role, RoleArn=ci, RoleSessionName="me", Tags=[{"Key": "team", "Value": "blue"}])
tagged = made("tagged", trusting(ACCOUNT, Action=["sts:AssumeRole", "sts:TagSession"]), Tags=[{"Key": "team", "Value": "red"}, {"Key": "site", "Value": "east"}])
denied = made("denied", document({"Action": "sts:AssumeRole", "Principal": {"AWS": ACCOUNT}}, {"Effect": "Deny", "Action": "sts:*", "Principal": "*"}))
say("AccessDenied", sts.assume_role, RoleArn=denied, RoleSessionName="me")

# Tags of a session are its principal's, before the role's; those that are handed on cannot be changed.
s3.create_bucket(Bucket="records")
for key in ["blue/x", "red/x", "east/x"]:
    s3.put_object(Bucket="records", Key=key, Body=b"x")
may("tagged", {"Action": "s3:GetObject", "Resource": "arn:aws:s3:::records/${aws:PrincipalTag/team}/*"}, {"Action": ["sts:AssumeRole", "sts:TagSession"]})
blue = assumed(sts, tagged, Tags=[{"Key": "team", "Value": "blue"}], TransitiveTagKeys=["team"])
blue("s3").get_object(Bucket="records", Key="blue/x")
refused("AccessDenied", blue("s3").get_object, Bucket="records", Key="red/x")
assumed(sts, tagged)("s3").get_object(Bucket="records", Key="red/x")
assumed(blue("sts"), tagged)("s3").get_object(Bucket="records", Key="blue/x")
refused("ValidationError", blue("sts").assume_role, RoleArn=tagged, RoleSessionName="me", Tags=[{"Key": "team", "Value": "red"}])
refused("ValidationError", sts.assume_role, RoleArn=tagged, RoleSessionName="me", TransitiveTagKeys=["none"])

# A session's own policy takes away, and gives nothing.
may("ci", {"Action": "s3:GetObject", "Resource": "arn:aws:s3:::records/*"})
narrow = assumed(sts, ci, Policy=document({"Action": "s3:*", "Resource": "arn:aws:s3:::records/blue/*"}))
narrow("s3").get_object(Bucket="records", Key="blue/x")
say("AccessDenied", narrow("s3").get_object, Bucket="records", Key="red/x")
refused("AccessDenied", narrow("s3").put_object, Bucket="records", Key="blue/x", Body=b"")
less = assumed(sts, ci, PolicyArns=[{"arn": most}], Policy=document({"Effect": "Deny", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::records/red/*"}))
less("s3").get_object(Bucket="records", Key="blue/x")
say("AccessDenied", less("s3").get_object, Bucket="records", Key="red/x")
refused("MalformedPolicyDocument", sts.assume_role, RoleArn=ci, RoleSessionName="me", Policy="{}")
refused("PackedPolicyTooLarge", sts.assume_role, RoleArn=ci, RoleSessionName="me", Policy=document({"Action": "s3:GetObject", "Sid": "x" * 2000}))

# A bucket's policy: what it denies nobody may; what it allows one needs no policy of one's own for.
other = worker(iam, "other")
reader = assumed(sts, other)("s3")
refused("AccessDenied", reader.get_object, Bucket="records", Key="blue/x")
s3.put_bucket_policy(Bucket="records", Policy=document(
    {"Action": "s3:GetObject", "Principal": {"AWS": other}, "Resource": "arn:aws:s3:::records/blue/*"},
    {"Effect": "Deny", "Action": "s3:*", "Principal": "*", "Resource": "arn:aws:s3:::records/east/*", "Condition": {"StringNotLike": {"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:role/team/*"}}},
    {"Effect": "Deny", "Action": "s3:*", "Principal": "*", "Resource": ["arn:aws:s3:::records", "arn:aws:s3:::records/*"], "Condition": {"Bool": {"aws:SecureTransport": "false"}}},
    {"Effect": "Deny", "Action": "s3:*", "Principal": "*", "Resource": "arn:aws:s3:::records/*", "Condition": {"StringNotEquals": {"aws:PrincipalAccount": ACCOUNT}}}))
reader.get_object(Bucket="records", Key="blue/x")
refused("AccessDenied", reader.get_object, Bucket="records", Key="red/x")
say("AccessDenied", s3.get_object, Bucket="records", Key="east/x")
assumed(sts, ci)("s3").get_object(Bucket="records", Key="east/x")
s3.delete_bucket_policy(Bucket="records")
s3.get_object(Bucket="records", Key="east/x")

# How long, and by whom: sessions begun by sessions are short.
refused("ValidationError", sts.assume_role, RoleArn=ci, RoleSessionName="me", DurationSeconds=7200)
refused("ValidationError", assumed(sts, tagged)("sts").assume_role, RoleArn=tagged, RoleSessionName="me", DurationSeconds=3700)
refused("ValidationError", sts.assume_role, RoleArn=ci, RoleSessionName="not good")

# Administrators of AWS's own making may do everything; what other policies of AWS allow is not known, and is said to be.
admin = worker(iam, "admin")
iam.attach_role_policy(RoleName="admin", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
assumed(sts, admin)("iam").get_role(RoleName="ci")
iam.attach_role_policy(RoleName="other", PolicyArn="arn:aws:iam::aws:policy/ReadOnlyAccess")
refused("NotImplemented", reader.get_object, Bucket="records", Key="red/x")
refused("NotImplemented", sts.assume_role, RoleArn=ci, RoleSessionName="me", SourceIdentity="ada")
may("ci", {"Action": "*", "Condition": {"StringEquals": {"aws:Weather": "fine"}}})
refused("NotImplemented", mine("s3").list_buckets)
refused("NotImplemented", iam.create_user, UserName="ada")
