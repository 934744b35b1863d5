//! What is set up around the application when it is loaded, and further applications beside it.

use std::path::PathBuf;

use crate::Application;

/// Around the application. By default there is nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loading {
    /// How much Python leaves out of compiled code, as `-O` (1) and `-OO` (2) do; the interpreter is started anew if it was
    /// started for less. Default 0.
    pub optimize: u8,
    /// Python does without its `site` module, as with `-S`; the interpreter is started anew if it has one.
    pub no_site: bool,
    /// Modules, or files that end in `.py`, imported before the application; one that fails is only logged.
    pub imports: Vec<String>,
    /// `sys.argv`; `None` leaves it.
    pub arguments: Option<Vec<String>>,
    /// Directory to work in once the application is loaded.
    pub directory_after: Option<PathBuf>,
    /// Applications at parts of the path.
    pub mounts: Vec<Mount>,
    /// Take the part of the path that a mount stands for out of PATH_INFO, and put it into SCRIPT_NAME. Otherwise only a
    /// SCRIPT_NAME that the front server sends chooses a mount.
    pub manage_script_name: bool,
    /// A path of no mount is answered with 500, instead of by the application or else the first mount.
    pub only_mounts: bool,
}

/// An application at a part of the path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Begins with `/` and does not end with one; empty for the whole site.
    pub prefix: String,
    /// The application.
    pub application: Application,
}
