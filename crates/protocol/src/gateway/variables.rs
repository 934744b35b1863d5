//! From the CGI variables of a request to its `RequestHead` (RFC 3875, 4.1).
//!
//! Rules: variables stay as they came, in order, for those who want an environment; what the server itself has to know
//! is read from them once. Where a name comes twice the last one counts, as in uWSGI and PHP, so that head and
//! environment agree. `HTTP_*` variables are header fields too: lower case, with dashes. A variable never makes the
//! server load, open or set anything: those that would under uWSGI are pointed out, and are data.

use crate::refusal::Refusal;
use crate::request::{BodyLength, FieldSpan, RequestHead, Span, Version, percent_encode};
use crate::syntax;

/// Variables of one request, at the most.
pub(super) const MOST: usize = 1000;

/// The longest method, as for HTTP.
const LONGEST_METHOD: usize = 32;

/// What an absent or empty CONTENT_LENGTH means.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum WithoutLength {
    /// There is no body.
    NoBody,
    /// The wire itself shows where the body ends.
    Framed,
}

/// Where in the arena the variables are that the server reads.
#[derive(Default)]
struct Known {
    method: Option<Span>,
    request_uri: Option<Span>,
    document_uri: Option<Span>,
    path_info: Option<Span>,
    script_name: Option<Span>,
    script_filename: Option<Span>,
    server_software: Option<Span>,
    query: Option<Span>,
    content_length: Option<Span>,
}

/// Appends a variable that stands in `head.text`.
pub(super) fn push(head: &mut RequestHead, name: Span, value: Span) -> Result<(), Refusal> {
    if head.variables.len() == MOST {
        return Err(Refusal::TooManyVariables);
    }
    head.variables.push(FieldSpan { name, value });
    Ok(())
}

/// Completes a head whose variables have been read, and empties what HTTP calls fields before.
pub(super) fn settle(
    head: &mut RequestHead,
    without_length: WithoutLength,
    limit: Option<u64>,
) -> Result<(), Refusal> {
    let known = read(head)?;
    head.method = known
        .method
        .filter(|method| (1..=LONGEST_METHOD as u32).contains(&method.length))
        .filter(|method| syntax::is_token(method.of(&head.text)))
        .ok_or(Refusal::MethodSyntax)?;
    let length = known.content_length.map(|span| span.of(&head.text));
    head.body_length = match length {
        None | Some(b"") if without_length == WithoutLength::Framed => BodyLength::Chunked,
        None | Some(b"") => BodyLength::None,
        Some(digits) => BodyLength::Known(syntax::decimal(digits).ok_or(Refusal::ContentLengthSyntax)?),
    };
    if let BodyLength::Known(bytes) = head.body_length
        && limit.is_some_and(|limit| bytes > limit)
    {
        return Err(Refusal::BodyTooLarge);
    }
    settle_path(head, &known)
}

fn read(head: &mut RequestHead) -> Result<Known, Refusal> {
    let mut known = Known::default();
    for index in 0..head.variables.len() {
        let FieldSpan { name, value } = head.variables[index];
        let text = name.of(&head.text);
        if text.starts_with(b"HTTP_") {
            push_field(head, name, value)?;
            continue;
        }
        match text {
            b"REQUEST_METHOD" => known.method = Some(value),
            b"REQUEST_URI" => known.request_uri = Some(value),
            b"DOCUMENT_URI" => known.document_uri = Some(value),
            b"PATH_INFO" => known.path_info = Some(value),
            b"SCRIPT_NAME" => known.script_name = Some(value),
            b"SCRIPT_FILENAME" => known.script_filename = Some(value),
            b"SERVER_SOFTWARE" => known.server_software = Some(value),
            b"REMOTE_ADDR" => head.client = Some(value),
            b"REMOTE_PORT" => head.client_port = Some(value),
            b"QUERY_STRING" => known.query = Some(value),
            b"CONTENT_LENGTH" => {
                known.content_length = Some(value);
                push_content(head, b"content-length", value);
            }
            b"CONTENT_TYPE" => push_content(head, b"content-type", value),
            b"SERVER_PROTOCOL" if value.of(&head.text) == b"HTTP/1.0" => head.version = Version::Http10,
            b"SERVER_PROTOCOL" => head.version = Version::Http11,
            b"HTTPS" => head.https = Some(value),
            b"UWSGI_SCHEME" => head.scheme = Some(value),
            // It chooses among the applications that are mounted, and loads none.
            b"UWSGI_ROUTER" | b"UWSGI_APPID" => {}
            _ if text.starts_with(b"UWSGI_") => head.instruction = Some(name),
            _ => {}
        }
    }
    Ok(known)
}

