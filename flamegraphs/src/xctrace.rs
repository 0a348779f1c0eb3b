//! Tables of a recording by Apple's Instruments, as `xcrun xctrace export --xpath …/table[@schema="NAME"]` prints them.
//!
//! A table is XML: the names of the columns, then one `row` with one element for each column, a `sentinel` for a
//! missing value. A value that occurred before is given by `ref`; its content is at its `id`. The public examples of
//! such exports agree in this; Apple does not document it. All numbers are nanoseconds since the recording began, or
//! ids.

use std::collections::HashMap;

use roxmltree::{Document, Node};

use crate::{Error, Folded};

/// The name of a stack without frames.
const UNKNOWN: &str = "[unknown]";
/// The end of a complete export.
const END: &str = "</trace-query-result>";

/// One sample of a time profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Its time, ns since the recording began.
    pub time: u64,
    /// The thread, if the export has it.
    pub thread: Option<u64>,
    /// The process, if the export has it.
    pub process: Option<u64>,
    /// The CPU time it stands for, ns.
    pub weight: u64,
    /// Index of its stack in [`TimeProfile::stacks`].
    pub stack: usize,
}

/// A time profile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TimeProfile {
    /// In the order of the export.
    pub samples: Vec<Sample>,
    /// Names of frames, root first. A stack that the export refers to occurs here once.
    pub stacks: Vec<Vec<String>>,
}

impl TimeProfile {
    /// Reads the table `time-profile`.
    ///
    /// # Errors
    /// [`Error::Xctrace`] if it is another table, no table or truncated; [`Error::NoSamples`] if it is empty.
    pub fn from_xctrace(export: &str) -> Result<Self, Error> {
        let document = parsed(export)?;
        let table = Table::new(&document, "time-profile")?;
        let mut profile = Self::default();
        let mut seen = HashMap::new();
        for row in table.rows()? {
            let time = row.number("time")?.ok_or_else(|| row.lacks("time"))?;
            let weight = row.number("weight")?.ok_or_else(|| row.lacks("weight"))?;
            let (thread, process) = row.thread_and_process("thread", "process");
            let stack = row.cell("stack")?;
            let key = stack.map(|node| node.id());
            let stack = *seen.entry(key).or_insert_with(|| {
                profile.stacks.push(table.frames(stack));
                profile.stacks.len() - 1
            });
            profile.samples.push(Sample { time, thread, process, weight, stack });
        }
        if profile.samples.is_empty() {
            return Err(Error::NoSamples);
        }
        Ok(profile)
    }

    /// Counts samples by stack, each below the frame `root` if there is one.
    ///
    /// # Errors
    /// [`Error::TooManySamples`].
    pub fn fold<'a>(&self, samples: impl IntoIterator<Item = (Option<&'a str>, &'a Sample)>) -> Result<Folded, Error> {
        let mut folded = Folded::default();
        for (root, sample) in samples {
            let frames = self.stacks[sample.stack].iter().map(String::as_str);
            folded.add(root.into_iter().chain(frames), 1)?;
        }
        Ok(folded)
    }
}

/// One signpost interval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interval {
    /// Its beginning, ns since the recording began.
    pub start: u64,
    /// Its end.
    pub end: u64,
    /// The thread that began it, if the export has it.
    pub thread: Option<u64>,
    /// The process, if the export has it.
    pub process: Option<u64>,
    /// The subsystem of its log.
    pub subsystem: String,
    /// Its name.
    pub name: String,
    /// The message of its beginning; empty for none.
    pub message: String,
}

