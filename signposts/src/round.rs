//! The message of a round's interval: the driver writes it, the reader of a recording parses it.

use std::fmt;

use tracing::Span;

use crate::Name;

/// One of the two sides of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Side {
    /// The reference.
    A,
    /// The other side.
    B,
}

impl Side {
    /// Both sides, in order.
    pub const ALL: [Side; 2] = [Side::A, Side::B];

    /// The side whose rounds have intervals of this name.
    pub fn of(name: &str) -> Option<Self> {
        match Name::of(name) {
            Name::SideA => Some(Self::A),
            Name::SideB => Some(Self::B),
            _ => None,
        }
    }
}

/// A round of one side, as its interval's message has it: `ops=20 kind=timed case=operation name=numpy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Round<'a> {
    /// Operations in it.
    pub ops: u64,
    /// Which kind of round: `timed`, `observed`, `warmup` …; one word.
    pub kind: &'a str,
    /// Which comparison of the run. It may hold blanks, but no ` name=`.
    pub case: &'a str,
    /// The name of the side, chosen by the user.
    pub name: &'a str,
}

impl<'a> Round<'a> {
    /// Parses a message; `None` if it is not a round's message.
    pub fn parse(message: &'a str) -> Option<Self> {
        let rest = message.trim().strip_prefix("ops=")?;
        let (ops, rest) = rest.split_once(" kind=")?;
        let (kind, rest) = rest.split_once(" case=")?;
        let (case, name) = rest.split_once(" name=")?;
        Some(Self { ops: ops.parse().ok()?, kind, case, name })
    }

    /// The span of the round; not entered yet. Its level is INFO, because one span covers thousands of operations; the
    /// kernel's spans are TRACE.
    pub fn span(&self, side: Side) -> Span {
        let Round { ops, kind, case, name } = *self;
        // A span's name is part of its call site.
        match side {
            Side::A => {
                tracing::info_span!(target: crate::TARGET, Name::SideA.text(), ops, kind, case, name)
            }
            Side::B => {
                tracing::info_span!(target: crate::TARGET, Name::SideB.text(), ops, kind, case, name)
            }
        }
    }
}

impl fmt::Display for Round<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Round { ops, kind, case, name } = self;
        write!(f, "ops={ops} kind={kind} case={case} name={name}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let round = Round { ops: 20, kind: "timed", case: "operation float32 512 × 512", name: "ops=1 name=x case=y" };
        assert_eq!(Round::parse(&round.to_string()), Some(round));
    }

    #[test]
    fn another_message_is_no_round() {
        for message in ["", "n=4", "ops=x kind=timed case=c name=n", "ops=1 kind=k"] {
            assert_eq!(Round::parse(message), None, "{message:?}");
        }
        assert_eq!(Side::of("side B"), Some(Side::B));
        assert_eq!(Side::of("scale"), None);
    }
}
