//! The tags that say whose a thing is. AWS keeps them; they hold ids and dates, never settings.

/// `true` on everything spawn makes.
pub const MANAGED: &str = "spawn:managed";
/// The version of tags, records and user data.
pub const SCHEMA: &str = "spawn:schema";
/// The fleet's id.
pub const FLEET: &str = "spawn:fleet";
/// The run's id.
pub const RUN: &str = "spawn:run";
/// The shard of the run that one schedule ends.
pub const SHARD: &str = "spawn:shard";
/// When the thing ends (RFC 3339, UTC).
pub const DEADLINE: &str = "spawn:ttl-deadline";
/// The rank of launch index 0 of the instance's batch.
pub const RANK_BASE: &str = "spawn:rank-base";
/// The version of its launch template that a service's group was told to launch. The group alone carries it: what it launches does not.
pub const TEMPLATE_VERSION: &str = "spawn:template-version";
/// The fleet's name, for people.
pub const NAME: &str = "Name";
/// Tag keys a user may not write begin with this.
pub const RESERVED_PREFIX: &str = "spawn:";
