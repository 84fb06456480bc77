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
pub(crate) const BOUNDARY: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:*","sqs:*"],"Resource":"*"}]}"#;

const MANAGED: &str = "arn:aws:iam::123456789012:policy/team";

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
        for (world, spec, class, code) in
            [(&bare, entitled(1), Class::Denied, "NoWorkloadBoundary"), (&world, unknown, Class::Invalid, "NoPolicy")]
        {
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
        for wrong in ["", "[]", r#"{"Statement":[{"Effect":"Allow"}]}"#] {
            let error = world.engine().setup(&bounded(wrong), &Operation::quiet()).await.unwrap_err();
            assert_eq!((error.class, error.code.as_str()), (Class::Invalid, "BadBoundary"));
        }
        let long = json!({ "Statement": { "Effect": "Allow", "Action": vec!["s3:GetObject"; 500], "Resource": "*" } }).to_string();
        let error = world.engine().setup(&bounded(&long), &Operation::quiet()).await.unwrap_err();
        assert!(error.message.contains("6144"), "{error:?}");
    });
}
