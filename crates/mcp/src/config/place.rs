//! Placeholders: what is put into a configuration when the server starts.

use super::ConfigError;
use super::error::shown;

/// Puts values for `${NAME}` into a text. What looks like no placeholder stays as it is.
pub(crate) fn fill(
    text: &str,
    value_of: &dyn Fn(&str) -> Option<String>,
) -> Result<String, ConfigError> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        out.push_str(before);
        let Some((name, behind)) = after.split_once('}') else {
            out.push_str("${");
            out.push_str(after);
            return Ok(out);
        };
        let value = value_of(name).ok_or_else(|| ConfigError::Placeholder {
            placeholder: shown(&format!("${{{name}}}")),
        })?;
        out.push_str(&value);
        rest = behind;
    }
    out.push_str(rest);
    Ok(out)
}

/// Lists the placeholders of a text.
pub(super) fn names_in(text: &str) -> Vec<&str> {
    let parts = text.split("${").skip(1);
    parts
        .filter_map(|part| part.split_once('}'))
        .map(|(name, _)| name)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fills_what_it_knows_and_refuses_the_rest() {
        let known = |name: &str| (name == "PLUGIN_ROOT").then(|| "/p".to_owned());
        assert_eq!(fill("${PLUGIN_ROOT}/x", &known).unwrap(), "/p/x");
        assert_eq!(fill("a$b ${open", &known).unwrap(), "a$b ${open");
        assert!(fill("${HOME}", &known).is_err());
    }

    #[test]
    fn a_value_is_not_filled_again() {
        let trick = |name: &str| (name == "A").then(|| "${B}".to_owned());
        assert_eq!(fill("${A}", &trick).unwrap(), "${B}");
    }
}
