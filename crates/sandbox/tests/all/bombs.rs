//! Programs that use up what they get stop at their limits.

use super::scene::{NOBODY, Scene, ordinary, users};

/// Runs a bomb and returns how much it got, with how it ended.
#[track_caller]
fn bomb(user: u32, options: &[&str], kind: &str, most: &str) -> (Option<u64>, String) {
    let report = Scene::new(user).run(options, &["bomb", kind, most]);
    let got = report
        .said
        .get("got")
        .map(|lines| lines[0].parse().unwrap());
    (got, report.word("ended").to_owned())
}

#[test]
fn s_b8_processes_stop_at_their_limit() {
    let (got, ended) = bomb(ordinary(), &["processes=16"], "processes", "100");
    assert_eq!((got, ended.as_str()), (Some(15), "Exited(0)"));
    let (control, _) = bomb(ordinary(), &["plain=1"], "processes", "100");
    assert_eq!(control, Some(100));
}

#[test]
fn s_b8_processes_of_one_jail_do_not_count_in_another() {
    let scene = Scene::new(ordinary());
    let mut first = scene.start(&["processes=16"], &["daemon", "stay"]);
    first.until("ready");
    let (got, _) = bomb(ordinary(), &["processes=16"], "processes", "100");
    assert_eq!(got, Some(15));
    first.child.kill().unwrap();
    first.child.wait().unwrap();
}

#[test]
fn s_b8_an_administrator_is_told_that_processes_have_no_limit() {
    for user in users() {
        let report = Scene::new(user).run(&["processes=16"], &["bomb", "processes", "100"]);
        let unlimited = report.word("got") == "100";
        assert_eq!(
            report.missing.contains("ProcessCount"),
            unlimited,
            "{report:#?}"
        );
    }
}

#[test]
fn s_b8_memory_stops_at_its_limit() {
    for user in users() {
        let (got, ended) = bomb(user, &["memory=67108864"], "memory", "512");
        assert!(got.unwrap() < 64 && got.unwrap() > 32, "{got:?}");
        assert_eq!(ended, "Exited(0)");
        let (shared, _) = bomb(user, &["memory=67108864"], "shared-memory", "512");
        assert_eq!(shared, Some(0));
        for kind in ["memory", "shared-memory"] {
            assert_eq!(bomb(user, &["plain=1"], kind, "512").0, Some(512));
        }
    }
}

#[test]
fn s_b8_descriptors_stop_at_their_limit() {
    for user in users() {
        let (got, _) = bomb(user, &["files=32"], "descriptors", "100");
        assert_eq!(got, Some(32 - 3));
        assert_eq!(bomb(user, &["plain=1"], "descriptors", "100").0, Some(100));
    }
}

#[test]
fn s_b8_a_file_stops_at_its_limit_and_the_reason_is_named() {
    for user in users() {
        let (_, ended) = bomb(user, &["file-bytes=4194304"], "disk", "16");
        assert_eq!(ended, "Limited(FileBytes)");
        assert_eq!(bomb(user, &["plain=1"], "disk", "16").0, Some(16));
    }
}

#[test]
fn s_b8_cpu_time_stops_at_its_limit_and_the_reason_is_named() {
    let (_, ended) = bomb(NOBODY.min(ordinary()), &["cpu=1"], "spin", "0");
    assert_eq!(ended, "Limited(CpuSeconds)");
}
