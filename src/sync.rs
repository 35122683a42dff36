//! Locks that are taken although a thread panicked while it held them.
//!
//! What the locks of this program guard is valid after each statement: counters, caches, lists. After a panic the
//! service goes on measuring, so a poisoned lock is taken like any other.

use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Takes a mutex.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes a lock for reading.
pub(crate) fn read<T: ?Sized>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

/// Takes a lock for writing.
pub(crate) fn write<T: ?Sized>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::{panic, sync::Mutex};

    use super::lock;

    #[test]
    fn mutex_of_a_thread_that_panicked_is_taken() {
        let counter = Mutex::new(1);
        let panicked = panic::catch_unwind(|| {
            let mut held = lock(&counter);
            *held += 1;
            panic!("a panic while the mutex is held");
        });
        assert!(panicked.is_err() && counter.is_poisoned());
        assert_eq!(*lock(&counter), 2);
    }
}
