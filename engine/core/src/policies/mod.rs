//! What whoever uses spawn may do: one table of rights, from which every policy document is made.
//!
//! The documents are tested for being enough, and for being no more than that, by whole lives of fleets that only they allow.
//! What the machines and the services of a fleet may do is [`crate::setup`]'s.

mod grants;

use serde_json::{Map, Value, json};
use spawn_model::{dns, layout, tag};

use self::grants::{EVERY_REGION, GRANTS, Grant};
use crate::setup::{
    DOCUMENT_FAMILY, FUNCTION_FAMILY, LOG_GROUP, Names, PARAMETER, PREFIX as SETUP_PREFIX, SCHEDULE_GROUP, SHELL_LOG_GROUP,
};

/// For whom there is a policy document.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Audience {
    /// Whoever makes and removes the account set-up.
    Administrator,
    /// Whoever launches fleets, changes them, looks at them and ends them.
    Launcher,
    /// Whoever only looks, and plans.
    Observer,
    /// Whoever comes onto instances: runs commands there and opens terminals. Looks at fleets, too.
    Operator,
    /// What ends fleets that are past their lease, in every region, and removes what they leave.
    Reaper,
    /// What starts the runs of schedules: a function, and nobody else.
    Starter,
    /// Whoever makes alerts, changes them, looks at them and ends them.
    Alerter,
    /// Whoever launches fleets with names in DNS: what that takes beside the rights to launch.
    Namer,
    /// What tells what alerts are for, keeps names in DNS right, and has services fall back from spot: a function, and nobody else.
    Watcher,
}

/// Whether a policy is for one region, or for every region of the account.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Reach {
    Region,
    Everywhere,
}

impl Audience {
    /// Everybody who can be given a document.
    pub const ALL: [Audience; 7] = [
        Audience::Administrator,
        Audience::Alerter,
        Audience::Launcher,
        Audience::Namer,
        Audience::Observer,
        Audience::Operator,
        Audience::Reaper,
    ];
}

/// The policy document for somebody, in an account and region; the reaper's is for every region.
#[must_use]
pub fn document(audience: Audience, account: &str, region: &str) -> Value {
    let reach = if audience == Audience::Reaper { Reach::Everywhere } else { Reach::Region };
    filled(audience, account, region, reach)
}

/// The policy document for somebody who stays in a region.
pub(crate) fn of_region(audience: Audience, account: &str, region: &str) -> Value {
    filled(audience, account, region, Reach::Region)
}

fn filled(audience: Audience, account: &str, region: &str, reach: Reach) -> Value {
    let filling = Filling { names: Names::new(account, region), account, region, reach };
    // Who stays in a region does not ask for the others.
    let mine = GRANTS.iter().filter(|grant| grant.to.contains(&audience) && (reach == Reach::Everywhere || grant.actions != EVERY_REGION));
    json!({ "Version": "2012-10-17", "Statement": merged(mine).iter().map(|it| filling.statement(it)).collect::<Vec<_>>() })
}

/// A statement of a policy to be.
struct Statement {
    actions: Vec<&'static str>,
    on: Vec<&'static str>,
    when: &'static [(&'static str, &'static str, &'static str)],
}

/// Rights to the same things on the same conditions make one statement, and so do the same rights to several things; none has a name: a policy
/// may have only so many characters.
fn merged(grants: impl Iterator<Item = &'static Grant>) -> Vec<Statement> {
    let mut by_thing: Vec<Statement> = Vec::new();
    for grant in grants {
        match by_thing.iter_mut().find(|known| known.on == grant.on && known.when == grant.when) {
            Some(known) => known.actions.extend(grant.actions),
            None => by_thing.push(Statement { actions: grant.actions.to_vec(), on: grant.on.to_vec(), when: grant.when }),
        }
    }
    let mut statements: Vec<Statement> = Vec::new();
    for mut statement in by_thing {
        statement.actions.sort_unstable();
        match statements.iter_mut().find(|known| known.actions == statement.actions && known.when == statement.when) {
            Some(known) => known.on.extend(statement.on),
            None => statements.push(statement),
        }
    }
    statements
}

/// One text as it is, several as a list.
fn one_or_many(texts: &[&str]) -> Value {
    if let [one] = texts { json!(one) } else { json!(texts) }
}

