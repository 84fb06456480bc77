//! Events that may run a stranger's code with the rights of the repository.

use serde_json::Value;
use spawn_core::ports::Result;
use spawn_model::error::{Class, Error};

use super::Job;

/// Refuses an event that is not to be trusted, unless its user does.
///
/// # Errors
/// `UntrustedEvent`.
pub(crate) fn trusted(job: &Job, is_allowed: bool) -> Result<()> {
    // What cannot be read says nothing, and nothing is trusted for that.
    let told = job.event_path.as_ref().and_then(|path| serde_json::from_slice(&std::fs::read(path).ok()?).ok()).unwrap_or(Value::Null);
    match distrust(&job.event, &told, &job.repository) {
        Some(why) if !is_allowed => Err(Error::new(
            Class::Denied,
            "UntrustedEvent",
            format!("no machine is launched for this event: {why}"),
            "Launch for trusted events, or behind a label or an environment that somebody approves, and write `allow-untrusted-events: true`",
        )),
        _ => Ok(()),
    }
}

/// Why an event is not to be trusted; nothing if it is.
fn distrust(event: &str, told: &Value, repository: &str) -> Option<String> {
    let of_fork = |place: &str| match told.pointer(place).and_then(Value::as_str) {
        Some(head) if head.eq_ignore_ascii_case(repository) => None,
        Some(head) => Some(format!("its code is that of {head}, and not of {repository}")),
        None => Some("nothing says whose code it is about".to_owned()),
    };
    match event {
        "pull_request_target" => Some("pull_request_target has the rights of this repository, whoever has written the code".to_owned()),
        "pull_request" | "pull_request_review" | "pull_request_review_comment" => of_fork("/pull_request/head/repo/full_name"),
        // It has the rights of this repository too, and says nothing of whose code it is about.
        "issue_comment" if told.pointer("/issue/pull_request").is_some() => {
            Some("a comment on a pull request has the rights of this repository, whoever has written the code".to_owned())
        }
        "workflow_run" => of_fork("/workflow_run/head_repository/full_name"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn strangers_are_told_from_friends() {
        let pull = |head: Value| json!({"pull_request": {"head": {"repo": head}}});
        let run = |head: &str| json!({"workflow_run": {"head_repository": {"full_name": head}}});
        let (ours, theirs) = (json!({"full_name": "Octo-Org/octo-repo"}), json!({"full_name": "mallory/octo-repo"}));
        for (event, told, is_trusted) in [
            ("push", json!({}), true),
            ("schedule", Value::Null, true),
            ("workflow_dispatch", json!({}), true),
            ("merge_group", json!({}), true),
            ("pull_request", pull(ours.clone()), true),
            ("pull_request", pull(theirs.clone()), false),
            // Whose fork is deleted.
            ("pull_request", pull(Value::Null), false),
            ("pull_request", Value::Null, false),
            ("pull_request_review", pull(theirs), false),
            ("pull_request_target", pull(ours), false),
            ("issue_comment", json!({"issue": {"number": 7}}), true),
            ("issue_comment", json!({"issue": {"number": 7, "pull_request": {"url": "https://api.github.com/"}}}), false),
            ("workflow_run", run("octo-org/octo-repo"), true),
            ("workflow_run", run("mallory/octo-repo"), false),
            ("workflow_run", json!({}), false),
        ] {
            let why = distrust(event, &told, "octo-org/octo-repo");
            assert_eq!(why.is_none(), is_trusted, "{event} {told}: {why:?}");
        }
    }

    #[test]
    fn who_trusts_an_event_says_so() {
        let job = Job { event: "pull_request_target".to_owned(), ..super::super::job::tests::job("/work") };
        assert_eq!(trusted(&job, false).unwrap_err().code, "UntrustedEvent");
        assert_eq!(trusted(&job, true), Ok(()));
    }
}
