//! Attack D4: package folders whose files are not what they seem, or do not stay what they are.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use keyway_host::digest::Digest;
use keyway_host::limits::Limits;
use keyway_host::package::Package;
use keyway_host::rank::Trust;
use keyway_host::store::MemoryStore;
use keyway_test_support::{TempPackages, TestHost};

const SWAPS: usize = 1_000;

fn manifest(name: &str, version: &str) -> String {
    format!(
        r#"{{"$schema":"https://agent-plugins.org/schemas/1.0.0/plugin.schema.json","name":"{name}","version":"{version}"}}"#
    )
}

fn pipe(path: &Path) {
    let status = Command::new("mkfifo").arg(path).status().unwrap();
    assert!(status.success());
}

/// Folders whose `plugin.json` must not be read, each with what the host says about it.
fn traps(packages: &TempPackages, outside: &Path) -> Vec<(&'static str, &'static str)> {
    let place = |name: &str| {
        fs::create_dir_all(packages.folder(name)).unwrap();
        packages.folder(name).join("plugin.json")
    };
    symlink(outside, place("link")).unwrap();
    symlink("/proc/self/mem", place("memory")).unwrap();
    symlink("/dev/zero", place("device")).unwrap();
    symlink("plugin.json", place("loop")).unwrap();
    symlink("nowhere", place("dangling")).unwrap();
    pipe(&place("pipe"));
    fs::create_dir(place("folder")).unwrap();
    let sparse = fs::File::create(place("sparse")).unwrap();
    sparse.set_len(10 * 1024 * 1024 * 1024).unwrap();
    vec![
        ("link", "symbolic link"),
        ("memory", "symbolic link"),
        ("device", "symbolic link"),
        ("loop", "symbolic link"),
        ("dangling", "symbolic link"),
        ("pipe", "not a regular file"),
        ("folder", "folder"),
        ("sparse", "larger than"),
    ]
}

/// Runs something that must not hang.
#[track_caller]
fn promptly<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, outcome) = mpsc::channel();
    std::thread::spawn(move || done.send(work()));
    outcome
        .recv_timeout(Duration::from_secs(60))
        .unwrap_or_else(|_| panic!("it hangs"))
}

#[tokio::test]
async fn s_d4_a_manifest_that_is_no_plain_file_is_refused_at_once() {
    let (packages, outside) = (TempPackages::new(), TempPackages::new());
    outside.write("out", &manifest("link", "6.6.6"));
    let traps = traps(&packages, &outside.folder("out").join("plugin.json"));
    for (name, says) in &traps {
        let folder = packages.folder(name);
        let error = promptly(move || Package::read(&folder, &Limits::default())).unwrap_err();
        assert_eq!(error.code(), "PACKAGE_UNREADABLE", "{name}");
        assert!(error.to_string().contains(says), "{name}: {error}");
    }
    packages.write("good", &manifest("good", "1.0.0"));
    let host = TestHost::builder()
        .configure(|host| host.plugins_dir(packages.path(), Trust::Community))
        .start()
        .await;
    assert_eq!(host.report().failures().count(), traps.len());
    let entries: Vec<_> = host
        .catalog()
        .entries
        .keys()
        .map(ToString::to_string)
        .collect();
    assert_eq!(entries, ["good"]);
}

/// Of a package in the catalog a host that starts reads the manifest alone, and still says what a
/// reload would be refused for. The control: what is no trap is no failure, whatever it says.
#[tokio::test]
async fn s_d4_a_package_in_the_catalog_is_looked_at_without_being_read() {
    let (packages, store) = (TempPackages::new(), MemoryStore::new());
    packages.write("good", &manifest("good", "1.0.0"));
    let skill = packages.folder("good").join("skills/notes/SKILL.md");
    fs::create_dir_all(skill.parent().unwrap()).unwrap();
    let started = async || {
        let host = TestHost::builder()
            .store(store.clone())
            .configure(|host| host.plugins_dir(packages.path(), Trust::Community))
            .start()
            .await;
        let failures = host.report().failures().map(|failed| format!("{failed:?}"));
        let entry = host.catalog().entries["good"].clone();
        (failures.collect::<Vec<_>>(), entry)
    };
    packages.write_file("good", "skills/notes/SKILL.md", b"as it was installed");
    let (failures, installed) = started().await;
    assert_eq!(
        (failures, installed.keyway.declared.digest.is_some()),
        (vec![], true)
    );
    let traps: [(&str, &dyn Fn()); 4] = [
        ("symbolic link", &|| symlink("/etc/passwd", &skill).unwrap()),
        ("not a regular file", &|| pipe(&skill)),
        ("larger than", &|| {
            let sparse = fs::File::create(&skill).unwrap();
            sparse.set_len(10 * 1024 * 1024 * 1024).unwrap();
        }),
        ("", &|| {
            packages.write_file("good", "skills/notes/SKILL.md", b"another text")
        }),
    ];
    for (says, set) in traps {
        fs::remove_file(&skill).unwrap();
        set();
        let (failures, entry) = started().await;
        assert_eq!(failures.len(), usize::from(!says.is_empty()), "{says}");
        assert!(
            failures.iter().all(|failure| failure.contains(says)),
            "{failures:?}"
        );
        assert_eq!(entry, installed, "{says}");
    }
    packages.write("good", "{");
    let (failures, entry) = started().await;
    assert!(failures[0].contains("MANIFEST_INVALID"), "{failures:?}");
    assert_eq!(entry, installed);
}

