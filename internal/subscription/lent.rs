//! A connection that is not given back while a statement runs on it.

use ::postgres::Error;
use deadpool_postgres::Object;

/// A connection. Dropped before it is given back, it is closed: the pool must not lend it while its statement runs.
pub(crate) struct Lent(Option<Object>);

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            drop(Object::take(connection));
        }
    }
}

impl Lent {
    pub(crate) fn new(connection: Object) -> Self {
        Self(Some(connection))
    }

    /// The connection.
    ///
    /// # Errors
    /// Once it was given back.
    pub(crate) fn connection(&mut self) -> Result<&mut Object, Error> {
        self.0
            .as_mut()
            .ok_or_else(|| Error::Unavailable("the connection was given back".into()))
    }

    /// Takes the connection out: nothing runs on it, or the taker sees to what does.
    pub(crate) fn give_back(&mut self) -> Option<Object> {
        self.0.take()
    }
}
