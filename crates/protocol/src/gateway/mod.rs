//! The wires between a web server and an application server: uwsgi, SCGI and FastCGI.
//!
//! All three carry a request as CGI variables (RFC 3875) and its body behind them, and want an answer that looks like
//! CGI's or HTTP's. What the variables mean is decided once, in `variables`; what may be sent, once, in `answer`; the
//! codecs only know their framing.
//!
//! Left out: whether the peer may speak to us at all. That is the worker's allow list.

mod answer;
pub mod fastcgi;
mod one_request;
mod scgi;
mod uwsgi;
mod variables;

pub use answer::FirstLine;
pub use one_request::OneRequest;
pub use uwsgi::packet as uwsgi_packet;
