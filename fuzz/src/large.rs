//! Inputs of 10 MB: what is read in the square of its length, or kept many times, shows there.

use fastrand::Rng;
use serde_json::Value;

use crate::targets::{Form, Target};

/// Their length.
const LENGTH: usize = 10_000_000;

/// Makes an input from the corpus.
type Make = fn(&[Vec<u8>], &mut Rng) -> Vec<u8>;

/// The large inputs of a target.
pub fn inputs<'a>(target: &Target, corpus: &'a [Vec<u8>], random: &mut Rng) -> impl Iterator<Item = Vec<u8>> + use<'a> {
    let form = target.form;
    let seed = random.u64(..);
    let kinds: &[Make] = match form {
        Form::Text => &[whole, line, one_line, own_lines, changed],
        Form::Bytes => &[whole, padded, changed],
        Form::Documents => &[long_lists, long_lists, long_lists, long_texts, long_texts],
    };
    kinds.iter().enumerate().map(move |(at, make)| make(corpus, &mut Rng::with_seed(seed.wrapping_add(at as u64))))
}

fn repeated(part: &[u8]) -> Vec<u8> {
    part.iter().copied().cycle().take(LENGTH).collect()
}

/// A whole input, again and again.
fn whole(corpus: &[Vec<u8>], random: &mut Rng) -> Vec<u8> {
    repeated(&corpus[random.usize(..corpus.len())])
}

/// One line, again and again, behind the input that has it.
fn line(corpus: &[Vec<u8>], random: &mut Rng) -> Vec<u8> {
    let input = &corpus[random.usize(..corpus.len())];
    let lines: Vec<&[u8]> = input.split_inclusive(|&byte| byte == b'\n').collect();
    let mut large = input.clone();
    large.extend(repeated(lines[random.usize(..lines.len())]));
    large.truncate(LENGTH);
    large
}

/// No line ends at all.
fn one_line(corpus: &[Vec<u8>], random: &mut Rng) -> Vec<u8> {
    let mut large = whole(corpus, random);
    large.iter_mut().filter(|byte| **byte == b'\n').for_each(|byte| *byte = b';');
    large
}

/// Every line differs from the others, so that nothing is counted together.
fn own_lines(corpus: &[Vec<u8>], random: &mut Rng) -> Vec<u8> {
    let input = &corpus[random.usize(..corpus.len())];
    let mut large = Vec::with_capacity(LENGTH + 1000);
    let mut number = 0_u64;
    for line in input.split(|&byte| byte == b'\n').cycle() {
        if large.len() >= LENGTH {
            break;
        }
        // In front of the last word, where a function's name or an address is.
        let at = line.iter().rposition(|&byte| byte == b' ' || byte == b'<').unwrap_or(line.len());
        large.extend_from_slice(&line[..at]);
        if line.len() > 3 {
            number += 1;
            large.extend_from_slice(format!("{number}").as_bytes());
        }
        large.extend_from_slice(&line[at..]);
        large.push(b'\n');
    }
    large.truncate(LENGTH);
    large
}

/// A good beginning, and a run of one byte.
fn padded(corpus: &[Vec<u8>], random: &mut Rng) -> Vec<u8> {
    let mut large = corpus[random.usize(..corpus.len())].clone();
    large.resize(LENGTH, *[0, 1, b'A', 0xff].get(random.usize(..4)).unwrap_or(&0));
    large
}

/// A long input with damage all over.
fn changed(corpus: &[Vec<u8>], random: &mut Rng) -> Vec<u8> {
    let mut large = Vec::with_capacity(LENGTH);
    while large.len() < LENGTH {
        large.extend(match random.u8(..4) {
            0 => crate::mutate::bytes(random, corpus),
            _ => corpus[random.usize(..corpus.len())].clone(),
        });
    }
    large.truncate(LENGTH);
    large
}

/// Lists as long as the input allows.
fn long_lists(corpus: &[Vec<u8>], random: &mut Rng) -> Vec<u8> {
    grown(corpus, random, &mut |value, room, random| {
        if let Value::Array(list) = value
            && !list.is_empty()
        {
            let one = list[random.usize(..list.len())].clone();
            let times = room / (one.to_string().len() + 1);
            list.extend(std::iter::repeat_n(one, times));
        }
    })
}

/// Texts as long as the input allows.
fn long_texts(corpus: &[Vec<u8>], random: &mut Rng) -> Vec<u8> {
    grown(corpus, random, &mut |value, room, _| {
        if let Value::String(text) = value {
            text.push_str(&"x y\u{1b}".repeat(room / 9));
        }
    })
}

/// All documents of one input; values of several are grown.
fn grown(corpus: &[Vec<u8>], random: &mut Rng, grow: &mut dyn FnMut(&mut Value, usize, &mut Rng)) -> Vec<u8> {
    const GROWN: usize = 8;
    let input = String::from_utf8_lossy(&corpus[random.usize(..corpus.len())]).into_owned();
    let documents = input.lines().filter_map(|line| line.split_once('\t'));
    let mut documents: Vec<(&str, Value)> =
        documents.filter_map(|(key, json)| Some((key, serde_json::from_str(json).ok()?))).collect();
    for _ in 0..GROWN {
        let at = random.usize(..documents.len());
        grow(inside(&mut documents[at].1, random), LENGTH / GROWN, random);
    }
    documents.iter().map(|(key, value)| format!("{key}\t{value}\n")).collect::<String>().into_bytes()
}

/// A value somewhere inside that is no object.
fn inside<'a>(value: &'a mut Value, random: &mut Rng) -> &'a mut Value {
    if value.as_object().is_none_or(|map| map.is_empty()) {
        return value;
    }
    let map = value.as_object_mut().expect("it is an object");
    let at = random.usize(..map.len());
    inside(map.values_mut().nth(at).expect("the index is below the length"), random)
}
