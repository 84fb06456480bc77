"""Networks: a subnet that the internet reaches, one that only reaches it, and one that reaches AWS alone; and images."""

from kit import ec2, pages, refused, tagged, wait


def by(name, *values):
    return [{"Name": name, "Values": list(values)}]


def check_default():
    [vpc] = ec2.describe_vpcs(Filters=by("is-default", "true"))["Vpcs"]
    [table] = ec2.describe_route_tables(Filters=by("association.main", "true"))["RouteTables"]
    assert [(r["DestinationCidrBlock"], r["State"], r["Origin"]) for r in table["Routes"]] == [
        ("172.31.0.0/16", "active", "CreateRouteTable"),
        ("0.0.0.0/0", "active", "CreateRoute"),
    ], table
    assert table["Routes"][0]["GatewayId"] == "local" and table["Routes"][1]["GatewayId"].startswith("igw-")
    [gateway] = ec2.describe_internet_gateways(Filters=by("attachment.vpc-id", vpc["VpcId"]))["InternetGateways"]
    assert gateway["Attachments"] == [{"State": "available", "VpcId": vpc["VpcId"]}], gateway


def make_network():
    vpc = ec2.create_vpc(CidrBlock="10.1.0.0/16", TagSpecifications=tagged("vpc", team="blue"))["Vpc"]
    assert not vpc["IsDefault"] and vpc["Tags"] == [{"Key": "team", "Value": "blue"}], vpc
    id = vpc["VpcId"]
    ec2.get_waiter("vpc_available").wait(VpcIds=[id], WaiterConfig={"Delay": 0, "MaxAttempts": 1})
    assert ec2.describe_vpc_attribute(VpcId=id, Attribute="enableDnsSupport")["EnableDnsSupport"] == {"Value": True}
    assert ec2.describe_vpc_attribute(VpcId=id, Attribute="enableDnsHostnames")["EnableDnsHostnames"] == {"Value": False}
    subnets = []
    for n, zone in enumerate(["us-east-1a", "us-east-1a", "us-east-1b"]):
        subnet = ec2.create_subnet(VpcId=id, CidrBlock=f"10.1.{n}.0/24", AvailabilityZone=zone)["Subnet"]
        assert (subnet["AvailableIpAddressCount"], subnet["MapPublicIpOnLaunch"], subnet["DefaultForAz"]) == (251, False, False), subnet
        subnets.append(subnet["SubnetId"])
    refused("InvalidSubnet.Conflict", ec2.create_subnet, VpcId=id, CidrBlock="10.1.1.0/25")
    refused("InvalidSubnet.Range", ec2.create_subnet, VpcId=id, CidrBlock="10.2.0.0/24")
    ec2.modify_subnet_attribute(SubnetId=subnets[0], MapPublicIpOnLaunch={"Value": True})
    assert ec2.describe_subnets(SubnetIds=subnets[:1])["Subnets"][0]["MapPublicIpOnLaunch"]
    return id, subnets


def open_to_the_internet(vpc, subnet):
    gateway = ec2.create_internet_gateway(TagSpecifications=tagged("internet-gateway", team="blue"))["InternetGateway"]["InternetGatewayId"]
    refused("Gateway.NotAttached", ec2.detach_internet_gateway, InternetGatewayId=gateway, VpcId=vpc)
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    refused("Resource.AlreadyAssociated", ec2.attach_internet_gateway, InternetGatewayId=gateway, VpcId=vpc)
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    assert ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)["Return"]
    refused("RouteAlreadyExists", ec2.create_route, RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
    association = ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)
    assert association["AssociationState"] == {"State": "associated"}
    [found] = ec2.describe_route_tables(Filters=by("association.subnet-id", subnet))["RouteTables"]
    assert found["Associations"][0]["RouteTableAssociationId"] == association["AssociationId"] and not found["Associations"][0]["Main"]
    return gateway, table, association["AssociationId"]


