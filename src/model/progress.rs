//! Progress of a run, as the code that runs it reports it.

/// The receiver of a run's progress; the command draws it on a terminal.
pub trait Progress {
    /// `fraction` of the whole run is done (0 to 1); `text` describes the present step in a few words.
    fn update(&mut self, fraction: f64, text: &str);

    /// A message that the user has to act on, shown even without notes.
    fn announce(&mut self, text: &str);

    /// A message for the user during the run, in a sentence.
    fn note(&mut self, text: &str);
}
