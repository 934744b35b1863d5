//! The formats of configuration files, which all come to the same: pairs of option and value, each with its line.

use super::{ini, json, xml, yaml};

/// One option of the wanted section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pair {
    /// Its name.
    pub(super) key: String,
    /// Its value; empty for a bare key.
    pub(super) value: String,
    /// Line number from 1.
    pub(super) line: usize,
}

/// Why a text is not in its format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Misread {
    /// Line number from 1.
    pub(super) line: usize,
    /// A sentence.
    pub(super) reason: String,
}

impl Misread {
    /// A fault at a line.
    pub(super) fn at(line: usize, reason: impl Into<String>) -> Misread {
        Misread {
            line,
            reason: reason.into(),
        }
    }
}

/// What a file is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// `[section]` and `key = value`
    Ini,
    /// `section:` and `key: value`
    Yaml,
    /// Objects.
    Json,
    /// Elements.
    Xml,
}

impl Format {
    /// The format that an option names: `yaml = FILE`.
    pub(super) fn of_option(name: &str) -> Option<Format> {
        Some(match name {
            "ini" => Format::Ini,
            "yaml" | "yml" => Format::Yaml,
            "json" | "js" => Format::Json,
            "xml" | "xmlconfig" => Format::Xml,
            _ => return None,
        })
    }

    /// As uWSGI's log names it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Format::Ini => "INI",
            Format::Yaml => "YAML",
            Format::Json => "JSON",
            Format::Xml => "XML",
        }
    }

    /// The format by the end of a file's name, without a section.
    pub(super) fn of_file(file: &str) -> Option<Format> {
        Format::of_option(file.rsplit_once('.')?.1).filter(|_| !file.ends_with(".xmlconfig"))
    }

    /// The pairs of a section; `None` when there is no such section.
    pub(super) fn read(self, text: &str, section: &str) -> Result<Option<Vec<Pair>>, Misread> {
        let named = if section.is_empty() { "uwsgi" } else { section };
        match self {
            Format::Ini => Ok(ini::section(text, named)),
            Format::Yaml => yaml::section(text, named),
            Format::Json => json::section(text, named),
            Format::Xml => xml::section(text, section),
        }
    }
}
