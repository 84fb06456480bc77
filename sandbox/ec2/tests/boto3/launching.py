"""What launches name: placement groups, keys, disks and their snapshots; and hibernation."""

from kit import ec2, pages, refused, tagged, wait

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEHDVmQXvsCkuWzQ5xOKK4vzGmTLQFn2s7X3vXo0TQpV someone@somewhere"

image = max(
    ec2.describe_images(Owners=["amazon"], Filters=[{"Name": "name", "Values": ["al2023-ami-2023.*-x86_64"]}])["Images"],
    key=lambda image: image["CreationDate"],
)["ImageId"]


def launch(count=1, **more):
    arguments = dict(ImageId=image, InstanceType="c7i.large", MinCount=count, MaxCount=count)
    return ec2.run_instances(**{**arguments, **more})["Instances"]


def ids(instances):
    return [instance["InstanceId"] for instance in instances]


def check_placement():
    group = ec2.create_placement_group(GroupName="near", Strategy="cluster", TagSpecifications=tagged("placement-group", team="blue"))
    group = group["PlacementGroup"]
    assert group["GroupId"].startswith("pg-") and group["GroupArn"].endswith(":placement-group/near"), group
    ec2.create_placement_group(GroupName="far", Strategy="spread")
    [spread] = ec2.describe_placement_groups(Filters=[{"Name": "strategy", "Values": ["spread"]}])["PlacementGroups"]
    assert (spread["GroupName"], spread["SpreadLevel"], spread["State"]) == ("far", "rack", "available"), spread
    launched = launch(2, Placement={"GroupName": "near", "AvailabilityZone": "us-east-1a"})
    assert launched[0]["Placement"]["GroupName"] == "near"
    refused(
        "InvalidPlacementGroup.InUse", ec2.run_instances, ImageId=image, InstanceType="c7i.large", MinCount=1, MaxCount=1,
        Placement={"GroupName": "near", "AvailabilityZone": "us-east-1b"},
    )
    refused("InvalidPlacementGroup.InUse", ec2.delete_placement_group, GroupName="near")
    refused("InvalidPlacementGroup.Unknown", ec2.describe_placement_groups, GroupNames=["none"])
    ec2.terminate_instances(InstanceIds=ids(launched))
    wait(1000)
    ec2.delete_placement_group(GroupName="near")
    ec2.delete_placement_group(GroupName="far")


def check_keys():
    refused("InvalidKey.Format", ec2.import_key_pair, KeyName="me", PublicKeyMaterial=b"nonsense")
    key = ec2.import_key_pair(KeyName="me", PublicKeyMaterial=KEY.encode(), TagSpecifications=tagged("key-pair", team="blue"))
    assert key["KeyPairId"].startswith("key-") and key["Tags"] == [{"Key": "team", "Value": "blue"}], key
    [found] = ec2.describe_key_pairs(KeyNames=["me"], IncludePublicKey=True)["KeyPairs"]
    assert (found["KeyType"], found["PublicKey"], found["KeyFingerprint"]) == ("ed25519", KEY, key["KeyFingerprint"]), found
    assert launch(KeyName="me")[0]["KeyName"] == "me"
    assert ec2.delete_key_pair(KeyName="me")["KeyPairId"] == key["KeyPairId"]
    refused("InvalidKeyPair.NotFound", ec2.describe_key_pairs, KeyNames=["me"])


