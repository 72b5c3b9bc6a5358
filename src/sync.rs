//! What threads meet at, behind one name, so that in tests a model checker can stand in for it:
//! `RUSTFLAGS='--cfg loom' cargo test --release --lib loom`.

/// Whether somebody else can be waited for.
pub(crate) const HAS_THREADS: bool = !cfg!(all(target_family = "wasm", not(target_feature = "atomics")));

#[cfg(not(all(test, loom)))]
pub(crate) use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

#[cfg(all(test, loom))]
pub(crate) use loom::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

#[cfg(not(all(test, loom)))]
pub(crate) use parking_lot::{Condvar, Mutex};

#[cfg(not(all(test, loom)))]
pub(crate) use std::sync::OnceLock;

/// One that the checker sees being set.
#[cfg(all(test, loom))]
#[derive(Debug)]
pub(crate) struct OnceLock<T> {
    is_set: loom::sync::atomic::AtomicBool,
    value: std::sync::OnceLock<T>,
}

#[cfg(all(test, loom))]
impl<T> OnceLock<T> {
    pub(crate) fn new() -> Self {
        Self { is_set: loom::sync::atomic::AtomicBool::new(false), value: std::sync::OnceLock::new() }
    }

    pub(crate) fn get(&self) -> Option<&T> {
        if self.is_set.load(Ordering::Acquire) { self.value.get() } else { None }
    }

    pub(crate) fn set(&self, value: T) -> Result<(), T> {
        self.value.set(value)?;
        self.is_set.store(true, Ordering::Release);
        Ok(())
    }
}

/// The checker's condition, with the shape of `parking_lot`'s.
#[cfg(all(test, loom))]
#[derive(Debug, Default)]
pub(crate) struct Condvar(loom::sync::Condvar);

#[cfg(all(test, loom))]
impl Condvar {
    pub(crate) fn new() -> Self {
        Self(loom::sync::Condvar::new())
    }

    pub(crate) fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
        guard.wait_by(|held| self.0.wait(held).expect("no thread of a model panics"));
    }

    pub(crate) fn notify_all(&self) {
        self.0.notify_all();
    }
}

/// The checker's lock with the shape of `parking_lot`'s.
#[cfg(all(test, loom))]
#[derive(Debug)]
pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

#[cfg(all(test, loom))]
impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(loom::sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        MutexGuard(Some(self.0.lock().expect("no thread of a model panics")))
    }

    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.0.get_mut().expect("no thread of a model panics")
    }
}

#[cfg(all(test, loom))]
impl<T: Default> Default for Mutex<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

/// One that can be taken out of a reference while a condition is waited for.
#[cfg(all(test, loom))]
pub(crate) struct MutexGuard<'a, T>(Option<loom::sync::MutexGuard<'a, T>>);

#[cfg(all(test, loom))]
impl<'a, T> MutexGuard<'a, T> {
    fn wait_by(&mut self, wait: impl FnOnce(loom::sync::MutexGuard<'a, T>) -> loom::sync::MutexGuard<'a, T>) {
        self.0 = self.0.take().map(wait);
    }
}

#[cfg(all(test, loom))]
impl<T> std::ops::Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().expect("held")
    }
}

#[cfg(all(test, loom))]
impl<T> std::ops::DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.as_mut().expect("held")
    }
}
