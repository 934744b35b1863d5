//! What a dialect asks of a request's head beyond HTTP's own rules.
//!
//! gunicorn refuses methods that look like none (`permit_unconventional_http_method`), can write them in capitals
//! (`casefold_http_method`), and can refuse header names with underscores (`header_map = refuse`), which an environ could
//! not tell from those with dashes.

use config::{HeaderRules, Underscores};
use protocol::{Refusal, RequestHead};

/// Lengths of methods that gunicorn takes for conventional.
const CONVENTIONAL: std::ops::RangeInclusive<usize> = 3..=20;

/// Holds a head against the rules, and changes what they want changed.
pub(crate) fn apply(rules: &HeaderRules, head: &mut RequestHead) -> Result<(), Refusal> {
    if rules.conventional_methods && !is_conventional(head.method()) {
        return Err(Refusal::MethodSyntax);
    }
    if rules.uppercase_methods {
        head.uppercase_method();
    }
    if rules.underscores == Underscores::Refuse {
        let forwarder = |name: &[u8]| rules.lets_forward(&String::from_utf8_lossy(name).to_ascii_uppercase());
        if head
            .fields()
            .any(|(name, _)| name.contains(&b'_') && !forwarder(name))
        {
            return Err(Refusal::NameSyntax);
        }
    }
    Ok(())
}

fn is_conventional(method: &[u8]) -> bool {
    CONVENTIONAL.contains(&method.len())
        && !method
            .iter()
            .any(|byte| byte.is_ascii_lowercase() || *byte == b'#')
}
