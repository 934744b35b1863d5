//! Which script a path means.
//!
//! The path below a mount is walked segment by segment until something that is not a directory: that is the script, what
//! follows is PATH_INFO. Rules: segments are decoded one by one, and one that holds a slash, a NUL or is `..` after that
//! names nothing; a script whose real path lies outside the mount (a symbolic link) is refused unless the directory it
//! lies in is declared safe.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use config::{Cgi, CgiMount};
use protocol::percent_decode;

/// A script, and how the path splits at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// The real path of the script.
    pub(super) file: PathBuf,
    /// What runs it, if it does not run itself.
    pub(super) helper: Option<PathBuf>,
    /// SCRIPT_NAME, decoded.
    pub(super) script_name: Vec<u8>,
    /// PATH_INFO, decoded; empty when nothing follows the script.
    pub(super) path_info: Vec<u8>,
    /// The directory that PATH_TRANSLATED begins with.
    pub(super) root: PathBuf,
    /// Its name begins with `nph-`: it writes a whole HTTP answer.
    pub(super) is_nph: bool,
}

/// Why there is no script to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NotFound {
    /// This status, with a word for the log where it is the server's configuration that says no.
    Status(u16, Option<String>),
    /// The path names a directory: this one has the slash it lacks.
    Redirect(Vec<u8>),
}

/// The mount that serves `path`, still encoded: the one with the longest prefix.
pub(super) fn mount<'a>(cgi: &'a Cgi, path: &[u8]) -> Option<&'a CgiMount> {
    cgi.mounts
        .iter()
        .filter(|mount| {
            let rest = path.strip_prefix(mount.prefix.as_bytes());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
        })
        .max_by_key(|mount| mount.prefix.len())
}

/// The script that `path`, still encoded, means under `mount`.
pub(super) fn script(cgi: &Cgi, mount: &CgiMount, path: &[u8]) -> Result<Found, NotFound> {
    let missing = || NotFound::Status(404, None);
    let root = fs::canonicalize(&mount.path).map_err(|error| {
        let said = format!("the CGI mount {}: {error}", mount.path.display());
        NotFound::Status(404, Some(said))
    })?;
    let rest = &path[mount.prefix.len()..];
    let mut script_name = mount.prefix.clone().into_bytes();
    let mut place = root.clone();
    let mut segments = rest
        .split(|byte| *byte == b'/')
        .skip(usize::from(rest.starts_with(b"/")));
    while place.is_dir() {
        let name = match segments.next() {
            Some(b"") => continue,
            Some(segment) => decoded_name(segment).ok_or_else(missing)?,
            None if !rest.ends_with(b"/") => return Err(NotFound::Redirect([path, b"/"].concat())),
            None => {
                let index = cgi.index.iter().find(|name| place.join(name).is_file());
                index.ok_or_else(missing)?.clone().into_bytes()
            }
        };
        place.push(OsStr::from_bytes(&name));
        script_name.push(b'/');
        script_name.extend_from_slice(&name);
    }
    if !place.is_file() {
        return Err(missing());
    }
    let path_info = path_info(segments)?;
    let file = fs::canonicalize(&place).map_err(|_| missing())?;
    let helper = permitted(cgi, &root, &file)?;
    let is_nph = file
        .file_name()
        .is_some_and(|name| name.as_bytes().starts_with(b"nph-"));
    let root = cgi.document_root.clone().unwrap_or_else(|| directory_of(&root));
    Ok(Found {
        file,
        helper,
        script_name,
        path_info,
        root,
        is_nph,
    })
}

/// A file name in a path: nothing that means another place.
fn decoded_name(segment: &[u8]) -> Option<Vec<u8>> {
    let mut name = Vec::with_capacity(segment.len());
    percent_decode(segment, &mut name);
    let harmless = !name.contains(&b'/') && !name.contains(&0) && name != b"." && name != b"..";
    harmless.then_some(name)
}

/// What follows the script. An encoded slash cannot be told from a plain one by the script, and a NUL ends its variable.
fn path_info<'a>(segments: impl Iterator<Item = &'a [u8]>) -> Result<Vec<u8>, NotFound> {
    let mut path_info = Vec::new();
    for segment in segments {
        path_info.push(b'/');
        let start = path_info.len();
        percent_decode(segment, &mut path_info);
        if path_info[start..].iter().any(|byte| matches!(byte, b'/' | 0)) {
            return Err(NotFound::Status(404, None));
        }
    }
    Ok(path_info)
}

/// Whether the script may be run, and by what.
fn permitted(cgi: &Cgi, root: &Path, file: &Path) -> Result<Option<PathBuf>, NotFound> {
    let refused = |why: &str| NotFound::Status(403, Some(format!("{} {why}", file.display())));
    let is_safe = |directory: &PathBuf| fs::canonicalize(directory).is_ok_and(|safe| file.starts_with(safe));
    if !file.starts_with(root) && !cgi.safe.iter().any(is_safe) {
        return Err(refused(
            "lies outside its CGI directory, where a symbolic link leads to it",
        ));
    }
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    if !cgi.allowed_endings.is_empty() && !cgi.allowed_endings.iter().any(|ending| name.ends_with(ending)) {
        return Err(refused("has an ending that is not allowed (cgi-allowed-ext)"));
    }
    let helper = cgi
        .helpers
        .iter()
        .find(|(ending, _)| name.ends_with(ending.as_str()));
    if let Some((_, helper)) = helper {
        return Ok(Some(helper.clone()));
    }
    match fs::metadata(file) {
        Ok(about) if about.permissions().mode() & 0o111 != 0 => Ok(None),
        Ok(_) => Err(refused(
            "is not executable, and no cgi-helper is set for its ending",
        )),
        Err(_) => Err(NotFound::Status(404, None)),
    }
}

