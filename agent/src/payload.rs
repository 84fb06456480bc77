//! What this machine runs, and the directory it runs in.

use std::io;
use std::path::{Component, Path};
use std::time::Duration;

use spawn_model::layout::RunKeys;
use spawn_model::record::{Payload, SCHEMA, Settled};
use tokio::time::sleep;

use crate::aws::s3::Bucket;
use crate::workload::Account;

/// How often it is asked whether the launch is over.
const SETTLED_PAUSE: Duration = Duration::from_secs(2);

/// Reads a payload. One of another version is refused.
pub(crate) fn read(content: &[u8]) -> Result<Payload, String> {
    let payload: Payload = serde_json::from_slice(content).map_err(|error| format!("the payload cannot be read: {error}"))?;
    if payload.schema != SCHEMA {
        return Err(format!("the payload is of version {}, and this agent reads version {SCHEMA}", payload.schema));
    }
    Ok(payload)
}

/// Waits until it is clear how many ranks there are, of which fewer may do than were asked for. The lease ends a wait that nobody ends.
pub(crate) async fn settled(bucket: &Bucket, keys: &RunKeys) -> u32 {
    let key = keys.settled();
    loop {
        if let Ok(content) = bucket.get(&key).await
            && let Ok(settled) = serde_json::from_slice::<Settled>(&content)
        {
            return settled.size;
        }
        sleep(SETTLED_PAUSE).await;
    }
}

/// Makes the directory the command starts in, with its files, all of them executable, all belonging to the workload.
pub(crate) fn unpack(payload: &Payload, directory: &Path, account: Option<&Account>) -> Result<(), String> {
    let failed = |path: &Path| {
        let path = path.display().to_string();
        move |error: io::Error| format!("{path} cannot be made: {error}")
    };
    make_directory(directory, account).map_err(failed(directory))?;
    for (name, content) in &payload.files {
        let relative = Path::new(name);
        let inside = relative.components().all(|part| matches!(part, Component::Normal(_))) && !name.is_empty();
        if !inside {
            return Err(format!("the file name {name:?} leads out of the directory"));
        }
        let path = directory.join(relative);
        let mut parent = directory.to_owned();
        for part in relative.parent().into_iter().flat_map(Path::components) {
            parent.push(part);
            make_directory(&parent, account).map_err(failed(&parent))?;
        }
        write(&path, content, account).map_err(failed(&path))?;
    }
    Ok(())
}

/// Makes a directory that belongs to the workload. One that is there is kept.
pub(crate) fn make_directory(path: &Path, account: Option<&Account>) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    match std::fs::create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))?;
    give(path, account)
}

fn write(path: &Path, content: &str, account: Option<&Account>) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    // Written beside and moved: a program that still runs from an earlier boot's directory cannot be written over.
    let new = path.with_added_extension("new");
    std::fs::write(&new, content)?;
    std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o755))?;
    give(&new, account)?;
    std::fs::rename(&new, path)
}

/// Gives a file to the workload's user, if it has one of its own.
pub(crate) fn give(path: &Path, account: Option<&Account>) -> io::Result<()> {
    match account {
        Some(account) => std::os::unix::fs::chown(path, Some(account.user), Some(account.group)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn payload(files: &[(&str, &str)]) -> Payload {
        Payload {
            schema: SCHEMA,
            command: vec![],
            files: files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect(),
            env: BTreeMap::new(),
            size: 1,
            fewer_may_do: false,
            uses_aws: false,
            pre_stop: None,
            checkpoint: None,
            peer_notice: None,
            jobs: BTreeMap::new(),
            on_failure: None,
            resumed: false,
            name: "one".to_owned(),
        }
    }

    #[test]
    fn files_are_executable_and_stay_inside() {
        let directory = tempfile::tempdir().unwrap();
        let work = directory.path().join("work");
        unpack(&payload(&[("render", "#!/bin/sh\n"), ("data/a.txt", "a")]), &work, None).unwrap();
        assert_eq!(std::fs::metadata(work.join("render")).unwrap().permissions().mode() & 0o777, 0o755);
        assert_eq!(std::fs::read_to_string(work.join("data/a.txt")).unwrap(), "a");
        for name in ["../out", "/etc/out", "a/../../out", ""] {
            let problem = unpack(&payload(&[(name, "")]), &work, None).unwrap_err();
            assert!(problem.contains("leads out"), "{name}: {problem}");
        }
    }

    #[test]
    fn another_version_is_refused() {
        let mut payload = payload(&[]);
        payload.schema = 9;
        let problem = read(&serde_json::to_vec(&payload).unwrap()).unwrap_err();
        assert_eq!(problem, "the payload is of version 9, and this agent reads version 1");
    }
}
