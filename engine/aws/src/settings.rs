//! Settings that the SDK takes as they are and stumbles over much later, without a word about which one it was.

use aws_config::SdkConfig;
use aws_config::profile::load;
use aws_types::os_shim_internal::{Env, Fs};
use spawn_core::ports::Result;
use spawn_model::error::{Class, Error};
use spawn_model::problem::Path;

/// What the names of endpoint settings in the environment begin with: `AWS_ENDPOINT_URL`, and `AWS_ENDPOINT_URL_EC2` for one service.
const ENDPOINT_URL: &str = "AWS_ENDPOINT_URL";

/// Endpoints are URLs, wherever they come from.
pub(crate) fn endpoints_checked(config: &SdkConfig) -> Result<()> {
    let named = std::env::vars_os().filter_map(|(name, url)| Some((name.into_string().ok()?, url.to_string_lossy().into_owned())));
    for (name, url) in named.filter(|(name, url)| name.starts_with(ENDPOINT_URL) && !url.is_empty()) {
        endpoint_checked(&name, &url)?;
    }
    // Not from the environment, so from the options or from a file.
    config.endpoint_url().map_or(Ok(()), |url| endpoint_checked("endpoint_url", url))
}

fn endpoint_checked(setting: &str, url: &str) -> Result<()> {
    let host = ["http://", "https://"].iter().find_map(|scheme| url.strip_prefix(scheme));
    if host.is_some_and(|host| !host.is_empty() && !host.starts_with(['/', ':'])) {
        return Ok(());
    }
    let message = format!("{setting} is {url:?}, which is no URL of an endpoint");
    let help = match url.split_once("://") {
        None => format!("Write it with its scheme, such as http://{url}"),
        Some(_) => "Write http:// or https://, a host, and a port if it has one of its own".to_owned(),
    };
    Err(Error::new(Class::Invalid, "BadEndpoint", message, help))
}

/// The profile that is asked for is in the shared configuration files.
pub(crate) async fn profile_checked(asked: Option<&str>) -> Result<()> {
    let from_environment = std::env::var("AWS_PROFILE").ok().filter(|name| !name.is_empty());
    let (setting, name) = match (asked, from_environment) {
        (Some(name), _) => ("the setting `profile`", name.to_owned()),
        (None, Some(name)) => ("AWS_PROFILE", name),
        // Without one, the default profile need not exist.
        (None, None) => return Ok(()),
    };
    // Files that cannot be read are told of by whoever needs what is in them.
    let Ok(profiles) = load(&Fs::real(), &Env::real(), &Default::default(), None).await else { return Ok(()) };
    if profiles.get_profile(&name).is_some() {
        return Ok(());
    }
    let message = format!("{setting} names the profile {name:?}, which is in none of the shared AWS configuration files");
    let mut there: Vec<&str> = profiles.profiles().collect();
    there.sort_unstable();
    let help = match there.as_slice() {
        [] => "There are none there; `aws configure` makes them, and access keys in the environment need none".to_owned(),
        names => format!("Those there are {}", names.join(", ")),
    };
    Err(Error::new(Class::Invalid, "NoProfile", message, help).at(Path::field("profile")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_url_with_a_host() {
        for url in ["http://127.0.0.1:4566", "https://ec2.eu-central-1.amazonaws.com", "http://localhost/"] {
            assert_eq!(endpoint_checked("AWS_ENDPOINT_URL", url), Ok(()), "{url}");
        }
        let told: Vec<String> = ["127.0.0.1:4566", "localhost:4566", "http:/localhost", "http://", "http://:80", "ftp://localhost", "yes"]
            .iter()
            .map(|url| endpoint_checked("AWS_ENDPOINT_URL", url).expect_err(url).to_string())
            .collect();
        assert_eq!(
            told[0],
            "AWS_ENDPOINT_URL is \"127.0.0.1:4566\", which is no URL of an endpoint. Write it with its scheme, such as http://127.0.0.1:4566"
        );
        assert_eq!(
            told[5],
            "AWS_ENDPOINT_URL is \"ftp://localhost\", which is no URL of an endpoint. Write http:// or https://, a host, and a port if it has one of its own"
        );
    }
}
