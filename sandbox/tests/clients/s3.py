"""S3 as boto3 sees it."""

import base64
import hashlib
import http.client
import io
import os
import urllib.request

import boto3
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config

from kit import ACCOUNT, client, equal, refused

s3 = client("s3")
west = client("s3", "us-west-2")

# Buckets and where they may be.
s3.create_bucket(Bucket="first-bucket")
s3.create_bucket(Bucket="first-bucket")
refused("BucketAlreadyOwnedByYou", west.create_bucket, Bucket="first-bucket", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
refused("IllegalLocationConstraintException", west.create_bucket, Bucket="west-bucket")
refused("InvalidLocationConstraint", s3.create_bucket, Bucket="east-bucket", CreateBucketConfiguration={"LocationConstraint": "us-east-1"})
refused("InvalidBucketName", s3.create_bucket, Bucket="under_score.x")
west.create_bucket(Bucket="west-bucket", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
refused("BucketAlreadyOwnedByYou", west.create_bucket, Bucket="west-bucket", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
equal(s3.get_bucket_location(Bucket="west-bucket")["LocationConstraint"], "us-west-2")
equal(s3.get_bucket_location(Bucket="first-bucket")["LocationConstraint"], None)
equal([b["Name"] for b in s3.list_buckets()["Buckets"]], ["first-bucket", "west-bucket"])
equal(s3.head_bucket(Bucket="first-bucket")["BucketRegion"], "us-east-1")
refused("404", s3.head_bucket, Bucket="no-such-bucket")
refused("NoSuchBucket", s3.list_objects_v2, Bucket="no-such-bucket")
# boto3 follows the redirect by itself.
equal(s3.list_objects_v2(Bucket="west-bucket")["KeyCount"], 0)

# Objects: etag, metadata, ranges, checksums.
put = s3.put_object(Bucket="first-bucket", Key="a/b c+d.txt", Body=b"hello world", ContentType="text/plain", Metadata={"rank": "3"})
equal(put["ETag"], '"5eb63bbbe01eeed093cb22bb8f5acdc3"')
equal(put["ChecksumCRC32"], "DUoRhQ==")
got = s3.get_object(Bucket="first-bucket", Key="a/b c+d.txt", ChecksumMode="ENABLED")
equal((got["Body"].read(), got["ETag"], got["ContentType"], got["Metadata"]), (b"hello world", put["ETag"], "text/plain", {"rank": "3"}))
equal(s3.get_object(Bucket="first-bucket", Key="a/b c+d.txt", Range="bytes=6-")["Body"].read(), b"world")
refused("InvalidRange", s3.get_object, Bucket="first-bucket", Key="a/b c+d.txt", Range="bytes=99-")
head = s3.head_object(Bucket="first-bucket", Key="a/b c+d.txt")
equal((head["ContentLength"], head["ETag"]), (11, put["ETag"]))
refused("404", s3.head_object, Bucket="first-bucket", Key="absent")
refused("NoSuchKey", s3.get_object, Bucket="first-bucket", Key="absent")
refused("304", s3.get_object, Bucket="first-bucket", Key="a/b c+d.txt", IfNoneMatch=put["ETag"])
refused("PreconditionFailed", s3.get_object, Bucket="first-bucket", Key="a/b c+d.txt", IfMatch='"0"')
s3.put_object(Bucket="first-bucket", Key="sha", Body=b"x", ChecksumAlgorithm="SHA256")
equal(s3.head_object(Bucket="first-bucket", Key="sha", ChecksumMode="ENABLED")["ChecksumSHA256"], base64.b64encode(hashlib.sha256(b"x").digest()).decode())
refused("BadDigest", s3.put_object, Bucket="first-bucket", Key="bad", Body=b"x", ChecksumCRC32="AAAAAA==")
refused("404", s3.head_object, Bucket="first-bucket", Key="bad")

# Conditional writes: the first wins.
once = s3.put_object(Bucket="first-bucket", Key="claim", Body=b"one", IfNoneMatch="*")
refused("PreconditionFailed", s3.put_object, Bucket="first-bucket", Key="claim", Body=b"two", IfNoneMatch="*")
equal(s3.get_object(Bucket="first-bucket", Key="claim")["Body"].read(), b"one")
second = s3.put_object(Bucket="first-bucket", Key="claim", Body=b"two", IfMatch=once["ETag"])
refused("PreconditionFailed", s3.put_object, Bucket="first-bucket", Key="claim", Body=b"three", IfMatch=once["ETag"])
refused("NoSuchKey", s3.put_object, Bucket="first-bucket", Key="absent", Body=b"x", IfMatch=once["ETag"])
refused("PreconditionFailed", s3.delete_object, Bucket="first-bucket", Key="claim", IfMatch=once["ETag"])
s3.delete_object(Bucket="first-bucket", Key="claim", IfMatch=second["ETag"])
s3.delete_object(Bucket="first-bucket", Key="claim")

# The expected owner.
s3.put_object(Bucket="first-bucket", Key="owned", Body=b"x", ExpectedBucketOwner=ACCOUNT)
refused("AccessDenied", s3.put_object, Bucket="first-bucket", Key="stolen", Body=b"x", ExpectedBucketOwner="999999999999")
refused("403", s3.head_bucket, Bucket="first-bucket", ExpectedBucketOwner="999999999999")
refused("AccessDenied", s3.list_objects_v2, Bucket="first-bucket", ExpectedBucketOwner="999999999999")

# Listings: pages, prefixes, delimiters, odd keys.
west.delete_bucket(Bucket="west-bucket")
s3.create_bucket(Bucket="list-bucket")
keys = sorted([f"runs/{n:03}/done" for n in range(25)] + [f"runs/{n:03}/log" for n in range(25)] + ["odd key &<>+%/é", "zzz"])
for key in keys:
    s3.put_object(Bucket="list-bucket", Key=key, Body=b"")
pages = list(s3.get_paginator("list_objects_v2").paginate(Bucket="list-bucket", PaginationConfig={"PageSize": 7}))
equal(len(pages), 8)
equal([o["Key"] for page in pages for o in page.get("Contents", [])], keys)
pages = list(s3.get_paginator("list_objects_v2").paginate(Bucket="list-bucket", Prefix="runs/", Delimiter="/", PaginationConfig={"PageSize": 4}))
equal([p["Prefix"] for page in pages for p in page.get("CommonPrefixes", [])], [f"runs/{n:03}/" for n in range(25)])
equal([o["Key"] for page in pages for o in page.get("Contents", [])], [])
equal([page["KeyCount"] for page in pages], [4, 4, 4, 4, 4, 4, 1])
equal([o["Key"] for o in s3.list_objects_v2(Bucket="list-bucket", StartAfter="runs/024/done")["Contents"]], ["runs/024/log", "zzz"])
equal([o["Key"] for o in s3.list_objects(Bucket="list-bucket", MaxKeys=2)["Contents"]], keys[:2])
refused("BucketNotEmpty", s3.delete_bucket, Bucket="list-bucket")

# Deleting many at once.
answer = s3.delete_objects(Bucket="list-bucket", Delete={"Objects": [{"Key": key} for key in keys[:-1]] + [{"Key": "never there"}]})
equal(len(answer["Deleted"]), len(keys))
equal(s3.delete_objects(Bucket="list-bucket", Delete={"Objects": [{"Key": "zzz"}], "Quiet": True}).get("Deleted"), None)
s3.delete_bucket(Bucket="list-bucket")

# Copies and tags.
s3.copy_object(Bucket="first-bucket", Key="copy", CopySource={"Bucket": "first-bucket", "Key": "a/b c+d.txt"})
equal(s3.get_object(Bucket="first-bucket", Key="copy")["Metadata"], {"rank": "3"})
refused("NoSuchKey", s3.copy_object, Bucket="first-bucket", Key="copy", CopySource="first-bucket/absent")
s3.put_object(Bucket="first-bucket", Key="tagged", Body=b"", Tagging="a=1&b=2%203")
equal(s3.get_object_tagging(Bucket="first-bucket", Key="tagged")["TagSet"], [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2 3"}])

# In parts.
big = bytes(range(256)) * 40_000
s3.upload_fileobj(io.BytesIO(big), "first-bucket", "big")
assert s3.head_object(Bucket="first-bucket", Key="big")["ETag"].endswith('-2"')
sink = io.BytesIO()
s3.download_fileobj("first-bucket", "big", sink)
assert sink.getvalue() == big

# A presigned address needs no key, and nothing else opens.
signer = boto3.client("s3", region_name="us-east-1", config=Config(signature_version="s3v4"))
url = signer.generate_presigned_url("get_object", Params={"Bucket": "first-bucket", "Key": "a/b c+d.txt"}, ExpiresIn=60)
equal(urllib.request.urlopen(url).read(), b"hello world")
for broken, status in [(url.replace("d.txt", "e.txt"), 403), (url.split("?")[0], 403)]:
    try:
        urllib.request.urlopen(broken)
        raise AssertionError("opened")
    except urllib.error.HTTPError as error:
        equal(error.code, status)


# A stream with a checksum behind it, as the SDKs of other languages send it.
class Streaming(S3SigV4Auth):
    def payload(self, request):
        return "STREAMING-UNSIGNED-PAYLOAD-TRAILER"


def stream(key, trailer):
    body = b"5\r\nhello\r\n6\r\n world\r\n0\r\nx-amz-checksum-crc32:" + trailer + b"\r\n\r\n"
    host = os.environ["AWS_ENDPOINT_URL"].split("/")[2]
    request = AWSRequest("PUT", f"http://{host}/first-bucket/{key}", data=body, headers={
        "host": host, "content-encoding": "aws-chunked", "x-amz-decoded-content-length": "11", "x-amz-trailer": "x-amz-checksum-crc32"})
    Streaming(boto3.Session().get_credentials(), "s3", "us-east-1").add_auth(request)
    connection = http.client.HTTPConnection(host)
    connection.request("PUT", f"/first-bucket/{key}", body, dict(request.headers.items()))
    return connection.getresponse().status


equal(stream("streamed", b"DUoRhQ=="), 200)
got = s3.get_object(Bucket="first-bucket", Key="streamed", ChecksumMode="ENABLED")
equal((got["Body"].read(), got["ChecksumCRC32"], got.get("ContentEncoding")), (b"hello world", "DUoRhQ==", None))
equal(stream("corrupt", b"AAAAAA=="), 400)
refused("404", s3.head_object, Bucket="first-bucket", Key="corrupt")

# Configurations are kept and returned; a new bucket has AWS's defaults.
equal(s3.get_public_access_block(Bucket="first-bucket")["PublicAccessBlockConfiguration"]["BlockPublicPolicy"], True)
rule = s3.get_bucket_encryption(Bucket="first-bucket")["ServerSideEncryptionConfiguration"]["Rules"][0]
equal(rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"], "AES256")
equal(s3.get_bucket_ownership_controls(Bucket="first-bucket")["OwnershipControls"]["Rules"], [{"ObjectOwnership": "BucketOwnerEnforced"}])
refused("NoSuchLifecycleConfiguration", s3.get_bucket_lifecycle_configuration, Bucket="first-bucket")
rules = [{"ID": "expire", "Status": "Enabled", "Filter": {"Prefix": "fleets/"}, "Expiration": {"Days": 30}}]
s3.put_bucket_lifecycle_configuration(Bucket="first-bucket", LifecycleConfiguration={"Rules": rules})
equal(s3.get_bucket_lifecycle_configuration(Bucket="first-bucket")["Rules"], rules)
refused("NoSuchBucketPolicy", s3.get_bucket_policy, Bucket="first-bucket")
policy = '{"Version":"2012-10-17","Statement":[]}'
s3.put_bucket_policy(Bucket="first-bucket", Policy=policy)
equal(s3.get_bucket_policy(Bucket="first-bucket")["Policy"], policy)
refused("MalformedPolicy", s3.put_bucket_policy, Bucket="first-bucket", Policy="{")
refused("NoSuchTagSet", s3.get_bucket_tagging, Bucket="first-bucket")
s3.put_bucket_tagging(Bucket="first-bucket", Tagging={"TagSet": [{"Key": "k", "Value": "v"}]})
equal(s3.get_bucket_tagging(Bucket="first-bucket")["TagSet"], [{"Key": "k", "Value": "v"}])
s3.put_bucket_versioning(Bucket="first-bucket", VersioningConfiguration={"Status": "Suspended"})
equal(s3.get_bucket_versioning(Bucket="first-bucket")["Status"], "Suspended")

# What the sandbox does not know is refused, not ignored.
refused("NotImplemented", s3.get_bucket_acl, Bucket="first-bucket")
refused("NotImplemented", s3.put_object, Bucket="first-bucket", Key="k", Body=b"", ServerSideEncryption="aws:kms")
