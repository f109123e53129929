//! `keyway mcp`: MCP servers as plugins, and a host as an MCP server.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use keyway_host::catalog::Operation;
use keyway_host::package::MANIFEST_FILE;
use keyway_host::rank::{Precedence, Trust};
use keyway_mcp::{Endpoint, HttpOptions, McpServer, read_servers};
use tokio::net::TcpListener;

use super::carry_out::carry_out;
use super::{Mode, open, operation};
use crate::args::{Global, McpAddArgs, McpArgs, McpCommand, McpServeArgs};
use crate::failure::Failure;
use crate::output;
use crate::session::{Running, Session};

/// Folder of a state folder with a package for each server.
const SERVERS: &str = "mcp";

pub(super) fn run(global: &Global, args: McpArgs) -> Result<(), Failure> {
    match args.command {
        McpCommand::Add(args) => {
            let server = server(&args)?;
            warn_of_unreachable_code(&args);
            install(&open(global)?, &server, args.trust(), global.json)
        }
        McpCommand::Import { file, trust } => {
            import(&open(global)?, &file, trust.into(), global.json)
        }
        McpCommand::Serve(args) => serve(global, &args),
    }
}

fn server(args: &McpAddArgs) -> Result<McpServer, Failure> {
    let failed = |error: keyway_mcp::ConfigError| Failure::new(error.code(), error);
    let mut server = match (&args.url, args.command.as_slice()) {
        (Some(url), _) => McpServer::http(&args.name, url).map_err(failed)?,
        (None, [program, rest @ ..]) => {
            McpServer::stdio(&args.name, program, rest.iter().map(String::as_str))
                .map_err(failed)?
        }
        (None, []) => {
            return Err(
                Failure::new("NO_SERVER", "neither a command nor an address was given")
                    .hint(format!("keyway mcp add {} -- PROGRAM ARGS", args.name))
                    .hint(format!("keyway mcp add {} --url https://…", args.name)),
            );
        }
    };
    for folder in &args.read {
        server = server.with_read(folder);
    }
    for folder in &args.write {
        server = server.with_write(folder);
    }
    Ok(server)
}

/// A local server runs in a jail, where it does not see its own code unless that is granted.
fn warn_of_unreachable_code(args: &McpAddArgs) {
    let granted = args.read.iter().chain(&args.write).map(Path::new);
    let is_granted = |path: &Path| granted.clone().any(|folder| path.starts_with(folder));
    let is_system = |path: &Path| path.starts_with("/usr") || path.starts_with("/lib");
    let paths = args.command.iter().map(Path::new);
    for path in paths.filter(|path| path.is_absolute() && path.exists()) {
        let folder = path.parent().unwrap_or(path);
        if !is_granted(path) && !is_system(path) {
            let (path, folder) = (path.to_string_lossy(), folder.to_string_lossy());
            output::warning(format_args!(
                "the server will not be able to read {}",
                output::shown(&path)
            ));
            output::help(format_args!(
                "to grant that: --read {}",
                output::shown(&folder)
            ));
        }
    }
}

fn import(session: &Session, file: &Path, trust: Trust, as_json: bool) -> Result<(), Failure> {
    let text = fs::read_to_string(file).map_err(|e| {
        let file = output::shown(&file.to_string_lossy());
        Failure::new("FILE_UNREADABLE", format_args!("cannot read {file}: {e}"))
            .hint("name the file that lists the servers: keyway mcp import .mcp.json")
    })?;
    let found = read_servers(&text).map_err(|e| Failure::new(e.code(), e))?;
    for (name, error) in &found.refused {
        output::warning(format_args!("{} is left out: {error}", output::shown(name)));
    }
    for server in &found.servers {
        if let Err(failure) = install(session, server, trust, as_json) {
            output::warning(&failure);
        }
    }
    Ok(())
}

/// Writes a server's manifest as a package of the state folder and installs it from there.
fn install(
    session: &Session,
    server: &McpServer,
    trust: Trust,
    as_json: bool,
) -> Result<(), Failure> {
    let folder = package_folder(session.dir(), server)?;
    let failed = |e: std::io::Error| {
        let folder = folder.display();
        Failure::new(
            "PACKAGE_UNWRITABLE",
            format_args!("cannot write {folder}: {e}"),
        )
    };
    write_manifest(&folder, &server.manifest()).map_err(failed)?;
    if let keyway_mcp::Pinning::Unpinned { why } = server.pinning() {
        output::warning(format_args!(
            "{} is unpinned: {}; what runs can change without anybody's approval",
            server.id(),
            output::shown(&why)
        ));
    }
    let candidate = session
        .candidate(&folder)?
        .with_precedence(Precedence::User)
        .with_trust(trust);
    let candidate = Box::new(candidate);
    let mode = Mode {
        json: as_json,
        dry_run: false,
    };
    carry_out(session, &Operation::Install { candidate }, mode)
}

/// Replaces a package's manifest; a crash leaves the old one or the new one.
fn write_manifest(folder: &Path, text: &str) -> std::io::Result<()> {
    fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(folder.join(MANIFEST_FILE))?;
    fs::File::open(folder)?.sync_all()
}

fn package_folder(dir: &Path, server: &McpServer) -> Result<PathBuf, Failure> {
    let dir = std::path::absolute(dir).map_err(|e| Failure::new("STATE_FAILED", e))?;
    Ok(dir.join(SERVERS).join(server.id().as_str()))
}

fn serve(global: &Global, args: &McpServeArgs) -> Result<(), Failure> {
    let scope = operation::scope(&args.scope)?;
    let running = Running::start(global, scope.clone())?;
    for outcome in running.report().failures() {
        // Standard output belongs to the protocol.
        output::warning(format_args!("{} does not run", outcome.plugin));
    }
    let endpoint = Endpoint::new(running.session().shared_host(), scope);
    let Some(address) = args.http else {
        let served = running.session().block_on(endpoint.serve_stdio());
        return served.map_err(|e| Failure::new(e.code(), e));
    };
    let serve = async {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        output::note(format_args!("serving MCP at http://{address}/mcp"));
        // It ends with the command.
        let never = std::future::pending();
        endpoint
            .http(HttpOptions::new())
            .serve(listener, never)
            .await
    };
    let served = running.session().block_on(serve);
    served.map_err(|e| Failure::new("HTTP_FAILED", format_args!("{address}: {e}")))
}
