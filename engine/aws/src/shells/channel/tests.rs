//! The channel on a wire in memory, and at the other end an agent that does what a test tells it. Time stands still unless all wait.

use tokio::io::{DuplexStream, duplex};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::*;
use crate::shells::socket::Wire;

const WIRE_BYTES: usize = 64 * 1024;

/// The agent, with the service between it and us.
struct Agent(WebSocketStream<DuplexStream>);

impl Agent {
    async fn say(&mut self, kind: &str, number: i64, payload_kind: u32, payload: &[u8]) {
        let mut frame = Frame::input(number, payload_kind, payload.to_vec());
        kind.clone_into(&mut frame.kind);
        self.0.send(Message::binary(frame.write())).await.unwrap();
    }

    async fn show(&mut self, number: i64, shown: &str) {
        self.say(kind::OUTPUT, number, payload::BYTES, shown.as_bytes()).await;
    }

    async fn acknowledge(&mut self, frame: &Frame) {
        self.0.send(Message::binary(Frame::acknowledgement(frame).write())).await.unwrap();
    }

    async fn close(&mut self, words: &str) {
        self.say(kind::CLOSED, 0, 0, json!({ "Output": words }).to_string().as_bytes()).await;
    }

    /// The next frame that is no acknowledgement.
    async fn typed(&mut self) -> Frame {
        loop {
            if let Message::Binary(bytes) = self.0.next().await.unwrap().unwrap() {
                let frame = Frame::read(&bytes).unwrap();
                if frame.kind == kind::INPUT {
                    return frame;
                }
            }
        }
    }

    /// The numbers of its frames that are acknowledged until the wire ends.
    async fn acknowledged(mut self) -> Vec<i64> {
        let mut numbers = Vec::new();
        while let Some(Ok(message)) = self.0.next().await {
            numbers.extend(Frame::read(&message.into_data()).ok().and_then(|frame| frame.acknowledged()));
        }
        numbers
    }
}

async fn wire(bytes: usize) -> (Socket, Agent) {
    let (here, there) = duplex(bytes);
    let here: Box<dyn Wire> = Box::new(here);
    let here = WebSocketStream::from_raw_socket(here, Role::Client, None).await;
    (here, Agent(WebSocketStream::from_raw_socket(there, Role::Server, None).await))
}

