//! Names: who gets one, and what becomes of a launch whose launcher died.

use jiff::SignedDuration;
use spawn_core::engine::Launch;
use spawn_core::ledger::Ledger;
use spawn_core::operation::Operation;
use spawn_model::duration::Seconds;
use spawn_model::error::Class;
use spawn_model::record::{FleetRecord, Keeper};
use spawn_model::spec::FleetSpec;

use crate::simulated::door::Trouble;
use crate::simulated::view::assert_same;
use crate::simulated::{World, run};
use crate::{array, launch, told, warm};

/// The spec of the launcher that died.
fn first_spec() -> FleetSpec {
    array(3)
}

/// A world in which a launcher died right after its instances were launched, and nobody has seen it yet.
async fn abandoned() -> (World, FleetRecord) {
    let process = warm().await.process();
    launch(&process, &first_spec()).await.unwrap();
    let n = process.calls().iter().position(|call| *call == "ec2:RunInstances").unwrap();
    let world = warm().await;
    let dying = world.process().with(n, Trouble::DiesAfter);
    assert!(dying.live(launch(&dying, &first_spec())).await.is_none());
    assert_eq!(world.view().count("instance "), 3);
    let record = world.state().records().pop().unwrap();
    (world, record)
}

/// What a launch of a spec comes to that finds nothing in its way.
async fn untroubled(spec: &FleetSpec) -> crate::simulated::view::View {
    let world = warm().await;
    launch(&world.process(), spec).await.unwrap();
    world.pass(60).await;
    world.view()
}

fn refused(result: spawn_core::ports::Result<Launch>) -> spawn_model::error::Error {
    let Err(error) = result else { panic!("the name was given away") };
    assert_eq!((error.class, error.code.as_str(), error.path.to_string().as_str()), (Class::Conflict, "NameInUse", "name"));
    error
}

#[test]
fn a_dead_launch_of_the_same_spec_is_gone_on_with() {
    run(async {
        let (world, dead) = abandoned().await;
        let process = world.process();
        let launched = launch(&process, &first_spec()).await.unwrap();
        assert_eq!((&launched.record.fleet, launched.record.asked_at), (&dead.fleet, dead.asked_at));
        world.pass(60).await;
        assert_same("adopted", &world.view(), &untroubled(&first_spec()).await);
        world.assert_lawful();
    });
}

/// Its next launch has the first one's client token, and so must have its tags.
#[test]
fn a_dead_launch_keeps_its_tags_until_somebody_has_gone_on_with_it() {
    run(async {
        let (world, _) = abandoned().await;
        let tags = [("owner".to_owned(), "ada".to_owned())];
        let spec = FleetSpec { tags: tags.clone().into(), ..first_spec() };
        let engine = world.engine();
        let error = engine.update(&engine.find("tiles").await.unwrap(), &spec).await.unwrap_err();
        assert_eq!((error.class, error.code.as_str()), (Class::Conflict, "BeingLaunched"));
        launch(&world.process(), &first_spec()).await.unwrap();
        world.assert_lawful();
        engine.update(&engine.find("tiles").await.unwrap(), &spec).await.unwrap();
        assert_eq!(engine.find("tiles").await.unwrap().record.spec.tags, tags.into());
    });
}

#[test]
fn a_dead_launch_of_another_spec_is_undone() {
    run(async {
        let (world, dead) = abandoned().await;
        let launched = launch(&world.process(), &array(2)).await.unwrap();
        assert_ne!(launched.record.fleet, dead.fleet);
        world.pass(60).await;
        assert_same("undone, then made", &world.view(), &untroubled(&array(2)).await);
        world.assert_lawful();
    });
}

#[test]
fn a_dead_launch_whose_lease_is_over_is_undone() {
    run(async {
        let (world, dead) = abandoned().await;
        world.pass(25 * 60).await;
        let launched = launch(&world.process(), &first_spec()).await.unwrap();
        assert_ne!(launched.record.fleet, dead.fleet);
        world.pass(60).await;
        assert_same("undone, then made", &world.view(), &untroubled(&first_spec()).await);
        world.assert_lawful();
    });
}

#[test]
fn a_kept_fleet_keeps_its_name() {
    run(async {
        let world = warm().await;
        let first = launch(&world.process(), &first_spec()).await.unwrap();
        first.claim.acknowledge(Keeper::State).await.unwrap();
        let before = world.view();
        drop(first.kept_alive);
        world.state().bury_launchers();
        for spec in [first_spec(), array(2)] {
            let error = refused(launch(&world.process(), &spec).await);
            insta::assert_snapshot!("kept", told(&error, &first.record));
            let error = world.engine().plan(spawn_model::spec::FleetKind::JobArray, &spec).await.unwrap_err();
            insta::assert_snapshot!("kept", told(&error, &first.record));
        }
        assert_same("refused", &world.view(), &before);
    });
}

