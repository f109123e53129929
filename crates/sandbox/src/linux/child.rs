//! The child, from its fork to its exec. Everything it needs was prepared by the parent; here is
//! nothing but system calls.

use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd as _, RawFd};

use super::init::{self, Init};
use super::plan::{Identity, Plan};
use super::sys::{self, Errno};

/// A step of the child that can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Step {
    UserNamespace,
    Cgroup,
    Privileges,
    User,
    Session,
    Reaper,
    Fork,
    Descriptors,
    Folder,
    Limits,
    Landlock,
    Seccomp,
    Exec,
}

impl Step {
    /// What the child reports, in words.
    pub(super) fn named(number: u8) -> &'static str {
        const NAMES: [&str; 13] = [
            "mapping its user",
            "joining its control group",
            "giving up privileges",
            "becoming its user",
            "beginning a session",
            "setting up its reaper",
            "forking",
            "placing its descriptors",
            "entering its working folder",
            "setting its limits",
            "restricting itself with Landlock",
            "filtering its system calls",
            "executing the program",
        ];
        NAMES
            .get(number as usize)
            .copied()
            .unwrap_or("an unknown step")
    }
}

type Done = Result<(), (Step, Errno)>;

/// Names the step of an error.
trait At {
    fn at(self, step: Step) -> Done;
}

impl<T> At for Result<T, Errno> {
    fn at(self, step: Step) -> Done {
        self.map(drop).map_err(|errno| (step, errno))
    }
}

/// Goes on in the child: becomes the reaper and starts the program.
pub(super) fn run(plan: &Plan) -> ! {
    let started = prepare(plan).and_then(|()| {
        // What the program needs until it is executed is small.
        let mut stack = [MaybeUninit::uninit(); 32 * 1024];
        start_program(plan, &mut stack).map_err(|errno| (Step::Fork, errno))
    });
    match started {
        Ok(program) => init::run(Init {
            control: plan.control.as_raw_fd(),
            program,
            namespaced: plan.is_namespaced(),
        }),
        Err((step, errno)) => {
            tell(plan, step, errno);
            sys::exit(127)
        }
    }
}

/// Tells the host which step failed.
fn tell(plan: &Plan, step: Step, errno: Errno) {
    let [a, b, c, d] = errno.to_ne_bytes();
    let _ = sys::write(plan.report.as_raw_fd(), &[step as u8, a, b, c, d]);
}

/// Tries whether namespaces can be had, and ends.
pub(super) fn trial(identity: Option<&Identity>) -> ! {
    sys::exit(match map_identity(identity) {
        Ok(()) => 0,
        Err(_) => 1,
    })
}

/// Starts the child that becomes the program. It borrows the reaper's memory, which is the host's
/// once more: copying that a second time would cost as much as all the rest.
#[expect(unsafe_code, reason = "starts the one child of the child")]
fn start_program(plan: &Plan, stack: &mut [MaybeUninit<u8>]) -> Result<i32, Errno> {
    let plan = std::ptr::from_ref(plan).cast_mut().cast();
    // SAFETY: `program` makes system calls and writes to no memory but its stack. The reaper stands
    // still meanwhile, so the plan and the stack outlive it.
    unsafe { sys::start_here(stack, program, plan) }
}

/// What the program's process does until it is executed.
extern "C" fn program(plan: *mut libc::c_void) -> libc::c_int {
    #[expect(unsafe_code, reason = "the plan comes through the kernel")]
    // SAFETY: `start_program` passed on a reference, which lives while this runs.
    let plan = unsafe { &*plan.cast::<Plan>() };
    if let Err((step, errno)) = become_program(plan) {
        tell(plan, step, errno);
    }
    127
}

