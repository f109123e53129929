//! What a program sees around it: environment, descriptors, folder, privileges.

use super::scene::{Scene, text, users};

#[test]
fn s_c6_the_environment_is_what_was_granted() {
    for user in users() {
        let scene = Scene::new(user);
        let scratch = text(&scene.path().join("scratch"));
        let mut environment = scene.run(&[], &["look"]).said.remove("env").unwrap();
        environment.sort();
        let expected = [
            "GRANTED=yes".to_owned(),
            format!("HOME={scratch}"),
            "LANG=C.UTF-8".to_owned(),
            "PATH=/usr/local/bin:/usr/bin:/bin".to_owned(),
            format!("TMPDIR={scratch}"),
        ];
        assert_eq!(environment, expected);
        let control = scene
            .run(&["plain=1"], &["look"])
            .said
            .remove("env")
            .unwrap();
        for leaked in [
            "API_KEY=k-123",
            "LD_LIBRARY_PATH=/nowhere",
            "PYTHONSTARTUP=/x",
        ] {
            assert!(control.iter().any(|line| line == leaked), "{control:?}");
        }
    }
}

#[test]
fn s_c7_no_descriptor_is_inherited() {
    for user in users() {
        let scene = Scene::new(user);
        let report = scene.run(&[], &["look"]);
        assert_eq!(report.said["fd"], ["0", "1", "2"]);
        let control = scene.run(&["plain=1"], &["look"]);
        assert!(control.said["fd"].len() > 3, "{control:?}");
    }
}

#[test]
fn a_program_begins_in_its_scratch_folder_without_privileges() {
    for user in users() {
        let scene = Scene::new(user);
        let report = scene.run(&[], &["look"]);
        assert_eq!(report.word("folder"), text(&scene.path().join("scratch")));
        assert_eq!(report.word("user"), format!("{user} group {user}"));
        assert_eq!(report.word("privileges"), "1");
        assert_eq!(report.word("mode"), "77");
    }
}

#[test]
fn an_administrator_can_run_programs_as_somebody_else() {
    if users().len() == 1 {
        return; // Only an administrator has anything to give up.
    }
    let scene = Scene::new(0);
    std::fs::set_permissions(
        scene.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    let report = scene.run(&["run-as=65534"], &["look"]);
    assert_eq!(report.word("user"), "65534 group 65534", "{report:?}");
    assert!(!report.missing.contains("ProcessCount"));
}
