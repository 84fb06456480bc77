//! Everything a sandbox consists of, held together for the server, the driver and the control API.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use jiff::{SignedDuration, Timestamp};
use sandbox_cloud::{Cloud, Config, catalogue};
use serde_json::{Value, json};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::authority::Authority;
use crate::backends::autoscaling::AutoScaling;
use crate::backends::ec2::Ec2;
use crate::backends::iam::Iam;
use crate::backends::lambda::{Lambda, Surroundings};
use crate::backends::logs::Logs;
use crate::backends::pricing::Pricing;
use crate::backends::quotas::Quotas;
use crate::backends::route53::Route53;
use crate::backends::s3::S3;
use crate::backends::scheduler::Scheduler;
use crate::backends::sns::{Mail, Sns};
use crate::backends::ssm::{self, Ssm};
use crate::backends::sts::Sts;
use crate::callers::{Callers, random_secret};
use crate::calls::CallLog;
use crate::clock::Clock;
use crate::machines::Machines;
use crate::router::Router;
use crate::{Options, SandboxError};

/// All parts of a sandbox.
pub(crate) struct World {
    pub(crate) options: Options,
    pub(crate) endpoint: String,
    pub(crate) control_token: String,
    pub(crate) started: Timestamp,
    pub(crate) clock: Arc<Clock>,
    pub(crate) callers: Arc<Callers>,
    pub(crate) router: Arc<Router>,
    pub(crate) ec2: Arc<Ec2>,
    pub(crate) iam: Arc<Iam>,
    pub(crate) route53: Arc<Route53>,
    pub(crate) s3: Arc<S3>,
    pub(crate) sns: Arc<Sns>,
    pub(crate) ssm: Arc<Ssm>,
    pub(crate) scheduler: Arc<Scheduler>,
    pub(crate) logs: Arc<Logs>,
    pub(crate) lambda: Arc<Lambda>,
    pub(crate) machines: Machines,
    /// Something changed that the driver may have to act on.
    pub(crate) wake: Arc<Notify>,
    /// Up to when everything that was due has happened.
    pub(crate) caught_up: watch::Sender<Timestamp>,
    pub(crate) stop: CancellationToken,
}

impl World {
    /// Puts a sandbox together; nothing runs yet.
    pub(crate) async fn new(options: Options, endpoint: String) -> Result<Self, SandboxError> {
        let clock = Arc::new(Clock::default());
        let started = clock.now();
        let account = options.account_id.clone();
        let callers = Arc::new(Callers::default());
        let delay = SignedDuration::from_millis(i64::try_from(options.iam_delay_ms).unwrap_or(i64::MAX));
        let iam = Arc::new(Iam::new(&account, started, delay));
        let ec2 = Arc::new(Ec2::new(Cloud::new(cloud_config(&options)), started));
        let route53 = Arc::new(Route53::new(Arc::clone(&ec2), options.throttle));
        let s3 = Arc::new(S3::new(&account));
        let scheduler = Arc::new(Scheduler::new(&account, Arc::clone(&iam)));
        let logs = Arc::new(Logs::new(&account));
        let machines = Machines::new(&options, &endpoint, Arc::clone(&iam), Arc::clone(&callers), Arc::clone(&clock)).await?;
        let (wake, stop) = (Arc::new(Notify::new()), CancellationToken::new());
        let around = ssm::Surroundings {
            account: account.clone(),
            endpoint: endpoint.clone(),
            ec2: Arc::clone(&ec2),
            iam: Arc::clone(&iam),
            clock: Arc::clone(&clock),
            hypervisor: machines.hypervisor(),
            wake: Arc::clone(&wake),
            stop: stop.clone(),
        };
        let ssm = Arc::new(Ssm::new(around, public_parameters(), started));
        let lambda = Arc::new(Lambda::new(Surroundings {
            account: account.clone(),
            endpoint: endpoint.clone(),
            dir: options.dir.join("functions"),
            iam: Arc::clone(&iam),
            callers: Arc::clone(&callers),
            clock: Arc::clone(&clock),
            wake: Arc::clone(&wake),
            hypervisor: machines.hypervisor(),
            router: OnceLock::new(),
            trusted: options.trusted.clone(),
            stop: stop.clone(),
        }));
        let mail = Mail { smtp: options.smtp.clone(), dir: options.dir.join("mail") };
        let sns = Arc::new(Sns::new(&account, &endpoint, mail, stop.clone()));
        let calls = CallLog::open(&options.dir.join("calls.jsonl"))?;
        let mut router = Router::new(&account, Arc::clone(&callers), Arc::clone(&clock), calls);
        router.register("autoscaling", Arc::new(AutoScaling::new(ec2.clone())));
        router.register("ec2", ec2.clone());
        router.register("iam", iam.clone());
        router.register("lambda", lambda.clone());
        router.register("logs", logs.clone());
        router.register("pricing", Arc::new(Pricing));
        router.register("route53", route53.clone());
        router.register("s3", s3.clone());
        router.register("scheduler", scheduler.clone());
        router.register("servicequotas", Arc::new(Quotas::new(&account, ec2.clone())));
        router.register("sns", sns.clone());
        router.register("ssm", ssm.clone());
        router.register("sts", Arc::new(Sts::new(&account, Arc::clone(&callers), Arc::clone(&iam))));
        if options.enforce_iam {
            let authority =
                Arc::new(Authority::new(&account, Arc::clone(&iam), Arc::clone(&ec2), Arc::clone(&s3), Arc::downgrade(&ssm.sessions())));
            ssm.enforce(Arc::clone(&authority));
            lambda.enforce(Arc::clone(&authority));
            router.enforce(authority);
        }
        let router = Arc::new(router);
        lambda.connect(Arc::downgrade(&router));
        ssm.connect(Arc::downgrade(&router));
        Ok(Self {
            options,
            endpoint,
            control_token: random_secret().replace(['/', '+'], "-"),
            started,
            clock,
            callers,
            router,
            ec2,
            iam,
            route53,
            s3,
            sns,
            ssm,
            scheduler,
            logs,
            lambda,
            machines,
            wake,
            caught_up: watch::Sender::new(started),
            stop,
        })
    }

    /// The file with the keys of this sandbox.
    pub(crate) fn credentials_path(&self) -> PathBuf {
        self.options.dir.join("credentials.json")
    }

    /// Everything the account holds.
    pub(crate) fn snapshot(&self) -> Value {
        let now = self.clock.now();
        json!({
            "ec2": self.ec2.with(now, |cloud, _| cloud.snapshot()),
            "s3": self.s3.snapshot(),
            "iam": self.iam.snapshot(),
            "route53": self.route53.snapshot(),
            "sns": self.sns.snapshot(),
            "ssm": self.ssm.snapshot(),
            "schedules": self.scheduler.snapshot(),
            "logs": self.logs.snapshot(),
            "functions": self.lambda.snapshot(),
        })
    }
}

fn cloud_config(options: &Options) -> Config {
    Config {
        seed: options.seed,
        account_id: options.account_id.clone(),
        boot_delay_ms: options.boot_delay_ms,
        throttle: options.throttle,
        reads_lag_ms: options.reads_lag_ms,
        on_demand_vcpu_limit: options.on_demand_vcpu_limit,
        spot_vcpu_limit: options.spot_vcpu_limit,
        ..Config::default()
    }
}

fn public_parameters() -> Vec<(String, String, String)> {
    let of = |region: &'static str| catalogue::public_parameters(region).into_iter().map(move |(name, id)| (region.to_owned(), name, id));
    catalogue::regions().flat_map(of).collect()
}