/// What the reaper and the program have in common.
fn prepare(plan: &Plan) -> Done {
    sys::reset_signals(true);
    map_identity(plan.identity.as_ref()).at(Step::UserNamespace)?;
    if let Some(group) = &plan.cgroup {
        sys::write(group.as_raw_fd(), b"0").at(Step::Cgroup)?;
    }
    sys::setsid().at(Step::Session)?;
    drop_privileges(plan)?;
    sys::prctl(libc::PR_SET_DUMPABLE, 0).at(Step::Reaper)?;
    let _ = sys::prctl(libc::PR_SET_NAME, c"keyway-jail".as_ptr().addr());
    // The reaper must outlive the host where it has to end the others one by one.
    match plan.is_namespaced() {
        true => sys::prctl(
            libc::PR_SET_PDEATHSIG,
            libc::SIGKILL.cast_unsigned() as usize,
        ),
        false => sys::prctl(libc::PR_SET_CHILD_SUBREAPER, 1),
    }
    .at(Step::Reaper)
}

/// Is in the user namespace who it was outside.
fn map_identity(identity: Option<&Identity>) -> Result<(), Errno> {
    let Some(identity) = identity else {
        return Ok(());
    };
    // A host that hides its memory hides these files from its own child too.
    sys::prctl(libc::PR_SET_DUMPABLE, 1)?;
    for (path, text) in [
        (c"/proc/self/setgroups", &b"deny"[..]),
        (c"/proc/self/uid_map", &identity.user),
        (c"/proc/self/gid_map", &identity.group),
    ] {
        let file = sys::open(path, libc::O_WRONLY | libc::O_CLOEXEC)?;
        let written = sys::write(file, text);
        sys::close(file)?;
        written?;
    }
    Ok(())
}

fn drop_privileges(plan: &Plan) -> Done {
    if plan.is_privileged {
        for capability in 0..64 {
            // The first that the kernel does not know ends the list.
            if sys::prctl(libc::PR_CAPBSET_DROP, capability).is_err() {
                break;
            }
        }
        // User 0 is a user like any other, for good.
        sys::prctl(libc::PR_SET_SECUREBITS, 0b11).at(Step::Privileges)?;
    }
    if let Some((user, group)) = plan.run_as {
        sys::leave_groups().at(Step::User)?;
        sys::set_group(group).at(Step::User)?;
        sys::set_user(user).at(Step::User)?;
    }
    sys::drop_capabilities().at(Step::Privileges)
}

/// Confines this process and becomes the program. Returns only if that failed.
fn become_program(plan: &Plan) -> Done {
    sys::prctl(
        libc::PR_SET_PDEATHSIG,
        libc::SIGKILL.cast_unsigned() as usize,
    )
    .at(Step::Session)?;
    sys::setsid().at(Step::Session)?;
    place_descriptors(plan).at(Step::Descriptors)?;
    sys::chdir(&plan.folder).at(Step::Folder)?;
    sys::umask(0o077).at(Step::Folder)?;
    for limit in &plan.limits {
        sys::limit(limit.resource, limit.soft, limit.hard).at(Step::Limits)?;
    }
    sys::reset_signals(false);
    sys::prctl(libc::PR_SET_NO_NEW_PRIVS, 1).at(Step::Privileges)?;
    if let Some(ruleset) = &plan.landlock {
        sys::landlock_restrict_self(ruleset.as_raw_fd()).at(Step::Landlock)?;
    }
    for program in &plan.filters {
        sys::filter(program).at(Step::Seccomp)?;
    }
    Err((Step::Exec, plan.exec()))
}

/// Leaves 0, 1, 2 and what was handed over, and what is needed until the exec closes it.
fn place_descriptors(plan: &Plan) -> Result<(), Errno> {
    let standard = [&plan.stdin, &plan.stdout, &plan.stderr];
    let mut next: RawFd = 0;
    // All of these are above any number that is written to: the parent saw to it.
    for fd in standard.into_iter().chain(&plan.handed) {
        sys::copy_fd(fd.as_raw_fd(), next)?;
        next += 1;
    }
    let mut needed = plan.needed_until_exec();
    needed.sort_unstable();
    close_between(next, needed)
}

/// Closes all from a number on but these. To mark them to be closed would need Linux 5.11.
fn close_between(mut from: RawFd, needed: [RawFd; 3]) -> Result<(), Errno> {
    for fd in needed {
        if fd > from {
            sys::close_range(from.cast_unsigned(), (fd - 1).cast_unsigned(), 0)?;
        }
        from = from.max(fd + 1);
    }
    sys::close_range(from.cast_unsigned(), u32::MAX, 0).map(drop)
}
