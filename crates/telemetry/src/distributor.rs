//! Where the lines of one log go, if that is more than one place, and what becomes of them on the way.
//!
//! Without rules it is a sink and nothing else. With them a text is taken apart into lines, each line goes where the rules
//! send it, and what one place gets of a text leaves in one write.

use std::io;
use std::os::fd::RawFd;
use std::time::SystemTime;

use config::{Dialect, LogEncoder, LogRotation, LogTarget, Loggers, Logs};

use crate::alarms;
use crate::clock::LocalClock;
use crate::sink::{LogOpenError, Sink};
use crate::template::Template;

/// The places of one log.
#[derive(Debug)]
pub(crate) struct Distributor {
    /// Where lines go that no rule sends elsewhere.
    base: Sink,
    /// In the order of the rules.
    others: Vec<Sink>,
    rules: Loggers,
    /// One for each of the rules' encoders.
    encoders: Vec<Encoder>,
    clock: LocalClock,
}

#[derive(Debug)]
enum Encoder {
    Prefix(Vec<u8>),
    Suffix(Vec<u8>),
    NewLine,
    Template(Template),
}

impl Distributor {
    /// Opens all places. `option` is what the user called the first, for the error.
    pub(crate) fn open(
        target: &LogTarget,
        rules: &Loggers,
        logs: &Logs,
        dialect: Dialect,
        option: &'static str,
    ) -> Result<Distributor, LogOpenError> {
        let open = |target: &LogTarget, option| Sink::open(target, logs, dialect, option);
        let others = rules.loggers.iter().map(|logger| open(&logger.target, "logger"));
        Ok(Distributor {
            base: open(target, option)?,
            others: others.collect::<Result<_, _>>()?,
            rules: rules.clone(),
            encoders: rules
                .encoders
                .iter()
                .map(|(_, encoder)| Encoder::new(encoder))
                .collect(),
            clock: LocalClock::load(),
        })
    }

    /// Writes `text`, which holds `lines` lines. Says whether all of it arrived.
    pub(crate) fn write(&self, text: &[u8], lines: u64) -> bool {
        if self.is_plain() {
            return self.base.write(text, lines);
        }
        // The first is the base.
        let mut texts = vec![(Vec::new(), 0); self.others.len() + 1];
        for line in text.split_inclusive(|&byte| byte == b'\n') {
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            let words = String::from_utf8_lossy(line);
            self.alarm(&words);
            for place in self.places(&words) {
                let (text, lines) = &mut texts[place];
                self.encode(line, place, text);
                *lines += 1;
            }
        }
        let mut arrived = true;
        for (sink, (text, lines)) in self.sinks().zip(texts) {
            arrived &= text.is_empty() || sink.write(&text, lines);
        }
        arrived
    }

    /// Raises the alarms that the line is one for. What the master says of alarms is none.
    fn alarm(&self, line: &str) {
        if line.starts_with("[uwsgi-alarm") || line.contains(" - ALARM: ") {
            return;
        }
        for rule in self.rules.alarms.iter().filter(|rule| rule.pattern.holds(line)) {
            if rule.ends {
                break;
            }
            for name in &rule.alarms {
                alarms::raise(name, format!("{line}\n").as_bytes());
            }
        }
    }

    /// Which sinks a line goes to.
    fn places(&self, line: &str) -> Vec<usize> {
        let rules = &self.rules;
        let kept = rules.kept.is_empty() || rules.kept.iter().any(|pattern| pattern.holds(line));
        if !kept || rules.dropped.iter().any(|pattern| pattern.holds(line)) {
            return Vec::new();
        }
        let named = |wanted: Option<&str>| -> Vec<usize> {
            let loggers = rules.loggers.iter().zip(1..);
            let found = loggers.filter(|(logger, _)| logger.name.as_deref() == wanted);
            found.map(|(_, place)| place).collect()
        };
        let routes = rules.routes.iter().filter(|(_, pattern)| pattern.holds(line));
        let mut places: Vec<usize> = routes.flat_map(|(name, _)| named(Some(name))).collect();
        if places.is_empty() {
            places.extend(named(None));
        }
        if places.is_empty() {
            places.push(0);
        }
        places
    }

    /// Appends a line as a sink gets it.
    fn encode(&self, line: &[u8], place: usize, out: &mut Vec<u8>) {
        let name = place
            .checked_sub(1)
            .and_then(|index| self.rules.loggers[index].name.as_deref());
        let mut line = line.to_vec();
        for ((of, _), encoder) in self.rules.encoders.iter().zip(&self.encoders) {
            if of.as_deref().is_none_or(|of| Some(of) == name) {
                line = encoder.apply(line, &self.clock);
            }
        }
        out.append(&mut line);
        if !out.ends_with(b"\n") {
            out.push(b'\n');
        }
    }

    fn sinks(&self) -> impl Iterator<Item = &Sink> {
        std::iter::once(&self.base).chain(&self.others)
    }

    /// The descriptor of the place that is sure to be there.
    pub(crate) fn descriptor(&self) -> RawFd {
        self.base.descriptor()
    }

    /// How many lines were lost since this was last asked.
    pub(crate) fn take_lost(&self) -> u64 {
        self.sinks().map(Sink::take_lost).sum()
    }

    /// Opens all files anew; the first fault is told, once all have been tried.
    pub(crate) fn reopen(&self) -> io::Result<()> {
        self.sinks().map(Sink::reopen).fold(Ok(()), io::Result::and)
    }

    /// Sets aside the files that are too large; says whether there were any.
    pub(crate) fn rotate(&self, rotation: &LogRotation, epoch: u64) -> io::Result<bool> {
        let mut any = self.base.rotate(rotation, epoch)?;
        for sink in &self.others {
            any |= sink.rotate(&rotation.unnamed(), epoch)?;
        }
        Ok(any)
    }

    /// Gives the files to the user and group that workers run as.
    pub(crate) fn give_to(&self, user: Option<u32>, group: Option<u32>) -> io::Result<()> {
        self.sinks()
            .map(|sink| sink.give_to(user, group))
            .fold(Ok(()), io::Result::and)
    }

    /// Empties the base.
    pub(crate) fn truncate(&self) -> io::Result<()> {
        self.base.truncate()
    }

    /// Whether lines only go to the base, as they are.
    pub(crate) fn is_plain(&self) -> bool {
        self.rules == Loggers::default()
    }

    /// Whether the base takes lines rather than bytes.
    pub(crate) fn is_remote(&self) -> bool {
        self.base.is_remote()
    }

    /// Makes standard output and error the same open file as the base.
    pub(crate) fn become_standard_streams(&self) -> io::Result<()> {
        self.base.become_standard_streams()
    }
}

impl Encoder {
    fn new(settings: &LogEncoder) -> Encoder {
        match settings {
            LogEncoder::Prefix(text) => Encoder::Prefix(text.clone().into_bytes()),
            LogEncoder::Suffix(text) => Encoder::Suffix(text.clone().into_bytes()),
            LogEncoder::NewLine => Encoder::NewLine,
            LogEncoder::Template { text, json } => Encoder::Template(Template::new(text, *json)),
        }
    }

    fn apply(&self, mut line: Vec<u8>, clock: &LocalClock) -> Vec<u8> {
        match self {
            Encoder::Prefix(text) => [text.as_slice(), &line].concat(),
            Encoder::Suffix(text) => [&line, text.as_slice()].concat(),
            Encoder::NewLine => {
                line.push(b'\n');
                line
            }
            Encoder::Template(template) => template.fill(&line, SystemTime::now(), clock),
        }
    }
}