def let_out(vpc, public, private):
    address = ec2.allocate_address(Domain="vpc")
    assert address["Domain"] == "vpc" and address["PublicIp"].startswith("198.18."), address
    arguments = dict(SubnetId=public, AllocationId=address["AllocationId"], ClientToken="once")
    nat = ec2.create_nat_gateway(**arguments)["NatGateway"]
    assert nat["State"] == "pending" and nat["NatGatewayAddresses"][0]["PublicIp"] == address["PublicIp"], nat
    assert ec2.create_nat_gateway(**arguments)["NatGateway"]["NatGatewayId"] == nat["NatGatewayId"]
    wait(2000)
    ec2.get_waiter("nat_gateway_available").wait(NatGatewayIds=[nat["NatGatewayId"]], WaiterConfig={"Delay": 0, "MaxAttempts": 1})
    [held] = ec2.describe_addresses(AllocationIds=[address["AllocationId"]])["Addresses"]
    assert held["NetworkInterfaceId"] == nat["NatGatewayAddresses"][0]["NetworkInterfaceId"] and held["AssociationId"].startswith("eipassoc-")
    refused("InvalidIPAddress.InUse", ec2.release_address, AllocationId=address["AllocationId"])
    table = ec2.create_route_table(VpcId=vpc, TagSpecifications=tagged("route-table", side="private"))["RouteTable"]["RouteTableId"]
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", NatGatewayId=nat["NatGatewayId"])
    association = ec2.associate_route_table(RouteTableId=table, SubnetId=private)["AssociationId"]
    [found] = pages("describe_route_tables", "RouteTables", 5, Filters=by("route.nat-gateway-id", nat["NatGatewayId"]))
    assert found["RouteTableId"] == table and found["Routes"][1]["State"] == "active"
    return nat["NatGatewayId"], address["AllocationId"], table, association


def reach_aws(vpc, subnet):
    [main] = ec2.describe_route_tables(Filters=[*by("vpc-id", vpc), *by("association.main", "true")])["RouteTables"]
    table = main["RouteTableId"]
    s3 = ec2.create_vpc_endpoint(VpcId=vpc, ServiceName="com.amazonaws.us-east-1.s3", RouteTableIds=[table])["VpcEndpoint"]
    assert (s3["VpcEndpointType"], s3["State"], s3["RouteTableIds"]) == ("Gateway", "available", [table]), s3
    [main] = ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"]
    [route] = [r for r in main["Routes"] if "DestinationPrefixListId" in r]
    assert route["GatewayId"] == s3["VpcEndpointId"] and route["DestinationPrefixListId"].startswith("pl-"), route
    arguments = dict(VpcId=vpc, ServiceName="com.amazonaws.us-east-1.ssm", VpcEndpointType="Interface", SubnetIds=[subnet])
    message = refused("InvalidParameter", ec2.create_vpc_endpoint, **arguments)
    assert message.startswith("Enabling private DNS requires both enableDnsSupport and enableDnsHostnames"), message
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
    ssm = ec2.create_vpc_endpoint(**arguments, TagSpecifications=tagged("vpc-endpoint", team="blue"))["VpcEndpoint"]
    assert (ssm["State"], ssm["PrivateDnsEnabled"], ssm["SubnetIds"]) == ("pending", True, [subnet]), ssm
    assert ssm["Groups"][0]["GroupName"] == "default" and len(ssm["NetworkInterfaceIds"]) == 1
    wait(2000)
    [found] = pages("describe_vpc_endpoints", "VpcEndpoints", 5, Filters=by("service-name", "com.amazonaws.us-east-1.ssm"))
    assert found["State"] == "available", found
    refused("InvalidServiceName", ec2.create_vpc_endpoint, VpcId=vpc, ServiceName="com.amazonaws.us-east-1.tea")
    return [s3["VpcEndpointId"], ssm["VpcEndpointId"]]


