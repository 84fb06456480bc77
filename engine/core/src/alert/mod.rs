//! Alerts: made, changed and ended like anything else, and told by a function that looks every two minutes.
//!
//! | module | what it does |
//! |---|---|
//! | `records` | alerts in the ledger |
//! | `channels` | a topic, its subscriptions, and secrets, as an alert wants them |
//! | `watch` | looks at the runs that alerts watch, and notes what has happened to them |
//! | `deliver` | tells it, and notes who took it |
//! | `cost` | what a run may have cost |
//!
//! What has happened is noted before anybody is told, and once: an occurrence has the same id whoever notices it. It is told until a
//! channel takes it, or has refused it for a day; whoever begins to tell says so first, so that two who look at once do not both.

mod channels;
mod cost;
mod deliver;
mod records;
mod watch;

use std::collections::{BTreeMap, BTreeSet};

use futures::join;
use futures::stream::{self, StreamExt};
use jiff::SignedDuration;
use spawn_model::alert::{AlertKind, AlertRecord, AlertReport, AlertSpec, AlertStatus, Happened, Occurrence, Told, test_message};
use spawn_model::error::{Class, Error, Leftover};
use spawn_model::ids::AlertId;
use spawn_model::problem::Path;
use spawn_model::record::SCHEMA;

use crate::claim::caller_identity;
use crate::engine::{self, Engine, whole_second};
use crate::ledger::Ledger;
use crate::operation::Operation;
use crate::ports::{Caller, Condition, Result};
use crate::setup::{Names, Setup};

pub use watch::Telling;

/// After so long whoever began to make an alert is taken to be dead: it takes seconds.
const MADE_WITHIN: SignedDuration = SignedDuration::from_mins(2);

/// How often it is waited for that.
const MAKERS_MAX: u32 = 3;

/// How many alerts are looked at at once: Systems Manager tells of versions some times a second.
const LOOKS_AT_ONCE: usize = 4;

/// An alert as it is.
#[derive(Clone, Debug)]
pub struct AlertLook {
    /// What was asked for.
    pub record: AlertRecord,
    /// The same, as far as somebody has changed it since: the addresses that are subscribed, and version 0 of a secret that is not what was put
    /// there.
    pub seen: AlertSpec,
    /// The topic of its mail, if it has one.
    pub topic_arn: Option<String>,
    /// Addresses that nobody has confirmed.
    pub pending: Vec<String>,
    /// What it has told.
    pub told: Told,
}

impl AlertLook {
    /// How it stands, and why.
    #[must_use]
    pub fn status(&self) -> (AlertStatus, String) {
        if self.record.ended {
            return (AlertStatus::Ending, format!("its end was interrupted: `spawn alert down {}` goes on with it", self.record.spec.name));
        }
        let channels = self.record.spec.notify.channels();
        let tried = |channel: &String| {
            let deliveries = self.told.occurrences.iter().rev().filter_map(|known| known.deliveries.get(channel));
            deliveries.into_iter().find(|delivery| delivery.tries > 0)
        };
        for channel in &channels {
            if let Some(refusal) = tried(channel).and_then(|delivery| delivery.refusal.as_ref()) {
                return (AlertStatus::Refused, format!("{channel} did not take what it was sent last: {refusal}"));
            }
        }
        match self.pending.as_slice() {
            [] => (AlertStatus::Ok, format!("it tells by {}", channels.join(", "))),
            [one] => (AlertStatus::PendingConfirmation, format!("{one} has not confirmed yet that it wants mail")),
            several => (AlertStatus::PendingConfirmation, format!("{} have not confirmed yet that they want mail", several.join(", "))),
        }
    }

    /// What the faces show.
    #[must_use]
    pub fn report(&self) -> AlertReport {
        let (status, status_reason) = self.status();
        AlertReport {
            id: self.record.id.to_string(),
            region: self.record.region.clone(),
            status: status.word().to_owned(),
            status_reason,
            topic_arn: self.topic_arn.clone(),
            pending_confirmation: self.pending.clone(),
        }
    }
}

/// That there is no alert of this name.
#[must_use]
pub fn no_such_alert(name: &str) -> Error {
    let message = format!("there is no alert {name:?} in this account and region");
    Error::new(Class::NotFound, "NoSuchAlert", message, "`spawn alert ls` lists what there is")
}

fn in_use(record: &AlertRecord, why: &str) -> Error {
    let name = &record.spec.name;
    let message = format!("the name {name:?} is that of another alert: {why}");
    let help = format!("Choose another name, import it (`terraform import ADDRESS {name}`), or end it with `spawn alert down {name}`");
    Error::new(Class::Conflict, "NameInUse", message, &help).at(Path::field("name"))
}

