//! Form-encoded requests, read strictly: a parameter nobody takes is a gap.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::protocol::Failure;
use crate::sigv4::parse_query;

/// The parameters of one request.
#[derive(Debug, Clone)]
pub(crate) struct Form {
    fields: BTreeMap<String, String>,
}

impl Form {
    /// Reads a body.
    pub(crate) fn parse(body: &Bytes) -> Self {
        Self::of(&parse_query(&String::from_utf8_lossy(body)))
    }

    /// The parameters of an address.
    pub(crate) fn of(query: &[(String, String)]) -> Self {
        let mut fields: BTreeMap<String, String> = query.iter().cloned().collect();
        fields.remove("Action");
        fields.remove("Version");
        Self { fields }
    }

    /// Looks without taking.
    pub(crate) fn peek(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }

    /// The names of the parameters nobody has taken yet.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.fields.keys().map(String::as_str)
    }

    /// Takes an optional parameter.
    pub(crate) fn take(&mut self, name: &str) -> Option<String> {
        self.fields.remove(name)
    }

    /// Takes a required parameter.
    ///
    /// # Errors
    /// IAM's validation error when it is not there.
    pub(crate) fn need(&mut self, name: &str) -> Result<String, Failure> {
        self.take(name).ok_or_else(|| {
            let member = format!("{}{}", name[..1].to_lowercase(), &name[1..]);
            Failure::new(
                400,
                "ValidationError",
                format!("1 validation error detected: Value null at '{member}' failed to satisfy constraint: Member must not be null"),
            )
        })
    }

    /// Takes `Name.member.N`.
    pub(crate) fn list(&mut self, name: &str) -> Vec<String> {
        (1..).map_while(|n| self.take(&format!("{name}.member.{n}"))).collect()
    }

    /// Takes `Tags.member.N.Key` and `.Value`.
    pub(crate) fn tags(&mut self) -> Vec<(String, String)> {
        (1..)
            .map_while(|n| {
                let key = self.take(&format!("Tags.member.{n}.Key"))?;
                Some((key, self.take(&format!("Tags.member.{n}.Value")).unwrap_or_default()))
            })
            .collect()
    }

    /// Refuses what nobody took.
    ///
    /// # Errors
    /// A gap that names the parameter.
    pub(crate) fn finish(self, operation: &str) -> Result<(), Failure> {
        match self.fields.into_keys().next() {
            Some(name) => Err(Failure::gap(format!("parameter {name} of {operation}"))),
            None => Ok(()),
        }
    }
}
