//! The plugin of the runtimes suite as an executable.

#[path = "../tests/all/runtimes/twin.rs"]
mod twin;

keyway_serve::main!(twin::Twin {
    kind: "process",
    background: std::env::args().any(|word| word == "background"),
});