def check_disks():
    disks = [
        {"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 20, "Iops": 4000, "Throughput": 500, "Encrypted": True}},
        {"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 100, "VolumeType": "io2", "Iops": 5000, "DeleteOnTermination": True}},
    ]
    [instance] = launch(BlockDeviceMappings=disks)
    wait(2000)
    volumes = ec2.describe_volumes(Filters=[{"Name": "attachment.instance-id", "Values": [instance["InstanceId"]]}])["Volumes"]
    root, data = sorted(volumes, key=lambda volume: volume["Size"])
    assert (root["VolumeType"], root["Iops"], root["Throughput"], root["Encrypted"]) == ("gp3", 4000, 500, True), root
    assert root["KmsKeyId"].startswith("arn:aws:kms:us-east-1:"), root
    assert (data["VolumeType"], data["Iops"], data["Encrypted"]) == ("io2", 5000, False) and "Throughput" not in data, data
    snapshot = ec2.create_snapshot(VolumeId=data["VolumeId"], Description="kept", TagSpecifications=tagged("snapshot", team="blue"))
    assert (snapshot["State"], snapshot["VolumeSize"], snapshot["Tags"][0]["Value"]) == ("pending", 100, "blue"), snapshot
    wait(2000)
    ec2.get_waiter("snapshot_completed").wait(SnapshotIds=[snapshot["SnapshotId"]], WaiterConfig={"Delay": 0, "MaxAttempts": 1})
    [listed] = pages("describe_snapshots", "Snapshots", 5, OwnerIds=["self"])
    assert (listed["SnapshotId"], listed["Progress"], listed["Description"]) == (snapshot["SnapshotId"], "100%", "kept"), listed
    small = [{"DeviceName": "/dev/sdg", "Ebs": {"SnapshotId": snapshot["SnapshotId"], "VolumeSize": 99}}]
    refused(
        "InvalidBlockDeviceMapping", ec2.run_instances, ImageId=image, InstanceType="c7i.large", MinCount=1, MaxCount=1,
        BlockDeviceMappings=small,
    )
    launch(BlockDeviceMappings=[{"DeviceName": "/dev/sdg", "Ebs": {"SnapshotId": snapshot["SnapshotId"]}}])
    ec2.delete_snapshot(SnapshotId=snapshot["SnapshotId"])
    refused("InvalidSnapshot.NotFound", ec2.delete_snapshot, SnapshotId=snapshot["SnapshotId"])
    missing = [{"DeviceName": "/dev/xvda", "Ebs": {"Encrypted": True, "KmsKeyId": "alias/none"}}]
    [doomed] = launch(BlockDeviceMappings=missing)
    wait(3000)
    [doomed] = ec2.describe_instances(InstanceIds=[doomed["InstanceId"]])["Reservations"][0]["Instances"]
    assert doomed["State"]["Name"] == "terminated" and doomed["StateReason"]["Code"] == "Client.InvalidKMSKey.InvalidState", doomed


def check_changes():
    disks = [{"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 10, "VolumeType": "gp3"}}]
    [instance] = launch(BlockDeviceMappings=disks)
    wait(2000)
    [volume] = ec2.describe_volumes(
        Filters=[{"Name": "attachment.instance-id", "Values": [instance["InstanceId"]]}, {"Name": "attachment.device", "Values": ["/dev/sdf"]}]
    )["Volumes"]
    id = volume["VolumeId"]
    refused("InvalidVolumeModification.NotFound", ec2.describe_volumes_modifications, VolumeIds=[id])
    change = ec2.modify_volume(VolumeId=id, Size=20, VolumeType="io2", Iops=5000)["VolumeModification"]
    assert (change["VolumeId"], change["ModificationState"], change["Progress"]) == (id, "modifying", 0), change
    assert (change["OriginalSize"], change["OriginalVolumeType"], change["OriginalIops"], change["OriginalThroughput"]) == (10, "gp3", 3000, 125), change
    assert (change["TargetSize"], change["TargetVolumeType"], change["TargetIops"]) == (20, "io2", 5000) and "TargetThroughput" not in change, change
    wait(2000)
    [volume] = ec2.describe_volumes(VolumeIds=[id])["Volumes"]
    assert (volume["Size"], volume["VolumeType"], volume["Iops"]) == (20, "io2", 5000) and "Throughput" not in volume, volume
    message = refused("IncorrectModificationState", ec2.modify_volume, VolumeId=id, Size=30)
    assert message == f"Volume {id} cannot be modified in modification state OPTIMIZING"
    wait(20 * 21_000)
    [change] = pages("describe_volumes_modifications", "VolumesModifications", 5, Filters=[{"Name": "modification-state", "Values": ["completed"]}])
    assert (change["VolumeId"], change["Progress"], change["EndTime"] > change["StartTime"]) == (id, 100, True), change
    assert refused("InvalidParameterValue", ec2.modify_volume, VolumeId=id, Size=19) == "New size cannot be smaller than existing size"
    refused("DryRunOperation", ec2.modify_volume, status=412, VolumeId=id, Size=30, DryRun=True)
    ec2.terminate_instances(InstanceIds=[instance["InstanceId"]])
    wait(1000)


def check_hibernation():
    root = [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 20, "Encrypted": True}}]
    [instance] = launch(BlockDeviceMappings=root, HibernationOptions={"Configured": True})
    assert instance["HibernationOptions"] == {"Configured": True}, instance
    id = instance["InstanceId"]
    wait(2000)
    assert "Hibernate" in (ec2.stop_instances(InstanceIds=[id], Hibernate=True) and wait(0))
    wait(1000)
    [stopped] = ec2.describe_instances(Filters=[{"Name": "hibernation-options.configured", "Values": ["true"]}])["Reservations"][0]["Instances"]
    assert (stopped["State"]["Name"], stopped["StateReason"]["Code"]) == ("stopped", "Client.UserInitiatedHibernate"), stopped
    [plain] = launch()
    wait(2000)
    refused("UnsupportedHibernationConfiguration", ec2.stop_instances, InstanceIds=[plain["InstanceId"]], Hibernate=True)


check_placement()
check_keys()
check_disks()
check_changes()
check_hibernation()
print("all good")
