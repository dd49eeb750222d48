//! What goes in and what comes out: pipes, terminals, pressure, budgets.

use pretty_assertions::assert_eq;
use valet_exec::{Chunk, Exit, OutputBudget, Size, Stdio, Stream};

use crate::harness::{program, read, run, sh, soon, start, until};

crate::harness::tests![
    what_is_written_is_read_until_it_is_closed,
    without_stdin_there_is_nothing_to_read_and_nowhere_to_write,
    output_comes_as_it_is_written_and_in_order,
    a_command_that_nobody_reads_is_held_back_and_loses_nothing,
    output_that_is_dropped_breaks_the_pipe,
    a_terminal_is_a_terminal,
    a_terminal_has_its_size_and_changes_it,
    a_terminal_takes_keys,
    a_budget_keeps_both_ends,
    a_budget_cuts_between_characters,
    a_budget_survives_what_is_no_text,
];

const PTY: Stdio = Stdio::Pty(Size { rows: 24, cols: 80 });

async fn what_is_written_is_read_until_it_is_closed() {
    let mut spec = program(["cat"]);
    spec.stdio = Stdio::Pipes { stdin: true };
    let (running, mut output) = start(spec).await;
    running.write(b"one\n").await.unwrap();
    until(&mut output, "one\n").await;
    running.write(b"two\n").await.unwrap();
    running.close_stdin().await.unwrap();
    assert_eq!(read(output).await.0, "two\n");
    assert_eq!(running.wait().await, Exit::Code(0));
    assert_eq!(running.write(b"three").await.unwrap_err().kind(), std::io::ErrorKind::BrokenPipe);
    assert_eq!(running.resize(Size { rows: 1, cols: 1 }).unwrap_err().kind(), std::io::ErrorKind::Unsupported);
}

async fn without_stdin_there_is_nothing_to_read_and_nowhere_to_write() {
    let (running, output) = start(program(["cat"])).await;
    assert_eq!(running.write(b"x").await.unwrap_err().kind(), std::io::ErrorKind::BrokenPipe);
    assert_eq!(read(output).await.0, "");
}

async fn output_comes_as_it_is_written_and_in_order() {
    let mut spec = sh("echo out; read go; echo err >&2; read go; echo out");
    spec.stdio = Stdio::Pipes { stdin: true };
    let (running, mut output) = start(spec).await;
    let mut chunks = Vec::new();
    while let Some(chunk) = soon(output.recv()).await {
        chunks.push(chunk);
        let _ = running.write(b"go\n").await;
    }
    let expected = [(Stream::Stdout, "out\n"), (Stream::Stderr, "err\n"), (Stream::Stdout, "out\n")];
    let expected = expected.map(|(stream, text)| Chunk { stream, bytes: text.into() });
    assert_eq!(chunks, expected);
}

async fn a_command_that_nobody_reads_is_held_back_and_loses_nothing() {
    const ALL: usize = 100_000_000;
    // Tells on stderr when it is done, which must not be before it was read.
    let (running, mut output) = start(sh(&format!("yes 0123456789abcde | head -c {ALL}; echo done >&2"))).await;
    let (mut seen, mut done_after, mut most) = (0, 0, 0);
    while let Some(chunk) = output.recv().await {
        match chunk.stream {
            Stream::Stdout => {
                assert!(chunk.bytes.iter().zip(seen..).all(|(byte, at)| *byte == b"0123456789abcde\n"[at % 16]));
                seen += chunk.bytes.len();
                most = most.max(output.len());
            }
            Stream::Stderr => done_after = seen,
        }
        tokio::task::yield_now().await;
    }
    assert_eq!((seen, running.wait().await), (ALL, Exit::Code(0)));
    assert!(ALL - done_after < 1_000_000 && most <= 16, "done after {done_after}, {most} waiting");
}

async fn output_that_is_dropped_breaks_the_pipe() {
    let (running, output) = start(program(["yes"])).await;
    drop(output);
    assert_eq!(running.wait().await, Exit::Signal(13));
}

async fn a_terminal_is_a_terminal() {
    let mut spec = sh("tty; test -t 0 && test -t 1 && test -t 2 && echo all; echo direct > /dev/tty; ps -o tty= -p $$");
    spec.stdio = PTY;
    let done = run(spec).await.success();
    assert!(done.starts_with("/dev/") && done.contains("all\r\ndirect\r\n"), "{done:?}");
}

async fn a_terminal_has_its_size_and_changes_it() {
    let mut spec = sh("stty size; trap 'stty size; exit' WINCH; echo ready; while :; do read line; done");
    spec.stdio = PTY;
    let (running, mut output) = start(spec).await;
    assert_eq!(until(&mut output, "ready\r\n").await, "24 80\r\nready\r\n");
    running.resize(Size { rows: 50, cols: 132 }).unwrap();
    until(&mut output, "50 132\r\n").await;
}

async fn a_terminal_takes_keys() {
    let mut spec = program(["cat"]);
    spec.stdio = PTY;
    let (running, mut output) = start(spec.clone()).await;
    running.write(b"hello\n").await.unwrap();
    until(&mut output, "hello\r\nhello\r\n").await;
    running.close_stdin().await.unwrap();
    assert_eq!(soon(running.wait()).await, Exit::Code(0));
    let (running, mut output) = start(spec).await;
    running.write(b"x\n").await.unwrap();
    until(&mut output, "x\r\nx\r\n").await;
    running.write(b"\x03").await.unwrap();
    assert_eq!(soon(running.wait()).await, Exit::Signal(2));
}

async fn a_budget_keeps_both_ends() {
    let mut budget = OutputBudget::tokens(2);
    (0..100).for_each(|number| budget.push(format!("{number:02}").as_bytes()));
    let kept = budget.finish();
    assert_eq!(kept.text, "0001\n[… 192 bytes are left out here …]\n9899");
    assert_eq!(kept.original_tokens, 50);

    let mut budget = OutputBudget::bytes(8);
    budget.push(b"12345678");
    assert_eq!(budget.finish().text, "12345678");
}

async fn a_budget_cuts_between_characters() {
    // Every way of cutting the input into pieces gives the same text.
    let text = "aä€😀".repeat(20);
    for piece in 1..12 {
        for size in 0..24 {
            let mut budget = OutputBudget::bytes(size);
            text.as_bytes().chunks(piece).for_each(|piece| budget.push(piece));
            let kept = budget.finish();
            let [head, tail] = [kept.text.split('\n').next().unwrap(), kept.text.split('\n').next_back().unwrap()];
            assert!(text.starts_with(head) && text.ends_with(tail), "{kept:?}");
            assert!(head.len() <= size / 2 && tail.len() <= size / 2, "{kept:?}");
            let omitted = text.len() - head.len() - tail.len();
            assert!(omitted == 0 || kept.text.contains(&format!(" {omitted} bytes")), "{kept:?}");
        }
    }
}

async fn a_budget_survives_what_is_no_text() {
    let mut budget = OutputBudget::bytes(100);
    budget.push(b"a\xFFb\xE2\x82");
    budget.push(b"\xAC\xE2");
    budget.push(b"c\xF0\x9F");
    assert_eq!(budget.finish().text, "a\u{FFFD}b€\u{FFFD}c\u{FFFD}");
}
