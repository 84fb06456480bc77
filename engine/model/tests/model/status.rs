//! What has become of members and fleets.

use jiff::{SignedDuration, Timestamp};
use spawn_model::idle::{Idleness, Signal};
use spawn_model::ids::InstanceId;
use spawn_model::record::{Completion, Exit, SCHEMA};
use spawn_model::spec::FleetKind;
use spawn_model::status::{Dates, Seen, Standing, Status, Strength, fleet_status, member_status, service_status};

fn dates(now: Timestamp) -> Dates {
    Dates { deadline: deadline(), kept_until: None, now }
}

fn deadline() -> Timestamp {
    "2030-01-02T03:04:05Z".parse().unwrap()
}

fn before() -> Timestamp {
    deadline() - SignedDuration::from_secs(1)
}

fn completion(exit: Exit) -> Completion {
    let instance_id = InstanceId("i-0123456789abcdef0".into());
    let (results, notes) = (Vec::new(), Vec::new());
    Completion { schema: SCHEMA, rank: 0, instance_id, exit, started_at: None, ended_at: before(), results, notes, idle: None }
}

/// A member that ended for being idle.
const IDLE: (Status, Seen) = (Status::Expired, Seen::Stopped);

const SEEN: [Seen; 4] = [Seen::Pending, Seen::Running, Seen::Stopped, Seen::Gone];

#[test]
fn a_record_says_more_than_ec2() {
    for (exit, status) in [
        (Exit::Code { code: 0 }, Status::Succeeded),
        (Exit::Code { code: 3 }, Status::Failed),
        (Exit::Signal { signal: 9 }, Status::Failed),
        (Exit::NotStarted { reason: "no such file".into() }, Status::Failed),
        (Exit::LeaseEnded, Status::Expired),
        (Exit::Interrupted, Status::Interrupted),
        (Exit::Idle, Status::Expired),
    ] {
        let record = completion(exit);
        for seen in SEEN {
            for now in [before(), deadline()] {
                assert_eq!(member_status(seen, Some(&record), dates(now)), status, "{record:?} {seen:?}");
            }
        }
    }
}

#[test]
fn without_a_record_ec2_and_the_deadline_decide() {
    for (seen, early, late) in [
        (Seen::Pending, Status::Launching, Status::Launching),
        (Seen::Running, Status::Running, Status::Running),
        (Seen::Stopped, Status::Lost, Status::Expired),
        (Seen::Gone, Status::Lost, Status::Expired),
    ] {
        assert_eq!(member_status(seen, None, dates(before())), early, "{seen:?}");
        assert_eq!(member_status(seen, None, dates(deadline())), late, "{seen:?}");
    }
}

fn idleness() -> Idleness {
    let signal = |name: &str, found: &str, busy: &str| Signal { name: name.into(), found: found.into(), busy: busy.into() };
    let signals = vec![signal("cpu", "at most 0.3 % of a core", "above 10 %"), signal("port 8888", "no connection", "while there is one")];
    Idleness { since: before() - SignedDuration::from_mins(15), signals }
}

/// A fleet of members in these states, by rank, told before and at the deadline. What EC2 says of an idle one is [`Seen::Stopped`].
fn told(kind: FleetKind, asked: u32, states: &[(Status, Seen)]) -> String {
    let idleness = idleness();
    let standing = |(rank, (status, seen)): (u32, &(Status, Seen))| {
        let idle = Some(&idleness).filter(|_| IDLE.1 == *seen && matches!(status, Status::Expired | Status::Succeeded));
        Standing { rank, status: *status, seen: *seen, idle }
    };
    let members: Vec<Standing> = (0..).zip(states).map(standing).collect();
    [("before", before()), ("after ", deadline())]
        .map(|(when, now)| {
            let (status, why) = fleet_status(kind, asked, &members, dates(now));
            format!("  {when} {status}: {why}\n")
        })
        .concat()
}

#[test]
fn the_state_of_an_array() {
    use Status::{Expired, Failed, Interrupted, Launching, Lost, Running, Succeeded};
    let up = |status| (status, Seen::Running);
    let gone = |status| (status, Seen::Gone);
    let cases = [
        ("nothing asked for yet", 3, Vec::new()),
        ("half asked for", 3, vec![(Launching, Seen::Pending)]),
        ("half asked for, and one is through", 3, vec![gone(Succeeded)]),
        ("booting", 3, vec![up(Running), (Launching, Seen::Pending), up(Running)]),
        ("at work", 3, vec![up(Running), gone(Succeeded), gone(Failed)]),
        ("all well", 3, vec![gone(Succeeded); 3]),
        ("all well, and still shutting down", 2, vec![up(Succeeded); 2]),
        ("one failed", 3, vec![gone(Succeeded), gone(Failed), gone(Succeeded)]),
        ("failed before lost", 3, vec![gone(Lost), gone(Failed), gone(Expired)]),
        ("lost before interrupted", 3, vec![gone(Lost), gone(Interrupted), gone(Expired)]),
        ("interrupted before expired", 2, vec![gone(Interrupted), gone(Expired)]),
        ("expired before succeeded", 2, vec![gone(Expired), gone(Succeeded)]),
        ("one idle", 3, vec![gone(Succeeded), IDLE, gone(Succeeded)]),
        ("two idle", 3, vec![gone(Succeeded), IDLE, IDLE]),
        ("one idle, one expired", 3, vec![IDLE, gone(Expired), gone(Succeeded)]),
        ("interrupted before idle", 2, vec![gone(Interrupted), IDLE]),
        ("one alone, idle", 1, vec![IDLE]),
        ("eight failed", 8, vec![gone(Failed); 8]),
        ("nine failed", 9, vec![gone(Failed); 9]),
    ];
    let shown: String =
        cases.iter().map(|(what, asked, states)| format!("{what}\n{}", told(FleetKind::JobArray, *asked, states))).collect();
    insta::assert_snapshot!("array_status", shown);
}

