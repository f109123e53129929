use keyway_plugin_api::{ToolErrorCases, tool};

#[derive(Debug, thiserror::Error, ToolErrorCases)]
#[error("search failed")]
enum SearchError {
    #[case(kind = not_found)]
    Undocumented,
    /// Nobody's fault.
    Kindless,
    /// Of a kind that there is not.
    #[case(kind = notfound)]
    Misspelled,
    /// With an argument that there is not.
    #[case(kind = internal, retry)]
    Odd,
    /// Transparent with nothing inside.
    #[case(transparent, kind = internal)]
    Empty,
    #[case]
    Bare,
}

/// Fails; that the cases were refused is the only error.
#[tool(effect = read)]
fn search() -> Result<(), SearchError> {
    Err(SearchError::Odd)
}

fn main() {}
