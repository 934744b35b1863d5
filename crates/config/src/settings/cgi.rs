//! CGI scripts that are served beside the application (RFC 3875): plain data; `worker` runs them.

use std::path::PathBuf;
use std::time::Duration;

/// CGI scripts (RFC 3875).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cgi {
    /// Where scripts are; the longest prefix of a path decides.
    pub mounts: Vec<CgiMount>,
    /// Interpreters by the ending of a script's name, dot included; such scripts need not be executable.
    pub helpers: Vec<(String, PathBuf)>,
    /// Names looked for when a path is a directory.
    pub index: Vec<String>,
    /// Endings that scripts may have, dot included; empty: any.
    pub allowed_endings: Vec<String>,
    /// How long a script may be silent before it is killed with its process group. Default 60 s.
    pub timeout: Duration,
    /// Length of a script's header. Default 64 KiB.
    pub head: usize,
    /// What DOCUMENT_ROOT and PATH_TRANSLATED say, if not the mount's directory.
    pub document_root: Option<PathBuf>,
    /// Variables that scripts do not get.
    pub unset: Vec<String>,
    /// Further directories that a script may lie in when a symbolic link leads to it.
    pub safe: Vec<PathBuf>,
    /// Scripts running at once in a worker; beyond: 503. Default 256.
    pub concurrency: usize,
}

impl Default for Cgi {
    fn default() -> Self {
        Cgi {
            mounts: Vec::new(),
            helpers: Vec::new(),
            index: Vec::new(),
            allowed_endings: Vec::new(),
            timeout: Duration::from_secs(60),
            head: 64 << 10,
            document_root: None,
            unset: Vec::new(),
            safe: Vec::new(),
            concurrency: 256,
        }
    }
}

/// A directory of scripts, or one script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CgiMount {
    /// Prefix of the paths it serves, without a final slash; empty: every path.
    pub prefix: String,
    /// The directory or the script.
    pub path: PathBuf,
}
