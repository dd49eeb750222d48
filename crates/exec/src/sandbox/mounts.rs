//! A view of the file system of the command's own: everything read-only but what is writable, a `/dev` of harmless
//! devices, and nothing to see where something is hidden. The host's view is not changed by any of it.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::{OpenOptionsExt as _, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::mount::{
    MountFlags, MountPropagationFlags, mount, mount_bind, mount_bind_recursive, mount_change, mount_remount,
};
use rustix::thread::UnshareFlags;

use crate::helper::because;
use crate::sandbox::hidden::{self, by_descriptor, settled};
use crate::sandbox::linux::open_real;
use crate::spec::Limits;

const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];
const LINKS: [(&str, &str); 5] = [
    ("/proc/self/fd", "fd"),
    ("/proc/self/fd/0", "stdin"),
    ("/proc/self/fd/1", "stdout"),
    ("/proc/self/fd/2", "stderr"),
    ("pts/ptmx", "ptmx"),
];

const FOLDER_ITSELF: OFlags = OFlags::PATH.union(OFlags::DIRECTORY);

/// Gets mounts and System V IPC of our own; whoever is not root gets a user namespace first, in which ids stay what
/// they are.
pub(super) fn enter_namespaces() -> io::Result<()> {
    let own = UnshareFlags::NEWNS | UnshareFlags::NEWIPC;
    if unshare(own).is_ok() {
        return Ok(());
    }
    let (user, group) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    unshare(own | UnshareFlags::NEWUSER)?;
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("{user} {user} 1"))?;
    fs::write("/proc/self/gid_map", format!("{group} {group} 1"))
}

#[expect(deprecated, reason = "unsafe only for descriptor tables, which stay shared here")]
fn unshare(what: UnshareFlags) -> rustix::io::Result<()> {
    rustix::thread::unshare(what)
}

/// Arranges the view. The current directory has to be entered anew afterwards.
pub(super) fn arrange(limits: &Limits, terminal: Option<BorrowedFd<'_>>) -> io::Result<()> {
    mount_change("/", MountPropagationFlags::REC | MountPropagationFlags::PRIVATE)
        .map_err(|error| because("private mounts", error))?;
    for path in &limits.writable {
        settled(path.display(), || mount_on_itself(path))?;
    }
    let protected = limits.protected.iter().filter_map(|path| settled(path.display(), || protect(path)).transpose());
    let protected = protected.collect::<io::Result<Vec<_>>>()?;
    let is_writable = |path: &Path| deepest(&limits.writable, path) > deepest(&protected, path);
    for mounted in mounted()? {
        if !is_writable(&mounted.at) && !mounted.flags.contains(MountFlags::RDONLY) {
            make_read_only(&mounted)?;
        }
    }
    own_devices(terminal).map_err(|error| because("/dev", error))?;
    hidden::hide(&limits.hidden, is_writable)
}

/// Makes a mount of a writable path, if it is there.
fn mount_on_itself(path: &Path) -> io::Result<()> {
    let Some(real) = open_real(path)? else { return Ok(()) };
    let real = by_descriptor(&real);
    Ok(mount_bind_recursive(&real, &real)?)
}

/// Makes a mount of a protected path, if it is there. Returns what it is called without symbolic links.
fn protect(path: &Path) -> io::Result<Option<PathBuf>> {
    let Ok(real) = path.canonicalize() else { return Ok(None) };
    mount_bind_recursive(&real, &real)?;
    Ok(Some(real))
}

/// How deep the deepest of the folders is that a path is in, if it is in any.
fn deepest(folders: &[PathBuf], path: &Path) -> Option<usize> {
    folders.iter().filter(|folder| path.starts_with(folder)).map(|folder| folder.components().count()).max()
}

/// A mount, and those of its flags that have to be named again when it is changed.
struct Mounted {
    at: PathBuf,
    flags: MountFlags,
}

fn mounted() -> io::Result<Vec<Mounted>> {
    let table = fs::read("/proc/self/mountinfo").map_err(|error| because("/proc", error))?;
    Ok(table.split(|byte| *byte == b'\n').filter_map(Mounted::parse).collect())
}

