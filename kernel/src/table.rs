//! The automatic choice as a table: backend and stores, by the bytes of the result.
//!
//! ```text
//! raptors-trace scale table 1
//! machine AMD EPYC, 2 CPUs, 33554432 bytes of last-level cache
//! # dtype  place  threads  bytes     backend   stores
//! float32  out    1        0         simd      plain
//! float32  out    1        67108864  simd      stream
//! float32  out    2        262144    parallel  plain
//! ```
//!
//! A call uses the row of its type and place with the most threads that it may use, and of these the one with the most
//! bytes that its result reaches. `raptors-trace tune` measures a table; without it the shipped one is used.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::OnceLock;

use crate::backend::{Backend, Isa, Leaf};
use crate::choice::{MAX_THREADS, Place};
use crate::element::Dtype;
use crate::error::Error;
use crate::loops::{self, Stores};
use crate::{platform, pool};

/// The first line of a table.
const HEADER: &str = "raptors-trace scale table 1";

/// The shipped table does not share results of fewer bytes among threads: one thread takes a few microseconds for them,
/// and another would have to be awake.
const SHARED_FROM: usize = 256 << 10;

/// Vectors of 32 bytes on a CPU with longer ones.
const NARROW: Backend = Backend::Whole(Leaf::Simd(Some(Isa::Avx2)));

/// A backend and its stores, from a number of bytes of the result on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The type of the elements.
    pub dtype: Dtype,
    /// The place of the result.
    pub place: Place,
    /// For calls that may use at least this many threads.
    pub threads: usize,
    /// For results of at least this many bytes.
    pub bytes: usize,
    /// The backend that runs.
    pub backend: Backend,
    /// The kind of stores.
    pub stores: Stores,
}

/// Rows for every type and place, from one thread and 0 bytes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// The machine that it was measured on, as [`machine`] describes it.
    pub machine: String,
    rows: Vec<Row>,
    /// The beginning of the rows of each type and place, by [`index`], and the end of the last ones.
    starts: [usize; 5],
}

/// The origin of the table in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The shipped table, with the reason.
    Shipped(String),
    /// A measured table, from this file.
    Measured(PathBuf),
}

/// A table and its origin.
#[derive(Clone, Debug)]
pub struct Used {
    /// The table.
    pub table: Table,
    /// Its origin.
    pub origin: Origin,
}

impl Table {
    /// Makes a table of these rows, in order.
    ///
    /// # Errors
    /// A sentence if a row is invalid, or if a type and place have no row for one thread and 0 bytes.
    pub fn new(machine: String, rows: Vec<Row>) -> Result<Table, String> {
        for row in &rows {
            if !exact(row.backend) {
                let name = row.backend;
                return Err(format!(
                    "{name} gives other results than NumPy for some elements, so the automatic choice does not take it"
                ));
            }
            if row.stores == Stores::Stream && !streams(row.backend) {
                let name = row.backend;
                return Err(format!("{name} has no streaming stores"));
            }
            if !(1..=MAX_THREADS).contains(&row.threads) {
                let threads = row.threads;
                return Err(format!("{threads} is not a number of threads; 1 to {MAX_THREADS} are taken"));
            }
        }
        for (dtype, place) in cases() {
            let first = |row: &Row| (row.dtype, row.place, row.threads, row.bytes) == (dtype, place, 1, 0);
            if !rows.iter().any(first) {
                let (dtype, place) = (dtype.name(), place.name());
                return Err(format!("there is no row for {dtype}, {place}, 1 thread, 0 bytes"));
            }
        }
        Ok(Table::sorted(machine, rows))
    }

