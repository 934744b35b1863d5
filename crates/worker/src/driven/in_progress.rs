//! The requests that an event loop or a hub has, as far as they have limits: which of them the master is shown.
//!
//! Several are in progress at once, and a worker of this kind has one row. Where each request has a limit, the row shows the one
//! whose time is over first; the loop may be stuck, or that request alone may never end. Where only the loop has one, it
//! shows who is in progress: whoever blocks the loop is among them. A request that waits for its client has the client's
//! limits, and no other.

/// A request in progress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) method: Vec<u8>,
    pub(super) target: Vec<u8>,
    pub(super) client: String,
    /// When it began.
    began_ms: u64,
    /// How long it may take.
    pub(super) limit_ms: Option<u64>,
    /// For how long it has waited for its client.
    waited_ms: u64,
    /// It does now, since then.
    waits_since_ms: Option<u64>,
}

impl Request {
    pub(super) fn new(
        (method, target): (&[u8], &[u8]),
        client: &str,
        began_ms: u64,
        limit_ms: Option<u64>,
    ) -> Request {
        Request {
            method: method.to_vec(),
            target: target.to_vec(),
            client: client.to_owned(),
            began_ms,
            limit_ms,
            waited_ms: 0,
            waits_since_ms: None,
        }
    }

    /// When it has to be over, unless it waits for its client.
    pub(super) fn due_ms(&self) -> Option<u64> {
        let limit_ms = self.limit_ms.filter(|_| self.waits_since_ms.is_none())?;
        Some(
            self.began_ms
                .saturating_add(limit_ms)
                .saturating_add(self.waited_ms),
        )
    }
}

/// All of them, by the tokens of their connections.
#[derive(Debug, Default)]
pub(super) struct InProgress {
    requests: Vec<Option<Request>>,
    count: usize,
}

impl InProgress {
    pub(super) fn begin(&mut self, token: usize, request: Request) {
        self.end(token);
        if token >= self.requests.len() {
            self.requests.resize(token + 1, None);
        }
        self.requests[token] = Some(request);
        self.count += 1;
    }

    /// It is over, or has become something that may last. True if it was there.
    pub(super) fn end(&mut self, token: usize) -> bool {
        let ended = self.requests.get_mut(token).and_then(Option::take).is_some();
        self.count -= usize::from(ended);
        ended
    }

    /// It waits for its client from now on.
    pub(super) fn waits(&mut self, token: usize, now_ms: u64) {
        if let Some(request) = self.of_mut(token) {
            request.waits_since_ms.get_or_insert(now_ms);
        }
    }

    /// It need not wait any longer.
    pub(super) fn goes_on(&mut self, token: usize, now_ms: u64) {
        if let Some(request) = self.of_mut(token)
            && let Some(since_ms) = request.waits_since_ms.take()
        {
            request.waited_ms += now_ms.saturating_sub(since_ms);
        }
    }

    /// The one that has to be over first.
    pub(super) fn first_due(&self) -> Option<&Request> {
        let limited = self.all().filter(|request| request.due_ms().is_some());
        limited.min_by_key(|request| request.due_ms())
    }

    /// The one that began first.
    pub(super) fn oldest(&self) -> Option<&Request> {
        self.all().min_by_key(|request| request.began_ms)
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn of(&self, token: usize) -> Option<&Request> {
        self.requests.get(token)?.as_ref()
    }

    fn of_mut(&mut self, token: usize) -> Option<&mut Request> {
        self.requests.get_mut(token)?.as_mut()
    }

    fn all(&self) -> impl Iterator<Item = &Request> {
        self.requests.iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(target: &str, began_ms: u64, limit_ms: Option<u64>) -> Request {
        Request::new((b"GET", target.as_bytes()), "10.0.0.1", began_ms, limit_ms)
    }

    fn target(request: Option<&Request>) -> &[u8] {
        request.map_or(b"", |request| &request.target)
    }

    #[test]
    fn the_first_that_is_due_need_not_be_the_oldest() {
        let mut requests = InProgress::default();
        assert_eq!((requests.first_due(), requests.oldest()), (None, None));
        requests.begin(5, request("/old", 1000, Some(60_000)));
        requests.begin(0, request("/short", 2000, Some(1000)));
        requests.begin(2, request("/free", 500, None));
        assert_eq!(target(requests.first_due()), b"/short");
        assert_eq!(target(requests.oldest()), b"/free");
        assert_eq!(requests.len(), 3);
        assert!(requests.end(0));
        assert!(!requests.end(0) && !requests.end(77));
        assert_eq!(target(requests.first_due()), b"/old");
        assert_eq!(requests.len(), 2);
    }

    #[test]
    fn time_that_is_the_clients_is_not_the_requests() {
        let mut requests = InProgress::default();
        requests.begin(1, request("/upload", 1000, Some(2000)));
        requests.waits(1, 1500);
        requests.waits(1, 1700);
        assert_eq!(requests.first_due(), None);
        requests.goes_on(1, 9500);
        requests.goes_on(1, 9900);
        assert_eq!(requests.first_due().and_then(Request::due_ms), Some(11_000));
        // Another one on the same connection begins anew.
        requests.begin(1, request("/next", 20_000, Some(2000)));
        assert_eq!(requests.first_due().and_then(Request::due_ms), Some(22_000));
        assert_eq!(requests.len(), 1);
    }
}