/// What stands for the names in braces.
struct Filling<'a> {
    names: Names<'a>,
    account: &'a str,
    region: &'a str,
    reach: Reach,
}

impl Filling<'_> {
    fn statement(&self, Statement { actions, on, when }: &Statement) -> Value {
        let arn = |on: &&str| if *on == "*" { (*on).to_owned() } else { self.fill(&format!("arn:{{partition}}:{on}")) };
        let resources: Vec<String> = on.iter().map(arn).collect();
        let resources: Vec<&str> = resources.iter().map(String::as_str).collect();
        let mut statement = json!({
            "Effect": "Allow", "Action": one_or_many(actions), "Resource": one_or_many(&resources),
        });
        let mut conditions: Map<String, Value> = Map::new();
        for (operator, key, value) in *when {
            let keys = conditions.entry(*operator).or_insert_with(|| json!({}));
            keys[self.fill(key)] = one_or_many(&self.fill(value).split(' ').collect::<Vec<_>>());
        }
        if !conditions.is_empty() {
            statement["Condition"] = conditions.into();
        }
        statement
    }

    fn fill(&self, template: &str) -> String {
        let everywhere = self.reach == Reach::Everywhere;
        let region = if everywhere { "*" } else { self.region };
        let bucket = if everywhere { Names::new(self.account, "*").bucket() } else { self.names.bucket() };
        let label = dns::account_label(self.account);
        let fillings = [
            ("partition", self.names.partition()),
            ("account", self.account),
            ("account-label", &label),
            ("region", region),
            ("bucket", &bucket),
            ("boundary", &self.names.boundary_arn()),
            ("scheduler", &self.names.scheduler_role()),
            ("path", layout::ROLE_PATH),
            ("fleet-role", layout::FLEET_ROLE_PREFIX),
            ("setup-role", SETUP_PREFIX),
            ("schedules", SCHEDULE_GROUP),
            ("logs", LOG_GROUP),
            ("shell-logs", SHELL_LOG_GROUP),
            ("parameter", PARAMETER),
            ("document", DOCUMENT_FAMILY),
            ("function", FUNCTION_FAMILY),
            ("managed", tag::MANAGED),
            ("deadline", tag::DEADLINE),
            ("reserved", tag::RESERVED_PREFIX),
        ];
        fillings.iter().fold(template.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
    }
}

#[cfg(test)]
mod tests {
    use crate::setup::MANAGED_POLICY_MAX;

    use super::*;

    #[test]
    fn every_document_fits_a_managed_policy_wherever_it_is() {
        for region in ["us-east-1", "ap-southeast-3", "us-gov-east-1", "cn-northwest-1"] {
            for audience in Audience::ALL {
                let text = document(audience, "123456789012", region).to_string();
                let characters = text.chars().filter(|c| !c.is_whitespace()).count();
                assert!(characters <= MANAGED_POLICY_MAX, "{audience:?} in {region}: {characters} characters");
                // Braces of JSON stand beside quotes and braces only, and those of IAM behind a dollar.
                let unfilled =
                    text.match_indices('{').find(|(at, _)| !text[at + 1..].starts_with(['"', '}']) && !text[..*at].ends_with('$'));
                assert_eq!(unfilled, None, "{text}");
            }
        }
    }

    #[test]
    fn no_statement_is_without_actions_or_resources() {
        for grant in GRANTS {
            assert!(!grant.to.is_empty() && !grant.actions.is_empty() && !grant.on.is_empty(), "{:?}", grant.actions);
            assert!(grant.actions.is_sorted(), "{:?}", grant.actions);
            // A wildcard would allow what nobody has thought of.
            assert!(grant.actions.iter().all(|action| !action.contains('*')), "{:?}", grant.actions);
        }
    }

    #[test]
    fn what_only_reads_is_all_that_an_observer_may_do() {
        let text = document(Audience::Observer, "123456789012", "us-east-1");
        for statement in text["Statement"].as_array().expect("statements") {
            let one = [statement["Action"].clone()];
            for action in statement["Action"].as_array().map_or(&one[..], Vec::as_slice) {
                let verb = action.as_str().and_then(|action| action.split_once(':')).map_or("", |(_, verb)| verb);
                assert!(["Describe", "Filter", "Get", "List"].iter().any(|read| verb.starts_with(read)), "{action}");
            }
        }
    }
}