    /// The table without a measurement: the widest vectors, in place beyond the first-level cache those of 32 bytes if
    /// they are faster; streaming stores if source and result together fill the last-level cache, so that the next
    /// reader of the result would find little of it there; all requested threads, if there is enough work for them.
    pub fn shipped() -> Table {
        let cache = platform::llc_bytes() / 2;
        let mut rows = Vec::new();
        for (dtype, place) in cases() {
            let mut add = |threads, bytes, backend, stores| {
                rows.push(Row { dtype, place, threads, bytes, backend, stores });
            };
            add(1, 0, Backend::SIMD, Stores::Plain);
            add(2, 0, Backend::SIMD, Stores::Plain);
            add(2, SHARED_FROM, Backend::PARALLEL, Stores::Plain);
            if place == Place::In {
                let narrow = loops::narrow_in_place(platform::l1d_bytes(), platform::l2_bytes());
                for threads in [1, 2] {
                    // Another row is for results that threads share.
                    let most = if threads == 1 { usize::MAX } else { SHARED_FROM };
                    if !narrow.is_empty() && narrow.start < most {
                        add(threads, narrow.start, NARROW, Stores::Plain);
                    }
                    if !narrow.is_empty() && narrow.end < most {
                        add(threads, narrow.end, Backend::SIMD, Stores::Plain);
                    }
                }
            }
            // In place the memory has been read before it is written, so streaming saves nothing.
            if place == Place::Out {
                add(1, cache, Backend::SIMD, Stores::Stream);
                add(2, cache, Backend::PARALLEL, Stores::Stream);
            }
        }
        Table::sorted(machine(), rows)
    }

    /// `rows` has a row of one thread and 0 bytes for every type and place.
    fn sorted(machine: String, mut rows: Vec<Row>) -> Table {
        let case = |row: &Row| index(row.dtype, row.place);
        rows.sort_by_key(|row| (case(row), row.threads, row.bytes));
        let start = |wanted| rows.partition_point(|row| case(row) < wanted);
        let starts = std::array::from_fn(start);
        Table { machine, rows, starts }
    }

    /// Its rows, by type, place, threads and bytes.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The row of a call: of the rows that it reaches, the one with the most threads, and of these the one with the
    /// most bytes.
    pub fn row(&self, dtype: Dtype, place: Place, threads: usize, bytes: usize) -> Row {
        let case = index(dtype, place);
        let rows = &self.rows[self.starts[case]..self.starts[case + 1]];
        let reached = |row: &&Row| row.threads <= threads && row.bytes <= bytes;
        // The rows are sorted, and the first is for one thread and 0 bytes.
        *rows.iter().rev().find(reached).unwrap_or(&rows[0])
    }
}

/// A type and place as a number.
fn index(dtype: Dtype, place: Place) -> usize {
    2 * dtype as usize + place as usize
}

/// Every type with every place.
fn cases() -> impl Iterator<Item = (Dtype, Place)> {
    let places = |dtype| [(dtype, Place::Out), (dtype, Place::In)];
    [Dtype::Float32, Dtype::Float64].into_iter().flat_map(places)
}

/// Whether its results are known to be NumPy's. Accelerate's are not known; `tune` can find out that they are, and then
/// use it.
fn exact(backend: Backend) -> bool {
    let known = |leaf: Leaf| !matches!(leaf, Leaf::OpenBlas(_));
    known(backend.leaf()) && backend.beside().is_none_or(known)
}

/// Whether it has streaming stores.
pub(crate) fn streams(backend: Backend) -> bool {
    matches!(backend.leaf(), Leaf::Simd(_)) && backend.beside().is_none()
}

/// The properties of a machine that a table depends on, in words.
pub fn machine() -> String {
    let (cpus, cache) = (pool::usable_threads(), platform::llc_bytes());
    let plural = if cpus == 1 { "" } else { "s" };
    format!("{}, {cpus} CPU{plural}, {cache} bytes of last-level cache", platform::cpu_name())
}

/// The user's cache directory: `raptors-trace` in `XDG_CACHE_HOME`, else in the system's cache directory below `HOME`;
/// None if neither is an absolute path.
pub fn cache_dir() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let below_home = if cfg!(target_os = "macos") { "Library/Caches" } else { ".cache" };
    let dir = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(below_home)))?;
    Some(dir.join("raptors-trace"))
}

