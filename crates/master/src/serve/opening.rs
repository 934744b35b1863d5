//! The start of a master: what it consists of, and what is opened, written and said before the first worker, in the dialect's
//! order.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::os::fd::AsRawFd;
use std::sync::Arc;

use config::{Dialect, Moment, Settings};
use rustix::pipe::{PipeFlags, pipe_with};
use shared::Pauses;
use sys::monotonic_ms;
use telemetry::{ErrorLog, Event, Surroundings, UwsgiEvent};

use super::beside::Beside;
use super::reload::scoreboard_for;
use super::{CHECK_INTERVAL_MS, Era, Master, Statistics, alarms, statistics};
use crate::aides::Aides;
use crate::host::Host;
use crate::inheritance::Inheritance;
use crate::listener::{Patience, bind_all};
use crate::notify::Notifier;
use crate::signals::Signals;
use crate::start::{StartError, identity, tell_rights};
use crate::supervisor::{Input, Plan, Supervisor};
use crate::touch::TouchWatch;

impl<'a> Master<'a> {
    /// Opens what `settings` ask for. Where that fails, nothing is left behind.
    ///
    /// # Errors
    /// What could not be opened, or which hook has failed.
    pub(super) fn start(
        settings: Settings,
        mut signals: Signals,
        inheritance: Inheritance,
        log: &ErrorLog,
        host: &'a mut dyn Host,
    ) -> Result<Master<'a>, StartError> {
        let pid = std::process::id();
        let identity = identity(&settings)?;
        let settings = Arc::new(settings);
        let no_resources = |error: io::Error| StartError::new(format!("cannot prepare the workers: {error}"));
        let scoreboard = scoreboard_for(&settings).map_err(no_resources)?;
        let pipe = || {
            pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).map_err(|error| no_resources(error.into()))
        };
        let (wake, wake_sender) = pipe()?;
        let (lifeline, lifeline_sender) = pipe()?;
        if settings.dialect == Dialect::Uwsgi {
            signals.take_tstp().map_err(no_resources)?;
        }
        let mut master = Master {
            pid,
            host,
            log: log.clone(),
            signals,
            supervisor: Supervisor::new(pid, Plan::of(&settings)),
            inbox: VecDeque::from([Input::Start]),
            aides: Aides::default(),
            exit_code: None,
            touch: TouchWatch::new(&settings.touch_reload),
            teller: statistics::Teller::default(),
            beside: Beside::new(),
            alarms_told: alarms::Told::new(),
            notifier: Notifier::new(&inheritance),
            inheritance,
            successor: None,
            era: Era {
                settings,
                listeners: Vec::new(),
                statistics: Vec::new(),
                identity,
                generation: 1,
            },
            next_era: None,
            processes: BTreeMap::new(),
            filled: BTreeSet::new(),
            told_workers: 0,
            has_served: false,
            scoreboard,
            wake,
            wake_sender: Arc::new(wake_sender),
            lifeline,
            lifeline_sender: Some(lifeline_sender),
            next_check_ms: monotonic_ms() + CHECK_INTERVAL_MS,
            pauses: Pauses::default(),
            control: None,
            statistics: Statistics {
                started_ms: monotonic_ms(),
                spawned: 0,
                killed: 0,
                reloads: 0,
            },
        };
        if let Err(error) = master.open() {
            master.remove_files(); // whatever had been created
            return Err(error);
        }
        Ok(master)
    }

    /// Pidfile, sockets and the lines about them, in the dialect's order.
    fn open(&mut self) -> Result<(), StartError> {
        self.intercept_output();
        self.open_alarms()?;
        let settings = Arc::clone(&self.era.settings);
        let uwsgi = settings.dialect == Dialect::Uwsgi;
        self.run_hooks(Moment::Asap)?;
        self.say_that_it_starts(&settings);
        self.hook(|host, view| host.nworkers_changed(view, view.workers, None));
        if !uwsgi {
            self.write_pidfile()?;
        }
        self.hook(|host, view| host.on_starting(view))?;
        for moment in [Moment::PreJail, Moment::PostJail, Moment::InJail] {
            self.run_hooks(moment)?;
        }
        self.listen(&settings)?;
        for moment in [Moment::AsRoot, Moment::AsUser] {
            self.run_hooks(moment)?;
        }
        self.log.event(&Event::Prepared {
            workers: settings.workers,
            threads: settings.threads,
            worker_class: worker_class(&settings).to_owned(),
            preloaded: settings.preload,
            backlog: settings.backlog,
            graceful: settings.timeouts.graceful,
        });
        self.hook(|host, view| host.when_ready(view))?;
        self.open_control();
        self.show_title();
        self.run_hooks(Moment::PreApp)?;
        self.log.event(&Event::MasterSpawned { pid: self.pid });
        if uwsgi {
            self.say_where_statistics_are();
        }
        self.start_beside().map_err(StartError::new)?;
        self.run_hooks(Moment::MasterStart)?;
        Ok(())
    }

    fn say_that_it_starts(&self, settings: &Settings) {
        self.log.event(&Event::Starting {
            version: env!("CARGO_PKG_VERSION"),
        });
        if settings.dialect == Dialect::Uwsgi {
            let surroundings = Surroundings::here(settings.user.is_some());
            self.log
                .event(&Event::Uwsgi(UwsgiEvent::Surroundings(surroundings)));
            tell_rights(settings, &self.log);
        }
    }

    /// Opens the sockets, or takes those that were inherited, and says which they are.
    fn listen(&mut self, settings: &Settings) -> Result<(), StartError> {
        let binds = self.inheritance.binds(settings);
        let inherited = self.inheritance.listeners(&binds, &self.log);
        self.era.listeners = bind_all(&binds, settings, &inherited, Patience::AtStart, &self.log)?;
        if settings.dialect == Dialect::Uwsgi {
            self.write_pidfile()?;
        }
        self.era.statistics = statistics::open(settings, &[], Patience::AtStart, &self.log)?;
        self.teller.adopt(&settings.statistics);
        // gunicorn's master has no socket then, and names none.
        let names_none = settings.reuse_port && settings.dialect == Dialect::Gunicorn;
        let listeners = self.era.listeners.iter().filter(|_| !names_none);
        let named = listeners.map(|listener| (listener.text.clone(), listener.socket.as_raw_fd()));
        let (addresses, descriptors) = named.unzip();
        self.log.event(&Event::Listening {
            addresses,
            descriptors,
            pid: self.pid,
        });
        Ok(())
    }

    fn say_where_statistics_are(&self) {
        for listener in &self.era.statistics {
            self.log.info(format_args!(
                "*** Stats server enabled on {} fd: {} ***",
                alarms::name(listener),
                listener.descriptor()
            ));
        }
    }

    /// What is printed goes the way of the log's lines, where the configuration has something done with those.
    pub(super) fn intercept_output(&self) {
        if let Err(error) = self.log.intercept_output() {
            self.log
                .error(format_args!("what is printed cannot be logged: {error}"));
        }
    }
}

fn worker_class(settings: &Settings) -> &'static str {
    match settings.threads {
        _ if settings.asgi.expected => "asgi",
        _ if settings.greenlets => "gevent",
        0 | 1 => "sync",
        _ => "gthread",
    }
}
