//! The permissions boundary of every fleet's role: the most that it can ever do, whatever policies it gets.

use serde_json::{Value, json};
use spawn_model::policies::parts;

use super::Names;

/// The fleet whose role it is, as IAM tells it: every fleet's role has it as a tag.
const OWN_FLEET: &str = "${aws:PrincipalTag/spawn:fleet}";

/// What the names of the agents' statements in the boundary begin with.
const AGENTS: &str = "Agents";

impl Names<'_> {
    /// What its agent needs, in statements with names by which they are told from the others, and what commands get.
    pub(super) fn boundary_policy(&self, workloads: &[Value]) -> String {
        let mut statements = self.agent_statements(OWN_FLEET);
        statements.push(self.hibernate_statement(OWN_FLEET));
        statements.extend(self.channel_statements());
        for (number, statement) in statements.iter_mut().enumerate() {
            statement["Sid"] = json!(format!("{AGENTS}{number}"));
        }
        statements.extend_from_slice(workloads);
        json!({ "Version": "2012-10-17", "Statement": statements }).to_string()
    }

    /// The statements of a boundary that say what commands get.
    pub(super) fn workloads_of(boundary: &str) -> Vec<Value> {
        let document: Value = serde_json::from_str(boundary).unwrap_or_default();
        let is_agents = |statement: &Value| statement["Sid"].as_str().is_some_and(|name| name.starts_with(AGENTS));
        document["Statement"].as_array().into_iter().flatten().filter(|statement| !is_agents(statement)).cloned().collect()
    }

    /// Whether a statement reaches a bucket of a set-up, which is nobody's but the agents'.
    pub(super) fn reaches_bucket(&self, statement: &Value) -> bool {
        let is_s3 = |action: &str| action == "*" || action.to_lowercase().starts_with("s3:") || action.starts_with("s3*");
        // Roles are the whole account's, and so it is the buckets of every region.
        let buckets = format!("arn:{}:s3:::spawn-{}-", self.partition(), self.account);
        let covers = |pattern: &str| {
            let literal = pattern.split(['*', '?', '$']).next().unwrap_or_default();
            pattern.starts_with(&buckets) || (literal.len() < pattern.len() && buckets.starts_with(literal))
        };
        (!statement["NotAction"].is_null() || parts(&statement["Action"]).iter().filter_map(Value::as_str).any(is_s3))
            && (!statement["NotResource"].is_null() || parts(&statement["Resource"]).iter().filter_map(Value::as_str).any(covers))
    }
}