fn changed_meanwhile(name: &str) -> Error {
    let message = format!("the alert {name} was changed by somebody else meanwhile");
    Error::new(Class::Conflict, "RecordChanged", message, "Look at it again, and apply again")
}

/// Fails if a topic is elsewhere: what tells has rights in its own account, and speaks to its own region.
fn topics_reached(spec: &AlertSpec, account: &str, region: &str) -> Result<()> {
    for (at, arn) in spec.notify.sns.iter().enumerate() {
        let mut parts = arn.split(':').skip(3);
        if (parts.next(), parts.next()) != (Some(region), Some(account)) {
            let message = format!("{arn} is not in {region} of account {account}, where the alert is");
            let help = "Name a topic there; it may have a subscription that leads on";
            return Err(Error::new(Class::Invalid, "TopicElsewhere", message, help).at(Path::field("notify").key("sns").index(at)));
        }
    }
    Ok(())
}

impl Engine {
    /// Fails if an alert could not be made, or changed to be this, as things are now. `own` are the caller's: their names may follow on their ends.
    ///
    /// # Errors
    /// `NameInUse`, `TopicElsewhere`, or `SetupOld` if nothing tells in this account and region.
    pub async fn alert_check(&self, spec: &AlertSpec, own: &BTreeSet<AlertId>) -> Result<()> {
        let (caller, setup) = join!(self.aws().identity.caller(), self.found());
        let (caller, setup) = (caller?, setup?);
        topics_reached(spec, &caller.account, self.region())?;
        let Some(setup) = setup else { return Ok(()) };
        setup.watcher("tells what alerts are for")?;
        match self.ledger(&setup).alert(&spec.name).await? {
            Some((record, _)) if !own.contains(&record.id) => self.adoptable(&record, &caller_identity(&caller)),
            _ => Ok(()),
        }
    }

    /// Fails if an alert is somebody's.
    fn adoptable(&self, record: &AlertRecord, caller: &str) -> Result<()> {
        if record.caller != caller {
            return Err(in_use(record, &format!("{} made it", record.caller)));
        }
        if record.is_kept { Err(in_use(record, "it is in use")) } else { Ok(()) }
    }

    /// Makes an alert, or goes on with one whose maker died.
    ///
    /// # Errors
    /// What failed, after everything it had made was undone; the error says what is left if that failed too.
    pub async fn alert_create(&self, spec: &AlertSpec, operation: &Operation) -> Result<AlertLook> {
        let (caller, setup) = join!(self.aws().identity.caller(), self.found());
        let caller = caller?;
        topics_reached(spec, &caller.account, self.region())?;
        let setup = self.set_up(&caller, setup?, &mut Vec::new(), operation).await?;
        setup.watcher("tells what alerts are for")?;
        let ledger = self.ledger(&setup);
        let (record, etag) = self.alert_begin(&ledger, spec, &caller, operation).await?;
        let made = async {
            ledger.told_begin(&record.id).await?;
            let made = self.alert_put(&ledger, spec, (record.clone(), etag), operation).await?;
            self.alert_seen(&ledger, made).await
        };
        match made.await {
            Ok(look) => Ok(look),
            Err(error) => {
                operation.say(&format!("undoing the alert: {}", error.message));
                Err(match self.alert_remove(&ledger, &spec.name, &record.id, Some(&record.maker), &Operation::quiet()).await {
                    Ok(()) => error.helped("Nothing of the alert is left").leaving(Leftover::Clear),
                    Err(failed) => {
                        let again = format!("Undoing it failed too ({}); `spawn alert down {}` tries again", failed.message, spec.name);
                        error.helped(&again).leaving(Leftover::Unknown)
                    }
                })
            }
        }
    }

