/// `*` stands for any text, `?` for one character. Takes time proportional to the product of the lengths, whatever the pattern.
pub fn matches(text: &str, pattern: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    // `reached[i]`: the pattern so far matches the first `i` characters.
    let mut reached = vec![false; text.len() + 1];
    if let Some(first) = reached.first_mut() {
        *first = true;
    }
    for wanted in pattern.chars() {
        let mut next = Vec::with_capacity(reached.len());
        if wanted == '*' {
            let mut any = false;
            next.extend(reached.iter().map(|here| {
                any |= here;
                any
            }));
        } else {
            next.push(false);
            next.extend(reached.iter().zip(&text).map(|(here, c)| *here && (wanted == '?' || wanted == *c)));
        }
        reached = next;
    }
    reached.last().copied().unwrap_or(false)
}

/// A list with commas: one of its patterns matches, and none that begins with `!` does.
pub fn matches_list(text: &str, list: &str) -> bool {
    let mut found = false;
    for pattern in list.split(',') {
        match pattern.strip_prefix('!') {
            Some(pattern) if matches(text, pattern) => return false,
            Some(_) => {}
            None => found |= matches(text, pattern),
        }
    }
    found
}

/// The arguments of `Host`: as a list, but the first negated match decides.
pub fn matches_any(text: &str, patterns: &[String]) -> bool {
    let mut found = false;
    for pattern in patterns {
        match pattern.strip_prefix('!') {
            Some(pattern) if matches(text, pattern) => return false,
            Some(_) => {}
            None => found |= matches(text, pattern),
        }
    }
    found
}