/// A channel whose agent has no more to say for its handshake; its next frame is number 1.
async fn opened(bytes: usize) -> (Channel, Agent) {
    let (socket, mut agent) = wire(bytes).await;
    let (channel, ()) = tokio::join!(Channel::over(socket, "token"), async {
        let Message::Text(introduction) = agent.0.next().await.unwrap().unwrap() else { panic!("no introduction") };
        assert!(introduction.contains(r#""TokenValue":"token""#), "{introduction}");
        agent.say(kind::OUTPUT, 0, payload::HANDSHAKE_COMPLETE, b"{}").await;
    });
    (channel.unwrap(), agent)
}

/// Does something while the channel waits for output, which does not end it.
async fn while_receiving<T>(channel: &mut Channel, what: impl Future<Output = T>) -> T {
    let receiving = async {
        loop {
            let came = channel.receive().await.unwrap();
            assert!(matches!(came, FromTerminal::Output(_)), "{came:?}");
        }
    };
    tokio::select! {
        done = what => done,
        () = receiving => unreachable!(),
    }
}

fn output(shown: &str) -> FromTerminal {
    FromTerminal::Output(shown.as_bytes().to_vec())
}

#[tokio::test(start_paused = true)]
async fn output_is_in_order_once_and_without_what_cannot_be_read() {
    let (mut channel, mut agent) = opened(WIRE_BYTES).await;
    agent.show(2, "second").await;
    agent.0.send(Message::binary(vec![0; 200])).await.unwrap();
    agent.say("pause_publication", 0, 0, b"").await;
    agent.show(1, "first").await;
    agent.show(1, "first").await;
    agent.show(3, "third").await;
    for expected in ["first", "second", "third"] {
        assert_eq!(channel.receive().await, Ok(output(expected)));
    }
    channel.send(b"still").await.unwrap();
    assert_eq!(agent.typed().await.payload, b"still");
    agent.show(3, "third").await;
    agent.close("  bye\n").await;
    assert_eq!(channel.receive().await, Ok(FromTerminal::Closed("bye".to_owned())));
}

#[tokio::test(start_paused = true)]
async fn all_that_can_be_read_is_acknowledged() {
    let (mut channel, mut agent) = opened(WIRE_BYTES).await;
    let mut broken = Frame::input(1, payload::BYTES, b"half".to_vec()).write();
    broken.pop();
    agent.0.send(Message::binary(broken)).await.unwrap();
    for number in [2, 1, 1] {
        agent.show(number, "shown").await;
    }
    agent.close("").await;
    while channel.receive().await.unwrap() != FromTerminal::Closed(String::new()) {}
    drop(channel);
    assert_eq!(agent.acknowledged().await, [0, 2, 1, 1]);
}

#[tokio::test(start_paused = true)]
async fn input_is_sent_until_it_is_acknowledged() {
    let (mut channel, mut agent) = opened(WIRE_BYTES).await;
    channel.send(b"ls\n").await.unwrap();
    while_receiving(&mut channel, async {
        let first = agent.typed().await;
        assert_eq!((first.number, first.payload.as_slice()), (0, &b"ls\n"[..]));
        for _ in 0..3 {
            assert_eq!(agent.typed().await, first);
        }
        agent.acknowledge(&first).await;
        assert!(timeout(Duration::from_secs(30), agent.typed()).await.is_err(), "it was acknowledged");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_acknowledges_nothing_is_given_up_and_a_slow_one_is_not() {
    let (mut channel, mut agent) = opened(WIRE_BYTES).await;
    for line in ["a\n", "b\n", "c\n"] {
        channel.send(line.as_bytes()).await.unwrap();
    }
    while_receiving(&mut channel, async {
        for number in 0..2 {
            let mut frame = agent.typed().await;
            let late = Instant::now() + LOST_AFTER / 2;
            while Instant::now() < late {
                timeout(Duration::from_secs(1), agent.typed()).await.ok();
            }
            frame.number = number;
            agent.acknowledge(&frame).await;
        }
    })
    .await;
    let since = Instant::now();
    let error = tokio::select! {
        came = channel.receive() => came.unwrap_err(),
        _ = async { loop { agent.typed().await; } } => unreachable!(),
    };
    assert_eq!((error.code.as_str(), since.elapsed()), ("ChannelBroken", LOST_AFTER));
}

#[tokio::test(start_paused = true)]
async fn both_sides_may_write_at_once() {
    const FRAMES: usize = 3_000;
    let (mut channel, mut agent) = opened(4096).await;
    let typed = vec![b'x'; 4 * TYPED_BYTES];
    let here = async {
        for _ in 0..FRAMES / 4 {
            channel.send(&typed).await.unwrap();
            assert!(channel.unacknowledged.len() <= TYPED_AHEAD);
        }
        for _ in 0..FRAMES {
            assert_eq!(channel.receive().await, Ok(FromTerminal::Output(typed[..TYPED_BYTES].to_vec())));
        }
        assert_eq!(channel.receive().await, Ok(FromTerminal::Closed("done".to_owned())));
    };
    let there = async {
        // It reads nothing before all of this was taken.
        for number in 1..=i64::try_from(FRAMES).unwrap() {
            agent.say(kind::OUTPUT, number, payload::BYTES, &[b'x'; TYPED_BYTES]).await;
        }
        for number in 0..i64::try_from(FRAMES).unwrap() {
            let frame = agent.typed().await;
            assert_eq!(frame.number, number);
            agent.acknowledge(&frame).await;
        }
        agent.close("done").await;
    };
    timeout(Duration::from_secs(600), async { tokio::join!(here, there) }).await.expect("neither waits for the other");
}

#[tokio::test(start_paused = true)]
async fn silence_is_broken_or_the_channel_is() {
    let (mut channel, mut agent) = opened(WIRE_BYTES).await;
    let since = Instant::now();
    while_receiving(&mut channel, async {
        // Each is answered when the next is waited for.
        for minutes in 1..=3 {
            while !matches!(agent.0.next().await.unwrap().unwrap(), Message::Ping(_)) {}
            assert_eq!(since.elapsed().as_secs(), minutes * 60);
        }
    })
    .await;
    let error = channel.receive().await.unwrap_err();
    assert_eq!((error.code.as_str(), since.elapsed().as_secs()), ("ChannelBroken", 120 + 180));
    assert!(error.message.contains("180 s"), "{}", error.message);
}

#[tokio::test(start_paused = true)]
async fn a_refused_session_is_an_error_with_the_agents_words() {
    let (socket, mut agent) = wire(WIRE_BYTES).await;
    let (channel, ()) = tokio::join!(Channel::over(socket, "token"), async {
        let request = json!({ "RequestedClientActions": [{ "ActionType": "KMSEncryption", "ActionParameters": {} }] });
        agent.say(kind::OUTPUT, 0, payload::HANDSHAKE_REQUEST, request.to_string().as_bytes()).await;
        let response = agent.typed().await;
        assert_eq!(response.payload_kind, payload::HANDSHAKE_RESPONSE);
        agent.acknowledge(&response).await;
        agent.close("KMSEncryption failed on client").await;
    });
    let error = channel.err().unwrap();
    assert_eq!((error.class, error.code.as_str()), (Class::Denied, "SessionRefused"));
    assert!(error.message.ends_with("KMSEncryption failed on client"), "{}", error.message);
}

#[tokio::test(start_paused = true)]
async fn what_comes_with_the_handshake_is_shown() {
    for (first, shown) in [
        ((payload::HANDSHAKE_COMPLETE, &br#"{"CustomerMessage":"Be careful"}"#[..]), &["Be careful\r\n", "$ "][..]),
        ((payload::HANDSHAKE_COMPLETE, br#"{"CustomerMessage":""}"#), &["$ "]),
        ((payload::BYTES, b"old$ "), &["old$ ", "$ "]),
    ] {
        let (socket, mut agent) = wire(WIRE_BYTES).await;
        agent.say(kind::OUTPUT, 0, first.0, first.1).await;
        agent.show(1, "$ ").await;
        let mut channel = Channel::over(socket, "token").await.unwrap();
        for expected in shown {
            assert_eq!(channel.receive().await, Ok(output(expected)));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_websocket_that_ends_without_a_word_is_broken() {
    let (mut channel, agent) = opened(WIRE_BYTES).await;
    drop(agent);
    assert_eq!(channel.receive().await.unwrap_err().code, "ChannelBroken");
}
