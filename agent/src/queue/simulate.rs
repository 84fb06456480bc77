//! Lives of queues on virtual time: workers that are killed and suspended, answers that are lost, writes that arrive late.

mod world;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use jiff::Timestamp;
use spawn_model::ids::InstanceId;
use spawn_model::problem::Path;
use spawn_model::queue::{JobClaim, JobExit, JobSpec, Jobs, KeptJobs, LOST_MAX, OnFailure, Outcome, Progress, Standing};
use spawn_model::read::FieldType;
use spawn_model::value::Value;
use tokio::sync::Notify;
use tokio::task::{JoinHandle, LocalSet, spawn_local};
use tokio::time::{Instant, sleep};

use self::world::{Dice, Door, Run, World};
use super::{Drained, INTERVAL, Ran, Runner, Worker};

/// How many lives a test run lives, and from which seed.
const SEEDS: (u64, u64) = (1, 500);
/// No queue here takes longer, whatever happens to it.
const LONGEST: Duration = Duration::from_secs(4 * 3600);
/// How long what runs goes on beside its successor on a machine that was suspended, once it is resumed: it has to notice first, and to end.
const ENDS_WITHIN: Duration = Duration::from_secs(16);
/// How long a command may take to end that is asked to.
const GRACE_MS: u64 = 13_000;

/// What the jobs do: how long each attempt takes, and the exit codes of those that come to an end, one after the other.
type Script = BTreeMap<String, (Duration, Vec<i32>)>;

/// A machine: what runs on it stops with it.
struct Machine {
    world: Rc<World>,
    script: Rc<Script>,
    name: String,
    dice: Dice,
    ending: Rc<Notify>,
    is_ending: Rc<Cell<bool>>,
}

/// Has a run end however its machine does.
struct Running<'a>(&'a World, usize);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.runs.borrow_mut()[self.1].ended = Some(Instant::now());
    }
}

impl Runner for Machine {
    type Left = JobExit;

    async fn run(&self, job: &str, _attempt: u32, given_up: impl Future<Output = ()>) -> Option<JobExit> {
        let counted = |world: &World| {
            let claims = world.claims.borrow();
            claims[job].0.attempts.iter().filter(|attempt| attempt.exit.as_ref().is_some_and(JobExit::counts)).count()
        };
        let (takes, codes) = &self.script[job];
        let index = self.world.runs.borrow().len();
        self.world.runs.borrow_mut().push(Run {
            job: job.to_owned(),
            machine: self.name.clone(),
            began: Instant::now(),
            ended: None,
            resumed: None,
        });
        let running = Running(&self.world, index);
        let grace = self.dice.between_ms(0, GRACE_MS);
        let exit = tokio::select! {
            biased;
            () = sleep(*takes) => {
                let code = codes.get(counted(&self.world)).copied().unwrap_or(0);
                Some(JobExit::Code { code })
            }
            () = self.ending() => {
                sleep(grace).await;
                Some(JobExit::Interrupted)
            }
            () = given_up => {
                sleep(grace).await;
                None
            }
        };
        drop(running);
        exit
    }

    async fn keep(&self, _job: &str, _attempt: u32, exit: JobExit) -> Ran {
        sleep(self.dice.between_ms(0, 90_000)).await;
        Ran { exit, ended_at: Timestamp::UNIX_EPOCH, results: Vec::new(), notes: Vec::new() }
    }

    async fn ending(&self) {
        while !self.is_ending.get() {
            self.ending.notified().await;
        }
        self.ending.notify_one();
    }

    async fn no_time_at_all(&self) {
        self.ending().await;
        sleep(Duration::from_secs(100)).await;
    }
}

/// A future that makes no progress while its machine is suspended.
struct Suspendable<F> {
    inner: Pin<Box<F>>,
    is_suspended: Rc<Cell<bool>>,
    resumed: Rc<Notify>,
    waiting: Option<Pin<Box<dyn Future<Output = ()>>>>,
}

