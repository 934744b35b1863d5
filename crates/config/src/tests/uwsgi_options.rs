//! The options that public uWSGI files contain: all are known, and all are honoured but for a short list.

/// Each option that occurs in 185 public files, under its usual name, and in how many.
const FREQUENCY: &str = include_str!("uwsgi_frequency.tsv");

/// Those that are not honoured (some say so, some need nothing here), and why that is right.
const EXCEPTIONS: &[(&str, &str)] = &[
    (
        "vhost",
        "applications named by requests would be code named by requests",
    ),
    ("alarm", "alarms are the log's readers' business"),
    ("alarm-backlog", "as alarm"),
    ("alarm-log", "as alarm"),
    ("alarm-segfault", "as alarm"),
    ("honour-stdin", "standard input is left as it is"),
    ("static-cache-paths", "the system caches what it looks up"),
    ("static-cache-paths-name", "as static-cache-paths"),
    ("optimize", "the interpreter runs already when the option is read"),
    ("no-site", "as optimize"),
    ("binary-path", "a reload starts the command that was started"),
    (
        "gevent-early-monkey-patch",
        "patching always comes before the application",
    ),
    ("cap", "workers keep no rights that their user has not"),
    ("abstract-socket", "said at start: it is not there yet"),
    ("psgi", "Perl"),
    ("pypy-wsgi", "another Python"),
];

#[test]
fn every_option_of_public_files_is_honoured_or_an_exception_with_a_reason() {
    let mut others = Vec::new();
    let mut count = 0;
    for line in FREQUENCY.lines() {
        let (name, _) = line.split_once('\t').expect("a name and a number");
        count += 1;
        let excepted = EXCEPTIONS.iter().any(|(known, _)| *known == name);
        match crate::uwsgi::becomes(name) {
            Some("honoured" | "acts while the configuration is read") if !excepted => {}
            Some("honoured") => others.push(format!("{name}: no exception any more")),
            Some(_) if excepted => {}
            found => others.push(format!("{name}: {found:?}")),
        }
    }
    assert_eq!(count, 163);
    assert!(others.is_empty(), "{others:#?}");
}
