use std::error::Error as _;

use super::Error;

/// The messages of an error's causes, outermost first, without the error's own.
pub fn causes(error: &Error) -> Vec<String> {
    let mut texts = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        // Transparent wrappers repeat their inner message; once is enough.
        if texts.last() != Some(&text) {
            texts.push(text);
        }
        next = cause.source();
    }
    texts
}
