//! Configuration that is Python: running it, and turning its values into plain ones.

use std::collections::HashMap;

use config::{ConfigError, PythonSource, RawValue};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};

/// The values of a configuration that plain ones cannot stand for - callables, and dictionaries, which may hold
/// anything - by the setting's name.
pub(crate) type Functions = HashMap<String, Py<PyAny>>;

/// Runs a configuration file or module and returns the settings in it; its callables go to `functions`.
///
/// # Errors
/// The file is missing or raises; the text is complete.
pub(crate) fn evaluate(
    py: Python<'_>,
    source: &PythonSource,
    functions: &mut Functions,
) -> Result<Vec<(String, RawValue)>, ConfigError> {
    let result = (|| -> PyResult<_> {
        let module = py.import("penstock._config_file")?;
        let globals = match source {
            PythonSource::File(path) => module.call_method1("run_file", (path.to_string_lossy(),))?,
            PythonSource::Module(name) => module.call_method1("run_module", (name,))?,
        };
        let globals = globals.cast_into::<PyDict>()?;
        let mut settings = Vec::new();
        for name in config::gunicorn_setting_names() {
            if let Some(value) = globals.get_item(name)? {
                if value.is_callable() || value.is_instance_of::<PyDict>() {
                    functions.insert(name.to_owned(), value.clone().unbind());
                }
                settings.push((name.to_owned(), plain(&value)?));
            }
        }
        Ok(settings)
    })();
    result.map_err(|error| ConfigError::new(error.value(py).to_string()))
}

fn plain(value: &Bound<'_, PyAny>) -> PyResult<RawValue> {
    if value.is_none() {
        return Ok(RawValue::None);
    }
    if let Ok(value) = value.cast::<PyBool>() {
        return Ok(RawValue::Bool(value.is_true()));
    }
    if let Ok(integer) = value.cast::<PyInt>() {
        return Ok(integer
            .extract()
            .map_or_else(|_| RawValue::Other(integer.to_string()), RawValue::Int));
    }
    if let Ok(float) = value.cast::<PyFloat>() {
        return Ok(RawValue::Float(float.value()));
    }
    if let Ok(text) = value.cast::<PyString>() {
        return Ok(RawValue::Text(text.to_string_lossy().into_owned()));
    }
    if value.is_instance_of::<PyList>() || value.is_instance_of::<PyTuple>() {
        let items = value
            .try_iter()?
            .map(|item| plain(&item?))
            .collect::<PyResult<_>>()?;
        return Ok(RawValue::List(items));
    }
    if let Ok(dict) = value.cast::<PyDict>() {
        let entry =
            |(key, value): (Bound<'_, PyAny>, Bound<'_, PyAny>)| Ok((key.str()?.to_string(), plain(&value)?));
        return Ok(RawValue::Map(dict.iter().map(entry).collect::<PyResult<_>>()?));
    }
    if value.is_callable() {
        let named = value
            .getattr("__qualname__")
            .or_else(|_| Ok::<_, PyErr>(value.get_type().qualname()?.into_any()))?;
        let module = value.py().import("penstock._config_file")?;
        let positional = module
            .call_method1("positional_parameters", (value,))?
            .extract()?;
        return Ok(RawValue::Callable {
            name: named.str()?.to_string(),
            positional,
        });
    }
    Ok(RawValue::Other(value.repr()?.to_string()))
}

/// A plain value as Python sees it; a callable is looked up by the setting's name.
pub(crate) fn python<'py>(
    py: Python<'py>,
    name: &str,
    value: &RawValue,
    functions: &Functions,
) -> PyResult<Bound<'py, PyAny>> {
    Ok(match value {
        RawValue::None => py.None().into_bound(py),
        RawValue::Bool(value) => PyBool::new(py, *value).to_owned().into_any(),
        RawValue::Int(value) => value.into_pyobject(py)?.into_any(),
        RawValue::Float(value) => value.into_pyobject(py)?.into_any(),
        RawValue::Text(value) | RawValue::Other(value) => PyString::new(py, value).into_any(),
        RawValue::List(items) => {
            let list = PyList::empty(py);
            for item in items {
                list.append(python(py, name, item, functions)?)?;
            }
            list.into_any()
        }
        RawValue::Map(_) if functions.contains_key(name) => functions[name].bind(py).clone(),
        RawValue::Map(entries) => {
            let dict = PyDict::new(py);
            for (key, item) in entries {
                dict.set_item(key, python(py, name, item, functions)?)?;
            }
            dict.into_any()
        }
        RawValue::Callable { name: qualified, .. } => match functions.get(name) {
            Some(function) => function.bind(py).clone(),
            None => PyString::new(py, qualified).into_any(),
        },
    })
}

/// The configuration as gunicorn's users know it: `cfg`, with an attribute for each setting.
pub(crate) fn config_object<'py>(
    py: Python<'py>,
    values: &[(String, RawValue)],
    functions: &Functions,
) -> PyResult<Bound<'py, PyAny>> {
    py.import("penstock._gunicorn.objects")?
        .call_method1("Config", (dictionary(py, values, functions)?,))
}

/// Settings by name.
pub(crate) fn dictionary<'py>(
    py: Python<'py>,
    values: &[(String, RawValue)],
    functions: &Functions,
) -> PyResult<Bound<'py, PyDict>> {
    let settings = PyDict::new(py);
    for (name, value) in values {
        settings.set_item(name, python(py, name, value, functions)?)?;
    }
    Ok(settings)
}
