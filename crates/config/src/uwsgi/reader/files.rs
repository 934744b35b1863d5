//! Files that options name: they are read in the place of the option, or, with `inherit`, after everything else.

use super::{Reader, fault};
use crate::ConfigError;
use crate::option::Origin;
use crate::uwsgi::formats::Format;
use crate::uwsgi::ini::{self, Magic};
use crate::uwsgi::source;

/// Files in files, at most.
const DEEPEST: usize = 32;

impl Reader<'_> {
    /// Reads a file in place of the option that names it.
    pub(super) fn load(&mut self, option: &str, given: &str, origin: &Origin) -> Result<(), ConfigError> {
        let (file, section) = self
            .spelled(given)
            .and_then(|spelled| self.file_and_section(&spelled))
            .map_err(|reason| fault(origin, option, &reason))?;
        let format = Format::of_option(option)
            .or_else(|| Format::of_file(&file))
            .ok_or_else(|| {
                let reason = format!("{file} has to end in .ini, .yaml, .yml, .json or .xml");
                fault(origin, option, &reason)
            })?;
        if self.depth == DEEPEST {
            return Err(fault(
                origin,
                option,
                "files include each other without end: take out the line that leads back to one of them",
            ));
        }
        let directory = &self.environment.directory;
        let text = source::read(&file, directory).map_err(|reason| fault(origin, option, &reason))?;
        self.remarks.push(format!(
            "[uWSGI] getting {} configuration from {file}",
            format.name()
        ));
        let magic = Magic::new(&file, &section, directory);
        let first = self.first.get_or_insert_with(|| magic.clone()).clone();
        let text = ini::replace_magic(&text, &magic, &first, directory);
        // What `ini = :section` means from here on, also behind the option that named this file.
        self.last_file = Some(file.clone());
        let at = |line| Origin::File {
            path: file.clone(),
            line: Some(line),
        };
        let pairs = format
            .read(&text, &section)
            .map_err(|misread| fault(&at(misread.line), option, &misread.reason))?;
        let Some(pairs) = pairs else {
            let wanted = if section.is_empty() { "uwsgi" } else { &section };
            if matches!(format, Format::Json | Format::Xml) {
                let reason = format!("{file} has no section {wanted}: an object or element of that name");
                return Err(fault(origin, option, &reason));
            }
            self.notices.push(format!(
                "{origin}: {file} has no section [{wanted}]: nothing was read from it"
            ));
            return Ok(());
        };
        self.depth += 1;
        for pair in pairs {
            self.add(&pair.key, &pair.value, &at(pair.line))?;
        }
        self.depth -= 1;
        Ok(())
    }

    fn file_and_section(&self, given: &str) -> Result<(String, String), String> {
        if let Some(section) = given.strip_prefix(':') {
            let file = self.last_file.clone().ok_or("no file has been read before it")?;
            return Ok((file, section.to_owned()));
        }
        let given = given.strip_prefix("file://").unwrap_or(given);
        if given.contains("://") || given == "-" {
            return Ok((given.to_owned(), String::new()));
        }
        let (file, section) = split_section(given);
        Ok((file.to_owned(), section.to_owned()))
    }

    /// Reads what `inherit` names. It comes last, as in uWSGI, where nothing in such a file is expanded any more.
    pub(in crate::uwsgi) fn inherit(&mut self) -> Result<(), ConfigError> {
        let mut index = 0;
        while index < self.given.len() {
            let one = self.given[index].clone();
            if one.name == "inherit" && !one.settled {
                self.given[index].settled = true;
                self.inherited += 1;
                if self.inherited > DEEPEST {
                    return Err(fault(
                        &one.origin,
                        "inherit",
                        "files inherit from each other without end: take out the line that leads back to one of them",
                    ));
                }
                self.load("inherit", &one.value, &one.origin)?;
            }
            index += 1;
        }
        Ok(())
    }
}

/// The file and the section of `FILE:SECTION`; an empty section is the default one.
pub(super) fn split_section(given: &str) -> (&str, &str) {
    given.rsplit_once(':').unwrap_or((given, ""))
}
