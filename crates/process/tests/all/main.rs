//! Plugins as processes, with real hosts, real processes and real folders.

mod support;

mod breakdowns;
mod confinement;
mod grants;
mod handshakes;
mod kills;
mod languages;
mod life;
mod reloads;
mod runtimes;
mod supervision;
