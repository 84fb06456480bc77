//! Names: who gets one, and what becomes of a launch whose launcher died.

use crate::simulated::door::Trouble;
use crate::simulated::run;
use crate::simulated::view::assert_same;
use crate::{array, launch, warm};

/// The call after which a launcher has asked for its instances, in a launch that nothing goes wrong with.
async fn place_of(call: &str) -> usize {
    let world = warm().await;
    let process = world.process();
    launch(&process, &array(3)).await.unwrap();
    process.calls().iter().position(|made| *made == call).unwrap()
}

#[test]
fn a_dead_launch_of_the_same_spec_is_gone_on_with() {
    run(async {
        let n = place_of("ec2:RunInstances").await;
        let world = warm().await;
        let first = world.process().with(n, Trouble::DiesAfter);
        assert!(first.live(launch(&first, &array(3))).await.is_none());
        let begun = world.view();
        assert_eq!(begun.count("instance "), 3);
        let launched = launch(&world.process(), &array(3)).await.unwrap();
        assert_eq!(world.view().count("instance "), 3);
        assert_same("instances", &world.view().only("role "), &begun.only("role "));
        assert_eq!(launched.record.spec.size, 3);
        world.assert_lawful();
    });
}