#[test]
fn s_d4_control_a_plain_read_follows_the_link_out_of_the_package() {
    let (packages, outside) = (TempPackages::new(), TempPackages::new());
    outside.write("out", &manifest("link", "6.6.6"));
    traps(&packages, &outside.folder("out").join("plugin.json"));
    let text = fs::read_to_string(packages.folder("link").join("plugin.json")).unwrap();
    assert!(text.contains("6.6.6"), "what lies outside was read");
}

/// Puts one of some things in a file's place, again and again, until told to stop.
fn swap(packages: &TempPackages, sources: &[&str], stop: &AtomicBool) -> usize {
    let target = packages.folder("victim").join("plugin.json");
    let spare = packages.path().join("spare");
    let mut swaps = 0;
    for source in sources.iter().cycle() {
        if stop.load(Ordering::Relaxed) && swaps >= SWAPS {
            return swaps;
        }
        // A second name of one file, moved into place: the change is whole or not there.
        fs::hard_link(packages.folder(source).join("plugin.json"), &spare).unwrap();
        fs::rename(&spare, &target).unwrap();
        // Moving one file onto itself leaves the spare name behind.
        let _gone = fs::remove_file(&spare);
        swaps += 1;
    }
    swaps
}

/// Two good packages and two bad ones, and the digests of the good ones by version.
fn swapped(packages: &TempPackages) -> BTreeMap<String, Digest> {
    packages.write("one", &manifest("victim", "1.0.0"));
    packages.write("two", &manifest("victim", "2.0.0"));
    packages.write("bad", "{");
    fs::create_dir_all(packages.folder("pipe")).unwrap();
    pipe(&packages.folder("pipe").join("plugin.json"));
    packages.write("victim", &manifest("victim", "1.0.0"));
    let read = |name: &str| Package::read(&packages.folder(name), &Limits::default()).unwrap();
    let of = |package: Package| (version(&package), package.digest);
    [of(read("one")), of(read("two"))].into()
}

fn version(package: &Package) -> String {
    package.manifest.version().to_string()
}

#[test]
fn s_d4_the_bytes_that_were_checked_are_the_bytes_that_were_digested() {
    promptly(|| {
        let packages = TempPackages::new();
        let digests = swapped(&packages);
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let swapping = scope.spawn(|| swap(&packages, &["one", "bad", "two", "pipe"], &stop));
            let mut seen = BTreeMap::new();
            for _ in 0..SWAPS * 4 {
                let Ok(package) = Package::read(&packages.folder("victim"), &Limits::default())
                else {
                    *seen.entry("refused".to_owned()).or_insert(0) += 1;
                    continue;
                };
                let version = version(&package);
                assert_eq!(digests[&version], package.digest, "{version}");
                *seen.entry(version).or_insert(0) += 1;
            }
            stop.store(true, Ordering::Relaxed);
            assert!(swapping.join().unwrap() >= SWAPS);
            assert_eq!(seen.len(), 3, "the race did not take place: {seen:?}");
        });
    });
}

/// A loader that parses one reading of a file and digests another.
#[test]
fn s_d4_control_a_loader_that_reads_twice_digests_what_it_did_not_check() {
    let packages = TempPackages::new();
    swapped(&packages);
    let victim = packages.folder("victim").join("plugin.json");
    let checked = fs::read_to_string(&victim).unwrap();
    fs::copy(packages.folder("two").join("plugin.json"), &victim).unwrap();
    let digested = Digest::of(&fs::read(&victim).unwrap());
    assert_ne!(Digest::of(checked.as_bytes()), digested);
}
