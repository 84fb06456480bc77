//! From options and environment to ports.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::environment::region::EnvironmentVariableRegionProvider;
use aws_config::identity::IdentityCache;
use aws_config::imds;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::{ProfileFileCredentialsProvider, ProfileFileRegionProvider};
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use spawn_core::ports::{Aws, Result};
use spawn_model::error::{Class, Error};
use spawn_model::problem::Path;

use crate::clock::SystemClock;
use crate::functions::Lambda;
use crate::http;
use crate::identity::{Account, Assumed, Iam, WebIdentity};
use crate::instances::Ec2;
use crate::logs::CloudWatchLogs;
use crate::objects::S3;
use crate::partition::pricing_region;
use crate::prices::Pricing;
use crate::quotas::ServiceQuotas;
use crate::scaling::AutoScaling;
use crate::schedules::Scheduler;
use crate::settings::{endpoints_checked, profile_checked};
use crate::shells::Sessions;
use crate::systems::Ssm;
use crate::topics::Sns;
use crate::webhooks::Https;
use crate::zones::Route53;

/// How long a connection may take. A host that is there answers within a round trip; three lost packets fit in.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long a call may take from end to end.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(60);
/// How long assuming a role may take: a token is asked for, and then STS, which may have to be asked again.
const ASSUMED_WITHIN: Duration = Duration::from_secs(90);
/// How long the instance metadata service may take to connect and to answer: it is on the same host, or it is not there.
const METADATA_TIMEOUT: Duration = Duration::from_secs(1);

/// Which AWS, and as whom. What is left out comes from the environment and the shared configuration files, as in every AWS tool.
#[derive(Clone, Debug, Default)]
pub struct ConnectOptions {
    /// The region.
    pub region: Option<String>,
    /// The profile of the shared configuration files. Given here, it comes before credentials in the environment.
    pub profile: Option<String>,
    /// The endpoint of every service, such as `http://127.0.0.1:4566`. Left out: `AWS_ENDPOINT_URL`, else AWS's own.
    pub endpoint_url: Option<String>,
    /// An access key. Given here, nothing else is asked for credentials.
    pub access_key: Option<AccessKey>,
    /// A role that is assumed with a token. Given here, it is the only source of credentials.
    pub web_identity: Option<WebIdentity>,
}

