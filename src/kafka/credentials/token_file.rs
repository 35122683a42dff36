//! The file of a token, which another program renews.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use tokio::{sync::Mutex, task::JoinHandle};

use super::token::{LONGEST, Receipt, Token};
use crate::{
    files::read_once,
    kafka::{Error, Fault, Stage},
};

/// The longest time for reading the file.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The file of a token.
#[derive(Debug)]
pub(super) struct TokenFile {
    path: PathBuf,
    /// A read that has not ended. A file system that hangs blocks this thread and no other.
    reading: Mutex<Option<JoinHandle<io::Result<String>>>>,
}

impl TokenFile {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, reading: Mutex::new(None) }
    }

    /// Reads the token.
    ///
    /// # Errors
    /// [`Fault::TokenFile`] if the file cannot be read, or holds no token that can be used. [`Fault::Clock`] if the token
    /// cannot be used because the clock of this machine differs from the clock of its issuer. [`Fault::Descriptors`] if this
    /// process has no file descriptor left.
    pub(super) async fn read(&self) -> Result<Token, Error> {
        let (path, reading) = (self.path.clone(), &mut *self.reading.lock().await);
        let Some(ended) = read_once(reading, TIMEOUT, move || text(&path)).await else {
            return Err(self.failed().because("the file system does not answer"));
        };
        let text = ended.map_err(|error| self.failed().because(error))?;
        let text =
            text.map_err(|error| self.no_token(Fault::TokenFile.or_descriptors(&error)).because(error))?;
        Token::read(&text, &Receipt::at(SystemTime::now())).map_err(|why| {
            let fault = if why.is_clock { Fault::Clock } else { Fault::TokenFile };
            self.no_token(fault).because(why.words)
        })
    }

    fn failed(&self) -> Error {
        self.no_token(Fault::TokenFile)
    }

    fn no_token(&self, fault: Fault) -> Error {
        Error::new(fault, format!("no token in {}", self.path.display())).at(Stage::Sasl)
    }
}

/// The text of a regular file. A text that is longer than a token may be is cut.
fn text(path: &Path) -> io::Result<String> {
    if !path.metadata()?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut text = String::new();
    File::open(path)?.take(LONGEST as u64 + 2).read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::text::Chain;

    #[tokio::test]
    async fn file_without_a_usable_token_is_a_fault_that_names_the_file_and_the_reason() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("token");
        let read = async |path: &Path| {
            let error = TokenFile::new(path.to_owned()).read().await.expect_err("no token");
            assert_eq!(error.fault(), Fault::TokenFile);
            Chain(&error).to_string()
        };
        assert!(read(&path).await.contains(&format!("no token in {}", path.display())));
        assert!(read(folder.path()).await.contains("it is no regular file"));
        fs::write(&path, "x".repeat(3 * LONGEST)).expect("a file");
        assert!(read(&path).await.contains("longer than 64 KiB"));
        fs::write(&path, "opaque\n").expect("a file");
        assert_eq!(TokenFile::new(path).read().await.expect("a token").reveal(), "opaque");
    }
}
