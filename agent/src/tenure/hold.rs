//! Holding a rank: a sign of life, again and again.

use std::time::Duration;

use spawn_model::record::{RankClaim, Service};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::{AGAIN, Held, LOST_AFTER};
use crate::claims::{Claims, Problem, renew};

/// Gives a sign of life every `interval`, and whenever there is something new to say, until one says that the rank is given back. An error says
/// how the rank was lost: to somebody else, or because none was heard for so long that somebody else might have it.
pub(super) async fn hold(
    claims: &impl Claims<u32, RankClaim>,
    held: Held,
    claim: &RankClaim,
    said: &mut watch::Receiver<Service>,
    interval: Duration,
) -> Result<(), String> {
    let Held { rank, mut tag, mut heard_at } = held;
    let mut next = heard_at + interval;
    let mut complaint = String::new();
    loop {
        let lost_at = heard_at + interval * LOST_AFTER;
        let news = async {
            if said.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! { () = sleep_until(next.min(lost_at)) => {}, () = news => {} }
        let service = said.borrow_and_update().clone();
        let is_released = service.released;
        let claim = RankClaim { service: Some(service), ..claim.clone() };
        let sent_at = Instant::now();
        if sent_at >= lost_at {
            return Err(format!("its sign of life was not heard for {} s", (interval * LOST_AFTER).as_secs()));
        }
        let is_own = |found: &RankClaim| found.instance_id == claim.instance_id;
        match timeout_at(lost_at, renew(claims, &rank, &mut tag, &claim, is_own)).await {
            Ok(Ok(())) if is_released => return Ok(()),
            Ok(Ok(())) => {
                (heard_at, next) = (sent_at, sent_at + interval);
                complaint.clear();
            }
            Ok(Err(Problem::Lost(other))) => return Err(format!("{} has taken it over", other.instance_id)),
            Ok(Err(Problem::Unheard(failure))) => {
                next = Instant::now() + interval / AGAIN;
                let problem = failure.to_string();
                if problem != complaint {
                    eprintln!("spored: the sign of life of rank {rank} was not heard: {problem}");
                    complaint = problem;
                }
            }
            Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use crate::failure::Class;
    use crate::tenure::scripted::{Event, Scripted, claim_of};
    use crate::tenure::take;

    const INTERVAL: Duration = Duration::from_secs(30);

    /// Takes rank 0 and holds it. Gives also who says what the signs of life say.
    async fn holding(events: Vec<Event>) -> (Rc<Scripted>, watch::Sender<Service>, impl Future<Output = Result<(), String>>) {
        let claims = Rc::new(Scripted::new(&[], vec![]));
        let held = take(&*claims, &claim_of("i-own"), &mut None, 1, INTERVAL).await.unwrap().unwrap();
        claims.script(events);
        let (says, mut said) = watch::channel(Service::default());
        let scripted = Rc::clone(&claims);
        let holding = async move { hold(&*scripted, held, &claim_of("i-own"), &mut said, INTERVAL).await };
        (claims, says, holding)
    }

    /// How long a rank is held, in seconds, and what ended that.
    async fn ends(events: Vec<Event>) -> (u64, String) {
        let start = Instant::now();
        let (_claims, _says, holding) = holding(events).await;
        let reason = holding.await.unwrap_err();
        (start.elapsed().as_secs(), reason)
    }

    fn failures(count: usize) -> Vec<Event> {
        std::iter::repeat_with(|| Event::Fail(Class::Transient)).take(count).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_lost_to_another_or_when_nothing_is_heard_any_more() {
        let silence = "its sign of life was not heard for 150 s";
        assert_eq!(ends(vec![Event::Heard, Event::Beaten]).await, (60, "i-other has taken it over".to_owned()));
        assert_eq!(ends(failures(1000)).await, (150, silence.to_owned()));
        assert_eq!(ends(vec![Event::Hang]).await, (150, silence.to_owned()));
        let once_heard = [failures(5), vec![Event::Heard], failures(1000)].into_iter().flatten().collect();
        assert_eq!(ends(once_heard).await, (30 + 5 * 5 + 150, silence.to_owned()));
    }

    #[tokio::test(start_paused = true)]
    async fn answers_that_are_lost_and_trouble_that_passes_do_no_harm() {
        let events =
            [vec![Event::LostReply, Event::Unanswered], failures(3), vec![Event::Fail(Class::NotFound), Event::Fail(Class::Rights)]];
        let (claims, _says, holding) = holding(events.into_iter().flatten().collect()).await;
        assert!(tokio::time::timeout(Duration::from_secs(3600), holding).await.is_err());
        assert_eq!(claims.held_by("i-own"), [0]);
        assert!(claims.writes() > 100, "{}", claims.writes());
    }

    #[tokio::test(start_paused = true)]
    async fn news_is_told_at_once_and_the_last_is_that_it_is_given_back() {
        let (claims, says, holding) = holding(vec![]).await;
        let start = Instant::now();
        let telling = async {
            says.send_modify(|says| says.restarts = 3);
            tokio::time::sleep(Duration::from_millis(1)).await;
            assert_eq!((claims.service(0).restarts, claims.service(0).released), (3, false));
            says.send_modify(|says| says.released = true);
        };
        let (ended, ()) = tokio::join!(holding, telling);
        assert_eq!((ended, start.elapsed().as_millis()), (Ok(()), 1));
        assert_eq!((claims.service(0).restarts, claims.service(0).released), (3, true));
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_be_given_back_is_another_s_or_tried_again() {
        for (events, expected) in
            [(vec![Event::Beaten], Err("i-other has taken it over".to_owned())), (failures(2), Ok(())), (vec![Event::LostReply], Ok(()))]
        {
            let (claims, says, holding) = holding(events).await;
            says.send_modify(|says| says.released = true);
            assert_eq!(holding.await, expected);
            assert_eq!(claims.service(0).released, expected.is_ok());
        }
    }
}
