//! Random changes of good input.

use fastrand::Rng;
use serde_json::Value;

/// No changed input is longer; longer ones have their own runs.
const LONGEST: usize = 1 << 17;
/// Numbers at the edges of types.
const NUMBERS: [u64; 16] = [
    0,
    1,
    2,
    7,
    0x7f,
    0x80,
    0xff,
    0x100,
    0x7fff,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    1 << 62,
    i64::MAX as u64,
    u64::MAX,
];
/// Texts that mean something to a reader or a terminal.
const TEXTS: [&str; 12] =
    ["", "\n", "\r\n", ";", " ", "\u{1b}[2J", "\u{202e}", "\u{0}", "-1", "NaN", "18446744073709551616", "µ=\"'<&>"];

/// A changed input of the corpus, as bytes.
pub fn bytes(random: &mut Rng, corpus: &[Vec<u8>]) -> Vec<u8> {
    let mut input = corpus[random.usize(..corpus.len())].clone();
    for _ in 0..1 << random.u32(0..4) {
        let other = &corpus[random.usize(..corpus.len())];
        change(random, &mut input, other);
    }
    input.truncate(LONGEST);
    input
}

fn change(random: &mut Rng, input: &mut Vec<u8>, other: &[u8]) {
    match random.u32(0..9) {
        0 => overwrite(random, input),
        1 => flip(random, input),
        2 => drop(input.drain(range(random, input))),
        3 => {
            let part = input[range(random, input)].to_vec();
            insert(random, input, &part);
        }
        4 => {
            let part = other[range(random, other)].to_vec();
            insert(random, input, &part);
        }
        5 => {
            let text = TEXTS[random.usize(..TEXTS.len())];
            insert(random, input, text.as_bytes());
        }
        6 => number_in_text(random, input),
        7 => lines(random, input, other),
        _ => input.truncate(random.usize(..=input.len())),
    }
}

/// A part, mostly a short one.
fn range(random: &mut Rng, bytes: &[u8]) -> std::ops::Range<usize> {
    let start = random.usize(..=bytes.len());
    let most = bytes.len() - start;
    let most = if random.u8(..4) == 0 { most } else { most.min(32) };
    start..start + random.usize(..=most)
}

fn insert(random: &mut Rng, input: &mut Vec<u8>, part: &[u8]) {
    let at = random.usize(..=input.len());
    input.splice(at..at, part.iter().copied());
}

/// A number of 1, 2, 4 or 8 bytes, in either order.
fn overwrite(random: &mut Rng, input: &mut [u8]) {
    let number = NUMBERS[random.usize(..NUMBERS.len())];
    let length = 1_usize << random.u32(0..4);
    let mut bytes = number.to_le_bytes()[..length].to_vec();
    if random.bool() {
        bytes.reverse();
    }
    if input.len() >= length {
        let mut at = random.usize(..=input.len() - length);
        if random.bool() {
            at = at / length * length;
        }
        input[at..at + length].copy_from_slice(&bytes);
    }
}

fn flip(random: &mut Rng, input: &mut [u8]) {
    if !input.is_empty() {
        let at = random.usize(..input.len());
        input[at] ^= 1 << random.u32(0..8);
    }
}

/// Replaces one number that is written in digits.
fn number_in_text(random: &mut Rng, input: &mut Vec<u8>) {
    let starts: Vec<usize> = (0..input.len())
        .filter(|&at| input[at].is_ascii_digit() && (at == 0 || !input[at - 1].is_ascii_digit()))
        .collect();
    if starts.is_empty() {
        return;
    }
    let start = starts[random.usize(..starts.len())];
    let length = input[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let number = NUMBERS[random.usize(..NUMBERS.len())];
    let text = if random.bool() { number.to_string() } else { format!("{number:x}") };
    input.splice(start..start + length, text.bytes());
}

/// Repeats, removes, swaps or takes over a line.
fn lines(random: &mut Rng, input: &mut Vec<u8>, other: &[u8]) {
    let mut lines: Vec<Vec<u8>> = input.split(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect();
    let theirs: Vec<&[u8]> = other.split(|&byte| byte == b'\n').collect();
    let at = random.usize(..lines.len());
    match random.u32(0..4) {
        0 => lines.insert(at, lines[at].clone()),
        1 => drop(lines.remove(at)),
        2 => {
            let with = random.usize(..lines.len());
            lines.swap(at, with);
        }
        _ => lines.insert(at, theirs[random.usize(..theirs.len())].to_vec()),
    }
    *input = lines.join(&b'\n');
}

/// Changed documents: each line of the corpus is a key, a tab and JSON. The changes keep it JSON mostly.
pub fn documents(random: &mut Rng, corpus: &[Vec<u8>]) -> Vec<u8> {
    if random.u8(..10) == 0 {
        return bytes(random, corpus);
    }
    let input = String::from_utf8_lossy(&corpus[random.usize(..corpus.len())]).into_owned();
    let mut documents: Vec<(&str, Value)> = input
        .lines()
        .filter_map(|line| line.split_once('\t'))
        .filter_map(|(key, json)| Some((key, serde_json::from_str(json).ok()?)))
        .collect();
    for _ in 0..random.usize(1..4) {
        if documents.is_empty() {
            break;
        }
        let at = random.usize(..documents.len());
        match random.u32(0..8) {
            0 => drop(documents.remove(at)),
            1 => documents.push(documents[at].clone()),
            _ => {
                let donor = documents[random.usize(..documents.len())].1.clone();
                inside(random, &mut documents[at].1, &donor);
            }
        }
    }
    documents.iter().map(|(key, value)| format!("{key}\t{value}\n")).collect::<String>().into_bytes()
}

/// Changes one value somewhere inside.
fn inside(random: &mut Rng, value: &mut Value, donor: &Value) {
    let deeper = match value {
        Value::Array(list) if !list.is_empty() => {
            let at = random.usize(..list.len());
            match random.u32(0..8) {
                0 => return drop(list.remove(at)),
                1 => return list.insert(at, list[at].clone()),
                _ => list.get_mut(at),
            }
        }
        Value::Object(map) if !map.is_empty() => {
            let key = map.keys().nth(random.usize(..map.len())).cloned().unwrap_or_default();
            if random.u8(..12) == 0 {
                map.remove(&key);
                return;
            }
            map.get_mut(&key)
        }
        _ => None,
    };
    match deeper {
        Some(deeper) if random.u8(..8) != 0 => inside(random, deeper, donor),
        Some(deeper) => *deeper = replacement(random, donor),
        None => *value = replacement(random, donor),
    }
}

fn replacement(random: &mut Rng, donor: &Value) -> Value {
    let number = NUMBERS[random.usize(..NUMBERS.len())];
    match random.u32(0..8) {
        0 => Value::Null,
        1 => Value::Bool(random.bool()),
        2 => Value::from(number),
        3 => Value::from((number as i64).wrapping_neg()),
        4 => Value::from([1e308, -1e-308, 0.5, -0.0][random.usize(..4)]),
        5 => Value::from(TEXTS[random.usize(..TEXTS.len())]),
        6 => Value::Array(Vec::new()),
        _ => donor.clone(),
    }
}
