//! Internal routing: rules that look at a request before anything answers it. Plain data; `worker` follows them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::Pattern;

/// The rules, in order. By default there are none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Routes {
    /// The rules.
    pub rules: Vec<Route>,
    /// The rule that each label stands in front of.
    pub labels: BTreeMap<String, usize>,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// When it holds.
    pub condition: RouteCondition,
    /// What it does then.
    pub action: RouteAction,
}

/// When a rule holds. In texts, `${NAME}` stands for a request's variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteCondition {
    /// Always.
    Always,
    /// The text matches; what its groups match is `$1`, `$2`, ... in the action.
    Matches(String, Pattern),
    /// A test with its two sides, and whether it has to hold or must not.
    Test {
        /// What is compared.
        test: RouteTest,
        /// The text before `;`.
        left: String,
        /// The text after it.
        right: String,
        /// The outcome that is wanted.
        wanted: bool,
    },
}

/// A comparison or a look at the file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum RouteTest {
    Equal,
    StartsWith,
    EndsWith,
    Contains,
    Empty,
    Higher,
    HigherOrEqual,
    Lower,
    LowerOrEqual,
    Exists,
    IsFile,
    IsDirectory,
    IsLink,
}

/// What a rule does. Texts may hold `${NAME}` and `$1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteAction {
    /// Look at no further rule.
    Continue,
    /// Answer with this status, or close the connection without an answer.
    Break(Option<u16>),
    /// Answer with a redirect: status and address.
    Redirect(u16, String),
    /// Go on at a label.
    GoTo(String),
    /// No line for this request in the log.
    DoNotLog,
    /// Write this to the log.
    Log(String),
    /// Add a field to the answer: name and value.
    AddHeader(String, String),
    /// Take the fields of this name out of the answer.
    RemoveHeader(String),
    /// Answer with 401, unless the client knows one of the users: realm, and `user:password` for each.
    BasicAuthentication(String, Vec<String>),
    /// Answer with this file.
    File(PathBuf),
}
