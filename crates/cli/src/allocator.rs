//! Memory that was needed once goes back to the system.

use std::time::Duration;

use valet_server::Host;

/// How long no turn has run when what they left is given back.
const REST: Duration = Duration::from_secs(5);

/// So many heaps at most. Threads that read and write files come and go, and glibc would give each of them its own.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const MOST_HEAPS: usize = 8;

/// To be called first in `main`: what is allocated before it is not affected.
pub(crate) fn set_up() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let heaps = libc::c_int::try_from(cores.clamp(2, MOST_HEAPS)).unwrap_or(2);
        // SAFETY: it takes two numbers by value, and is sound at any time. A zero says that it was not taken; then all
        // stays as it was.
        #[expect(unsafe_code, reason = "there is no other way to the allocator's settings but the environment")]
        unsafe {
            libc::mallopt(libc::M_ARENA_MAX, heaps);
        }
    }
}

/// Gives back what turns have left free, whenever none has run for a while. By itself glibc keeps what a burst of long
/// answers has needed, hundreds of megabytes of it: what is free is seldom at the end of a heap.
pub(crate) async fn give_back(host: Host) {
    loop {
        host.rested(REST).await;
        trim();
    }
}

/// It takes milliseconds, and holds up whoever allocates.
fn trim() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: it takes a number by value, and is sound at any time.
    #[expect(unsafe_code, reason = "nothing else gives free memory back that lies between what is in use")]
    unsafe {
        libc::malloc_trim(0);
    }
}
