use keyway_host::catalog::{
    Approval, Authority, CallAnswer, CallQuestion, Grant, Operation, RuleTarget, shows_optional,
};
use keyway_host::digest::Digest;
use keyway_host::scope::Scope;
use keyway_plugin_api::{AgentId, Capability, Effect, ToolId};
use serde_json::json;

use super::support::{
    Desk, Draft, approve, approve_with, deny, disable, enable, id, operator, plugin,
};

fn asker() -> Draft {
    plugin("github-tools").runs().asks(json!([
        { "kind": "network", "hosts": ["api.github.com"], "methods": ["GET"] },
        { "kind": "secret", "names": ["GITHUB_TOKEN"], "optional": true },
        { "kind": "filesystem", "read": ["repo"], "write": ["out"], "optional": true },
    ]))
}

fn by() -> Approval {
    Approval::by(operator())
}

fn tag(text: &str) -> Capability {
    Capability::parse_tag(text).unwrap()
}

#[test]
fn approval_grants_what_is_required_and_what_is_named() {
    let required = "network:api.github.com[GET]";
    let all = [
        "filesystem:read:./repo",
        "filesystem:write:./out",
        required,
        "secret:GITHUB_TOKEN",
    ];
    for (approval, granted) in [
        (by(), vec![required]),
        (by().with_all(), all.to_vec()),
        (
            by().with_tags(["filesystem:read".to_owned()]),
            vec!["filesystem:read:./repo", required],
        ),
        (
            by().with_tags(["secret:GITHUB_TOKEN".to_owned()]),
            vec![required, "secret:GITHUB_TOKEN"],
        ),
    ] {
        let mut desk = Desk::new();
        desk.run(&asker().install());
        assert_eq!(desk.authority("github-tools"), Authority::PendingApproval);
        assert_eq!(desk.granted("github-tools"), [""; 0]);
        desk.run(&approve_with("github-tools", approval));
        assert_eq!(desk.authority("github-tools"), Authority::Approved);
        assert_eq!(desk.granted("github-tools"), granted);
        assert!(
            desk.is_enabled("github-tools"),
            "approval enables what wants it"
        );
    }
}

#[test]
fn approving_a_tag_that_nobody_asked_for_is_refused() {
    let mut desk = Desk::new();
    desk.run(&asker().install());
    let error = desk.refused(&approve_with(
        "github-tools",
        by().with_tags(["network:evil.example".to_owned()]),
    ));
    assert_eq!(error.code(), "UNKNOWN_TAG");
    assert!(
        error
            .to_string()
            .contains("there are network:api.github.com[GET]"),
        "{error}"
    );
}

#[test]
fn an_approval_carries_scope_time_uses_and_digest_into_every_grant() {
    let mut desk = Desk::new();
    desk.run(&asker().install());
    let scope: Scope = "acme/support".parse().unwrap();
    let approval = by()
        .with_scope(scope.clone())
        .with_expiry(99_000)
        .with_uses(3);
    desk.run(&approve_with("github-tools", approval));
    let entry = desk.entry("github-tools");
    let grant = &entry.keyway.grants[0];
    assert_eq!(grant.scope, scope);
    assert_eq!(grant.expires_at_ms, Some(99_000));
    assert_eq!(grant.uses_left, Some(3));
    assert_eq!(grant.digest, entry.keyway.declared.digest);
    assert_eq!(grant.by, operator());
    assert_eq!(grant.at_ms, desk.now_ms);
}

#[test]
fn s_t40_an_approval_of_other_bytes_is_refused() {
    let mut desk = Desk::new();
    desk.run(&asker().install());
    let other = Digest::of(b"what the operator looked at");
    let error = desk.refused(&approve_with("github-tools", by().with_digest(other)));
    assert_eq!(error.code(), "APPROVAL_STALE");
    let there = desk.entry("github-tools").keyway.declared.digest.unwrap();
    desk.run(&approve_with("github-tools", by().with_digest(there)));
}

#[test]
fn l08_a_denied_required_capability_denies_the_plugin() {
    let mut desk = Desk::new();
    desk.run(&asker().install_approved());
    let plan = desk.run(&deny("github-tools", &["network"]));
    assert_eq!(desk.authority("github-tools"), Authority::Denied);
    assert_eq!(plan.stops(), [id("github-tools")]);
    assert_eq!(desk.granted("github-tools"), [""; 0]);
    assert_eq!(
        plan.result().message,
        "Denied github-tools: denied by olga: not today; network:api.github.com[GET] is required."
    );
    let error = desk.refused(&enable("github-tools"));
    assert_eq!(error.code(), "CAPABILITY_DENIED");
}