fn directory_of(root: &Path) -> PathBuf {
    if root.is_dir() {
        return root.to_path_buf();
    }
    root.parent().unwrap_or(root).to_path_buf()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory of scripts that is removed at the end.
    struct Scripts(PathBuf);

    impl Scripts {
        fn new(name: &str) -> Scripts {
            let directory = std::env::temp_dir().join(format!("penstock-cgi-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&directory);
            fs::create_dir_all(directory.join("bin/sub dir")).expect("a directory");
            fs::create_dir_all(directory.join("outside")).expect("a directory");
            for (file, mode) in [
                ("bin/run", 0o755),
                ("bin/sub dir/nph-x", 0o755),
                ("bin/page.php", 0o644),
                ("bin/plain", 0o644),
                ("outside/secret", 0o755),
            ] {
                let file = directory.join(file);
                fs::write(&file, "").expect("a file");
                fs::set_permissions(&file, fs::Permissions::from_mode(mode)).expect("its mode");
            }
            std::os::unix::fs::symlink("../outside/secret", directory.join("bin/escape")).expect("a link");
            std::os::unix::fs::symlink("run", directory.join("bin/inside")).expect("a link");
            Scripts(fs::canonicalize(directory).expect("it exists"))
        }

        fn cgi(&self) -> Cgi {
            Cgi {
                mounts: vec![CgiMount {
                    prefix: "/cgi-bin".to_owned(),
                    path: self.0.join("bin"),
                }],
                helpers: vec![(".php".to_owned(), PathBuf::from("php-cgi"))],
                ..Cgi::default()
            }
        }
    }

    impl Drop for Scripts {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn find(cgi: &Cgi, path: &str) -> Result<Found, NotFound> {
        script(
            cgi,
            mount(cgi, path.as_bytes()).expect("a mount"),
            path.as_bytes(),
        )
    }

    #[test]
    fn a_path_splits_at_the_script() {
        let scripts = Scripts::new("splits");
        let cgi = scripts.cgi();
        for (path, file, name, info) in [
            ("/cgi-bin/run", "bin/run", "/cgi-bin/run", ""),
            ("/cgi-bin//run/", "bin/run", "/cgi-bin/run", "/"),
            ("/cgi-bin/run/a%20b/c", "bin/run", "/cgi-bin/run", "/a b/c"),
            (
                "/cgi-bin/sub%20dir/nph-x/y",
                "bin/sub dir/nph-x",
                "/cgi-bin/sub dir/nph-x",
                "/y",
            ),
            ("/cgi-bin/page.php", "bin/page.php", "/cgi-bin/page.php", ""),
            ("/cgi-bin/inside", "bin/run", "/cgi-bin/inside", ""),
        ] {
            let found = find(&cgi, path).expect(path);
            assert_eq!(found.file, scripts.0.join(file), "{path}");
            assert_eq!(String::from_utf8_lossy(&found.script_name), name, "{path}");
            assert_eq!(String::from_utf8_lossy(&found.path_info), info, "{path}");
            assert_eq!(found.is_nph, path.contains("nph-"), "{path}");
            assert_eq!(found.helper.is_some(), path.ends_with(".php"), "{path}");
        }
    }

    #[test]
    fn nothing_outside_the_directory_is_run_and_nothing_that_may_not() {
        let scripts = Scripts::new("refused");
        let cgi = scripts.cgi();
        for (path, status) in [
            ("/cgi-bin/none", 404),
            ("/cgi-bin/../outside/secret", 404),
            ("/cgi-bin/%2e%2e/outside/secret", 404),
            ("/cgi-bin/sub%20dir%2fnph-x", 404),
            ("/cgi-bin/run%00", 404),
            ("/cgi-bin/run/a%2fb", 404),
            ("/cgi-bin/run/a%00", 404),
            ("/cgi-bin/escape", 403),
            ("/cgi-bin/plain", 403),
            ("/cgi-bin/sub%20dir/", 404),
        ] {
            let Err(NotFound::Status(found, _)) = find(&cgi, path) else {
                panic!("{path} was found");
            };
            assert_eq!(found, status, "{path}");
        }
        assert_eq!(
            find(&cgi, "/cgi-bin/sub%20dir"),
            Err(NotFound::Redirect(b"/cgi-bin/sub%20dir/".to_vec()))
        );
        let safe = Cgi {
            safe: vec![scripts.0.join("outside")],
            ..scripts.cgi()
        };
        assert!(find(&safe, "/cgi-bin/escape").is_ok());
        let only = Cgi {
            allowed_endings: vec![".php".to_owned()],
            ..scripts.cgi()
        };
        assert!(find(&only, "/cgi-bin/run").is_err() && find(&only, "/cgi-bin/page.php").is_ok());
    }

    #[test]
    fn the_longest_prefix_wins_and_an_index_is_found() {
        let scripts = Scripts::new("index");
        let mut cgi = scripts.cgi();
        cgi.mounts.push(CgiMount {
            prefix: String::new(),
            path: scripts.0.join("bin/run"),
        });
        cgi.index = vec!["none".to_owned(), "run".to_owned()];
        assert_eq!(mount(&cgi, b"/cgi-bin/run").expect("one").prefix, "/cgi-bin");
        assert_eq!(mount(&cgi, b"/cgi-bins").expect("one").prefix, "");
        let found = find(&cgi, "/cgi-bin/").expect("the index");
        assert_eq!(
            (found.script_name, found.path_info),
            (b"/cgi-bin/run".to_vec(), Vec::new())
        );
        let single = find(&cgi, "/any/where").expect("the single script");
        assert_eq!(
            (single.script_name, single.path_info),
            (Vec::new(), b"/any/where".to_vec())
        );
    }
}
