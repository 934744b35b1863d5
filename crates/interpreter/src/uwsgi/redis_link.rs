//! A connection to a Redis server (or Valkey), made when it is needed and again when it was lost.
//!
//! Rules: what cannot be asked is an error at once or within [`PATIENCE`], and after a failure nobody tries for [`PAUSE`], so
//! that a server that is away costs requests little. The log hears of the first failure of a row, and of its end. A connection
//! belongs to the process that made it.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use config::RedisServer;
use redis::{Client, Connection, RedisResult};
use telemetry::ErrorLog;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long nobody tries after a failure.
const PAUSE: Duration = Duration::from_secs(1);

/// A server, for one purpose.
pub(super) struct Link {
    client: Client,
    /// `the cache main (redis://HOST)`
    what: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    connection: Option<Connection>,
    /// The process it was made in.
    process: u32,
    not_before: Option<Instant>,
    /// Why the last question was not answered.
    failure: Option<String>,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Link").field("what", &self.what).finish()
    }
}

impl Link {
    /// `purpose`: `the cache main`. Nothing is connected yet.
    ///
    /// # Errors
    /// When the address is none.
    pub(super) fn new(server: &RedisServer, purpose: &str) -> Result<Link, String> {
        let what = format!("{purpose} ({})", server.shown());
        let client = Client::open(server.url.as_str()).map_err(|error| format!("{what}: {error}"))?;
        Ok(Link {
            client,
            what,
            state: Mutex::default(),
        })
    }

    /// Asks. Once more, with a new connection, where the one from before turns out to be broken: so `question` may be asked
    /// twice.
    ///
    /// # Errors
    /// Why there is no answer, as a sentence; the log has been told already.
    pub(super) fn ask<T>(
        &self,
        log: &ErrorLog,
        question: impl Fn(&mut Connection) -> RedisResult<T>,
    ) -> Result<T, String> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = self.answer(&mut state, question);
        match (&answer, &state.failure) {
            (Ok(_), Some(_)) => {
                log.info(format_args!("{} answers again", self.what));
                state.failure = None;
            }
            (Err(error), None) => {
                log.error(format_args!("{error} (said once, tried again)"));
                state.failure = Some(error.clone());
            }
            _ => {}
        }
        answer
    }

    fn answer<T>(
        &self,
        state: &mut State,
        question: impl Fn(&mut Connection) -> RedisResult<T>,
    ) -> Result<T, String> {
        if let (Some(not_before), Some(failure)) = (state.not_before, &state.failure)
            && Instant::now() < not_before
        {
            return Err(failure.clone());
        }
        let process = std::process::id();
        if state.process != process {
            // The other process goes on using it: it is not closed in words here.
            std::mem::forget(state.connection.take());
            state.process = process;
        }
        let was_connected = state.connection.is_some();
        let mut result = self.attempt(state, &question);
        if was_connected && state.connection.is_none() {
            result = self.attempt(state, &question);
        }
        // What the server itself refuses is no reason to wait.
        state.not_before = (result.is_err() && state.connection.is_none()).then(|| Instant::now() + PAUSE);
        result.map_err(|error| format!("{} cannot be asked: {error}", self.what))
    }

    /// A connection that is broken is gone afterwards.
    fn attempt<T>(
        &self,
        state: &mut State,
        question: impl Fn(&mut Connection) -> RedisResult<T>,
    ) -> RedisResult<T> {
        let connection = match &mut state.connection {
            Some(connection) => connection,
            none => none.insert(self.connect()?),
        };
        let result = question(connection);
        if result.as_ref().is_err_and(|error| {
            error.is_io_error()
                || error.is_timeout()
                || error.is_connection_dropped()
                || error.is_unrecoverable_error()
        }) {
            state.connection = None;
        }
        result
    }

    fn connect(&self) -> RedisResult<Connection> {
        let connection = self.client.get_connection_with_timeout(PATIENCE)?;
        connection.set_read_timeout(Some(PATIENCE))?;
        connection.set_write_timeout(Some(PATIENCE))?;
        Ok(connection)
    }
}
