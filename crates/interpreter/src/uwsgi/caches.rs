//! The caches as Python uses them: bytes in, bytes out, and nothing raised where uWSGI returns None.

use std::sync::Arc;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use shared::{Existing, Refusal};
use telemetry::ErrorLog;

use super::commons::{NamedCache, now};

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

    fn store(
        &self,
        key: &Octets,
        value: &Octets,
        expires: u64,
        name: Option<&str>,
        existing: Existing,
    ) -> PyResult<bool> {
        let Some(cache) = self.find(name)? else {
            return Ok(false);
        };
        let end = end_of(cache, expires);
        let stored = cache
            .cache
            .store(key.bytes(), value.bytes(), end, existing, now());
        Ok(self.done(cache, stored)?.is_some())
    }
}

/// When a value of `expires` seconds is over; 0 is never.
fn end_of(cache: &NamedCache, expires: u64) -> u64 {
    match expires {
        _ if cache.settings.no_expiry => 0,
        0 => 0,
        seconds => now().saturating_add(seconds),
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
        let Some(cache) = self.find(name)? else {
            return Ok(None);
        };
        let value = cache.cache.value(key.bytes(), now())?;
        Ok(value.map(|value| PyBytes::new(py, &value)))
    }

    #[pyo3(signature = (key, name=None))]
    fn contains(&self, key: Octets, name: Option<&str>) -> PyResult<bool> {
        let cache = self.find(name)?;
        Ok(cache.map_or(Ok(false), |cache| cache.cache.contains(key.bytes(), now()))?)
    }

    /// Stores what is not there yet.
    fn add(&self, key: Octets, value: Octets, expires: u64, name: Option<&str>) -> PyResult<bool> {
        self.store(&key, &value, expires, name, Existing::Keep)
    }

    /// Stores whatever is there.
    fn replace(&self, key: Octets, value: Octets, expires: u64, name: Option<&str>) -> PyResult<bool> {
        self.store(&key, &value, expires, name, Existing::Replace)
    }

    #[pyo3(signature = (key, name=None))]
    fn remove(&self, key: Octets, name: Option<&str>) -> PyResult<bool> {
        let cache = self.find(name)?;
        Ok(cache.map_or(Ok(false), |cache| cache.cache.remove(key.bytes(), now()))?)
    }

    #[pyo3(signature = (name=None))]
    fn clear(&self, name: Option<&str>) -> PyResult<bool> {
        let Some(cache) = self.find(name)? else {
            return Ok(false);
        };
        cache.cache.clear()?;
        Ok(true)
    }

    /// A number, 0 where there is none.
    #[pyo3(signature = (key, name=None))]
    fn number(&self, key: Octets, name: Option<&str>) -> PyResult<i64> {
        let cache = self.find(name)?;
        let number = cache.map_or(Ok(None), |cache| cache.cache.number(key.bytes(), now()))?;
        Ok(number.unwrap_or(0))
    }

    /// `operation` is one of `+ - * /`. As in uWSGI, numbers have 64 bits and dividing by nothing gives nothing.
    fn calculate(
        &self,
        key: Octets,
        operation: char,
        amount: i64,
        expires: u64,
        name: Option<&str>,
    ) -> PyResult<bool> {
        let Some(cache) = self.find(name)? else {
            return Ok(false);
        };
        let result = |number: i64| match operation {
            '+' => number.wrapping_add(amount),
            '-' => number.wrapping_sub(amount),
            '*' => number.wrapping_mul(amount),
            _ => number.checked_div(amount).unwrap_or(0),
        };
        let (key, first) = (key.bytes(), cache.settings.first_number);
        let is_new = first != 0 && cache.cache.number(key, now())?.is_none();
        let calculated = cache
            .cache
            .calculate(key, end_of(cache, expires), now(), |number| {
                result(if is_new { first } else { number })
            });
        Ok(self.done(cache, calculated)?.is_some())
    }

    /// Every key.
    #[pyo3(signature = (name=None))]
    fn keys<'py>(&self, py: Python<'py>, name: Option<&str>) -> PyResult<Vec<Bound<'py, PyBytes>>> {
        let Some(cache) = self.find(name)? else {
            return Err(PyValueError::new_err("no local uWSGI cache available"));
        };
        let keys = cache.cache.keys(now())?;
        Ok(keys.iter().map(|key| PyBytes::new(py, key)).collect())
    }
}
