//! The one task that makes time pass: what is due happens in order, and machines follow.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use sandbox_cloud::Change;
use sandbox_cloud::model::InstanceState;
use sandbox_hypervisor::Event;

use crate::automation::{RouterApi, run};
use crate::backends::iam::ProfileChange;
use crate::backends::scheduler::Firing;
use crate::callers::Caller;
use crate::calls::Call;
use crate::protocol::Request;
use crate::router::Outcome;
use crate::world::World;

/// Drives a world until it stops.
pub(crate) async fn drive(world: Arc<World>) {
    loop {
        let now = world.clock.now();
        catch_up(&world, now).await;
        world.caught_up.send_replace(now);
        let pause = next_due(&world).map_or(Duration::from_secs(3_600), |due| until(due, world.clock.now()));
        tokio::select! {
            () = world.stop.cancelled() => return,
            () = world.wake.notified() => {}
            () = tokio::time::sleep(pause) => {}
            event = world.machines.next_event() => guest(&world, event),
        }
    }
}

fn until(due: Timestamp, now: Timestamp) -> Duration {
    // A millisecond more, so that what is due has come when the timer ends.
    let wait = due.duration_since(now).max(SignedDuration::ZERO) + SignedDuration::from_millis(1);
    Duration::try_from(wait).unwrap_or_default()
}

fn next_due(world: &World) -> Option<Timestamp> {
    let cloud = world.ec2.with(Timestamp::MIN, |cloud, _| cloud.next_due());
    [cloud, world.iam.next_due(), world.scheduler.next_due(), world.ssm.next_due(), world.lambda.next_due()].into_iter().flatten().min()
}

/// Lets everything happen that is due until `now`, each at its own time.
async fn catch_up(world: &World, now: Timestamp) {
    loop {
        let due = next_due(world).filter(|due| *due <= now).unwrap_or(now);
        step(world, due.max(world.started)).await;
        if next_due(world).is_none_or(|next| next > now) {
            return;
        }
        if world.stop.is_cancelled() {
            return;
        }
    }
}

async fn step(world: &World, at: Timestamp) {
    for change in world.iam.take_changes(at) {
        world.ec2.with(at, |cloud, _| match &change {
            ProfileChange::Known { name, arn, .. } => cloud.profile_known(name, arn),
            ProfileChange::Forgotten { name } => cloud.profile_forgotten(name),
        });
    }
    apply(world, at);
    for firing in world.scheduler.take_due(at) {
        fire(world, firing, at).await;
    }
    for mut execution in world.ssm.take_runnable(at) {
        run(&mut execution, &RouterApi { router: &world.router }, at).await;
        world.ssm.put_back(execution);
    }
    world.lambda.advance(at);
    world.ssm.advance(at);
    apply(world, at);
}

/// Tells the machines what the cloud has decided.
fn apply(world: &World, at: Timestamp) {
    let changes = world.ec2.with(at, |cloud, now| cloud.advance(now));
    log_own_calls(world, at);
    for change in changes {
        match change {
            Change::Boot(id) => {
                if let Some(machine) = world.ec2.with(at, |cloud, _| cloud.machine(&id)) {
                    world.machines.boot(machine);
                }
            }
            Change::Halt { id, why } => world.machines.halt(id, why),
            Change::RebalanceRecommendation { id, at } => world.machines.rebalance(id, at),
            Change::SpotNotice { id, at } => world.machines.spot_notice(id, at),
        }
    }
}

/// What groups of instances did by themselves belongs to the log like any other call.
fn log_own_calls(world: &World, at: Timestamp) {
    for call in world.ec2.with(at, |cloud, _| cloud.take_own_calls()) {
        world.router.calls().record(Call {
            time: call.at,
            service: "ec2".to_owned(),
            operation: call.operation.to_owned(),
            region: call.region,
            caller: "autoscaling".to_owned(),
            outcome: call.outcome,
            duration_ms: 0.0,
            rights: Vec::new(),
        });
    }
}

/// Makes the call a schedule asks for, as its role.
async fn fire(world: &World, firing: Firing, at: Timestamp) {
    // What is not known of its trust policy was told when the schedule was made; a policy that was changed since counts as a no.
    if !world.scheduler.role_usable(&firing.role, &firing.key, at).unwrap_or(false) {
        tracing::warn!(schedule = firing.key.name, role = firing.role, "the schedule's role cannot be assumed");
        world.scheduler.fired(firing, false, at);
        return;
    }
    let role = firing.role.rsplit('/').next().unwrap_or_default().to_owned();
    let call = &firing.call;
    let body = call.body.clone().into();
    let mut request = Request::own(call.service, &firing.key.region, Caller::Scheduler { role }, body, None, at);
    request.path.clone_from(&call.path);
    for (name, value) in &call.headers {
        if let Ok(value) = http::HeaderValue::from_str(value) {
            request.headers.insert(*name, value);
        }
    }
    let retry = match world.router.dispatch(request).await {
        Outcome::Answer(answer) if answer.status < 300 => false,
        Outcome::Answer(answer) => {
            let code = answer.code.unwrap_or_default();
            answer.status >= 500 && answer.status != 501
                || ["Throttling", "TooManyRequests", "LimitExceeded"].iter().any(|kind| code.contains(kind))
        }
        Outcome::Close | Outcome::Hang => true,
    };
    world.scheduler.fired(firing, retry, at);
}

/// What a machine did by itself.
fn guest(world: &World, event: Event) {
    let now = world.clock.now();
    match event {
        Event::PoweredOff { id } => {
            let state = world.ec2.with(now, |cloud, now| cloud.guest_off(now, &id));
            if !matches!(state, Ok(InstanceState::Stopping | InstanceState::Stopped)) {
                world.machines.forget(id);
            }
        }
        Event::Rebooted { id } => tracing::debug!(id, "machine rebooted itself"),
        Event::Panicked { id, reason } => tracing::warn!(id, reason, "machine cannot run its user data"),
    }
}