/// The file that `tune` writes and every later process reads: `scale-table` in [`cache_dir`].
pub fn cache_file() -> Option<PathBuf> {
    Some(cache_dir()?.join("scale-table"))
}

/// The table in use: that of `RAPTORS_TABLE`, a file or `shipped`; else that of [`cache_file`], if it was measured on a
/// machine like this one; else the shipped one. Read once.
///
/// # Errors
/// [`Error::Environment`] if `RAPTORS_TABLE` names a file that cannot be read or holds no table.
pub fn used() -> Result<&'static Used, Error> {
    static USED: OnceLock<Result<Used, Error>> = OnceLock::new();
    USED.get_or_init(read).as_ref().map_err(Error::clone)
}

fn shipped(why: impl Into<String>) -> Used {
    Used { table: Table::shipped(), origin: Origin::Shipped(why.into()) }
}

fn read() -> Result<Used, Error> {
    if let Some(given) = std::env::var_os("RAPTORS_TABLE").filter(|value| !value.is_empty()) {
        if given == "shipped" {
            return Ok(shipped("RAPTORS_TABLE asks for it"));
        }
        let path = PathBuf::from(given);
        let wrong =
            |why: String| Error::Environment { variable: "RAPTORS_TABLE", why: format!("{}: {why}", path.display()) };
        let text = std::fs::read_to_string(&path).map_err(|error| wrong(error.to_string()))?;
        let table = text.parse().map_err(wrong)?;
        let origin = Origin::Measured(path);
        return Ok(Used { table, origin });
    }
    let Some(path) = cache_file() else {
        return Ok(shipped("there is no home directory to keep a measured one in"));
    };
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(shipped("`raptors-trace tune` has not measured one yet"));
        }
        Err(error) => {
            return Ok(shipped(format!("{} cannot be read: {error}", path.display())));
        }
    };
    Ok(match text.parse::<Table>() {
        Err(why) => shipped(format!("{} is no table: {why}", path.display())),
        Ok(table) if table.machine != machine() => {
            let there = table.machine;
            shipped(format!("{} was measured on another machine ({there})", path.display()))
        }
        Ok(table) => Used { table, origin: Origin::Measured(path) },
    })
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}")?;
        writeln!(f, "machine {}", self.machine)?;
        writeln!(f, "# dtype  place  threads  bytes       backend   stores")?;
        for row in &self.rows {
            writeln!(
                f,
                "{:<8} {:<6} {:<8} {:<11} {:<9} {}",
                row.dtype.name(),
                row.place.name(),
                row.threads,
                row.bytes,
                row.backend,
                row.stores.name()
            )?;
        }
        Ok(())
    }
}

impl FromStr for Table {
    type Err = String;

    /// Fails with a sentence that names the line.
    fn from_str(text: &str) -> Result<Table, String> {
        let mut lines = text.lines().zip(1..).filter(|(line, _)| {
            let line = line.trim();
            !line.is_empty() && !line.starts_with('#')
        });
        match lines.next() {
            Some((line, _)) if line.trim_end() == HEADER => {}
            _ => return Err(format!("the first line is not {HEADER:?}")),
        }
        let machine = lines.next().and_then(|(line, _)| line.strip_prefix("machine "));
        let machine = machine.ok_or("the second line does not name the machine")?.trim().to_owned();
        let rows = lines.map(|(line, number)| row(line).map_err(|why| format!("line {number}: {why}")));
        Table::new(machine, rows.collect::<Result<_, _>>()?)
    }
}

