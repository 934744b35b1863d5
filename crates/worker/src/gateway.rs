//! The seam to the application: the only thing this room knows of what answers requests.

use crate::exchange::Exchange;

/// Answers requests. One value serves all threads of a worker.
pub trait Gateway: Send + Sync {
    /// Answers one request, from its head to [`Exchange::finish`] or [`Exchange::abort`], and gives the exchange
    /// back. Called on a thread inside [`Gateway::enter_thread`], or on the reactor's own thread.
    fn serve(&self, exchange: Exchange) -> Exchange;

    /// Runs `wait`, which may block, without holding what other threads of the application need (the interpreter).
    fn detached(&self, wait: &mut (dyn FnMut() + Send));

    /// Runs the body of an application thread, with whatever such a thread needs around it.
    fn enter_thread(&self, body: &mut dyn FnMut());
}
