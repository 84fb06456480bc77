//! The one declaration of a field, from which schema, docs, YAML and messages come.

/// The type of a field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// A truth value.
    Bool,
    /// A whole number.
    Int,
    /// A number that may have a fraction.
    Float,
    /// Text.
    String,
    /// An ordered list of one type.
    List(&'static Kind),
    /// A map from text to one type.
    Map(&'static Kind),
    /// A nested object with fields of its own.
    Object(&'static [Field]),
}

/// Whether a user writes a field, and what it is when they do not.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Presence {
    /// Must be written.
    Required,
    /// May be left out.
    Optional,
    /// May be left out, and then has this value (as JSON).
    Default(&'static str),
    /// Never written: spawn fills it in.
    Computed,
}

/// What changing a field of an existing fleet does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Change {
    /// The fleet goes on; the new value takes effect on it.
    InPlace,
    /// The fleet stays, and runs again. Of what spawn reports: what running again changes.
    Rerun,
    /// The fleet is ended and another one made.
    Replace,
}

/// A field of a spec or of what spawn reports about a fleet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Field {
    /// The name in HCL, YAML and JSON.
    pub name: &'static str,
    /// What it is for, its unit and its limits: Markdown, a paragraph.
    pub doc: &'static str,
    /// Its type.
    pub kind: Kind,
    /// Required, optional, defaulted or computed.
    pub presence: Presence,
    /// What changing it does.
    pub change: Change,
    /// Whether plans and logs must hide it.
    pub sensitive: bool,
}
