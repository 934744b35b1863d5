//! Tasks on a Redis server: given on any machine, done on any machine, each at least once.
//!
//! ```text
//! NAME:tasks    a hash: each task's bytes, as a file would hold them       NAME:corrupt    those that are none
//! NAME:due      a sorted set: when each is due, in milliseconds since 1970
//! NAME:lease:TASK   there while somebody does it; it expires unless it is renewed, so the death of a machine releases it
//! ```
//!
//! A task's name begins with its priority and its time, so that names in order are tasks in order.

use std::sync::atomic::{AtomicU64, Ordering};

use config::RedisServer;
use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use redis::{Connection, RedisResult, cmd, pipe};
use telemetry::ErrorLog;

use super::redis_link::Link;

/// Seconds after which a task whose doer says nothing is anybody's again.
const LEASE: u64 = 20;
/// Tasks that are looked at in one go.
const SOME: usize = 1000;
/// Of those that are given without one: after all others.
const NO_PRIORITY: u32 = 999_999_999;

/// Where tasks are, as Python sees it.
#[pyclass(frozen, module = "penstock")]
pub(crate) struct RemoteTasks {
    link: Link,
    name: String,
    serial: AtomicU64,
    log: ErrorLog,
}

impl RemoteTasks {
    /// `redis://HOST/DATABASE?name=NAME`; without a name it is `spooler`.
    ///
    /// # Errors
    /// When the address is none.
    pub(super) fn new(server: &RedisServer, log: ErrorLog) -> Result<RemoteTasks, String> {
        let (url, name) = server
            .url
            .split_once("?name=")
            .unwrap_or((&server.url, "spooler"));
        let server = RedisServer { url: url.to_owned() };
        Ok(RemoteTasks {
            link: Link::new(&server, &format!("the spooler {name}"))?,
            name: name.to_owned(),
            serial: AtomicU64::new(0),
            log,
        })
    }

    fn ask<T: Send>(
        &self,
        py: Python<'_>,
        question: impl Fn(&mut Connection) -> RedisResult<T> + Send + Sync,
    ) -> PyResult<T> {
        py.detach(|| self.link.ask(&self.log, question))
            .map_err(PyOSError::new_err)
    }

    fn key(&self, part: &str) -> String {
        format!("{}:{part}", self.name)
    }

    fn lease(&self, task: &str) -> String {
        format!("{}:lease:{task}", self.name)
    }
}

#[pymethods]
impl RemoteTasks {
    /// Seconds in which a task has to be renewed.
    #[classattr]
    const LEASE: u64 = LEASE;

    /// Puts a task there, due at `due_ms`; its name, once the server has it.
    #[pyo3(signature = (content, priority, due_ms, given_us))]
    fn put(
        &self,
        py: Python<'_>,
        content: &[u8],
        priority: Option<u32>,
        due_ms: u64,
        given_us: u64,
    ) -> PyResult<String> {
        let priority = priority.unwrap_or(NO_PRIORITY).min(NO_PRIORITY);
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let serial = self.serial.fetch_add(1, Ordering::Relaxed);
        let process = std::process::id();
        let task = format!("{priority:09}-{given_us:020}-{serial:06}-{process}-{host}");
        self.ask(py, |link| {
            let mut both = pipe();
            both.atomic();
            both.cmd("HSET")
                .arg(self.key("tasks"))
                .arg(&task)
                .arg(content)
                .ignore();
            both.cmd("ZADD")
                .arg(self.key("due"))
                .arg(due_ms)
                .arg(&task)
                .ignore();
            both.exec(link)
        })?;
        Ok(task)
    }

    /// Every task's name.
    fn names(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        self.ask(py, |link| cmd("HKEYS").arg(self.key("tasks")).query(link))
    }

    /// The bytes of a task, whoever does it.
    fn content<'py>(&self, py: Python<'py>, task: &str) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let content: Option<Vec<u8>> = self.ask(py, |link| {
            cmd("HGET").arg(self.key("tasks")).arg(task).query(link)
        })?;
        Ok(content.map(|content| PyBytes::new(py, &content)))
    }

    /// Names of tasks whose time has come, in the order they are to be done in.
    fn due(&self, py: Python<'_>, now_ms: u64) -> PyResult<Vec<String>> {
        let mut names: Vec<String> = self.ask(py, |link| {
            let mut range = cmd("ZRANGEBYSCORE");
            range.arg(self.key("due")).arg("-inf").arg(now_ms);
            range.arg("LIMIT").arg(0).arg(SOME).query(link)
        })?;
        names.sort();
        Ok(names)
    }

    /// The bytes of a task that nobody else does, for whoever does it from now on; `None` when there is nothing to do.
    fn claim<'py>(&self, py: Python<'py>, task: &str, now_ms: u64) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let content = self.ask(py, |link| {
            let mut lease = cmd("SET");
            lease.arg(self.lease(task)).arg(std::process::id());
            let taken: Option<String> = lease.arg("NX").arg("EX").arg(LEASE).query(link)?;
            if taken.is_none() {
                return Ok(None);
            }
            let due: Option<f64> = cmd("ZSCORE").arg(self.key("due")).arg(task).query(link)?;
            let content: Option<Vec<u8>> = cmd("HGET").arg(self.key("tasks")).arg(task).query(link)?;
            // Somebody may have done it in between, or have put it off.
            let is_due = due.is_some_and(|due| due <= now_ms as f64);
            if content.is_none() || !is_due {
                cmd("DEL").arg(self.lease(task)).exec(link)?;
                return Ok(None);
            }
            Ok(content)
        })?;
        Ok(content.map(|content: Vec<u8>| PyBytes::new(py, &content)))
    }

    /// It is still being done.
    fn renew(&self, py: Python<'_>, task: &str) -> PyResult<()> {
        self.ask(py, |link| {
            cmd("EXPIRE").arg(self.lease(task)).arg(LEASE).exec(link)
        })
    }

    /// It is done; or, if it is `corrupt`, set aside.
    fn finish(&self, py: Python<'_>, task: &str, corrupt: Option<&[u8]>) -> PyResult<()> {
        self.ask(py, |link| {
            let mut all = pipe();
            all.atomic();
            if let Some(content) = corrupt {
                all.cmd("HSET")
                    .arg(self.key("corrupt"))
                    .arg(task)
                    .arg(content)
                    .ignore();
            }
            all.cmd("HDEL").arg(self.key("tasks")).arg(task).ignore();
            all.cmd("ZREM").arg(self.key("due")).arg(task).ignore();
            all.cmd("DEL").arg(self.lease(task)).ignore();
            all.exec(link)
        })
    }

    /// It is to be tried again, by whomever, at `due_ms`.
    fn put_off(&self, py: Python<'_>, task: &str, due_ms: u64) -> PyResult<()> {
        self.ask(py, |link| {
            let mut both = pipe();
            both.atomic();
            both.cmd("ZADD")
                .arg(self.key("due"))
                .arg("XX")
                .arg(due_ms)
                .arg(task)
                .ignore();
            both.cmd("DEL").arg(self.lease(task)).ignore();
            both.exec(link)
        })
    }
}
