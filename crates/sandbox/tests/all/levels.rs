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
    ("send_from_pair", &["LocalSockets"]),
    ("send_udp4", &["Network"]),
    ("send_udp6", &["Network"]),
    ("share_host_memory", &["HostMessages"]),
    ("signal_host", &["Signals"]),
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
    "read_host_environment",
    "read_host_memory",
    "take_host_descriptor",
    "trace_host",
];

/// What a poorer kernel lacks, and the level that must be reported there.
fn kernels() -> Vec<(Vec<String>, Level)> {
    let mut kernels = vec![(vec![], Level::Enforced)];
    for abi in 0..=5 {
        let abi = |more: &[&str]| {
            let all = [format!("abi={abi}")].into_iter();
            all.chain(more.iter().map(|option| (*option).to_owned()))
                .collect()
        };
        let landlock = |level| {
            if abi(&[]) == ["abi=0"] {
                Level::Mediated.min(level)
            } else {
                level
            }
        };
        let bare = if abi(&[]) == ["abi=0"] {
            Level::Declared
        } else {
            Level::Mediated
        };
        kernels.push((abi(&[]), landlock(Level::Enforced)));
        kernels.push((abi(&["seccomp=none"]), bare));
        kernels.push((abi(&["namespaces=none"]), Level::Mediated));
        kernels.push((abi(&["seccomp=none", "namespaces=none"]), bare));
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
    let poorer = Probe::detect().without_seccomp();
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
            .contains("can reach sockets of other programs"),
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
    assert!(probe.has_seccomp() && probe.has_namespaces() && probe.landlock() > 5);
    let none = probe
        .with_landlock_at_most(0)
        .without_seccomp()
        .without_namespaces();
    assert_eq!(Jail::new().probe(none).expected().level(), Level::Declared);
}
