//! Where samples survive a restart of the service.

use super::sample::Sample;

/// Keeps the samples of one cluster over a restart. The methods block.
pub trait Keep: Send + Sync + 'static {
    /// The samples of a topic that were saved last.
    ///
    /// # Errors
    /// Why they cannot be read, in words.
    fn load(&self, topic: &str) -> Result<Vec<Sample>, String>;

    /// Saves these samples of a topic in place of all that were saved before.
    ///
    /// # Errors
    /// Why they cannot be written, in words. Those that were saved before are then still there.
    fn save(&self, topic: &str, samples: &[Sample]) -> Result<(), String>;
}
