//! Launch templates.

#![allow(clippy::unwrap_used, reason = "a test that panics has said what it has to say")]

mod world;

use sandbox_cloud::model::LaunchTemplate;
use sandbox_cloud::request::{
    CreateLaunchTemplate, CreateLaunchTemplateVersion, DescribeLaunchTemplateVersions, LaunchTemplateData, ModifyLaunchTemplate,
    NamedTemplate,
};
use sandbox_cloud::{ApiError, Reply, Request};
use world::{World, image};

fn data(instance_type: &str) -> LaunchTemplateData {
    LaunchTemplateData { image_id: Some(image()), instance_type: Some(instance_type.to_owned()), ..Default::default() }
}

fn create(world: &mut World, name: &str, data: LaunchTemplateData, token: Option<&str>) -> Result<LaunchTemplate, ApiError> {
    let request = CreateLaunchTemplate { name: name.to_owned(), data, client_token: token.map(str::to_owned), ..Default::default() };
    match world.call(Request::CreateLaunchTemplate(Box::new(request)))? {
        Reply::LaunchTemplate(template) => Ok(template),
        other => panic!("a template's making answers {other:?}"),
    }
}

#[test]
fn what_makes_no_template() {
    let cases = [
        ("ab", data("c7i.large"), "InvalidLaunchTemplateName.MalformedException"),
        ("a b c", data("c7i.large"), "InvalidLaunchTemplateName.MalformedException"),
        (&"x".repeat(129), data("c7i.large"), "InvalidLaunchTemplateName.MalformedException"),
        ("there", data("c7i.large"), "InvalidLaunchTemplateName.AlreadyExistsException"),
        ("empty", LaunchTemplateData::default(), "MissingParameter"),
    ];
    let mut world = World::default();
    create(&mut world, "there", data("c7i.large"), None).unwrap();
    for (name, data, code) in cases {
        assert_eq!(create(&mut world, name, data, None).unwrap_err().code, code, "{name}");
    }
}

#[test]
fn the_same_token_makes_one_template() {
    let mut world = World::default();
    let first = create(&mut world, "once", data("c7i.large"), Some("t")).unwrap();
    assert_eq!(create(&mut world, "once", data("c7i.large"), Some("t")).unwrap(), first);
    assert_eq!(create(&mut world, "once", data("t3.micro"), Some("t")).unwrap_err().code, "IdempotentParameterMismatch");
}

#[test]
fn a_version_says_what_its_source_says_unless_it_says_more() {
    let mut world = World::default();
    create(&mut world, "web", LaunchTemplateData { key_name: Some("me".to_owned()), ..data("c7i.large") }, None).unwrap();
    let change = LaunchTemplateData { instance_type: Some("t3.micro".to_owned()), ..Default::default() };
    for (source, expected) in [(Some("1"), (Some("me"), Some("t3.micro"))), (None, (None, Some("t3.micro")))] {
        let request = CreateLaunchTemplateVersion {
            template: NamedTemplate::by_name("web"),
            source_version: source.map(str::to_owned),
            data: change.clone(),
            ..Default::default()
        };
        let Reply::LaunchTemplateVersion(made) = world.call(Request::CreateLaunchTemplateVersion(Box::new(request))).unwrap() else {
            panic!("no version")
        };
        assert_eq!((made.data.key_name.as_deref(), made.data.instance_type.as_deref()), expected, "{source:?}");
    }
}

#[test]
fn the_default_version_is_the_one_that_was_chosen() {
    let mut world = World::default();
    create(&mut world, "web", data("c7i.large"), None).unwrap();
    let template = NamedTemplate::by_name("web");
    let another = CreateLaunchTemplateVersion { template: template.clone(), data: data("t3.micro"), ..Default::default() };
    world.call(Request::CreateLaunchTemplateVersion(Box::new(another))).unwrap();
    let chosen = |world: &mut World| {
        let versions = vec!["$Default".to_owned()];
        let request = DescribeLaunchTemplateVersions { template: template.clone(), versions, ..Default::default() };
        match world.call(Request::DescribeLaunchTemplateVersions(request)).unwrap() {
            Reply::LaunchTemplateVersions(found) => found.items[0].number,
            other => panic!("versions answer {other:?}"),
        }
    };
    assert_eq!(chosen(&mut world), 1);
    let request = ModifyLaunchTemplate { template: template.clone(), default_version: Some("2".to_owned()) };
    world.call(Request::ModifyLaunchTemplate(request)).unwrap();
    assert_eq!(chosen(&mut world), 2);
}
