//! The registry of switches. `python/raptors_trace/_switches.py` throws them by the same names; a test compares both.

use serde::{Deserialize, Serialize};

/// What takes one possible cause of a difference out of a side, and changes nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Switch {
    /// Copies of arrays are left out.
    NoCopies,
    /// Plain numbers instead of NumPy's, which force their type on the arrays.
    PlainScalars,
    /// The kernel chooses its backend.
    AutomaticBackend,
    /// The kernel chooses its kind of stores.
    AutomaticStores,
    /// The kernel chooses its number of threads.
    AutomaticThreads,
    /// The kernel, and every BLAS library that can be told, computes on one thread.
    OneThread,
    /// The result is written into memory that is there already.
    IntoMemoryThatIsThere,
    /// More passes over the result, into new memory or in place.
    MorePasses,
    /// Arrays in one piece.
    Contiguous,
    /// Arrays row by row.
    RowOrder,
    /// Arrays with their bytes in this machine's order.
    NativeOrder,
    /// Arrays of the largest one's floating-point type.
    SameType,
    /// Arrays that begin at cache lines, no two at the same place of a page.
    Aligned,
    /// Large arrays in huge pages.
    HugePages,
    /// Locks that are always free.
    NoLocks,
    /// Freed memory is kept by the C library.
    KeepMemory,
    /// No huge pages for the process.
    NoHugePages,
    /// The process runs on one CPU.
    OneCpu,
    /// The interpreter's lock is asked for soon.
    QuickHandover,
    /// A thread that is started runs in the thread that starts it.
    InlineThreads,
    /// Denormal numbers count as zero.
    FlushedDenormals,
    /// The garbage collector runs.
    Collector,
    /// The observers of calls and memory are armed.
    Observed,
}

/// Where a switch is thrown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// The statement, and the functions of the setup, are rewritten.
    Code,
    /// Objects that the setup has left are replaced.
    Data,
    /// It holds for everything that the process runs.
    Process,
    /// It holds while operations are timed.
    Round,
}

/// What an arm reports about a switch after it was set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tells {
    /// All that it changed: a side in which that is nothing runs as it did before.
    Everything,
    /// Some of it; what holds for rounds is not told.
    Part,
    /// Nothing.
    Nothing,
}

impl Switch {
    /// All of them.
    pub const ALL: [Self; 23] = [
        Self::NoCopies,
        Self::PlainScalars,
        Self::AutomaticBackend,
        Self::AutomaticStores,
        Self::AutomaticThreads,
        Self::OneThread,
        Self::IntoMemoryThatIsThere,
        Self::MorePasses,
        Self::Contiguous,
        Self::RowOrder,
        Self::NativeOrder,
        Self::SameType,
        Self::Aligned,
        Self::HugePages,
        Self::NoLocks,
        Self::KeepMemory,
        Self::NoHugePages,
        Self::OneCpu,
        Self::QuickHandover,
        Self::InlineThreads,
        Self::FlushedDenormals,
        Self::Collector,
        Self::Observed,
    ];

    /// Where it is thrown; at several levels at once where it needs them all.
    pub fn levels(self) -> &'static [Level] {
        use Level::{Code, Data, Process, Round};
        match self {
            Self::NoCopies
            | Self::AutomaticBackend
            | Self::AutomaticStores
            | Self::AutomaticThreads
            | Self::IntoMemoryThatIsThere
            | Self::MorePasses => &[Code],
            Self::PlainScalars => &[Code, Data],
            Self::OneThread => &[Code, Round],
            Self::Contiguous
            | Self::RowOrder
            | Self::NativeOrder
            | Self::SameType
            | Self::Aligned
            | Self::HugePages
            | Self::NoLocks => &[Data],
            Self::KeepMemory | Self::NoHugePages | Self::OneCpu => &[Process],
            Self::QuickHandover | Self::InlineThreads | Self::FlushedDenormals | Self::Collector | Self::Observed => {
                &[Round]
            }
        }
    }

    /// Whether it holds for a whole process.
    pub fn is_of_process(self) -> bool {
        self.levels() == [Level::Process]
    }

    /// What it promises to tell: changes of code and data.
    pub fn tells(self) -> Tells {
        let told = |level: &Level| matches!(level, Level::Code | Level::Data);
        match self.levels().iter().filter(|level| told(level)).count() {
            0 => Tells::Nothing,
            count if count == self.levels().len() => Tells::Everything,
            _ => Tells::Part,
        }
    }
}
