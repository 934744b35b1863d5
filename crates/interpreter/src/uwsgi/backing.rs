//! Where a cache is: in this server's memory or file, or on a Redis server that several machines share.
//!
//! On a Redis server a key is `NAME:KEY`, and numbers are in decimal, so that Redis counts them itself. What cannot be asked
//! is as if it were not there, as uWSGI has it for caches of others; the log says why ([`Link`]).

use std::io;

use redis::{Connection, RedisResult, cmd, pipe};
use shared::{Cache, Existing, Refusal};
use telemetry::ErrorLog;

use super::commons::now;
use super::redis_link::Link;

/// A cache, wherever it is.
#[derive(Debug)]
pub(super) enum Backing {
    Memory(Cache),
    Redis(Box<RemoteCache>),
}

/// A cache on a Redis server.
#[derive(Debug)]
pub(super) struct RemoteCache {
    link: Link,
    prefix: Vec<u8>,
}

/// What to do with a number.
#[derive(Clone, Copy, Debug)]
pub(super) struct Calculation {
    /// One of `+ - * /`.
    pub(super) operation: char,
    pub(super) amount: i64,
    /// What a number that is not there is taken for.
    pub(super) first: i64,
}

impl Calculation {
    /// As in uWSGI, numbers have 64 bits and dividing by nothing gives nothing.
    fn of(self, number: i64) -> i64 {
        match self.operation {
            '+' => number.wrapping_add(self.amount),
            '-' => number.wrapping_sub(self.amount),
            '*' => number.wrapping_mul(self.amount),
            _ => number.checked_div(self.amount).unwrap_or(0),
        }
    }
}

/// When a value of `expires` seconds is over; 0 is never.
fn end_of(expires: u64) -> u64 {
    match expires {
        0 => 0,
        seconds => now().saturating_add(seconds),
    }
}

impl Backing {
    pub(super) fn value(&self, log: &ErrorLog, key: &[u8]) -> io::Result<Option<Vec<u8>>> {
        match self {
            Backing::Memory(cache) => cache.value(key, now()),
            Backing::Redis(remote) => {
                let value = remote.ask(log, |link| cmd("GET").arg(remote.key(key)).query(link));
                Ok(value.flatten())
            }
        }
    }

    pub(super) fn contains(&self, log: &ErrorLog, key: &[u8]) -> io::Result<bool> {
        match self {
            Backing::Memory(cache) => cache.contains(key, now()),
            Backing::Redis(remote) => {
                let found = remote.ask(log, |link| cmd("EXISTS").arg(remote.key(key)).query(link));
                Ok(found.unwrap_or(false))
            }
        }
    }

    /// `expires`: in seconds, 0 is never.
    pub(super) fn store(
        &self,
        log: &ErrorLog,
        key: &[u8],
        value: &[u8],
        expires: u64,
        existing: Existing,
    ) -> Result<(), Refusal> {
        let remote = match self {
            Backing::Memory(cache) => return cache.store(key, value, end_of(expires), existing, now()),
            Backing::Redis(remote) => remote,
        };
        if key.is_empty() {
            return Err(Refusal::Key);
        }
        let stored: Option<Option<String>> = remote.ask(log, |link| {
            let mut set = cmd("SET");
            set.arg(remote.key(key)).arg(value);
            if expires > 0 {
                set.arg("EX").arg(expires);
            }
            if existing == Existing::Keep {
                set.arg("NX");
            }
            set.query(link)
        });
        stored.flatten().map(drop).ok_or(Refusal::Exists)
    }

    pub(super) fn remove(&self, log: &ErrorLog, key: &[u8]) -> io::Result<bool> {
        match self {
            Backing::Memory(cache) => cache.remove(key, now()),
            Backing::Redis(remote) => {
                let removed = remote.ask(log, |link| cmd("DEL").arg(remote.key(key)).query(link));
                Ok(removed.unwrap_or(false))
            }
        }
    }

    /// Whether it is empty now.
    pub(super) fn clear(&self, log: &ErrorLog) -> io::Result<bool> {
        let remote = match self {
            Backing::Memory(cache) => return cache.clear().map(|()| true),
            Backing::Redis(remote) => remote,
        };
        let cleared = remote.ask(log, |link| {
            for key in remote.scan(link)? {
                cmd("DEL").arg(key).exec(link)?;
            }
            Ok(())
        });
        Ok(cleared.is_some())
    }

