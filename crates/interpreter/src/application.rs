//! The user's application: its surroundings, and finding it.

use std::path::PathBuf;

use config::{Application, Dialect, GUNICORN_VERSION, Interface, Settings};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use telemetry::ErrorLog;

/// An application.
pub(crate) struct Loaded {
    pub(crate) callable: Py<PyAny>,
    pub(crate) interface: Interface,
}

/// Why there is no application.
pub(crate) struct LoadFailure {
    /// One line or a few, with file and line where there is one.
    pub(crate) message: String,
    /// The application's own traceback, if it raised.
    pub(crate) details: String,
    /// What a development server shows in place of the application: the traceback of a syntax error, or nothing.
    pub(crate) page: String,
    /// gunicorn's code: 3 when importing failed, 4 when the module lacks what was asked for.
    pub(crate) exit_code: i32,
}

impl LoadFailure {
    /// Tells the log why there is no application.
    pub(crate) fn tell(&self, log: &ErrorLog) {
        if self.details.is_empty() {
            log.error(&self.message);
        } else {
            log.error_with_details(&self.message, &self.details);
        }
    }
}

/// Sets what the application sees of its process: environment and directory.
///
/// # Errors
/// What is wrong, with the option's name.
pub(crate) fn prepare_process(py: Python<'_>, settings: &Settings) -> Result<(), String> {
    if settings.dialect == Dialect::Gunicorn {
        set_variable(py, "SERVER_SOFTWARE", &format!("gunicorn/{GUNICORN_VERSION}"))?;
    }
    set_variables(py, settings)?;
    if settings.greenlets && !is_installed(py, "gevent") {
        let (option, instead) = match settings.dialect {
            Dialect::Uwsgi => ("option gevent", "give threads instead"),
            _ => (
                "worker class gevent",
                "choose -k gthread with --threads as large as the number of requests that wait at the same time, sync, or asgi \
                 (option worker_class)",
            ),
        };
        return Err(format!(
            "{option}: gevent is not installed for this Python. Install it (pip install gevent), or {instead}"
        ));
    }
    // Under another root it is a directory of the workers.
    if let Some(directory) = settings.chdir.as_ref().filter(|_| settings.rights.root.is_none()) {
        std::env::set_current_dir(directory)
            .map_err(|error| format!("can't chdir to {}: {error} (option chdir)", directory.display()))?;
    }
    Ok(())
}

/// Takes away and sets the environment variables that the settings name.
///
/// # Errors
/// A name that no variable can have.
pub(crate) fn set_variables(py: Python<'_>, settings: &Settings) -> Result<(), String> {
    let unset: Vec<&str> = settings.unset_env.iter().map(String::as_str).collect();
    forget_variables(py, &unset).map_err(|error| error.to_string())?;
    let mut variables = settings.env.iter();
    variables.try_for_each(|(name, value)| set_variable(py, name, value))
}

/// The names of those variables.
pub(crate) fn changed_variables(settings: &Settings) -> Vec<String> {
    let set = settings.env.iter().map(|(name, _)| name);
    set.chain(&settings.unset_env).cloned().collect()
}

/// Takes variables out of the environment.
pub(crate) fn forget_variables(py: Python<'_>, names: &[&str]) -> PyResult<()> {
    let environment = py.import("os")?.getattr("environ")?;
    for name in names {
        environment.call_method1("pop", (name, py.None()))?;
    }
    Ok(())
}

fn set_variable(py: Python<'_>, name: &str, value: &str) -> Result<(), String> {
    let set = || py.import("os")?.getattr("environ")?.set_item(name, value);
    set().map_err(|error: PyErr| format!("cannot set the environment variable {name:?}: {error}"))
}

/// Becomes who the workers are. The server's own modules need not be there under another root: they are imported before.
///
/// # Errors
/// A sentence.
pub(crate) fn become_user(py: Python<'_>, identity: &sys::Identity) -> Result<(), String> {
    if identity.confinement.is_some() {
        py.import("penstock._loader")
            .and_then(|loader| loader.call_method0("import_own"))
            .map_err(|error| format!("the server's own modules cannot be imported: {error}"))?;
    }
    sys::become_user(identity)
        .map_err(|error| format!("cannot become the configured user and group: {error}"))
}

