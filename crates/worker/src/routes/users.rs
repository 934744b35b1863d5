//! Who a request says it comes from, and whether that is so (RFC 7617).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The user of an Authorization field (Basic), if it is one of `user:password`.
pub(super) fn known_user<'a>(users: &'a [String], field: &str) -> Option<&'a str> {
    let (scheme, token) = field.split_once(' ')?;
    let given = STANDARD.decode(token.trim()).unwrap_or_default();
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let known = users.iter().find(|user| same(user.as_bytes(), &given))?;
    known.split_once(':').map(|(user, _)| user)
}

/// Equal, compared in a time that does not tell where the difference is.
fn same(left: &[u8], right: &[u8]) -> bool {
    let difference = left
        .iter()
        .zip(right)
        .fold(0, |sum, (left, right)| sum | (left ^ right));
    left.len() == right.len() && difference == 0
}
