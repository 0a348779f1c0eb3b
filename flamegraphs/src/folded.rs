//! Stacks and the number of samples of each.

use std::collections::BTreeMap;
use std::fmt;

use crate::error::shown;
use crate::text::is_hidden;
use crate::{Error, Role};

/// The name of an empty frame.
const UNKNOWN: &str = "[unknown]";

/// Stacks, root first, each with the number of its samples.
///
/// [`fmt::Display`] writes folded text, one `frame;frame;… count` a line, sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Folded {
    /// Frames joined by `;`.
    stacks: BTreeMap<String, u64>,
    total: u64,
}

impl Folded {
    /// Reads folded text. Stacks that occur more than once are added up; blank lines are ignored.
    ///
    /// # Errors
    /// [`Error::Line`] with the number of the first bad line; [`Error::TooManySamples`].
    pub fn parse(text: &str) -> Result<Folded, Error> {
        let mut folded = Folded::default();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim_end();
            if line.is_empty() {
                continue;
            }
            let (stack, count) = split(line).map_err(|why| Error::Line { line: index + 1, why, text: shown(line) })?;
            folded.add(stack.split(';'), count)?;
        }
        Ok(folded)
    }

    /// Counts `count` samples of the stack with these frames, root first.
    ///
    /// Folded text has no escapes, so a `;` or a line break in a frame's name becomes a `:` or a space, and a frame
    /// without a name becomes `[unknown]`. A count of 0, or no frames, adds nothing.
    ///
    /// # Errors
    /// [`Error::TooManySamples`]; nothing is added then.
    pub fn add<'a>(&mut self, frames: impl IntoIterator<Item = &'a str>, count: u64) -> Result<(), Error> {
        let stack = frames.into_iter().map(clean).collect::<Vec<_>>().join(";");
        if count == 0 || stack.is_empty() {
            return Ok(());
        }
        self.total = self.total.checked_add(count).ok_or(Error::TooManySamples)?;
        *self.stacks.entry(stack).or_default() += count;
        Ok(())
    }

    /// Samples in all.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Every stack as its joined frames, and the number of its samples.
    pub fn stacks(&self) -> impl Iterator<Item = (&str, u64)> {
        self.stacks.iter().map(|(stack, count)| (stack.as_str(), *count))
    }

    /// Samples by role. The innermost frame that has a role decides for its stack; `None` holds the samples of stacks
    /// without a role. The counts sum to [`Folded::total`].
    pub fn by_role(&self, role_of: impl Fn(&str) -> Option<Role>) -> BTreeMap<Option<Role>, u64> {
        let mut roles = BTreeMap::new();
        for (stack, count) in self.stacks() {
            *roles.entry(stack.rsplit(';').find_map(&role_of)).or_default() += count;
        }
        roles
    }
}

/// The stack and the count of a line.
fn split(line: &str) -> Result<(&str, u64), &'static str> {
    let (stack, count) = line.rsplit_once(' ').ok_or("there is no count at the end")?;
    let count = count.parse().map_err(|_| "the count is not a whole number")?;
    let stack = stack.trim_end();
    if stack.is_empty() {
        return Err("there is no frame");
    }
    if stack.split(';').any(|frame| frame.trim().is_empty()) {
        return Err("there is a frame without a name");
    }
    Ok((stack, count))
}

fn clean(frame: &str) -> String {
    let frame = frame.trim();
    if frame.is_empty() {
        return UNKNOWN.to_owned();
    }
    frame
        .chars()
        .map(|c| match c {
            ';' => ':',
            '\n' | '\r' => ' ',
            // A folded file is also read in a terminal.
            hidden if is_hidden(hidden) && hidden != '\t' => '\u{fffd}',
            other => other,
        })
        .collect()
}

impl fmt::Display for Folded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.stacks().try_for_each(|(stack, count)| writeln!(f, "{stack} {count}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        Folded::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn equal_stacks_are_added_up_and_written_sorted() {
        let folded = Folded::parse("b;c 2\n\na 1\nb;c 40\n").unwrap();
        assert_eq!(folded.total(), 43);
        assert_eq!(folded.to_string(), "a 1\nb;c 42\n");
        assert_eq!(Folded::parse(&folded.to_string()).unwrap(), folded);
    }

    #[test]
    fn a_frame_may_hold_spaces_and_numbers() {
        let folded = Folded::parse("operator new(int) 12 7\n").unwrap();
        assert_eq!(folded.stacks().collect::<Vec<_>>(), [("operator new(int) 12", 7)]);
    }

    #[test]
    fn a_bad_line_is_named_by_its_number() {
        assert!(error("a 1\n\nb;c\n").starts_with("line 3 "));
        assert!(error("a;b").contains("there is no count at the end in \"a;b\""));
        assert!(error("a 1.5").contains("not a whole number"));
        assert!(error("a -1").contains("not a whole number"));
        assert!(error("a 99999999999999999999").contains("not a whole number"));
        assert!(error(" 5").contains("there is no frame"));
        assert!(error("a;;b 5").contains("a frame without a name"));
        assert!(error(&"x".repeat(5000)).len() < 200);
    }

    #[test]
    fn counts_that_do_not_fit_are_an_error() {
        let text = format!("a {}\nb 1\n", u64::MAX);
        assert!(matches!(Folded::parse(&text), Err(Error::TooManySamples)));
    }

    #[test]
    fn a_name_cannot_break_the_text() {
        let mut folded = Folded::default();
        folded.add(["<[u8; 4]>::scale", "", "two\nlines"], 3).unwrap();
        assert_eq!(folded.to_string(), "<[u8: 4]>::scale;[unknown];two lines 3\n");
        assert_eq!(Folded::parse(&folded.to_string()).unwrap(), folded);
    }

    #[test]
    fn nothing_adds_nothing() {
        let mut folded = Folded::default();
        folded.add(["a"], 0).unwrap();
        folded.add([], 5).unwrap();
        assert_eq!((folded.total(), folded.stacks().count()), (0, 0));
    }

    #[test]
    fn the_leafmost_role_decides() {
        let folded = Folded::parse("py;mul 5\npy;mul;fault 3\npy 2\nx 1\n").unwrap();
        let role_of = |frame: &str| match frame {
            "py" => Some(Role::Interpreter),
            "mul" => Some(Role::Kernel),
            "fault" => Some(Role::PageFault),
            _ => None,
        };
        let roles = folded.by_role(role_of);
        assert_eq!(roles[&Some(Role::Kernel)], 5);
        assert_eq!(roles[&Some(Role::PageFault)], 3);
        assert_eq!(roles[&Some(Role::Interpreter)], 2);
        assert_eq!(roles[&None], 1);
        assert_eq!(roles.values().sum::<u64>(), folded.total());
    }
}
