//! The backend of a stepped turn. What it says was written before; it asks for no memory while it speaks.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\
                    connection: close\r\n\r\n";
const BEGIN: &str = concat!(
    "event: response.created\n",
    "data: {\"type\":\"response.created\",\"response\":{\"id\":\"resp_1\"}}\n\n",
    "event: response.output_item.added\n",
    "data: {\"type\":\"response.output_item.added\",\"item\":{\"type\":\"message\",\"role\":\"assistant\",",
    "\"id\":\"msg_1\",\"content\":[]}}\n\n",
);
/// With an escape, as every line break is one.
const DELTA: &str = concat!(
    "event: response.output_text.delta\n",
    "data: {\"type\":\"response.output_text.delta\",\"content_index\":0,\"delta\":\" word\\n\",",
    "\"item_id\":\"msg_1\",\"logprobs\":[],\"output_index\":0,\"sequence_number\":7}\n\n",
);
const END: &str = concat!(
    "event: response.output_item.done\n",
    "data: {\"type\":\"response.output_item.done\",\"item\":{\"type\":\"message\",\"role\":\"assistant\",",
    "\"id\":\"msg_1\",\"content\":[{\"type\":\"output_text\",\"text\":\"Done.\"}]}}\n\n",
    "event: response.completed\n",
    "data: {\"type\":\"response.completed\",\"response\":{\"id\":\"resp_1\",\"usage\":{\"input_tokens\":100,",
    "\"output_tokens\":20,\"total_tokens\":120}}}\n\n",
);
/// Behind the last chunk.
const LAST: &str = "0\r\n\r\n";

/// A backend on a port of its own. It ends with the process.
pub(super) struct Backend {
    base_url: String,
    steps: SyncSender<Step>,
}

enum Step {
    More,
    NoMore,
}

impl Backend {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let base_url = format!("http://{}/v1", listener.local_addr().expect("a listener has an address"));
        // Of this kind, a channel has its memory from the start.
        let (steps, told) = sync_channel(1);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // Who went away while it was spoken to needs no more.
                let _ = serve(&stream, &told);
            }
        });
        Self { base_url, steps }
    }

    pub(super) fn base_url(&self) -> &str {
        &self.base_url
    }

    pub(super) fn say_more(&self) {
        self.steps.send(Step::More).expect("the backend lives as long as the process");
    }

    pub(super) fn say_no_more(&self) {
        self.steps.send(Step::NoMore).expect("the backend lives as long as the process");
    }
}

/// Answers the one request of a connection.
fn serve(mut stream: &TcpStream, steps: &Receiver<Step>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    read_request(stream)?;
    let [begin, delta, end] = [BEGIN, DELTA, END].map(|text| format!("{:x}\r\n{text}\r\n", text.len()));
    stream.write_all([HEAD, &begin].concat().as_bytes())?;
    while let Ok(Step::More) = steps.recv() {
        stream.write_all(delta.as_bytes())?;
    }
    stream.write_all([&end, LAST].concat().as_bytes())
}

fn read_request(stream: &TcpStream) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let line = line.trim_end().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().map_err(std::io::Error::other)?;
        }
        if line.is_empty() {
            break;
        }
    }
    reader.read_exact(&mut vec![0; length])
}
