//! The instance metadata service, version 2.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use aws_credential_types::Credentials;
use bytes::Bytes;
use http::{Method, Request};
use jiff::Timestamp;
use serde::Deserialize;
use spawn_model::ids::InstanceId;
use tokio::time::Instant;

use crate::failure::{Class, Failure};
use crate::http::{Answer, Http, bytes};

/// Where the service is, unless the environment names another place.
const ENDPOINT: &str = "http://169.254.169.254";
/// How long a session with it lasts. The longest it gives.
const TOKEN_TTL: Duration = Duration::from_secs(21_600);
/// It is on the machine's own host: what does not answer within this, does not.
const WITHIN: Duration = Duration::from_secs(5);

/// Who this machine is.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) instance_id: InstanceId,
    /// Its address within the network.
    pub(crate) private_ip: String,
    /// Its place among those that were launched by the same call, from 0.
    pub(crate) launch_index: u32,
    /// Whether EC2 may take it back.
    pub(crate) spot: bool,
}

/// That EC2 takes a spot machine back.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(crate) struct SpotNotice {
    /// When.
    #[serde(default)]
    pub(crate) time: Option<Timestamp>,
}

/// A client of the service.
pub(crate) struct Metadata {
    http: Rc<Http>,
    endpoint: String,
    token: RefCell<Option<(String, Instant)>>,
}

/// Credentials of the machine's role.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Keys {
    access_key_id: String,
    secret_access_key: String,
    token: String,
    expiration: Timestamp,
}

impl Metadata {
    pub(crate) fn new(http: Rc<Http>) -> Self {
        let named = std::env::var("AWS_EC2_METADATA_SERVICE_ENDPOINT").ok().filter(|endpoint| !endpoint.is_empty());
        let endpoint = named.unwrap_or_else(|| ENDPOINT.to_owned()).trim_end_matches('/').to_owned();
        Self { http, endpoint, token: RefCell::new(None) }
    }

    /// Reads who this machine is.
    pub(crate) async fn identity(&self) -> Result<Identity, Failure> {
        let instance_id = InstanceId(self.required("meta-data/instance-id").await?);
        let private_ip = self.required("meta-data/local-ipv4").await?;
        let index = self.required("meta-data/ami-launch-index").await?;
        let launch_index =
            index.parse().map_err(|_| Failure::new(Class::Invalid, format!("the launch index {index:?} is not a number")))?;
        let spot = self.get("meta-data/instance-life-cycle").await?.as_deref() == Some("spot");
        Ok(Identity { instance_id, private_ip, launch_index, spot })
    }

    /// The domain of AWS's services in this partition, such as `amazonaws.com`.
    pub(crate) async fn domain(&self) -> Result<String, Failure> {
        self.required("meta-data/services/domain").await
    }

    /// The role's credentials and when they expire.
    pub(crate) async fn credentials(&self) -> Result<(Credentials, Timestamp), Failure> {
        let none = || Failure::new(Class::Rights, "the metadata service has no credentials");
        let roles = self.get("meta-data/iam/security-credentials/").await?.unwrap_or_default();
        let role = roles.lines().next().filter(|role| !role.is_empty()).ok_or_else(none)?;
        let text = self.get(&format!("meta-data/iam/security-credentials/{role}")).await?.ok_or_else(none)?;
        let keys: Keys = serde_json::from_str(&text).map_err(|_| none())?;
        let credentials = Credentials::new(keys.access_key_id, keys.secret_access_key, Some(keys.token), None, "instance metadata");
        Ok((credentials, keys.expiration))
    }

    /// When EC2 takes this machine back, if it has said so.
    pub(crate) async fn spot_notice(&self) -> Result<Option<SpotNotice>, Failure> {
        let Some(text) = self.get("meta-data/spot/instance-action").await? else { return Ok(None) };
        // That there is a notice counts for more than what it says.
        Ok(Some(serde_json::from_str(&text).unwrap_or_default()))
    }

    /// Whether EC2 has said that it is likely to take this machine back.
    pub(crate) async fn rebalance_recommended(&self) -> Result<bool, Failure> {
        Ok(self.get("meta-data/events/recommendations/rebalance").await?.is_some())
    }

    async fn required(&self, path: &str) -> Result<String, Failure> {
        let missing = || Failure::new(Class::NotFound, format!("the metadata service has no {path}"));
        self.get(path).await?.filter(|text| !text.is_empty()).ok_or_else(missing)
    }

    /// Reads a value; nothing if there is none.
    async fn get(&self, path: &str) -> Result<Option<String>, Failure> {
        let url = format!("{}/latest/{path}", self.endpoint);
        for last in [false, true] {
            let token = self.token().await?;
            let answer = self.request(Method::GET, &url, ("X-aws-ec2-metadata-token", &token)).await?;
            match answer.status.as_u16() {
                200 => return Ok(Some(String::from_utf8_lossy(&answer.body).trim().to_owned())),
                404 => return Ok(None),
                // A stopped and started machine has another service, which does not know the token.
                401 if !last => *self.token.borrow_mut() = None,
                _ => return Err(Failure::answered(&format!("GET {url}"), answer.status, "", "")),
            }
        }
        Err(Failure::new(Class::Transient, format!("GET {url}: no session")))
    }

    async fn token(&self) -> Result<String, Failure> {
        if let Some((token, _)) = self.token.borrow().as_ref().filter(|(_, until)| Instant::now() < *until) {
            return Ok(token.clone());
        }
        let url = format!("{}/latest/api/token", self.endpoint);
        let ttl = TOKEN_TTL.as_secs().to_string();
        let answer = self.request(Method::PUT, &url, ("X-aws-ec2-metadata-token-ttl-seconds", &ttl)).await?;
        if answer.status != 200 {
            return Err(Failure::answered(&format!("PUT {url}"), answer.status, "", ""));
        }
        let token = String::from_utf8_lossy(&answer.body).trim().to_owned();
        *self.token.borrow_mut() = Some((token.clone(), Instant::now() + TOKEN_TTL / 2));
        Ok(token)
    }

    async fn request(&self, method: Method, url: &str, header: (&str, &str)) -> Result<Answer, Failure> {
        let request = Request::builder().method(method).uri(url).header(header.0, header.1).body(bytes(Bytes::new()));
        let request = request.map_err(|error| Failure::new(Class::Invalid, format!("{url}: {error}")))?;
        self.http.send(request, WITHIN).await
    }
}
