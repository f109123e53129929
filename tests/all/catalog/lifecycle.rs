use keyway_host::digest::Digest;
use keyway_host::lifecycle::{Discovered, LifecycleState as S};

use super::support::{id, operator};

/// Every legal move, and nothing else; `l02` tries all the others.
const LEGAL: [(S, S); 26] = [
    (S::Discovered, S::Validated),
    (S::Validated, S::PendingApproval),
    (S::PendingApproval, S::Approved),
    (S::PendingApproval, S::Denied),
    (S::PendingApproval, S::Revoked),
    (S::Denied, S::Approved),
    (S::Denied, S::PendingApproval),
    (S::Denied, S::Revoked),
    (S::Approved, S::Running),
    (S::Approved, S::Failed),
    (S::Approved, S::PendingApproval),
    (S::Approved, S::Denied),
    (S::Approved, S::Revoked),
    (S::Running, S::Stopped),
    (S::Running, S::Failed),
    (S::Running, S::Revoked),
    (S::Stopped, S::Running),
    (S::Stopped, S::Approved),
    (S::Stopped, S::PendingApproval),
    (S::Stopped, S::Denied),
    (S::Stopped, S::Revoked),
    (S::Failed, S::Running),
    (S::Failed, S::Approved),
    (S::Failed, S::PendingApproval),
    (S::Failed, S::Denied),
    (S::Failed, S::Revoked),
];

#[test]
fn l01_the_happy_path_as_types() {
    let digest = Digest::of(b"artifact");
    let discovered = Discovered::new(id("notes"), digest);
    assert_eq!(discovered.state(), S::Discovered);
    let validated = discovered.validate();
    assert_eq!(validated.state(), S::Validated);
    let pending = validated.submit();
    assert_eq!(pending.state(), S::PendingApproval);
    let approved = pending.approve(operator());
    assert_eq!(approved.state(), S::Approved);
    assert_eq!(approved.approved_by(), &operator());
    let running = approved.start(digest).unwrap();
    assert_eq!(running.state(), S::Running);
    let revoked = running.revoke(operator());
    assert_eq!(revoked.state(), S::Revoked);
    assert_eq!(revoked.plugin(), &id("notes"));
    assert_eq!(revoked.digest(), digest);
}

#[test]
fn l01_approval_holds_for_these_bytes_only() {
    let digest = Digest::of(b"approved");
    let pending = Discovered::new(id("notes"), digest).validate().submit();
    let approved = pending.approve(operator());
    let refused = approved.start(Digest::of(b"swapped")).unwrap_err();
    assert_eq!(refused.state.state(), S::Approved, "the state is unchanged");
    assert_eq!(refused.error.approved, digest);
    assert!(refused.state.start(digest).is_ok());
}

#[test]
fn l02_the_whole_matrix() {
    for from in S::ALL {
        for wanted in S::ALL {
            let is_legal = LEGAL.contains(&(from, wanted));
            match from.advance(wanted) {
                Ok(state) => {
                    assert!(is_legal, "{from} -> {wanted} must be refused");
                    assert_eq!(state, wanted);
                }
                Err(error) => {
                    assert!(!is_legal, "{from} -> {wanted} must be allowed");
                    assert_eq!((error.from, error.wanted), (from, wanted));
                    assert_eq!(error.code(), "ILLEGAL_TRANSITION");
                }
            }
        }
    }
}

#[test]
fn l02_an_illegal_move_says_what_would_be_legal() {
    let error = S::Discovered.advance(S::Running).unwrap_err();
    assert_eq!(
        error.to_string(),
        "a plugin that is discovered cannot become running; expected one of: validated"
    );
    let error = S::Revoked.advance(S::Approved).unwrap_err();
    assert!(error.to_string().ends_with("nothing, this is final"));
}

#[test]
fn settlement_9_only_revoked_is_final() {
    for state in S::ALL {
        assert_eq!(
            state.next_states().is_empty(),
            state == S::Revoked,
            "{state}"
        );
    }
    for back in [S::Stopped, S::Failed, S::Denied] {
        assert!(back.advance(S::Approved).is_ok(), "{back}");
    }
}
