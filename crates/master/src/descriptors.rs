//! Inherited descriptors that bring commands (uWSGI's `reload-on-fd`): an event of the kernel's, a pipe of somebody else's.
//!
//! Rules: what can be read is read, so that it is one command; one that is at its end is not looked at any more.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use config::WatchedDescriptor;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Those that are watched.
#[derive(Debug, Default)]
pub(crate) struct Descriptors(Vec<(WatchedDescriptor, OwnedFd)>);

/// What one of them has brought.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Called {
    /// A command.
    Ready(WatchedDescriptor),
    /// Its end: there will be nothing more.
    Ended(i32),
}

impl Descriptors {
    /// Takes them over.
    ///
    /// # Errors
    /// A sentence that names the number of one that was not inherited.
    pub(crate) fn open(watched: &[WatchedDescriptor]) -> Result<Descriptors, String> {
        let open = watched.iter().map(|watched| match sys::adopt_descriptor(watched.number) {
            Ok(descriptor) => Ok((watched.clone(), descriptor)),
            Err(_) => Err(format!(
                "no descriptor {} was inherited (option reload-on-fd): whoever starts the server has to pass it",
                watched.number
            )),
        });
        open.collect::<Result<_, _>>().map(Descriptors)
    }

    /// Readable when there is a command.
    pub(crate) fn readable(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.0.iter().map(|(_, descriptor)| descriptor.as_fd())
    }

    /// Takes what has come. Nobody is waited for.
    pub(crate) fn take(&mut self) -> Vec<Called> {
        let mut called = Vec::new();
        self.0.retain(|(watched, descriptor)| {
            if !is_readable(descriptor.as_fd()) {
                return true;
            }
            let mut bytes = vec![0; watched.length];
            let count = rustix::io::read(descriptor, &mut bytes).unwrap_or_default();
            called.push(match count {
                0 => Called::Ended(watched.number),
                _ => Called::Ready(watched.clone()),
            });
            count > 0
        });
        called
    }
}

fn is_readable(descriptor: BorrowedFd<'_>) -> bool {
    let mut source = [PollFd::from_borrowed_fd(descriptor, PollFlags::IN)];
    poll(&mut source, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
}

#[cfg(test)]
mod tests {
    use std::io::{Write, pipe};
    use std::os::fd::AsRawFd;

    use config::MasterCommand;

    use super::*;

    #[test]
    fn each_portion_is_a_command_and_the_end_is_the_last_thing_that_is_heard() {
        let (reader, mut writer) = pipe().expect("a pipe");
        let watched = WatchedDescriptor {
            number: reader.as_raw_fd(),
            length: 3,
            text: String::new(),
            command: MasterCommand::Reload,
        };
        let mut descriptors = Descriptors::open(std::slice::from_ref(&watched)).expect("it is open");
        assert_eq!(descriptors.take(), []);
        writer.write_all(b"onetw").expect("write");
        assert_eq!(descriptors.take(), [Called::Ready(watched.clone())]);
        assert_eq!(descriptors.take(), [Called::Ready(watched.clone())]);
        assert_eq!(descriptors.take(), []);
        drop(writer);
        assert_eq!(descriptors.take(), [Called::Ended(watched.number)]);
        assert_eq!(descriptors.readable().count(), 0);
        let missing = WatchedDescriptor {
            number: 987,
            ..watched
        };
        assert!(
            Descriptors::open(&[missing])
                .expect_err("nobody passed it")
                .contains("987")
        );
    }
}
