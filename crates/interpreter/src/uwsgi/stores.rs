//! The queue, the shared areas and the metrics as Python uses them. What cannot be done is `None` or false; the names and the
//! errors of uWSGI's module are made of that in Python.

use std::sync::Arc;

use config::{AreaSettings, MetricSettings, QueueSettings, Settings};
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use shared::{Area, Metric, Queue, QueueShape, StoreError};

use super::caches::Octets;

/// All of them, each with what it was made by.
#[derive(Clone, Debug, Default)]
pub(super) struct Stored {
    queue: Option<(QueueSettings, Queue)>,
    areas: Vec<(AreaSettings, Area)>,
    metrics: Arc<Vec<(MetricSettings, Metric)>>,
}

impl Stored {
    /// What a configuration asks for; what is as in `before` stays with all that is in it.
    ///
    /// # Errors
    /// What cannot be had, and why.
    pub(super) fn open(settings: &Settings, before: &Stored) -> Result<Stored, String> {
        let commons = &settings.commons;
        let queue = commons.queue.as_ref().map(|wanted| match &before.queue {
            Some((settings, queue)) if settings == wanted => Ok(*queue),
            _ => open_queue(wanted),
        });
        let queue = queue.transpose().map_err(|error| format!("the queue: {error}"))?;
        let areas = commons.areas.iter().enumerate().map(|(number, wanted)| {
            let area = match before.areas.get(number) {
                Some((settings, area)) if settings == wanted => Ok(*area),
                _ => Area::open(wanted.size, wanted.store.as_deref()),
            };
            let area = area.map_err(|error| format!("the shared area {number}: {error}"))?;
            Ok((wanted.clone(), area))
        });
        let areas = areas.collect::<Result<_, String>>()?;
        let metrics = commons.metrics.iter().map(|wanted| {
            let same = before.metrics.iter().find(|(other, _)| other.name == wanted.name);
            let metric = same.map_or_else(|| Metric::create(wanted.first), |(_, metric)| Ok(*metric));
            let metric = metric.map_err(|error| format!("the metric {}: {error}", wanted.name))?;
            Ok((wanted.clone(), metric))
        });
        Ok(Stored {
            queue: commons.queue.clone().zip(queue),
            areas,
            metrics: Arc::new(metrics.collect::<Result<_, String>>()?),
        })
    }

    /// The application's own numbers.
    pub(super) fn metrics(&self) -> impl Iterator<Item = (&MetricSettings, i64)> {
        self.metrics
            .iter()
            .map(|(settings, metric)| (settings, metric.value()))
    }
}

impl Stored {
    /// Changes a metric, in one step; whether it is there. `operation` is one of `= + - * / ^ _`, the last two for at least
    /// and at most. Dividing by nothing changes nothing.
    pub(super) fn change_metric(&self, name: &str, operation: char, amount: i64) -> bool {
        let mut metrics = self.metrics.iter();
        let Some((_, metric)) = metrics.find(|(settings, _)| settings.name == name) else {
            return false;
        };
        metric.update(|value| match operation {
            '+' => value.wrapping_add(amount),
            '-' => value.wrapping_sub(amount),
            '*' => value.wrapping_mul(amount),
            '/' => value.checked_div(amount).unwrap_or(value),
            '^' => value.max(amount),
            '_' => value.min(amount),
            _ => amount,
        });
        true
    }
}

fn open_queue(wanted: &QueueSettings) -> Result<Queue, StoreError> {
    let shape = QueueShape {
        slots: wanted.slots,
        block_size: wanted.block_size,
    };
    match &wanted.store {
        Some(path) => Queue::open(shape, path),
        None => Ok(Queue::create(shape)?),
    }
}

/// What Python sees of them.
#[pyclass(frozen, module = "penstock")]
pub(crate) struct Stores {
    stored: Stored,
}

impl Stores {
    pub(super) fn new(stored: Stored) -> Stores {
        Stores { stored }
    }

    fn queue(&self) -> PyResult<&Queue> {
        let queue = self.stored.queue.as_ref().map(|(_, queue)| queue);
        queue.ok_or_else(|| PyRuntimeError::new_err("there is no queue (option queue)"))
    }

