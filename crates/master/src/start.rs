//! Errors that end a start, and the names that are resolved before anything is created.

use std::path::Path;

use config::{Dialect, Rights, Settings};
use telemetry::ErrorLog;

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

/// Who the workers shall be; `None` when the configuration does not say it.
pub(crate) fn identity(settings: &Settings) -> Result<Option<sys::Identity>, StartError> {
    let rights = &settings.rights;
    if settings.user.is_none() && settings.group.is_none() && *rights == Rights::default() {
        return Ok(None);
    }
    let dialect = settings.dialect;
    let is_root = rustix::process::geteuid().is_root();
    if rights.root.is_some() && !is_root {
        return Err(StartError::new(
            "cannot chroot() as non-root user: start the server as root, with uid for its workers, or leave chroot out",
        ));
    }
    let capabilities = if is_root { rights.capabilities } else { 0 };
    check_capabilities(capabilities)?;
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
    // Without a group of their own the workers would keep root's.
    let gid = group.or(primary);
    Ok(Some(sys::Identity {
        confinement: confinement(settings)?,
        uid,
        gid,
        groups: groups(settings, name.as_deref(), gid)?,
        capabilities,
    }))
}

/// Says what workers are held to beside their user.
pub(crate) fn tell_rights(settings: &Settings, log: &ErrorLog) {
    let rights = &settings.rights;
    if let Some(root) = &rights.root {
        log.info(format_args!("chroot() to {}", root.display()));
    }
    match Rights::names_of(rights.capabilities) {
        names if names.is_empty() => {}
        names if rustix::process::geteuid().is_root() => {
            log.info(format_args!("setting capabilities {names}"));
        }
        names => log.warning(format_args!(
            "cap: the capabilities {names} are not kept: only root has some to keep, and this server is not started by root"
        )),
    }
}

/// What this process has not got it cannot leave to its workers.
fn check_capabilities(wanted: u64) -> Result<(), StartError> {
    let own = sys::own_capabilities().unwrap_or(u64::MAX);
    match Rights::names_of(wanted & !own) {
        missing if missing.is_empty() => Ok(()),
        missing => Err(StartError::new(format!(
            "capabilities that cannot be kept, because this process has not got them itself (option cap): {missing}. Leave them \
             out, or have the container or the service manager give them to the server (docker --cap-add, systemd \
             CapabilityBoundingSet=)"
        ))),
    }
}

fn confinement(settings: &Settings) -> Result<Option<sys::Confinement>, StartError> {
    let directory = settings.chdir.as_deref().unwrap_or(Path::new("/"));
    let confined = settings
        .rights
        .root
        .as_deref()
        .map(|root| sys::Confinement::new(root, directory));
    confined
        .transpose()
        .map_err(|error| StartError::new(format!("chroot(): {error}")))
}

/// The supplementary groups of the user called `name`, and those that are added; `None`: there are none.
fn groups(settings: &Settings, name: Option<&str>, gid: Option<u32>) -> Result<Option<Vec<u32>>, StartError> {
    let gid = gid.unwrap_or_else(|| rustix::process::getegid().as_raw());
    let added = settings.rights.groups.iter();
    let added = added
        .map(|group| find_group(group, settings.dialect))
        .collect::<Result<Vec<_>, _>>()?;
    let mut groups = match name.filter(|_| settings.supplementary_groups) {
        Some(name) => sys::groups_of(name, gid)
            .map_err(|error| StartError::new(format!("the groups of {name} cannot be looked up: {error}")))?,
        None if added.is_empty() => return Ok(None),
        None => vec![gid],
    };
    groups.extend(added);
    Ok(Some(groups))
}

/// The ids of a user and a group that something is to belong to, where they are named.
pub(crate) fn owner(
    user: Option<&str>,
    group: Option<&str>,
    dialect: Dialect,
) -> Result<(Option<u32>, Option<u32>), StartError> {
    let uid = user.map(|user| user_id(user, dialect)).transpose()?;
    let gid = group.map(|group| find_group(group, dialect)).transpose()?;
    Ok((uid, gid))
}

/// The user id that `user`, a name or a number, stands for.
fn user_id(user: &str, dialect: Dialect) -> Result<u32, StartError> {
    find_user(user, dialect).map(|found| match found {
        FoundUser::Known(user) => user.uid,
        FoundUser::Number(uid) => uid,
    })
}

/// The group id that `group`, a name or a number, stands for.
fn find_group(group: &str, dialect: Dialect) -> Result<u32, StartError> {
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