/// An access key.
#[derive(Clone)]
pub struct AccessKey {
    /// The access key id.
    pub id: String,
    /// The secret access key.
    pub secret: String,
    /// The session token of temporary credentials.
    pub session_token: Option<String>,
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Makes the ports. Calls nothing: credentials are looked for by the first call that needs them.
///
/// # Errors
/// [`Class::Invalid`] with code `NoRegion` if neither options nor environment name a region, `NoProfile` or `BadEndpoint` if what
/// they name cannot be.
pub async fn connect(options: &ConnectOptions) -> Result<Aws> {
    if options.access_key.is_none() {
        profile_checked(options.profile.as_deref()).await?;
    }
    let region = region(options).await?;
    let config = sdk_config(options, &region, http::client(options.endpoint_url.as_deref())?).await;
    endpoints_checked(&config)?;
    let pricing_config = config.to_builder().region(Region::new(pricing_region(&region))).build();
    let account = Arc::new(Account::new(&config));
    let ec2 = Arc::new(Ec2::new(&config));
    Ok(Aws {
        instances: ec2.clone(),
        trials: ec2.clone(),
        scaling: Arc::new(AutoScaling::new(&config, Arc::clone(&ec2))),
        networks: ec2,
        objects: Arc::new(S3::new(&config, &region, Arc::clone(&account))),
        identity: Arc::new(Iam::new(&config, &region, Arc::clone(&account))),
        schedules: Arc::new(Scheduler::new(&config, &region)),
        functions: Arc::new(Lambda::new(&config)),
        systems: Arc::new(Ssm::new(&config, account)),
        shells: Arc::new(Sessions::new(&config)),
        logs: Arc::new(CloudWatchLogs::new(&config)),
        prices: Arc::new(Pricing::new(&pricing_config)),
        topics: Arc::new(Sns::new(&config)),
        webhooks: Arc::new(Https::default()),
        quotas: Arc::new(ServiceQuotas::new(&config)),
        zones: Arc::new(Route53::new(&config)),
        clock: Arc::new(SystemClock),
        region,
    })
}

/// The region by option, environment or profile. The metadata service is not asked: on a laptop that is a second of waiting.
async fn region(options: &ConnectOptions) -> Result<String> {
    let mut profile = ProfileFileRegionProvider::builder();
    if let Some(name) = &options.profile {
        profile = profile.profile_name(name);
    }
    let chain = RegionProviderChain::first_try(options.region.clone().map(Region::new))
        .or_else(EnvironmentVariableRegionProvider::new())
        .or_else(profile.build());
    let region = chain.region().await.map(|region| region.to_string()).filter(|region| !region.is_empty());
    region.ok_or_else(|| {
        let help = "Set the provider's `region`, `--region` or AWS_REGION, such as us-east-1";
        Error::new(Class::Invalid, "NoRegion", "no region", help).at(Path::field("region"))
    })
}

async fn sdk_config(options: &ConnectOptions, region: &str, http: SharedHttpClient) -> SdkConfig {
    let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .region(Region::new(region.to_owned()))
        .http_client(http.clone())
        // The engine repeats by class, and knows what must never be made twice.
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).operation_timeout(OPERATION_TIMEOUT).build());
    loader = match options.web_identity {
        Some(_) => loader.no_credentials(),
        None => loader.credentials_provider(credentials(options, region, &http).await),
    };
    if let Some(profile) = &options.profile {
        loader = loader.profile_name(profile);
    }
    if let Some(url) = &options.endpoint_url {
        loader = loader.endpoint_url(url);
    }
    let config = loader.load().await;
    let Some(identity) = &options.web_identity else { return config };
    let assumed = SharedCredentialsProvider::new(Assumed::new(&config, identity.clone()));
    let cache = IdentityCache::lazy().load_timeout(ASSUMED_WITHIN).build();
    config.into_builder().credentials_provider(assumed).identity_cache(cache).build()
}

/// Where credentials come from. Whoever is not given a client here makes one of its own, which reads every certificate of the machine: that takes
/// longer than a plan.
async fn credentials(options: &ConnectOptions, region: &str, http: &SharedHttpClient) -> SharedCredentialsProvider {
    if let Some(key) = &options.access_key {
        return SharedCredentialsProvider::new(Credentials::new(&key.id, &key.secret, key.session_token.clone(), None, "options"));
    }
    let config = ProviderConfig::without_region().with_region(Some(Region::new(region.to_owned()))).with_http_client(http.clone());
    if let Some(profile) = &options.profile {
        return SharedCredentialsProvider::new(ProfileFileCredentialsProvider::builder().profile_name(profile).configure(&config).build());
    }
    let metadata = imds::Client::builder()
        .configure(&config)
        .max_attempts(1)
        .connect_timeout(METADATA_TIMEOUT)
        .read_timeout(METADATA_TIMEOUT)
        .operation_timeout(2 * METADATA_TIMEOUT)
        .build();
    SharedCredentialsProvider::new(DefaultCredentialsChain::builder().configure(config).imds_client(metadata).build().await)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_shown() {
        let key = AccessKey { id: "AKIAEXAMPLE".to_owned(), secret: "hunter2".to_owned(), session_token: Some("token".to_owned()) };
        let options = ConnectOptions { access_key: Some(key), ..ConnectOptions::default() };
        let shown = format!("{options:?}");
        assert!(shown.contains("AKIAEXAMPLE") && !shown.contains("hunter2") && !shown.contains("token:"), "{shown}");
    }
}
