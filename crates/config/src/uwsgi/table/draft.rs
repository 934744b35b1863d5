//! What uWSGI's options are being turned into, before what depends on several of them is settled.

use std::path::PathBuf;
use std::time::Duration;

use super::{rights, statistics, web};
use crate::uwsgi::UWSGI_DEFAULT_FORMAT;
use crate::{
    Address, CacheSettings, Cheaper, Dialect, Emperor, Environment, Hook, LogSelection, LogTarget, Settings,
    StatisticsTarget, Wire,
};

/// What the options are being turned into.
#[derive(Debug)]
pub(in crate::uwsgi) struct Draft<'a> {
    /// The settings so far.
    pub(in crate::uwsgi) settings: Settings,
    /// `http`, `http-socket`, `http11-socket`, and `socket` under `protocol = http`, in order.
    pub(in crate::uwsgi) listeners: Vec<Listener>,
    /// What the plain `socket` speaks.
    pub(in crate::uwsgi) protocol: String,
    /// `module`
    pub(in crate::uwsgi) module: Option<String>,
    /// `wsgi-file`
    pub(in crate::uwsgi) file: Option<String>,
    /// `callable`
    pub(in crate::uwsgi) callable: Option<String>,
    /// `paste`
    pub(in crate::uwsgi) paste: Option<String>,
    /// `logto`
    pub(in crate::uwsgi) log_file: Option<LogTarget>,
    /// `log-date` in a notation of its own
    pub(in crate::uwsgi) log_date: Option<String>,
    /// `logformat-strftime`
    pub(in crate::uwsgi) formatted_time: bool,
    /// `log-maxsize`
    pub(in crate::uwsgi) log_size: Option<u64>,
    /// `log-backupname`
    pub(in crate::uwsgi) log_backup: Option<PathBuf>,
    /// `log-micros`
    pub(in crate::uwsgi) log_micros: bool,
    /// `mount`: prefixes without a final slash, and what is mounted there.
    pub(in crate::uwsgi) mounts: Vec<(String, String)>,
    /// `async`: how many threads take the place of its cores.
    pub(in crate::uwsgi) greenlets: Option<u32>,
    /// `emperor` and the like; there are no provinces until one is given.
    pub(in crate::uwsgi) emperor: Emperor,
    /// `cheaper` and the like; `least` is 0 until it is given.
    pub(in crate::uwsgi) cheaper: Cheaper,
    /// `log-4xx` and the like
    pub(in crate::uwsgi) log_selection: LogSelection,
    /// `disable-logging`
    pub(in crate::uwsgi) no_request_log: bool,
    /// `stats-push` and `carbon`: who, and how often if that was said.
    pub(in crate::uwsgi) statistics_pushes: Vec<(StatisticsTarget, Option<Duration>)>,
    /// `stats-pusher-default-freq`
    pub(in crate::uwsgi) push_interval: Option<Duration>,
    /// `carbon-root` and the like
    pub(in crate::uwsgi) carbon: statistics::Carbon,
    /// `metrics-no-cores`
    pub(in crate::uwsgi) metrics_without_cores: bool,
    /// `stats-no-metrics`
    pub(in crate::uwsgi) without_metrics: bool,
    /// `memory-report`
    pub(in crate::uwsgi) memory_report: bool,
    /// `http-timeout` and its kin
    pub(in crate::uwsgi) web: web::Web,
    /// From where absolute paths are meant, under `chroot`.
    pub(in crate::uwsgi) roots: rights::Roots,
    /// `exec-asap` and its kin
    pub(in crate::uwsgi) commands: Vec<Hook>,
    /// `abstract-socket`
    pub(in crate::uwsgi) abstract_sockets: bool,
    /// `shared-socket`, in order
    pub(in crate::uwsgi) shared_sockets: Vec<String>,
    /// `show-config`
    pub(in crate::uwsgi) show: bool,
    /// What the options of old say of a cache.
    pub(in crate::uwsgi) default_cache: Option<CacheSettings>,
    /// Notices so far, without their origin.
    pub(in crate::uwsgi) notices: Vec<String>,
    /// The surroundings.
    pub(in crate::uwsgi) environment: &'a Environment,
}

impl<'a> Draft<'a> {
    /// uWSGI's defaults, and ours where it has none that would do.
    pub(in crate::uwsgi) fn new(environment: &'a Environment) -> Draft<'a> {
        let mut settings = Settings::new(Dialect::Uwsgi);
        settings.backlog = 1024;
        settings.limits.block = 4096;
        // uWSGI lets everybody in; that a socket can be reached from elsewhere is said at start.
        settings.gateways.allow_from = vec!["*".to_owned()];
        settings.proxy_protocol.allow_from = vec!["*".to_owned()];
        if let Some(peers) = environment.variables.get("FORWARDED_ALLOW_IPS") {
            settings.forwarded_allow_ips = peers.split(',').map(|peer| peer.trim().to_owned()).collect();
        }
        settings.timeouts.graceful = Duration::from_secs(60);
        settings.need_application = false;
        settings.remove_files_at_exit = false;
        settings.process_titles = false;
        settings.worker_limits.least_lifetime = Duration::from_secs(10);
        settings.loading.arguments = Some(vec!["uwsgi".to_owned()]);
        UWSGI_DEFAULT_FORMAT.clone_into(&mut settings.logs.access_format);
        Draft {
            settings,
            listeners: Vec::new(),
            protocol: "uwsgi".to_owned(),
            module: None,
            file: None,
            callable: None,
            paste: None,
            log_file: None,
            log_selection: LogSelection::default(),
            log_date: None,
            formatted_time: false,
            log_size: None,
            log_backup: None,
            log_micros: false,
            greenlets: None,
            emperor: Emperor::default(),
            cheaper: Cheaper {
                least: 0,
                initial: 0,
                ..Cheaper::default()
            },
            mounts: Vec::new(),
            statistics_pushes: Vec::new(),
            push_interval: None,
            carbon: statistics::Carbon::default(),
            metrics_without_cores: false,
            without_metrics: false,
            memory_report: false,
            web: web::Web::default(),
            no_request_log: false,
            default_cache: None,
            commands: Vec::new(),
            abstract_sockets: false,
            shared_sockets: Vec::new(),
            roots: rights::Roots::default(),
            show: false,
            notices: Vec::new(),
            environment,
        }
    }
}

/// One listening socket as it was asked for.
#[derive(Debug)]
pub(in crate::uwsgi) struct Listener {
    /// Where it listens.
    pub(in crate::uwsgi) address: Address,
    /// What it speaks; `None`: what `protocol` says.
    pub(in crate::uwsgi) wire: Option<Wire>,
    /// Who may connect, if it says so.
    pub(in crate::uwsgi) allow_from: Option<Vec<String>>,
    /// Answers begin with a status line.
    pub(in crate::uwsgi) status_line: bool,
    /// uWSGI would have its router there.
    pub(in crate::uwsgi) is_router: bool,
}
