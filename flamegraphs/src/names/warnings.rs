//! The reasons that functions have no names, for a person.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::file::Refusal;

/// A sentence for each reason, with the first of its files.
pub(super) fn sentences(refused: &BTreeMap<Arc<str>, Refusal>) -> Vec<String> {
    let mut by_reason: BTreeMap<&Refusal, Vec<&str>> = BTreeMap::new();
    for (path, refusal) in refused {
        by_reason.entry(refusal).or_default().push(path);
    }
    by_reason.into_iter().map(|(refusal, paths)| sentence(refusal, &paths)).collect()
}

fn sentence(refusal: &Refusal, paths: &[&str]) -> String {
    let (first, more) = (paths.first().unwrap_or(&""), paths.len().saturating_sub(1));
    let files = match more {
        0 => format!("`{first}`"),
        1 => format!("`{first}` and 1 more file"),
        _ => format!("`{first}` and {more} more files"),
    };
    let [is, has, it] = if more == 0 { ["is", "has", "it"] } else { ["are", "have", "them"] };
    let fact = match refusal {
        Refusal::Changed => format!("{has} changed since the run"),
        Refusal::Gone => format!("{is} not there any more"),
        Refusal::NotAFile => format!("{is} no regular file"),
        Refusal::TooLong => format!("{is} longer than 1 GiB"),
        Refusal::Unreadable(why) => format!("cannot be read ({why})"),
    };
    format!("{files} {fact}: functions in {it} are shown as file+offset; a new run shows their names")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_told_once() {
        let changed = ["/a.so", "/b.so", "/c.so"].map(|path| (path.into(), Refusal::Changed));
        let refused = changed.into_iter().chain([("/d".into(), Refusal::NotAFile)]).collect();
        assert_eq!(
            sentences(&refused),
            [
                "`/a.so` and 2 more files have changed since the run: functions in them are shown as file+offset; a \
                 new run shows their names",
                "`/d` is no regular file: functions in it are shown as file+offset; a new run shows their names",
            ]
        );
    }
}
