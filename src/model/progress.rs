//! Progress of a run, as the code that runs it reports it.

/// Where a run is told to be; the command draws it on a terminal.
pub trait Progress {
    /// `fraction` of the whole run is done (0 to 1); `text` says what is being done, in a few words.
    fn update(&mut self, fraction: f64, text: &str);

    /// Something that the user has to act on, also where they want no notes.
    fn announce(&mut self, text: &str);

    /// Something the user should know while it lasts, in a sentence.
    fn note(&mut self, text: &str);
}
