//! Splits GUNICORN_CMD_ARGS into arguments as a shell does, without expanding anything.

/// The arguments in a text: separated by white space; quotes and backslashes as in POSIX shells.
pub(super) fn split(text: &str) -> Result<Vec<String>, &'static str> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            c if c.is_whitespace() => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match characters.next().ok_or("No closing quotation")? {
                        '\'' => break,
                        c => word.push(c),
                    }
                }
            }
            '"' => double_quoted(&mut characters, word.get_or_insert_default())?,
            '\\' => word
                .get_or_insert_default()
                .push(characters.next().ok_or("No escaped character")?),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

fn double_quoted(characters: &mut std::str::Chars<'_>, word: &mut String) -> Result<(), &'static str> {
    loop {
        match characters.next().ok_or("No closing quotation")? {
            '"' => return Ok(()),
            '\\' => match characters.next().ok_or("No closing quotation")? {
                c @ ('"' | '\\') => word.push(c),
                c => word.extend(['\\', c]),
            },
            c => word.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_split_as_a_shell_splits_it() {
        for (text, expected) in [
            (
                "--bind=127.0.0.1 --workers=3",
                vec!["--bind=127.0.0.1", "--workers=3"],
            ),
            ("  -e 'A=b c' ", vec!["-e", "A=b c"]),
            (r#"-e "A=\"b\" \c" ''"#, vec!["-e", r#"A="b" \c"#, ""]),
            (r"a\ b", vec!["a b"]),
            ("", vec![]),
        ] {
            assert_eq!(split(text).expect(text), expected, "{text}");
        }
        assert!(split("'a").is_err());
        assert!(split("\"a").is_err());
        assert!(split("a\\").is_err());
    }
}
