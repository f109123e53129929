//! Plugins as processes, with real hosts, real processes and real folders.

mod support;

mod breakdowns;
mod confinement;
mod handshakes;
mod life;
mod supervision;