fn row(line: &str) -> Result<Row, String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [dtype, place, threads, bytes, backend, stores] = words[..] else {
        return Err(format!("{} words where a row has 6", words.len()));
    };
    let number = |text: &str| text.parse::<usize>().map_err(|_| format!("{text:?} is not a number"));
    let one_of = |given: &str, taken: &str| format!("{given:?} is given where {taken} is taken");
    Ok(Row {
        dtype: [Dtype::Float32, Dtype::Float64]
            .into_iter()
            .find(|known| known.name() == dtype)
            .ok_or_else(|| one_of(dtype, "float32 or float64"))?,
        place: [Place::Out, Place::In]
            .into_iter()
            .find(|known| known.name() == place)
            .ok_or_else(|| one_of(place, "out or in"))?,
        threads: number(threads)?,
        bytes: number(bytes)?,
        backend: backend.parse().map_err(|error: Error| error.to_string())?,
        stores: stores.parse().map_err(|error: Error| error.to_string())?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_read_back_as_it_was_written() {
        let table = Table::shipped();
        assert_eq!(table.to_string().parse(), Ok(table));
    }

    #[test]
    fn a_call_takes_the_row_it_reaches() {
        let table = Table::shipped();
        let cache = platform::llc_bytes() / 2;
        let row = |place, threads, bytes| {
            let row = table.row(Dtype::Float64, place, threads, bytes);
            assert_eq!((row.dtype, row.place), (Dtype::Float64, place));
            (row.backend, row.stores)
        };
        assert_eq!(row(Place::Out, 1, 0), (Backend::SIMD, Stores::Plain));
        assert_eq!(row(Place::Out, 1, cache - 1), (Backend::SIMD, Stores::Plain));
        assert_eq!(row(Place::Out, 1, cache), (Backend::SIMD, Stores::Stream));
        assert_eq!(row(Place::Out, 8, 64), (Backend::SIMD, Stores::Plain));
        assert_eq!(row(Place::Out, 8, SHARED_FROM), (Backend::PARALLEL, Stores::Plain));
        assert_eq!(row(Place::Out, 2, 2 * cache), (Backend::PARALLEL, Stores::Stream));
    }

    #[test]
    fn in_place_vectors_are_short_where_the_data_come_from_a_cache_that_wants_it() {
        let table = Table::shipped();
        let row = |threads, bytes| {
            let row = table.row(Dtype::Float32, Place::In, threads, bytes);
            assert_eq!(row.stores, Stores::Plain);
            row.backend
        };
        let (l1d, l2) = (platform::l1d_bytes(), platform::l2_bytes());
        let narrow = loops::narrow_in_place(l1d, l2);
        let expected = |bytes| {
            if narrow.contains(&bytes) { NARROW } else { Backend::SIMD }
        };
        for bytes in [0, l1d, l1d + 1, l2 - 1, l2, l2 + 1, usize::MAX - 1] {
            assert_eq!(row(1, bytes), expected(bytes), "{bytes} bytes");
            let shared = bytes >= SHARED_FROM;
            let of_two = if shared { Backend::PARALLEL } else { expected(bytes) };
            assert_eq!(row(2, bytes), of_two, "{bytes} bytes, 2 threads");
        }
        let long = loops::detect().contains(&Isa::Avx512);
        assert_eq!((expected(l1d), expected(l1d + 1) == NARROW), (Backend::SIMD, long));
    }

    #[test]
    fn what_is_wrong_with_a_table_is_said_with_its_line() {
        let good = Table::shipped().to_string();
        let bad = |from: &str, to: &str| good.replacen(from, to, 1).parse::<Table>().unwrap_err();
        assert!(bad(HEADER, "table").contains("first line"));
        assert!(bad("machine ", "").contains("second line"));
        assert!(bad("float32 ", "int8 ").contains("line 4: \"int8\""));
        assert!(bad(" plain", "").contains("line 4: 5 words"));
        assert!(bad("simd ", "mkl ").contains("no backend"));
        assert!(bad("simd ", "openblas ").contains("other results than NumPy"));
        assert!(bad("simd      stream", "scalar stream").contains("no streaming stores"));
        assert!(bad("float32  out    1        0 ", "float32  out    1        9 ").contains("no row for float32, out"));
        assert!("".parse::<Table>().unwrap_err().contains("first line"));
    }
}
