//! The role that `cfn/github-oidc.yaml` makes for jobs: whom it trusts, and that it launches what it is for and nothing else.

use std::path::Path;

use serde_json::{Value, json};
use serde_yaml_ng::Value as Yaml;
use spawn_tests::leftovers::{assert_same, holdings};

use crate::schedules::with_starter;

/// What somebody answers who makes the stack.
const ANSWERS: [(&str, &str); 7] = [
    ("Owner", "octo-org"),
    ("OwnerId", "123456"),
    ("Repository", "octo-repo"),
    ("RepositoryId", "789012"),
    ("Policies", "arn:aws:iam::123456789012:policy/launcher"),
    ("InstanceTypes", "c7i.large,m7i.*"),
    ("OidcProvider", "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"),
];

/// A template with what its parameters are. It knows the functions of CloudFormation that this one uses.
struct Template {
    yaml: Yaml,
}

impl Template {
    fn read() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../cfn/github-oidc.yaml");
        Self { yaml: serde_yaml_ng::from_str(&std::fs::read_to_string(path).expect("the template")).expect("YAML") }
    }

    /// What a parameter is, or a name of CloudFormation's own.
    fn reference(&self, name: &str) -> Value {
        let text = match name {
            "AWS::Partition" => "aws".to_owned(),
            "AWS::AccountId" => "123456789012".to_owned(),
            _ => {
                let answer = ANSWERS.iter().find(|(known, _)| *known == name).map(|(_, answer)| *answer);
                let default = self.yaml["Parameters"][name]["Default"].as_str();
                answer.or(default).unwrap_or_else(|| panic!("{name} has no value")).to_owned()
            }
        };
        match self.yaml["Parameters"][name]["Type"].as_str() {
            Some("CommaDelimitedList") => text.split(',').collect(),
            _ => text.into(),
        }
    }

    fn substituted(&self, text: &str) -> String {
        text.split("${").enumerate().fold(String::new(), |done, (index, part)| match part.split_once('}') {
            Some((name, rest)) if index > 0 => done + self.reference(name).as_str().expect("a text") + rest,
            _ => done + part,
        })
    }

    fn value(&self, yaml: &Yaml) -> Value {
        match yaml {
            Yaml::Tagged(tagged) => match (tagged.tag.to_string().as_str(), &tagged.value) {
                ("!Ref", Yaml::String(name)) => self.reference(name),
                ("!Sub", Yaml::String(text)) => self.substituted(text).into(),
                // There is a provider, by the answers.
                ("!If", Yaml::Sequence(parts)) => self.value(&parts[2]),
                (tag, _) => panic!("{tag} is not known here"),
            },
            Yaml::Sequence(list) => list.iter().map(|item| self.value(item)).collect(),
            Yaml::Mapping(map) => map.iter().map(|(key, value)| (key.as_str().expect("a key").to_owned(), self.value(value))).collect(),
            plain => serde_json::to_value(plain).expect("JSON"),
        }
    }

    fn role(&self) -> Value {
        self.value(&self.yaml["Resources"]["Role"]["Properties"])
    }
}

#[test]
fn it_trusts_one_environment_of_one_repository_by_both_of_its_names() {
    let role = Template::read().role();
    let statement = &role["AssumeRolePolicyDocument"]["Statement"][0];
    assert_eq!(statement["Principal"]["Federated"], ANSWERS[6].1);
    let asks = &statement["Condition"];
    let claim = |name: &str| &asks["StringEquals"][format!("token.actions.githubusercontent.com:{name}")];
    assert_eq!((claim("aud"), claim("repository_id")), (&json!("sts.amazonaws.com"), &json!("789012")));
    assert_eq!(claim("sub"), &json!(["repo:octo-org/octo-repo:environment:ec2", "repo:octo-org@123456/octo-repo@789012:environment:ec2"]));
    // Nothing is asked by a pattern.
    assert_eq!(asks.as_object().map(serde_json::Map::len), Some(1), "{asks}");
}

#[test]
fn it_launches_what_it_is_for_and_nothing_else() {
    let world = with_starter();
    let job = world.identity("job", &world.policy("launcher"));
    world.attach("job", "at-most", &Template::read().role()["Policies"][0]["PolicyDocument"]);
    let before = holdings(&world);
    let up = |arguments: &[&str]| {
        let command =
            [&["up", "--name", "tests", "--ttl", "20m", "--wait", "running"][..], arguments, &["--", "sleep", "600"][..]].concat();
        world.spawn_as(&job, command)
    };
    for allowed in ["c7i.large", "m7i.xlarge"] {
        up(&["--type", allowed]).succeeded();
        world.spawn_as(&job, ["down", "tests"]).succeeded();
    }
    for refused in [&["--type", "c7a.large"][..], &["--type", "c7i.large", "--ami", "ubuntu-24.04"]] {
        let told = up(refused).ended(3);
        assert!(told.stderr.contains("ec2:RunInstances"), "{refused:?}: {}", told.text());
    }
    let schedule = "name: nightly\ncron: 30 2 * * *\njob_array: { size: 1, instance_types: [c7a.large], command: [/bin/true] }\n";
    let file = world.directory().join("schedule.yaml");
    std::fs::write(&file, schedule).expect("a file");
    let told = world.spawn_as(&job, ["schedule", "apply", "-f", file.to_str().expect("a plain path")]).ended(3);
    assert!(told.stderr.contains("s3:PutObject") && told.stderr.contains("schedule.json"), "{}", told.text());
    assert_same(&before, &holdings(&world));
    assert_eq!(world.control().gaps(), []);
}