    pub(super) fn number(&self, log: &ErrorLog, key: &[u8]) -> io::Result<Option<i64>> {
        match self {
            Backing::Memory(cache) => cache.number(key, now()),
            Backing::Redis(_) => {
                let value = self.value(log, key)?;
                Ok(value.and_then(|value| str::from_utf8(&value).ok()?.parse().ok()))
            }
        }
    }

    /// Whether it could be done; a new number lasts for `expires` seconds, 0 is for ever.
    pub(super) fn calculate(
        &self,
        log: &ErrorLog,
        key: &[u8],
        calculation: Calculation,
        expires: u64,
    ) -> Result<(), Refusal> {
        match self {
            Backing::Memory(cache) => {
                let first = calculation.first;
                let is_new = first != 0 && cache.number(key, now()).map_err(Refusal::Lock)?.is_none();
                let result = |number| calculation.of(if is_new { first } else { number });
                cache.calculate(key, end_of(expires), now(), result).map(drop)
            }
            Backing::Redis(remote) => {
                let done = remote.ask(log, |link| remote.calculate(link, key, calculation, expires));
                match done {
                    Some(true) => Ok(()),
                    _ => Err(Refusal::NotANumber),
                }
            }
        }
    }

    pub(super) fn keys(&self, log: &ErrorLog) -> io::Result<Vec<Vec<u8>>> {
        let remote = match self {
            Backing::Memory(cache) => return cache.keys(now()),
            Backing::Redis(remote) => remote,
        };
        let keys = remote.ask(log, |link| remote.scan(link)).unwrap_or_default();
        Ok(keys
            .into_iter()
            .map(|mut key| key.split_off(remote.prefix.len()))
            .collect())
    }
}

impl RemoteCache {
    pub(super) fn new(link: Link, name: &str) -> RemoteCache {
        RemoteCache {
            link,
            prefix: format!("{name}:").into_bytes(),
        }
    }

    fn ask<T>(&self, log: &ErrorLog, question: impl Fn(&mut Connection) -> RedisResult<T>) -> Option<T> {
        self.link.ask(log, question).ok()
    }

    fn key(&self, key: &[u8]) -> Vec<u8> {
        [&self.prefix, key].concat()
    }

    /// Every key, as Redis has it.
    fn scan(&self, link: &mut Connection) -> RedisResult<Vec<Vec<u8>>> {
        let mut pattern = Vec::new();
        for byte in &self.prefix {
            if b"*?[]\\^".contains(byte) {
                pattern.push(b'\\');
            }
            pattern.push(*byte);
        }
        pattern.push(b'*');
        let (mut cursor, mut keys) = (0_u64, std::collections::BTreeSet::new());
        loop {
            let mut scan = cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(&pattern).arg("COUNT").arg(1000);
            let (next, some): (u64, Vec<Vec<u8>>) = scan.query(link)?;
            keys.extend(some);
            cursor = next;
            if cursor == 0 {
                return Ok(keys.into_iter().collect());
            }
        }
    }

    fn calculate(
        &self,
        link: &mut Connection,
        key: &[u8],
        calculation: Calculation,
        expires: u64,
    ) -> RedisResult<bool> {
        let key = self.key(key);
        let mut begin = cmd("SET");
        begin.arg(&key).arg(calculation.first).arg("NX");
        if expires > 0 {
            begin.arg("EX").arg(expires);
        }
        let counted = match calculation.operation {
            '+' => Some(("INCRBY", calculation.amount)),
            '-' => Some(("DECRBY", calculation.amount)),
            _ => None,
        };
        if let Some((command, amount)) = counted {
            let mut both = pipe();
            both.atomic().add_command(begin).ignore();
            both.cmd(command).arg(&key).arg(amount).ignore();
            return both.exec(link).map(|()| true);
        }
        loop {
            cmd("WATCH").arg(&key).exec(link)?;
            let before: Option<Vec<u8>> = cmd("GET").arg(&key).query(link)?;
            let Ok(before) = before.map_or(Ok(calculation.first), |bytes| {
                let text = str::from_utf8(&bytes).map_err(drop)?;
                text.parse().map_err(drop)
            }) else {
                // What comes next on this connection is not to depend on the key.
                cmd("UNWATCH").exec(link)?;
                return Ok(false);
            };
            let after = calculation.of(before);
            let mut change = pipe();
            change.atomic().add_command(begin.clone()).ignore();
            change.cmd("SET").arg(&key).arg(after).arg("KEEPTTL").ignore();
            // Somebody may have been faster: nothing has been done then.
            let done: Option<()> = change.query(link)?;
            if done.is_some() {
                return Ok(true);
            }
        }
    }
}
