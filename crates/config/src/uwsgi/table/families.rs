//! Options that share what becomes of them: whole subsystems of uWSGI that are refused, need nothing here, or are still to
//! come. Every option without an entry of its own is in one of these families; a test holds that.

use super::{Entry, Text};
use crate::option::Status;
use crate::uwsgi::known::Known;

/// Options with one status and one reason.
#[derive(Clone, Copy, Debug)]
pub(in crate::uwsgi) struct Family {
    /// What belongs to it, between spaces: names, beginnings of names (`legion*`), plugins (`plugin:php`). The first family
    /// wins.
    covers: &'static str,
    /// What becomes of all of them.
    pub(in crate::uwsgi) entry: Entry,
}

impl Family {
    /// Whether an option belongs to it.
    pub(in crate::uwsgi) fn has(&self, known: &Known) -> bool {
        self.covers.split_whitespace().any(|pattern| {
            match (pattern.strip_prefix("plugin:"), pattern.strip_suffix('*')) {
                (Some(plugin), _) => plugin == known.plugin,
                (None, Some(beginning)) => known.name.starts_with(beginning),
                (None, None) => pattern == known.name,
            }
        })
    }
}

const fn family(covers: &'static str, help: &'static str, status: Status<super::Apply>) -> Family {
    Family {
        covers,
        entry: Entry {
            names: &[],
            help,
            text: Text::Free,
            status,
        },
    }
}

const fn refused(covers: &'static str, help: &'static str, reason: &'static str) -> Family {
    family(covers, help, Status::Refused(reason))
}

const fn idle(covers: &'static str, help: &'static str, reason: &'static str) -> Family {
    family(covers, help, Status::NoEffect(reason))
}

/// The family of an option.
pub(in crate::uwsgi) fn of(known: &Known) -> Option<&'static Family> {
    FAMILIES.iter().find(|family| family.has(known))
}

