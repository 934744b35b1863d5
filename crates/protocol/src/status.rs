//! Reason phrases of the registered status codes (IANA HTTP Status Code Registry, RFC 9110 15), and the sentences of
//! the server's own answers.
//!
//! Phrases are for people: clients go by the number. Applications that give only a number get the registered phrase.

/// The phrase registered for a status code; empty for one that is not registered.
pub fn reason_phrase(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        101 => "Switching Protocols",
        102 => "Processing",
        103 => "Early Hints",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        203 => "Non-Authoritative Information",
        204 => "No Content",
        205 => "Reset Content",
        206 => "Partial Content",
        207 => "Multi-Status",
        208 => "Already Reported",
        226 => "IM Used",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        305 => "Use Proxy",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Range Not Satisfiable",
        417 => "Expectation Failed",
        418 => "I'm a Teapot",
        421 => "Misdirected Request",
        422 => "Unprocessable Content",
        423 => "Locked",
        424 => "Failed Dependency",
        425 => "Too Early",
        426 => "Upgrade Required",
        428 => "Precondition Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        451 => "Unavailable For Legal Reasons",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        506 => "Variant Also Negotiates",
        507 => "Insufficient Storage",
        508 => "Loop Detected",
        510 => "Not Extended",
        511 => "Network Authentication Required",
        _ => "",
    }
}

/// The reason phrase and the sentence a client sees: kind, and silent about our insides.
pub fn explanation(status: u16) -> (&'static str, &'static str) {
    match status {
        400 => ("Bad Request", "The server could not understand this request.\n"),
        403 => ("Forbidden", "You are not allowed to see this.\n"),
        404 => ("Not Found", "There is nothing at this address.\n"),
        405 => (
            "Method Not Allowed",
            "This address does not answer to that method.\n",
        ),
        408 => (
            "Request Timeout",
            "The request did not arrive in time. Please try again.\n",
        ),
        413 => (
            "Content Too Large",
            "The request's body is larger than this server accepts.\n",
        ),
        414 => (
            "URI Too Long",
            "The request's address is longer than this server accepts.\n",
        ),
        417 => (
            "Expectation Failed",
            "The server cannot do what the request expects of it.\n",
        ),
        431 => (
            "Request Header Fields Too Large",
            "The request's headers are larger than this server accepts.\n",
        ),
        500 => (
            "Internal Server Error",
            "Something went wrong on the server. We are sorry.\n",
        ),
        501 => ("Not Implemented", "The server does not know how to do this.\n"),
        502 => ("Bad Gateway", "The application gave no usable answer.\n"),
        503 => (
            "Service Unavailable",
            "The server cannot answer just now. Please try again soon.\n",
        ),
        504 => ("Gateway Timeout", "The application did not answer in time.\n"),
        505 => (
            "HTTP Version Not Supported",
            "This server speaks HTTP/1.0 and HTTP/1.1 here.\n",
        ),
        _ => ("Error", "The request could not be served.\n"),
    }
}
