//! Errors that end a start, and the names that are resolved before anything is created.

use config::{Dialect, Settings};

use crate::host::HookFailed;

/// Why the server cannot start: one message naming what was wrong, and the dialect's exit code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartError {
    /// For the error log; several lines where the original writes several.
    pub message: String,
    /// What the process exits with.
    pub exit_code: i32,
}

impl StartError {
    pub(crate) fn new(message: impl Into<String>) -> StartError {
        StartError {
            message: message.into(),
            exit_code: 1,
        }
    }
}

impl From<HookFailed> for StartError {
    fn from(failed: HookFailed) -> StartError {
        StartError {
            message: failed.message,
            exit_code: failed.exit_code,
        }
    }
}

/// Who the workers shall be; `None` when neither user nor group is configured.
pub(crate) fn identity(settings: &Settings) -> Result<Option<sys::Identity>, StartError> {
    if settings.user.is_none() && settings.group.is_none() {
        return Ok(None);
    }
    let dialect = settings.dialect;
    let user = settings
        .user
        .as_deref()
        .map(|user| find_user(user, dialect))
        .transpose()?;
    let group = settings
        .group
        .as_deref()
        .map(|group| find_group(group, dialect))
        .transpose()?;
    let (uid, name, primary) = match user {
        Some(FoundUser::Known(user)) => (Some(user.uid), Some(user.name), Some(user.gid)),
        Some(FoundUser::Number(uid)) => (Some(uid), None, None),
        None => (None, None, None),
    };
    let groups = match name.filter(|_| settings.supplementary_groups) {
        Some(name) => sys::Groups::OfUser(name),
        None => sys::Groups::OnlyPrimary,
    };
    // Without a group of their own the workers would keep root's.
    Ok(Some(sys::Identity {
        uid,
        gid: group.or(primary),
        groups,
    }))
}

/// The user id that `user`, a name or a number, stands for.
pub(crate) fn user_id(user: &str, dialect: Dialect) -> Result<u32, StartError> {
    find_user(user, dialect).map(|found| match found {
        FoundUser::Known(user) => user.uid,
        FoundUser::Number(uid) => uid,
    })
}

/// The group id that `group`, a name or a number, stands for.
pub(crate) fn find_group(group: &str, dialect: Dialect) -> Result<u32, StartError> {
    if let Ok(gid) = group.parse() {
        return Ok(gid);
    }
    sys::group_by_name(group)
        .map_err(|error| StartError::new(format!("group {group} cannot be looked up: {error}")))?
        .ok_or_else(|| not_found("group", group, dialect))
}

enum FoundUser {
    Known(sys::User),
    /// A number that the system has no user for.
    Number(u32),
}

fn find_user(user: &str, dialect: Dialect) -> Result<FoundUser, StartError> {
    let failed = |error| StartError::new(format!("user {user} cannot be looked up: {error}"));
    if let Ok(uid) = user.parse() {
        let known = sys::user_by_id(uid).map_err(failed)?;
        return Ok(known.map_or(FoundUser::Number(uid), FoundUser::Known));
    }
    let known = sys::user_by_name(user).map_err(failed)?;
    known
        .map(FoundUser::Known)
        .ok_or_else(|| not_found("user", user, dialect))
}

fn not_found(what: &str, name: &str, dialect: Dialect) -> StartError {
    StartError::new(match dialect {
        Dialect::Uwsgi => format!("{what} {name} not found."),
        Dialect::Gunicorn | Dialect::Native | Dialect::Uvicorn => {
            format!("--{what} {name}: this system has no such {what}. Name another, or create it.")
        }
    })
}
