//! A library is built, stripped and given its debug information again; the same address is named from each of them in
//! turn.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use raptors_flamegraphs::names::{Build, Names, Table};
use raptors_flamegraphs::profile::Named;
use raptors_flamegraphs::{Frame, Profile, Tag};

use crate::common;

const SOURCE: &str = "\
static inline __attribute__((always_inline)) long inner(long x) {
    for (long i = 0; i < x; i++) __asm__ volatile(\"\" : \"+r\"(x));
    return x;
}
__asm__(\".globl without_size\\n.type without_size, @function\\nwithout_size: ret\\n\");
static __attribute__((noinline)) long hidden(long x) { return inner(x) * 3; }
__attribute__((noinline)) long visible(long x) { return hidden(x) + 1; }
";

/// The library with its symbols, and the offsets of `hidden` and `visible`.
struct Library {
    directory: tempfile::TempDir,
    hidden: u64,
    visible: u64,
}

impl Library {
    /// None, with the reason printed, if there is no compiler to build it with.
    fn build() -> Option<Library> {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("lib.c"), SOURCE).unwrap();
        let library = Library { directory, hidden: 0, visible: 0 };
        let compiler = "gcc -g -O1 -shared -fPIC -Wl,--build-id lib.c -o full.so";
        if !cfg!(target_os = "linux") || Command::new("gcc").arg("--version").output().is_err() {
            common::skip("an ELF library is built with gcc and binutils, and they are not here");
            return None;
        }
        library.run(compiler);
        let symbols = library.run("nm full.so");
        let address = |name: &str| {
            let line = symbols.lines().find(|line| line.ends_with(&format!(" {name}"))).unwrap();
            u64::from_str_radix(&line[..16], 16).unwrap()
        };
        let (hidden, visible) = (address("hidden"), address("visible"));
        Some(Library { hidden, visible, ..library })
    }

    fn run(&self, line: &str) -> String {
        let mut words = line.split(' ');
        let mut command = Command::new(words.next().unwrap());
        let told = command.args(words).current_dir(self.directory.path()).output().unwrap();
        assert!(told.status.success(), "{line}: {}", String::from_utf8_lossy(&told.stderr));
        String::from_utf8_lossy(&told.stdout).into_owned()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}

/// The names of an address, outermost first, and the source of the first one.
fn named(names: &mut Names, path: &Path, offset: u64) -> (Vec<String>, Named) {
    let mut profile = Profile::default();
    let frame = profile.intern(Frame::unnamed(Arc::from(path.to_str().unwrap()), offset));
    profile.add([frame], 0, Tag::A, 1);
    let named = names.name(&profile);
    let folded = named.folded(Tag::A).unwrap().to_string();
    let stack = folded.trim_end().strip_suffix(" 1").unwrap();
    (stack.split(';').map(str::to_owned).collect(), named.frames()[0].named)
}

fn nowhere() -> Names {
    Names::default().debug_root("/nonexistent")
}

#[test]
fn the_modules_own_symbols_come_first_and_inlined_functions_are_shown() {
    let Some(library) = Library::build() else {
        return;
    };
    let full = library.path("full.so");
    let (names, from) = named(&mut nowhere(), &full, library.visible);
    assert_eq!((names, from), (vec!["visible".to_owned()], Named::Symbols));
    // No address of a file, but a recording may have any.
    assert_eq!(named(&mut nowhere(), &full, u64::MAX).1, Named::Offset);
    // The loop of `inner` is in this range.
    let inlined = (library.hidden..library.hidden + 24).map(|offset| named(&mut nowhere(), &full, offset).0);
    assert!(inlined.into_iter().any(|names| names == ["hidden", "inner"]));
}

#[test]
fn a_stripped_library_is_named_from_the_debug_information_that_belongs_to_it() {
    let Some(library) = Library::build() else {
        return;
    };
    library.run("objcopy --only-keep-debug full.so bare.debug");
    library.run("strip -o bare.so full.so");
    library.run("objcopy --add-gnu-debuglink=bare.debug bare.so");
    let bare = library.path("bare.so");
    let (names, from) = named(&mut nowhere(), &bare, library.hidden);
    assert_eq!((names[0].as_str(), from), ("hidden", Named::DebugInfo));
    // `visible` is exported, so its symbol is still there.
    let (_, from) = named(&mut nowhere(), &bare, library.visible);
    assert_eq!(from, Named::Symbols);

    // The file of another build is not used.
    std::fs::write(library.path("lib.c"), SOURCE.replace("* 3", "* 5")).unwrap();
    library.run("gcc -g -O1 -shared -fPIC -Wl,--build-id lib.c -o other.so");
    library.run("objcopy --only-keep-debug other.so bare.debug");
    let (names, from) = named(&mut nowhere(), &bare, library.hidden);
    assert_eq!((names, from), (vec![format!("bare.so+{:#x}", library.hidden)], Named::Offset));
}

#[test]
fn debug_information_is_found_by_its_build_id() {
    let Some(library) = Library::build() else {
        return;
    };
    library.run("strip -o bare.so full.so");
    let notes = library.run("readelf -n full.so");
    let id = notes.split("Build ID: ").nth(1).unwrap().split_whitespace().next().unwrap();
    let directory = library.path("root/.build-id").join(&id[..2]);
    std::fs::create_dir_all(&directory).unwrap();
    let debug = directory.join(format!("{}.debug", &id[2..]));
    library.run(&format!("objcopy --only-keep-debug full.so {}", debug.display()));
    let mut names = Names::default().debug_root(library.path("root"));
    let (found, from) = named(&mut names, &library.path("bare.so"), library.hidden);
    assert_eq!((found[0].as_str(), from), ("hidden", Named::DebugInfo));
}

#[test]
fn a_table_names_the_whole_function_and_the_rest_is_named_by_its_place() {
    let Some(library) = Library::build() else {
        return;
    };
    library.run("strip -o bare.so full.so");
    let bare = library.path("bare.so");
    let inside = library.hidden + 3;
    let mut table = Table::default();
    for name in ["np.multiply[ff->f]", "np.square[f->f]", "np.multiply[ff->f]"] {
        table.insert(bare.to_str().unwrap(), library.hidden, name);
    }
    let mut names = Names::with_table(table).debug_root("/nonexistent");
    let (found, from) = named(&mut names, &bare, inside);
    assert_eq!((found, from), (vec!["np.multiply[ff->f] or np.square[f->f]".to_owned()], Named::Table));
    // Without the table, the name is the function's start, so that its samples stay together.
    let (found, from) = named(&mut nowhere(), &bare, inside);
    assert_eq!((found, from), (vec![format!("bare.so+{:#x}", library.hidden)], Named::Offset));
}

#[test]
fn a_module_that_is_not_there_or_none_still_has_its_frames() {
    let missing = Path::new("/nonexistent/lib.so");
    let (found, from) = named(&mut nowhere(), missing, 0x1234);
    assert_eq!((found, from), (vec!["lib.so+0x1234".to_owned()], Named::Offset));
    let broken = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(broken.path(), b"\x7fELF and nothing after it").unwrap();
    let (found, from) = named(&mut nowhere(), broken.path(), 1);
    assert!(found[0].ends_with("+0x1"), "{found:?}");
    assert_eq!(from, Named::Offset);
}

/// A profile with `visible` of the library at `path`.
fn sampled(library: &Library, path: &Path) -> Profile {
    let mut profile = Profile::default();
    let frame = profile.intern(Frame::unnamed(Arc::from(path.to_str().unwrap()), library.visible));
    profile.add([frame], 0, Tag::A, 1);
    profile
}

/// Another build at the same path, in which another function has the address.
fn rebuild(library: &Library) {
    std::fs::write(library.path("lib.c"), SOURCE.replace("visible", "another").replace("* 3", "* 7")).unwrap();
    library.run("gcc -g -O1 -shared -fPIC -Wl,--build-id lib.c -o full.so");
}

fn folded(profile: &Profile) -> String {
    profile.folded(Tag::A).unwrap().to_string()
}

#[test]
fn a_rebuilt_or_removed_library_does_not_name_what_was_sampled_before() {
    let Some(library) = Library::build() else {
        return;
    };
    let full = library.path("full.so");
    let mut profile = sampled(&library, &full);
    profile.set_build(full.to_str().unwrap().into(), Build::at(&full).unwrap());
    let mut names = nowhere();
    assert_eq!(folded(&names.name(&profile)), "visible 1\n");
    let stored = serde_json::to_string(&names.stored()).unwrap();
    let offset = format!("full.so+{:#x} 1\n", library.visible);
    for (change, says) in [(true, "has changed since the run"), (false, "is not there any more")] {
        if change {
            rebuild(&library);
        } else {
            std::fs::remove_file(&full).unwrap();
        }
        let mut now = nowhere();
        assert_eq!(folded(&now.name(&profile)), offset);
        assert!(now.warnings()[0].contains(says), "{:?}", now.warnings());
        // The names that were looked up at the time stay.
        let mut then = nowhere().with_stored(&serde_json::from_str(&stored).unwrap()).unwrap();
        assert_eq!(folded(&then.name(&profile)), "visible 1\n");
        assert!(then.warnings().is_empty());
    }
}

#[test]
fn without_a_build_a_file_that_changed_after_the_run_names_nothing() {
    let Some(library) = Library::build() else {
        return;
    };
    let full = library.path("full.so");
    let profile = sampled(&library, &full);
    let hour = Duration::from_secs(3600);
    let mut later = nowhere().recorded(SystemTime::now() + hour);
    assert_eq!(folded(&later.name(&profile)), "visible 1\n");
    let mut earlier = nowhere().recorded(SystemTime::now() - hour);
    assert_eq!(folded(&earlier.name(&profile)), format!("full.so+{:#x} 1\n", library.visible));
    assert!(earlier.warnings()[0].contains("has changed since the run"));
    // A file without a build id is known by its length and time.
    library.run("gcc -g -O1 -shared -fPIC -Wl,--build-id=none lib.c -o plain.so");
    let plain = library.path("plain.so");
    let mut profile = sampled(&library, &plain);
    profile.set_build(plain.to_str().unwrap().into(), Build::at(&plain).unwrap());
    assert_eq!(folded(&nowhere().name(&profile)), "visible 1\n");
    let data = std::fs::read(&plain).unwrap();
    std::fs::write(&plain, [data, vec![0]].concat()).unwrap();
    assert!(folded(&nowhere().name(&profile)).starts_with("plain.so+"));
}

#[test]
fn a_path_that_leads_to_no_regular_file_is_not_opened() {
    let place = tempfile::tempdir().unwrap();
    let pipe = place.path().join("pipe.so");
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    for path in [pipe.as_path(), Path::new("/dev/zero"), Path::new("/dev/tty"), place.path()] {
        let mut names = nowhere();
        let (found, from) = named(&mut names, path, 0x10);
        assert_eq!(from, Named::Offset);
        assert!(found[0].ends_with("+0x10"), "{found:?}");
        assert!(names.warnings()[0].contains("is no regular file"), "{:?}", names.warnings());
    }
    // Nothing in the working directory has a say.
    let mut names = nowhere();
    assert_eq!(named(&mut names, Path::new("Cargo.toml"), 1).0, ["Cargo.toml+0x1"]);
    assert!(names.warnings().is_empty());
}
