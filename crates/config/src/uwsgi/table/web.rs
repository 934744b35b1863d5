//! What uWSGI's options mean here that are about answers, and about its HTTP router.

use super::{Draft, Entry, at_start, does};

fn error_page(draft: &mut Draft<'_>, status: u16, value: &str) -> Result<(), String> {
    let path = at_start(draft, value);
    draft.settings.error_pages.entry(status).or_default().push(path);
    Ok(())
}

/// The entries, in the order of the compatibility page.
pub(super) const ENTRIES: &[Entry] = &[
    does(
        &["error-page-403"],
        "HTML file for the server's own page with this status; of several the first that can be read.",
        |d, v| error_page(d, 403, v),
    ),
    does(&["error-page-404"], "The same for 404.", |d, v| {
        error_page(d, 404, v)
    }),
    does(
        &["error-page-500"],
        "The same for 500, which also answers for an application that fails before its answer.",
        |d, v| error_page(d, 500, v),
    ),
];
