//! What the conditions of a request for a file ask for (RFC 9110 13), which part (RFC 9110 14), and in which coding.
//!
//! A request for several ranges gets the whole file, which RFC 9110 14.2 allows. Nothing is opened or answered here.

use std::time::SystemTime;

use httpdate::parse_http_date;
use protocol::RequestHead;

/// Which answer a request gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// 200, all of it.
    Whole,
    /// 206: from the first byte, so many.
    Part(u64, u64),
    /// 304: the client has it.
    NotModified,
    /// 412: it is not what the client takes it for.
    Failed,
    /// 416: there is no such part.
    Unsatisfiable,
}

/// The order of RFC 9110 13.2.2.
pub(super) fn choose(head: &RequestHead, size: u64, tag: &str, modified: SystemTime) -> Choice {
    let date = |name: &str| {
        let text = std::str::from_utf8(head.field(name)?).ok()?;
        parse_http_date(text).ok()
    };
    if let Some(tags) = head.field("if-match") {
        if !lists(tags, tag, false) {
            return Choice::Failed;
        }
    } else if date("if-unmodified-since").is_some_and(|date| modified > date) {
        return Choice::Failed;
    }
    if let Some(tags) = head.field("if-none-match") {
        if lists(tags, tag, true) {
            return Choice::NotModified;
        }
    } else if date("if-modified-since").is_some_and(|date| modified <= date) {
        return Choice::NotModified;
    }
    let current = match head.field("if-range") {
        None => true,
        Some(value) if value.starts_with(b"\"") => value == tag.as_bytes(),
        Some(_) => date("if-range") == Some(modified),
    };
    match head.field("range") {
        Some(range) if current && head.method() == b"GET" => part(range, size),
        _ => Choice::Whole,
    }
}

/// Whether a list of entity tags has this one; `*` stands for any. Weak tags count only where that is allowed.
fn lists(tags: &[u8], tag: &str, weak: bool) -> bool {
    let mut tags = tags.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    tags.any(|one| {
        let plain = if weak {
            one.strip_prefix(b"W/").unwrap_or(one)
        } else {
            one
        };
        one == b"*" || plain == tag.as_bytes()
    })
}

/// What `bytes=FIRST-LAST`, `bytes=FIRST-` or `bytes=-COUNT` asks for; anything else asks for the whole.
fn part(range: &[u8], size: u64) -> Choice {
    let parsed = std::str::from_utf8(range).ok().and_then(|range| {
        let (unit, spec) = range.split_once('=')?;
        let (first, last) = spec.trim().split_once('-')?;
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        (unit.trim().eq_ignore_ascii_case("bytes") && digits(first) && digits(last)).then_some((first, last))
    });
    // A number that does not fit is beyond any file.
    let number = |text: &str| text.parse::<u64>().unwrap_or(u64::MAX);
    match parsed {
        None | Some(("", "")) => Choice::Whole,
        Some(("", count)) => match number(count).min(size) {
            0 => Choice::Unsatisfiable,
            count => Choice::Part(size - count, count),
        },
        Some((first, last)) => {
            let first = number(first);
            let last = if last.is_empty() { u64::MAX } else { number(last) };
            if last < first {
                return Choice::Whole;
            }
            if first >= size {
                return Choice::Unsatisfiable;
            }
            Choice::Part(first, last.min(size - 1) - first + 1)
        }
    }
}

/// Whether an Accept-Encoding field takes a coding (RFC 9110 12.5.3).
pub(super) fn accepts(field: &[u8], coding: &str) -> bool {
    let text = String::from_utf8_lossy(field);
    let weight = |wanted: &str| {
        text.split(',').find_map(|item| {
            let (name, parameters) = item.split_once(';').unwrap_or((item, ""));
            let weight = parameters
                .trim()
                .strip_prefix("q=")
                .map_or(1.0, |q| q.trim().parse().unwrap_or(1.0));
            name.trim().eq_ignore_ascii_case(wanted).then_some(weight)
        })
    };
    weight(coding)
        .or_else(|| weight("*"))
        .is_some_and(|weight: f32| weight > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_cut_to_the_file_and_nonsense_is_ignored() {
        for (range, expected) in [
            ("bytes=0-3", Choice::Part(0, 4)),
            ("bytes=4-", Choice::Part(4, 6)),
            ("bytes=-3", Choice::Part(7, 3)),
            ("bytes=-30", Choice::Part(0, 10)),
            ("bytes=9-99", Choice::Part(9, 1)),
            ("Bytes= 1-1", Choice::Part(1, 1)),
            ("bytes=10-", Choice::Unsatisfiable),
            ("bytes=-0", Choice::Unsatisfiable),
            ("bytes=99999999999999999999999-", Choice::Unsatisfiable),
            ("bytes=3-1", Choice::Whole),
            ("bytes=0-1,3-4", Choice::Whole),
            ("bytes=-", Choice::Whole),
            ("bytes=a-b", Choice::Whole),
            ("lines=0-1", Choice::Whole),
            ("bytes", Choice::Whole),
        ] {
            assert_eq!(part(range.as_bytes(), 10), expected, "{range}");
        }
        assert_eq!(part(b"bytes=0-", 0), Choice::Unsatisfiable);
        assert_eq!(part(b"bytes=-1", 0), Choice::Unsatisfiable);
    }

    #[test]
    fn codings_are_taken_unless_their_weight_is_zero() {
        for (field, gzip, brotli) in [
            ("gzip, br", true, true),
            ("gzip;q=0, *", false, true),
            ("GZIP;q=0.1", true, false),
            ("*;q=0", false, false),
            ("identity", false, false),
            ("", false, false),
            ("x-gzip", false, false),
            ("br;q=0.0,gzip; q=1", true, false),
        ] {
            assert_eq!(
                (accepts(field.as_bytes(), "gzip"), accepts(field.as_bytes(), "br")),
                (gzip, brotli),
                "{field}"
            );
        }
    }

    #[test]
    fn entity_tags_are_compared_weakly_only_where_that_is_allowed() {
        for (list, weak, expected) in [
            ("\"a\"", true, true),
            ("\"b\", \"a\"", true, true),
            ("W/\"a\"", true, true),
            ("W/\"a\"", false, false),
            ("*", false, true),
            ("\"b\"", true, false),
            ("a", true, false),
        ] {
            assert_eq!(lists(list.as_bytes(), "\"a\"", weak), expected, "{list}");
        }
    }
}
