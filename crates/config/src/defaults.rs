//! The settings every dialect starts from; a dialect changes what its users expect to be different.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::{
    AddedHeaders, Asgi, Believed, Cgi, Commons, Control, Dialect, FatalExceptions, Gateways, Harakiri,
    HeaderRules, Interface, Level, Limits, Loading, LogTarget, Loggers, Logs, ProcessAffixes, ProxyProtocol,
    ReloadWatch, Rights, Routes, Scaling, Settings, StaticFiles, StatisticsSettings, Supervision, Timeouts,
    UnixSocketRights, WorkerBounds, WorkerLimits,
};

/// The access log format of Apache's "combined" log, in gunicorn's notation: gunicorn's default, and the native one.
pub(crate) const COMBINED_FORMAT: &str = r#"%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s""#;

impl Settings {
    /// What `dialect` starts from: no application and no binds, which the dialect adds.
    pub fn new(dialect: Dialect) -> Settings {
        let loopback = vec!["127.0.0.1".to_owned(), "::1".to_owned()];
        Settings {
            dialect,
            application: None,
            binds: Vec::new(),
            backlog: 2048,
            reuse_port: false,
            unix_sockets: UnixSocketRights::default(),
            workers: 1,
            threads: 1,
            greenlets: false,
            connections: None,
            request_queue: None,
            preload: false,
            limits: Limits::default(),
            timeouts: Timeouts {
                head: Duration::from_secs(30),
                body: Duration::from_secs(60),
                write: Duration::from_secs(60),
                keep_alive: Duration::from_secs(60),
                graceful: Duration::from_secs(30),
                soft_deadline: None,
                request_deadline: None,
                spares_tasks: dialect == Dialect::Gunicorn,
                interpreter: None,
            },
            max_requests: None,
            max_requests_jitter: 0,
            chdir: None,
            pythonpath: Vec::new(),
            virtualenv: None,
            env: Vec::new(),
            unset_env: Vec::new(),
            user: None,
            group: None,
            rights: Rights::default(),
            supplementary_groups: dialect == Dialect::Uwsgi,
            umask: None,
            pidfile: None,
            remove_files_at_exit: true,
            daemonize: None,
            logs: Logs {
                level: Level::Info,
                error: LogTarget::Stderr,
                access: None,
                only: None,
                access_format: COMBINED_FORMAT.to_owned(),
                in_python: false,
                statsd: None,
                backlog_metric: false,
                capture_output: false,
                colors: None,
                processes: crate::Processes::Several,
                loggers: Loggers::default(),
                request_loggers: Loggers::default(),
                line_time: String::new(),
                request_time: String::new(),
                rotation: None,
                truncate: false,
                file_mode: None,
                forwarded_client: false,
            },
            process_name: None,
            process_affixes: ProcessAffixes::default(),
            process_titles: true,
            reload_on_change: false,
            touch_reload: Vec::new(),
            need_application: true,
            term_reloads: false,
            sendfile: true,
            file_wrapper: true,
            script_name: String::new(),
            gateways: Gateways {
                allow_from: loopback.clone(),
                fastcgi_stderr: false,
            },
            proxy_protocol: ProxyProtocol {
                allow_from: loopback.clone(),
                ..ProxyProtocol::default()
            },
            forwarded_allow_ips: loopback,
            believed: Believed::default(),
            header_rules: HeaderRules::default(),
            interface: Interface::Auto,
            asgi: Asgi::default(),
            control: Control::default(),
            reload_watch: ReloadWatch::default(),
            log_config: None,
            added_headers: AddedHeaders::default(),
            static_files: StaticFiles::default(),
            loading: Loading::default(),
            routes: Routes::default(),
            error_pages: BTreeMap::new(),
            worker_limits: WorkerLimits::default(),
            fatal_exceptions: FatalExceptions::default(),
            worker_bounds: WorkerBounds::default(),
            cgi: Cgi::default(),
            commons: Commons::default(),
            statistics: StatisticsSettings::default(),
            supervision: Supervision::default(),
            scaling: Scaling::default(),
            emperor: None,
            harakiri: Harakiri::default(),
        }
    }
}

/// `None` for zero: how the dialects write "off" for times and counts.
pub(crate) fn unless_zero(number: u64) -> Option<u64> {
    (number != 0).then_some(number)
}

/// A count for a field of 32 bits; what does not fit is as good as the largest.
pub(crate) fn count(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// A size for a field of the machine's width; what does not fit is as good as the largest.
pub(crate) fn size(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