/// Whether a module is there, without importing it.
fn is_installed(py: Python<'_>, module: &str) -> bool {
    let found = || {
        let found = py
            .import("importlib.util")?
            .call_method1("find_spec", (module,))?;
        PyResult::Ok(!found.is_none())
    };
    found().unwrap_or(false)
}

/// Imports the application.
pub(crate) fn load(py: Python<'_>, settings: &Settings) -> Result<Loaded, LoadFailure> {
    let loaded = import(py, settings).and_then(|loaded| {
        let (callable, interface): (Py<PyAny>, String) = loaded.extract()?;
        let interface = match interface.as_str() {
            "asgi2" => Interface::Asgi2,
            "asgi3" => Interface::Asgi3,
            _ => Interface::Wsgi,
        };
        Ok(Loaded { callable, interface })
    });
    loaded.map_err(|error| failure(py, &error))
}

/// What `penstock._loader` finds: a callable and the name of its interface. Everything it needs is prepared in its order.
fn import<'py>(py: Python<'py>, settings: &Settings) -> PyResult<Bound<'py, PyAny>> {
    let loader = py.import("penstock._loader")?;
    let text = |path: &PathBuf| path.to_string_lossy().into_owned();
    let mut directories: Vec<String> = settings.pythonpath.iter().map(text).collect();
    directories.push(String::from("."));
    let virtualenv = settings.virtualenv.as_ref().map(text);
    loader.call_method1("prepare_path", (directories, virtualenv))?;
    let loading = &settings.loading;
    let before = (loading.arguments.clone(), loading.imports.clone());
    loader.call_method1("import_before", before)?;
    let one = |application: &Application| import_one(&loader, settings, application);
    let main = settings.application.as_ref().map(one).transpose()?;
    let loaded = if loading.mounts.is_empty() {
        main.ok_or_else(|| PyValueError::new_err("no application is named"))?
    } else {
        let mounts = loading.mounts.iter();
        let mounts = mounts.map(|mount| Ok((&mount.prefix, one(&mount.application)?)));
        let mounts: Vec<_> = mounts.collect::<PyResult<_>>()?;
        let arguments = (main, mounts, loading.manage_script_name, loading.only_mounts);
        loader.call_method1("mounted", arguments)?
    };
    if let Some(directory) = &loading.directory_after {
        std::env::set_current_dir(directory)?;
    }
    Ok(loaded)
}

fn import_one<'py>(
    loader: &Bound<'py, PyModule>,
    settings: &Settings,
    application: &Application,
) -> PyResult<Bound<'py, PyAny>> {
    let wanted = match settings.interface {
        Interface::Auto => "auto",
        Interface::Wsgi => "wsgi",
        Interface::Asgi2 => "asgi2",
        Interface::Asgi3 => "asgi3",
    };
    match application {
        Application::Module { module, callable, .. } if settings.dialect == Dialect::Uvicorn => loader
            .py()
            .import("penstock._uvicorn")?
            .call_method1("load", (module, callable, wanted)),
        Application::Module { module, callable, .. } => {
            loader.call_method1("load_module", (module, callable, wanted))
        }
        Application::File { path, callable } => {
            loader.call_method1("load_file", (path.to_string_lossy(), callable, wanted))
        }
    }
}

/// An application that shows why there is none.
pub(crate) fn failing(py: Python<'_>, page: &str) -> PyResult<Loaded> {
    let loader = py.import("penstock._loader")?;
    Ok(Loaded {
        callable: loader.call_method1("failing", (page,))?.unbind(),
        interface: Interface::Wsgi,
    })
}

/// The failure that an exception of `penstock._loader` tells of.
pub(crate) fn told(py: Python<'_>, error: &PyErr) -> Option<LoadFailure> {
    let value = error.value(py);
    let told = || -> PyResult<LoadFailure> {
        Ok(LoadFailure {
            message: value.getattr("message")?.extract()?,
            details: value.getattr("details")?.extract()?,
            page: value.getattr("page")?.extract()?,
            exit_code: value.getattr("exit_code")?.extract()?,
        })
    };
    told().ok()
}

fn failure(py: Python<'_>, error: &PyErr) -> LoadFailure {
    told(py, error).unwrap_or_else(|| LoadFailure {
        message: String::from("cannot load the application"),
        details: crate::traceback::text(py, error),
        page: String::new(),
        exit_code: 3,
    })
}