impl<F: Future> Future for Suspendable<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        while self.is_suspended.get() {
            let resumed = Rc::clone(&self.resumed);
            let waiting = self.waiting.get_or_insert_with(|| Box::pin(async move { resumed.notified().await }));
            if waiting.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            self.waiting = None;
        }
        self.inner.as_mut().poll(context)
    }
}

struct Hands {
    name: String,
    task: JoinHandle<Drained>,
    is_suspended: Rc<Cell<bool>>,
    resumed: Rc<Notify>,
    ending: Rc<Notify>,
    is_ending: Rc<Cell<bool>>,
}

struct Life {
    jobs: Rc<Jobs>,
    script: Rc<Script>,
    on_failure: OnFailure,
    workers: u32,
}

impl Life {
    /// Some jobs, most of which depend on earlier ones; some fail at first, some for good.
    fn random(dice: &Dice, on_failure: OnFailure) -> Self {
        let count = 3 + dice.below(8);
        let name = |index: u64| format!("job-{index}");
        let (mut jobs, mut script) = (Jobs::new(), Script::new());
        for index in 0..count {
            let needed: Vec<String> = (0..index).filter(|_| dice.one_in(4)).map(name).collect();
            let attempts = 1 + dice.below(3);
            let job = serde_json::json!({
                "command": ["true"], "depends_on": needed,
                "retry": { "attempts": attempts, "base_delay": format!("{}s", dice.below(40)) },
            });
            jobs.insert(name(index), JobSpec::read(&Value::from(job), &Path::default(), &mut Vec::new()).expect("a job"));
            let failures = if dice.one_in(3) { dice.below(attempts + 1) } else { 0 };
            script.insert(name(index), (dice.between_ms(10, 90_000), vec![3; usize::try_from(failures).expect("few")]));
        }
        Self { jobs: Rc::new(jobs), script: Rc::new(script), on_failure, workers: 1 + u32::try_from(dice.below(5)).expect("few") }
    }

    fn start(&self, world: &Rc<World>, dice: &Dice, rank: u32, generation: u32, trouble: u64) -> Hands {
        let (is_suspended, resumed) = (Rc::new(Cell::new(false)), Rc::new(Notify::new()));
        let (ending, is_ending) = (Rc::new(Notify::new()), Rc::new(Cell::new(false)));
        let door = Door { world: Rc::clone(world), dice: dice.clone(), trouble };
        let machine = Machine {
            world: Rc::clone(world),
            script: Rc::clone(&self.script),
            name: machine_name(rank, generation),
            dice: dice.clone(),
            ending: Rc::clone(&ending),
            is_ending: Rc::clone(&is_ending),
        };
        let (jobs, on_failure, size) = (Rc::clone(&self.jobs), self.on_failure, self.workers);
        let inner = Box::pin(async move {
            let instance_id = InstanceId(machine_name(rank, generation));
            let (store, runner) = (&door, &machine);
            let (kept, instance_id) = (KeptJobs::new(), &instance_id);
            let worker = Worker { store, runner, jobs: &jobs, on_failure, kept: &kept, instance_id, rank, size, interval: INTERVAL };
            worker.drain().await
        });
        let name = machine_name(rank, generation);
        let task = spawn_local(Suspendable { inner, is_suspended: Rc::clone(&is_suspended), resumed: Rc::clone(&resumed), waiting: None });
        Hands { name, task, is_suspended, resumed, ending, is_ending }
    }

    /// The jobs that were begun although the queue had stopped long enough for everybody to know, where every call arrives.
    fn begun_late(&self, world: &World) -> Vec<String> {
        let Some(failed_at) = world.failed_at.get().filter(|_| world.is_calm.get()) else { return Vec::new() };
        let begun_at = world.begun_at.borrow();
        let late = begun_at.iter().filter(|(_, at)| **at > failed_at + 2 * INTERVAL);
        late.map(|(job, _)| format!("{job} was begun although the queue had stopped")).collect()
    }

