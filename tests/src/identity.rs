//! Somebody who may do what a policy says, and no more.

use std::ffi::OsStr;

use serde_json::{Value, json};
use spawn_sandbox::CallRecord;

use crate::process::Ran;
use crate::{World, programs};

/// A session of a role, begun as anybody would begin it on AWS.
pub struct Identity {
    role: String,
    environment: Vec<(String, String)>,
}

impl Identity {
    /// What points programs at its credentials.
    pub fn environment(&self) -> impl Iterator<Item = (&str, &str)> {
        self.environment.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Whether a call is one of its.
    pub fn made(&self, call: &CallRecord) -> bool {
        call.caller.strip_prefix("role ").and_then(|caller| caller.split('/').next()) == Some(self.role.as_str())
    }
}

impl World {
    /// A new role with a policy, and a session of it.
    ///
    /// # Panics
    /// If it cannot be made; so for everything here.
    #[track_caller]
    pub fn identity(&self, role: &str, policy: &Value) -> Identity {
        self.assumed(
            role,
            &format!(
                "iam.create_role(RoleName=role, AssumeRolePolicyDocument=trust)\n\
                 policy = iam.create_policy(PolicyName=role, PolicyDocument={:?})['Policy']['Arn']\n\
                 iam.attach_role_policy(RoleName=role, PolicyArn=policy)\n",
                policy.to_string()
            ),
        )
    }

    /// Gives a role a policy more.
    #[track_caller]
    pub fn attach(&self, role: &str, name: &str, policy: &Value) {
        self.python(&format!(
            "iam = client('iam')\n\
             policy = iam.create_policy(PolicyName={name:?}, PolicyDocument={:?})['Policy']['Arn']\n\
             iam.attach_role_policy(RoleName={role:?}, PolicyArn=policy)\n",
            policy.to_string()
        ));
    }

    /// A session of a role that only services of AWS assume, once the account's administrator has changed that.
    #[track_caller]
    pub fn session(&self, role: &str) -> Identity {
        self.assumed(role, "iam.update_assume_role_policy(RoleName=role, PolicyDocument=trust)\n")
    }

    /// A session of a role that `prepared` lets the account assume.
    #[track_caller]
    fn assumed(&self, role: &str, prepared: &str) -> Identity {
        let trust = json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "123456789012"}}]});
        let printed = self.python(&format!(
            "iam, role, trust = client('iam'), {role:?}, {:?}\n{prepared}\
             arn = iam.get_role(RoleName=role)['Role']['Arn']\n\
             c = client('sts').assume_role(RoleArn=arn, RoleSessionName='test')['Credentials']\n\
             print(json.dumps([c['AccessKeyId'], c['SecretAccessKey'], c['SessionToken']]))",
            trust.to_string()
        ));
        let keys: [String; 3] = serde_json::from_str(&printed).expect("JSON");
        let names = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"].map(str::to_owned);
        Identity { role: role.to_owned(), environment: names.into_iter().zip(keys).collect() }
    }

    /// The policy that spawn prints for somebody.
    #[track_caller]
    pub fn policy(&self, who: &str) -> Value {
        self.spawn(["policy", who]).succeeded().json()
    }

    /// Runs `spawn` as somebody, to its end.
    #[track_caller]
    pub fn spawn_as<A: AsRef<OsStr>>(&self, who: &Identity, arguments: impl IntoIterator<Item = A>) -> Ran {
        let mut command = self.command(programs::program("spawn"));
        command.args(arguments).envs(who.environment());
        self.run(command).wait()
    }

    /// The same for lines of Python, as [`World::python`].
    #[track_caller]
    pub fn python_as(&self, who: &Identity, lines: &str) -> String {
        let mut command = self.python_command(lines);
        command.envs(who.environment());
        self.run(command).wait().succeeded().stdout
    }
}
