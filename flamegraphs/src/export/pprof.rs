//! `profile.proto` of Google's pprof, gzipped.

use std::collections::HashMap;
use std::io::{Error, Write};

use flate2::{Compression, GzBuilder};
use prost::Message;

use super::{frames, side};
use crate::Roles;
use crate::profile::{Profile, Unit};

/// The messages of `profile.proto` that are used; the numbers of the fields are the format's.
mod proto {
    #[derive(prost::Message)]
    pub struct Profile {
        #[prost(message, repeated, tag = "1")]
        pub sample_type: Vec<ValueType>,
        #[prost(message, repeated, tag = "2")]
        pub sample: Vec<Sample>,
        #[prost(message, repeated, tag = "3")]
        pub mapping: Vec<Mapping>,
        #[prost(message, repeated, tag = "4")]
        pub location: Vec<Location>,
        #[prost(message, repeated, tag = "5")]
        pub function: Vec<Function>,
        #[prost(string, repeated, tag = "6")]
        pub string_table: Vec<String>,
        #[prost(message, optional, tag = "11")]
        pub period_type: Option<ValueType>,
        #[prost(int64, tag = "12")]
        pub period: i64,
        #[prost(int64, repeated, tag = "13")]
        pub comment: Vec<i64>,
        #[prost(int64, tag = "14")]
        pub default_sample_type: i64,
    }

    #[derive(Clone, prost::Message)]
    pub struct ValueType {
        #[prost(int64, tag = "1")]
        pub kind: i64,
        #[prost(int64, tag = "2")]
        pub unit: i64,
    }

    #[derive(prost::Message)]
    pub struct Sample {
        /// The innermost first.
        #[prost(uint64, repeated, tag = "1")]
        pub location_id: Vec<u64>,
        #[prost(int64, repeated, tag = "2")]
        pub value: Vec<i64>,
        #[prost(message, repeated, tag = "3")]
        pub label: Vec<Label>,
    }

    #[derive(prost::Message)]
    pub struct Label {
        #[prost(int64, tag = "1")]
        pub key: i64,
        #[prost(int64, tag = "2")]
        pub str: i64,
    }

    #[derive(prost::Message)]
    pub struct Mapping {
        #[prost(uint64, tag = "1")]
        pub id: u64,
        #[prost(uint64, tag = "2")]
        pub memory_start: u64,
        #[prost(uint64, tag = "3")]
        pub memory_limit: u64,
        #[prost(int64, tag = "5")]
        pub filename: i64,
        #[prost(bool, tag = "7")]
        pub has_functions: bool,
        #[prost(bool, tag = "8")]
        pub has_filenames: bool,
        #[prost(bool, tag = "9")]
        pub has_line_numbers: bool,
        #[prost(bool, tag = "10")]
        pub has_inline_frames: bool,
    }

    #[derive(prost::Message)]
    pub struct Location {
        #[prost(uint64, tag = "1")]
        pub id: u64,
        #[prost(uint64, tag = "2")]
        pub mapping_id: u64,
        #[prost(uint64, tag = "3")]
        pub address: u64,
        #[prost(message, repeated, tag = "4")]
        pub line: Vec<Line>,
    }

    #[derive(prost::Message)]
    pub struct Line {
        #[prost(uint64, tag = "1")]
        pub function_id: u64,
        #[prost(int64, tag = "2")]
        pub line: i64,
    }

    #[derive(prost::Message)]
    pub struct Function {
        #[prost(uint64, tag = "1")]
        pub id: u64,
        #[prost(int64, tag = "2")]
        pub name: i64,
        #[prost(int64, tag = "3")]
        pub system_name: i64,
        #[prost(int64, tag = "4")]
        pub filename: i64,
    }
}

/// The size of a module's address range in bytes: real addresses differ from run to run, and two modules may not
/// overlap.
const MODULE: u64 = 1 << 40;

