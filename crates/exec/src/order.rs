//! What host and helpers say to each other over their socket: one order with the command's three descriptors, then
//! [`TERMINATE`] one way and lines of [`Report`] the other.

use std::ffi::OsString;
use std::io::{self, IoSlice, IoSliceMut, Read as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
};
use serde::{Deserialize, Serialize};

use crate::spec::{Exit, Limits};

/// The command, as it travels. It never goes through arguments or variables, which other users can read.
#[derive(Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) argv: Vec<OsString>,
    pub(crate) cwd: OsString,
    pub(crate) env: Vec<(OsString, OsString)>,
    /// Whether the descriptors are a terminal that the command shall control.
    pub(crate) terminal: bool,
    pub(crate) confinement: Option<Confinement>,
    /// How many files it may have open, if that is not what the host may.
    pub(crate) open_files: Option<u64>,
}

/// The limits of a command, and the means that are known to work here.
#[derive(Serialize, Deserialize)]
pub(crate) struct Confinement {
    pub(crate) limits: Limits,
    /// Whether mount namespaces can be had. If so, failing to get one is an error.
    pub(crate) mounts: bool,
}

/// What the host asks of a supervisor. The end of the stream asks, too: for the end of everything, at once.
pub(crate) const TERMINATE: u8 = b't';

/// What a supervisor tells.
#[derive(Serialize, Deserialize)]
pub(crate) enum Report {
    /// The program runs, or has failed to by 126 or 127.
    Started,
    /// It was not started, because of this.
    Refused(String),
    /// The command itself ended; what it started may go on.
    Exited(Exit),
}

impl Report {
    pub(crate) fn line(&self) -> io::Result<Vec<u8>> {
        let mut line = serde_json::to_vec(self)?;
        line.push(b'\n');
        Ok(line)
    }
}

/// Sends descriptors, with one byte as every message must have some.
pub(crate) fn send_descriptors(socket: impl AsFd, descriptors: [BorrowedFd<'_>; 3]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    control.push(SendAncillaryMessage::ScmRights(&descriptors));
    rustix::net::sendmsg(socket, &[IoSlice::new(&[0])], &mut control, SendFlags::empty())?;
    Ok(())
}

/// The order as it follows the descriptors: its length and its text.
pub(crate) fn frame(text: &[u8]) -> io::Result<Vec<u8>> {
    let length = u32::try_from(text.len()).map_err(|_too_long| io::ErrorKind::InvalidInput)?;
    Ok([&length.to_be_bytes(), text].concat())
}

/// Receives what [`send_descriptors`] and [`frame`] make.
pub(crate) fn receive(socket: &UnixStream) -> io::Result<(Vec<u8>, [OwnedFd; 3])> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    #[cfg(target_os = "linux")]
    let flags = RecvFlags::CMSG_CLOEXEC;
    #[cfg(not(target_os = "linux"))]
    let flags = RecvFlags::empty();
    rustix::net::recvmsg(socket, &mut [IoSliceMut::new(&mut [0])], &mut control, flags)?;
    let rights = control.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
        _ => None,
    });
    let descriptors: Vec<OwnedFd> = rights.flatten().collect();
    let descriptors = descriptors.try_into().map_err(|_fewer| io::ErrorKind::UnexpectedEof)?;

    let mut length = [0; 4];
    let mut socket = socket;
    socket.read_exact(&mut length)?;
    let mut text = vec![0; u32::from_be_bytes(length) as usize];
    socket.read_exact(&mut text)?;
    Ok((text, descriptors))
}
