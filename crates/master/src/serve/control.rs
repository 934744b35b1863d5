//! What the control socket's clients are told, and what is done for them: what signals do, and a look at the master.

use config::RawValue;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Map, Value, json};
use shared::WorkerState;
use sys::monotonic_ms;

use super::{Master, Process};
use crate::control::ControlSocket;
use crate::control::command::{Command, HELP, parse};
use crate::signals::MasterSignal;
use crate::supervisor::Input;

/// The settings that `show config` shows.
const SHOWN: [&str; 20] = [
    "bind",
    "workers",
    "worker_class",
    "threads",
    "timeout",
    "graceful_timeout",
    "keepalive",
    "max_requests",
    "max_requests_jitter",
    "worker_connections",
    "preload_app",
    "daemon",
    "pidfile",
    "proc_name",
    "reload",
    "dirty_workers",
    "dirty_apps",
    "dirty_timeout",
    "control_socket",
    "control_socket_disable",
];

impl Master<'_> {
    /// Opens the control socket that the configuration asks for. Without it the server serves all the same, as gunicorn's.
    pub(super) fn open_control(&mut self) {
        let settings = &self.era.settings.control;
        let Some(path) = &settings.socket else { return };
        match ControlSocket::open(path, settings.mode) {
            Ok(socket) => {
                self.log
                    .info(format_args!("Control socket listening at {}", path.display()));
                self.control = Some(socket);
            }
            Err(error) => self.log.error(format_args!(
                "Control server error: {} cannot be opened: {error} (option control_socket)",
                path.display()
            )),
        }
    }

    /// Closes it, and takes its file away.
    pub(super) fn close_control(&mut self) {
        if let Some(socket) = self.control.take() {
            socket.remove_file();
        }
    }

    /// Does what clients ask for.
    pub(super) fn attend_control(&mut self) {
        let Some(mut socket) = self.control.take() else {
            return;
        };
        for (client, request) in socket.receive() {
            let result = parse(&request.words).and_then(|command| self.obey(command));
            socket.answer(client, &request, result);
        }
        self.control = Some(socket);
    }

    fn obey(&mut self, command: Command) -> Result<Value, String> {
        let target = self.supervisor.target();
        Ok(match command {
            Command::ShowAll => self.all(),
            Command::ShowWorkers => {
                let workers = self.workers();
                json!({"count": workers.len(), "workers": workers})
            }
            Command::ShowDirty => json!({"enabled": false, "pid": null, "workers": [], "apps": []}),
            Command::ShowConfig => self.configuration(),
            Command::ShowStats => self.statistics(),
            Command::ShowListeners => self.listening(),
            Command::AddWorkers(number) => {
                let total = target.saturating_add(number);
                self.inbox.push_back(Input::Aim { workers: total });
                json!({"added": number, "previous": target, "total": total})
            }
            Command::RemoveWorkers(number) => {
                let total = target.saturating_sub(number).max(1);
                self.inbox.push_back(Input::Aim { workers: total });
                json!({"removed": target.saturating_sub(total), "previous": target, "total": total})
            }
            Command::KillWorker(pid) => self.dismiss(pid),
            Command::Dirty => json!({"success": false, "error": "Dirty arbiter not running"}),
            Command::Reload => self.signalled(MasterSignal::Hup, json!({"status": "reloading"})),
            Command::Reopen => self.signalled(MasterSignal::Usr1, json!({"status": "reopening"})),
            Command::Shutdown { quick, mode } => {
                let signal = if quick {
                    MasterSignal::Int
                } else {
                    MasterSignal::Term
                };
                self.signalled(signal, json!({"status": "shutting_down", "mode": mode}))
            }
            Command::Help => {
                json!({"commands": HELP.into_iter().collect::<std::collections::BTreeMap<_, _>>()})
            }
        })
    }

    fn signalled(&mut self, signal: MasterSignal, answer: Value) -> Value {
        self.inbox.push_back(Input::Signal(signal));
        answer
    }

    /// Tells a worker to leave; another one takes its place.
    fn dismiss(&self, pid: u32) -> Value {
        if !self.processes.contains_key(&pid) {
            return json!({"success": false, "error": format!("Worker {pid} not found")});
        }
        let Some(process) = Pid::from_raw(pid.cast_signed()) else {
            return json!({"success": false, "error": format!("Worker {pid} not found")});
        };
        match kill_process(process, Signal::TERM) {
            Ok(()) => json!({"success": true, "killed": pid}),
            Err(error) => json!({"success": false, "error": error.to_string()}),
        }
    }

    fn all(&self) -> Value {
        let mut workers = self.workers();
        for worker in &mut workers {
            worker["type"] = json!("web");
        }
        json!({
            "arbiter": {"pid": self.pid, "type": "arbiter", "role": "master"},
            "web_worker_count": workers.len(),
            "web_workers": workers,
            "dirty_arbiter": null,
            "dirty_workers": [],
            "dirty_worker_count": 0,
        })
    }

    /// The workers, the oldest first. Nobody has a heartbeat here: a request's own age is watched.
    fn workers(&self) -> Vec<Value> {
        let mut processes: Vec<(&u32, &Process)> = self.processes.iter().collect();
        processes.sort_by_key(|(_, process)| process.view.age);
        let shown = processes.into_iter().map(|(pid, process)| {
            let booted = !matches!(process.row.state(), WorkerState::Free | WorkerState::Booting);
            json!({
                "pid": pid,
                "age": process.view.age,
                "booted": booted,
                "aborted": false,
                "last_heartbeat": null,
                "requests": process.row.requests(),
            })
        });
        shown.collect()
    }

    fn configuration(&self) -> Value {
        let shown = SHOWN
            .into_iter()
            .filter_map(|name| Some((name.to_owned(), value(&self.host.setting(name)?))));
        Value::Object(shown.collect::<Map<_, _>>())
    }

    fn statistics(&self) -> Value {
        let uptime_ms = monotonic_ms().saturating_sub(self.statistics.started_ms);
        json!({
            "uptime": (uptime_ms / 10) as f64 / 100.0,
            "pid": self.pid,
            "workers_current": self.processes.len(),
            "workers_target": self.supervisor.target(),
            "workers_spawned": self.statistics.spawned,
            "workers_killed": self.statistics.killed,
            "reloads": self.statistics.reloads,
            "dirty_arbiter_pid": null,
        })
    }

    fn listening(&self) -> Value {
        let listeners = self.era.listeners.iter().map(|listener| {
            let kind = match listener.local_address {
                None => "unix",
                Some(address) if address.is_ipv6() => "tcp6",
                Some(_) => "tcp",
            };
            json!({"address": listener.text, "fd": listener.descriptor(), "type": kind})
        });
        let listeners: Vec<Value> = listeners.collect();
        json!({"count": listeners.len(), "listeners": listeners})
    }
}

/// A setting as JSON; what JSON has nothing for, as text.
fn value(raw: &RawValue) -> Value {
    match raw {
        RawValue::None => Value::Null,
        RawValue::Bool(on) => json!(on),
        RawValue::Int(number) => json!(number),
        RawValue::Float(number) => json!(number),
        RawValue::Text(text) | RawValue::Other(text) => json!(text),
        RawValue::List(items) => items.iter().map(value).collect(),
        RawValue::Map(pairs) => {
            let pairs = pairs.iter().map(|(name, raw)| (name.clone(), value(raw)));
            Value::Object(pairs.collect())
        }
        RawValue::Callable { name, .. } => json!(name),
    }
}