pub(super) fn write(profile: &Profile, title: &str) -> Result<Vec<u8>, Error> {
    let mut strings = Strings::default();
    let mut file = proto::Profile::default();
    values(&mut file, profile, &mut strings);
    let mut modules: HashMap<&str, u64> = HashMap::new();
    for (index, frame) in profile.frames().iter().enumerate() {
        let (id, next) = (index as u64 + 1, modules.len() as u64 + 1);
        let module = *modules.entry(&frame.module).or_insert(next);
        if module == next {
            file.mapping.push(mapping(next, strings.number(&frame.module)));
        }
        let name = strings.number(&frame.name);
        file.function.push(proto::Function {
            id,
            name,
            system_name: name,
            filename: strings.number(frame.file.as_deref().unwrap_or_default()),
        });
        let line = i64::from(frame.line.unwrap_or(0));
        file.location.push(proto::Location {
            id,
            mapping_id: module,
            address: frame.offset.map_or(0, |offset| module * MODULE + offset % MODULE),
            line: vec![proto::Line { function_id: id, line }],
        });
    }
    samples(&mut file, profile, &mut strings);
    file.comment = vec![strings.number(title)];
    file.string_table = strings.list;
    // Without a time, so that equal profiles are equal files.
    let mut gzip = GzBuilder::new().mtime(0).write(Vec::new(), Compression::default());
    gzip.write_all(&file.encode_to_vec())?;
    gzip.finish()
}

/// The meaning of a sample's numbers.
fn values(file: &mut proto::Profile, profile: &Profile, strings: &mut Strings) {
    let mut value = |kind, unit| proto::ValueType { kind: strings.number(kind), unit: strings.number(unit) };
    let samples = value("samples", "count");
    let time = value("time_per_operation", "nanoseconds");
    file.sample_type = vec![samples.clone()];
    file.default_sample_type = samples.kind;
    file.period_type = Some(samples);
    file.period = 1;
    if profile.unit() == Unit::NanosecondsPerOperation {
        file.default_sample_type = time.kind;
        file.sample_type.push(time);
    }
}

fn samples(file: &mut proto::Profile, profile: &Profile, strings: &mut Strings) {
    let roles = Roles::default().of_all(profile);
    for sample in profile.samples() {
        let mut location_id: Vec<u64> = frames(profile, sample).into_iter().map(|id| u64::from(id.0) + 1).collect();
        location_id.reverse();
        let mut value = vec![i64::try_from(sample.count).unwrap_or(i64::MAX)];
        if profile.unit() == Unit::NanosecondsPerOperation {
            value.push(sample.weight.round() as i64);
        }
        let role = profile.role_of(sample.stack, &roles);
        let labels = [
            ("side", side(sample.tag)),
            ("thread", profile.thread(sample.thread).to_owned()),
            ("role", role.map_or("no role", |role| role.name()).to_owned()),
        ];
        let label =
            labels.into_iter().map(|(key, text)| proto::Label { key: strings.number(key), str: strings.number(&text) });
        file.sample.push(proto::Sample { location_id, value, label: label.collect() });
    }
}

fn mapping(id: u64, filename: i64) -> proto::Mapping {
    proto::Mapping {
        id,
        memory_start: id * MODULE,
        memory_limit: (id + 1) * MODULE,
        filename,
        // Declared as present, so that pprof does not look for names in the binary.
        has_functions: true,
        has_filenames: true,
        has_line_numbers: true,
        has_inline_frames: true,
    }
}

/// The table of strings; the first is empty.
struct Strings {
    list: Vec<String>,
    numbers: HashMap<String, i64>,
}

impl Default for Strings {
    fn default() -> Strings {
        Strings { list: vec![String::new()], numbers: HashMap::from([(String::new(), 0)]) }
    }
}

impl Strings {
    fn number(&mut self, text: &str) -> i64 {
        if let Some(&number) = self.numbers.get(text) {
            return number;
        }
        let number = self.list.len() as i64;
        self.list.push(text.to_owned());
        self.numbers.insert(text.to_owned(), number);
        number
    }
}
