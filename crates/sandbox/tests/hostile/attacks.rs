//! The attacks, by name.

use std::io;
use std::path::PathBuf;

use crate::{files, sockets, surroundings};

/// Where things are that are not the program's.
pub(crate) struct Scene {
    /// Holds `victims/`, `plugin/`, `scratch/` and the host's secret.
    pub(crate) folder: PathBuf,
    /// The process id of the host.
    pub(crate) host: i32,
    /// A port that the host listens on, for TCP and UDP, on 127.0.0.1 and ::1.
    pub(crate) port: u16,
    /// The key of shared memory of the host.
    pub(crate) shared: i32,
}

impl Scene {
    pub(crate) fn secret(&self) -> PathBuf {
        self.folder.join("secret.txt")
    }

    /// A file of the host's that only this attack may spoil.
    pub(crate) fn victim(&self, attack: &str) -> PathBuf {
        self.folder.join("victims").join(attack)
    }

    pub(crate) fn scratch(&self, name: &str) -> PathBuf {
        self.folder.join("scratch").join(name)
    }
}

pub(crate) type Attack = fn(&Scene, &str) -> io::Result<()>;

/// `folder host port shared`
pub(crate) fn run(arguments: &[String]) {
    let [folder, host, port, shared] = arguments else {
        println!("unexpected arguments");
        return;
    };
    let scene = Scene {
        folder: folder.into(),
        host: host.parse().unwrap(),
        port: port.parse().unwrap(),
        shared: shared.parse().unwrap(),
    };
    let all = [files::ATTACKS, sockets::ATTACKS, surroundings::ATTACKS];
    for (name, attack) in all.into_iter().flatten() {
        match attack(&scene, name) {
            Ok(()) => println!("attack {name} succeeded"),
            Err(error) => println!("attack {name} denied {error}"),
        }
    }
}

/// Turns the result of a system call into one of Rust.
pub(crate) fn checked(result: libc::c_long) -> io::Result<libc::c_long> {
    match result {
        -1 => Err(io::Error::last_os_error()),
        fine => Ok(fine),
    }
}
