//! Lines as commands to a Redis server (uWSGI's logger `redislog`), written as RESP arrays.
//!
//! Rules: a line waits for the server for a moment at the most, and is lost where there is none; answers are read and not looked
//! at. After a failure the server is left alone for a while. Each process has its own connection, from its first line on.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use config::RedisLog;

/// How long a line waits.
const PATIENCE: Duration = Duration::from_millis(200);
/// How long a server that has failed is left alone.
const PAUSE: Duration = Duration::from_secs(5);

/// A server that takes lines.
#[derive(Debug)]
pub(crate) struct RedisLogger {
    settings: RedisLog,
    link: Mutex<Link>,
}

#[derive(Debug, Default)]
struct Link {
    /// The connection, and the process that opened it: one that was inherited is somebody else's.
    stream: Option<(u32, TcpStream)>,
    failed: Option<Instant>,
}

impl RedisLogger {
    pub(crate) fn new(settings: &RedisLog) -> RedisLogger {
        RedisLogger {
            settings: settings.clone(),
            link: Mutex::default(),
        }
    }

    /// Sends each line of a text. Says whether all could be sent.
    pub(crate) fn send(&self, text: &[u8]) -> bool {
        let mut commands = Vec::new();
        for line in text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            let message = [self.settings.prefix.as_bytes(), line].concat();
            let words = self.settings.command.iter().map(String::as_bytes);
            push_command(words.chain([message.as_slice()]), &mut commands);
        }
        let mut link = self.link.lock().unwrap_or_else(PoisonError::into_inner);
        if link.failed.is_some_and(|failed| failed.elapsed() < PAUSE) {
            return false;
        }
        let sent = self
            .connection(&mut link)
            .and_then(|stream| exchange(stream, &commands));
        link.failed = None;
        if sent.is_err() {
            *link = Link {
                stream: None,
                failed: Some(Instant::now()),
            };
        }
        sent.is_ok()
    }

    fn connection<'a>(&self, link: &'a mut Link) -> std::io::Result<&'a mut TcpStream> {
        let own = std::process::id();
        if link.stream.as_ref().is_none_or(|(opener, _)| *opener != own) {
            link.stream = Some((own, self.connect()?));
        }
        match &mut link.stream {
            Some((_, stream)) => Ok(stream),
            None => Err(ErrorKind::NotConnected.into()),
        }
    }

    fn connect(&self) -> std::io::Result<TcpStream> {
        let address = self.settings.address.to_socket_addrs()?.next();
        let address = address.ok_or(ErrorKind::NotFound)?;
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        let mut setup = Vec::new();
        if let Some(password) = &self.settings.password {
            push_command([b"auth".as_slice(), password.as_bytes()].into_iter(), &mut setup);
        }
        if let Some(database) = &self.settings.database {
            push_command(
                [b"select".as_slice(), database.as_bytes()].into_iter(),
                &mut setup,
            );
        }
        stream.write_all(&setup)?;
        Ok(stream)
    }
}

/// Sends, and throws away whatever the server has answered so far.
fn exchange(stream: &mut TcpStream, commands: &[u8]) -> std::io::Result<()> {
    stream.set_nonblocking(true)?;
    loop {
        match stream.read(&mut [0; 4096]) {
            // The server has closed it.
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    stream.set_nonblocking(false)?;
    stream.write_all(commands)
}

/// Appends a command: an array of bulk strings (the Redis serialization protocol, version 2).
fn push_command<'a>(words: impl Iterator<Item = &'a [u8]>, out: &mut Vec<u8>) {
    let words: Vec<_> = words.collect();
    out.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
    for word in words {
        out.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn each_line_is_a_command_and_a_server_that_is_gone_loses_lines_only() {
        let server = TcpListener::bind("127.0.0.1:0").expect("a socket");
        let logger = RedisLogger::new(&RedisLog {
            address: server.local_addr().expect("an address").to_string(),
            password: Some("secret".to_owned()),
            database: Some("2".to_owned()),
            command: vec!["publish".to_owned(), "log".to_owned()],
            prefix: "> ".to_owned(),
        });
        assert!(logger.send(b"one\ntwo\r\n"));
        let (mut peer, _) = server.accept().expect("a connection");
        let expected = "*2\r\n$4\r\nauth\r\n$6\r\nsecret\r\n*2\r\n$6\r\nselect\r\n$1\r\n2\r\n\
             *3\r\n$7\r\npublish\r\n$3\r\nlog\r\n$5\r\n> one\r\n*3\r\n$7\r\npublish\r\n$3\r\nlog\r\n$6\r\n> two\r\r\n";
        let mut got = vec![0; expected.len()];
        peer.read_exact(&mut got).expect("what was sent");
        assert_eq!(String::from_utf8_lossy(&got), expected);
        drop((peer, server));
        // The end of the connection has come by the time that it is seen.
        let lost = (0..1000).any(|_| !logger.send(b"three\n"));
        assert!(lost && !logger.send(b"four\n"));
    }
}
