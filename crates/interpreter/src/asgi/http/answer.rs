//! What an application sends of its answer: the head, the body, trailers, and hints before all of it. When each of them leaves
//! is said in `http`.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use bytes::Bytes;
use pyo3::exceptions::{PyOSError, PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyDict};
use worker::{Exchange, Flow};

use super::{HttpRequest, Phase};
use crate::asgi::event::{bytes_of, gone, invalid, pairs, required, take_if, truth, wake};
use crate::asgi::scope::lists_trailers;

/// What is done with an answer's body.
pub(super) enum Piece<'a, 'py> {
    Bytes(&'a Bound<'py, PyBytes>),
    File(OwnedFd, u64, u64),
}

/// What became of a piece of the answer.
pub(super) enum Progress {
    /// It is on its way.
    Done,
    /// As much is queued as may be: the client has to read first.
    Full,
}

impl HttpRequest {
    pub(super) fn start(&self, event: &Bound<'_, PyDict>) -> PyResult<()> {
        let py = event.py();
        let status: u16 = required(event, "status")?.extract().map_err(|_| {
            PyTypeError::new_err("'status' of http.response.start must be an int from 200 to 999")
        })?;
        if status < 200 {
            return Err(PyValueError::new_err(format!(
                "'status' of http.response.start is {status}: interim answers are the server's; an answer begins at 200"
            )));
        }
        let headers = event.get_item(pyo3::intern!(py, "headers"))?;
        let trailers = truth(event, pyo3::intern!(py, "trailers"))?;
        let pairs = headers.map(|headers| pairs(&headers)).transpose()?;
        let mut state = self.lock();
        let state = &mut *state;
        match (&mut state.exchange, state.phase) {
            (Some(exchange), Phase::Waiting) => {
                let response = exchange.response();
                response.clear();
                response.set_status_code(status).map_err(invalid)?;
                for (name, value) in pairs.into_iter().flatten() {
                    if let Err(fault) = response.push(name.as_bytes(), value.as_bytes()) {
                        response.clear();
                        return Err(invalid(fault));
                    }
                }
                state.announced_trailers = trailers;
                state.phase = Phase::Started;
                Ok(())
            }
            (_, phase) => Err(unexpected("http.response.start", phase)),
        }
    }

    /// Takes a piece of the body. Says what became of it.
    pub(super) fn body(
        &self,
        py: Python<'_>,
        kind: &str,
        piece: Piece<'_, '_>,
        more: bool,
    ) -> PyResult<Progress> {
        let mut guard = self.lock();
        let state = &mut *guard;
        let Some(exchange) = &mut state.exchange else {
            return Err(unexpected(kind, state.phase));
        };
        match state.phase {
            Phase::Started => {
                begin(exchange, &piece, more, state.announced_trailers);
                state.phase = Phase::Sending;
            }
            Phase::Sending => {}
            phase => return Err(unexpected(kind, phase)),
        }
        match piece {
            Piece::Bytes(bytes) if !bytes.as_bytes().is_empty() => {
                exchange.write_shared(bytes.as_bytes(), || {
                    Bytes::from_owner(PyBackedBytes::from(bytes.clone()))
                });
            }
            Piece::Bytes(_) => {}
            Piece::File(file, offset, length) => exchange.write_file(file, offset, length),
        }
        if !more && state.announced_trailers {
            state.phase = Phase::Trailers;
            return Ok(Progress::Done);
        }
        if !more {
            drop(guard);
            self.complete(py)?;
            return Ok(Progress::Done);
        }
        let token = exchange.token();
        match exchange.flush_unless_quick() {
            None => {
                drop(guard);
                self.driver.get().gather(py, token)?;
                Ok(Progress::Done)
            }
            Some(Flow::Open) if exchange.pending() > 0 => {
                self.flush_rest(state);
                Ok(Progress::Done)
            }
            Some(Flow::Open) => Ok(Progress::Done),
            Some(Flow::Full) => Ok(Progress::Full),
            Some(Flow::Gone) => {
                state.disconnected = true;
                Err(gone())
            }
        }
    }

    pub(super) fn trailers(&self, py: Python<'_>, event: &Bound<'_, PyDict>) -> PyResult<Progress> {
        let headers = event.get_item(pyo3::intern!(py, "headers"))?;
        let more = truth(event, pyo3::intern!(py, "more_trailers"))?;
        let pairs = headers
            .map(|headers| pairs(&headers))
            .transpose()?
            .unwrap_or_default();
        let mut state = self.lock();
        let phase = state.phase;
        match (&mut state.exchange, phase) {
            (Some(exchange), Phase::Trailers) => {
                // RFC 9110 6.5.1: others could take them for something else.
                let wanted = exchange.head().field("te").is_some_and(lists_trailers);
                for (name, value) in pairs.into_iter().filter(|_| wanted) {
                    exchange
                        .push_trailer(name.as_bytes(), value.as_bytes())
                        .map_err(invalid)?;
                }
            }
            _ => return Err(unexpected("http.response.trailers", phase)),
        }
        drop(state);
        if !more {
            self.complete(py)?;
        }
        Ok(Progress::Done)
    }