    fn area(&self, number: usize) -> PyResult<&Area> {
        let area = self.stored.areas.get(number).map(|(_, area)| area);
        area.ok_or_else(|| {
            let count = self.stored.areas.len();
            PyValueError::new_err(format!(
                "there is no shared area {number}: there are {count} (option sharedarea), from 0"
            ))
        })
    }
}

fn shown<'py>(py: Python<'py>, value: Option<Vec<u8>>) -> Option<Bound<'py, PyBytes>> {
    value.map(|value| PyBytes::new(py, &value))
}

#[pymethods]
impl Stores {
    #[getter]
    fn has_queue(&self) -> bool {
        self.stored.queue.is_some()
    }

    fn queue_size(&self) -> PyResult<usize> {
        Ok(self.queue()?.slots())
    }

    fn queue_slot(&self) -> PyResult<usize> {
        Ok(self.queue()?.next_slot()?)
    }

    fn queue_pull_slot(&self) -> PyResult<usize> {
        Ok(self.queue()?.oldest_slot()?)
    }

    fn queue_push(&self, value: Octets) -> PyResult<bool> {
        Ok(self.queue()?.push(value.bytes())?)
    }

    fn queue_pull<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        Ok(shown(py, self.queue()?.pull()?))
    }

    fn queue_pop<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        Ok(shown(py, self.queue()?.pop()?))
    }

    fn queue_get<'py>(&self, py: Python<'py>, slot: usize) -> PyResult<Option<Bound<'py, PyBytes>>> {
        Ok(shown(py, self.queue()?.get(slot)?))
    }

    fn queue_set(&self, slot: usize, value: Octets) -> PyResult<bool> {
        Ok(self.queue()?.set(slot, value.bytes())?)
    }

    /// The newest first.
    fn queue_last<'py>(&self, py: Python<'py>, count: usize) -> PyResult<Vec<Option<Bound<'py, PyBytes>>>> {
        let values = self.queue()?.last(count)?;
        Ok(values.into_iter().map(|value| shown(py, value)).collect())
    }

    #[getter]
    fn areas(&self) -> usize {
        self.stored.areas.len()
    }

    fn area_size(&self, number: usize) -> PyResult<usize> {
        Ok(self.area(number)?.size())
    }

    fn area_changes(&self, number: usize) -> PyResult<u64> {
        Ok(self.area(number)?.changes())
    }

    fn touch_area(&self, number: usize) -> PyResult<()> {
        self.area(number)?.touch();
        Ok(())
    }

    fn read_area<'py>(
        &self,
        py: Python<'py>,
        number: usize,
        at: usize,
        length: usize,
    ) -> PyResult<Option<Bound<'py, PyBytes>>> {
        Ok(shown(py, self.area(number)?.read(at, length)?))
    }

    fn write_area(&self, number: usize, at: usize, bytes: Octets) -> PyResult<bool> {
        Ok(self.area(number)?.write(at, bytes.bytes())?)
    }

    /// Adds to the number in so many bytes, 8 at the most, in one step; whether it is there.
    fn add_to_area(&self, number: usize, at: usize, length: usize, amount: i64) -> PyResult<bool> {
        let added = self
            .area(number)?
            .update(at, length.min(8), |value| value.wrapping_add_signed(amount))?;
        Ok(added.is_some())
    }

    /// Waits for as long as somebody else has it.
    fn lock_area(&self, py: Python<'_>, number: usize) -> PyResult<()> {
        let lock = self.area(number)?.lock();
        py.detach(|| lock.lock()).map(drop).map_err(|error| {
            PyRuntimeError::new_err(format!(
                "the lock of the shared area {number} is held by this very thread: {error}"
            ))
        })
    }

    /// Releasing what this thread does not hold changes nothing.
    fn unlock_area(&self, number: usize) -> PyResult<()> {
        let _ = self.area(number)?.lock().unlock();
        Ok(())
    }

    /// The value of a metric of the application's own.
    fn metric(&self, name: &str) -> Option<i64> {
        let mut metrics = self.stored.metrics.iter();
        metrics
            .find(|(settings, _)| settings.name == name)
            .map(|(_, metric)| metric.value())
    }

    /// As [`Stored::change_metric`].
    fn change_metric(&self, name: &str, operation: char, amount: i64) -> bool {
        self.stored.change_metric(name, operation, amount)
    }
}
