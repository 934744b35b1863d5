//! When a rule holds.

use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use config::{RouteCondition, RouteTest};

use super::Subject;
use super::texts::{expand, leading_number};
use crate::peers::Peers;

/// What the groups of the rule's pattern match, if the rule holds.
pub(super) fn holds(condition: &RouteCondition, subject: &dyn Subject) -> Option<Vec<String>> {
    match condition {
        RouteCondition::Always => Some(Vec::new()),
        RouteCondition::Matches(left, pattern) => pattern.groups(&expand(left, &[], subject)),
        RouteCondition::Status(status) => (subject.status() == *status).then(Vec::new),
        RouteCondition::Test {
            test,
            left,
            right,
            wanted,
        } => {
            let (left, right) = (expand(left, &[], subject), expand(right, &[], subject));
            let passes = match test {
                RouteTest::InCache(name) => {
                    let commons = subject.commons();
                    commons.is_some_and(|commons| commons.cached(name.as_deref(), left.as_bytes()).is_some())
                }
                test => passes(test, &left, &right),
            };
            (passes == *wanted).then(Vec::new)
        }
    }
}

fn passes(test: &RouteTest, left: &str, right: &str) -> bool {
    let numbers = || (leading_number(left), leading_number(right));
    let path = Path::new(left);
    match test {
        RouteTest::Equal => left == right,
        RouteTest::StartsWith => left.starts_with(right),
        RouteTest::EndsWith => left.ends_with(right),
        RouteTest::Contains => left.contains(right),
        RouteTest::Empty => left.is_empty(),
        RouteTest::Higher => numbers().0 > numbers().1,
        RouteTest::HigherOrEqual => numbers().0 >= numbers().1,
        RouteTest::Lower => numbers().0 < numbers().1,
        RouteTest::LowerOrEqual => numbers().0 <= numbers().1,
        RouteTest::Matches(pattern) => pattern.matches(left),
        RouteTest::InNetwork => {
            let address = left.parse::<IpAddr>();
            address.is_ok_and(|address| Peers::new(&[right.to_owned()]).include(address))
        }
        RouteTest::Exists => path.exists(),
        RouteTest::IsFile => path.is_file(),
        RouteTest::IsDirectory => path.is_dir(),
        RouteTest::IsLink => path.is_symlink(),
        // Asked above.
        RouteTest::InCache(_) => false,
        RouteTest::IsExecutable => path
            .metadata()
            .is_ok_and(|data| data.permissions().mode() & 0o100 != 0),
    }
}
