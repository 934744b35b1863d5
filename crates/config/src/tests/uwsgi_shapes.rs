//! Files of the shapes that public projects have, with every option that occurs in them: each is understood, and the only
//! keys nobody knows are those that uWSGI does not know either.

use super::{Directory, environment, words};
use crate::*;

/// A file, and the keys in it that are no options.
const SHAPES: &[(&str, &str, &[&str])] = &[
    (
        "behind-nginx.ini",
        "[uwsgi]\nprotocol = http\nproject = shop\nbase = .\nchdir = %(base)\nmodule = %(project).wsgi:application\nmaster = True\nprocesses = 4\n\
         socket = /tmp/%(project).sock\nchmod-socket = 664\nchown-socket = www-data:www-data\nvacuum = true\nvaccum = true\nuid = www-data\n\
         gid = www-data\nthreads = 2\nenable-threads = true\nmax-requests = 5000\nharakiri = 60\nbuffer-size = 32768\npost-buffering = 8192\n\
         logto = /tmp/%n.log\npidfile = /tmp/%n.pid\ntouch-reload = %p\nlisten = 128\nthunder-lock = true\nsingle-interpreter\nlazy-apps\n\
         reload-mercy = 8\nworker-reload-mercy = 9\nreload-on-rss = 300 # MB\nreload-on-as = 900\nmax-worker-lifetime = 3600\n\
         max-requests-delta = 100\nno-orphans = 1\nclose-on-exec = 1\nauto-procname = true\nprocname-prefix-spaced = shop\nprocname = x\n\
         procname-prefix = y\nplugins = python3,http\nplugins-dir = /usr/lib/uwsgi\nmaster-as-root = true\nreaper = true\nno-defer-accept = 1\n\
         honour-stdin = true\nmax-fd = 1024\ncpu-affinity = 1\nbinary-path = /usr/bin/uwsgi\nsafe-pidfile = /tmp/s.pid\ncap = setgid\n",
        &["vaccum"],
    ),
    (
        "container.ini",
        "[uwsgi]\nhttp = 0.0.0.0:8000\nhttp-timeout = 300\nhttp-keepalive = 1\nhttp-auto-chunked = true\nhttp-processes = 2\nwsgi-file = app.py\n\
         callable = app\nmaster\ndie-on-term\nneed-app = true\nstrict = false\nenv = DJANGO_SETTINGS_MODULE=site.settings\n\
         static-map = /static=/srv/static\nstatic-expires = .* 3600\nstatic-gzip-all = true\nstatic-skip-ext = .php\ncheck-static = /srv\n\
         static-cache-paths = 60\nstatic-cache-paths-name = s\noffload-threads = %k\nlog-master = true\nlogger = stdio\nreq-logger = file:/dev/stdout\n\
         log-format = [%(ltime)] %(addr) \"%(method) %(uri)\" %(status)\nlog-date = %%Y-%%m-%%d\nlogformat-strftime = true\nlog-encoder = json \n\
         log-req-encoder = format x\nlog-route = a b\nlog-maxsize = 100000\nlog-backupname = /tmp/b\nlog-reopen = true\nlog-4xx = true\nlog-5xx = true\n\
         log-slow = 1000\nlog-micros = true\nlog-sendfile = true\nlog-x-forwarded-for = true\nlogfile-chmod = 644\ndisable-logging = true\n\
         memory-report = true\nstats = 127.0.0.1:9191\nstats-http = true\nignore-sigpipe = true\nignore-write-errors = true\n\
         disable-write-exception = true\nwsgi-disable-file-wrapper = true\nsocket-timeout = 60\npy-auto-reload = 1\nshow-config = true\n\
         add-header = Connection: close\nroute-if = equal:${PATH_INFO};/health donotlog:\nroute = ^/old redirect:/new\nfile-serve-mode = x-accel-redirect\n\
         gevent = 100\ngevent-early-monkey-patch = true\nharakiri-verbose = true\nharakiri-graceful-timeout = 5\nharakari = 3\n",
        &["harakari"],
    ),
    (
        "large.ini",
        "[uwsgi]\nini = :base\nhttp11-socket = 127.0.0.1:0\nworkers = 4\ncheaper = 2\ncheaper-initial = 2\ncheaper-step = 1\ncheaper-algo = busyness\ncheaper-overload = 30\n\
         cheaper-busyness-min = 20\ncheaper-busyness-max = 70\ncheaper-busyness-multiplier = 30\ncheaper-busyness-backlog-alert = 16\n\
         cheaper-busyness-backlog-step = 2\ncheaper-busyness-verbose = true\nhook-master-start = unix_signal:15 gracefully_kill_them_all\n\
         hook-pre-app = exec:true\nexec-asap = true\nattach-daemon = worker --queue a\nsmart-attach-daemon = /tmp/c.pid celery\nmule = m.py\n\
         spooler = /tmp/spool\ncron = 59 2 -1 -1 -1 true\nimport = tasks\npyargv = --x\npaste = config:/srv/p.ini\ntouch-chain-reload = /tmp/t\n\
         mount = /api=api.py\nmanage-script-name = true\nno-default-app = true\nvhost = true\ncache2 = name=a,items=10\nlazy = true\n\
         py-call-uwsgi-fork-hooks = true\nfs-reload = /tmp/f\noptimize = 1\nno-site = true\nlogto2 = /tmp/l2.log\ninherit = more.ini\n\
         carbon-root = x\ncarbon-hostname-dots = true\nalarm = a cmd:true\nalarm-log = a x\nalarm-backlog = a\nalarm-segfault = a\n\
         if-not-env = NONE\nprint = no %(_)\nendif =\nfor-glob = *.ini\nprint = %(_)\nendfor =\nset-placeholder = k=v\n\
         evil-reload-on-rss = 3000\n[base]\nhome = /srv/env\npythonpath = /srv\ndaemonize = /tmp/d.log\nhttp-enable-proxy-protocol = false\n",
        &[],
    ),
    (
        "more.ini",
        "[uwsgi]\nhttp-socket = :0\numask = 022\nuwsgi_param = x\n",
        &["uwsgi_param"],
    ),
];