#[test]
fn the_state_of_an_instance() {
    use Status::{Expired, Failed, Interrupted, Launching, Lost, Running, Succeeded};
    let cases = [
        ("not launched", vec![]),
        ("booting", vec![(Launching, Seen::Pending)]),
        ("running", vec![(Running, Seen::Running)]),
        ("its command has ended well", vec![(Succeeded, Seen::Running)]),
        ("its command has failed", vec![(Failed, Seen::Running)]),
        ("ended by its lease", vec![(Expired, Seen::Gone)]),
        ("idle", vec![IDLE]),
        ("idle long after its command", vec![(Succeeded, IDLE.1)]),
        ("taken back", vec![(Interrupted, Seen::Gone)]),
        ("vanished", vec![(Lost, Seen::Gone)]),
        ("stopped by somebody", vec![(Lost, Seen::Stopped)]),
        ("its command ended, and it was taken away", vec![(Succeeded, Seen::Gone)]),
        ("its command failed, and it was taken away", vec![(Failed, Seen::Gone)]),
    ];
    let shown: String = cases.iter().map(|(what, states)| format!("{what}\n{}", told(FleetKind::Instance, 1, states))).collect();
    insta::assert_snapshot!("instance_status", shown);
}

#[test]
fn the_state_of_a_service() {
    let well = Strength { asked: 3, running: 3, alive: 3, is_maintained: true, was_maintained: true, refusal: None };
    let cases = [
        ("not made yet", Strength { running: 0, alive: 0, is_maintained: false, was_maintained: false, ..well }),
        ("made, and nothing launched", Strength { running: 0, alive: 0, ..well }),
        ("one boots", Strength { running: 2, ..well }),
        ("no room for one", Strength { running: 2, alive: 2, refusal: Some("there is no c7i.large"), ..well }),
        ("all run", well),
        ("one of one runs", Strength { asked: 1, running: 1, alive: 1, ..well }),
        ("smaller than before", Strength { asked: 2, ..well }),
        ("emptied by somebody", Strength { asked: 0, running: 0, alive: 0, ..well }),
        ("somebody deletes its group", Strength { is_maintained: false, ..well }),
        ("somebody has deleted its group", Strength { running: 0, alive: 0, is_maintained: false, ..well }),
        ("the last one ends", Strength { running: 0, alive: 1, is_maintained: false, ..well }),
    ];
    let told = |strength: &Strength| {
        [("before", before()), ("after ", deadline())]
            .map(|(when, now)| {
                let (status, why) = service_status(*strength, dates(now));
                format!("  {when} {status}: {why}\n")
            })
            .concat()
    };
    let shown: String = cases.iter().map(|(what, strength)| format!("{what}\n{}", told(strength))).collect();
    insta::assert_snapshot!("service_status", shown);
}

/// A kept instance that is gone before its deadline is lost only if nothing tells how its command ended: what is lost, Terraform
/// plans again, and so would run a command a second time whose end is recorded. Until the deadline its status is that end, in the
/// words that a rank has for it. From then on it is `expired`, as every kept instance is: whether the machine went before its lease
/// or with it, nothing tells any more.
#[test]
fn a_kept_instance_that_is_gone_tells_how_its_command_ended() {
    for (exit, early, late) in [
        (None, Status::Lost, Status::Expired),
        (Some(Exit::Code { code: 0 }), Status::Succeeded, Status::Expired),
        (Some(Exit::Code { code: 3 }), Status::Failed, Status::Expired),
        (Some(Exit::Signal { signal: 9 }), Status::Failed, Status::Expired),
        // The machine was of no use, and the next one would hardly be of more: its note says why.
        (Some(Exit::NotStarted { reason: "no such file".into() }), Status::Failed, Status::Expired),
        // The machine itself was taken back or ended, and could say so.
        (Some(Exit::Interrupted), Status::Interrupted, Status::Interrupted),
        (Some(Exit::LeaseEnded), Status::Expired, Status::Expired),
        (Some(Exit::Idle), Status::Expired, Status::Expired),
    ] {
        let record = exit.map(completion);
        for seen in [Seen::Stopped, Seen::Gone] {
            for (now, wanted) in [(before(), early), (deadline(), late)] {
                let status = member_status(seen, record.as_ref(), dates(now));
                let standing = Standing { rank: 0, status, seen, idle: None };
                let (status, _) = fleet_status(FleetKind::Instance, 1, &[standing], dates(now));
                assert_eq!(status, wanted, "{record:?} {seen:?} at {now}");
            }
        }
    }
}

#[test]
fn only_what_may_still_change_is_not_over() {
    use Status::{Expired, Failed, Interrupted, Launching, Lost, Running, Succeeded};
    for status in [Launching, Running] {
        assert!(!status.is_over(), "{status}");
    }
    for status in [Succeeded, Failed, Expired, Interrupted, Lost] {
        assert!(status.is_over(), "{status}");
    }
}
