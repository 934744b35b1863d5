//! What the application returns, sent: a list, a file, or any other iterable of `bytes`.
//!
//! Blocks of an iterable go to the network before the next one is asked for, unless the answer is whole by its
//! Content-Length; blocks of a list exist already, so they leave together. `close()` is called exactly once, whatever happens.

use std::os::fd::BorrowedFd;

use bytes::Bytes;
use pyo3::exceptions::{PyAssertionError, PyTypeError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyList, PyTuple};
use worker::Flow;

use super::file_wrapper::FileWrapper;
use super::transaction::Transaction;

/// Sends the answer and closes it.
///
/// # Errors
/// Whatever the application raises, or what is wrong with what it returned. Exceptions of `close()` count too, unless
/// there has been one before.
pub(super) fn send(answer: &Bound<'_, PyAny>, transaction: &Transaction, sendfile: bool) -> PyResult<()> {
    if transaction.was_socket() {
        return pass(answer);
    }
    if let Ok(list) = answer.cast_exact::<PyList>() {
        return send_known(|| list.iter(), transaction);
    }
    if let Ok(tuple) = answer.cast_exact::<PyTuple>() {
        return send_known(|| tuple.iter(), transaction);
    }
    if let Ok(bytes) = answer.cast_exact::<PyBytes>() {
        // Not what PEP 3333 wants, but what is meant is plain.
        return send_known(|| std::iter::once(bytes.clone().into_any()), transaction);
    }
    let sent = match answer.cast_exact::<FileWrapper>() {
        Ok(wrapper) if sendfile => send_file(wrapper, transaction),
        _ => send_iterable(answer, transaction),
    };
    let closed = close(answer);
    sent.and(closed)
}

/// After a WebSocket there is nothing to send; what iterates to its end may be where the application lives.
fn pass(answer: &Bound<'_, PyAny>) -> PyResult<()> {
    let passed = answer
        .try_iter()
        .and_then(|mut blocks| blocks.try_for_each(|block| block.map(drop)));
    let closed = close(answer);
    passed.and(closed)
}

fn close(answer: &Bound<'_, PyAny>) -> PyResult<()> {
    match answer.getattr_opt(pyo3::intern!(answer.py(), "close"))? {
        Some(close) => close.call0().map(drop),
        None => Ok(()),
    }
}

/// All blocks are there: their length is known, and they are queued together.
fn send_known<'py, Blocks: Iterator<Item = Bound<'py, PyAny>>>(
    blocks: impl Fn() -> Blocks,
    transaction: &Transaction,
) -> PyResult<()> {
    let mut total = 0;
    for block in blocks() {
        total += checked(&block)?.as_bytes().len() as u64;
    }
    begin(transaction, Some(total))?;
    for block in blocks() {
        queue(checked(&block)?, transaction)?;
    }
    Ok(())
}

fn send_iterable(answer: &Bound<'_, PyAny>, transaction: &Transaction) -> PyResult<()> {
    let py = answer.py();
    let mut only_one = knows_its_length(answer) && answer.len()? == 1;
    for block in answer.try_iter()? {
        let block = block?;
        let block = checked(&block)?;
        if block.as_bytes().is_empty() || transaction.was_socket() {
            continue;
        }
        begin(
            transaction,
            std::mem::take(&mut only_one).then(|| block.as_bytes().len() as u64),
        )?;
        queue(block, transaction)?;
        if transaction.with(|exchange| exchange.may_wait())? {
            continue;
        }
        if transaction.flush(py)? == Flow::Gone {
            return Ok(());
        }
    }
    if transaction.was_socket() {
        return Ok(());
    }
    begin(transaction, Some(0))
}

/// Whether `len()` is worth asking for: of a generator or a framework's iterator it, and even a look for `__len__`,
/// would make an exception for nothing.
fn knows_its_length(answer: &Bound<'_, PyAny>) -> bool {
    // SAFETY: reads fields of the type of a live object, attached to the interpreter. The types of Python classes have
    // both tables; those of C have null for one they lack.
    unsafe {
        let kind = ffi::Py_TYPE(answer.as_ptr());
        let (sequence, mapping) = ((*kind).tp_as_sequence, (*kind).tp_as_mapping);
        sequence.as_ref().is_some_and(|table| table.sq_length.is_some())
            || mapping.as_ref().is_some_and(|table| table.mp_length.is_some())
    }
}

/// Has the kernel send the rest of a regular file; anything else is read block by block.
fn send_file(wrapper: &Bound<'_, FileWrapper>, transaction: &Transaction) -> PyResult<()> {
    let file = wrapper.get().filelike.bind(wrapper.py());
    let Some((descriptor, offset, length)) = regular_file(file) else {
        return send_iterable(wrapper.as_any(), transaction);
    };
    begin(transaction, Some(length))?;
    transaction.with(|exchange| exchange.write_file(descriptor, offset, length))
}

/// A descriptor of our own for the file, its position and how much follows; `None` when it is no regular file.
fn regular_file(file: &Bound<'_, PyAny>) -> Option<(std::os::fd::OwnedFd, u64, u64)> {
    let number: i32 = file.call_method0("fileno").ok()?.extract().ok()?;
    // The position that the application sees, which buffering may have left behind the descriptor's own.
    let offset: u64 = file.call_method0("tell").ok()?.extract().ok()?;
    if number < 0 {
        return None;
    }
    // SAFETY: borrowed only for the two calls below, while the file object, which owns the descriptor, is alive. Were
    // the number not open (a `fileno` that lies), the calls would fail.
    let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
    let about = rustix::fs::fstat(borrowed).ok()?;
    if rustix::fs::FileType::from_raw_mode(about.st_mode) != rustix::fs::FileType::RegularFile {
        return None;
    }
    let descriptor = rustix::io::fcntl_dupfd_cloexec(borrowed, 3).ok()?;
    let length = u64::try_from(about.st_size).ok()?.saturating_sub(offset);
    Some((descriptor, offset, length))
}

fn checked<'a, 'py>(block: &'a Bound<'py, PyAny>) -> PyResult<&'a Bound<'py, PyBytes>> {
    block.cast::<PyBytes>().map_err(|_| {
        let found = block
            .get_type()
            .name()
            .map_or_else(|_| "?".to_owned(), |name| name.to_string());
        PyTypeError::new_err(format!("the application's blocks must be bytes, not {found}"))
    })
}

/// Queues the head, once. `length`: the body's, where it is known before anything was sent.
fn begin(transaction: &Transaction, length: Option<u64>) -> PyResult<()> {
    if !transaction.started() {
        return Err(PyAssertionError::new_err(
            "the application returned an answer without having called start_response",
        ));
    }
    let length = length.filter(|_| !transaction.written());
    transaction.with(|exchange| {
        if exchange.begun() {
            return;
        }
        // An application that leaves the body away for HEAD has not said how long it is.
        let unsaid = length == Some(0) && exchange.head().method() == b"HEAD";
        if let Some(length) = length.filter(|_| !unsaid) {
            exchange.response().set_content_length(length);
        }
        exchange.begin();
    })
}

fn queue(block: &Bound<'_, PyBytes>, transaction: &Transaction) -> PyResult<()> {
    let bytes = block.as_bytes();
    if bytes.is_empty() {
        return Ok(());
    }
    transaction.with(|exchange| {
        exchange.write_shared(bytes, || Bytes::from_owner(PyBackedBytes::from(block.clone())));
    })
}
