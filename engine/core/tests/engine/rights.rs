//! What commands may do in AWS: asked for, bounded by the set-up, and joined with what the agent needs.

use serde_json::{Value, json};
use spawn_core::operation::Operation;
use spawn_core::setup::Choices;
use spawn_model::error::Class;
use spawn_model::layout;
use spawn_model::spec::{FleetKind, FleetSpec};

use crate::places::with;
use crate::simulated::{World, run};
use crate::{launch, warm};

/// What commands get at most.
pub(crate) const BOUNDARY: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:*","sqs:*"],"Resource":["arn:aws:s3:::data/*","arn:aws:sqs:*:*:*"]}]}"#;

pub(crate) const MANAGED: &str = "arn:aws:iam::123456789012:policy/team";

pub(crate) fn bounded(document: &str) -> Choices {
    Choices { workload_boundary: Some(document.to_owned()) }
}

/// A world whose set-up lets commands have rights.
pub(crate) async fn entitling() -> World {
    let world = warm().await;
    world.engine().setup(&bounded(BOUNDARY), &Operation::quiet()).await.unwrap();
    world.state().policies.insert(MANAGED.to_owned(), "{}".to_owned());
    world
}

/// An array whose commands have rights.
pub(crate) fn entitled(size: u32) -> FleetSpec {
    with(size, json!({ "policies": ["s3:ReadOnly:arn:aws:s3:::data/*", MANAGED] }))
}

/// The statements of a role's own policy, and the managed ones.
fn role(world: &World, name: &str) -> (Vec<Value>, Vec<String>) {
    let state = world.state();
    let role = &state.roles[name];
    let policy: Value = serde_json::from_str(role.policy.as_ref().unwrap()).unwrap();
    (policy["Statement"].as_array().unwrap().clone(), role.managed.iter().cloned().collect())
}

#[test]
fn rights_stand_beside_those_of_the_agent() {
    run(async {
        let world = entitling().await;
        let plain = launch(&world.process(), &crate::array(1)).await.unwrap().record;
        let (agents, none) = role(&world, &layout::role_name(&plain.fleet));
        assert_eq!(none, [""; 0]);
        world.engine().end(&plain.fleet, jiff::SignedDuration::from_mins(5), &Operation::quiet()).await.unwrap();

        let record = launch(&world.process(), &entitled(1)).await.unwrap().record;
        let (statements, managed) = role(&world, &layout::role_name(&record.fleet));
        assert_eq!(managed, [MANAGED]);
        let agents: String = json!(agents).to_string().replace(plain.fleet.as_str(), record.fleet.as_str());
        let agents: Vec<Value> = serde_json::from_str(&agents).unwrap();
        assert_eq!(statements[..agents.len()], agents, "the agent's own come first, and are the same");
        let actions: Vec<&Value> = statements[agents.len()..].iter().map(|statement| &statement["Action"]).collect();
        assert_eq!(json!(actions), json!([["s3:GetObject", "s3:GetObjectVersion"], ["s3:ListBucket"]]));
    });
}

#[test]
fn what_cannot_be_given_is_refused_before_anything_is_made() {
    run(async {
        let bare = warm().await;
        let world = entitling().await;
        let unknown = with(1, json!({ "policies": ["arn:aws:iam::123456789012:policy/nobodys"] }));
        let denies = "arn:aws:iam::aws:policy/AWSDenyAll";
        let denied = r#"{"Statement":[{"Effect":"Deny","Action":["*"],"Resource":"*"}]}"#;
        world.state().policies.insert(denies.to_owned(), denied.to_owned());
        let denying = with(1, json!({ "policies": [denies] }));
        for (world, spec, class, code) in [
            (&bare, entitled(1), Class::Denied, "NoWorkloadBoundary"),
            (&world, unknown, Class::Invalid, "NoPolicy"),
            (&world, denying, Class::Invalid, "PolicyDenies"),
        ] {
            let before = world.view();
            let engine = world.engine();
            let planned = engine.plan(FleetKind::JobArray, &spec).await.unwrap_err();
            let launched = engine.launch(FleetKind::JobArray, &spec, &Operation::quiet()).await.map(drop).unwrap_err();
            for error in [planned, launched] {
                assert_eq!((error.class, error.code.as_str()), (class, code));
                assert!(error.path.to_string().starts_with("policies"), "{error:?}");
            }
            crate::simulated::view::assert_same(code, &world.view(), &before);
        }
    });
}

#[test]
fn the_boundary_is_kept_until_it_is_changed() {
    run(async {
        let world = entitling().await;
        let boundary = |world: &World| world.state().policies.values().find(|policy| policy.contains("log-stream")).cloned().unwrap();
        let wide = boundary(&world);
        assert!(wide.contains("sqs:*"), "{wide}");
        world.engine().setup(&Choices::default(), &Operation::quiet()).await.unwrap();
        assert_eq!(boundary(&world), wide);
        world.engine().setup(&bounded(r#"{"Statement":[]}"#), &Operation::quiet()).await.unwrap();
        assert!(!boundary(&world).contains("sqs:*"));
        let on = |action: &str, resource: &str| {
            json!({ "Statement": { "Effect": "Allow", "Action": action, "Resource": resource } }).to_string()
        };
        for wrong in [
            String::new(),
            "[]".to_owned(),
            r#"{"Statement":[{"Effect":"Allow"}]}"#.to_owned(),
            on("s3:*", "arn:aws:s3:::data/*").replace("Allow", "Deny"),
            on("*", "*"),
            on("s3:GetObject", "arn:aws:s3:::*"),
            on("s3:GetObject", "arn:aws:s3:::sp*"),
            on("S3:Get*", "arn:aws:s3:::spawn-123456789012-eu-west-1/fleets/*"),
        ] {
            let error = world.engine().setup(&bounded(&wrong), &Operation::quiet()).await.unwrap_err();
            assert_eq!((error.class, error.code.as_str()), (Class::Invalid, "BadBoundary"));
        }
        // Longer than a parameter of Systems Manager may be, and short enough for a policy.
        let wide = json!({ "Statement": { "Effect": "Allow", "Action": vec!["sqs:SendMessage"; 225], "Resource": "*" } }).to_string();
        world.engine().setup(&bounded(&wide), &Operation::quiet()).await.unwrap();
        assert!(wide.len() > 4096 && world.state().parameters.values().all(|value| value.len() < 4096));
        let long = json!({ "Statement": { "Effect": "Allow", "Action": vec!["sqs:SendMessage"; 500], "Resource": "*" } }).to_string();
        let error = world.engine().setup(&bounded(&long), &Operation::quiet()).await.unwrap_err();
        assert!(error.message.contains("6144"), "{error:?}");
    });
}

#[test]
fn a_set_up_that_cannot_be_read_is_made_again_with_its_boundary() {
    run(async {
        let world = entitling().await;
        world.state().parameters.insert(spawn_core::setup::PARAMETER.to_owned(), "{".to_owned());
        let setup = world.engine().setup(&Choices::default(), &Operation::quiet()).await.unwrap();
        assert_eq!(setup.workload_statements, 1);
        assert_eq!(spawn_core::setup::find(&world.process().aws()).await.unwrap(), Some(setup));
    });
}
