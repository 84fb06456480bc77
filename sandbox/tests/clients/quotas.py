"""The quotas of processors as boto3 sees them, and that EC2 keeps to them."""

from kit import ACCOUNT, allow, assumed, client, equal, refused, worker

ec2, iam, quotas = client("ec2"), client("iam"), client("service-quotas")


def quota(code, by=quotas):
    return by.get_service_quota(ServiceCode="ec2", QuotaCode=code)["Quota"]


standard = quota("L-1216C47A")
equal((standard["QuotaName"], standard["Value"]), ("Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances", 16.0))
equal(standard["QuotaArn"], f"arn:aws:servicequotas:us-east-1:{ACCOUNT}:ec2/L-1216C47A")
equal([quota(code)["Value"] for code in ["L-DB2E81BA", "L-34B43A08", "L-C4BD4855"]], [16.0, 8.0, 8.0])

# As many as that, and no more.
image = client("ssm").get_parameter(Name="/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64")["Parameter"]["Value"]
launch = {"ImageId": image, "InstanceType": "c7i.large"}
refused("VcpuLimitExceeded", ec2.run_instances, MinCount=9, MaxCount=9, **launch)
equal(len(ec2.run_instances(MinCount=1, MaxCount=9, **launch)["Instances"]), 8)
# One that is only tried is not counted.
refused("DryRunOperation", ec2.run_instances, MinCount=1, MaxCount=1, DryRun=True, **launch)

# It takes a right, which names no resource.
mine = assumed(client("sts"), worker(iam, "worker"))("service-quotas")
said = refused("AccessDeniedException", quota, "L-1216C47A", by=mine)["Error"]["Message"]
assert "not authorized to perform: servicequotas:GetServiceQuota because" in said, said
allow(iam, "worker", "servicequotas:GetServiceQuota")
equal(quota("L-1216C47A", by=mine)["Value"], 16.0)

refused("NotImplemented", quota, "L-0263D0A3")
refused("NotImplemented", quotas.get_service_quota, ServiceCode="lambda", QuotaCode="L-B99A9384")
refused("NotImplemented", quotas.list_service_quotas, ServiceCode="ec2")