def launch_into(subnets, image):
    addresses = []
    for subnet in subnets:
        [launched] = ec2.run_instances(ImageId=image, InstanceType="c7i.large", MinCount=1, MaxCount=1, SubnetId=subnet)["Instances"]
        addresses.append(launched["InstanceId"])
    wait(2000)
    found = {i["InstanceId"]: i for r in ec2.describe_instances(InstanceIds=addresses)["Reservations"] for i in r["Instances"]}
    public, private = [found[id] for id in addresses]
    assert public["PublicIpAddress"].startswith("198.18.") and public["PrivateIpAddress"].startswith("10.1.0."), public
    assert "PublicIpAddress" not in private and private["PrivateIpAddress"].startswith("10.1.1."), private
    refused("DependencyViolation", ec2.delete_subnet, SubnetId=subnets[0])
    ec2.terminate_instances(InstanceIds=addresses)
    wait(1000)


def check_images():
    def newest(owner, name, architecture):
        found = ec2.describe_images(Owners=[owner], Filters=[*by("name", name), *by("architecture", architecture), *by("state", "available")])
        return max(found["Images"], key=lambda image: image["CreationDate"])

    noble = newest("099720109477", "ubuntu/images/hvm-ssd*/ubuntu-noble-24.04-amd64-server-*", "x86_64")
    assert noble["Name"].endswith("-20251022") and noble["RootDeviceName"] == "/dev/sda1", noble
    jammy = newest("099720109477", "ubuntu/images/hvm-ssd*/ubuntu-jammy-22.04-arm64-server-*", "arm64")
    assert jammy["BlockDeviceMappings"][0]["Ebs"]["VolumeType"] == "gp2" and jammy["BootMode"] == "uefi", jammy
    linux = newest("amazon", "al2023-ami-2023.*-x86_64", "x86_64")
    assert linux["RootDeviceName"] == "/dev/xvda" and linux["ImageOwnerAlias"] == "amazon", linux
    old = ec2.describe_images(Owners=["amazon"], IncludeDeprecated=True, Filters=by("name", "al2023-ami-2023.7.*"))["Images"]
    assert [image["DeprecationTime"] for image in old] == ["2025-08-21T00:00:00.000Z"], old
    assert ec2.describe_images(Owners=["self"])["Images"] == []
    return linux["ImageId"]


check_default()
image = check_images()
vpc, subnets = make_network()
gateway, public_table, public_association = open_to_the_internet(vpc, subnets[0])
nat, allocation, private_table, private_association = let_out(vpc, subnets[0], subnets[1])
endpoints = reach_aws(vpc, subnets[2])
launch_into(subnets[:2], image)

refused("DependencyViolation", ec2.delete_vpc, VpcId=vpc)
deleted = ec2.delete_vpc_endpoints(VpcEndpointIds=[*endpoints, "vpce-0"])["Unsuccessful"]
assert [(item["ResourceId"], item["Error"]["Code"]) for item in deleted] == [("vpce-0", "InvalidVpcEndpointId.NotFound")], deleted
assert ec2.delete_nat_gateway(NatGatewayId=nat)["NatGatewayId"] == nat
[table] = ec2.describe_route_tables(RouteTableIds=[private_table])["RouteTables"]
assert table["Routes"][1]["State"] == "blackhole", table
refused("DependencyViolation", ec2.delete_route_table, RouteTableId=private_table)
wait(1000)
ec2.get_waiter("nat_gateway_deleted").wait(NatGatewayIds=[nat], WaiterConfig={"Delay": 0, "MaxAttempts": 1})
ec2.release_address(AllocationId=allocation)
for table, association in [(public_table, public_association), (private_table, private_association)]:
    ec2.delete_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0")
    ec2.disassociate_route_table(AssociationId=association)
    ec2.delete_route_table(RouteTableId=table)
for subnet in subnets:
    ec2.delete_subnet(SubnetId=subnet)
refused("DependencyViolation", ec2.delete_internet_gateway, InternetGatewayId=gateway)
ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
ec2.delete_internet_gateway(InternetGatewayId=gateway)
ec2.delete_vpc(VpcId=vpc)
refused("InvalidVpcID.NotFound", ec2.describe_vpcs, VpcIds=[vpc])
assert ec2.describe_security_groups(Filters=by("vpc-id", vpc))["SecurityGroups"] == []
print("all good")
