//! Files under the roots that the operator granted.

use super::reply::{ask, bytes, done, handle, names};
use crate::{CallCx, ConstNeed, EffectReply, EffectRequest, FileStat, ToolError, ToolErrorKind};

/// Reads files under the granted roots. The gate decides on every path.
///
/// ```
/// use keyway_plugin_api::{FsRead, ToolError, tool};
///
/// /// Returns the project's readme.
/// #[tool(effect = read)]
/// async fn readme(fs: FsRead) -> Result<String, ToolError> {
///     fs.read_text("README.md").await
/// }
/// ```
#[derive(Debug, Clone)]
pub struct FsRead {
    cx: CallCx,
}

handle!(FsRead, ConstNeed::FilesystemRead);

impl FsRead {
    /// Reads a whole file.
    ///
    /// # Errors
    /// `Denied` with the missing grant, `NotFound`, or what else went wrong outside.
    pub async fn read(&self, path: impl Into<String>) -> Result<Vec<u8>, ToolError> {
        let path = path.into();
        ask(&self.cx, EffectRequest::FsRead { path }, |reply| {
            bytes(reply).flatten()
        })
        .await
    }

    /// Reads a whole file as UTF-8.
    ///
    /// # Errors
    /// As [`FsRead::read`]; `Conflict` when the file is not UTF-8.
    pub async fn read_text(&self, path: impl Into<String>) -> Result<String, ToolError> {
        let bytes = self.read(path).await?;
        String::from_utf8(bytes)
            .map_err(|_| ToolError::new(ToolErrorKind::Conflict, "the file is not UTF-8 text"))
    }

    /// Lists the names in a directory, sorted.
    ///
    /// # Errors
    /// As [`FsRead::read`].
    pub async fn list(&self, path: impl Into<String>) -> Result<Vec<String>, ToolError> {
        let path = path.into();
        ask(&self.cx, EffectRequest::FsList { path }, names).await
    }

    /// Tells whether a path is a file or a directory and how large it is.
    ///
    /// # Errors
    /// As [`FsRead::read`].
    pub async fn stat(&self, path: impl Into<String>) -> Result<FileStat, ToolError> {
        let path = path.into();
        ask(
            &self.cx,
            EffectRequest::FsStat { path },
            |reply| match reply {
                EffectReply::Stat(stat) => Some(stat),
                _ => None,
            },
        )
        .await
    }
}

/// Writes files under the granted roots. The gate decides on every path.
///
/// A tool that takes it cannot be declared `effect = read`; the build refuses that.
#[derive(Debug, Clone)]
pub struct FsWrite {
    cx: CallCx,
}

handle!(FsWrite, ConstNeed::FilesystemWrite);

impl FsWrite {
    /// Replaces a file with these bytes, durably and as a whole.
    ///
    /// # Errors
    /// `Denied` with the missing grant, or what else went wrong outside.
    pub async fn write(
        &self,
        path: impl Into<String>,
        bytes: impl Into<Vec<u8>>,
    ) -> Result<(), ToolError> {
        let (path, bytes) = (path.into(), bytes.into());
        ask(&self.cx, EffectRequest::FsWrite { path, bytes }, done).await
    }

    /// Removes a file.
    ///
    /// # Errors
    /// `Denied` with the missing grant, `NotFound`, or what else went wrong outside.
    pub async fn remove(&self, path: impl Into<String>) -> Result<(), ToolError> {
        let path = path.into();
        ask(&self.cx, EffectRequest::FsRemove { path }, done).await
    }
}
