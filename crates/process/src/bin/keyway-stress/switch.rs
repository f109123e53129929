//! The ways to misbehave.

/// One way to misbehave, as an argument spells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Switch {
    AnswerTwice,
    BadMac,
    CapabilityWithoutCall,
    CloseChannel,
    DeepJson,
    ExitAfterStart,
    ExitBeforeHello,
    ExitInRegister,
    ForkGrandchildAndExit,
    GarbageFirstLine,
    HangInHandshake,
    HangInRegister,
    HangInStart,
    HugeLine,
    IgnoreCancel,
    IgnorePing,
    IgnoreStop,
    NeverAnswer,
    NotUtf8,
    OtherIdentity,
    PingOkButHandlersStuck,
    PrintToStdout,
    ProveFirst,
    RegisterFails,
    RegisterLess,
    RegisterUndeclared,
    ReplayNonce,
    RequestEarly,
    SecondHello,
    SlowHandshake,
    StartFails,
    ToolListDrift,
    UnknownAnswer,
    WrongApi,
    WrongIpc,
}

/// Every switch with its spelling.
const SPELLED: [(&str, Switch); 35] = [
    ("answer-twice", Switch::AnswerTwice),
    ("bad-mac", Switch::BadMac),
    ("capability-without-call", Switch::CapabilityWithoutCall),
    ("close-channel", Switch::CloseChannel),
    ("deep-json", Switch::DeepJson),
    ("exit-after-start", Switch::ExitAfterStart),
    ("exit-before-hello", Switch::ExitBeforeHello),
    ("exit-in-register", Switch::ExitInRegister),
    ("fork-grandchild-and-exit", Switch::ForkGrandchildAndExit),
    ("garbage-first-line", Switch::GarbageFirstLine),
    ("hang-in-handshake", Switch::HangInHandshake),
    ("hang-in-register", Switch::HangInRegister),
    ("hang-in-start", Switch::HangInStart),
    ("huge-line", Switch::HugeLine),
    ("ignore-cancel", Switch::IgnoreCancel),
    ("ignore-ping", Switch::IgnorePing),
    ("ignore-stop", Switch::IgnoreStop),
    ("never-answer", Switch::NeverAnswer),
    ("not-utf8", Switch::NotUtf8),
    ("other-identity", Switch::OtherIdentity),
    ("ping-ok-but-handlers-stuck", Switch::PingOkButHandlersStuck),
    ("print-to-stdout", Switch::PrintToStdout),
    ("prove-first", Switch::ProveFirst),
    ("register-fails", Switch::RegisterFails),
    ("register-less", Switch::RegisterLess),
    ("register-undeclared", Switch::RegisterUndeclared),
    ("replay-nonce", Switch::ReplayNonce),
    ("request-early", Switch::RequestEarly),
    ("second-hello", Switch::SecondHello),
    ("slow-handshake", Switch::SlowHandshake),
    ("start-fails", Switch::StartFails),
    ("tool-list-drift", Switch::ToolListDrift),
    ("unknown-answer", Switch::UnknownAnswer),
    ("wrong-api", Switch::WrongApi),
    ("wrong-ipc", Switch::WrongIpc),
];

/// The switches of one run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Switches(Vec<Switch>);

impl Switches {
    /// Reads the arguments; an unknown one is given back.
    pub(crate) fn of(arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        arguments
            .map(|argument| {
                let found = SPELLED.iter().find(|(spelling, _)| *spelling == argument);
                found.map(|(_, switch)| *switch).ok_or(argument)
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }

    pub(crate) fn has(&self, switch: Switch) -> bool {
        self.0.contains(&switch)
    }
}
