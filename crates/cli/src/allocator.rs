//! Memory that was needed once goes back to the system. By itself glibc keeps what a burst of long answers has needed,
//! hundreds of megabytes of it: what is free is seldom at the end of a heap, and never looked for.

use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use valet_server::Host;

/// How long no turn has run when what they left is given back.
const REST: Duration = Duration::from_secs(5);

/// How long a thread that reads and writes files waits for more to do. It ends before what is free is given back: up to
/// 200 KiB of freed memory are a thread's own, where nothing else gets at them, and a burst leaves many threads.
const IDLE_THREAD: Duration = Duration::from_secs(2);

/// To be called first in `main`: what is allocated before it is not affected.
pub(crate) fn set_up() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    glibc::set_up();
}

/// The runtime of a host.
pub(crate) fn runtime() -> std::io::Result<Runtime> {
    Builder::new_multi_thread().enable_all().thread_keep_alive(IDLE_THREAD).build()
}

/// Gives back what turns have left free, whenever none has run for a while.
pub(crate) async fn give_back(host: Host) {
    loop {
        host.rested(REST).await;
        #[cfg(all(target_os = "linux", target_env = "gnu"))]
        glibc::give_back();
    }
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod glibc {
    use std::sync::RwLock;
    use std::thread;

    use libc::c_int;

    /// So many heaps at most. Threads that read and write files come and go, and each would get one of its own.
    const MOST_HEAPS: usize = 8;
    /// What is larger has a mapping of its own, which goes with it. A thread with a long history needs megabytes in each
    /// turn, and new mappings would have to be filled with zeros every time.
    const OWN_MAPPING: c_int = 16 << 20;
    /// How much may be free at the end of a heap while turns run, and when none has for a while.
    const FREE_AT_WORK: c_int = 16 << 20;
    const FREE_AT_REST: c_int = 128 << 10;
    /// A heap looks at what is free at its end when so much is freed at once; 64 KiB would do.
    const NOTICED: usize = 256 << 10;

    fn heaps() -> usize {
        thread::available_parallelism().map_or(1, std::num::NonZero::get).clamp(2, MOST_HEAPS)
    }

    pub(super) fn set_up() {
        set(libc::M_ARENA_MAX, c_int::try_from(heaps()).unwrap_or(2));
        set(libc::M_MMAP_THRESHOLD, OWN_MAPPING);
        set(libc::M_TRIM_THRESHOLD, FREE_AT_WORK);
    }

    /// It takes milliseconds, and holds up whoever allocates.
    pub(super) fn give_back() {
        set(libc::M_TRIM_THRESHOLD, FREE_AT_REST);
        trim_ends();
        // SAFETY: it takes a number by value, and is sound at any time.
        #[expect(unsafe_code, reason = "nothing else gives free memory back that lies between what is in use")]
        unsafe {
            libc::malloc_trim(0);
        }
        set(libc::M_TRIM_THRESHOLD, FREE_AT_WORK);
    }

    /// Has every heap look at its end, which `malloc_trim` does for the first one only. Threads that are there at the
    /// same time are given the heaps that no other thread has, and then all in turn.
    fn trim_ends() {
        let gate = RwLock::new(());
        thread::scope(|scope| {
            let _closed = gate.write();
            for _ in 0..2 * heaps() {
                // Where there can be no more threads, some heaps stay as they are.
                let _ = thread::Builder::new().spawn_scoped(scope, || {
                    let _open = gate.read();
                    drop(std::hint::black_box(Vec::<u8>::with_capacity(NOTICED)));
                });
            }
        });
    }

    fn set(parameter: c_int, value: c_int) {
        // SAFETY: it takes two numbers by value, and is sound at any time. A zero says that it was not taken; then all
        // stays as it was.
        #[expect(unsafe_code, reason = "there is no other way to the allocator's settings but the environment")]
        unsafe {
            libc::mallopt(parameter, value);
        }
    }
}
