//! Every operation, with trouble at every call it makes: refused, its answer lost, or the process dead before or after it.
//!
//! After each the operation is done again, as the next apply would, and the whole world is compared with that of an operation
//! that nothing went wrong with; then the fleet is ended, and the world is compared with the one before.
//!
//! *A new operation* is a method of [`Engine`], a line in the table below, and a [`Deed`] that does it: the world before in `prepare`, the
//! call in `perform`. Nothing else has to be known of how it is tried. One that is in no table fails `no_operation_escapes`.

mod deeds;
mod leaks;
mod table;

use spawn_model::error::{Class, Leftover};
use spawn_model::stopping::OnEnd;

use crate::simulated::door::Trouble;
use crate::simulated::run;
use crate::simulated::view::{View, assert_same};
use crate::warm;
use deeds::{Alerting, Change, Deed, Naming, Scheduling, finish};

const TROUBLES: [Trouble; 5] =
    [Trouble::Refused(Class::Transient), Trouble::Refused(Class::Denied), Trouble::Lost, Trouble::DiesBefore, Trouble::DiesAfter];

/// Makes a test of every line, `name: operation of the engine, deeds`, and the list of the operations that have one.
macro_rules! enrol {
    ($($name:ident: $operation:ident, $($deed:expr),+;)+) => {
        $(
            #[test]
            fn $name() {
                for deed in [$($deed),+] {
                    assert_eq!(deed.operation(), stringify!($operation), "{deed:?}");
                    survives_everything(deed, &TROUBLES);
                }
            }
        )+

        /// The operations that change something.
        pub(super) const ENROLLED: &[&str] = &[$(stringify!($operation)),+];
    };
}

enrol! {
    setting_up: setup, Deed::SetUp;
    setting_up_again_with_another_boundary: setup, Deed::Widen;
    tearing_down: setup_remove, Deed::TearDown;
    launching_one: launch, Deed::Launch(1);
    launching_three: launch, Deed::Launch(3);
    launching_where_every_pool_gives_a_little: launch, Deed::Scatter(8);
    launching_a_mixture_of_markets: launch, Deed::Mixed(10);
    launching_a_gang: launch, Deed::Gang(4);
    launching_a_cluster_with_disks: launch, Deed::Cluster(4);
    launching_of_which_fewer_do: launch, Deed::Fewer(9);
    launching_what_has_rights_in_aws: launch, Deed::Entitled(2);
    launching_what_stops: launch, Deed::Kept(OnEnd::Stop);
    launching_what_hibernates: launch, Deed::Kept(OnEnd::Hibernate);
    launching_a_service: launch, Deed::Serve(3);
    launching_a_queue: launch, Deed::Drain(2);
    cancelling_a_job: job_cancel, Deed::CancelJob;
    running_failed_jobs_again: job_retry, Deed::RetryJobs;
    making_a_schedule: schedule_create, Deed::Schedule(Scheduling::Make);
    changing_a_schedule: schedule_change, Deed::Schedule(Scheduling::Change);
    pausing_a_schedule: schedule_enable, Deed::Schedule(Scheduling::Pause);
    starting_a_run_of_a_schedule: schedule_start, Deed::Schedule(Scheduling::Start), Deed::Schedule(Scheduling::StartAgain);
    ending_a_schedule: end, Deed::Schedule(Scheduling::End);
    making_an_alert: alert_create, Deed::Alert(Alerting::Make);
    changing_an_alert: alert_change, Deed::Alert(Alerting::Change);
    keeping_an_alert: alert_keep, Deed::Alert(Alerting::Keep);
    testing_an_alert: alert_test, Deed::Alert(Alerting::Test);
    telling_what_alerts_are_for: alerts_tell, Deed::Alert(Alerting::Tell);
    ending_an_alert: alert_end, Deed::Alert(Alerting::End);
    launching_what_has_names: launch, Deed::Name(Naming::Launch);
    waiting_for_what_has_names: wait, Deed::Name(Naming::Wait);
    keeping_names: names_keep, Deed::Name(Naming::Keep);
    moving_names: update, Deed::Name(Naming::Give), Deed::Name(Naming::Move), Deed::Name(Naming::Take);
    running_again_under_another_name: rerun, Deed::Name(Naming::Rerun);
    ending_what_has_names: end, Deed::Name(Naming::End);
    reaping_what_has_names: reap, Deed::Name(Naming::Reap);
    acknowledging: acknowledge, Deed::Acknowledge;
    extending: lease_change, Deed::Extend(3);
    shortening: lease_change, Deed::Shorten(3);
    a_lease_that_knows_idleness: lease_change, Deed::Calm(3);
    giving_a_service_another_lease: lease_change, Deed::Service(Change::Extend), Deed::Service(Change::Shorten);
    retagging: update, Deed::Retag(3);
    giving_a_service_other_tags: update, Deed::Service(Change::Retag);
    giving_a_service_another_size: resize, Deed::Service(Change::Grow), Deed::Service(Change::Shrink), Deed::Service(Change::ShrinkFallen);
    falling_back_from_spot: services_keep, Deed::Service(Change::FallBack);
    giving_a_service_that_fell_back_another_lease: lease_change, Deed::Service(Change::ExtendFallen);
    stopping_now: stop, Deed::Stop(OnEnd::Stop);
    hibernating_now: stop, Deed::Stop(OnEnd::Hibernate);
    starting_what_has_stopped: start, Deed::Start(OnEnd::Stop);
    starting_what_hibernates: start, Deed::Start(OnEnd::Hibernate);
    running_again: rerun, Deed::Rerun(3);
    running_again_what_is_over: rerun, Deed::RerunOver(3);
    running_again_with_other_tags_where_every_pool_gives_a_little: rerun, Deed::RerunScattered(8);
    running_a_service_again: rerun, Deed::Service(Change::Rerun);
    ending: end, Deed::End(3);
    ending_a_service: end, Deed::Service(Change::End);
    ending_with_its_results: end, Deed::EndAll(3);
    erasing: erase, Deed::Erase(3), Deed::Schedule(Scheduling::Erase);
    reaping: reap, Deed::Reap(3);
    reaping_a_launch_that_died: reap, Deed::ReapDead(3);
    reaping_a_service: reap, Deed::Service(Change::Reap);
}

