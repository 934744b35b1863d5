//! `wsgi.file_wrapper` (PEP 3333, "Optional Platform-Specific File Handling").

use pyo3::exceptions::PyAttributeError;
use pyo3::prelude::*;

/// An iterable over a file's blocks. Returned untouched by the application, a regular file is sent by the kernel
/// instead; touched by middleware, it works like any iterable.
#[pyclass(frozen, module = "penstock")]
pub(crate) struct FileWrapper {
    /// The file-like object.
    #[pyo3(get)]
    pub(crate) filelike: Py<PyAny>,
    /// Bytes to read at a time.
    #[pyo3(get)]
    pub(crate) block_size: isize,
}

#[pymethods]
impl FileWrapper {
    #[new]
    #[pyo3(signature = (filelike, block_size = 8192, /))]
    fn new(filelike: Py<PyAny>, block_size: isize) -> FileWrapper {
        FileWrapper { filelike, block_size }
    }

    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let block = self.filelike.bind(py).call_method1("read", (self.block_size,))?;
        // An empty block, of whatever type, is the end.
        Ok(block.is_truthy()?.then_some(block))
    }

    /// Closes the file, if it can be closed.
    pub(crate) fn close(&self, py: Python<'_>) -> PyResult<()> {
        match self.filelike.bind(py).getattr("close") {
            Ok(close) => close.call0().map(drop),
            Err(error) if error.is_instance_of::<PyAttributeError>(py) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
