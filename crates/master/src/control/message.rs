//! Messages of gunicorn's control protocol: a length of four bytes, the highest first, and that much JSON.
//!
//! A request is `{"id": 1, "command": "worker add", "args": [2]}`; its answer has the same id, and `"status": "ok"` with
//! `data`, or `"status": "error"` with `error`.

use serde_json::{Value, json};

/// Longest request: commands are a few words.
const LONGEST: usize = 64 << 10;
const PREFIX: usize = 4;

/// What a client asks.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Request {
    /// The client's number for it.
    pub(crate) id: Value,
    /// Its words, those of the command and the arguments.
    pub(crate) words: Vec<String>,
}

/// Takes a request that is complete from what has been received; `Err` when what was sent is no request.
pub(super) fn take(inbox: &mut Vec<u8>) -> Result<Option<Request>, ()> {
    let Some(prefix) = inbox.first_chunk::<PREFIX>() else {
        return Ok(None);
    };
    let length = u32::from_be_bytes(*prefix) as usize;
    if length > LONGEST {
        return Err(());
    }
    let Some(text) = inbox.get(PREFIX..PREFIX + length) else {
        return Ok(None);
    };
    let request = read(text);
    inbox.drain(..PREFIX + length);
    request.map(Some)
}

fn read(text: &[u8]) -> Result<Request, ()> {
    let Ok(Value::Object(mut fields)) = serde_json::from_slice(text) else {
        return Err(());
    };
    let command = match fields.get("command") {
        None => "",
        Some(Value::String(command)) => command,
        Some(_) => return Err(()),
    };
    let mut words: Vec<String> = command.split_whitespace().map(str::to_owned).collect();
    let arguments = fields.get("args").and_then(Value::as_array);
    words.extend(arguments.into_iter().flatten().map(|argument| match argument {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }));
    Ok(Request {
        id: fields.remove("id").unwrap_or_else(|| json!(0)),
        words,
    })
}

/// The answer to a request, framed.
pub(super) fn answer(request: &Request, result: Result<Value, String>) -> Vec<u8> {
    let answer = match result {
        Ok(data) => json!({"id": request.id, "status": "ok", "data": data}),
        Err(error) => json!({"id": request.id, "status": "error", "error": error}),
    };
    let text = answer.to_string().into_bytes();
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX); // answers are a few KiB
    [&length.to_be_bytes(), &text[..]].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(text: &str) -> Vec<u8> {
        [&(text.len() as u32).to_be_bytes(), text.as_bytes()].concat()
    }

    #[test]
    fn requests_are_taken_wherever_they_are_cut_and_whatever_follows() {
        let table = [
            (
                r#"{"id": 1, "command": "show workers", "args": []}"#,
                json!(1),
                vec!["show", "workers"],
            ),
            (
                r#"{"id": "a", "command": "worker add", "args": [2, "x"]}"#,
                json!("a"),
                vec!["worker", "add", "2", "x"],
            ),
            (r#"{"command": " reload "}"#, json!(0), vec!["reload"]),
            ("{}", json!(0), vec![]),
        ];
        for (text, id, words) in table {
            let bytes = framed(text);
            let mut inbox = Vec::new();
            for byte in &bytes {
                assert_eq!(take(&mut inbox), Ok(None), "{text}");
                inbox.push(*byte);
            }
            inbox.extend(framed("{}"));
            let words = words.into_iter().map(str::to_owned).collect();
            assert_eq!(take(&mut inbox), Ok(Some(Request { id, words })), "{text}");
            assert!(take(&mut inbox).is_ok_and(|next| next.is_some()));
            assert!(inbox.is_empty());
        }
    }

    #[test]
    fn what_is_no_request_ends_the_connection() {
        let long = [&(LONGEST as u32 + 1).to_be_bytes()[..], b"x"].concat();
        for mut inbox in [
            framed("[]"),
            framed("{"),
            framed("\u{0}"),
            framed(r#"{"command": 1}"#),
            long,
        ] {
            assert_eq!(take(&mut inbox), Err(()));
        }
    }

    #[test]
    fn an_answer_carries_the_requests_id() {
        let request = Request {
            id: json!(7),
            words: Vec::new(),
        };
        let ok = answer(&request, Ok(json!({"count": 1})));
        assert_eq!(ok, framed(r#"{"data":{"count":1},"id":7,"status":"ok"}"#));
        let error = answer(&request, Err("no".to_owned()));
        assert_eq!(error, framed(r#"{"error":"no","id":7,"status":"error"}"#));
    }
}
