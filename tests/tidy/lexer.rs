//! Just enough of Rust's grammar to tell code from comments and strings.

/// Code with comments, strings and character literals blanked out; line breaks stay where they are.
pub(crate) fn without_comments_and_strings(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut kept = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let end = skipped_to(bytes, at);
        if end == at {
            kept.push(bytes[at]);
            at += 1;
        } else {
            kept.extend(bytes[at..end].iter().map(|&b| if b == b'\n' { b'\n' } else { b' ' }));
            at = end;
        }
    }
    String::from_utf8_lossy(&kept).into_owned()
}

/// Where the comment, string or character that starts at `at` ends; `at` if none starts there.
fn skipped_to(bytes: &[u8], at: usize) -> usize {
    let rest = &bytes[at..];
    if rest.starts_with(b"//") {
        return at + rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len());
    }
    if rest.starts_with(b"/*") {
        return at
            + rest.windows(2).position(|pair| pair == b"*/").map_or(rest.len(), |end| end + 2);
    }
    let after_word = at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_');
    if rest[0] == b'r' && (!after_word || bytes[at - 1] == b'b') {
        let hashes = rest[1..].iter().take_while(|&&b| b == b'#').count();
        if rest.get(1 + hashes) == Some(&b'"') {
            let close: Vec<u8> = [b"\"".as_slice(), &b"#".repeat(hashes)].concat();
            let body = &rest[2 + hashes..];
            let end = body.windows(close.len()).position(|window| window == close);
            return end.map_or(bytes.len(), |end| at + 2 + hashes + end + close.len());
        }
    }
    match rest[0] {
        b'"' => at + 1 + quoted_length(&rest[1..], b'"'),
        // 'x' and '\n' are characters, 'a without a closing quote is a lifetime.
        b'\'' if rest.get(1) == Some(&b'\\') => {
            at + 3 + quoted_length(rest.get(3..).unwrap_or(&[]), b'\'')
        }
        b'\'' if rest.get(2) == Some(&b'\'') => at + 3,
        _ => at,
    }
}

fn quoted_length(body: &[u8], quote: u8) -> usize {
    let mut at = 0;
    while at < body.len() {
        match body[at] {
            b'\\' => at += 2,
            b if b == quote => return at + 1,
            _ => at += 1,
        }
    }
    body.len()
}

#[test]
fn the_lexer_keeps_code_and_drops_the_rest() {
    let text = "a '\"' b \"x\\\"y\" c r#\"z\"# d // e\nf /* g */ h 'i: loop {} '\\'' j";
    let words = without_comments_and_strings(text);
    let words: Vec<&str> = words.split_whitespace().collect();
    assert_eq!(words, ["a", "b", "c", "d", "f", "h", "'i:", "loop", "{}", "j"]);
}