#[test]
fn l08_a_denied_optional_capability_lets_the_plugin_run_without() {
    let mut desk = Desk::new();
    desk.run(&asker().install());
    desk.run(&approve_with("github-tools", by().with_all()));
    let plan = desk.run(&deny("github-tools", &["secret", "filesystem:write"]));
    assert!(plan.stops().is_empty());
    assert!(desk.is_enabled("github-tools"));
    assert_eq!(
        desk.granted("github-tools"),
        ["filesystem:read:./repo", "network:api.github.com[GET]"]
    );
    let refusals = &desk.entry("github-tools").keyway.refusals;
    assert_eq!(refusals.len(), 2);
    assert!(
        refusals
            .iter()
            .all(|no| no.reason.as_deref() == Some("not today"))
    );
}

#[test]
fn settlement_9_a_denied_plugin_may_be_approved_later() {
    let mut desk = Desk::new();
    desk.run(&asker().install());
    desk.run(&deny("github-tools", &[]));
    assert_eq!(desk.authority("github-tools"), Authority::Denied);
    desk.run(&approve("github-tools"));
    assert!(desk.is_enabled("github-tools"));
    assert_eq!(desk.entry("github-tools").keyway.disabled_reason, None);
}

#[test]
fn disabling_a_waiting_plugin_takes_back_the_wish_to_enable_it() {
    let mut desk = Desk::new();
    desk.run(&asker().install());
    desk.run(&disable("github-tools"));
    desk.run(&approve("github-tools"));
    assert!(!desk.is_enabled("github-tools"));
    desk.run(&enable("github-tools"));
    assert!(desk.is_enabled("github-tools"));
}

#[test]
fn approving_again_adds_grants_and_renews_old_ones() {
    let mut desk = Desk::new();
    desk.run(&asker().install());
    desk.run(&approve_with("github-tools", by().with_expiry(50_000)));
    desk.run(&approve_with(
        "github-tools",
        by().with_tags(["secret".to_owned()]),
    ));
    assert_eq!(
        desk.granted("github-tools"),
        ["network:api.github.com[GET]", "secret:GITHUB_TOKEN"]
    );
    let grants = &desk.entry("github-tools").keyway.grants;
    assert!(grants.iter().all(|grant| grant.expires_at_ms.is_none()));
}

#[test]
fn a_grant_of_what_is_not_declared_is_refused() {
    let mut desk = Desk::new();
    desk.run(&asker().install_approved());
    let grant = |text: &str| Operation::GrantOne {
        plugin: id("github-tools"),
        grant: Grant::new(tag(text), operator(), 0, Scope::everywhere()),
    };
    assert_eq!(
        desk.refused(&grant("network:evil.example")).code(),
        "UNKNOWN_TAG"
    );
    assert_eq!(
        desk.refused(&grant("filesystem:read:/")).code(),
        "UNKNOWN_TAG"
    );
    desk.run(&grant("filesystem:read:repo/docs"));
    assert_eq!(
        desk.granted("github-tools"),
        ["filesystem:read:./repo/docs", "network:api.github.com[GET]"]
    );
}

#[test]
fn revoking_a_grant_denies_the_plugin_only_where_it_was_required() {
    let mut desk = Desk::new();
    desk.run(&asker().install());
    desk.run(&approve_with("github-tools", by().with_all()));
    let revoke_grant = |tag: &str| Operation::RevokeGrant {
        plugin: id("github-tools"),
        tag: tag.to_owned(),
        by: operator(),
    };
    desk.run(&revoke_grant("secret:GITHUB_TOKEN"));
    assert!(desk.is_enabled("github-tools"));
    let again = desk.refused(&revoke_grant("secret:GITHUB_TOKEN"));
    assert_eq!(again.code(), "UNKNOWN_TAG");
    let plan = desk.run(&revoke_grant("network"));
    assert_eq!(desk.authority("github-tools"), Authority::Denied);
    assert_eq!(plan.stops(), [id("github-tools")]);
}

#[test]
fn uses_are_counted_down_and_not_below_nothing() {
    let mut desk = Desk::new();
    desk.run(&asker().install());
    desk.run(&approve_with("github-tools", by().with_uses(2)));
    let spend = Operation::SpendGrant {
        plugin: id("github-tools"),
        tag: "network:api.github.com[GET]".to_owned(),
        caller: Scope::everywhere(),
    };
    desk.run(&spend);
    desk.run(&spend);
    assert_eq!(desk.refused(&spend).code(), "CAPABILITY_DENIED");
}

#[test]
fn approval_stops_at_dependencies_that_are_not_enabled() {
    let mut desk = Desk::with(&[plugin("notes")]);
    desk.run(&asker().needs(&["notes"]).install());
    desk.run(&disable("notes"));
    let plan = desk.run(&approve("github-tools"));
    assert!(!desk.is_enabled("github-tools"));
    assert!(plan.starts().is_empty());
    assert!(
        plan.result()
            .message
            .ends_with("Disabled: github-tools needs notes (disabled).")
    );
}

