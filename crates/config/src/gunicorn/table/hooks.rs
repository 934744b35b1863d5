//! gunicorn's server hooks. The functions themselves stay with whoever runs them; here they are only names.

use super::{Apply, Default, Entry, under};
use crate::gunicorn::kind::Kind;

/// The plan lists the hooks that were set; there is nothing to change in the settings.
const LISTED: Apply = |_, _| Ok(());

const fn hook(name: &'static str, arity: usize, default: &'static str, help: &'static str) -> Entry {
    under(
        "Server Hooks",
        name,
        &[],
        Kind::Hook(arity),
        Default::Function(default),
        help,
    )
}

const fn dirty(name: &'static str, arity: usize, default: &'static str) -> Entry {
    under(
        "Dirty Arbiter Hooks",
        name,
        &[],
        Kind::Hook(arity),
        Default::Function(default),
        "Hook of the dirty arbiter.",
    )
    .no_effect("there are no dirty workers, so it is never called")
}

/// The hooks.
pub(super) const ENTRIES: &[Entry] = &[
    hook(
        "on_starting",
        1,
        "OnStarting.on_starting",
        "Called in the master before sockets exist.",
    )
    .honoured(LISTED),
    hook(
        "on_reload",
        1,
        "OnReload.on_reload",
        "Called in the master during a reload (HUP).",
    )
    .honoured(LISTED),
    hook(
        "when_ready",
        1,
        "WhenReady.when_ready",
        "Called in the master, listening, before the first fork.",
    )
    .honoured(LISTED),
    hook(
        "pre_fork",
        2,
        "Prefork.pre_fork",
        "Called in the master before each fork.",
    )
    .honoured(LISTED),
    hook(
        "post_fork",
        2,
        "Postfork.post_fork",
        "Called in a worker right after the fork.",
    )
    .honoured(LISTED),
    hook(
        "post_worker_init",
        1,
        "PostWorkerInit.post_worker_init",
        "Called in a worker that has its application.",
    )
    .honoured(LISTED),
    hook(
        "worker_int",
        1,
        "WorkerInt.worker_int",
        "Called in a worker on INT or QUIT.",
    )
    .honoured(LISTED),
    hook(
        "worker_abort",
        1,
        "WorkerAbort.worker_abort",
        "Called in a worker that has timed out (ABRT).",
    )
    .honoured(LISTED),
    hook(
        "pre_exec",
        1,
        "PreExec.pre_exec",
        "Called in the forked child before USR2's exec.",
    )
    .honoured(LISTED),
    hook(
        "pre_request",
        2,
        "PreRequest.pre_request",
        "Called in a worker before the application is called.",
    )
    .honoured(LISTED),
    under("Server Hooks", "post_request",
        &[],
        Kind::PostRequest,
        Default::Function("PostRequest.post_request"),
        "Called in a worker after the answer; takes 2, 3 or 4 parameters.",)
    .honoured(LISTED),
    hook(
        "child_exit",
        2,
        "ChildExit.child_exit",
        "Called in the master after a worker has been reaped.",
    )
    .honoured(LISTED),
    hook(
        "worker_exit",
        2,
        "WorkerExit.worker_exit",
        "Called in a worker on its way out.",
    )
    .honoured(LISTED),
    hook(
        "nworkers_changed",
        3,
        "NumWorkersChanged.nworkers_changed",
        "Called in the master when the number of workers is set.",
    )
    .honoured(LISTED),
    hook(
        "on_exit",
        1,
        "OnExit.on_exit",
        "Called in the master as the last thing.",
    )
    .honoured(LISTED),
    hook(
        "ssl_context",
        2,
        "NewSSLContext.ssl_context",
        "Makes the SSLContext from a factory.",
    )
    .refused("TLS is not there yet, so nothing would ask for the context: leave the hook away and let a proxy speak TLS"),
    dirty("on_dirty_starting", 1, "OnDirtyStarting.on_dirty_starting"),
    dirty("dirty_post_fork", 2, "DirtyPostFork.dirty_post_fork"),
    dirty("dirty_worker_init", 1, "DirtyWorkerInit.dirty_worker_init"),
    dirty("dirty_worker_exit", 2, "DirtyWorkerExit.dirty_worker_exit"),
];
