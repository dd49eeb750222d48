//! Things that a confined command tries, one per name, from a program that needs no other to be installed. Says
//! `done` or why not.

use std::io::{self, Write as _};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::process::ExitCode;

use rustix::fs::XattrFlags;
use rustix::net::{AddressFamily, SocketType, netlink};
use rustix::process::{Pid, test_kill_process};

pub(crate) const ROLE: &str = "attempt";

pub(crate) fn main(mut arguments: impl Iterator<Item = String>) -> ExitCode {
    let (name, on) = (arguments.next().unwrap(), arguments.next().unwrap_or_default());
    match attempt(&name, &on) {
        Ok(()) => println!("done"),
        Err(error) => println!("{error}"),
    }
    ExitCode::SUCCESS
}

fn attempt(name: &str, on: &str) -> io::Result<()> {
    let socket = |family, kind, protocol| rustix::net::socket(family, kind, protocol).map(drop).map_err(Into::into);
    match name {
        "tcp4" => TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map(drop),
        "tcp6" => TcpListener::bind("[::1]:0").map(drop),
        "udp" => UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).map(drop),
        "raw" => socket(AddressFamily::INET, SocketType::RAW, Some(rustix::net::ipproto::ICMP)),
        "netlink" => socket(AddressFamily::NETLINK, SocketType::RAW, None),
        "audit" => socket(AddressFamily::NETLINK, SocketType::RAW, Some(netlink::AUDIT)),
        "packet" => socket(AddressFamily::PACKET, SocketType::RAW, None),
        "vsock" => socket(AddressFamily::VSOCK, SocketType::STREAM, None),
        "unix" => UnixStream::connect(on).map(drop),
        "listen" => UnixListener::bind(on).map(drop),
        "abstract" => {
            let address = rustix::net::SocketAddrUnix::new_abstract_name(on.as_bytes())?;
            let socket = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None)?;
            Ok(rustix::net::connect(socket, &address)?)
        }
        "pair" => UnixStream::pair().and_then(|(mut one, _two)| one.write_all(b"x")),
        "datagrams" => UnixDatagram::pair().and_then(|(one, _two)| one.send_to(b"x", on)).map(drop),
        "signal" => Ok(test_kill_process(Pid::from_raw(on.parse().unwrap()).unwrap())?),
        "xattr" => Ok(rustix::fs::setxattr(on, "user.test", b"x", XattrFlags::empty())?),
        "pty" => rustix::pty::openpt(rustix::pty::OpenptFlags::RDWR).map(drop).map_err(Into::into),
        _ => Err(io::Error::other("there is no such attempt")),
    }
}