    /// Claims the name by the record itself.
    async fn alert_begin(
        &self,
        ledger: &Ledger,
        spec: &AlertSpec,
        caller: &Caller,
        operation: &Operation,
    ) -> Result<(AlertRecord, String)> {
        let now = whole_second(self.now());
        let mine = AlertRecord {
            schema: SCHEMA,
            id: AlertId::from_random(engine::random()),
            spec: spec.clone(),
            region: self.region().to_owned(),
            account: caller.account.clone(),
            caller: caller_identity(caller),
            created_at: now,
            touched_at: now,
            maker: hex::encode(engine::random()),
            ended: false,
            is_kept: false,
            secrets: BTreeMap::new(),
        };
        for _ in 0..MAKERS_MAX {
            let Some((found, etag)) = ledger.alert(&spec.name).await? else {
                operation.say(&format!("recording the alert: {}", mine.id));
                match ledger.alert_write(&mine, Condition::Absent).await? {
                    Some(etag) => return Ok((mine, etag)),
                    None => continue,
                }
            };
            if found.id == mine.id {
                // The answer was lost.
                return Ok((found, etag));
            }
            if found.ended {
                // Somebody died over its end.
                self.alert_remove(ledger, &spec.name, &found.id, None, operation).await?;
                continue;
            }
            self.adoptable(&found, &mine.caller)?;
            let rest = (found.touched_at + MADE_WITHIN).duration_since(self.now());
            if rest.is_positive() {
                operation.say(&format!("waiting whether whoever makes {} lives", found.id));
                let rest = u64::try_from(rest.as_millis()).unwrap_or_default();
                tokio::select! {
                    () = self.aws().clock.sleep(rest) => continue,
                    () = operation.cancel.cancelled() => operation.go_on()?,
                }
            }
            operation.say("going on with an alert whose maker died");
            let (touched_at, maker) = (whole_second(self.now()), mine.maker.clone());
            let taken = AlertRecord { spec: spec.clone(), touched_at, maker, ..found };
            if let Some(etag) = ledger.alert_write(&taken, Condition::Unchanged(etag)).await? {
                return Ok((taken, etag));
            }
        }
        Err(Error::new(
            Class::Conflict,
            "NameInUse",
            format!("the name {:?} is taken again and again at this moment", spec.name),
            "Try again, or choose another name",
        )
        .at(Path::field("name")))
    }

    /// Makes what an alert tells by, and records that it is there.
    async fn alert_put(
        &self,
        ledger: &Ledger,
        spec: &AlertSpec,
        (record, etag): (AlertRecord, String),
        operation: &Operation,
    ) -> Result<AlertRecord> {
        let secrets = self.channels_put(spec, &record, operation).await?;
        let made = AlertRecord { secrets, ..record };
        let written = ledger.alert_write(&made, Condition::Unchanged(etag)).await?;
        written.map(|_| made).ok_or_else(|| changed_meanwhile(&spec.name))
    }

    /// Changes an alert, and puts right what somebody has changed of it.
    ///
    /// # Errors
    /// `NoSuchAlert`, or the first write that failed: the same call again finishes it.
    pub async fn alert_change(&self, id: &AlertId, spec: &AlertSpec, operation: &Operation) -> Result<AlertLook> {
        let setup = self.warm().await?;
        topics_reached(spec, &setup.account, self.region())?;
        let ledger = self.ledger(&setup);
        let (known, etag) = ledger
            .alert(&spec.name)
            .await?
            .filter(|(known, _)| known.id == *id && !known.ended)
            .ok_or_else(|| no_such_alert(&spec.name))?;
        let (touched_at, maker) = (whole_second(self.now()), hex::encode(engine::random()));
        let begun = AlertRecord { spec: spec.clone(), touched_at, maker, ..known };
        let etag = ledger.alert_write(&begun, Condition::Unchanged(etag)).await?.ok_or_else(|| changed_meanwhile(&spec.name))?;
        ledger.told_begin(id).await?;
        let record = self.alert_put(&ledger, spec, (begun, etag), operation).await?;
        self.alert_seen(&ledger, record).await
    }

    /// Ends an alert: nothing of it is left. Ended before is as good.
    ///
    /// # Errors
    /// The first step that failed: the same call again finishes it.
    pub async fn alert_end(&self, name: &str, id: &AlertId, operation: &Operation) -> Result<()> {
        let Some(setup) = self.found().await? else { return Ok(()) };
        self.alert_remove(&self.ledger(&setup), name, id, None, operation).await
    }

    /// The record says first that it ends, so that nobody changes it any more, and goes last: until then it leads to what is left. With a maker,
    /// only as long as nobody else has gone on with it.
    async fn alert_remove(&self, ledger: &Ledger, name: &str, id: &AlertId, maker: Option<&str>, operation: &Operation) -> Result<()> {
        let is_it = |record: &AlertRecord| record.id == *id && maker.is_none_or(|maker| record.maker == maker);
        let Some((record, etag)) = ledger.alert(name).await?.filter(|(record, _)| is_it(record)) else { return Ok(()) };
        operation.say(&format!("ending {id}"));
        let ending = AlertRecord { ended: true, ..record };
        let etag = ledger.alert_write(&ending, Condition::Unchanged(etag)).await?.ok_or_else(|| changed_meanwhile(name))?;
        self.channels_remove(&ending).await?;
        ledger.told_delete(id).await?;
        if ledger.alert_delete(name, &etag).await? { Ok(()) } else { Err(changed_meanwhile(name)) }
    }

