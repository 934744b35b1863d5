//! XML configurations: `<uwsgi><option>value</option><flag/></uwsgi>`. A flag is `1`, the text is not trimmed, the attribute
//! `id` names a section; `<app mountpoint="/x"><script>module</script></app>` is `mount = /x=module`.

use roxmltree::{Document, Node};

use super::formats::{Misread, Pair};

/// The pairs of one section; `None` when the text has no such section. Empty: the first `uwsgi` element.
pub(super) fn section(text: &str, wanted: &str) -> Result<Option<Vec<Pair>>, Misread> {
    let document = Document::parse(text).map_err(|error| {
        let line = usize::try_from(error.pos().row).unwrap_or(1);
        Misread::at(line, error.to_string())
    })?;
    let root = document.descendants().find(|node| {
        node.has_tag_name("uwsgi") && (wanted.is_empty() || node.attribute("id") == Some(wanted))
    });
    let Some(root) = root else { return Ok(None) };
    root.children()
        .filter(Node::is_element)
        .map(|node| pair(&document, node))
        .collect::<Result<_, _>>()
        .map(Some)
}

fn pair(document: &Document<'_>, node: Node<'_, '_>) -> Result<Pair, Misread> {
    let line = usize::try_from(document.text_pos_at(node.range().start).row).unwrap_or(1);
    let name = node.tag_name().name();
    if name == "app" {
        let script = node
            .children()
            .find(|child| matches!(child.tag_name().name(), "script" | "module"));
        let script = script
            .and_then(|script| script.text())
            .map(str::trim)
            .unwrap_or_default();
        if script.is_empty() {
            return Err(Misread::at(line, "<app> has no <script> that names its module"));
        }
        let point = node.attribute("mountpoint").unwrap_or("/");
        return Ok(Pair {
            key: "mount".to_owned(),
            value: format!("{point}={script}"),
            line,
        });
    }
    if node.children().any(|child| child.is_element()) {
        return Err(Misread::at(
            line,
            format!("<{name}> has elements inside: an option has a text or nothing"),
        ));
    }
    let value = node.text().unwrap_or("1").to_owned();
    Ok(Pair {
        key: name.to_owned(),
        value,
        line,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_flags_and_apps_are_read() {
        let text = "<all>\n<uwsgi>\n  <socket>:1</socket>\n  <master/>\n  <app mountpoint=\"/x\">\n<script> m </script></app>\n\
                    </uwsgi>\n<uwsgi id=\"b\"><chdir> /a</chdir></uwsgi></all>";
        let read = |wanted| {
            let pairs = section(text, wanted).expect("it can be read").unwrap_or_default();
            pairs
                .into_iter()
                .map(|pair| (pair.key, pair.value, pair.line))
                .collect::<Vec<_>>()
        };
        let row = |key: &str, value: &str, line| (key.to_owned(), value.to_owned(), line);
        assert_eq!(
            read(""),
            [
                row("socket", ":1", 3),
                row("master", "1", 4),
                row("mount", "/x=m", 5)
            ]
        );
        assert_eq!(read("b"), [row("chdir", " /a", 8)]);
        assert!(matches!(section(text, "c"), Ok(None)));
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_its_line() {
        for (text, line) in [
            ("", 1),
            ("<uwsgi>\n<a>1</b></uwsgi>", 2),
            ("<uwsgi>\n<a><b/></a></uwsgi>", 2),
            ("<uwsgi>\n\n<app/></uwsgi>", 3),
        ] {
            assert_eq!(section(text, "").expect_err(text).line, line, "{text}");
        }
    }
}
