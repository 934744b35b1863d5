//! The options that public uWSGI files contain: all are known, and all are honoured but for a short list.

use std::path::{Path, PathBuf};

use super::{Directory, environment, words};
use crate::*;

/// Each option that occurs in 185 public files, under its usual name, and in how many.
const FREQUENCY: &str = include_str!("uwsgi_frequency.tsv");

/// Those that are not honoured (some say so, some need nothing here), and why that is right.
const EXCEPTIONS: &[(&str, &str)] = &[
    (
        "vhost",
        "applications named by requests would be code named by requests",
    ),
    ("static-cache-paths", "the system caches what it looks up"),
    ("static-cache-paths-name", "as static-cache-paths"),
    ("binary-path", "a reload starts the command that was started"),
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

/// What a command line comes to.
fn settings(line: &str) -> Settings {
    match uwsgi(&words(line), &environment("uwsgi", Path::new("/"), &[])) {
        Ok(Outcome::Serve(plan)) => plan.settings,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn a_socket_may_have_an_abstract_name() {
    for (text, expected) in [
        ("--socket @one", Address::Abstract(b"one\0".to_vec())),
        ("--http-socket \\0one", Address::Abstract(b"one\0".to_vec())),
        (
            "--abstract-socket --socket /tmp/x",
            Address::Abstract(b"/tmp/x".to_vec()),
        ),
        ("--socket x -a", Address::Abstract(b"x".to_vec())),
        ("--socket 127.0.0.1:1 -a", Address::Tcp("127.0.0.1".to_owned(), 1)),
        ("--socket /tmp/x", Address::Unix(PathBuf::from("/tmp/x"))),
    ] {
        assert_eq!(settings(text).binds[0].address, expected, "{text}");
    }
    let both = settings("--socket x --stats y -a");
    assert_eq!(both.statistics.servers, [Address::Abstract(b"y".to_vec())]);
}

#[test]
fn a_socket_may_name_a_shared_one_by_its_number() {
    let shared = "--shared-socket 127.0.0.1:1 --undeferred-shared-socket /x";
    let two = settings(&format!("--http-socket =1 {shared} --socket =0?allow=10.0.0.0/8"));
    let addresses: Vec<_> = two.binds.iter().map(|bind| &bind.address).collect();
    let (path, tcp) = (
        Address::Unix(PathBuf::from("/x")),
        Address::Tcp("127.0.0.1".to_owned(), 1),
    );
    assert_eq!(addresses, [&path, &tcp]);

    for (line, expected) in [
        (
            "--socket =2",
            "there is no shared socket 2: each shared-socket = ADDRESS is one, counted from 0, and there are 2",
        ),
        ("--socket =x", "there is no shared socket x"),
        (
            "--shared-socket =0 --socket =2",
            "the shared socket 2 is '=0': give shared-socket = HOST:PORT or a path",
        ),
    ] {
        let line = format!("{shared} {line}");
        match uwsgi(&words(&line), &environment("uwsgi", Path::new("/"), &[])) {
            Err(error) => assert!(error.message.contains(expected), "{line}: {}", error.message),
            other => panic!("{line}: {other:?}"),
        }
    }
    let Ok(Outcome::Serve(plan)) = uwsgi(
        &words(&format!("{shared} --http-socket =1")),
        &environment("uwsgi", Path::new("/"), &[]),
    ) else {
        panic!("{shared}")
    };
    let told = plan
        .notices
        .iter()
        .filter(|notice| notice.contains("nothing listens at"));
    assert_eq!(
        told.collect::<Vec<_>>(),
        ["command line: shared-socket: nothing listens at 127.0.0.1:1: no socket names it as =0"]
    );
}

#[test]
fn under_chroot_paths_are_meant_from_where_uwsgi_means_them() {
    let root = Directory::with(&[("here", "")]);
    let root = root.0.display();
    let base = format!("--socket /s --stats /t --touch-reload /u --master-fifo /f --chroot {root} --chdir /");
    let inside = |name: &str| PathBuf::from(format!("{root}/{name}"));
    let outside = |name: &str| PathBuf::from(format!("/{name}"));
    type Place<'a> = &'a dyn Fn(&str) -> PathBuf;
    let table: [(&str, Place<'_>, Place<'_>); 4] = [
        ("", &inside, &inside),
        ("--chown-socket root", &outside, &inside),
        ("--drop-after-apps", &outside, &inside),
        ("--master-as-root", &outside, &outside),
    ];
    for (more, socket, others) in table {
        let settings = settings(&format!("{base} {more}"));
        assert_eq!(settings.rights.root, Some(PathBuf::from(root.to_string())));
        assert_eq!(settings.chdir, Some(PathBuf::from("/")), "{more}");
        assert_eq!(settings.binds[0].address, Address::Unix(socket("s")), "{more}");
        assert_eq!(
            settings.statistics.servers,
            [Address::Unix(others("t"))],
            "{more}"
        );
        assert_eq!(settings.touch_reload, [others("u")], "{more}");
        assert_eq!(settings.supervision.fifos, [others("f")], "{more}");
    }
}

#[test]
fn capabilities_are_named_or_numbered_and_what_is_none_is_said() {
    let kept = |value: &str| {
        settings(&format!("--socket :1 --cap {value}"))
            .rights
            .capabilities
    };
    assert_eq!(kept("net_bind_service"), 1 << 10);
    assert_eq!(kept("chown,41,wake_alarm"), 1 | 1 << 41 | 1 << 35);
    assert_eq!(kept("net_bind"), 0);
    assert_eq!(Rights::names_of(1 << 10 | 1 << 50), "net_bind_service,50");
}