    /// How each job ends if nothing goes wrong with machines, but for what was lost with so many that it counts as failed; nothing if it is never begun.
    /// Only where no failure stops the others.
    fn expected(&self, claims: &BTreeMap<String, (JobClaim, u64, Instant)>) -> BTreeMap<String, Option<Outcome>> {
        let lost = |job: &str| {
            let attempts = claims.get(job).map(|(claim, ..)| claim.attempts.as_slice()).unwrap_or_default();
            attempts.iter().filter(|attempt| attempt.exit == Some(JobExit::Lost)).count()
        };
        let mut progress = Progress::new(&self.jobs, OnFailure::Continue);
        loop {
            let next = progress.ready().next().map(str::to_owned);
            let Some(job) = next else { break };
            let attempts = self.jobs[&job].retry.as_ref().map_or(1, |retry| retry.attempts as usize);
            let ends_well = self.script[&job].1.len() < attempts && lost(&job) < LOST_MAX;
            let outcome = if ends_well { Outcome::Succeeded } else { Outcome::Failed };
            progress.end(&job, outcome);
        }
        self.jobs.keys().map(|job| (job.clone(), progress.outcome(job))).collect()
    }

    /// Lives it, with so many blows to machines; says what went wrong.
    async fn live(&self, dice: &Dice, trouble: u64, blows: u64) -> (Rc<World>, Vec<String>) {
        let world = World::new();
        world.is_calm.set(trouble == 0 && blows == 0);
        let mut hands: Vec<Hands> = (0..self.workers).map(|rank| self.start(&world, dice, rank, 0, trouble)).collect();
        let mut generation = 0;
        for _ in 0..blows {
            sleep(dice.between_ms(10, 60_000)).await;
            let at = usize::try_from(dice.below(u64::from(self.workers))).expect("few");
            if hands[at].task.is_finished() {
                continue;
            }
            match dice.below(3) {
                0 => hands[at].task.abort(),
                1 => {
                    hands[at].is_ending.set(true);
                    hands[at].ending.notify_one();
                    let ended = tokio::time::timeout(Duration::from_secs(120), &mut hands[at].task).await;
                    if ended.is_err() {
                        hands[at].task.abort();
                    }
                }
                _ => {
                    hands[at].is_suspended.set(true);
                    sleep(dice.between_ms(10, 200_000)).await;
                    hands[at].is_suspended.set(false);
                    hands[at].resumed.notify_one();
                    let mut runs = world.runs.borrow_mut();
                    let its = runs.iter_mut().filter(|run| run.machine == hands[at].name && run.ended.is_none());
                    its.for_each(|run| run.resumed = Some(Instant::now()));
                    continue;
                }
            }
            generation += 1;
            let rank = u32::try_from(at).expect("few");
            hands[at] = self.start(&world, dice, rank, generation, trouble);
        }
        let over = async {
            for hand in &mut hands {
                assert_eq!((&mut hand.task).await.expect("a worker"), Drained::Over);
            }
        };
        if tokio::time::timeout(LONGEST, over).await.is_err() {
            world.violations.borrow_mut().push("it does not come to its end".to_owned());
        }
        let problems = self.problems(&world);
        (world, problems)
    }

