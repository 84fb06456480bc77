//! Which image a fleet boots: by id, by parameter, the newest of a distribution, and always one in a run.

use sandbox_cloud::catalogue::{images, public_parameters};
use spawn_model::error::{Class, Error};
use spawn_model::record::{BootImage, FleetRecord};
use spawn_model::spec::{FleetKind, FleetSpec};

use crate::simulated::door::Trouble;
use crate::simulated::{REGION, World, run};
use crate::{array, launch, warm};

fn booting(ami: &str) -> FleetSpec {
    FleetSpec { ami: Some(ami.to_owned()), ..array(1) }
}

fn ubuntu() -> BootImage {
    let image = images(REGION).into_iter().find(|image| image.name.contains("24.04-amd64")).unwrap();
    BootImage { id: image.id, root_device: image.root_device_name, root_gib: u32::try_from(image.volume_size).ok() }
}

/// What a run's machine was asked to boot, which is what EC2 boots.
fn booted(world: &World, record: &FleetRecord) -> BootImage {
    let state = world.state();
    let asked = state.launch_of(&record.run).unwrap();
    assert_eq!(state.cloud.machine(&state.cloud.machine_ids()[0]).unwrap().image_id, asked.image_id);
    BootImage { id: asked.image_id, root_device: asked.disks[0].device.clone(), root_gib: asked.disks[0].volume.size_gib }
}

#[test]
fn a_reference_is_looked_up_once_and_recorded() {
    for ami in ["ubuntu-24.04", "ssm:/golden/image", ubuntu().id.as_str()] {
        run(async {
            let world = warm().await;
            world.state().parameters.insert("/golden/image".to_owned(), format!("{}\n", ubuntu().id));
            let record = launch(&world.process(), &booting(ami)).await.unwrap().record;
            assert_eq!((&record.image, booted(&world, &record)), (&ubuntu(), ubuntu()), "{ami}");
            assert_eq!(record.spec.ami.as_deref(), Some(ami), "what was asked for stays what it is");
        });
    }
}

#[test]
fn what_the_public_parameters_name_is_the_newest() {
    run(async {
        let world = warm().await;
        for (name, id) in public_parameters(REGION).into_iter().filter(|(name, _)| name.ends_with("/al2023-ami-kernel-default-x86_64")) {
            world.state().parameters.insert(name.clone(), id.clone());
            let engine = world.engine();
            for ami in [format!("ssm:{name}"), "al2023".to_owned()] {
                assert_eq!(engine.plan(FleetKind::JobArray, &booting(&ami)).await.unwrap().image.id, id, "{ami}");
            }
        }
    });
}

async fn refused(world: &World, ami: &str) -> Error {
    let error = world.engine().plan(FleetKind::JobArray, &booting(ami)).await.unwrap_err();
    assert_eq!((error.class, error.path.to_string().as_str()), (Class::Invalid, "ami"), "{error}");
    error
}

#[test]
fn a_reference_to_nothing_is_refused_before_anything_is_made() {
    run(async {
        let world = warm().await;
        world.state().parameters.insert("/not/an/image".to_owned(), "latest".to_owned());
        let before = world.view();
        let mut told = Vec::new();
        for ami in ["ssm:/nobody/wrote/this", "ssm:/not/an/image"] {
            told.push(refused(&world, ami).await.to_string());
            assert!(launch(&world.process(), &booting(ami)).await.is_err());
        }
        assert_eq!(world.view().against(&before), "");
        insta::assert_snapshot!("references_to_nothing", told.join("\n"));
    });
}

#[test]
fn a_launch_that_is_gone_on_with_boots_the_image_it_began_with() {
    run(async {
        let calls = {
            let process = warm().await.process();
            launch(&process, &array(1)).await.unwrap();
            process.calls()
        };
        let recorded = calls.iter().position(|call| *call == "s3:PutObject").unwrap();
        let world = warm().await;
        let dying = world.process().with(recorded, Trouble::DiesAfter);
        assert!(dying.live(launch(&dying, &array(1))).await.is_none());
        // What was the newest then is not the newest now.
        world.state().edit_records(|record| record.image = ubuntu());
        let adopted = launch(&world.process(), &array(1)).await.unwrap().record;
        assert_eq!((&adopted.image, booted(&world, &adopted)), (&ubuntu(), ubuntu()));
        world.assert_lawful();
    });
}
