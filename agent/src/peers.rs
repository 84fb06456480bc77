//! Who the others are.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use serde::Serialize;
use spawn_model::layout::{RunKeys, rank_of_key};
use spawn_model::record::{Batch, RankClaim};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::aws::s3::Bucket;

/// How long the launcher has to record what it launched.
const PATIENCE: Duration = Duration::from_secs(10);
/// The pause before the records are asked for again; it doubles each time, up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// How many claims are read at the same time, where nobody waits for more of them.
const AT_ONCE: usize = 16;
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// A member of the fleet, as its peers are told.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub(crate) struct Peer {
    rank: u32,
    address: String,
    name: String,
}

/// A fleet's members by rank, from what is known of each.
fn by_rank(addresses: &BTreeMap<u32, String>, name: &str) -> Vec<Peer> {
    addresses.iter().map(|(rank, address)| Peer { rank: *rank, address: address.clone(), name: format!("{name}-{rank}") }).collect()
}

/// The only member of a fleet of one.
pub(crate) fn alone(address: &str, name: &str) -> Vec<Peer> {
    by_rank(&BTreeMap::from([(0, address.to_owned())]), name)
}

/// The members by the launcher's records, or nothing as long as they do not name all.
fn from_batches(batches: &[Batch], size: u32, name: &str) -> Option<Vec<Peer>> {
    let launched =
        batches.iter().flat_map(|batch| batch.instances.iter().map(move |instance| (batch.base + instance.launch_index, instance)));
    let addresses: BTreeMap<u32, String> =
        launched.filter(|(rank, _)| *rank < size).map(|(rank, instance)| (rank, instance.private_ip.clone())).collect();
    (addresses.len() == size as usize).then(|| by_rank(&addresses, name))
}

/// Waits for the launcher's records. Nothing if they do not come.
pub(crate) async fn recorded(bucket: &Bucket, keys: &RunKeys, size: u32, name: &str) -> Option<Vec<Peer>> {
    until_known(async || {
        let mut batches = Vec::new();
        for key in bucket.list(&keys.batches()).await.ok()? {
            batches.push(serde_json::from_slice(&bucket.get(&key).await.ok()?).ok()?);
        }
        from_batches(&batches, size, name)
    })
    .await
}

/// Waits for the members' own claims, for when the launcher died before it recorded anything. What is known by then has to do.
pub(crate) async fn claimed(bucket: &Bucket, keys: &RunKeys, size: u32, name: &str) -> Vec<Peer> {
    let mut addresses = BTreeMap::new();
    let all = until_known(async || {
        for key in bucket.list(&keys.ranks()).await.ok()? {
            let Some(rank) = rank_of_key(&key).filter(|rank| !addresses.contains_key(rank)) else { continue };
            let claim: RankClaim = serde_json::from_slice(&bucket.get(&key).await.ok()?).ok()?;
            addresses.insert(rank, claim.private_ip);
        }
        (addresses.len() >= size as usize).then_some(())
    })
    .await;
    if all.is_none() {
        eprintln!("spored: only {} of {size} members are known", addresses.len());
    }
    by_rank(&addresses, name)
}

/// The members whose claims are there and were not given back, and `own`, which is a rank and its address. Nobody is waited for.
pub(crate) async fn present(bucket: &Rc<Bucket>, keys: &RunKeys, size: u32, name: &str, own: (u32, &str)) -> Vec<Peer> {
    let mut addresses = BTreeMap::new();
    let reading = async {
        let limit = Rc::new(Semaphore::new(AT_ONCE));
        let mut reads = JoinSet::new();
        for key in bucket.list(&keys.ranks()).await.unwrap_or_default() {
            let Some(rank) = rank_of_key(&key).filter(|rank| *rank < size) else { continue };
            let (bucket, limit) = (Rc::clone(bucket), Rc::clone(&limit));
            reads.spawn_local(async move {
                let _permit = limit.acquire().await.ok()?;
                let claim: RankClaim = serde_json::from_slice(&bucket.get(&key).await.ok()?).ok()?;
                let is_released = claim.service.is_some_and(|service| service.released);
                (!is_released).then_some((rank, claim.private_ip))
            });
        }
        while let Some(read) = reads.join_next().await {
            addresses.extend(read.ok().flatten());
        }
    };
    // What is known by then has to do.
    let _ = timeout(PATIENCE, reading).await;
    addresses.insert(own.0, own.1.to_owned());
    by_rank(&addresses, name)
}

async fn until_known<T>(mut ask: impl AsyncFnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + PATIENCE;
    let mut pause = FIRST_PAUSE;
    loop {
        if let Some(known) = ask().await {
            return Some(known);
        }
        if Instant::now() + pause > end {
            return None;
        }
        sleep(pause).await;
        pause = LONGEST_PAUSE.min(pause * 2);
    }
}

/// The file of `SPAWN_PEERS`: one JSON object a line, by rank.
pub(crate) fn peers_file(peers: &[Peer]) -> serde_json::Result<String> {
    peers.iter().map(|peer| Ok(serde_json::to_string(peer)? + "\n")).collect()
}

/// The file of `SPAWN_HOSTFILE`: what `mpirun --hostfile` reads.
pub(crate) fn host_file(peers: &[Peer]) -> String {
    peers.iter().map(|peer| format!("{} slots=1\n", peer.address)).collect()
}

#[cfg(test)]
mod tests {
    use spawn_model::ids::InstanceId;
    use spawn_model::record::{Launched, SCHEMA};

    use super::*;

    fn batch(base: u32, addresses: &[&str]) -> Batch {
        let instance = |(index, address): (usize, &&str)| Launched {
            instance_id: InstanceId(format!("i-{address}")),
            launch_index: u32::try_from(index).unwrap(),
            private_ip: (*address).to_owned(),
            zone: "us-east-1a".to_owned(),
            instance_type: "c7i.large".to_owned(),
            market: spawn_model::market::MarketType::OnDemand,
        };
        let instances = addresses.iter().enumerate().map(instance).collect();
        Batch { schema: SCHEMA, base, asked: 4, instances, recorded_at: jiff::Timestamp::UNIX_EPOCH }
    }

    #[test]
    fn batches_make_the_list_once_they_are_complete() {
        let first = batch(0, &["10.0.0.1", "10.0.0.2"]);
        assert_eq!(from_batches(std::slice::from_ref(&first), 3, "mpi"), None);
        let peers = from_batches(&[first, batch(2, &["10.0.1.1", "10.0.1.2"])], 3, "mpi").unwrap();
        insta::assert_snapshot!("peers", peers_file(&peers).unwrap());
        insta::assert_snapshot!("hostfile", host_file(&peers));
    }
}
