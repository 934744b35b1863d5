//! Which headers are believed, refused and added: plain data; `worker` acts on it.

/// What trusted peers are believed about their clients, by the headers that tell it. Default: the scheme only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Believed {
    /// The scheme, from the headers in [`HeaderRules::secure_scheme`].
    pub scheme: bool,
    /// The client, from X-Forwarded-For.
    pub client: bool,
    /// The host it asked for, from X-Forwarded-Host.
    pub host: bool,
    /// All three, from Forwarded (RFC 7239).
    pub forwarded: bool,
}

impl Believed {
    /// Nothing at all.
    pub const NOTHING: Believed = Believed {
        scheme: false,
        client: false,
        host: false,
        forwarded: false,
    };
}

impl Default for Believed {
    fn default() -> Self {
        Believed {
            scheme: true,
            ..Believed::NOTHING
        }
    }
}

/// What is asked of header names and methods beyond HTTP's own rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderRules {
    /// What becomes of header names with an underscore.
    pub underscores: Underscores,
    /// Names with an underscore, in capitals, that a trusted peer may send all the same. SCRIPT_NAME among them is the
    /// prefix the application is mounted at.
    pub forwarder: Vec<String>,
    /// Headers by which a trusted peer says that the client came by TLS: names in capitals, and the value that says so.
    pub secure_scheme: Vec<(String, String)>,
    /// Methods of unusual length or with lower-case letters are refused.
    pub conventional_methods: bool,
    /// Methods are turned to capitals.
    pub uppercase_methods: bool,
}

impl HeaderRules {
    /// Whether a trusted peer may send a header of this name, which is in capitals and has an underscore. `*` among
    /// the names means each of them.
    pub fn lets_forward(&self, name: &str) -> bool {
        self.forwarder.iter().any(|known| known == name || known == "*")
    }
}

impl Default for HeaderRules {
    fn default() -> Self {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        HeaderRules {
            underscores: Underscores::Drop,
            forwarder: Vec::new(),
            secure_scheme: vec![
                pair("X-FORWARDED-PROTOCOL", "ssl"),
                pair("X-FORWARDED-PROTO", "https"),
                pair("X-FORWARDED-SSL", "on"),
            ],
            conventional_methods: false,
            uppercase_methods: false,
        }
    }
}

/// What becomes of header names with an underscore, which an environ cannot tell from those with a dash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Underscores {
    /// The application does not see them.
    Drop,
    /// The request is refused.
    Refuse,
    /// The application sees them, whoever sent them.
    Keep,
}

/// Headers that the server adds to every answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddedHeaders {
    /// Date, where the application gives none.
    pub date: bool,
    /// Server, where the application gives none.
    pub server: bool,
    /// Others, as `Name: value` and line ends, ready to be sent.
    lines: String,
}

impl Default for AddedHeaders {
    fn default() -> Self {
        AddedHeaders {
            date: true,
            server: true,
            lines: String::new(),
        }
    }
}

impl AddedHeaders {
    /// Adds a header. One called Server takes the place of the server's own.
    ///
    /// # Errors
    /// When the name is no token or the value has a control character.
    pub fn push(&mut self, name: &str, value: &str) -> Result<(), String> {
        let (name, value) = (name.trim(), value.trim());
        let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        if name.is_empty() || !name.chars().all(is_token) {
            return Err(format!("'{name}' is not the name of a header"));
        }
        if value.chars().any(|c| c.is_control() && c != '\t') {
            return Err(format!("the value of the header {name} has a control character"));
        }
        self.server &= !name.eq_ignore_ascii_case("server");
        self.date &= !name.eq_ignore_ascii_case("date");
        self.lines.push_str(&format!("{name}: {value}\r\n"));
        Ok(())
    }

    /// All of them in wire form.
    pub fn lines(&self) -> &str {
        &self.lines
    }
}
