//! When each connection's patience ends, without a system call or a search per request.
//!
//! All connections that wait for the same kind of thing wait equally long, so the one that began to wait first is
//! also the first to be over time: each kind is a linked list in order of arrival, its head is the next deadline,
//! and moving a connection is unlinking it here and appending it there. The links lie in one vector, by the
//! connection's token.

use std::time::{Duration, Instant};

/// What a connection is waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// The rest of a request's head.
    Head,
    /// More of a request's body.
    Body,
    /// The client to read.
    Write,
    /// The next request.
    KeepAlive,
    /// The client to notice that we have closed.
    Linger,
    /// A WebSocket's client to say anything, before it is pinged.
    Ping,
    /// It to answer the ping.
    Pong,
    /// It to answer a close.
    Close,
}

const KINDS: usize = 8;

/// No link.
const NONE: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct Link {
    before: u32,
    after: u32,
    /// The list it is in, if any.
    wait: Option<Wait>,
    until: Instant,
}

#[derive(Clone, Copy, Debug)]
struct List {
    first: u32,
    last: u32,
    patience: Duration,
}

/// The deadlines of all connections of a reactor.
#[derive(Debug)]
pub(crate) struct Deadlines {
    lists: [List; KINDS],
    links: Vec<Link>,
    origin: Instant,
}

impl Deadlines {
    /// `patience`: how long a connection may wait, by kind.
    pub(crate) fn new(origin: Instant, patience: impl Fn(Wait) -> Duration) -> Deadlines {
        let list = |wait| List {
            first: NONE,
            last: NONE,
            patience: patience(wait),
        };
        let lists = [
            Wait::Head,
            Wait::Body,
            Wait::Write,
            Wait::KeepAlive,
            Wait::Linger,
            Wait::Ping,
            Wait::Pong,
            Wait::Close,
        ]
        .map(list);
        Deadlines {
            lists,
            links: Vec::new(),
            origin,
        }
    }

    /// The connection begins to wait, now; what it waited for before is forgotten.
    pub(crate) fn wait(&mut self, token: usize, wait: Wait, now: Instant) {
        self.clear(token);
        if token >= self.links.len() {
            let idle = Link {
                before: NONE,
                after: NONE,
                wait: None,
                until: self.origin,
            };
            self.links.resize(token + 1, idle);
        }
        let list = &mut self.lists[wait as usize];
        let until = now + list.patience;
        self.links[token] = Link {
            before: list.last,
            after: NONE,
            wait: Some(wait),
            until,
        };
        match list.last {
            NONE => list.first = token as u32,
            last => self.links[last as usize].after = token as u32,
        }
        list.last = token as u32;
    }

    /// The connection waits for nothing of the client's.
    pub(crate) fn clear(&mut self, token: usize) {
        let Some(&Link {
            before,
            after,
            wait: Some(wait),
            ..
        }) = self.links.get(token)
        else {
            return;
        };
        let list = &mut self.lists[wait as usize];
        match before {
            NONE => list.first = after,
            before => self.links[before as usize].after = after,
        }
        match after {
            NONE => list.last = before,
            after => self.links[after as usize].before = before,
        }
        self.links[token].wait = None;
    }

    /// The next deadline of any connection.
    pub(crate) fn next(&self) -> Option<Instant> {
        let heads = self.lists.iter().filter(|list| list.first != NONE);
        heads.map(|list| self.links[list.first as usize].until).min()
    }

    /// All have so much longer to wait.
    pub(crate) fn postpone(&mut self, by: Duration) {
        for link in self.links.iter_mut().filter(|link| link.wait.is_some()) {
            link.until += by;
        }
    }

    /// Takes out one connection whose time is over, and says what it was waiting for.
    pub(crate) fn expired(&mut self, now: Instant) -> Option<(usize, Wait)> {
        let over = |list: &&List| list.first != NONE && self.links[list.first as usize].until <= now;
        let token = self.lists.iter().find(over)?.first as usize;
        let wait = self.links[token].wait?;
        self.clear(token);
        Some((token, wait))
    }

    /// What the connection is waiting for.
    pub(crate) fn waiting(&self, token: usize) -> Option<Wait> {
        self.links.get(token)?.wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deadlines(origin: Instant) -> Deadlines {
        Deadlines::new(origin, |wait| {
            Duration::from_secs(if wait == Wait::KeepAlive { 2 } else { 30 })
        })
    }

    #[test]
    fn the_shortest_patience_ends_first_whoever_came_first() {
        let start = Instant::now();
        let mut deadlines = deadlines(start);
        deadlines.wait(0, Wait::Head, start);
        deadlines.wait(1, Wait::KeepAlive, start + Duration::from_secs(1));
        deadlines.wait(2, Wait::KeepAlive, start + Duration::from_secs(2));
        assert_eq!(deadlines.next(), Some(start + Duration::from_secs(3)));
        assert_eq!(deadlines.expired(start + Duration::from_secs(2)), None);
        assert_eq!(
            deadlines.expired(start + Duration::from_secs(5)),
            Some((1, Wait::KeepAlive))
        );
        assert_eq!(
            deadlines.expired(start + Duration::from_secs(5)),
            Some((2, Wait::KeepAlive))
        );
        assert_eq!(deadlines.expired(start + Duration::from_secs(5)), None);
        assert_eq!(deadlines.next(), Some(start + Duration::from_secs(30)));
    }

    #[test]
    fn what_is_postponed_ends_in_the_same_order_and_at_the_same_distances() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut deadlines = deadlines(start);
        deadlines.wait(0, Wait::KeepAlive, start);
        deadlines.wait(1, Wait::KeepAlive, after(1));
        deadlines.wait(2, Wait::Head, start);
        deadlines.wait(3, Wait::KeepAlive, start);
        deadlines.clear(3);
        deadlines.postpone(Duration::from_secs(100));
        assert_eq!(deadlines.expired(after(101)), None);
        assert_eq!(deadlines.expired(after(102)), Some((0, Wait::KeepAlive)));
        assert_eq!(deadlines.expired(after(102)), None);
        assert_eq!(deadlines.next(), Some(after(103)));
        assert_eq!(deadlines.expired(after(103)), Some((1, Wait::KeepAlive)));
        // Who begins to wait now waits as long as ever.
        deadlines.wait(0, Wait::KeepAlive, after(110));
        assert_eq!(deadlines.expired(after(112)), Some((0, Wait::KeepAlive)));
        assert_eq!(deadlines.expired(after(200)), Some((2, Wait::Head)));
    }

    #[test]
    fn waiting_again_moves_to_the_end_and_clearing_takes_out() {
        let start = Instant::now();
        let mut deadlines = deadlines(start);
        for token in 0..4 {
            deadlines.wait(token, Wait::KeepAlive, start);
        }
        deadlines.wait(0, Wait::KeepAlive, start + Duration::from_secs(1));
        deadlines.clear(2);
        deadlines.clear(2);
        let late = start + Duration::from_secs(60);
        let order: Vec<usize> = std::iter::from_fn(|| deadlines.expired(late))
            .map(|(token, _)| token)
            .collect();
        assert_eq!(order, [1, 3, 0]);
        assert_eq!(deadlines.next(), None);
        assert_eq!(deadlines.waiting(0), None);
    }
}
