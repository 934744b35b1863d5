//! The options that public uWSGI files contain: all are known, and all are honoured but for a short list.

/// Each option that occurs in 185 public files, under its usual name, and in how many.
const FREQUENCY: &str = include_str!("uwsgi_frequency.tsv");

/// Those that are not honoured (some say so, some need nothing here), and why that is right.
const EXCEPTIONS: &[(&str, &str)] = &[];

#[test]
fn every_option_of_public_files_is_honoured_or_an_exception_with_a_reason() {
    let mut others = Vec::new();
    let mut count = 0;
    for line in FREQUENCY.lines() {
        let (name, _) = line.split_once('\t').expect("a name and a number");
        count += 1;
        let excepted = EXCEPTIONS.iter().any(|(known, _)| *known == name);
        match crate::uwsgi::becomes(name) {
            Some("honoured" | "acts while the configuration is read") => {}
            Some(_) if excepted => {}
            found => others.push(format!("{name}: {found:?}")),
        }
    }
    assert_eq!(count, 163);
    assert!(others.is_empty(), "{others:#?}");
}
