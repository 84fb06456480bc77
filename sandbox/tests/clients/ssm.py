"""Parameters and documents as boto3 sees them."""

import json

from kit import client, equal, refused

ssm = client("ssm")

# AWS's public parameters name images that exist.
name = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
image = ssm.get_parameter(Name=name)["Parameter"]["Value"]
equal(client("ec2").describe_images(ImageIds=[image])["Images"][0]["Architecture"], "x86_64")
assert image != client("ssm", "us-west-2").get_parameter(Name=name)["Parameter"]["Value"]

# Our own.
equal(ssm.put_parameter(Name="/app/one", Value="1", Type="String", Tags=[{"Key": "a", "Value": "b"}])["Version"], 1)
refused("ParameterAlreadyExists", ssm.put_parameter, Name="/app/one", Value="2", Type="String")
equal(ssm.put_parameter(Name="/app/one", Value="2", Overwrite=True)["Version"], 2)
equal(ssm.get_parameter(Name="/app/one")["Parameter"]["Value"], "2")
equal(ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId="/app/one")["TagList"], [{"Key": "a", "Value": "b"}])
refused("ParameterNotFound", client("ssm", "us-west-2").get_parameter, Name="/app/one")
refused("ValidationException", ssm.put_parameter, Name="/aws/mine", Value="x", Type="String")
refused("ValidationException", ssm.put_parameter, Name="/app/long", Value="x" * 4097, Type="String")
ssm.put_parameter(Name="/app/deep/secret", Value="s3cret", Type="SecureString")
assert ssm.get_parameter(Name="/app/deep/secret")["Parameter"]["Value"] != "s3cret"
equal(ssm.get_parameter(Name="/app/deep/secret", WithDecryption=True)["Parameter"]["Value"], "s3cret")
equal([p["Name"] for p in ssm.get_parameters_by_path(Path="/app")["Parameters"]], ["/app/one"])
equal(len(ssm.get_parameters_by_path(Path="/app", Recursive=True)["Parameters"]), 2)
many = ssm.get_parameters(Names=["/app/one", "/app/none"])
equal(([p["Value"] for p in many["Parameters"]], many["InvalidParameters"]), (["2"], ["/app/none"]))
for n in range(12):
    ssm.put_parameter(Name=f"/pages/{n:02}", Value="x", Type="String")
pages = list(ssm.get_paginator("get_parameters_by_path").paginate(Path="/pages/"))
equal([len(page["Parameters"]) for page in pages], [10, 2])
ssm.delete_parameter(Name="/app/one")
refused("ParameterNotFound", ssm.delete_parameter, Name="/app/one")

# Documents.
content = {"schemaVersion": "0.3", "description": "sleeps", "parameters": {"Mode": {"type": "String", "default": "a"}},
           "mainSteps": [{"name": "wait", "action": "aws:sleep", "inputs": {"Duration": "PT1S"}, "isEnd": True}]}
made = ssm.create_document(Content=json.dumps(content), Name="my-doc", DocumentType="Automation", DocumentFormat="JSON")["DocumentDescription"]
equal((made["DocumentVersion"], made["DefaultVersion"], made["Parameters"][0]["Name"]), ("1", "1", "Mode"))
refused("DocumentAlreadyExists", ssm.create_document, Content=json.dumps(content), Name="my-doc", DocumentType="Automation")
refused("InvalidDocumentContent", ssm.create_document, Content="{", Name="bad-doc", DocumentType="Automation")
refused("NotImplemented", ssm.create_document, Content="{}", Name="cmd-doc", DocumentType="Command")
refused("DuplicateDocumentContent", ssm.update_document, Content=json.dumps(content), Name="my-doc", DocumentVersion="$LATEST")
content["description"] = "sleeps longer"
updated = ssm.update_document(Content=json.dumps(content), Name="my-doc", DocumentVersion="$LATEST")["DocumentDescription"]
equal((updated["DocumentVersion"], updated["DefaultVersion"], updated["LatestVersion"]), ("2", "1", "2"))
ssm.update_document_default_version(Name="my-doc", DocumentVersion="2")
equal(ssm.describe_document(Name="my-doc")["Document"]["DocumentVersion"], "2")
equal(json.loads(ssm.get_document(Name="my-doc", DocumentVersion="1")["Content"])["description"], "sleeps")
refused("InvalidDocumentVersion", ssm.get_document, Name="my-doc", DocumentVersion="9")
found = ssm.list_documents(Filters=[{"Key": "Owner", "Values": ["Self"]}, {"Key": "Name", "Values": ["my-"]}])
equal([d["Name"] for d in found["DocumentIdentifiers"]], ["my-doc"])
ssm.delete_document(Name="my-doc")
refused("InvalidDocument", ssm.describe_document, Name="my-doc")
refused("NotImplemented", ssm.resume_session, SessionId="me-1")