impl Interval {
    /// Reads the table `os-signpost-interval`. An interval that did not end within the recording is left out, because
    /// its samples are unknown.
    ///
    /// # Errors
    /// [`Error::Xctrace`] if it is another table, no table or truncated.
    pub fn from_xctrace(export: &str) -> Result<Vec<Self>, Error> {
        let document = parsed(export)?;
        let table = Table::new(&document, "os-signpost-interval")?;
        let mut intervals = Vec::new();
        for row in table.rows()? {
            let start = row.number("start")?.ok_or_else(|| row.lacks("start"))?;
            let Some(duration) = row.number("duration")? else {
                continue;
            };
            let (thread, process) = row.thread_and_process("start-thread", "process");
            intervals.push(Self {
                start,
                end: start.saturating_add(duration),
                thread,
                process,
                subsystem: row.text("subsystem")?,
                name: row.text("name")?,
                message: row.text("start-message").unwrap_or_default(),
            });
        }
        Ok(intervals)
    }
}

fn unreadable(why: impl Into<String>) -> Error {
    Error::Xctrace { why: why.into() }
}

fn parsed(export: &str) -> Result<Document<'_>, Error> {
    if !export.trim_end().ends_with(END) {
        let why = if export.contains("<trace-query-result") {
            "its end is missing; export it again"
        } else {
            "it is not what `xctrace export --xpath` prints"
        };
        return Err(unreadable(why));
    }
    Document::parse(export).map_err(|error| unreadable(format!("it is damaged: {error}")))
}

/// The tables of the wanted kind in one export, which may hold several: one a run.
struct Table<'a, 'input> {
    document: &'a Document<'input>,
    schema: &'static str,
    /// The elements that `ref` names.
    ids: HashMap<&'a str, Node<'a, 'input>>,
}

impl<'a, 'input> Table<'a, 'input> {
    fn new(document: &'a Document<'input>, schema: &'static str) -> Result<Self, Error> {
        let schemas: Vec<&str> = document
            .descendants()
            .filter(|node| node.has_tag_name("schema"))
            .filter_map(|node| node.attribute("name"))
            .collect();
        if let Some(other) = schemas.first().filter(|_| !schemas.contains(&schema)) {
            let other: String = other.chars().take(80).collect();
            return Err(unreadable(format!("it holds the table {other:?}; export the table \"{schema}\"")));
        }
        let ids = document.descendants().filter_map(|node| Some((node.attribute("id")?, node))).collect();
        Ok(Self { document, schema, ids })
    }

    fn rows(&self) -> Result<Vec<Row<'_, 'a, 'input>>, Error> {
        let mut rows = Vec::new();
        let nodes = self.document.root_element().children();
        for node in nodes.filter(|node| node.has_tag_name("node")) {
            let schema = node.children().find(|node| node.has_tag_name("schema"));
            if schema.is_some_and(|schema| schema.attribute("name") != Some(self.schema)) {
                continue;
            }
            let columns = schema.map_or_else(Vec::new, columns);
            for row in node.children().filter(|node| node.has_tag_name("row")) {
                let cells: Vec<Node<'a, 'input>> = row.children().filter(Node::is_element).collect();
                let number = rows.len() + 1;
                if cells.len() != columns.len() {
                    return Err(unreadable(format!(
                        "row {number} has {} values for {} columns",
                        cells.len(),
                        columns.len()
                    )));
                }
                let cells = columns.iter().copied().zip(cells).collect();
                let table = self;
                rows.push(Row { table, number, cells });
            }
        }
        Ok(rows)
    }

    /// The node itself, or the node that it refers to.
    fn resolve(&self, node: Node<'a, 'input>) -> Option<Node<'a, 'input>> {
        match node.attribute("ref") {
            Some(id) => self.ids.get(id).copied(),
            None => Some(node),
        }
    }

    /// The child of that name, of a node that is no reference.
    fn child(&self, node: Node<'a, 'input>, name: &str) -> Option<Node<'a, 'input>> {
        let child = node.children().find(|child| child.has_tag_name(name))?;
        self.resolve(child)
    }

    /// Names of frames, root first. Newer versions wrap a backtrace in a `tagged-backtrace`.
    fn frames(&self, stack: Option<Node<'a, 'input>>) -> Vec<String> {
        let inner = stack.and_then(|node| self.child(node, "backtrace"));
        let frames = inner.or(stack).into_iter().flat_map(|node| node.children());
        let names = frames.filter(|frame| frame.has_tag_name("frame")).map(|frame| {
            let frame = self.resolve(frame);
            let named = |key| frame.and_then(|frame| frame.attribute(key));
            let name = named("name").or(named("addr")).unwrap_or(UNKNOWN);
            name.to_owned()
        });
        let mut names: Vec<String> = names.collect();
        names.reverse();
        if names.is_empty() {
            names.push(UNKNOWN.to_owned());
        }
        names
    }
}

