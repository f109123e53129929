//! Attacks on files, on the host's process, and through sockets.

use std::collections::BTreeSet;

use super::scene::{Report, Scene, users};

/// Attacks on files that are not the program's.
const FILES: &[&str] = &[
    "read_secret",
    "read_through_dots",
    "read_through_proc_root",
    "read_through_symlink",
    "read_through_hard_link",
    "read_system_users",
    "list_root",
    "list_parent_of_scratch",
    "write_victim",
    "truncate_victim",
    "rename_over_victim",
    "unlink_victim",
    "symlink_over_victim",
    "make_file_beside",
    "make_folder_beside",
    "bind_over_victims",
    "chmod_victim",
    "utime_victim",
    "chown_victim",
    "watch_folder",
];

/// Attacks on what decides what runs next time.
const CONFIGURATION: &[&str] = &[
    "write_agent_config",
    "write_agent_memory",
    "write_shell_startup",
    "write_own_manifest",
    "replace_own_binary",
];

/// Attacks on the host's process.
const PROCESSES: &[&str] = &[
    "trace_host",
    "read_host_memory",
    "read_host_environment",
    "copy_host_memory",
    "take_host_descriptor",
    "signal_host",
    "limit_host",
    "pin_host",
    "schedule_host",
    "slow_host",
    "slow_hosts_disk",
    "share_host_memory",
];

/// Attacks through sockets.
const SOCKETS: &[&str] = &[
    "connect_tcp4",
    "connect_tcp6",
    "listen_tcp",
    "send_udp4",
    "send_udp6",
    "open_netlink",
    "connect_abstract",
    "connect_path",
    "send_from_pair",
];

/// Attacks that run code which nobody approved, or use the kernel's dark corners.
const KERNEL: &[&str] = &[
    "run_what_it_wrote",
    "run_from_memory",
    "use_io_uring",
    "make_user_namespace",
    "fork_into_user_namespace",
    "use_keyring",
];

/// All attacks of these names are refused in the jail, and all succeed without it.
#[track_caller]
fn refused(names: &[&str]) {
    for user in users() {
        let confined = Scene::new(user).run(&[], &["attack"]);
        assert_eq!(confined.word("level"), "enforced");
        outcomes(&confined, names, false);
        let control = Scene::new(user).run(&["plain=1"], &["attack"]);
        outcomes(&control, names, true);
    }
}

#[track_caller]
fn outcomes(report: &Report, names: &[&str], expected: bool) {
    let unexpected: BTreeSet<_> = names
        .iter()
        .filter(|name| report.attacks.get(**name) != Some(&expected))
        .collect();
    assert!(
        unexpected.is_empty(),
        "not {expected}: {unexpected:?} in {:#?}",
        report.refusals
    );
}

#[test]
fn s_c3_files_of_others_are_out_of_reach() {
    refused(FILES);
}

#[test]
fn s_c4_configuration_manifest_and_binary_stay_as_they_are() {
    refused(CONFIGURATION);
}

#[test]
fn s_c5_the_hosts_process_is_out_of_reach() {
    refused(PROCESSES);
}

#[test]
fn s_c8_no_socket_leads_out() {
    refused(SOCKETS);
}

#[test]
fn s_c8_unapproved_code_does_not_run_and_the_kernel_is_kept_from_view() {
    refused(KERNEL);
}

#[test]
fn every_attack_of_the_program_is_in_a_list() {
    let report = Scene::new(super::scene::ordinary()).run(&[], &["attack"]);
    let tried: BTreeSet<&str> = report.attacks.keys().map(String::as_str).collect();
    let lists = [FILES, CONFIGURATION, PROCESSES, SOCKETS, KERNEL];
    assert_eq!(tried, lists.into_iter().flatten().copied().collect());
}