/// `HTTP_USER_AGENT` is the field `user-agent`. What frames a message on the web server's other side says nothing about
/// this one, and the web server repeats the content's type and length under their own names.
fn push_field(head: &mut RequestHead, name: Span, value: Span) -> Result<(), Refusal> {
    let plain = &name.of(&head.text)[b"HTTP_".len()..];
    let framing: [&[u8]; 4] = [b"CONTENT_LENGTH", b"CONTENT_TYPE", b"TRANSFER_ENCODING", b"PROXY"];
    if framing.contains(&plain) || !syntax::is_token(plain) {
        return Ok(());
    }
    if !syntax::is_field_value(value.of(&head.text)) {
        return Err(Refusal::ValueControl);
    }
    let (start, length) = (head.text.len(), plain.len());
    let from = name.start as usize + b"HTTP_".len();
    head.text.extend_from_within(from..from + length);
    for byte in &mut head.text[start..] {
        *byte = if *byte == b'_' {
            b'-'
        } else {
            byte.to_ascii_lowercase()
        };
    }
    let name = Span::new(start, length);
    if name.of(&head.text) == b"host" {
        // Web servers' configurations add a HTTP_HOST of their own to one that is there: the last one counts.
        if head.host.replace(value).is_some() {
            let text = &head.text;
            head.fields.retain(|field| field.name.of(text) != b"host");
        }
    }
    head.fields.push(FieldSpan { name, value });
    Ok(())
}

fn push_content(head: &mut RequestHead, name: &[u8], value: Span) {
    if value.length > 0 {
        let name = append(head, name);
        head.fields.push(FieldSpan { name, value });
    }
}

/// Target, path and query, whichever of the variables are there.
///
/// nginx's own lists for FastCGI and SCGI, and Apache's mod_proxy_fcgi, name no PATH_INFO: there the whole path is in DOCUMENT_URI or SCRIPT_NAME, and
/// an application mounted nowhere wants it as PATH_INFO.
fn settle_path(head: &mut RequestHead, known: &Known) -> Result<(), Refusal> {
    let uri = known
        .request_uri
        .filter(|uri| matches!(uri.of(&head.text), [b'/', ..] | b"*"));
    let path_end = uri.map(|uri| {
        let text = uri.of(&head.text);
        memchr::memchr(b'?', text).unwrap_or(text.len())
    });

    let whole = known
        .document_uri
        .or(known.script_name)
        .filter(|span| span.length > 0);
    match (known.path_info, whole, uri.zip(path_end)) {
        (Some(path), _, _) => {
            head.path_info = Some(path);
            head.script_name = known.script_name;
        }
        (None, Some(script), _) if is_program(head, known) => {
            let name = append(head, b"PATH_INFO");
            let value = Span::default();
            head.variables.push(FieldSpan { name, value });
            head.path_info = Some(value);
            head.script_name = Some(script);
        }
        (None, Some(whole), _) => complete(head, whole),
        (None, None, Some((uri, end))) => {
            let mut decoded = Vec::new();
            crate::percent_decode(&uri.of(&head.text)[..end], &mut decoded);
            let path = append(head, &decoded);
            complete(head, path);
        }
        (None, None, None) => return Err(Refusal::PathMissing),
    }

    head.query = match (known.query, uri.zip(path_end)) {
        (Some(query), _) => query,
        (None, Some((uri, end))) if end < uri.length as usize => {
            let query = Span::new(uri.start as usize + end + 1, uri.length as usize - end - 1);
            let name = append(head, b"QUERY_STRING");
            head.variables.push(FieldSpan { name, value: query });
            query
        }
        _ => Span::default(),
    };
    match uri.zip(path_end) {
        Some((uri, end)) => {
            head.target = uri;
            head.path = Span::new(uri.start as usize, end);
        }
        None => write_target(head),
    }
    Ok(())
}

/// Whether Apache has started this as a program (mod_fcgid): SCRIPT_NAME is then where the program is, and without PATH_INFO
/// there is nothing behind it (RFC 3875 4.1.5). Its proxies name no file.
fn is_program(head: &RequestHead, known: &Known) -> bool {
    let begins =
        |span: Option<Span>, start: &[u8]| span.is_some_and(|span| span.of(&head.text).starts_with(start));
    known.document_uri.is_none()
        && begins(known.server_software, b"Apache")
        && begins(known.script_filename, b"/")
}

/// The whole path is PATH_INFO, and the variables shall say so.
fn complete(head: &mut RequestHead, path: Span) {
    let name = append(head, b"PATH_INFO");
    head.variables.push(FieldSpan { name, value: path });
    let name = append(head, b"SCRIPT_NAME");
    let value = Span::default();
    head.variables.push(FieldSpan { name, value });
    head.path_info = Some(path);
    head.script_name = None;
}

/// The target as a client would have sent it, from what the web server has decoded.
fn write_target(head: &mut RequestHead) {
    let start = head.text.len();
    let mut decoded = Vec::new();
    head.decoded_path(&mut decoded);
    if !decoded.starts_with(b"/") {
        head.text.push(b'/');
    }
    percent_encode(&decoded, &mut head.text);
    head.path = Span::new(start, head.text.len() - start);
    if head.query.length > 0 {
        head.text.push(b'?');
        let query = head.query.start as usize;
        head.text
            .extend_from_within(query..query + head.query.length as usize);
    }
    head.target = Span::new(start, head.text.len() - start);
}

fn append(head: &mut RequestHead, text: &[u8]) -> Span {
    let start = head.text.len();
    head.text.extend_from_slice(text);
    Span::new(start, text.len())
}
