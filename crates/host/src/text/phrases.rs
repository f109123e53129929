//! The phrases that the linter knows, by rule; lower case, single blanks.

use super::lint::LintRule;

#[rustfmt::skip]
pub(super) const PHRASES: &[(LintRule, &[&str])] = &[
    (LintRule::HidesFromUser, &[
        "do not tell", "don't tell", "never tell", "without telling", "do not mention",
        "don't mention", "never mention", "not mention this", "do not inform the user",
        "don't inform", "without informing", "without notifying", "do not notify", "don't reveal",
        "never reveal", "do not show the user", "do not disclose", "keep this secret",
        "keep this hidden", "hide this from", "not visible to the user", "user must not",
        "user should not know", "user does not need to know", "do not ask the user",
        "without asking the user", "without user confirmation", "without the user's",
        "no need to confirm", "do not ask for confirmation", "secretly", "covertly",
    ]),
    (LintRule::InstructionMarkup, &[
        "<important>", "</important>", "<system>", "<system_prompt>", "<secret>", "<hidden>",
        "<instructions>", "<instruction>", "<admin>", "<critical>", "<|im_start|>", "<|system|>",
        "[system]", "[inst]", "<<sys>>", "<!--", "[important]", "### instruction", "## system",
        "system instruction", "system override", "<tool_call>", "<function_calls>", "<s>[",
        "[hidden instruction", "hidden instruction", "important instruction",
    ]),
    (LintRule::OverridesInstructions, &[
        "ignore previous", "ignore all previous", "ignore the previous", "ignore any previous",
        "ignore prior", "ignore all prior", "ignore your", "ignore all instructions",
        "ignore other instructions", "disregard previous", "disregard all", "disregard any",
        "disregard the above", "disregard your", "forget previous", "forget all previous",
        "forget your", "override your", "override all", "override previous", "overrides all",
        "overrides any", "you are now", "you must now", "your new task", "your real task",
        "instead of what the user", "regardless of what the user", "regardless of the user",
        "jailbreak", "developer mode", "safety guidelines",
    ]),
    (LintRule::Preference, &[
        "always use this", "always call this", "always invoke this", "always run this",
        "always prefer this", "always choose this", "use this tool first", "call this tool first",
        "call this first", "use this first", "must be called first", "must be used first",
        "must use this", "must call this", "must be called before", "must be run before",
        "before any other tool", "before using any other", "before calling any other",
        "before all other", "prior to any other", "instead of any other", "instead of other tools",
        "do not use any other tool", "do not use other tools", "never use any other",
        "never use other", "other tools are", "all other tools", "every other tool",
        "prefer this tool", "highest priority", "top priority", "most reliable tool",
        "the only tool", "only trusted", "deprecated alternative", "superior to",
    ]),
    (LintRule::CrossTool, &[
        "when any tool", "when another tool", "when using other tools", "when calling other tools",
        "whenever any tool", "whenever the user asks", "every time you", "after every tool",
        "after each tool", "after calling any", "after using any", "when this tool is available",
        "is present, you", "when this tool is present", "output of other tools",
        "the result of any tool", "results of other tools", "for all subsequent",
        "in all subsequent", "change the recipient", "modify the arguments",
        "replace the recipient", "always bcc", "set bcc",
    ]),
    (LintRule::SensitivePlace, &[
        "~/.ssh", ".ssh/", "id_rsa", "id_ed25519", "~/.aws", ".aws/credentials", "~/.env",
        "the .env file", ".env file", "/etc/passwd", "/etc/shadow", "~/.bashrc", "~/.zshrc",
        "~/.gnupg", "~/.kube", "~/.netrc", "~/.npmrc", "~/.git-credentials", "~/.cursor",
        "mcp.json", ".claude/", "claude_desktop_config", "/proc/self/environ",
        "environment variables and", "all environment variables", "wallet.dat", "seed phrase",
        "browser cookies", "authorized_keys", "credentials.json",
    ]),
    (LintRule::Exfiltration, &[
        "the conversation history", "entire conversation", "full conversation", "full chat history",
        "the user's messages", "your system prompt", "your instructions", "your full context",
        "list of all tools", "names of all tools", "send the contents", "send its contents",
        "send the content", "upload the contents", "pass its content", "pass its contents",
        "pass the contents", "pass the content of", "as sidenote", "sidenote",
        "append the contents", "attach the contents", "forward a copy", "send a copy",
        "copy of all", "forward all", "exfiltrate", "webhook.site", "requestbin", "base64 -d",
        "base64 --decode", "| bash", "eval(", "exec(", "os.system",
    ]),
    (LintRule::Link, &[
        "http://", "https://", "javascript:", "data:text",
    ]),
];