/// What a deed comes to when nothing goes wrong.
struct Expected {
    before: View,
    after: View,
    end: View,
    calls: usize,
}

async fn expected(deed: Deed) -> Expected {
    let world = deed.prepare().await;
    let before = world.view();
    let process = world.process();
    deed.perform(&process.engine()).await.unwrap();
    world.pass(60).await;
    let after = world.view();
    world.assert_lawful();
    Expected { before, after, end: finish(deed, &world).await, calls: process.calls().len() }
}

async fn survive(deed: Deed, n: usize, trouble: Trouble, expected: &Expected) {
    let what = format!("{deed:?} with call {n} {trouble:?}");
    let world = deed.prepare().await;
    let process = world.process().with(n, trouble);
    let engine = process.engine();
    let outcome = process.live(deed.perform(&engine)).await;
    let what = format!("{what} ({})", process.calls()[n]);
    if let (Some(Err(error)), true, Trouble::Refused(_)) = (&outcome, deed.launches(), trouble) {
        assert_eq!(error.left, Leftover::Clear, "{what}: {error}");
        assert_same(&format!("{what}, undone"), &world.view(), &expected.before);
    }
    if let (Some(Err(error)), Deed::RerunOver(_), Trouble::Refused(_)) = (&outcome, deed, trouble) {
        assert_eq!(error.left, Leftover::Clear, "{what}: {error}");
        let schedules = |view: &View| view.to_string().lines().filter(|line| !line.contains("schedule ")).collect::<String>();
        assert_eq!(schedules(&world.view()), schedules(&expected.before), "{what}, undone");
    }
    process.kill();
    world.state().bury_launchers();
    deed.perform(&world.engine()).await.unwrap_or_else(|error| panic!("{what}, again: {error}"));
    world.pass(60).await;
    assert_same(&format!("{what}, again"), &world.view(), &expected.after);
    assert_same(&format!("{what}, ended"), &finish(deed, &world).await, &expected.end);
}

/// Does a deed once for every call it makes and everything that can go wrong with it.
fn survives_everything(deed: Deed, troubles: &[Trouble]) {
    let expected = run(expected(deed));
    assert!(expected.calls > 3, "{deed:?} makes no calls");
    for n in 0..expected.calls {
        for trouble in troubles {
            run(survive(deed, n, *trouble, &expected));
        }
    }
}

#[test]
fn launching_a_thousand_and_one_from_the_first_instance_on() {
    let deed = Deed::Launch(1001);
    let (expected, calls) = run(async {
        let process = deed.prepare().await.process();
        deed.perform(&process.engine()).await.unwrap();
        (expected(deed).await, process.calls())
    });
    let first = calls.iter().position(|call| *call == "ec2:RunInstances").unwrap();
    for (n, call) in calls.iter().enumerate().skip(first) {
        run(survive(deed, n, Trouble::DiesAfter, &expected));
        if *call == "ec2:RunInstances" {
            run(survive(deed, n, Trouble::Lost, &expected));
        }
    }
}

#[test]
#[ignore = "takes minutes; what is special about many is in the test above"]
fn launching_fifteen_hundred() {
    survives_everything(Deed::Launch(1500), &TROUBLES);
}

/// A launch is refused, undoing it begins, and the launcher dies over that: the next launch finishes what it began.
#[test]
fn a_launcher_that_dies_undoing_its_launch() {
    let expected = run(expected(Deed::Launch(3)));
    for last in 0..60 {
        let finished = run(async {
            let world = warm().await;
            let process = world.process();
            let refused = run_instances_of(expected.calls);
            let process = process.with(refused, Trouble::Refused(Class::Denied)).with(refused + 1 + last, Trouble::DiesAfter);
            let engine = process.engine();
            let finished = process.live(Deed::Launch(3).perform(&engine)).await.is_some();
            world.state().bury_launchers();
            Deed::Launch(3).perform(&world.engine()).await.unwrap();
            world.pass(60).await;
            let what = format!("dead after call {last} of undoing");
            assert_same(&what, &world.view(), &expected.after);
            assert_same(&format!("{what}, ended"), &finish(Deed::Launch(3), &world).await, &expected.end);
            finished
        });
        if finished {
            assert!(last > 10, "undoing makes {last} calls");
            return;
        }
    }
    panic!("undoing never ends");
}

/// Which call of a launch that makes so many asks for the instances: the last but one, before it is recorded.
fn run_instances_of(calls: usize) -> usize {
    calls - 2
}