/// All families, in the order of the compatibility page.
pub(in crate::uwsgi) static FAMILIES: &[Family] = &[
    refused(
        "plugin:php plugin:psgi plugin:rack plugin:rbthreads plugin:fiber plugin:lua plugin:jvm plugin:jwsgi \
         plugin:mono plugin:v8 plugin:gccgo plugin:coroae plugin:xslt plugin:pypy plugin:stackless",
        "Other languages and other Pythons.",
        "only Python applications for CPython are served here: use that language's own server and route to it in the proxy",
    ),
    refused(
        "plugin:webdav plugin:glusterfs plugin:rados plugin:ldap plugin:pam plugin:sqlite3 plugin:geoip \
         plugin:mongrel2 plugin:logzmq plugin:nagios plugin:notfound plugin:dumbloop plugin:pty \
         plugin:symcall plugin:forkptyrouter plugin:tuntap plugin:zergpool plugin:ring plugin:curl_cron \
         plugin:zabbix plugin:rrdtool",
        "Other plugins.",
        "what this plugin does is not part of an application server here: use a program made for it beside the server",
    ),
    refused(
        "plugin:fastrouter plugin:rawrouter plugin:sslrouter http-subscription* http-resubscribe http-use-* \
         http-zerg http-fallback http-stud-prefix http-manage-rtsp",
        "Routers that find their servers by subscription.",
        "there is no router process that others subscribe to: name the servers in the proxy (nginx upstream, HAProxy, an ingress)",
    ),
    refused(
        "subscribe* st subscription* start-unsubscribed unsubscribe-on-graceful-reload weight auto-weight sni* \
         multicast* udp",
        "Subscriptions and multicast.",
        "there is no router process to subscribe to: name the servers in the proxy",
    ),
    refused(
        "legion* cron-legion unique-legion-cron unique-cron-legion",
        "Legions: a cluster that elects its lord.",
        "a cluster is the business of its orchestrator: use its leases or leader election",
    ),
    refused(
        "zerg* map-socket shutdown-sockets suwsgi-socket ssl-socket \
         raw-socket raw-modifier*",
        "Sockets that some processes have or pass on, and sockets without a protocol.",
        "workers share every socket here: give http-socket, socket, or fd://N for one that is inherited",
    ),
    refused(
        "ssl-* https-export-cert https-session-context https-socket-modifier* http-to-https sslrouter*",
        "TLS of the server's own.",
        super::sockets::NO_TLS,
    ),
    refused(
        "setns* jail* libjail jid-file jidfile namespace-net ns-net unshare2 pivot-root pivot_root cgroup* \
         refork* re-fork* mount-as-* mount-asap mount-in-jail mount-post-jail mount-pre-jail worker-mount \
         umount-* tuntap* privileged-binary-patch* unprivileged-binary-patch*",
        "Isolation, mounts and jails.",
        super::processes::NO_ISOLATION,
    ),
    refused(
        "build-plugin cflags config-py dot-h extract print-sym print-symbol binary-append-data command-mode \
         dlopen no-server iprint dump-options cheaper-algo-list cheaper-algos-list cheaper-list alarm-list \
         alarms-list clock-list clocks-list imperial-monitor* logger-list loggers-list loop-list loops-list \
         plugin-list router-list routers-list python-version ftok file-write",
        "Commands that print or build something of uWSGI's.",
        "there is nothing of it to print or to build here: --help lists every option, and docs/compatibility says what each does",
    ),
    refused(
        "pyshell* pyrun py python python-raw pump web3 pecan wsgi-lite test eval worker-exec* \
         python-worker-override",
        "Other ways to run or load code.",
        "name the application with module = MODULE:CALLABLE or wsgi-file = FILE",
    ),
    refused(
        "plugin:tornado plugin:ugreen plugin:greenlet plugin:asyncio loop",
        "Other loop engines.",
        "requests are served by threads (threads = N) or, for an ASGI application, by its event loop",
    ),
    refused(
        "vassal-cap vassals-cap emperor-cap emperor-tyrant* emperor-use-clone emperor-proxy-socket \
         emperor-on-demand* emperor-wrapper* emperor-broodlord emperor-magic-exec",
        "Emperors with powers over their vassals' users.",
        "a server here starts no others under foreign users: use the service manager's templates (systemd uwsgi@.service)",
    ),
    idle(
        "fastcgi-modifier* scgi-modifier*",
        "The plugin that answers.",
        "every request is for Python",
    ),
    refused(
        "puwsgi-socket",
        "The uwsgi protocol with connections that are kept.",
        "web servers do not speak it: give uwsgi-socket, or fastcgi-socket to keep connections",
    ),
    idle(
        "py-sys-executable py-executable py-program-name py-programname reload-os-env",
        "How the interpreter starts.",
        "it runs already when the configuration is read: start the python you want with -m penstock",
    ),
    idle(
        "vhost vhost-host",
        "An application for each host name.",
        "one application answers for every host: give each its own server, or route by host in the application",
    ),
    idle(
        "http-gid http-uid http-stats http-stats-server http-ss http-harakiri http-gracetime \
         http-socket-modifier* fastcgi-modifier* scgi-modifier* http-use-socket httprouter \
         plugin:http",
        "Details of the HTTP router.",
        "there is no router process in front of the workers",
    ),
    idle(
        "alarm-fd alarm-metric metric-alarm",
        "Alarms about descriptors and metrics.",
        "of the log, the accept queue and crashes alarms are told: have numbers watched where stats or stats-push sends them",
    ),
    idle(
        "so-keepalive so-send-timeout so-write-timeout socket-send-timeout socket-write-timeout socket-sndbuf \
         socket-rcvbuf tcp-fast-open* tcp-fastopen* freebind reuse-port",
        "Options of sockets.",
        "the kernel's own settings hold; a client that takes nothing for 60 seconds is given up",
    ),
    idle(
        "post-buffering-bufsize body-read-warning chunked-input-* upload-progress thread-stack* \
         threads-stack* lock-engine use-abort ksm never-swap persistent-ipcsem backtrace-depth clock \
         check-interval mem-collector-freq profiler rpc-max signal-bufsize \
         signals-bufsize max-apps no-initgroups skip-zero skip-atexit* fd-safe safe-fd \
         http-auto-gzip daemons-honour-stdin log-master-req-stream metrics-no-cores stats-no-* disable-*",
        "Tuning of machinery that works otherwise here.",
        "sizes adapt by themselves, and the limits of the server hold",
    ),
    idle(
        "cgi-mode binary-path binsh allowed-modifiers remap-modifier ignore-script-name wsgi-strict \
         wsgi-accept-buffer* start_response-nodelay write-errors-* no-harakiri-* harakiri-no-arh \
         force-gateway emperor-procname propagate-touch prio whitelist blacklist end-whitelist \
         end-blacklist response-headers-limit resolve post-pymodule-alias pymodule-alias",
        "Details that have no counterpart here.",
        "what it changes in uWSGI does not exist here",
    ),
    idle(
        "emperor-stats* vassal-sos-backlog imperial*",
        "Details of the emperor.",
        "each vassal has its own statistics (stats), and the emperor's log says what becomes of it",
    ),
    refused(
        "hook-as-emperor hook-as-vassal hook-emperor-* hook-as-gateway hook-as-mule exec-as-emperor exec-as-vassal call-*",
        "Hooks of processes that are not there, and calls of functions in uWSGI's binary.",
        "use the hooks of the master and of workers: hook-asap, hook-pre-app, hook-post-fork, hook-master-start",
    ),
    idle(
        "wait-for-fs-timeout wait-for-socket-timeout",
        "How long a start waits.",
        "it waits for 60 seconds",
    ),
    refused(
        "wait-*",
        "Waiting for interfaces and mounts.",
        "the service manager knows them: order the service after its network and its mounts (systemd After=, RequiresMountsFor=)",
    ),
    refused(
        "after-request-*",
        "Calls of functions in uWSGI's binary after each request.",
        "they name functions in C: set uwsgi.after_req_hook in the application, or give its answer a close() (PEP 3333)",
    ),
    idle(
        "fallback-config",
        "Another configuration for a server that cannot start.",
        "what is wrong is said and ends the start: try a configuration with --check FILE before",
    ),
    idle(
        "timer rbtimer signal-timer signal-rbtimer",
        "Signals by the clock.",
        "the application has them raised: uwsgi.add_timer(SIGNAL, SECONDS), @timer, or cron",
    ),
    idle(
        "cache-store-sync cache-report-freed-items cache-expire-freq cache-use-last-modified cache-sync* cache-udp-*",
        "Details of caches.",
        "what is stored is in the file at once, what has expired is removed each second, and caches of several servers are \
         not kept alike",
    ),
    refused(
        "check-cache",
        "Answers from a cache.",
        "a cache holds values, which are no whole answers: write route = ^/ cache:key=${REQUEST_URI}",
    ),
    idle(
        "carbon-retry-delay carbon-max-retry carbon-timeout carbon-idle-avg carbon-use-metrics carbon-no-workers",
        "Details of telling Carbon.",
        "it is told of the server and of every worker; what it does not take at once is told anew the next time",
    ),
    refused(
        "metric-threshold metric-dir* metrics-dir*",
        "What becomes of metrics.",
        "metrics are kept over reloads, shown by stats and sent by stats-push: have whatever collects them watch and keep them",
    ),
    refused(
        "snmp*",
        "SNMP.",
        "there is no SNMP: stats, stats-push and carbon have its numbers",
    ),
    refused(
        "log-zeromq",
        "Logs over ZeroMQ.",
        "there is no ZeroMQ here: give logger = socket:HOST:PORT, syslog or rsyslog:HOST:PORT",
    ),
    refused(
        "inject-*",
        "Files around a configuration.",
        "what stands before and after a configuration belongs into it: use ini = FILE or include = FILE",
    ),
    idle(
        "static-cache-paths*",
        "Caches of the paths of files.",
        "paths are looked up anew for each request, so that a file that changes is seen at once",
    ),
    idle(
        "mount-check mountpoint-check check-mount*",
        "Checks of mount points.",
        "what has to be mounted first is known to the service manager (RequiresMountsFor in systemd)",
    ),
    idle(
        "paste-logger",
        "Python's logging as the file for PasteDeploy has it.",
        "the application sets up its logging: call logging.config.fileConfig where it is made",
    ),
    idle(
        "force-cwd",
        "A working directory beside the one to load from.",
        "start the server there, and load from elsewhere with chdir or pythonpath",
    ),
    idle(
        "catch-exceptions exception-handler",
        "Exceptions shown to the client, or to a program.",
        "clients get a 500 and the log has the traceback: have a program told of it with alarm-log",
    ),
    idle(
        "py-tracebacker",
        "A socket that tells where the threads are.",
        "send VTALRM to a worker: its log has the stack of each thread",
    ),
    refused(
        "signal",
        "Raising a signal over the network.",
        "a socket that serves requests takes no commands: give touch-signal = FILE NUMBER and touch the file",
    ),
    idle(
        "notify-socket",
        "Where systemd is told.",
        "its own variable NOTIFY_SOCKET says where, and is followed",
    ),
];
