//! A way to an endpoint on which some requests get a parameter more.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The URL of a way to `upstream` (host and port) on which `addition` is appended to each body that contains `marker`.
pub(crate) async fn forward(upstream: String, marker: &'static str, addition: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(pass(client, upstream.clone(), marker, addition));
        }
    });
    format!("http://{address}")
}

/// Passes one request on and its answer back, and closes.
async fn pass(mut client: TcpStream, upstream: String, marker: &str, addition: &str) {
    let Some((head, mut body)) = read_request(&mut client).await else { return };
    if String::from_utf8_lossy(&body).contains(marker) {
        body.extend_from_slice(addition.as_bytes());
    }
    let kept = head.lines().filter(|line| !header(line, "content-length") && !header(line, "connection"));
    let mut request = kept.collect::<Vec<_>>().join("\r\n");
    request.push_str(&format!("\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len()));
    let mut server = TcpStream::connect(upstream).await.expect("the endpoint");
    server.write_all(request.as_bytes()).await.expect("it listens");
    server.write_all(&body).await.expect("it listens");
    tokio::io::copy(&mut server, &mut client).await.expect("an answer passed on");
}

/// A request's head without its empty line, and its body.
async fn read_request(client: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut read = Vec::new();
    let head_end = loop {
        if let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        if client.read_buf(&mut read).await.ok()? == 0 {
            return None;
        }
    };
    let mut body = read.split_off(head_end + 4);
    read.truncate(head_end);
    let head = String::from_utf8(read).ok()?;
    let length = head.lines().find(|line| header(line, "content-length")).and_then(|line| line.split_once(':'));
    let length: usize = length.map_or(Some(0), |(_, length)| length.trim().parse().ok())?;
    while body.len() < length {
        if client.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    Some((head, body))
}

fn header(line: &str, name: &str) -> bool {
    line.split_once(':').is_some_and(|(key, _)| key.eq_ignore_ascii_case(name))
}
