//! The floors of `src/`: an import goes down only, and no two modules of a floor import each other in a circle.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The floors, lowest first.
const FLOORS: [&str; 8] = ["model", "machine", "tracers", "analysis", "run", "explain", "views", "commands"];

/// A module on a floor: the floor's name and the name of the module below it; none for the floor's own `mod.rs`.
type Module = (String, Option<String>);

/// Which modules each module imports, with a line of source for each.
type Imports = BTreeMap<Module, BTreeMap<Module, String>>;

fn sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut directories = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found
}

/// `views::html::tables` of `src/views/html/tables.rs`.
fn module_path(file: &Path) -> Vec<String> {
    let below = file.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap().with_extension("");
    let mut parts: Vec<String> = below.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
    if parts.last().is_some_and(|last| last == "mod" || last == "lib") {
        parts.pop();
    }
    parts
}

/// The paths that a text names behind `crate::` or `super::`, groups in braces taken apart.
fn paths_in(text: &str, own: &[String]) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let code: String = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    for (start, _) in code.match_indices("crate::") {
        expand(&code[start + "crate::".len()..], &mut Vec::new(), &mut found);
    }
    for (start, _) in code.match_indices("super::") {
        // The last `super` of a chain is followed by the name; how many stand before it says how far up it goes.
        let before = &code[..start];
        let ups = 1 + (before.len() - before.trim_end_matches("super::").len()) / "super::".len();
        if code[start + "super::".len()..].starts_with("super::") || own.len() < ups {
            continue;
        }
        expand(&code[start + "super::".len()..], &mut own[..own.len() - ups].to_vec(), &mut found);
    }
    found
}

/// Follows `a::b::{c, d::e}` to its leaves; two parts are enough to know the module.
fn expand(rest: &str, path: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
    let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    let after = &rest[name.len()..];
    if let Some(group) = rest.strip_prefix('{') {
        let (mut depth, mut start) = (0_usize, 0_usize);
        for (at, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth > 0 => depth -= 1,
                ',' | '}' if depth == 0 => {
                    expand(group[start..at].trim_start(), &mut path.clone(), found);
                    start = at + 1;
                    if c == '}' {
                        return;
                    }
                }
                _ => {}
            }
        }
        return;
    }
    if !name.is_empty() && name != "self" {
        path.push(name);
    }
    match after.strip_prefix("::") {
        Some(more) if path.len() < 2 => expand(more, path, found),
        _ => found.push(path.clone()),
    }
}

fn module_of(path: &[String]) -> Option<Module> {
    let floor = path.first().filter(|first| FLOORS.contains(&first.as_str()))?;
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(floor);
    let child = path.get(1).filter(|name| source.join(name).is_dir() || source.join(format!("{name}.rs")).exists());
    Some((floor.clone(), child.cloned()))
}

fn imports() -> Imports {
    let mut imports = Imports::new();
    for file in sources() {
        let own = module_path(&file);
        let Some(module) = module_of(&own) else { continue };
        let text = fs::read_to_string(&file).unwrap();
        let targets = imports.entry(module).or_default();
        for path in paths_in(&text, &own) {
            if let Some(target) = module_of(&path) {
                targets.insert(target, format!("{}: {}", file.display(), path.join("::")));
            }
        }
    }
    imports
}

fn rank(floor: &str) -> usize {
    FLOORS.iter().position(|name| *name == floor).unwrap()
}

#[test]
fn every_import_goes_down() {
    let upward: Vec<String> = imports()
        .into_iter()
        .flat_map(|((floor, _), targets)| {
            targets.into_iter().filter(move |((target, _), _)| rank(target) > rank(&floor)).map(|(_, line)| line)
        })
        .collect();
    assert!(upward.is_empty(), "imports that go up:\n{}", upward.join("\n"));
}

#[test]
fn modules_of_a_floor_import_each_other_in_one_direction() {
    let imports = imports();
    // What cannot be reached from itself goes, until only circles stay.
    let mut left: BTreeSet<&Module> = imports.keys().filter(|module| module.1.is_some()).collect();
    loop {
        let inside = |module: &Module| {
            imports[module].keys().any(|target| target != module && target.0 == module.0 && left.contains(target))
        };
        let next: BTreeSet<&Module> = left.iter().copied().filter(|module| inside(module)).collect();
        if next.len() == left.len() {
            break;
        }
        left = next;
    }
    let lines: Vec<&String> = left
        .iter()
        .flat_map(|module| {
            imports[*module]
                .iter()
                .filter(|(target, _)| *target != *module && target.0 == module.0 && left.contains(target))
        })
        .map(|(_, line)| line)
        .collect();
    assert!(lines.is_empty(), "modules that import each other in a circle:\n{lines:#?}");
}

#[test]
fn an_import_is_found_however_it_is_written() {
    let own: Vec<String> = ["views", "html", "tables"].map(String::from).to_vec();
    let text =
        "use crate::model::{text::escape, units};\nuse super::super::{calls, story::x};\nlet a = crate::run::b();";
    let found: Vec<String> = paths_in(text, &own).iter().map(|path| path.join("::")).collect();
    assert_eq!(found, ["model::text", "model::units", "run::b", "views::calls", "views::story"]);
}

#[test]
fn every_module_of_the_crate_is_a_floor() {
    let modules: BTreeSet<String> =
        sources().iter().map(|file| module_path(file)).filter_map(|path| path.first().cloned()).collect();
    let expected: BTreeSet<String> =
        FLOORS.iter().map(|floor| (*floor).to_owned()).chain(["main".to_owned()]).collect();
    assert_eq!(modules, expected);
}
