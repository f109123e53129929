//! What is granted works: scratch files, Python, Node.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;

use keyway_sandbox::{Ended, Handover, Jail, Level, Program};

use super::scene::installed;

/// Runs a program to its end and returns what it printed.
#[track_caller]
fn output(jail: &Jail, program: &Program) -> String {
    let mut confined = jail.spawn(program, Handover::new()).unwrap();
    let (mut out, mut err) = (String::new(), String::new());
    File::from(confined.take_stdout().unwrap())
        .read_to_string(&mut out)
        .unwrap();
    File::from(confined.take_stderr().unwrap())
        .read_to_string(&mut err)
        .unwrap();
    assert_eq!(confined.wait().unwrap(), Ended::Exited(0), "{out}\n{err}");
    out
}

/// A jail with a folder of code and one to write in.
fn jail(folder: &Path) -> Jail {
    for name in ["code", "scratch"] {
        fs::create_dir(folder.join(name)).unwrap();
    }
    let jail = Jail::new()
        .read(folder.join("code"))
        .scratch(folder.join("scratch"));
    jail.at_least(Level::Enforced)
}

fn script(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join("code").join(name);
    File::create(&path)
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    path.display().to_string()
}

#[test]
fn scratch_files_can_be_made_changed_moved_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let jail = jail(folder.path());
    let line = "mkdir a b && echo 1 > a/x && echo 2 >> a/x && mv a/x b/y && ln -s y b/z && cat b/z && rm -r a b && ls";
    assert_eq!(
        output(&jail, &Program::at("/bin/sh").args(["-c", line])),
        "1\n2\n"
    );
}

#[test]
fn python_runs_with_threads_processes_and_an_event_loop() {
    let python = installed(&["/usr/bin/python3", "/usr/local/bin/python3"]).expect("python3");
    let folder = tempfile::tempdir().unwrap();
    let jail = jail(folder.path());
    let main = script(
        folder.path(),
        "main.py",
        r#"
import asyncio, json, os, pathlib, subprocess, tempfile, threading
done = []
threads = [threading.Thread(target=done.append, args=(n,)) for n in range(4)]
[t.start() for t in threads]
[t.join() for t in threads]
async def main():
    child = await asyncio.create_subprocess_exec("/bin/echo", "child", stdout=asyncio.subprocess.PIPE)
    out, _ = await child.communicate()
    await asyncio.sleep(0.01)
    return out.decode().strip()
pathlib.Path("note.txt").write_text("kept")
with tempfile.TemporaryFile() as f:
    f.write(b"x")
print(json.dumps([sorted(done), asyncio.run(main()), subprocess.check_output(["/bin/echo", "plain"]).decode().strip(), open("note.txt").read()]))
"#,
    );
    let program = Program::at(python).args(["-I", "-B", &main]);
    assert_eq!(
        output(&jail, &program),
        "[[0, 1, 2, 3], \"child\", \"plain\", \"kept\"]\n"
    );
}

#[test]
fn node_runs_with_files_children_and_workers() {
    let node = installed(&["/usr/bin/node", "/usr/local/bin/node"]).expect("node");
    let folder = tempfile::tempdir().unwrap();
    let jail = jail(folder.path());
    let main = script(
        folder.path(),
        "main.js",
        r#"
const { Worker, isMainThread, parentPort } = require("node:worker_threads");
const fs = require("node:fs"), child = require("node:child_process");
if (!isMainThread) { parentPort.postMessage("worker"); } else {
  fs.writeFileSync("note.txt", "kept");
  const said = [fs.readFileSync("note.txt", "utf8"), child.execFileSync("/bin/echo", ["child"]).toString().trim()];
  new Worker(__filename).on("message", (m) => setTimeout(() => console.log(JSON.stringify([...said, m])), 1));
}
"#,
    );
    assert_eq!(
        output(&jail, &Program::at(node).arg(main)),
        "[\"kept\",\"child\",\"worker\"]\n"
    );
}

#[test]
fn what_is_handed_over_has_the_numbers_from_three() {
    let (mut host, child) = UnixStream::pair().unwrap();
    let (secret, mut tell) = std::io::pipe().unwrap();
    let handover = Handover::new().fd(child).fd(secret);
    let line = "read secret <&4; read line <&3; echo \"$secret $line\" >&3";
    let program = Program::at("/bin/sh").args(["-c", line]);
    let mut confined = Jail::new().spawn(&program, handover).unwrap();
    tell.write_all(b"k-123\n").unwrap();
    host.write_all(b"hello\n").unwrap();
    let mut answer = String::new();
    host.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "k-123 hello\n");
    assert!(confined.wait().unwrap().is_success());
}

#[test]
fn standard_input_can_be_handed_over() {
    let (input, mut tell) = std::io::pipe().unwrap();
    let mut confined = Jail::new()
        .spawn(&Program::at("/bin/cat"), Handover::new().stdin(input))
        .unwrap();
    tell.write_all(b"through").unwrap();
    drop(tell);
    let mut out = String::new();
    File::from(confined.take_stdout().unwrap())
        .read_to_string(&mut out)
        .unwrap();
    assert_eq!(out, "through");
}
