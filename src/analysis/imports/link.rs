//! Finds the library that provides each import, among the files that were read together.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

use super::classify::{self, Origin};
use super::model::{Binding, Counts, Family, File, Format, Import, Library};
use super::native::{Image, Source};

/// The functions that find others by name.
const LOOK_UPS: [&str; 5] = ["dlopen", "dlsym", "dlvsym", "dlmopen", "NSLookupSymbolInImage"];
/// A library that exports this many routines is a math library, whatever its name.
const ROUTINES_OF_A_LIBRARY: u64 = 8;

/// The index of files by the names under which others need them.
type Index<'a> = HashMap<(Format, &'a str, &'a str), usize>;

/// An image with the data that the others need.
struct Node<'a> {
    path: &'a str,
    image: &'a Image,
    exports: HashSet<&'a str>,
    defines: Counts,
}

/// Binds imports to libraries and counts. Files are returned in the order of their paths.
pub fn files(images: Vec<(String, Image)>) -> Vec<File> {
    let nodes: Vec<Node> = images
        .iter()
        .map(|(path, image)| Node {
            path,
            image,
            exports: image.exports.iter().map(String::as_str).collect(),
            defines: catalogued(&image.exports),
        })
        .collect();
    let mut index = Index::new();
    for (at, node) in nodes.iter().enumerate() {
        let names = [node.image.identity.as_deref(), Some(node.path)];
        for name in names.into_iter().flatten() {
            let key = (node.image.format, node.image.architecture.as_str(), base(name));
            index.entry(key).or_insert(at);
        }
    }
    let mut files: Vec<File> = nodes.iter().map(|node| file(node, &nodes, &index)).collect();
    files.sort_by(|a, b| (&a.path, &a.architecture).cmp(&(&b.path, &b.architecture)));
    files
}

/// The last part of a path or an install name.
fn base(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

fn catalogued(symbols: &[String]) -> Counts {
    let known = symbols.iter().filter_map(|symbol| classify::catalogued(symbol));
    known.map(|routine| routine.family).collect()
}

/// The routines that a file may have from a static library. SciPy's modules contain a `dgemm_` for each `scipy_dgemm_`
/// or `dgemm$NEWLAPACK` that they import; it only calls that one.
fn held(locals: &[String], imports: &[Import]) -> Counts {
    let imported: HashSet<&str> = imports.iter().map(|import| import.routine.as_str()).collect();
    let known = locals.iter().filter_map(|symbol| classify::catalogued(symbol));
    let own: BTreeSet<(Family, String)> = known
        .filter(|routine| !imported.contains(routine.name.as_str()))
        .map(|routine| (routine.family, routine.name))
        .collect();
    own.into_iter().map(|(family, _)| family).collect()
}

fn file(node: &Node, nodes: &[Node], index: &Index) -> File {
    let image = node.image;
    let scope = Scope::of(node, nodes, index);
    let mut imports: Vec<Import> =
        image.imports.iter().filter_map(|(symbol, from)| import(symbol, *from, node, nodes, index, &scope)).collect();
    imports.sort_by(|a, b| (a.family, &a.routine, &a.symbol).cmp(&(b.family, &b.routine, &b.symbol)));
    imports.dedup();
    let names = image.imports.iter().map(|(symbol, _)| symbol.as_str());
    let mut looks_up: Vec<String> = names.filter(|symbol| LOOK_UPS.contains(symbol)).map(str::to_owned).collect();
    looks_up.sort();
    let library = |name: &String| Library {
        name: name.clone(),
        file: lookup(node, name, index).map(|at| nodes[at].path.to_owned()),
    };
    File {
        path: node.path.to_owned(),
        format: image.format,
        architecture: image.architecture.clone(),
        bits: image.bits,
        kind: image.kind,
        identity: image.identity.clone(),
        libraries: image.needed.iter().map(library).collect(),
        counts: imports.iter().map(|import| import.family).collect(),
        holds: held(&image.locals, &imports),
        imports,
        defines: node.defines,
        local_symbols: image.local_symbols,
        looks_up,
    }
}

/// The file that has a needed library's name, for the same system and processor.
fn lookup(node: &Node, name: &str, index: &Index) -> Option<usize> {
    let key = (node.image.format, node.image.architecture.as_str(), base(name));
    index.get(&key).copied()
}

/// The libraries that a file needs, directly and indirectly, in the dynamic linker's order.
struct Scope<'a> {
    /// The libraries that were read, nearest first.
    read: Vec<usize>,
    /// The libraries that were not read and may provide routines.
    unread: Vec<&'a str>,
}

