//! Options of the user's own (`declare-option`): each stands for others.

use super::{Reader, fault};
use crate::ConfigError;
use crate::option::Origin;
use crate::uwsgi::known;

impl Reader<'_> {
    /// `declare-option = NAME=OPTION=VALUE;OPTION=VALUE...`: from here on NAME stands for those options, in whose values `$1`
    /// is its value and `$2`, `$3`, ... the words of it.
    pub(super) fn declare(&mut self, how: &str, text: &str, origin: &Origin) -> Result<(), ConfigError> {
        self.push(how, text, origin, true);
        let (name, options) = text
            .split_once('=')
            .ok_or_else(|| fault(origin, how, &format!("'{text}' has to be NAME=OPTION=VALUE;...")))?;
        if known::find(name).is_some() {
            return Err(fault(origin, how, &format!("'{name}' is an option already")));
        }
        let options = options
            .split(';')
            .filter(|option| !option.is_empty())
            .map(|option| {
                let (key, value) = option.split_once('=').unwrap_or((option, ""));
                (key.to_owned(), value.to_owned())
            })
            .collect();
        self.declared.push((name.to_owned(), options));
        Ok(())
    }

    /// Puts the options of a declared one on the list; false when `name` is none.
    pub(super) fn put_declared(
        &mut self,
        name: &str,
        value: &str,
        origin: &Origin,
    ) -> Result<bool, ConfigError> {
        let Some((_, options)) = self.declared.iter().find(|(declared, _)| declared == name) else {
            return Ok(false);
        };
        let options = options.clone();
        self.push(name, value, origin, true);
        let words: Vec<_> = value.split(' ').collect();
        for (key, template) in options {
            if self.declared.iter().any(|(declared, _)| *declared == key) {
                return Err(fault(
                    origin,
                    name,
                    &format!("the declared option {key} cannot stand inside another"),
                ));
            }
            let mut text = template.replace("$1", words.first().unwrap_or(&""));
            for (index, word) in words.iter().enumerate().skip(1).take(8) {
                text = text.replace(&format!("${}", index + 1), word);
            }
            self.put(&key, &text, origin)?;
        }
        Ok(true)
    }
}
