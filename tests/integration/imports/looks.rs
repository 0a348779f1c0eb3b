//! The tables, the document that shows one, and the JSON's schema.

use std::path::PathBuf;

use raptors_trace::analysis::imports::{
    Binding, Counts, Family, File, FileKind, Format, Import, Imports, Library, SCHEMA, Subject, SubjectKind, Unread,
};
use raptors_trace::views::imports::text;
use raptors_trace::views::{Part, TextOptions};
use serde_json::{Value, json};
use unicode_width::UnicodeWidthStr;

use super::support::{numpy, read};

pub const PLAIN: TextOptions = TextOptions { width: 100, color: false, unicode: true, part: Part::All };

fn repository(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Compares with a committed file, or writes it anew.
fn blessed(path: &str, now: &str) {
    let path = repository(path);
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, now).unwrap();
        return;
    }
    let expected =
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}; BLESS=1 writes it", path.display()));
    if now != expected {
        let difference = similar::TextDiff::from_lines(expected.as_str(), now);
        let difference = difference.unified_diff().context_radius(2).header("committed", "now").to_string();
        panic!("{} differs; if that is meant, BLESS=1 writes it anew\n{difference}", path.display());
    }
}

/// No line is wider than asked for, and nothing but line ends moves the cursor.
fn golden(name: &str, imports: &Imports, options: &TextOptions, all: bool) {
    let shown = text(imports, options, all);
    for line in shown.lines() {
        assert!(line.width() <= options.width, "{} columns: {line:?}", line.width());
        assert!(!line.chars().any(char::is_control), "{line:?}");
        assert!(line == line.trim_end(), "{line:?}");
        assert!(options.unicode || line.is_ascii(), "{line:?}");
    }
    blessed(&format!("tests/golden/imports_{name}.txt"), &shown);
}

fn import(routine: &str, family: Family, libraries: &[&str], binding: Binding) -> Import {
    Import {
        symbol: format!("{routine}_64_"),
        routine: routine.to_owned(),
        family,
        in_catalogue: true,
        integer_bits: (family != Family::Vdsp).then_some(64),
        libraries: libraries.iter().map(|name| (*name).to_owned()).collect(),
        file: None,
        binding,
    }
}

fn module(path: &str, imports: Vec<Import>) -> File {
    File {
        path: path.to_owned(),
        format: Format::Elf,
        architecture: "x86_64".to_owned(),
        bits: 64,
        kind: FileKind::Library,
        identity: None,
        libraries: vec![Library { name: "libm.so.6".to_owned(), file: None }],
        counts: imports.iter().map(|import| import.family).collect(),
        imports,
        defines: Counts::default(),
        holds: Counts::default(),
        local_symbols: true,
        looks_up: Vec::new(),
    }
}

fn subject(name: &str, files: Vec<File>) -> Subject {
    Subject {
        name: name.to_owned(),
        kind: SubjectKind::Package,
        path: format!("site-packages/{name}"),
        version: Some("1.0".to_owned()),
        interpreter: Some(".venv/bin/python".to_owned()),
        imports: files.iter().flat_map(|file| &file.imports).map(|import| import.family).collect(),
        files,
        unread: Vec::new(),
    }
}

/// Two packages with all that a table can say.
fn two() -> Imports {
    let gemm = |libraries: &[&str], binding| import("cblas_sgemm", Family::Cblas, libraries, binding);
    let mut asking = module("one/asking.so", Vec::new());
    asking.looks_up = vec!["dlopen".to_owned(), "dlsym".to_owned()];
    asking.holds = Counts { cblas: 3, lapack: 1, ..Counts::default() };
    let mut stripped = module("two/stripped.so", Vec::new());
    stripped.local_symbols = false;
    let many = (0..60).map(|i| import(&format!("dlapack{i:03}"), Family::Lapack, &["libb.so"], Binding::Defined));
    let vdsp = import("vDSP_vsmul", Family::Vdsp, &[], Binding::Process);
    let one = vec![
        module("one/core.cpython-311-x86_64-linux-gnu.so", vec![gemm(&["libblas.so.3"], Binding::ByName), vdsp]),
        asking,
    ];
    let two = vec![
        module("two/core.so", [gemm(&["liba.so", "libb.so"], Binding::OneOf)].into_iter().chain(many).collect()),
        stripped,
    ];
    let mut two = subject("two", two);
    two.unread.push(Unread { path: "two/broken.so".to_owned(), why: "it is damaged or cut off".to_owned() });
    Imports { schema: SCHEMA.to_owned(), subjects: vec![subject("one", one), two] }
}

