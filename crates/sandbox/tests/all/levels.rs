//! Levels are truthful: on a poorer kernel, what succeeds is what was named as missing.

use keyway_sandbox::{Handover, Jail, Level, Limits, Missing, Probe, Program};

use super::scene::{Scene, users};

/// Attacks, and the protections without any of which the attack must fail.
const NEEDS: &[(&str, &[&str])] = &[
    ("bind_over_victims", &["KernelSurface"]),
    ("chmod_victim", &["FileMetadata"]),
    ("chown_victim", &["FileMetadata"]),
    ("connect_abstract", &["LocalSockets"]),
    ("connect_path", &["LocalSockets"]),
    ("connect_tcp4", &["Network"]),
    ("connect_tcp6", &["Network"]),
    ("copy_host_memory", &["HostMemory"]),
    ("fork_into_user_namespace", &["KernelSurface"]),
    ("limit_host", &["HostLimits"]),
    ("list_parent_of_scratch", &["Files"]),
    ("list_root", &["Files"]),
    ("listen_tcp", &["Network"]),
    ("make_file_beside", &["Files"]),
    ("make_folder_beside", &["Files"]),
    ("make_user_namespace", &["KernelSurface"]),
    ("open_netlink", &["KernelSurface"]),
    ("pin_host", &["HostLimits"]),
    ("read_host_environment", &["HostMemory"]),
    ("read_host_memory", &["HostMemory"]),
    ("read_secret", &["Files"]),
    ("read_system_users", &["Files"]),
    ("read_through_dots", &["Files"]),
    ("read_through_hard_link", &["Files"]),
    ("read_through_proc_root", &["Files"]),
    ("read_through_symlink", &["Files"]),
    ("rename_over_victim", &["Files"]),
    ("replace_own_binary", &["Files"]),
    ("run_from_memory", &["ExecWritten"]),
    ("run_what_it_wrote", &["ExecWritten"]),
    ("schedule_host", &["HostLimits"]),
    ("send_from_pair", &["LocalSockets"]),
    ("send_udp4", &["Network"]),
    ("send_udp6", &["Network"]),
    ("share_host_memory", &["HostMessages"]),
    ("signal_host", &["Signals"]),
    ("slow_host", &["HostLimits"]),
    ("slow_hosts_disk", &["HostLimits"]),
    ("symlink_over_victim", &["Files"]),
    ("take_host_descriptor", &["HostMemory"]),
    ("trace_host", &["HostMemory"]),
    ("truncate_victim", &["Files", "FileTruncation"]),
    ("unlink_victim", &["Files"]),
    ("use_io_uring", &["KernelSurface"]),
    ("use_keyring", &["KernelSurface"]),
    ("utime_victim", &["FileMetadata"]),
    ("watch_folder", &["FileMetadata"]),
    ("write_agent_config", &["Files"]),
    ("write_agent_memory", &["Files"]),
    ("write_own_manifest", &["Files"]),
    ("write_shell_startup", &["Files"]),
    ("write_victim", &["Files"]),
];

/// Attacks that a program without an administrator's powers cannot make on a host that has them.
const POWERFUL: &[&str] = &[
    "copy_host_memory",
    "pin_host",
    "read_host_environment",
    "read_host_memory",
    "schedule_host",
    "slow_host",
    "slow_hosts_disk",
    "take_host_descriptor",
    "trace_host",
];

/// What a poorer kernel than this lacks, and the level that must be reported there.
fn kernels() -> Vec<(Vec<String>, Level)> {
    let mut kernels = Vec::new();
    for abi in (0..=5).chain([u32::MAX]) {
        for (seccomp, namespaces) in [(true, true), (true, false), (false, true), (false, false)] {
            let mut options = vec![format!("abi={abi}")];
            options.extend((!seccomp).then(|| "seccomp=none".to_owned()));
            options.extend((!namespaces).then(|| "namespaces=none".to_owned()));
            let landlock = Probe::detect().landlock().min(abi) > 0;
            let level = match (landlock, seccomp, namespaces) {
                (true, true, true) => Level::Enforced,
                (false, false, _) => Level::Declared,
                _ => Level::Mediated,
            };
            kernels.push((options, level));
        }
    }
    kernels
}

#[test]
fn s_c10_what_succeeds_on_a_poorer_kernel_was_named_as_missing() {
    for user in users() {
        for (options, level) in kernels() {
            let options: Vec<&str> = options.iter().map(String::as_str).collect();
            let report = Scene::new(user).run(&options, &["attack"]);
            assert_eq!(report.word("level"), level.to_string(), "{options:?}");
            assert_eq!(report.attacks.len(), NEEDS.len(), "{options:?} {report:#?}");
            for attack in report.succeeded() {
                let (_, needs) = NEEDS.iter().find(|(name, _)| *name == attack).unwrap();
                let named = needs
                    .iter()
                    .any(|missing| report.missing.contains(*missing));
                assert!(
                    named,
                    "{attack} succeeded with {options:?}, missing: {:?}",
                    report.missing
                );
            }
        }
    }
}

#[test]
fn s_c10_control_every_attack_succeeds_where_its_protection_is_taken_away() {
    for user in users() {
        let options = ["abi=0", "seccomp=none", "namespaces=none"];
        let report = Scene::new(user).run(&options, &["attack"]);
        let failed = report.attacks.iter().filter(|(_, succeeded)| !**succeeded);
        let failed: Vec<&str> = failed.map(|(name, _)| name.as_str()).collect();
        // An administrator has given up the power that these need against a host that has it.
        let expected: &[&str] = if user == 0 { POWERFUL } else { &[] };
        assert_eq!(failed, expected, "{:#?}", report.refusals);
        assert_eq!(report.word("level"), "declared");
    }
}

#[test]
fn s_c10_nothing_starts_below_the_level_that_is_wanted() {
    let poorer = Probe::detect().with_landlock_at_most(0);
    let program = Program::at("/bin/true");
    let jail = Jail::new().probe(poorer);
    let error = jail
        .clone()
        .at_least(Level::Enforced)
        .spawn(&program, Handover::new());
    let error = error.unwrap_err();
    assert_eq!(error.code(), "SANDBOX_TOO_WEAK");
    assert!(
        error
            .to_string()
            .contains("can read and write its user's files"),
        "{error}"
    );
    assert!(
        jail.at_least(Level::Mediated)
            .spawn(&program, Handover::new())
            .is_ok()
    );
}

#[test]
fn what_is_expected_is_what_is_reached() {
    let jail = Jail::new().limits(Limits::default().with_processes(None));
    let confined = jail
        .spawn(&Program::at("/bin/true"), Handover::new())
        .unwrap();
    assert_eq!(confined.reached(), &jail.expected());
    assert!(confined.reached().lacks(Missing::ProcessCount));
    assert!(confined.reached().lacks(Missing::MemoryTotal));
}

#[test]
fn a_probe_only_ever_takes_away() {
    let probe = Probe::detect();
    assert_eq!(probe.with_landlock_at_most(u32::MAX), probe);
    assert!(probe.has_seccomp() && probe.has_namespaces());
    let none = probe
        .with_landlock_at_most(0)
        .without_seccomp()
        .without_namespaces();
    assert_eq!(Jail::new().probe(none).expected().level(), Level::Declared);
}
