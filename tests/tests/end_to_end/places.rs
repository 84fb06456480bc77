//! Networks, keys, disks, placement and requirements under Terraform, with boto3 as the administrator and as the witness.

use serde_json::{Value, json};
use spawn_tests::configuration::{ARRAY, array};
use spawn_tests::leftovers::{assert_same, holdings};
use spawn_tests::terraform::instance_ids;
use spawn_tests::{World, assert_shown, shown};

/// A network without a way to the internet, and what its owner has put into it.
pub(crate) struct Network {
    vpc: String,
    pub(crate) subnet: String,
    group: String,
}

impl Network {
    pub(crate) fn make(world: &World) -> Self {
        let told = world.python(
            "ec2 = client('ec2')\n\
             vpc = ec2.create_vpc(CidrBlock='10.0.0.0/16')['Vpc']['VpcId']\n\
             ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={'Value': True})\n\
             subnet = ec2.create_subnet(VpcId=vpc, CidrBlock='10.0.0.0/24', AvailabilityZone='us-east-1b')['Subnet']['SubnetId']\n\
             group = ec2.create_security_group(GroupName='people', Description='lets people in', VpcId=vpc)['GroupId']\n\
             print(json.dumps([vpc, subnet, group]))",
        );
        let [vpc, subnet, group] = serde_json::from_str(&told).expect("three ids");
        Self { vpc, subnet, group }
    }

    /// Endpoints for what instances need, at work.
    pub(crate) fn with_endpoints(&self, world: &World) {
        world.python(&format!(
            "ec2 = client('ec2')\n\
             table = ec2.describe_route_tables(Filters=[{{'Name': 'vpc-id', 'Values': ['{0}']}}])['RouteTables'][0]['RouteTableId']\n\
             ec2.create_vpc_endpoint(VpcId='{0}', ServiceName='com.amazonaws.us-east-1.s3', RouteTableIds=[table])\n\
             ec2.create_vpc_endpoint(VpcId='{0}', ServiceName='com.amazonaws.us-east-1.logs', VpcEndpointType='Interface', SubnetIds=['{1}'],\n\
             \x20   PrivateDnsEnabled=True)",
            self.vpc, self.subnet
        ));
        world.spawn(["sandbox", "clock", "--advance", "10m"]).succeeded();
    }

    fn field(&self) -> String {
        format!("{{ subnets = [\"{}\"], security_groups = [\"{}\"] }}", self.subnet, self.group)
    }

    /// A text without the ids of this network.
    fn anonymous(&self, text: &str) -> String {
        text.replace(&self.subnet, "SUBNET").replace(&self.vpc, "VPC").replace(&self.group, "GROUP")
    }
}

/// Tells EC2 a public key.
pub(crate) fn import_key(world: &World, name: &str) {
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";
    world.python(&format!("client('ec2').import_key_pair(KeyName='{name}', PublicKeyMaterial=b'{key} {name}')"));
}

/// What EC2 says of the instances, by an independent client.
fn described(world: &World, state: &Value) -> Vec<Value> {
    let printed = world.python(&format!(
        "ec2 = client('ec2')\n\
         out = []\n\
         for r in ec2.describe_instances(InstanceIds={})['Reservations']:\n\
         \x20   for i in r['Instances']:\n\
         \x20       ids = [m['Ebs']['VolumeId'] for m in i['BlockDeviceMappings']]\n\
         \x20       disks = ec2.describe_volumes(VolumeIds=ids)['Volumes']\n\
         \x20       out.append({{'subnet': i['SubnetId'], 'groups': len(i['SecurityGroups']), 'key': i.get('KeyName'),\n\
         \x20           'placement': bool(i['Placement'].get('GroupName')), 'public': 'PublicIpAddress' in i, 'type': i['InstanceType'],\n\
         \x20           'disks': sorted([d['VolumeType'], d['Size'], d['Encrypted']] for d in disks)}})\n\
         print(json.dumps(out))",
        json!(instance_ids(state))
    ));
    serde_json::from_str(&printed).expect("JSON")
}

#[test]
fn a_fleet_lives_in_a_network_of_its_owner_s() {
    let world = World::with_setup();
    let network = Network::make(&world);
    let place = network.field();
    let mut fields = vec![("network", place.as_str()), ("instance_types", r#"["c7i.large"]"#)];
    let terraform = world.terraform(&array(&fields));
    let refused = shown::diagnostics(&terraform.plan().ended(1).text());
    assert_shown!("no-route", network.anonymous(&refused));

    network.with_endpoints(&world);
    import_key(&world, "ada");
    let before = holdings(&world);
    fields.extend([
        ("ssh_key", r#""ada""#),
        ("placement", r#""cluster""#),
        ("gang", "true"),
        ("root_volume", "{ size_gib = 12 }"),
        ("volumes", r#"{ "/dev/sdf" = { size_gib = 20, type = "gp2", encrypted = false } }"#),
    ]);
    terraform.configure(&array(&fields));
    terraform.apply().succeeded();
    terraform.assert_settled();
    let state = terraform.state(ARRAY);
    let disks = json!([["gp2", 20, false], ["gp3", 12, true]]);
    let expected = json!({
        "subnet": network.subnet, "groups": 2, "key": "ada", "placement": true, "public": false, "type": "c7i.large", "disks": disks,
    });
    assert_eq!(described(&world, &state), vec![expected.clone(), expected]);

    // What cannot change while machines run makes another fleet.
    for (field, value) in [
        ("ssh_key", ""),
        ("placement", ""),
        ("network", ""),
        ("root_volume", "{ size_gib = 13 }"),
        ("volumes", r#"{ "/dev/sdf" = { size_gib = 21, type = "gp2", encrypted = false } }"#),
    ] {
        let changed: Vec<(&str, &str)> = fields.iter().copied().chain([(field, value)]).collect();
        terraform.configure(&array(&changed));
        assert!(terraform.planned(ARRAY).starts_with("delete create: "), "{field}: {}", terraform.planned(ARRAY));
    }
    terraform.configure(&array(&fields));
    terraform.assert_settled();
    terraform.destroy().succeeded();
    assert_same(&before, &holdings(&world));
}

#[test]
fn a_fleet_says_what_its_machines_must_have() {
    let world = World::with_setup();
    let before = holdings(&world);
    let requirements = r#"{ vcpu = "2..4", memory_gib = "4..", exclude = ["c*"] }"#;
    let terraform = world.terraform(&array(&[("instance_types", ""), ("requirements", requirements)]));
    terraform.apply().succeeded();
    terraform.assert_settled();
    let state = terraform.state(ARRAY);
    let types: Vec<&str> =
        state["members"].as_array().expect("members").iter().filter_map(|member| member["instance_type"].as_str()).collect();
    assert!(types.len() == 2 && types[0] == types[1] && !types[0].starts_with('c'), "{types:?}");
    assert_eq!(described(&world, &state)[0]["type"], types[0]);
    terraform.destroy().succeeded();
    terraform.configure(&array(&[("instance_types", ""), ("requirements", r#"{ vcpu = 3 }"#)]));
    assert_shown!("no-type", shown::diagnostics(&terraform.plan().ended(1).text()));
    assert_same(&before, &holdings(&world));
}
