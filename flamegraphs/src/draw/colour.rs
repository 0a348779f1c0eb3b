//! Colours. The text on them is black, so all are light enough for it, on a dark page too.

use crate::Role;

/// Frames without a role.
const NONE: &str = "#dddddd";
/// Both sides spend the same.
const EVEN: [f64; 3] = [232.0, 232.0, 228.0];
/// B spends more.
const MORE: [f64; 3] = [236.0, 90.0, 70.0];
/// B spends less.
const LESS: [f64; 3] = [86.0, 156.0, 226.0];

/// The colour of a role, as CSS writes it.
pub(crate) fn of_role(role: Option<Role>) -> &'static str {
    match role {
        None => NONE,
        Some(Role::Dispatch) => "#8fb8de",
        Some(Role::Conversion) => "#c3a6e0",
        Some(Role::Allocation) => "#f2c94c",
        Some(Role::PageFault) => "#f28e6b",
        Some(Role::Kernel) => "#85cc85",
        Some(Role::Sync) => "#5fc9c4",
        Some(Role::Free) => "#d1a97a",
        Some(Role::Interpreter) => "#c4c8cf",
        Some(Role::Observer) => "#f4b6c9",
    }
}

/// The colour of a difference between −1 (B spends less) and 1. Small differences are easier to distinguish than large
/// ones.
pub(super) fn of_difference(part: f64) -> String {
    let end = if part < 0.0 { LESS } else { MORE };
    let strength = part.abs().min(1.0).sqrt();
    let mix = |index: usize| EVEN[index] + (end[index] - EVEN[index]) * strength;
    let [red, green, blue] = [0, 1, 2].map(|index| mix(index).round() as u8);
    format!("#{red:02x}{green:02x}{blue:02x}")
}
