//! The purpose of a frame.

use std::fmt;

/// The part of an operation that a frame belongs to: the phases of a comparison, and the two that only samples show.
///
/// Stacks of two libraries share almost no frames, so they are compared by role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Choosing the code that runs: argument parsing, type resolution, backend choice.
    Dispatch,
    /// Making an array of one library from one of the other.
    Conversion,
    /// Getting memory for a result.
    Allocation,
    /// The kernel's work on first touch of a page.
    PageFault,
    /// The arithmetic.
    Kernel,
    /// Waking threads and waiting for them.
    Sync,
    /// Giving memory back.
    Free,
    /// Python itself.
    Interpreter,
    /// The observers of this project.
    Observer,
}

impl Role {
    /// Every role, in the order of an operation.
    pub const ALL: [Role; 9] = [
        Role::Dispatch,
        Role::Conversion,
        Role::Allocation,
        Role::PageFault,
        Role::Kernel,
        Role::Sync,
        Role::Free,
        Role::Interpreter,
        Role::Observer,
    ];

    /// Its name, spelled as in the phases of `--json`.
    pub fn name(self) -> &'static str {
        match self {
            Role::Dispatch => "dispatch",
            Role::Conversion => "conversion",
            Role::Allocation => "allocation",
            Role::PageFault => "page_fault",
            Role::Kernel => "kernel",
            Role::Sync => "sync",
            Role::Free => "free",
            Role::Interpreter => "interpreter",
            Role::Observer => "observer",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::Role;

    #[test]
    fn all_is_all_in_order_with_a_name_each() {
        assert!(Role::ALL.is_sorted(), "the order of the list is the order of the variants");
        let mut names = Role::ALL.map(Role::name).to_vec();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Role::ALL.len());
    }
}
