/// What separates a keyword from its arguments, besides one `=`.
const BLANK: [char; 4] = [' ', '\t', '\r', '\n'];
/// Also allowed at the end of a line, and only there.
const BLANK_AT_END: [char; 5] = [' ', '\t', '\r', '\n', '\u{c}'];

/// The next word of a line and what follows it. A word ends at a blank or at one `=`; a part of it in double quotes may hold
/// both. `None`: a quote is never closed.
pub fn word(text: &str) -> Option<(String, Option<&str>)> {
    let Some(at) = text.find([' ', '\t', '\r', '\n', '"', '=']) else { return Some((text.to_owned(), None)) };
    let (head, tail) = text.split_at(at);
    if let Some(quoted) = tail.strip_prefix('"') {
        let (inside, rest) = quoted.split_once('"')?;
        return Some((format!("{head}{inside}"), Some(rest.trim_start_matches(BLANK))));
    }
    if let Some(rest) = tail.strip_prefix('=') {
        return Some((head.to_owned(), Some(rest.trim_start_matches(BLANK))));
    }
    let rest = tail.trim_start_matches(BLANK);
    Some((head.to_owned(), Some(rest.strip_prefix('=').unwrap_or(rest).trim_start_matches(BLANK))))
}

/// A line's keyword in lower case, and the rest. `None` for empty lines, comments and what `ssh` silently passes over.
pub fn keyword(line: &str) -> Option<(String, Option<&str>)> {
    let line = line.trim_end_matches(BLANK_AT_END);
    let (mut keyword, mut rest) = word(line)?;
    if keyword.is_empty() {
        (keyword, rest) = word(rest?)?;
    }
    if keyword.is_empty() || keyword.starts_with('#') {
        return None;
    }
    Some((keyword.to_ascii_lowercase(), rest.filter(|rest| !rest.is_empty())))
}

/// The arguments of a line, as a shell would split them: both kinds of quotes, a few escapes, a comment at the end.
/// `None`: a quote is never closed.
pub fn arguments(text: &str) -> Option<Vec<String>> {
    let mut arguments = Vec::new();
    let mut chars = text.chars().peekable();
    loop {
        while chars.next_if(|c| matches!(c, ' ' | '\t')).is_some() {}
        match chars.peek() {
            None | Some('#') => return Some(arguments),
            Some(_) => arguments.push(argument(&mut chars)?),
        }
    }
}

fn argument(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<String> {
    let mut argument = String::new();
    let mut quote: Option<char> = None;
    while let Some(c) = chars.next() {
        match (c, quote) {
            ('\\', _) => {
                let escaped = |next: &char| matches!(next, '\'' | '"' | '\\') || (quote.is_none() && *next == ' ');
                argument.push(chars.next_if(escaped).unwrap_or('\\'));
            }
            (' ' | '\t', None) => return Some(argument),
            ('"' | '\'', None) => quote = Some(c),
            (_, Some(open)) if c == open => quote = None,
            _ => argument.push(c),
        }
    }
    quote.is_none().then_some(argument)
}
