//! What a program says, read while it runs.

use std::io::Read;
use std::thread::{self, JoinHandle};

/// Reads a program's pipe to its end on a thread, so that a full pipe never stops the program. Bytes that are no UTF-8
/// are replaced; no pipe is no text.
pub fn read_aside(pipe: Option<impl Read + Send + 'static>) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            // A broken pipe leaves what was read.
            let _ = pipe.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}