/// Names that would move the cursor, hide themselves, or fill the screen.
fn hostile() -> Imports {
    let evil = "\u{1b}[2J\u{202e}\r\n数組".repeat(9);
    let mut file = module(&evil, vec![import(&evil, Family::Other, &[&evil, "b"], Binding::OneOf)]);
    file.architecture.clone_from(&evil);
    file.looks_up.push(evil.clone());
    let mut other = subject(&evil, vec![file.clone(), file]);
    other.unread.push(Unread { path: evil.clone(), why: evil.clone() });
    other.version = Some(evil.clone());
    other.path.clone_from(&evil);
    other.interpreter = Some(evil);
    Imports { schema: SCHEMA.to_owned(), subjects: vec![other] }
}

#[test]
fn the_tables_are_as_committed() {
    golden("two", &two(), &PLAIN, false);
    golden("two_all", &two(), &PLAIN, true);
    golden("two_narrow", &two(), &TextOptions { width: 60, ..PLAIN }, false);
    golden("hostile", &hostile(), &TextOptions { width: 60, unicode: false, ..PLAIN }, true);
    let mut one = two();
    one.subjects.truncate(1);
    golden("one", &one, &PLAIN, false);
}

#[test]
fn hostile_names_fit_everywhere() {
    for width in [1, 40, 41, 60, 99, 300] {
        let options = TextOptions { width, ..PLAIN };
        let mut imports = hostile();
        for _ in 0..3 {
            for all in [true, false] {
                let shown = text(&imports, &options, all);
                let widest = width.clamp(40, 116);
                assert!(shown.lines().all(|line| line.width() <= widest && !line.contains('\u{1b}')), "{shown}");
            }
            imports.subjects.extend(hostile().subjects);
        }
    }
}

/// The document is for a reader without a Mac: what it shows is what the command prints.
#[test]
fn the_document_shows_what_the_command_prints() {
    let (Some(mac), Some(linux)) = (numpy("macosx_14_0_arm64"), numpy("manylinux_2_28_x86_64")) else {
        return;
    };
    let document = std::fs::read_to_string(repository("docs/imports.md")).unwrap();
    for paths in [vec![mac.as_path()], vec![mac.as_path(), linux.as_path()]] {
        let shown = text(&read(&paths), &PLAIN, false);
        assert!(document.contains(&shown), "docs/imports.md does not show this:\n{shown}");
    }
}

/// The schema that the types make: every field is required, unknown ones are allowed, as fields may be added.
fn generated() -> Value {
    let settings = schemars::generate::SchemaSettings::draft2020_12().for_serialize();
    let mut schema = settings.into_generator().into_root_schema_for::<Imports>().to_value();
    schema["$id"] = json!("https://raptors-trace/imports.schema.json");
    schema["title"] = json!("raptors-trace imports --json");
    schema["properties"]["schema"]["const"] = json!(SCHEMA);
    schema
}

#[test]
fn the_committed_schema_is_that_of_the_types_and_holds_the_promised_names() {
    blessed("docs/imports.schema.json", &(serde_json::to_string_pretty(&generated()).unwrap() + "\n"));
    let validator = jsonschema::validator_for(&generated()).unwrap();
    for imports in [two(), hostile()] {
        let json = serde_json::to_value(&imports).unwrap();
        let errors: Vec<String> = validator.iter_errors(&json).map(|e| format!("{}: {e}", e.instance_path)).collect();
        assert!(errors.is_empty(), "{errors:#?}");
        assert_eq!(serde_json::from_value::<Imports>(json).unwrap(), imports);
    }
    let whole = serde_json::to_value(two()).unwrap();
    for (place, value) in [
        ("/schema", json!("raptors-trace/imports/1")),
        ("/subjects/0/kind", json!("package")),
        ("/subjects/0/imports/vdsp", json!(1)),
        ("/subjects/0/files/0/format", json!("elf")),
        ("/subjects/0/files/0/imports/0/binding", json!("by_name")),
        ("/subjects/0/files/0/imports/0/libraries/0", json!("libblas.so.3")),
        ("/subjects/0/files/1/looks_up/1", json!("dlsym")),
    ] {
        assert_eq!(whole.pointer(place), Some(&value), "{place}");
    }
    let mut renamed = whole;
    let file = renamed.pointer_mut("/subjects/0/files/0").unwrap().as_object_mut().unwrap();
    let holds = file.remove("holds").unwrap();
    file.insert("contains".to_owned(), holds);
    assert!(!validator.is_valid(&renamed));
}
