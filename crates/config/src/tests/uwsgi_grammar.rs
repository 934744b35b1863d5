//! The grammar of uWSGI's configurations: what every format, scheme and block of logic comes to, and what is refused.

use super::{Directory, environment, words};
use crate::*;

fn read(directory: &Directory, line: &str) -> Result<Plan, ConfigError> {
    let variables = [("PORT", "8080"), ("EMPTY", "")];
    match uwsgi(&words(line), &environment("uwsgi", &directory.0, &variables))? {
        Outcome::Serve(plan) => Ok(plan),
        other => panic!("{line}: {other:?}"),
    }
}

fn printed(directory: &Directory, line: &str) -> Result<String, ConfigError> {
    match uwsgi(&words(line), &environment("uwsgi", &directory.0, &[]))? {
        Outcome::Print { text } => Ok(text),
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn every_format_comes_to_the_same_settings() {
    let directory = Directory::with(&[
        (
            "a.ini",
            "[uwsgi]\nhttp-socket = :80\nprocesses = 3\nenv = A=1\nenv = B=2\nvacuum\nwsgi-file = %d%n.py\n",
        ),
        (
            "a.yaml",
            "uwsgi:\n  http-socket: :80\n  processes: 3 # three\n  env:\n    - A=1\n    - B=2\n  vacuum: true\n  wsgi-file: %d%n.py\n",
        ),
        (
            "a.json",
            "{\"uwsgi\": {\"http-socket\": \":80\", \"processes\": 3, \"env\": [\"A=1\", \"B=2\"], \"vacuum\": true, \"wsgi-file\": \"%d%n.py\"}}",
        ),
        (
            "a.xml",
            "<uwsgi><http-socket>:80</http-socket><processes>3</processes><env>A=1</env><env>B=2</env><vacuum/><wsgi-file>%d%n.py</wsgi-file></uwsgi>",
        ),
        ("outer.ini", "[uwsgi]\ninclude = a.json\n"),
    ]);
    let expected = read(&directory, "a.ini").expect("a.ini").settings;
    assert_eq!((expected.workers, expected.env.len()), (3, 2));
    for line in [
        "--ini a.ini",
        "a.yaml",
        "--yaml a.yaml",
        "--yml a.yaml",
        "a.json",
        "--json a.json:uwsgi",
        "a.xml",
        "--xml a.xml",
        "--include a.xml",
        "--config a.yaml",
        "outer.ini",
        "a.ini:uwsgi",
        "--ini file://a.ini",
    ] {
        let found = read(&directory, line).unwrap_or_else(|error| panic!("{line}: {error}"));
        assert_eq!(found.settings, expected, "{line}");
    }
}

#[test]
fn values_are_expanded_as_uwsgi_does() {
    let directory = Directory::with(&[("number", "7\n"), ("sub.ini", "[uwsgi]\nenv = IN=%n/%N\n")]);
    for (lines, expected) in [
        ("env = A=%n %e %s %%n %z.", "A=x ini x.ini %n ."),
        ("env = A=%V", "A=2.0.31"),
        ("env = A=$(PORT)$(NONE)", "A=8080$(NONE)"),
        ("env = A=@(number)@(exec://echo hi)", "A=7hi"),
        (
            "set-placeholder = b=2\nenv = A=%(b)%(b + 3)%(none)",
            "A=25%(none)",
        ),
        ("b = 4\nenv = A=%(b * 2 + 1)", "A=9"),
        ("b = 4\nenv = A=%((b * 2) + 1)", "A=1"),
        ("b = 4\nenv = A=%(b / 0)%(b ++)%(b --)", "A=053"),
        ("b = 1\nb = 2\nenv = A=%(b)", "A=1"),
        ("if-env = PORT\nenv = A=%(_)\nendif =", "A=8080"),
        ("if-env = PORT=8080\nenv = A=%(_)\nend", "A=8080"),
        ("if-not-env = NONE\nenv = A=%(_)\nend-if", "A=%(_)"),
        ("if-not-env = PORT=9\nenv = A=%(_)\nend-if", "A=8080"),
        ("if-exists = number\nenv = A=%(_)\nendfor", "A=number"),
        ("if-not-file = none\nenv = A=f\nendif", "A=f"),
        ("if-dir = .\nenv = A=%(_)\nendif", "A=."),
        ("c = 1\nif-opt = c=1\nenv = A=%(_)\nendif", "A=1"),
        ("if-not-opt = c\nenv = A=%(_)\nendif", "A=%(_)"),
        ("if-hostname-match = .\nenv = A=%(_)\nendif", "A=."),
        ("b = 4\nenv = A=%(b x + -1)", "A=4"),
        ("if-not-reload = 1\nenv = A=first\nendif", "A=first"),
        ("if-plugin = python3\nenv = A=p\nendif", "A=p"),
        ("for-glob = num*\nenv = A=%(_)\nendfor", "A=number"),
        ("for-readline = number\nenv = A=%(_)\nendfor", "A=7"),
        ("for-times = 1\nenv = A=%(_)\nendfor", "A=1"),
        ("for = q\nenv = A=%(_)\nendfor", "A=q"),
        ("declare-option = mine=env=A=<$1 $2>\nmine = x y", "A=<x y>"),
        ("set = env=A=set", "A=set"),
        ("inherit = sub.ini", "IN=sub/x"),
    ] {
        let text = format!("[uwsgi]\nhttp-socket = :80\n{lines}\n");
        std::fs::write(directory.0.join("x.ini"), text).expect("the file can be written");
        let plan = read(&directory, "x.ini").unwrap_or_else(|error| panic!("{lines}: {error}"));
        let (name, value) = plan
            .settings
            .env
            .last()
            .unwrap_or_else(|| panic!("{lines}: nothing was set"));
        assert_eq!(format!("{name}={value}"), expected, "{lines}");
    }
}

#[test]
fn booleans_are_on_unless_they_say_off() {
    let directory = Directory::with(&[]);
    for (value, expected) in [
        ("", true),
        ("= true", true),
        ("= True", true),
        ("= 1", true),
        ("= yes", true),
        ("= nope", true),
        ("=", true),
        ("= 00", true),
        ("= false # off", true),
        ("= false", false),
        ("= False", false),
        ("= OFF", false),
        ("= no", false),
        ("= 0", false),
    ] {
        let text = format!("[uwsgi]\r\n\thttp-socket = :80\r\n  vacuum {value}\r\n");
        std::fs::write(directory.0.join("x.ini"), text).expect("the file can be written");
        let plan = read(&directory, "x.ini").unwrap_or_else(|error| panic!("{value}: {error}"));
        assert_eq!(plan.settings.remove_files_at_exit, expected, "{value}");
    }
}

#[test]
fn sections_are_found_as_uwsgi_does() {
    let directory = Directory::with(&[(
        "x.ini",
        "processes = 9\n[uwsgi]\nini = :base\nhttp-socket = :80\n[app:main]\nuse = egg:x\n[base]\nprocesses = 2\nthreads = 3\n[uwsgi]\n\
         threads = 4\n[odd] ; comment\nprocesses = 8\n",
    )]);
    let settings = read(&directory, "x.ini").expect("x.ini").settings;
    assert_eq!((settings.workers, settings.threads), (2, 4));
    let settings = read(&directory, "--http-socket :80 --ini x.ini:base")
        .expect("base")
        .settings;
    assert_eq!((settings.workers, settings.threads), (2, 3));
    let plan = read(&directory, "--http-socket :80 --ini x.ini:none").expect("none");
    assert!(
        plan.notices[0].contains("x.ini has no section [none]"),
        "{:?}",
        plan.notices
    );
}

#[test]
fn what_stands_alone_on_the_command_line_is_understood() {
    let directory = Directory::with(&[("a.ini", "[uwsgi]\nhttp-socket = :80\n")]);
    let settings = read(&directory, ":8080 app.py")
        .expect("a port and a file")
        .settings;
    assert_eq!(settings.binds[0].address, Address::Tcp(String::new(), 8080));
    assert!(matches!(settings.application, Some(Application::File { .. })));
    let settings = read(&directory, "127.0.0.1:1 package.module:make")
        .expect("an address and a module")
        .settings;
    assert_eq!(settings.binds[0].address, Address::Tcp("127.0.0.1".to_owned(), 1));
    assert!(matches!(settings.application, Some(Application::Module { .. })));
    assert!(read(&directory, "a.ini [title]").is_ok());
}

#[test]
fn questions_are_answered_without_a_server() {
    let directory = Directory::with(&[
        (
            "a.ini",
            "[uwsgi]\nhttp-socket = :80\nprocesses = 2\nprocesses = 3\nmodule = demo\nvaccum = true\nbase = .\nchdir2 = %(base)\n",
        ),
        ("stop.ini", "[uwsgi]\nexit = 5\n"),
        (
            "bad.ini",
            "[uwsgi]\nhttp-socket = :80\nchmod-socket = 9\nharakiri = -1\n",
        ),
    ]);
    assert_eq!(printed(&directory, "--get processes a.ini").as_deref(), Ok("2\n"));
    assert_eq!(printed(&directory, "--get none a.ini").as_deref(), Ok(""));
    assert_eq!(printed(&directory, "--exit=0").as_deref(), Ok(""));
    assert_eq!(
        printed(&directory, "stop.ini").expect_err("exit = 5").exit_code,
        5
    );
    assert!(printed(&directory, "--plugins-list").is_ok_and(|text| text.contains("python")));
    assert!(printed(&directory, "--help").is_ok_and(|text| text.contains("--harakiri <value>")));
    let text = printed(&directory, "--check a.ini").expect("the file is understood");
    for part in [
        "a.ini:3: processes = 2: Number of worker processes",
        "a.ini:6: vaccum = true: unknown option, ignored (did you mean vacuum?)",
        "a.ini:7: base = .: no option: a variable of your own",
        "a.ini:6: unknown option vaccum is ignored (did you mean vacuum?)",
        "application: application of the module demo; workers: 3",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let error = printed(&directory, "--check bad.ini").expect_err("chmod-socket = 9");
    assert!(
        error
            .message
            .contains("would not start:\nbad.ini:3: chmod-socket: invalid"),
        "{error}"
    );
    assert!(
        error.message.contains("\nbad.ini:4: harakiri: '-1' is negative"),
        "{error}"
    );
}

#[test]
fn what_is_no_configuration_is_refused_with_its_place() {
    let directory = Directory::with(&[
        ("a.yaml", "uwsgi:\n  http: :80\n  nonsense\n"),
        ("a.json", "{\"uwsgi\": {\n\"http\" 3}}"),
        ("a.xml", "<uwsgi>\n<http>:80</uwsgi>"),
        ("end.ini", "[uwsgi]\ninherit = end.ini\nhttp-socket = :80\n"),
        ("one.ini", "[uwsgi]\nini = two.ini\n"),
        ("two.ini", "[uwsgi]\nini = one.ini\n"),
        ("file.ini", "[uwsgi]\nhttp-socket = :80\nchdir = @(none)\n"),
        ("loop.ini", "[uwsgi]\nfor-readline = none\n"),
        ("match.ini", "[uwsgi]\nif-hostname-match = a(\n"),
        ("holder.ini", "[uwsgi]\nset-placeholder = processes=3\n"),
        ("web.ini", "[uwsgi]\nini = http://127.0.0.1/x.ini\n"),
        ("mine.ini", "[uwsgi]\ndeclare-option = processes=threads=3\n"),
        ("negative.ini", "[uwsgi]\nhttp-socket = :80\nharakiri = -3\n"),
        ("section.ini", "[uwsgi]\nini = :\nx"),
        ("plain.txt", "[uwsgi]\n"),
        ("other.json", "{\"other\": {\"http\": \":80\"}}"),
        ("other.xml", "<other><http>:80</http></other>"),
    ]);
    for (line, part) in [
        ("a.yaml", "a.yaml:3: config: 'nonsense' has to be 'key: value'"),
        ("a.json", "a.json:2: config: '3' stands where ':' is expected"),
        ("a.xml", "a.xml:2: config: "),
        (
            "end.ini",
            "end.ini:2: inherit: files inherit from each other without end",
        ),
        ("one.ini", "files include each other without end"),
        ("file.ini", "file.ini:3: chdir: @(none): cannot read none"),
        ("loop.ini", "loop.ini:2: for-readline: cannot read none"),
        (
            "match.ini",
            "match.ini:2: if-hostname-match: 'a(' cannot be used as a regular expression",
        ),
        (
            "holder.ini",
            "holder.ini:2: set-placeholder: 'processes' is an option",
        ),
        ("web.ini", "web.ini:2: ini: cannot read http://127.0.0.1/x.ini"),
        (
            "mine.ini",
            "mine.ini:2: declare-option: 'processes' is an option already",
        ),
        ("negative.ini", "negative.ini:3: harakiri: '-3' is negative"),
        ("section.ini", "files include each other without end"),
        ("--config plain.txt", "plain.txt has to end in .ini"),
        ("other.json", "other.json has no section uwsgi"),
        ("other.xml", "other.xml has no section uwsgi"),
        ("--ini :x", "no file has been read before it"),
        ("--ini fd://x", "write fd:// and a number"),
        ("--ini none.ini", "command line: ini: cannot read none.ini"),
        ("app.php", "unable to load configuration from app.php"),
    ] {
        let error = read(&directory, line).expect_err(line);
        assert_eq!(error.exit_code, 1, "{line}");
        assert!(error.message.contains(part), "{line}: {error}");
    }
}

#[test]
fn of_two_values_the_one_that_does_not_count_is_named() {
    let directory = Directory::with(&[
        (
            "x.ini",
            "[uwsgi]\nhttp-socket = :80\nhttp-socket = :81\nprocesses = 2\nenv = A=1\nenv = B=2\nworkers = 3\nlogto = a\nini = y.ini\n\
             for = 1 2\nthreads = %(_)\nendfor\nlogto = b\nvacuum = 1\nvacuum = 0\n",
        ),
        ("y.ini", "[uwsgi]\nprocesses = 4\n"),
    ]);
    let plan = read(&directory, "x.ini --processes 9").expect("x.ini");
    let doubles: Vec<_> = plan
        .notices
        .iter()
        .filter(|notice| notice.contains("does not count"))
        .collect();
    assert_eq!(
        doubles,
        [
            "x.ini:4: processes does not count, because workers in line 7 follows: keep one of them",
            "x.ini:8: logto does not count, because logto in line 13 follows: keep one of them",
            "x.ini:14: vacuum does not count, because vacuum in line 15 follows: keep one of them",
        ]
    );
}

#[test]
fn an_application_of_paste_deploy_is_taken_from_its_file() {
    let directory = Directory::with(&[(
        "p.ini",
        "[uwsgi]\nhttp-socket = :80\nthreads = 2\n[app:main]\nuse = egg:x\n",
    )]);
    for (line, specification) in [
        ("--ini-paste p.ini", "config:p.ini"),
        ("--ini-paste-logged p.ini", "config:p.ini"),
        (
            "--ini p.ini --paste config:/srv/p.ini#two -w other",
            "config:/srv/p.ini#two",
        ),
    ] {
        let settings = read(&directory, line)
            .unwrap_or_else(|error| panic!("{line}: {error}"))
            .settings;
        assert_eq!(settings.threads, 2, "{line}");
        let Some(Application::Module { module, callable, .. }) = settings.application else {
            panic!("{line}: {:?}", settings.application);
        };
        assert_eq!(module, "penstock._gunicorn.paste");
        assert!(callable.contains(specification), "{line}: {callable}");
    }
}
