//! Where in a configuration or a state something is.

use std::fmt;

use super::proto::tfplugin6::{AttributePath, attribute_path};

/// One step into a value.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Step {
    /// An attribute of an object.
    Attribute(String),
    /// An element of a map.
    Key(String),
    /// An element of a list, from 0.
    Index(usize),
}

/// The way from a whole configuration to one place in it. Empty: the whole.
#[derive(Clone, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Path(Vec<Step>);

impl Path {
    /// The whole value.
    #[must_use]
    pub fn root() -> Self {
        Self::default()
    }

    /// The attribute that `dotted` names, such as `lease.ttl`.
    #[must_use]
    pub fn attribute(dotted: &str) -> Self {
        Self(dotted.split('.').map(|name| Step::Attribute(name.to_owned())).collect())
    }

    /// This path and one more attribute.
    #[must_use]
    pub fn then(&self, name: &str) -> Self {
        self.with(Step::Attribute(name.to_owned()))
    }

    /// This path and one more step.
    #[must_use]
    pub fn with(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }

    /// The steps from the outside in.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    /// True for the whole value.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// Puts `step` in front: how a path grows while an error travels outwards.
    pub(super) fn enclose(&mut self, step: Step) {
        self.0.insert(0, step);
    }

    pub(super) fn to_proto(&self) -> AttributePath {
        use attribute_path::step::Selector;
        let steps = self.0.iter().map(|step| attribute_path::Step {
            selector: Some(match step {
                Step::Attribute(name) => Selector::AttributeName(name.clone()),
                Step::Key(key) => Selector::ElementKeyString(key.clone()),
                Step::Index(index) => Selector::ElementKeyInt(i64::try_from(*index).unwrap_or(i64::MAX)),
            }),
        });
        AttributePath { steps: steps.collect() }
    }
}

/// As it would be written in HCL: `disks[0].labels["a"]`.
impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            match step {
                Step::Attribute(name) if position == 0 => write!(f, "{name}")?,
                Step::Attribute(name) => write!(f, ".{name}")?,
                Step::Key(key) => write!(f, "[{key:?}]")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}
