//! What is only tried, and what an account may have.

use spawn_core::ports::{Aws, LaunchRequest, Template};
use spawn_model::error::Class;
use spawn_model::ids::InstanceId;
use spawn_model::placement::Placement;

use super::{clean, fresh, launch, launch_request, tags, until_gone};

fn template(request: &LaunchRequest) -> Template {
    Template {
        name: request.client_token.clone(),
        image_id: request.image_id.clone(),
        disks: request.disks.clone(),
        public_address: request.public_address,
        group_ids: request.group_ids.clone(),
        key_name: None,
        profile: request.profile.clone().expect("a profile"),
        user_data: request.user_data.clone(),
        tags: request.tags.clone(),
    }
}

/// Tries a launch, again while the profile is too new.
async fn tried(aws: &Aws, request: &LaunchRequest) {
    for _ in 0..60 {
        match aws.trials.launch(request).await {
            Err(error) if error.code == "ProfileNotReady" => aws.clock.sleep(500).await,
            answer => return answer.expect("it may be launched"),
        }
    }
    panic!("the instance profile never came");
}

/// Nothing comes of what is only tried, however often: its token and its names can be used for the first time afterwards.
pub(crate) async fn trials(aws: &Aws) {
    let name = fresh("trial");
    let request = launch_request(aws, &name).await;
    let vpc_id = aws.networks.default_subnets().await.expect("subnets").remove(0).vpc_id;
    let other = format!("{name}-2");
    for _ in 0..2 {
        tried(aws, &request).await;
        tried(aws, &LaunchRequest { profile: None, group_ids: Vec::new(), ..request.clone() }).await;
        aws.trials.template(&template(&request)).await.expect("it may be made");
        aws.trials.group(&other, &vpc_id, "of a contract case", &request.tags).await.expect("it may be made");
    }
    assert_eq!(aws.instances.describe(&request.tags).await.expect("a description"), Vec::new());
    assert_eq!(aws.instances.groups(&request.tags).await.expect("groups"), request.group_ids);
    let launched = launch(aws, &request).await;
    assert_eq!(launched.len(), 3);
    clean(aws, &request, &launched).await;
}

/// What is wrong with a launch is told when it is tried as when it is made. A placement group that is there is as good as one that may be made.
pub(crate) async fn trials_of_what_is_wrong(aws: &Aws) {
    let name = fresh("wrong");
    let request = launch_request(aws, &name).await;
    let bad = LaunchRequest { subnet_id: "subnet-0123456789abcdef0".to_owned(), ..request.clone() };
    let error = aws.trials.launch(&bad).await.expect_err("there is no such subnet");
    assert_eq!((error.class, error.code.as_str()), (Class::NotFound, "InvalidSubnetID.NotFound"));
    let bad = LaunchRequest { profile: Some(fresh("nobody")), ..request.clone() };
    assert_eq!(aws.trials.launch(&bad).await.expect_err("there is no such profile").code, "ProfileNotReady");
    for _ in 0..2 {
        aws.trials.placement_group(&name, Placement::Spread, &request.tags).await.expect("it may be made, or is there");
        aws.instances.placement_group_ensure(&name, Placement::Spread, &request.tags).await.expect("a group, or so already");
    }
    aws.instances.placement_group_delete(&name).await.expect("gone");
    clean(aws, &request, &[]).await;
}

/// Groups are found by network and tags, and told with all of those.
pub(crate) async fn security_groups_by_tag(aws: &Aws) {
    let name = fresh("tagged");
    let vpc_id = aws.networks.default_subnets().await.expect("subnets").remove(0).vpc_id;
    let marks = tags(&[("spawn:fleet", &name), ("team", "maps")]);
    let id = aws.instances.group_create(&name, &vpc_id, "of a contract case", &marks).await.expect("a group");
    let by = tags(&[("spawn:fleet", &name)]);
    let found = aws.networks.groups_tagged(&vpc_id, &by).await.expect("groups");
    assert_eq!(found.iter().map(|group| (&group.id, &group.tags)).collect::<Vec<_>>(), [(&id, &marks)]);
    assert_eq!(aws.networks.groups_tagged("vpc-0123456789abcdef0", &by).await, Ok(Vec::new()));
    aws.instances.group_delete(&id).await.expect("gone");
}

/// What runs counts against a quota, and does no more when it has ended.
pub(crate) async fn quotas(aws: &Aws) {
    for code in ["L-1216C47A", "L-34B43A08"] {
        let vcpus = aws.quotas.vcpus(code).await.expect(code);
        assert!(vcpus.is_some_and(|vcpus| vcpus > 0), "{code}: {vcpus:?}");
    }
    let request = launch_request(aws, &fresh("quota")).await;
    let launched = launch(aws, &request).await;
    let ids: Vec<InstanceId> = launched.iter().map(|one| one.instance_id.clone()).collect();
    let running = async |aws: &Aws| {
        let running = aws.instances.running().await.expect("a description");
        running.iter().filter(|one| ids.contains(&one.launched.instance_id)).count()
    };
    assert_eq!(running(aws).await, 3);
    aws.instances.terminate(&ids).await.expect("an end");
    until_gone(aws, &request.tags).await;
    assert_eq!(running(aws).await, 0);
    clean(aws, &request, &launched).await;
}
