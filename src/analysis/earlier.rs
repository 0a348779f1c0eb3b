//! Documents of version 1, brought into the form of version 2.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::model::protocol::VERSION;

type Object = Map<String, Value>;

/// The documents of a run file of version 1, as this version writes them.
pub fn upgraded(documents: &[(String, String)]) -> serde_json::Result<Vec<(String, String)>> {
    let mut upgraded = Vec::new();
    // Version 1 told of a warm-up in parts, and told there why dispatch could not be measured.
    let mut warmups: BTreeMap<u64, Object> = BTreeMap::new();
    for (key, json) in documents {
        let value: Value = serde_json::from_str(json)?;
        let Value::Object(mut object) = value else {
            upgraded.push((key.clone(), json!({ "text": value })));
            continue;
        };
        match key.as_str() {
            "warmup" => {
                warmups.entry(number(&object, "case")).or_default().extend(object);
                continue;
            }
            "case" => {
                object.remove("done");
                let warmup = warmups.get(&number(&object, "index"));
                let no_unit = warmup.and_then(|warmup| warmup.get("no_unit")).cloned();
                object.insert("no_unit".to_owned(), no_unit.unwrap_or_default());
            }
            _ => object = same_document(key, object),
        }
        upgraded.push((key.clone(), Value::Object(object)));
    }
    upgraded.extend(warmups.iter().map(|(case, parts)| ("warmup".to_owned(), warmup(*case, parts))));
    Ok(upgraded.into_iter().map(|(key, value)| (key, value.to_string())).collect())
}

fn number(object: &Object, field: &str) -> u64 {
    object.get(field).and_then(Value::as_u64).unwrap_or_default()
}

/// A document that version 2 has as well, with other fields.
fn same_document(key: &str, mut object: Object) -> Object {
    let (gone, new): (&[&str], Value) = match key {
        "spec" => (&[], json!({ "protocol": VERSION })),
        "site" => (&["purpose", "args", "ufunc"], json!({ "nin": 0, "nout": 0, "item_sizes": [] })),
        "facts" => (&["numpy_file", "numpy_blas", "environment"], json!({})),
        "engine" => (&[], json!({ "warnings": [] })),
        "hooks" => return hooks(&object),
        "samples" => return samples(object),
        _ => (&[], json!({})),
    };
    object.retain(|field, _| !gone.contains(&field.as_str()));
    filled(object, new)
}

/// The object with those of `new` that it lacks.
fn filled(object: Object, new: Value) -> Object {
    let Value::Object(mut whole) = new else { return object };
    whole.extend(object);
    whole
}

fn warmup(case: u64, parts: &Object) -> Value {
    let of = |field: &str| parts.get(field).cloned();
    json!({
        "case": case,
        "rounds": number(parts, "rounds"),
        "settled": of("settled").unwrap_or_else(|| false.into()),
        "placements": number(parts, "placements"),
    })
}

fn hooks(object: &Object) -> Object {
    let reports = object.values().filter_map(|report| report.get("not_armed")?.as_array());
    let not_armed: Vec<&Value> = reports.flatten().collect();
    filled(Object::new(), json!({ "not_armed": not_armed }))
}

fn samples(mut object: Object) -> Object {
    let case = number(&object, "case");
    object.retain(|field, _| field != "case" && field != "rounds");
    for side in object.get_mut("sides").and_then(Value::as_array_mut).into_iter().flatten() {
        side.as_object_mut().map(|side| side.remove("wall_ns"));
    }
    let sampler = filled(object, json!({ "engine": "inprocess", "outside": 0, "troubles": [], "sides": [] }));
    filled(Object::new(), json!({ "case": case, "sampler": sampler }))
}