impl<'a> Scope<'a> {
    fn of(node: &Node, nodes: &[Node<'a>], index: &Index) -> Self {
        let start = index_of(node, nodes);
        let mut scope = Self { read: Vec::new(), unread: Vec::new() };
        let mut seen: HashSet<&str> = HashSet::new();
        let mut queue = VecDeque::from([start]);
        while let Some(at) = queue.pop_front() {
            for name in &nodes[at].image.needed {
                if !seen.insert(name) {
                    continue;
                }
                match lookup(&nodes[at], name, index) {
                    Some(found) if found != start && !scope.read.contains(&found) => {
                        scope.read.push(found);
                        queue.push_back(found);
                    }
                    Some(_) => {}
                    None if classify::is_base_library(name) => {}
                    None => scope.unread.push(name),
                }
            }
        }
        scope
    }
}

fn index_of(node: &Node, nodes: &[Node]) -> usize {
    let same = |other: &Node| std::ptr::eq(other.image, node.image);
    nodes.iter().position(same).unwrap_or(0)
}

fn is_math(node: &Node) -> bool {
    let name = node.image.identity.as_deref().unwrap_or(node.path);
    node.defines.total() >= ROUTINES_OF_A_LIBRARY || classify::is_math_library(name)
}

/// A provider: its shown name, and the certainty.
struct Provider {
    libraries: Vec<String>,
    file: Option<String>,
    binding: Binding,
    origin: Origin,
}

/// A symbol that is a routine, with its provider.
fn import(symbol: &str, from: Source, node: &Node, nodes: &[Node], index: &Index, scope: &Scope) -> Option<Import> {
    let provider = match from {
        Source::Needed(at) => exact(at, node, nodes, index),
        Source::AnyNeeded => needed(symbol, nodes, scope),
        Source::Process => process(),
    };
    let routine = classify::imported(symbol, provider.origin)?;
    Some(Import {
        symbol: symbol.to_owned(),
        integer_bits: classify::integer_bits(&routine, &provider.libraries),
        routine: routine.name,
        family: routine.family,
        in_catalogue: routine.in_catalogue,
        libraries: provider.libraries,
        file: provider.file,
        binding: provider.binding,
    })
}

/// The file names the library. An ordinal beyond its libraries is damage; then no library is given.
fn exact(at: usize, node: &Node, nodes: &[Node], index: &Index) -> Provider {
    let Some(name) = node.image.needed.get(at) else {
        return process();
    };
    let file = lookup(node, name, index);
    let math = classify::is_math_library(name) || file.is_some_and(|at| is_math(&nodes[at]));
    Provider {
        libraries: vec![name.clone()],
        file: file.map(|at| nodes[at].path.to_owned()),
        binding: Binding::Exact,
        origin: if math { Origin::Math } else { Origin::Unknown },
    }
}

fn process() -> Provider {
    Provider { libraries: Vec::new(), file: None, binding: Binding::Process, origin: Origin::Unknown }
}

/// The first needed library that defines it, else the candidates.
fn needed(symbol: &str, nodes: &[Node], scope: &Scope) -> Provider {
    let mut read = scope.read.iter().map(|at| &nodes[*at]);
    let Some(library) = read.find(|node| node.exports.contains(symbol)) else {
        return guessed(scope);
    };
    let identity = library.image.identity.as_deref();
    let math = is_math(library);
    Provider {
        libraries: vec![identity.unwrap_or(base(library.path)).to_owned()],
        file: Some(library.path.to_owned()),
        binding: Binding::Defined,
        origin: if math { Origin::Math } else { Origin::Unknown },
    }
}

/// The needed libraries that were not read: those named like math libraries, else all.
fn guessed(scope: &Scope) -> Provider {
    let unread = scope.unread.iter().copied();
    let named: Vec<&str> = unread.filter(|name| classify::is_math_library(name)).collect();
    let (libraries, binding, origin) = match (named.is_empty(), scope.unread.is_empty()) {
        (false, _) => (named, Binding::ByName, Origin::MayBeMath),
        (true, false) => (scope.unread.clone(), Binding::OneOf, Origin::Unknown),
        (true, true) => return process(),
    };
    Provider { libraries: libraries.into_iter().map(str::to_owned).collect(), file: None, binding, origin }
}

/// The number of different routines of each family that the files import.
pub fn totals(files: &[File]) -> Counts {
    let imports = files.iter().flat_map(|file| &file.imports);
    let different: BTreeSet<(Family, &str)> = imports.map(|import| (import.family, import.routine.as_str())).collect();
    different.into_iter().map(|(family, _)| family).collect()
}
