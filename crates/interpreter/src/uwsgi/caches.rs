//! The caches as Python uses them: bytes in, bytes out, and nothing raised where uWSGI returns None.

use std::io;
use std::sync::Arc;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use shared::{Existing, Refusal};
use telemetry::ErrorLog;

use super::backing::{Backing, Calculation};
use super::commons::NamedCache;

/// All caches of the server.
#[pyclass(frozen, module = "penstock")]
pub(crate) struct Caches {
    caches: Vec<Arc<NamedCache>>,
    log: ErrorLog,
}

/// A key or a value: bytes, or text, which is meant in UTF-8.
#[derive(FromPyObject)]
pub(super) enum Octets {
    Bytes(Vec<u8>),
    Text(String),
}

impl Octets {
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Octets::Bytes(bytes) => bytes,
            Octets::Text(text) => text.as_bytes(),
        }
    }

    /// As text; what is none is replaced.
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(self.bytes()).into_owned()
    }
}

impl Caches {
    pub(super) fn new(caches: Vec<Arc<NamedCache>>, log: ErrorLog) -> Caches {
        Caches { caches, log }
    }

    /// The cache of a name, or the first; `None` where there is none.
    fn find(&self, name: Option<&str>) -> PyResult<Option<&NamedCache>> {
        let Some(name) = name else {
            return Ok(self.caches.first().map(Arc::as_ref));
        };
        if name.contains('@') {
            return Err(PyValueError::new_err(format!(
                "the cache {name:?} is another server's: caches here belong to one server"
            )));
        }
        let found = self.caches.iter().find(|cache| cache.settings.name == name);
        Ok(found.map(Arc::as_ref))
    }

    /// Whether something was done, with a word in the log where there is no room.
    fn done<T>(&self, cache: &NamedCache, result: Result<T, Refusal>) -> PyResult<Option<T>> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(Refusal::Lock(error)) => Err(error.into()),
            Err(Refusal::Full) if !cache.settings.ignore_full => {
                let name = &cache.settings.name;
                self.log
                    .warning(format_args!("*** DANGER cache \"{name}\" is FULL !!! ***"));
                Ok(None)
            }
            Err(_) => Ok(None),
        }
    }

    /// Asks a cache, which may take a while where it is on another server; `None` where there is no such cache.
    fn ask<T: Send>(
        &self,
        py: Python<'_>,
        name: Option<&str>,
        question: impl FnOnce(&NamedCache, &ErrorLog) -> io::Result<T> + Send,
    ) -> PyResult<Option<T>> {
        let Some(cache) = self.find(name)? else {
            return Ok(None);
        };
        match &cache.cache {
            // It is shorter than letting others have the interpreter.
            Backing::Memory(_) => Ok(Some(question(cache, &self.log)?)),
            Backing::Redis(_) => Ok(Some(py.detach(|| question(cache, &self.log))?)),
        }
    }

    fn store(
        &self,
        py: Python<'_>,
        key: &Octets,
        value: &Octets,
        expires: u64,
        name: Option<&str>,
        existing: Existing,
    ) -> PyResult<bool> {
        let (key, value) = (key.bytes(), value.bytes());
        let stored = self.ask(py, name, |cache, log| {
            let expires = if cache.settings.no_expiry { 0 } else { expires };
            Ok(cache.cache.store(log, key, value, expires, existing))
        })?;
        self.was_done(name, stored)
    }

    fn was_done(&self, name: Option<&str>, result: Option<Result<(), Refusal>>) -> PyResult<bool> {
        match (self.find(name)?, result) {
            (Some(cache), Some(result)) => Ok(self.done(cache, result)?.is_some()),
            _ => Ok(false),
        }
    }
}

#[pymethods]
impl Caches {
    #[pyo3(signature = (key, name=None))]
    fn value<'py>(
        &self,
        py: Python<'py>,
        key: Octets,
        name: Option<&str>,
    ) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let value = self.ask(py, name, |cache, log| cache.cache.value(log, key.bytes()))?;
        Ok(value.flatten().map(|value| PyBytes::new(py, &value)))
    }

    #[pyo3(signature = (key, name=None))]
    fn contains(&self, py: Python<'_>, key: Octets, name: Option<&str>) -> PyResult<bool> {
        let found = self.ask(py, name, |cache, log| cache.cache.contains(log, key.bytes()))?;
        Ok(found.unwrap_or(false))
    }

    /// Stores what is not there yet.
    fn add(
        &self,
        py: Python<'_>,
        key: Octets,
        value: Octets,
        expires: u64,
        name: Option<&str>,
    ) -> PyResult<bool> {
        self.store(py, &key, &value, expires, name, Existing::Keep)
    }

    /// Stores whatever is there.
    fn replace(
        &self,
        py: Python<'_>,
        key: Octets,
        value: Octets,
        expires: u64,
        name: Option<&str>,
    ) -> PyResult<bool> {
        self.store(py, &key, &value, expires, name, Existing::Replace)
    }

    #[pyo3(signature = (key, name=None))]
    fn remove(&self, py: Python<'_>, key: Octets, name: Option<&str>) -> PyResult<bool> {
        let removed = self.ask(py, name, |cache, log| cache.cache.remove(log, key.bytes()))?;
        Ok(removed.unwrap_or(false))
    }

    #[pyo3(signature = (name=None))]
    fn clear(&self, py: Python<'_>, name: Option<&str>) -> PyResult<bool> {
        let cleared = self.ask(py, name, |cache, log| cache.cache.clear(log))?;
        Ok(cleared.unwrap_or(false))
    }

    /// A number, 0 where there is none.
    #[pyo3(signature = (key, name=None))]
    fn number(&self, py: Python<'_>, key: Octets, name: Option<&str>) -> PyResult<i64> {
        let number = self.ask(py, name, |cache, log| cache.cache.number(log, key.bytes()))?;
        Ok(number.flatten().unwrap_or(0))
    }

    /// `operation` is one of `+ - * /`.
    fn calculate(
        &self,
        py: Python<'_>,
        key: Octets,
        operation: char,
        amount: i64,
        expires: u64,
        name: Option<&str>,
    ) -> PyResult<bool> {
        let calculated = self.ask(py, name, |cache, log| {
            let calculation = Calculation {
                operation,
                amount,
                first: cache.settings.first_number,
            };
            let expires = if cache.settings.no_expiry { 0 } else { expires };
            Ok(cache.cache.calculate(log, key.bytes(), calculation, expires))
        })?;
        self.was_done(name, calculated)
    }

    /// Every key.
    #[pyo3(signature = (name=None))]
    fn keys<'py>(&self, py: Python<'py>, name: Option<&str>) -> PyResult<Vec<Bound<'py, PyBytes>>> {
        let keys = self.ask(py, name, |cache, log| cache.cache.keys(log))?;
        let keys = keys.ok_or_else(|| PyValueError::new_err("no local uWSGI cache available"))?;
        Ok(keys.iter().map(|key| PyBytes::new(py, key)).collect())
    }
}