fn columns<'a>(schema: Node<'a, '_>) -> Vec<&'a str> {
    let columns = schema.children().filter(|node| node.has_tag_name("col"));
    let mnemonic = |column: Node<'a, '_>| {
        let mut names = column.children();
        names.find(|node| node.has_tag_name("mnemonic"))?.text()
    };
    columns.map(|column| mnemonic(column).unwrap_or_default()).collect()
}

struct Row<'t, 'a, 'input> {
    table: &'t Table<'a, 'input>,
    number: usize,
    cells: Vec<(&'a str, Node<'a, 'input>)>,
}

impl<'a, 'input> Row<'_, 'a, 'input> {
    fn lacks(&self, column: &str) -> Error {
        unreadable(format!("row {} has no {column}", self.number))
    }

    /// The value in a column; `None` if it is empty.
    fn cell(&self, column: &str) -> Result<Option<Node<'a, 'input>>, Error> {
        let found = self.cells.iter().find(|(name, _)| *name == column);
        let (_, node) = found.ok_or_else(|| unreadable(format!("it has no column {column:?}")))?;
        if node.has_tag_name("sentinel") {
            return Ok(None);
        }
        let missing = || {
            let id = node.attribute("ref").unwrap_or_default();
            let id: String = id.chars().take(80).collect();
            let number = self.number;
            unreadable(format!("row {number} refers to {id:?}, which it does not have"))
        };
        self.table.resolve(*node).map(Some).ok_or_else(missing)
    }

    fn number(&self, column: &str) -> Result<Option<u64>, Error> {
        let Some(node) = self.cell(column)? else {
            return Ok(None);
        };
        number_in(node).map(Some).ok_or_else(|| {
            let number = self.number;
            unreadable(format!("the {column} of row {number} is not a whole number"))
        })
    }

    /// The text in the form in which it is shown, even if it is assembled from parts; empty if there is none.
    fn text(&self, column: &str) -> Result<String, Error> {
        let node = self.cell(column)?;
        let shown = node.and_then(|node| node.attribute("fmt").or_else(|| node.text()));
        Ok(shown.unwrap_or_default().trim().to_owned())
    }

    /// The numbers of a thread and its process. Both columns are optional.
    fn thread_and_process(&self, thread: &str, process: &str) -> (Option<u64>, Option<u64>) {
        let thread = self.cell(thread).ok().flatten();
        let own = self.cell(process).ok().flatten();
        let process = own.or_else(|| self.table.child(thread?, "process"));
        let id = |node: Option<Node<'a, 'input>>, name| number_in(self.table.child(node?, name)?);
        (id(thread, "tid"), id(process, "pid"))
    }
}

fn number_in(node: Node<'_, '_>) -> Option<u64> {
    node.text()?.trim().parse().ok()
}

impl Folded {
    /// Reads the XML of an exported time profile, as [`TimeProfile::from_xctrace`] does. Weights are samples.
    ///
    /// # Errors
    /// Those of [`TimeProfile::from_xctrace`].
    pub fn from_xctrace(export: &str) -> Result<Self, Error> {
        let profile = TimeProfile::from_xctrace(export)?;
        profile.fold(profile.samples.iter().map(|sample| (None, sample)))
    }
}
