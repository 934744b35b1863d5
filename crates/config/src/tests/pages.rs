//! The compatibility pages in docs/ are what the tables render.

use std::path::Path;

fn agrees(name: &str, rendered: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs/compatibility")
        .join(name);
    if std::env::var_os("PENSTOCK_BLESS").is_some() {
        std::fs::create_dir_all(path.parent().expect("the page has a directory")).expect("it can be made");
        std::fs::write(&path, rendered).expect("the page can be written");
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == rendered,
        "{name} is out of date: run the tests once with PENSTOCK_BLESS=1"
    );
}

#[test]
fn the_gunicorn_page_is_what_its_table_says() {
    agrees("gunicorn.md", &crate::gunicorn::page());
}

#[test]
fn the_uwsgi_page_is_what_its_tables_say() {
    agrees("uwsgi.md", &crate::uwsgi::page());
}

#[test]
fn the_uvicorn_page_is_what_its_table_says() {
    agrees("uvicorn.md", &crate::uvicorn::page());
}

#[test]
fn no_name_stands_in_two_entries_and_every_option_of_uwsgi_has_a_status() {
    let mut names = std::collections::BTreeSet::new();
    for name in crate::uwsgi::meant_names() {
        assert!(names.insert(name), "{name} stands twice");
        assert!(crate::uwsgi::is_known(name), "{name} is no option of uWSGI");
    }
    let without: Vec<_> = crate::uwsgi::names_without_a_status().collect();
    assert!(without.is_empty(), "nothing says what becomes of {without:?}");
    let mut flags = std::collections::BTreeSet::new();
    for name in crate::gunicorn_setting_names() {
        assert!(flags.insert(name), "{name} stands twice");
    }
    assert_eq!(flags.len(), 120);
}