    /// 103 with a Link field for each link (RFC 8297).
    pub(super) fn early_hint(&self, event: &Bound<'_, PyDict>) -> PyResult<Progress> {
        let links = required(event, "links")?
            .try_iter()?
            .map(|link| bytes_of(link?, "links"))
            .collect::<PyResult<Vec<_>>>()?;
        let mut state = self.lock();
        let phase = state.phase;
        let (Some(exchange), Phase::Waiting) = (&mut state.exchange, phase) else {
            return Err(unexpected("http.response.early_hint", phase));
        };
        let response = exchange.response();
        response.clear();
        response.set_status_code(103).map_err(invalid)?;
        for link in links {
            response.push(b"Link", link.as_bytes()).map_err(invalid)?;
        }
        exchange.begin();
        exchange.response().clear();
        match exchange.flush() {
            Flow::Gone => {
                state.disconnected = true;
                Err(gone())
            }
            Flow::Open | Flow::Full => Ok(Progress::Done),
        }
    }

    /// The answer is complete: the exchange goes back.
    pub(super) fn complete(&self, py: Python<'_>) -> PyResult<()> {
        let mut state = self.lock();
        state.phase = Phase::Complete;
        let Some(mut exchange) = state.exchange.take() else {
            return Ok(());
        };
        state.task = None;
        let observed = state.observed.take();
        let receivers = take_if(true, &mut state.receivers);
        drop(state);
        let fault = exchange.finish();
        wake(py, receivers);
        let driver = self.driver.get();
        driver.observe_end(py, observed, &mut exchange);
        driver.answered(py, exchange, fault)
    }

    /// Gives the answer up: an error page if nothing is out, a visible cut otherwise.
    pub(super) fn cut(&self, py: Python<'_>) -> PyResult<()> {
        let mut state = self.lock();
        let Some(mut exchange) = state.exchange.take() else {
            return Ok(());
        };
        state.phase = Phase::Complete;
        state.task = None;
        let observed = state.observed.take();
        let (receivers, senders) = (
            take_if(true, &mut state.receivers),
            take_if(true, &mut state.senders),
        );
        let status = if state.interrupted { 504 } else { 500 };
        drop(state);
        exchange.fail(status);
        wake(py, receivers);
        wake(py, senders);
        let driver = self.driver.get();
        driver.observe_end(py, observed, &mut exchange);
        driver.answered(py, exchange, None)
    }
}

/// Queues the head; with the length of a body that is known to be whole.
fn begin(exchange: &mut Exchange, piece: &Piece<'_, '_>, more: bool, trailers: bool) {
    let length = match piece {
        Piece::Bytes(bytes) => bytes.as_bytes().len() as u64,
        Piece::File(_, _, length) => *length,
    };
    // An application that leaves the body away for HEAD has not said how long it is.
    let unsaid = length == 0 && exchange.head().method() == b"HEAD";
    if !more && !trailers && !unsaid {
        exchange.response().set_content_length(length);
    }
    exchange.begin();
}

/// The file of `http.response.pathsend`.
pub(super) fn whole_file<'a, 'py>(event: &Bound<'_, PyDict>) -> PyResult<Piece<'a, 'py>> {
    let path: String = required(event, "path")?.extract()?;
    let file = std::fs::File::open(&path)
        .map_err(|error| PyOSError::new_err(format!("cannot send the file {path}: {error}")))?;
    let length = file.metadata()?.len();
    Ok(Piece::File(file.into(), 0, length))
}

/// The file of `http.response.zerocopysend`: a descriptor or an object that has one.
pub(super) fn part_of_file<'a, 'py>(event: &Bound<'_, PyDict>) -> PyResult<Piece<'a, 'py>> {
    let py = event.py();
    let file = required(event, "file")?;
    let descriptor: i32 = match file.extract() {
        Ok(descriptor) => descriptor,
        Err(_) => file.call_method0(pyo3::intern!(py, "fileno"))?.extract()?,
    };
    if descriptor < 0 {
        return Err(PyValueError::new_err(
            "'file' of http.response.zerocopysend is closed",
        ));
    }
    // SAFETY: borrowed only for the calls below, while the application's own object keeps it open. Were it not open, the
    // calls would fail.
    let borrowed = unsafe { BorrowedFd::borrow_raw(descriptor) };
    let owned = rustix::io::fcntl_dupfd_cloexec(borrowed, 3).map_err(std::io::Error::from)?;
    let number = |key: &str| -> PyResult<Option<u64>> {
        match event.get_item(key)?.filter(|value| !value.is_none()) {
            Some(value) => value.extract().map(Some),
            None => Ok(None),
        }
    };
    let offset = match number("offset")? {
        Some(offset) => offset,
        None => rustix::fs::tell(owned.as_fd()).map_err(std::io::Error::from)?,
    };
    let size = rustix::fs::fstat(&owned).map_err(std::io::Error::from)?.st_size;
    let rest = u64::try_from(size).unwrap_or_default().saturating_sub(offset);
    let count = number("count")?.map_or(rest, |count| count.min(rest));
    Ok(Piece::File(owned, offset, count))
}

fn unexpected(kind: &str, phase: Phase) -> PyErr {
    let why = match phase {
        Phase::Waiting => "http.response.start has to come first",
        Phase::Started | Phase::Sending => "the response has been started already",
        Phase::Trailers => "the body is complete and http.response.trailers is due",
        Phase::Complete => "the response is complete",
    };
    PyRuntimeError::new_err(format!("unexpected event {kind:?}: {why}"))
}
