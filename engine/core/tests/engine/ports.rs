//! The contract of the ports on the simulation itself: what the engine is tested on is held to the same word as AWS.

use crate::contract;
use crate::simulated::{World, run};

macro_rules! cases {
    ($($case:ident)*) => {
        $(
            #[test]
            fn $case() {
                run(async { contract::$case(&World::new().process().aws()).await });
            }
        )*
    };
}

cases! {
    buckets
    caller
    default_subnets
    documents
    functions
    images
    instance_types
    instances_as_many_as_asked
    instances_as_spot
    instances_client_token
    instances_launch_and_end
    instances_no_such_image
    instances_no_such_subnet
    instances_none
    instances_stop_and_hibernate
    instances_with_disks_and_placement
    key_pair_of_nobody
    log_groups
    objects_conditions
    objects_delete_unchanged
    objects_many
    objects_one_winner
    objects_read_back
    parameters
    placement_groups
    prices
    quotas
    regions
    roles
    roles_with_boundary
    schedule_group_twice
    schedules
    scaling_as_spot
    scaling_buys_on_demand
    scaling_empties
    scaling_groups
    scaling_none
    scaling_refused
    scaling_replaces
    scaling_resizes
    scaling_sheds
    scaling_tags
    security_group_in_use
    security_groups
    security_groups_by_id
    security_groups_by_tag
    service_roles
    spot_prices
    subnets
    tags_change
    trials
    trials_of_what_is_wrong
    ways_out
}