impl Mounted {
    /// Reads a line like `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw`.
    fn parse(line: &[u8]) -> Option<Self> {
        let mut fields = line.split(|byte| *byte == b' ').skip(4);
        let at = OsString::from_vec(unescape(fields.next()?)).into();
        let flags = fields.next()?.split(|byte| *byte == b',').map(|option| match option {
            b"ro" => MountFlags::RDONLY,
            b"nosuid" => MountFlags::NOSUID,
            b"nodev" => MountFlags::NODEV,
            b"noexec" => MountFlags::NOEXEC,
            b"noatime" => MountFlags::NOATIME,
            b"nodiratime" => MountFlags::NODIRATIME,
            b"relatime" => MountFlags::RELATIME,
            _ => MountFlags::empty(),
        });
        Some(Self { at, flags: flags.collect() })
    }
}

/// Blanks, tabs, line ends and backslashes are written as three octal digits.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [first, after @ ..] = rest {
        let octal = after.get(..3).filter(|_| *first == b'\\').and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = octal.and_then(|digits| u8::from_str_radix(digits, 8).ok());
        plain.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &after[3..] } else { after };
    }
    plain
}

fn make_read_only(mounted: &Mounted) -> io::Result<()> {
    let below = mounted.at != Path::new("/");
    match mount_remount(&mounted.at, mounted.flags | MountFlags::BIND | MountFlags::RDONLY, c"") {
        Ok(()) => Ok(()),
        // Out of reach by its path, below another mount or in a folder that is closed to us; so for the command, too.
        Err(Errno::INVAL | Errno::NOENT | Errno::NOTDIR | Errno::ACCESS) if below => Ok(()),
        Err(error) => Err(because(&format!("{} cannot be made read-only", mounted.at.display()), error)),
    }
}

/// Replaces `/dev`: no disks, no memory, no terminals of others, and shared memory of the command's own.
fn own_devices(terminal: Option<BorrowedFd<'_>>) -> io::Result<()> {
    let quiet = MountFlags::NOSUID | MountFlags::NOEXEC;
    let dev = Path::new("/dev");
    let host = OpenOptions::new().read(true).custom_flags(FOLDER_ITSELF.bits().cast_signed()).open(dev)?;
    let host = by_descriptor(&host);
    let console = terminal.map(|terminal| rustix::termios::ttyname(terminal, Vec::new())).transpose()?;
    mount("tmpfs", dev, "tmpfs", quiet, c"mode=755,size=64k")?;
    for name in DEVICES {
        bind_device(&host.join(name), &dev.join(name))?;
    }
    if let Some(console) = console {
        // Who asks for the terminal's name finds it there, as its own name is taken by the fresh ones.
        let name = PathBuf::from(OsString::from_vec(console.into_bytes()));
        bind_device(&host.join(name.strip_prefix(dev).map_err(io::Error::other)?), &dev.join("console"))?;
    }
    for (target, name) in LINKS {
        symlink(target, dev.join(name))?;
    }
    let (terminals, memory) = (dev.join("pts"), dev.join("shm"));
    fs::create_dir(&terminals)?;
    mount("devpts", &terminals, "devpts", quiet, c"newinstance,ptmxmode=0666,mode=620")?;
    fs::create_dir(&memory)?;
    mount("tmpfs", &memory, "tmpfs", quiet | MountFlags::NODEV, c"mode=1777")?;
    Ok(mount_remount(dev, quiet | MountFlags::BIND | MountFlags::RDONLY, c"")?)
}

fn bind_device(source: &Path, target: &Path) -> io::Result<()> {
    File::create(target)?;
    Ok(mount_bind(source, target)?)
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use rustix::mount::MountFlags;

    use super::{Mounted, deepest};

    #[test]
    fn a_line_of_the_mount_table_is_read() {
        let line = br"36 35 98:0 / /mnt/my\040disk\134 rw,nosuid,relatime master:1 - ext3 /dev/root rw,errors=continue";
        let mounted = Mounted::parse(line).unwrap();
        assert_eq!(mounted.at.to_str(), Some(r"/mnt/my disk\"));
        assert_eq!(mounted.flags, MountFlags::NOSUID | MountFlags::RELATIME);
        assert!(Mounted::parse(b"").is_none());
    }

    #[test]
    fn the_deepest_folder_counts_and_names_are_whole() {
        let folders = ["/a".into(), "/a/b".into()];
        assert_eq!(deepest(&folders, "/a/b/c".as_ref()), Some(3));
        assert_eq!(deepest(&folders, "/a/bc".as_ref()), Some(2));
        assert_eq!(deepest(&folders, "/ab".as_ref()), None);
        assert!(deepest(&folders, "/ab".as_ref()) < deepest(&folders, "/a".as_ref()));
    }
}
