//! Attacks on files.

use std::ffi::CString;
use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use crate::attacks::{Attack, checked};
use crate::surroundings::in_child;

pub(crate) const ATTACKS: &[(&str, Attack)] = &[
    ("read_secret", |scene, _| read(&scene.secret())),
    ("read_through_dots", |scene, _| {
        read(&scene.scratch("../secret.txt"))
    }),
    ("read_through_proc_root", |scene, _| {
        read(Path::new(&format!(
            "/proc/self/root{}",
            scene.secret().display()
        )))
    }),
    ("read_through_symlink", |scene, name| {
        symlink(scene.secret(), scene.scratch(name))?;
        read(&scene.scratch(name))
    }),
    ("read_through_hard_link", |scene, name| {
        fs::hard_link(scene.secret(), scene.scratch(name))?;
        read(&scene.scratch(name))
    }),
    ("read_system_users", |_, _| read(Path::new("/etc/passwd"))),
    ("list_root", |_, _| fs::read_dir("/").map(drop)),
    ("list_parent_of_scratch", |scene, _| {
        fs::read_dir(&scene.folder).map(drop)
    }),
    ("write_victim", |scene, name| fs_write(&scene.victim(name))),
    ("truncate_victim", |scene, name| {
        let path = c_path(&scene.victim(name));
        // SAFETY: the path ends with NUL.
        checked(unsafe { libc::truncate(path.as_ptr(), 0) }.into()).map(drop)
    }),
    ("rename_over_victim", |scene, name| {
        fs_write(&scene.scratch(name))?;
        fs::rename(scene.scratch(name), scene.victim(name))
    }),
    ("unlink_victim", |scene, name| {
        fs::remove_file(scene.victim(name))
    }),
    ("symlink_over_victim", |scene, name| {
        symlink("/etc/hostname", scene.scratch(name))?;
        fs::rename(scene.scratch(name), scene.victim(name))
    }),
    ("make_file_beside", |scene, name| {
        fs_write(&scene.folder.join(name))
    }),
    ("make_folder_beside", |scene, name| {
        fs::create_dir(scene.folder.join(name))
    }),
    ("bind_over_victims", |scene, _| {
        let (from, to) = (
            c_path(&scene.scratch("")),
            c_path(&scene.folder.join("victims")),
        );
        let nothing = std::ptr::null();
        in_child(|| {
            // SAFETY: the paths end with NUL; a bind takes neither type nor data.
            unsafe {
                let bind = libc::MS_BIND;
                libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNS) == 0
                    && libc::mount(from.as_ptr(), to.as_ptr(), nothing, bind, nothing.cast()) == 0
            }
        })
    }),
    ("chmod_victim", |scene, name| {
        fs::set_permissions(scene.victim(name), Permissions::from_mode(0o666))
    }),
    ("utime_victim", |scene, name| {
        let path = c_path(&scene.victim(name));
        // SAFETY: the path ends with NUL; no times are given.
        let done = unsafe { libc::utimensat(libc::AT_FDCWD, path.as_ptr(), std::ptr::null(), 0) };
        checked(done.into()).map(drop)
    }),
    ("chown_victim", |scene, name| {
        // SAFETY: no arguments.
        let me = unsafe { libc::geteuid() };
        std::os::unix::fs::chown(scene.victim(name), Some(me), None)
    }),
    ("watch_folder", |scene, _| {
        let path = c_path(&scene.folder);
        // SAFETY: the path ends with NUL.
        let watched = unsafe { libc::inotify_add_watch(libc::inotify_init1(0), path.as_ptr(), 2) };
        checked(watched.into()).map(drop)
    }),
    ("write_agent_config", |scene, _| {
        fs_write(&scene.folder.join(".mcp.json"))
    }),
    ("write_agent_memory", |scene, _| {
        fs_write(&scene.folder.join("MEMORY.md"))
    }),
    ("write_shell_startup", |scene, _| {
        fs_write(&scene.folder.join(".bashrc"))
    }),
    ("write_own_manifest", |scene, _| {
        fs_write(&scene.folder.join("plugin/plugin.toml"))
    }),
    ("replace_own_binary", |scene, name| {
        fs_write(&scene.scratch(name))?;
        fs::rename(scene.scratch(name), scene.folder.join("plugin/code"))
    }),
    ("run_what_it_wrote", |scene, name| {
        let path = scene.scratch(name);
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o755)
            .open(&path)?;
        io::copy(&mut fs::File::open("/bin/true")?, &mut file)?;
        drop(file);
        Command::new(&path).status().map(drop)
    }),
    ("run_from_memory", |_, _| {
        // SAFETY: the name ends with NUL.
        let fd = checked(unsafe { libc::memfd_create(c"x".as_ptr(), 0) }.into())?;
        let path = format!("/proc/self/fd/{fd}");
        io::copy(
            &mut fs::File::open("/bin/true")?,
            &mut OpenOptions::new().write(true).open(&path)?,
        )?;
        Command::new(&path).status().map(drop)
    }),
];

fn read(path: &Path) -> io::Result<()> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.read_to_end(&mut bytes)?;
    match bytes.is_empty() {
        true => Err(io::Error::other("nothing is in it")),
        false => Ok(()),
    }
}

/// Overwrites a file, or makes it.
fn fs_write(path: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)?;
    file.write_all(b"spoiled")
}

fn c_path(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).unwrap()
}