    /// Remembers that somebody keeps an alert, so that nobody adopts it.
    ///
    /// # Errors
    /// If it cannot be written; nothing is lost by that, and the next one who looks tries again.
    pub async fn alert_keep(&self, name: &str, id: &AlertId) -> Result<()> {
        let ledger = self.ledger(&self.warm().await?);
        let found = ledger.alert(name).await?.filter(|(record, _)| record.id == *id);
        let Some((record, etag)) = found.filter(|(record, _)| !record.is_kept) else { return Ok(()) };
        let kept = AlertRecord { is_kept: true, ..record };
        ledger.alert_write(&kept, Condition::Unchanged(etag)).await?.map(drop).ok_or_else(|| changed_meanwhile(name))
    }

    /// Looks at an alert; nothing if it is not there any more.
    ///
    /// # Errors
    /// If the bucket, SNS or Systems Manager cannot be read.
    pub async fn alert_look(&self, name: &str) -> Result<Option<AlertLook>> {
        let Some(setup) = self.found().await? else { return Ok(None) };
        let ledger = self.ledger(&setup);
        match ledger.alert(name).await? {
            Some((record, _)) => self.alert_seen(&ledger, record).await.map(Some),
            None => Ok(None),
        }
    }

    async fn alert_seen(&self, ledger: &Ledger, record: AlertRecord) -> Result<AlertLook> {
        let (channels, told) = join!(self.channels_seen(&record), ledger.told(&record.id));
        // Of one that is being ended nothing is remembered.
        let (channels, told) = (channels?, told?.unwrap_or_default());
        let pending = channels.unconfirmed(&record);
        Ok(AlertLook { seen: channels.seen(&record), topic_arn: channels.topic_arn, pending, told, record })
    }

    /// The alert with an id or a name.
    ///
    /// # Errors
    /// `NoSuchAlert`.
    pub async fn alert_find(&self, id_or_name: &str) -> Result<AlertLook> {
        if AlertId::parse(id_or_name).is_none() {
            return self.alert_look(id_or_name).await?.ok_or_else(|| no_such_alert(id_or_name));
        }
        let (alerts, _) = self.alerts().await?;
        alerts.into_iter().find(|alert| alert.record.id.as_str() == id_or_name).ok_or_else(|| no_such_alert(id_or_name))
    }

    /// Every alert, and what is wrong with those that cannot be looked at.
    ///
    /// # Errors
    /// If the bucket cannot be read.
    pub async fn alerts(&self) -> Result<(Vec<AlertLook>, Vec<Error>)> {
        let Some(setup) = self.found().await? else { return Ok((Vec::new(), Vec::new())) };
        let names = self.ledger(&setup).alert_names().await?;
        let looks = stream::iter(names).map(|name| async move { self.alert_look(&name).await.map_err(|error| error.context(&name)) });
        let looks: Vec<Result<Option<AlertLook>>> = looks.buffered(LOOKS_AT_ONCE).collect().await;
        let (mut alerts, mut errors) = (Vec::new(), Vec::new());
        for look in looks {
            match look {
                Ok(look) => alerts.extend(look),
                Err(error) => errors.push(error),
            }
        }
        Ok((alerts, errors))
    }

    /// Has an alert tell by every channel that it is tested. What tells comes by within two minutes.
    ///
    /// # Errors
    /// `NoSuchAlert`.
    pub async fn alert_test(&self, id_or_name: &str) -> Result<Occurrence> {
        let ledger = self.ledger(&self.warm().await?);
        let record = self.alert_find(id_or_name).await?.record;
        let now = whole_second(self.now());
        let about = hex::encode(engine::random());
        let test = Happened { kind: AlertKind::Test, about, fleet: None, run: None, message: test_message(&record) };
        let told = ledger.told_edit(&record.id, |told| told.note(&record, [test.clone()], now)).await?;
        told.and_then(|told| told.occurrences.into_iter().next_back()).ok_or_else(|| no_such_alert(id_or_name))
    }

    pub(crate) fn topic_arn(&self, record: &AlertRecord) -> String {
        let partition = Names::new(&record.account, &record.region).partition();
        format!("arn:{partition}:sns:{}:{}:{}", record.region, record.account, spawn_model::layout::topic_name(&record.id))
    }
}

impl Setup {
    /// The function that looks every two minutes, for whoever needs that it does `what`.
    ///
    /// # Errors
    /// `SetupOld` if the set-up was made before there was one, or without its program.
    pub(crate) fn watcher(&self, what: &str) -> Result<&str> {
        self.watcher_arn.as_deref().ok_or_else(|| {
            let message = format!("the set-up has no function that {what}");
            let help = "Run `spawn setup` again with spawn-watcher beside the agents (see SPAWN_ARTIFACTS): it adds what is missing";
            Error::new(Class::Invalid, "SetupOld", message, help)
        })
    }
}
