//! Status and headers as `start_response` takes them (PEP 3333), or what is wrong with them.

use protocol::ResponseHead;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::string::PyStringData;
use pyo3::types::{PyList, PyString, PyTuple};
use worker::Exchange;

/// Takes status and headers over, or says what is wrong with them.
pub(super) fn fill(
    exchange: &mut Exchange,
    status: &Bound<'_, PyAny>,
    headers: &Bound<'_, PyAny>,
) -> PyResult<()> {
    let response = exchange.response();
    let invalid = |fault: protocol::ResponseFault| PyValueError::new_err(fault.to_string());
    response
        .set_status(latin1(status, "the status")?)
        .map_err(invalid)?;
    if response.status() < 200 {
        return Err(PyValueError::new_err(
            "the status is an interim one (1xx), which the server sends itself; an answer begins at 200",
        ));
    }
    push_headers(response, headers)
}

pub(super) fn push_headers(response: &mut ResponseHead, headers: &Bound<'_, PyAny>) -> PyResult<()> {
    let invalid = |fault: protocol::ResponseFault| PyValueError::new_err(fault.to_string());
    let headers = headers.cast::<PyList>().map_err(|_| {
        PyTypeError::new_err(format!("the headers must be a list, not {}", type_name(headers)))
    })?;
    for header in headers.iter() {
        let Ok(pair) = header
            .cast::<PyTuple>()
            .map_err(drop)
            .and_then(|pair| match pair.len() {
                2 => Ok(pair),
                _ => Err(()),
            })
        else {
            return Err(PyTypeError::new_err(format!(
                "a header must be a tuple (name, value), not {}",
                header.repr()?
            )));
        };
        let (name, value) = (pair.get_borrowed_item(0)?, pair.get_borrowed_item(1)?);
        response
            .push(
                latin1(&name, "a header's name")?,
                latin1(&value, "a header's value")?,
            )
            .map_err(invalid)?;
    }
    Ok(())
}

/// The bytes of a native string as PEP 3333 means it: code points below 256 only.
fn latin1<'a>(text: &'a Bound<'_, PyAny>, what: &str) -> PyResult<&'a [u8]> {
    let Ok(text) = text.cast::<PyString>() else {
        return Err(PyTypeError::new_err(format!(
            "{what} must be a str, not {}",
            type_name(text)
        )));
    };
    // SAFETY: the string is alive for 'a, and strings that exist are never changed in place.
    match unsafe { text.data()? } {
        PyStringData::Ucs1(bytes) => Ok(bytes),
        _ => Err(PyValueError::new_err(format!(
            "{what} has characters that latin-1 cannot express: {}",
            text.repr()?
        ))),
    }
}

/// The exception of an `exc_info` tuple, with its traceback.
pub(super) fn raised(info: &Bound<'_, PyAny>) -> PyResult<PyErr> {
    let (_, value, traceback): (Bound<'_, PyAny>, Bound<'_, PyAny>, Bound<'_, PyAny>) = info.extract()?;
    Ok(PyErr::from_value(
        value.call_method1("with_traceback", (traceback,))?,
    ))
}

pub(crate) fn type_name(value: &Bound<'_, PyAny>) -> String {
    value
        .get_type()
        .name()
        .map_or_else(|_| "?".to_owned(), |name| name.to_string())
}