#[test]
fn no_option_of_a_real_project_is_unknown() {
    let files: Vec<_> = SHAPES.iter().map(|(name, text, _)| (*name, *text)).collect();
    let directory = Directory::with(&files);
    for (name, _, strangers) in SHAPES {
        let outcome = uwsgi(&words(name), &environment("uwsgi", &directory.0, &[]));
        let Ok(Outcome::Serve(plan)) = outcome else {
            panic!("{name}: {outcome:?}");
        };
        let unknown: Vec<_> = plan
            .notices
            .iter()
            .filter_map(|notice| notice.split_once("unknown option ")?.1.split(' ').next())
            .filter(|key| *key != "uwsgi_param" || *name == "more.ini")
            .collect();
        assert_eq!(&unknown, strangers, "{name}: {:?}", plan.notices);
    }
}

#[test]
fn what_another_server_has_to_do_is_refused_with_a_word_on_what_to_use() {
    let directory = Directory::with(&[]);
    for (line, part) in [
        ("--psgi app.pl", "only Python applications"),
        ("--php-docroot /srv", "only Python applications"),
        ("--fastrouter :1", "name the servers in the proxy"),
        ("--legion a", "orchestrator"),
        ("--setns x", "service manager"),
        ("--loop uv", "threads"),
        ("--cflags", "--help lists every option"),
    ] {
        let typed = format!("--http-socket :0 {line}");
        let error = uwsgi(&words(&typed), &environment("uwsgi", &directory.0, &[])).expect_err(line);
        assert!(error.message.contains(part), "{line}: {error}");
    }
}
