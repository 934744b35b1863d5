//! Internal routing: rules that look at a request before anything answers it, at its answer, and at both once it is over.
//! Plain data; `worker` follows them.
//!
//! In a text that stands for something of the request, `${NAME}` is a variable, `${FUNCTION[ARGUMENT]}` what is made of one,
//! and `$1` what a group of the rule's pattern matches.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::Pattern;

/// All rules. By default there are none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Routes {
    /// Those that look at a request before anything answers it.
    pub request: RouteChain,
    /// Those that look at an answer as soon as its status is known, and may give another in its place.
    pub error: RouteChain,
    /// Those that look at an answer after these, before its head is sent.
    pub response: RouteChain,
    /// Those that look at a request once it is answered.
    pub last: RouteChain,
}

/// Rules that are followed in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteChain {
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

/// When a rule holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteCondition {
    /// Always.
    Always,
    /// The text matches; what its groups match is `$1`, `$2`, ... in the action.
    Matches(String, Pattern),
    /// The answer has this status.
    Status(u16),
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
#[derive(Clone, Debug, PartialEq, Eq)]
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
    Matches(Pattern),
    InNetwork,
    Exists,
    IsFile,
    IsDirectory,
    IsLink,
    IsExecutable,
    /// The left side is a key of the cache of this name, or of the first.
    InCache(Option<String>),
}

/// What a rule does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteAction {
    /// Look at no further rule.
    Continue,
    /// Close the connection without an answer.
    Close,
    /// Answer with this status and reason: with the reason as the body, or with none.
    Answer {
        /// `404 Not Found`
        status: String,
        /// The reason is the body, too.
        told: bool,
    },
    /// Answer with a redirect: status and address.
    Redirect(u16, String),
    /// Go on at a label.
    GoTo(String),
    /// No line for this request in the log.
    DoNotLog,
    /// Write this to the log.
    Log(String),
    /// Note this under a name for the request's line in the log.
    Note(String, String),
    /// Add a field to the answer: name and value.
    AddHeader(String, String),
    /// Take the fields of this name out of the answer.
    RemoveHeader(String),
    /// Give a variable of the request the value of the answer's field.
    Collect {
        /// The field's name.
        field: String,
        /// The variable's.
        variable: String,
        /// The field is not sent.
        pull: bool,
    },
    /// An Expires field, so many seconds from now.
    Expires(u64),
    /// Add to the body of an answer of the rules' own: without them, none of it comes from the application.
    Send(String),
    /// The status of that answer, `200 OK` if none is given.
    SendStatus(String),
    /// 401 for this realm, unless the client knows one of the users.
    BasicAuthentication {
        /// What the client is told it needs a password for.
        realm: String,
        /// `user:password` for each.
        users: Vec<String>,
        /// Those who give no or another password go on to the next rule.
        or_next: bool,
    },
    /// Answer with a file.
    File(RouteFile),
    /// Another path, and a query put in front of what there is.
    Rewrite {
        /// `/path?query`
        target: String,
        /// Look at no further rule.
        last: bool,
    },
    /// Give a variable of the request a value.
    Set(String, String),
    /// Give a number in a variable another value.
    Count {
        /// Its name.
        name: String,
        /// What is done to it.
        operation: Operation,
        /// With what.
        by: String,
    },
    /// Take the length of SCRIPT_NAME off the front of PATH_INFO.
    FixPath,
    /// Work in another directory from now on.
    Directory(String),
    /// The worker ends when the request takes longer than so many seconds.
    Harakiri(u32),
    /// Have this server's application answer, the one mounted there if one is named, and look at no further rule.
    Own(Option<String>),
    /// Have another server answer.
    Relay(RouteServer),
    /// Answer with a value of a cache; where it has none, go on with the next rule.
    Cached {
        /// Where it is.
        cache: RouteCache,
        /// The media type; `None`: by the key, as if that were the name of a file.
        media_type: Option<String>,
        /// Content-Encoding.
        encoding: Option<String>,
    },
    /// Give a variable of the request a value of a cache; where it has none, the variable stays as it is.
    CacheVariable {
        /// Where it is.
        cache: RouteCache,
        /// Its name.
        variable: String,
        /// The value is a number of eight bytes, to be written in digits.
        as_number: bool,
    },
    /// Put a value into a cache that has none of this key.
    CacheStore {
        /// Where.
        cache: RouteCache,
        /// What.
        value: String,
        /// Seconds that it stays; 0 is for ever.
        expires: u64,
    },
    /// Give a number in a cache another value.
    CacheCount {
        /// Where it is.
        cache: RouteCache,
        /// What is done to it.
        operation: Operation,
        /// With what.
        by: String,
        /// Seconds that one stays that was not there; 0 is for ever.
        expires: u64,
    },
    /// Give a metric another value.
    Metric {
        /// Which.
        name: String,
        /// What is done to it; `None`: it becomes the value.
        operation: Option<Operation>,
        /// The value.
        by: String,
    },
    /// Raise a signal of the application's own.
    Signal(u8),
}

/// A place in a cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteCache {
    /// The cache; `None`: the first.
    pub name: Option<String>,
    /// The key.
    pub key: String,
}

/// What can be done to a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Operation {
    Add,
    Subtract,
    Multiply,
    Divide,
}

/// A file that a rule answers with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteFile {
    /// Its path.
    pub path: String,
    /// Where it has to lie, when what a request says has a part in its path.
    pub below: Option<PathBuf>,
    /// `404 Not Found`: sent whole, with this status, whatever the request's conditions are.
    pub status: Option<String>,
    /// The media type; `None`: by its name.
    pub media_type: Option<String>,
    /// Where it is not there, go on with the next rule; otherwise the answer is 404.
    pub or_next: bool,
}

/// Another server that answers in the place of this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteServer {
    /// `HOST:PORT` or the path of a unix socket.
    pub address: String,
    /// How it is spoken to.
    pub speaks: RouteProtocol,
}

/// How another server is spoken to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteProtocol {
    /// HTTP, closed after the answer.
    Http {
        /// The Host field, if it is to be another than the client's.
        host: Option<String>,
        /// The target, if it is to be another than the client's.
        target: Option<String>,
    },
    /// uwsgi.
    Uwsgi {
        /// The kind of request.
        modifier1: u8,
        /// Its further kind.
        modifier2: u8,
        /// The application it is for.
        application: Option<String>,
    },
}

impl RouteChain {
    /// Puts rules in front of all others, to be followed always.
    pub(crate) fn put_first(&mut self, actions: Vec<RouteAction>) {
        for place in self.labels.values_mut() {
            *place += actions.len();
        }
        let rules = actions.into_iter().map(|action| Route {
            condition: RouteCondition::Always,
            action,
        });
        self.rules.splice(..0, rules);
    }
}

impl Routes {
    /// Whether there are any.
    pub fn is_empty(&self) -> bool {
        let chains = [&self.request, &self.error, &self.response, &self.last];
        chains.iter().all(|chain| chain.rules.is_empty())
    }
}
