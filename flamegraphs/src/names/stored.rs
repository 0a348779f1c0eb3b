//! Names as a document of a run: what is rebuilt or removed later does not change them.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Known;
use super::module::Function;
use crate::{Error, Named};

/// The names of all sampled positions, looked up when the run ended: [`Names::stored`](super::Names::stored) makes it,
/// [`Names::with_stored`](super::Names::with_stored) uses it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Stored {
    /// Names and source files, each once.
    texts: Vec<String>,
    modules: Vec<Module>,
    /// Why some have an offset instead of a name.
    pub(super) warnings: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Module {
    path: String,
    /// Offset, and the functions there, outermost first.
    places: Vec<(u64, Vec<Place>)>,
}

/// The index of the name, that of the source file, the line, the source of the name.
type Place = (usize, Option<usize>, Option<u32>, Source);

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Source {
    Symbols,
    DebugInfo,
    Table,
    Offset,
}

impl Stored {
    /// Whether it has no names.
    pub fn is_empty(&self) -> bool {
        self.modules.is_empty()
    }

    pub(super) fn of(known: &Known, warnings: Vec<String>) -> Stored {
        let mut stored = Stored { warnings, ..Stored::default() };
        let mut texts = HashMap::new();
        let mut text = |text: &Arc<str>| {
            *texts.entry(text.clone()).or_insert_with(|| {
                stored.texts.push(text.to_string());
                stored.texts.len() - 1
            })
        };
        for (path, places) in known {
            let places = places.iter().map(|(&offset, functions)| {
                let place = |function: &Function| {
                    let source = match function.named {
                        Named::Symbols => Source::Symbols,
                        Named::DebugInfo => Source::DebugInfo,
                        Named::Table => Source::Table,
                        Named::Given | Named::Offset | Named::Not => Source::Offset,
                    };
                    (text(&function.name), function.file.as_ref().map(&mut text), function.line, source)
                };
                (offset, functions.iter().map(place).collect())
            });
            stored.modules.push(Module { path: path.to_string(), places: places.collect() });
        }
        stored
    }

    /// # Errors
    /// [`Error::Record`] if an index in it is invalid.
    pub(super) fn known(&self) -> Result<Known, Error> {
        let texts: Vec<Arc<str>> = self.texts.iter().map(|text| text.as_str().into()).collect();
        let text = |index: usize| texts.get(index).cloned().ok_or(Error::Record("name"));
        let mut known = Known::default();
        for module in &self.modules {
            let places = known.entry(module.path.as_str().into()).or_default();
            for (offset, functions) in &module.places {
                let functions = functions.iter().map(|&(name, file, line, source)| {
                    let named = match source {
                        Source::Symbols => Named::Symbols,
                        Source::DebugInfo => Named::DebugInfo,
                        Source::Table => Named::Table,
                        Source::Offset => Named::Offset,
                    };
                    Ok(Function { name: text(name)?, file: file.map(&text).transpose()?, line, named })
                });
                let functions: Vec<Function> = functions.collect::<Result<_, Error>>()?;
                if functions.is_empty() {
                    return Err(Error::Record("name"));
                }
                places.insert(*offset, functions);
            }
        }
        Ok(known)
    }
}
