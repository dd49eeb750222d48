//! The floor of the Linux sandbox: which folders may be written, and that other processes are out of reach.

use std::io;
use std::os::fd::BorrowedFd;

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, LandlockStatus, PathBeneath, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetStatus, Scope, path_beneath_rules,
};

use crate::order::Confinement;
use crate::sandbox::linux::open_real;

/// The newest version whose rights were thought through here. An older kernel does what it can.
const VERSION: ABI = ABI::V9;

/// Devices that are harmless to write to, for when there is no `/dev` of our own.
const DEVICES: [&str; 6] = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"];

/// Restricts this process for good. Says whether signals are kept inside, which kernels before 6.12 cannot.
pub(super) fn restrict(confinement: &Confinement, terminal: Option<BorrowedFd<'_>>) -> io::Result<bool> {
    let limits = &confinement.limits;
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(VERSION))
        .and_then(|ruleset| ruleset.scope(Scope::from_all(VERSION)))
        .map_err(io::Error::other)?;
    if !limits.network {
        ruleset = ruleset.handle_access(AccessNet::from_all(VERSION)).map_err(io::Error::other)?;
    }
    let devices = if confinement.mounts { &["/dev"][..] } else { &DEVICES };
    let mut ruleset = ruleset
        .create()
        .and_then(|ruleset| ruleset.add_rules(path_beneath_rules(["/"], AccessFs::from_read(VERSION))))
        .and_then(|ruleset| ruleset.add_rules(path_beneath_rules(devices, AccessFs::from_all(VERSION))))
        .map_err(io::Error::other)?;
    for path in &limits.writable {
        if let Some(real) = open_real(path)? {
            let rights = if path.is_dir() { AccessFs::from_all(VERSION) } else { AccessFs::from_file(VERSION) };
            ruleset = ruleset.add_rule(PathBeneath::new(real, rights)).map_err(io::Error::other)?;
        }
    }
    if let Some(terminal) = terminal {
        // For `/dev/stdout` and its like, which lead to the terminal as the host sees it.
        let rights = AccessFs::from_file(VERSION) & !AccessFs::Execute;
        ruleset = ruleset.add_rule(PathBeneath::new(terminal, rights)).map_err(io::Error::other)?;
    }
    let status = ruleset.restrict_self().map_err(io::Error::other)?;
    match status.landlock {
        LandlockStatus::Available { effective_abi, .. } if status.ruleset != RulesetStatus::NotEnforced => {
            Ok(effective_abi >= ABI::V6)
        }
        _ => Err(io::Error::other("this kernel does not have it, or has it switched off")),
    }
}
