//! The system calls that a confined command is refused. They fail as not permitted; nothing is killed for trying.

use std::collections::BTreeMap;
use std::io;

use libc::c_long;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};

/// What no command needs and what undoes the other layers, or would if the kernel had one more bug.
const REFUSED: &[c_long] = &[
    // Everything, past the filter.
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    // Other processes.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    // The mounts that hide and protect.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_setns,
    libc::SYS_open_by_handle_at,
    // The kernel itself.
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_kexec_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
];

/// `TIOCSTI` and `TIOCLINUX`, the ways to type into a terminal. The C library has them in different types.
const PUSH_INPUT: [u64; 2] = [0x5412, 0x541C];

/// Numbers of the x32 way into an x86-64 kernel: all of the usual ones with this bit, and some of its own.
#[cfg(target_arch = "x86_64")]
const X32: c_long = 0x4000_0000;
#[cfg(target_arch = "x86_64")]
const X32_ONLY: [c_long; 4] = [X32 | 521, X32 | 528, X32 | 539, X32 | 540];

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Puts the filter on, for good. `no_new_privs` is set already.
pub(super) fn restrict(network: bool) -> io::Result<()> {
    let filter = filter(network).map_err(io::Error::other)?;
    seccompiler::apply_filter(&filter).map_err(io::Error::other)
}

fn filter(network: bool) -> Result<BpfProgram, seccompiler::BackendError> {
    let mut rules: Rules = REFUSED.iter().map(|&call| (call, Vec::new())).collect();
    rules.insert(libc::SYS_socket, if network { sockets_but_for_the_network()? } else { Vec::new() });
    rules.insert(libc::SYS_socketpair, loose_pairs()?);
    // The limits of others: a host without CPU time is a dead host.
    rules.insert(libc::SYS_prlimit64, vec![SeccompRule::new(vec![condition(0, SeccompCmpOp::Ne, 0)?])?]);
    rules.insert(libc::SYS_ioctl, PUSH_INPUT.into_iter().map(|request| is(1, request)).collect::<Result<_, _>>()?);
    #[cfg(target_arch = "x86_64")]
    {
        let twins: Vec<_> = rules.iter().map(|(call, rules)| (call | X32, rules.clone())).collect();
        rules.extend(twins);
        rules.extend(X32_ONLY.map(|call| (call, Vec::new())));
    }
    let refuse = SeccompAction::Errno(libc::EPERM.cast_unsigned());
    SeccompFilter::new(rules, SeccompAction::Allow, refuse, std::env::consts::ARCH.try_into()?)?.try_into()
}

/// All but IP, and the questions to the kernel about its interfaces that programs ask before they use IP.
fn sockets_but_for_the_network() -> Result<Vec<SeccompRule>, seccompiler::BackendError> {
    let [inet, inet6, netlink] =
        [libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK].map(|family| family.cast_unsigned().into());
    let strange = [inet, inet6, netlink].map(|family| condition(0, SeccompCmpOp::Ne, family));
    let strange = strange.into_iter().collect::<Result<_, _>>()?;
    let other_netlink = vec![
        condition(0, SeccompCmpOp::Eq, netlink)?,
        condition(2, SeccompCmpOp::Ne, libc::NETLINK_ROUTE.cast_unsigned().into())?,
    ];
    Ok(vec![SeccompRule::new(strange)?, SeccompRule::new(other_netlink)?])
}

/// Pairs whose ends are not tied to each other: a datagram can go from there to any named socket.
fn loose_pairs() -> Result<Vec<SeccompRule>, seccompiler::BackendError> {
    const KIND: u64 = 0xf;
    let datagram = condition(1, SeccompCmpOp::MaskedEq(KIND), libc::SOCK_DGRAM.cast_unsigned().into())?;
    let raw = condition(1, SeccompCmpOp::MaskedEq(KIND), libc::SOCK_RAW.cast_unsigned().into())?;
    Ok(vec![SeccompRule::new(vec![datagram])?, SeccompRule::new(vec![raw])?])
}

fn is(argument: u8, value: u64) -> Result<SeccompRule, seccompiler::BackendError> {
    SeccompRule::new(vec![condition(argument, SeccompCmpOp::Eq, value)?])
}

/// Compares the lower half of an argument, which is all that the kernel looks at in these.
fn condition(argument: u8, how: SeccompCmpOp, value: u64) -> Result<SeccompCondition, seccompiler::BackendError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, how, value)
}
