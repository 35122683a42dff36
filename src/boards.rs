//! The boards of all clusters. A reload of the configuration adds boards, removes them and replaces them.

use std::{future::pending, sync::Arc};

use tokio::sync::watch;

use crate::board::Board;

/// The list of the boards of all clusters, as its readers hold it.
#[derive(Clone)]
pub struct Boards(watch::Receiver<Arc<[Board]>>);

/// Publishes the list of the boards.
pub struct BoardsSender(watch::Sender<Arc<[Board]>>);

impl Boards {
    /// A list of boards, and what replaces it.
    pub fn new(boards: Vec<Board>) -> (BoardsSender, Self) {
        let (sender, receiver) = watch::channel(boards.into());
        (BoardsSender(sender), Self(receiver))
    }

    /// The boards of now, in the order of the configuration.
    pub fn list(&self) -> Arc<[Board]> {
        self.0.borrow().clone()
    }

    /// The boards of now. [`Boards::changed`] waits for the list after this one.
    pub(crate) fn list_and_update(&mut self) -> Arc<[Board]> {
        self.0.borrow_and_update().clone()
    }

    /// Waits until the list is replaced. Waits for ever if nothing can replace the list any more.
    pub(crate) async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            pending().await
        }
    }
}

impl From<Vec<Board>> for Boards {
    /// A list that is never replaced.
    fn from(boards: Vec<Board>) -> Self {
        Self::new(boards).1
    }
}

impl BoardsSender {
    /// Replaces the list.
    pub fn replace(&self, boards: Vec<Board>) {
        self.0.send_replace(boards.into());
    }
}
