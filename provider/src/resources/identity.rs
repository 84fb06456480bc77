//! What tells an object apart from all others: its id, and where it lives. It is the same for every resource.

use spawn_model::field::{Change, Field, Kind, Presence};
use spawn_model::value::Value;

use super::fleet::messages;
use crate::provider::Session;
use crate::wire::{Diagnostic, Identity};

const ID: Field = field("id", "Its `id`, which begins with `fleet-` or `alert-`. A name is none.", Presence::Required);

const REGION: Field =
    field("region", "The region it lives in. Left out: that of the provider, which finds nothing in another one.", Presence::Optional);

const ACCOUNT: Field = field(
    "account_id",
    "The id of the AWS account it lives in. Left out: that of the provider's credentials, which find nothing in another one.",
    Presence::Optional,
);

/// The declaration.
pub(super) const IDENTITY: &Identity = &Identity { version: 0, fields: &[ID, REGION, ACCOUNT] };

const fn field(name: &'static str, doc: &'static str, presence: Presence) -> Field {
    Field { name, doc, kind: Kind::String, presence, change: Change::InPlace, sensitive: false }
}

/// The identity of what a state is of. The account is the one in which this process has met something: a state does not say it, and to
/// ask would be a call.
pub(super) fn of(session: &Session, state: &Value) -> Option<Value> {
    let told = |field: Field| state.get(field.name).as_str().filter(|text| !text.is_empty()).map(Value::from);
    let entries = [(ID, told(ID)?), (REGION, told(REGION)?), (ACCOUNT, Value::from(session.account()?))];
    Some(Value::Map(entries.map(|(field, value)| (field.name.to_owned(), value)).into()))
}

/// The id of what an identity names, unless that lives where this provider does not look.
pub(super) async fn import_id(session: &Session, identity: &Value) -> Result<String, Vec<Diagnostic>> {
    let asked = |field: Field| identity.get(field.name).as_str();
    let engine = session.configured().map_err(|error| vec![messages::error(&error)])?;
    if let Some(region) = asked(REGION).filter(|region| *region != engine.region()) {
        return Err(vec![in_region(region, engine.region())]);
    }
    if let Some(account) = asked(ACCOUNT) {
        let own = session.account_asked().await.map_err(|error| vec![messages::error(&error)])?;
        if account != own {
            return Err(vec![in_account(account, own)]);
        }
    }
    Ok(asked(ID).unwrap_or_default().to_owned())
}

fn in_region(region: &str, own: &str) -> Diagnostic {
    let detail = format!(
        "`{}` of the identity is {region:?}, and this provider looks nowhere but in {own:?}. Import it with a provider that has `region = \
         {region:?}`, or leave `{}` out if it is in {own:?} after all.",
        REGION.name, REGION.name,
    );
    Diagnostic::error("The identity is of another region", detail)
}

fn in_account(account: &str, own: &str) -> Diagnostic {
    let detail = format!(
        "`{}` of the identity is {account:?}, and the credentials of this provider are of {own:?}. Import it with credentials of \
         {account:?} (the provider's `profile`, or the environment), or leave `{}` out if it is in {own:?} after all.",
        ACCOUNT.name, ACCOUNT.name,
    );
    Diagnostic::error("The identity is of another account", detail)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::resources::{all, describe};

    /// (what a state says; the identity of what it is of)
    #[test]
    fn an_identity_is_whole_or_none() {
        let whole = r#"{"id": "fleet-abababababababab", "region": "eu-west-1", "account_id": "123456789012"}"#;
        let cases = [
            (r#"{"id": "fleet-abababababababab", "region": "eu-west-1", "status": "running"}"#, Some(whole)),
            (r#"{"id": "fleet-abababababababab", "region": null}"#, None),
            (r#"{"id": "fleet-abababababababab"}"#, None),
            (r#"{"id": "", "region": "eu-west-1"}"#, None),
            (r#"{"id": null, "region": "eu-west-1"}"#, None),
        ];
        let value = |json: &str| Value::from(serde_json::from_str::<serde_json::Value>(json).expect("JSON"));
        let session = Session::default();
        for (state, _) in cases {
            assert_eq!(of(&session, &value(state)), None, "nothing has told the account yet: {state}");
        }
        session.lives_in("123456789012");
        for (state, expected) in cases {
            assert_eq!(of(&session, &value(state)), expected.map(value), "{state}");
        }
        session.lives_in("210987654321");
        assert_eq!(session.account(), Some("123456789012"), "a process lives in one account");
    }

    #[test]
    fn every_resource_has_it() {
        for resource in all(&Arc::new(Session::default())) {
            assert_eq!(resource.identity(), Some(IDENTITY), "{}", resource.type_name());
            for field in [ID, REGION] {
                let is_told = resource.fields().iter().any(|told| told.name == field.name && told.presence == Presence::Computed);
                let is_stable = resource.stable().contains(&field.name);
                assert!(is_told && is_stable, "{} may change {}", resource.type_name(), field.name);
            }
        }
        let mut text = format!("version {}\n", IDENTITY.version);
        describe(IDENTITY.fields, 0, &mut text);
        insta::assert_snapshot!("identity", text);
    }

    #[test]
    fn who_asks_in_the_wrong_place_is_told_where_to_ask() {
        let told = [in_region("eu-west-1", "us-east-1"), in_account("111111111111", "123456789012")];
        let texts = told.map(|told| format!("{}\n{}", told.summary, told.detail));
        insta::assert_snapshot!("elsewhere", texts.join("\n\n"));
    }
}