    fn problems(&self, world: &World) -> Vec<String> {
        let mut problems = world.violations.borrow().clone();
        let claims = world.claims.borrow();
        let outcome = |job: &str| match claims.get(job).map(|(claim, ..)| &claim.standing) {
            Some(Standing::Ended { outcome }) => Some(*outcome),
            _ => None,
        };
        if self.on_failure == OnFailure::Continue {
            for (job, expected) in self.expected(&claims) {
                if outcome(&job) != expected {
                    problems.push(format!("{job} came to {:?} and not to {expected:?}", outcome(&job)));
                }
            }
        } else {
            // A claim that arrives when everybody has left was never begun.
            let is_left = |job: &&String| outcome(job).is_none() && world.runs.borrow().iter().any(|run| run.job == **job);
            problems.extend(claims.keys().filter(is_left).map(|job| format!("{job} was begun and left")));
            problems.extend(self.begun_late(world));
        }
        let runs = world.runs.borrow();
        for run in runs.iter() {
            let needed = self.jobs[&run.job].depends_on.iter();
            problems
                .extend(needed.filter(|job| outcome(job) != Some(Outcome::Succeeded)).map(|job| format!("{} ran without {job}", run.job)));
            let beside = runs.iter().filter(|other| other.job == run.job && other.began > run.began);
            for other in beside {
                // What is suspended makes no progress, and what is resumed has to notice.
                let may_until = run.resumed.map_or(other.began, |resumed| (resumed + ENDS_WITHIN).max(other.began));
                let together = run.ended.map_or(Duration::MAX, |ended| ended.saturating_duration_since(may_until));
                if together > Duration::ZERO {
                    problems.push(format!("{} ran twice at once for {together:?}", run.job));
                }
            }
        }
        problems
    }
}

fn machine_name(rank: u32, generation: u32) -> String {
    format!("i-{rank}-{generation}")
}

fn live(seed: u64) -> (u64, Vec<String>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
    LocalSet::new().block_on(&runtime, async {
        let dice = Dice::new(seed);
        let on_failure = if dice.one_in(3) { OnFailure::Stop } else { OnFailure::Continue };
        let life = Life::random(&dice, on_failure);
        let trouble = [0, 8, 30][usize::try_from(dice.below(3)).expect("few")];
        let blows = dice.below(8);
        let (world, problems) = life.live(&dice, trouble, blows).await;
        (world.requests.get(), problems)
    })
}

/// `SPAWN_QUEUE_SEEDS=FROM..TO` lives others.
#[test]
fn whatever_happens_every_job_ends_once_and_as_it_should() {
    let asked = std::env::var("SPAWN_QUEUE_SEEDS").ok();
    let asked = asked.as_deref().and_then(|text| text.split_once("..")).map(|(from, to)| (from.parse().unwrap(), to.parse().unwrap()));
    let (from, to) = asked.unwrap_or(SEEDS);
    for seed in from..to {
        let (_, problems) = live(seed);
        assert!(problems.is_empty(), "SPAWN_QUEUE_SEEDS={seed}..{}: {problems:#?}", seed + 1);
    }
}

/// The store is no judge that always says yes: of a worker that does not heed the tags, and of one that goes on beside its successor, it tells.
#[test]
fn the_world_sees_what_is_wrong() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
    LocalSet::new().block_on(&runtime, async {
        let life = Life::random(&Dice::new(3), OnFailure::Continue);
        let world = World::new();
        let job = life.jobs.keys().next().expect("a job").clone();
        let first = JobClaim::first(&InstanceId("i-a".to_owned()), 0, Timestamp::UNIX_EPOCH);
        let done = first.clone().ended(&life.jobs[&job], JobExit::Code { code: 0 }, None, 0.0);
        let tag = world.write(&job, None, &first).expect("a claim");
        assert!(world.write(&job, None, &first).is_err() && world.write(&job, Some("0"), &first).is_err());
        let tag = world.write(&job, Some(&tag), &done).expect("its end");
        world.write(&job, Some(&tag), &first).expect("a write");
        let now = Instant::now();
        let run = |began: u64, ended: u64| {
            let at = |seconds| now + Duration::from_secs(seconds);
            Run { job: job.clone(), machine: String::new(), began: at(began), ended: Some(at(ended)), resumed: None }
        };
        world.runs.borrow_mut().extend([run(0, 10), run(5, 20)]);
        let problems = life.problems(&world).join("\n");
        assert!(problems.contains("written again") && problems.contains("twice at once") && problems.contains("came to"), "{problems}");
    });
}