#[test]
fn a_living_launcher_keeps_its_name_though_it_is_on_another_host() {
    run(async {
        let world = warm().await;
        let first = launch(&world.process(), &first_spec()).await.unwrap();
        world.state().move_launchers();
        world.pass(5).await;
        let before = world.view();
        let error = refused(launch(&world.process(), &first_spec()).await);
        insta::assert_snapshot!("alive", told(&error, &first.record));
        assert_same("refused", &world.view().only("instance "), &before.only("instance "));
        // It can still say that it has stored the fleet.
        first.claim.acknowledge(Keeper::State).await.unwrap();
    });
}

#[test]
fn somebody_elses_launch_keeps_its_name_even_when_it_is_dead() {
    run(async {
        let (world, dead) = abandoned().await;
        let before = world.view();
        let other = world.process_of("arn:aws:iam::123456789012:user/ada");
        let error = refused(launch(&other, &first_spec()).await);
        insta::assert_snapshot!("somebody_elses", told(&error, &dead));
        assert_same("refused", &world.view(), &before);
        // The next session of the same role is the same caller.
        let next = world.process_of("arn:aws:sts::123456789012:assumed-role/ci/run-2");
        assert_eq!(launch(&next, &first_spec()).await.unwrap().record.fleet, dead.fleet);
    });
}

#[test]
fn a_silent_launcher_on_another_host_counts_as_dead_after_30_s() {
    run(async {
        let (world, dead) = abandoned().await;
        world.state().edit_claims(|claim| claim.heartbeat.start_ticks -= 1);
        world.state().move_launchers();
        let died_at = dead.asked_at;
        let launched = launch(&world.process(), &first_spec()).await.unwrap();
        assert_eq!(launched.record.fleet, dead.fleet);
        let waited = world.now().duration_since(died_at);
        assert!(waited > SignedDuration::from_secs(30) && waited < SignedDuration::from_secs(35), "{waited}");
    });
}

#[test]
fn of_two_at_once_one_gets_the_name() {
    run(async {
        let world = warm().await;
        let processes = [world.process(), world.process()];
        let specs = [array(2), array(3)];
        let (one, other) = tokio::join!(launch(&processes[0], &specs[0]), launch(&processes[1], &specs[1]));
        let (won, lost) = if one.is_ok() { (one, other) } else { (other, one) };
        let won = won.ok().unwrap();
        refused(lost);
        assert_eq!(world.view().count("instance "), won.record.spec.size as usize);
        world.assert_lawful();
    });
}

#[test]
fn a_name_that_was_given_back_is_free() {
    run(async {
        let world = warm().await;
        let first = launch(&world.process(), &first_spec()).await.unwrap();
        first.claim.acknowledge(Keeper::State).await.unwrap();
        let engine = world.engine();
        engine.end(&first.record.fleet, SignedDuration::from_mins(5), &Operation::quiet()).await.unwrap();
        let second = launch(&world.process(), &first_spec()).await.unwrap();
        assert_ne!(second.record.fleet, first.record.fleet);
        assert!(engine.look(&first.record.fleet).await.unwrap().is_none());
    });
}

#[test]
fn a_launcher_that_died_before_it_recorded_anything_leaves_no_name_behind() {
    run(async {
        let process = warm().await.process();
        launch(&process, &first_spec()).await.unwrap();
        let n = process.calls().iter().position(|call| *call == "s3:PutObject conditional").unwrap();
        let world = warm().await;
        let before = world.view();
        let dying = world.process().with(n, Trouble::DiesAfter);
        assert!(dying.live(launch(&dying, &first_spec())).await.is_none());
        assert_eq!((world.view().count("object names/"), world.state().records().len()), (1, 0));
        let aws = world.process().aws();
        let ledger = Ledger::new(aws.objects.clone(), "spawn-123456789012-us-east-1");
        let fleet = spawn_core::fleet::find(&ledger, "tiles").await.unwrap();
        world.engine().end(&fleet, SignedDuration::from_mins(5), &Operation::quiet()).await.unwrap();
        assert_same("ended by its name", &world.view(), &before);
    });
}

/// A heartbeat is written again and again, so one of its answers is lost some day.
#[test]
fn a_lost_answer_to_a_heartbeat_loses_no_claim() {
    run(async {
        let world = warm().await;
        let process = world.process();
        let first = launch(&process, &first_spec()).await.unwrap();
        let process = process.clone().with(process.calls().len(), Trouble::Lost);
        world.pass(60).await;
        assert!(process.calls().len() > 20 + 5, "the heart does not beat");
        first.claim.acknowledge(Keeper::State).await.unwrap();
        refused(launch(&world.process(), &first_spec()).await);
    });
}

#[test]
fn the_lease_is_no_part_of_what_makes_a_dead_launch_ones_own_only_if_it_is_equal() {
    run(async {
        let (world, dead) = abandoned().await;
        let mut longer = first_spec();
        longer.lease.ttl = Seconds(3600);
        let launched = launch(&world.process(), &longer).await.unwrap();
        assert_ne!(launched.record.fleet, dead.fleet);
        world.assert_lawful();
    });
}
