//! The two plugins of the example: one linked and found by itself, one packaged in a folder.

mod repo_tools;
mod text_tools;
mod walk;