#[test]
fn r03_rules_show_optional_tools_and_a_deny_wins() {
    let mut desk = Desk::with(&[plugin("notes")]);
    let tool: ToolId = "notes/erase".parse().unwrap();
    let groups = ["dangerous".to_owned()].into_iter().collect();
    let agent: Scope = "acme/support/triage".parse().unwrap();
    let shown = |desk: &Desk| shows_optional(&desk.state.keyway.tool_rules, &tool, &groups, &agent);
    let rule = |target: RuleTarget, allow, scope: &str| Operation::SetToolRule {
        target,
        allow,
        scope: scope.parse().unwrap(),
        by: operator(),
    };
    assert!(!shown(&desk), "no rule, not shown");
    for target in [
        RuleTarget::Tool(tool.clone()),
        RuleTarget::Plugin(id("notes")),
        RuleTarget::Group("dangerous".to_owned()),
    ] {
        let mut desk = desk.clone();
        desk.run(&rule(target.clone(), true, "other"));
        assert!(!shown(&desk), "{target} for another scope");
        desk.run(&rule(target.clone(), true, "acme"));
        assert!(shown(&desk), "{target}");
    }
    desk.run(&rule(RuleTarget::Tool(tool.clone()), true, "*"));
    desk.run(&rule(
        RuleTarget::Plugin(id("notes")),
        false,
        "acme/support",
    ));
    assert!(!shown(&desk), "deny wins");
    desk.run(&Operation::ForgetToolRule {
        target: RuleTarget::Plugin(id("notes")),
        scope: "acme/support".parse().unwrap(),
        by: operator(),
    });
    assert!(shown(&desk));
}

#[test]
fn r09_agents_can_only_propose_and_not_without_bound() {
    let mut desk = Desk::new();
    let propose = |source: &str| Operation::Propose {
        source: source.to_owned(),
        why: "customers ask for it".to_owned(),
        by: AgentId::parse("triage").unwrap(),
    };
    for n in 0..128 {
        desk.run(&propose(&format!("crm-{n}")));
    }
    assert!(desk.state.entries.is_empty(), "a proposal installs nothing");
    assert_eq!(desk.state.keyway.proposals.len(), 128);
    assert_eq!(desk.refused(&propose("one-more")).code(), "LIMIT_EXCEEDED");
    let first = desk.state.keyway.proposals.keys().next().cloned().unwrap();
    desk.run(&Operation::DropProposal {
        id: first,
        by: operator(),
    });
    assert_eq!(
        desk.refused(&propose(&"x".repeat(4000))).code(),
        "LIMIT_EXCEEDED"
    );
    desk.run(&propose("crm"));
}

#[test]
fn widening_a_scope_is_said_narrowing_is_not() {
    let mut desk = Desk::with(&[plugin("notes")]);
    let set = |scope: &str| Operation::SetScope {
        plugin: id("notes"),
        scope: scope.parse().unwrap(),
        by: operator(),
    };
    assert!(desk.run(&set("acme/support")).events().is_empty());
    let widened = desk.run(&set("acme"));
    assert_eq!(widened.events()[0].code, "SCOPE_WIDENED");
    let same = desk.run(&set("acme"));
    assert!(!same.changes_anything());
}

fn question(arguments: &[u8]) -> CallQuestion {
    CallQuestion {
        tool: "notes/erase".parse().unwrap(),
        caller: "acme/support/triage".parse().unwrap(),
        effect: Effect::Destructive,
        definition: Digest::of(b"definition"),
        arguments: Digest::of(arguments),
        preview: "{}".to_owned(),
    }
}

#[test]
fn a_call_is_answered_once_or_standing_never_for_something_else() {
    let mut desk = Desk::new();
    let asked = question(b"one");
    let ask = Operation::AskCall {
        question: asked.clone(),
    };
    desk.run(&ask);
    assert!(
        !desk.run(&ask).changes_anything(),
        "the same question waits once"
    );
    let answer = |answer| Operation::AnswerCall {
        id: asked.id(),
        answer,
    };
    let permits = |desk: &Desk, question: &CallQuestion| {
        let calls = desk.state.keyway.call_approvals.values();
        calls
            .clone()
            .any(|call| call.permits(question, desk.now_ms))
    };
    assert!(!permits(&desk, &asked), "no answer, no permission");

    desk.run(&answer(CallAnswer::once(operator())));
    assert!(permits(&desk, &asked));
    assert!(!permits(&desk, &question(b"two")), "other arguments");
    desk.run(&Operation::SpendCall { id: asked.id() });
    assert!(!permits(&desk, &asked), "used up");

    desk.run(&ask);
    desk.run(&answer(CallAnswer::standing(
        operator(),
        Some(desk.now_ms + 100),
    )));
    assert!(permits(&desk, &question(b"two")));
    let mut elsewhere = question(b"one");
    elsewhere.caller = "acme/support/other".parse().unwrap();
    assert!(!permits(&desk, &elsewhere), "another caller");
    let mut changed = question(b"one");
    changed.definition = Digest::of(b"changed");
    assert!(!permits(&desk, &changed), "another definition");
    desk.now_ms += 200;
    assert!(!permits(&desk, &asked), "expired");

    desk.run(&answer(CallAnswer::no(operator(), "never")));
    assert!(!permits(&desk, &asked));
}
