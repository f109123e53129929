//! The operator: the person at the terminal, or a rule that stands in for one.

use std::io::{BufRead, Write};

/// Who decides about plugins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    /// Grants what a plugin requires and nothing optional.
    Rule,
    /// Is asked on the terminal.
    Terminal,
}

/// What the operator says to one plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Yes, and to the optional requests too.
    All,
    /// No.
    No,
    /// Yes, to the required requests only.
    Required,
}

impl Operator {
    /// Returns the name under which decisions are recorded.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rule => "quickstart-rule",
            Self::Terminal => "operator",
        }
    }

    /// Decides about a plugin.
    pub(crate) async fn decide(self, plugin: &str) -> Answer {
        let question = format!("    let {plugin} run? [y = what it requires, a = all, N] ");
        match self {
            Self::Rule => Answer::Required,
            // A blocking read has its own thread, so that running plugins are not held up.
            Self::Terminal => tokio::task::spawn_blocking(move || ask(&question))
                .await
                .unwrap_or(Answer::No),
        }
    }
}

fn ask(question: &str) -> Answer {
    let mut out = std::io::stdout();
    let _terminal_gone = out
        .write_all(question.as_bytes())
        .and_then(|()| out.flush());
    let mut line = String::new();
    // No answer, and whatever is not a yes, is a no.
    match std::io::stdin().lock().read_line(&mut line) {
        Ok(_) => understood(line.trim()),
        Err(_) => Answer::No,
    }
}

fn understood(line: &str) -> Answer {
    match line.to_ascii_lowercase().as_str() {
        "a" | "all" => Answer::All,
        "y" | "yes" => Answer::Required,
        _ => Answer::No,
    }
}

#[cfg(test)]
mod tests {
    use super::{Answer, understood};

    #[test]
    fn only_a_yes_is_a_yes() {
        for (line, answer) in [
            ("y", Answer::Required),
            ("YES", Answer::Required),
            ("a", Answer::All),
            ("", Answer::No),
            ("n", Answer::No),
            ("sure", Answer::No),
        ] {
            assert_eq!(understood(line), answer, "{line:?}");
        }
    }
}
