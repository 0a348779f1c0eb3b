//! Sentences about a comparison for all documents.

use super::summary;
use super::{case, escape};
use crate::machine::interpreter::quoted_unless;
use crate::model::comparison::{Case, Comparison, Finding};
use crate::model::units;

/// The verdict, in a sentence or two.
pub fn verdict(comparison: &Comparison) -> String {
    match comparison.cases.as_slice() {
        [] => "No case was measured to its end, so there is no verdict.".to_owned(),
        [one] => {
            let (ratio, interval) = one.ratio.figures();
            let (a, b) = names(one);
            let (verdict, _) = case::verdict(one);
            let label = escape(&one.label());
            format!("{verdict} in {label}: {a} ÷ {b} is {ratio}, 95 % interval {interval}.")
        }
        [first, ..] => {
            let (a, b) = names(first);
            let spread = [least(comparison), most(comparison)].map(|case| case.map(|case| case.ratio.figures().0));
            let spread = match spread {
                [Some(least), Some(most)] if least != most => {
                    format!(" {a} ÷ {b} is {least} to {most}.")
                }
                [Some(one), _] => format!(" {a} ÷ {b} is {one}."),
                _ => String::new(),
            };
            format!("{}.{spread}", summary::count(comparison))
        }
    }
}

/// The names of the sides.
pub fn names(case: &Case) -> (String, String) {
    (escape(&case.sides.a.name), escape(&case.sides.b.name))
}

/// B's worst case.
pub fn worst(comparison: &Comparison) -> Option<&Case> {
    least(comparison).or(comparison.cases.first())
}

fn least(comparison: &Comparison) -> Option<&Case> {
    known(comparison).min_by(|a, b| a.ratio.median.total_cmp(&b.ratio.median))
}

fn most(comparison: &Comparison) -> Option<&Case> {
    known(comparison).max_by(|a, b| a.ratio.median.total_cmp(&b.ratio.median))
}

fn known(comparison: &Comparison) -> impl Iterator<Item = &Case> {
    let cases = comparison.cases.iter();
    cases.filter(|case| case.ratio.median.is_finite())
}

/// The command line, quoted for a shell.
pub fn command(words: &[String]) -> String {
    let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    words.join(" ")
}

/// A word in quotes if it needs them. Invisible characters are written in the syntax of bash and zsh.
fn quoted(word: &str) -> String {
    if escape(word) == word {
        return quoted_unless(word, "/._-+=,:@%");
    }
    let mut text = String::from("$'");
    for c in word.chars() {
        match c {
            '\'' | '\\' => text.extend(['\\', c]),
            c if escape(c.encode_utf8(&mut [0; 4])) == c.to_string() => text.push(c),
            c => {
                let mut bytes = [0; 4];
                for byte in c.encode_utf8(&mut bytes).bytes() {
                    // Always three digits: a digit that follows is not part of the code.
                    text.push_str(&format!("\\{byte:03o}"));
                }
            }
        }
    }
    text + "'"
}

/// The cost of a cause: `raptors is slower by 12.3 µs [11.0 µs, 13.5 µs]`.
pub fn effect(comparison: &Comparison, finding: &Finding) -> Option<String> {
    let ns = finding.effect_ns?;
    let case = comparison.cases.iter().find(|case| case.label() == finding.case);
    let b = case.map_or("B".to_owned(), |case| names(case).1);
    let interval = finding.effect_ns_ci95.map(|[low, high]| {
        // For a gain, from the small end.
        let [low, high] = if ns < 0.0 { [-high, -low] } else { [low, high] };
        format!(" [{}, {}]", units::time(low), units::time(high))
    });
    let way = if ns < 0.0 { "faster" } else { "slower" };
    let time = units::time(ns.abs());
    Some(format!("{b} is {way} by {time}{}", interval.unwrap_or_default()))
}

/// `34 % of the gap`.
pub fn share(finding: &Finding) -> Option<String> {
    let share = finding.share_of_gap?;
    Some(format!("{} % of the gap", units::decimal(share * 100.0, 0)))
}

/// The time the run began, UTC: `2026-11-28 16:42`.
pub fn began(comparison: &Comparison) -> Option<String> {
    let seconds = comparison.started_unix_s.filter(|seconds| *seconds > 0.0)?;
    let minutes = (seconds / 60.0) as i64;
    let (year, month, day) = civil(minutes.div_euclid(1440));
    let (hour, minute) = (minutes.rem_euclid(1440) / 60, minutes.rem_euclid(60));
    Some(format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}"))
}

/// The date of a day counted from 1970-01-01, after Howard Hinnant's `civil_from_days`.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_quoted_for_a_shell() {
        let command = |words: &[&str]| command(&words.map_to_strings());
        assert_eq!(command(&["compare", "--a", "a * 2.5"]), "compare --a 'a * 2.5'");
        assert_eq!(command(&["it's"]), r"'it'\''s'");
        assert_eq!(command(&["a\nb'\u{202e}1"]), r"$'a\012b\'\342\200\2561'");
        assert_eq!(command(&["`x`|$y", ""]), "'`x`|$y' ''");
    }

    trait ToStrings {
        fn map_to_strings(&self) -> Vec<String>;
    }

    impl ToStrings for &[&str] {
        fn map_to_strings(&self) -> Vec<String> {
            self.iter().map(|word| (*word).to_owned()).collect()
        }
    }

    #[test]
    fn days_are_dates() {
        for (days, date) in [(0, (1970, 1, 1)), (-1, (1969, 12, 31)), (11_016, (2000, 2, 29)), (20_785, (2026, 11, 28))]
        {
            assert_eq!(civil(days), date);
        }
        let at = |started_unix_s| began(&Comparison { started_unix_s, ..Comparison::default() });
        assert_eq!(at(Some(1_795_884_124.5)).unwrap(), "2026-11-28 16:42");
        assert_eq!(at(None), None);
        assert_eq!(at(Some(f64::NAN)), None);
    }
}
