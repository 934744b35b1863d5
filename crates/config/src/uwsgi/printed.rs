//! Texts that are printed instead of, or before, serving: the help, the list of plugins, the configuration itself.

use super::reader::Given;
use super::{known, table};

/// What `--plugins-list` says: which of uWSGI's plugins have their abilities built in here.
pub(super) const PLUGINS: &str = "*** uWSGI loaded generic plugins ***\ncorerouter\n\n*** uWSGI loaded request plugins ***\n0: python\n\
                       --- end of plugins list ---\n\n";

/// The help text: every option, with what it means here.
pub(super) fn help(program: &str) -> String {
    let mut out = format!("Usage: {program} [options...] [FILE.ini | FILE.py | MODULE:CALLABLE]\n");
    for known in known::all() {
        let short = known
            .short
            .map(|letter| format!("-{letter}|"))
            .unwrap_or_default();
        let value = match known.argument {
            known::Argument::None => "",
            known::Argument::Optional => "[=value]",
            known::Argument::Required => " <value>",
        };
        let help = match table::find(known.name) {
            Some(entry) => entry.help.to_owned(),
            None => "acts while the configuration is read".to_owned(),
        };
        out.push_str(&format!(
            "    {:40} {help}\n",
            format!("{short}--{}{value}", known.name)
        ));
    }
    out
}

/// The configuration as `show-config` has it.
pub(super) fn configuration(given: &[Given]) -> String {
    let lines: String = given
        .iter()
        .map(|one| format!("{} = {}\n", one.name, one.value))
        .collect();
    format!(";uWSGI instance configuration\n[uwsgi]\n{lines};end of configuration")
}
