//! A little JSON (RFC 8259), written only, in uWSGI's two shapes: indented with tabs, or without any space.

/// A value.
#[derive(Clone, Debug)]
pub(super) enum Json {
    Number(u64),
    Signed(i64),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl From<u64> for Json {
    fn from(number: u64) -> Json {
        Json::Number(number)
    }
}

impl From<u32> for Json {
    fn from(number: u32) -> Json {
        Json::Number(number.into())
    }
}

impl From<bool> for Json {
    /// uWSGI has 0 and 1 for it.
    fn from(value: bool) -> Json {
        Json::Number(value.into())
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Json {
        Json::Text(text.to_owned())
    }
}

impl From<Vec<Json>> for Json {
    fn from(items: Vec<Json>) -> Json {
        Json::List(items)
    }
}

/// An object, in the order given.
pub(super) fn object(members: impl IntoIterator<Item = (&'static str, Json)>) -> Json {
    Json::Object(
        members
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
    )
}

impl Json {
    /// As text; `minified` without any space.
    pub(super) fn render(&self, minified: bool) -> String {
        let mut out = String::new();
        self.push(&mut out, (!minified).then_some(0));
        out
    }

    fn push(&self, out: &mut String, depth: Option<usize>) {
        match self {
            Json::Number(number) => out.push_str(&number.to_string()),

            Json::Signed(number) => out.push_str(&number.to_string()),
            Json::Text(text) => push_string(out, text),
            Json::List(items) => push_items(out, depth, ['[', ']'], items, |out, item, depth| {
                item.push(out, depth);
            }),
            Json::Object(members) => {
                push_items(out, depth, ['{', '}'], members, |out, (name, value), depth| {
                    push_string(out, name);
                    out.push(':');
                    value.push(out, depth);
                })
            }
        }
    }
}

fn push_items<Item>(
    out: &mut String,
    depth: Option<usize>,
    [open, close]: [char; 2],
    items: &[Item],
    push: impl Fn(&mut String, &Item, Option<usize>),
) {
    let line = |out: &mut String, depth: Option<usize>| {
        if let Some(depth) = depth {
            out.push('\n');
            out.extend(std::iter::repeat_n('\t', depth));
        }
    };
    let inner = depth.map(|depth| depth + 1);
    out.push(open);
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        line(out, inner);
        push(out, item, inner);
    }
    if !items.is_empty() {
        line(out, depth);
    }
    out.push(close);
}

fn push_string(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            control if control < ' ' || control == '\u{7f}' => {
                out.push_str(&format!("\\u{:04x}", u32::from(control)));
            }
            other => out.push(other),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_shapes_hold_the_same() {
        let value = object([
            ("text", "a\"\\\n\u{7f}é".into()),
            ("list", vec![1_u32.into(), Json::List(vec![])].into()),
            ("nothing", object([])),
            ("on", true.into()),
        ]);
        let minified = r#"{"text":"a\"\\\u000a\u007fé","list":[1,[]],"nothing":{},"on":1}"#;
        assert_eq!(value.render(true), minified);
        let indented = "{\n\t\"text\":\"a\\\"\\\\\\u000a\\u007fé\",\n\t\"list\":[\n\t\t1,\n\t\t[]\n\t],\n\t\"nothing\":{},\n\t\"on\":1\n}";
        assert_eq!(value.render(false), indented);
    }
}
