//! Where a command's output ends, in a stream that does not end with it.
//!
//! After each command the shell writes an end mark on both of its streams: `MARK nonce SPACE number SPACE letter NEWLINE`,
//! in one write. What comes before it is the command's output, byte by byte. The nonce is new for every command, and the
//! command cannot know it, so nothing that it writes can be taken for the mark.

use super::nonce::Nonce;

/// Begins an end mark. Rare in output, so that looking for it costs little.
pub const MARK: u8 = 1;
/// The longest tail of a mark: a number, a letter, what separates them.
const LONGEST_TAIL: usize = 24;

/// What the shell says at the end of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// The exit status; for the first mark of a shell, its process id.
    pub number: u32,
    pub letter: u8,
}

/// Finds the end mark in one stream, however it is cut into pieces.
pub struct Scanner {
    start: Vec<u8>,
    /// What may be the beginning of the mark.
    held: Vec<u8>,
    end: Option<End>,
}

impl Scanner {
    pub fn new(nonce: &Nonce) -> Self {
        let mut start = vec![MARK];
        start.extend_from_slice(nonce.as_bytes());
        start.push(b' ');
        Self { start, held: Vec::new(), end: None }
    }

    pub fn end(&self) -> Option<End> {
        self.end
    }

    /// Takes the next bytes of the stream and hands the command's own on to `output`. Once the mark is found, everything is
    /// output: only a child that outlived its command still writes.
    pub fn push<E>(&mut self, data: &[u8], mut output: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        if self.end.is_some() {
            return output(data);
        }
        if self.held.is_empty() {
            return self.scan(data, &mut output);
        }
        let mut joined = std::mem::take(&mut self.held);
        joined.extend_from_slice(data);
        self.scan(&joined, &mut output)
    }

    /// What was held back, once nothing more comes: it was no mark.
    pub fn finish(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.held)
    }

    fn scan<E>(&mut self, data: &[u8], output: &mut impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        let mut from = 0;
        while let Some(at) = data.get(from..).and_then(|rest| rest.iter().position(|byte| *byte == MARK)) {
            let at = from + at;
            let (before, candidate) = data.split_at(at);
            match self.judge(candidate) {
                Judged::Other => from = at + 1,
                Judged::Unfinished => {
                    self.held.extend_from_slice(candidate);
                    return give(before, output);
                }
                Judged::Mark(end, length) => {
                    self.end = Some(end);
                    give(before, output)?;
                    return give(candidate.get(length..).unwrap_or_default(), output);
                }
            }
        }
        give(data, output)
    }

    fn judge(&self, candidate: &[u8]) -> Judged {
        let known = candidate.len().min(self.start.len());
        if candidate.get(..known) != self.start.get(..known) {
            return Judged::Other;
        }
        let tail = candidate.get(self.start.len()..).unwrap_or_default();
        match tail.iter().take(LONGEST_TAIL).position(|byte| *byte == b'\n') {
            Some(length) => match tail.get(..length).and_then(parse) {
                Some(end) => Judged::Mark(end, self.start.len() + length + 1),
                None => Judged::Other,
            },
            None if tail.len() < LONGEST_TAIL => Judged::Unfinished,
            None => Judged::Other,
        }
    }
}

enum Judged {
    Mark(End, usize),
    /// More bytes will tell.
    Unfinished,
    Other,
}

fn give<E>(data: &[u8], output: &mut impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
    if data.is_empty() { Ok(()) } else { output(data) }
}

/// `number SPACE letter`; terminals put a return before the newline.
fn parse(tail: &[u8]) -> Option<End> {
    let text = std::str::from_utf8(tail).ok()?;
    let text = text.strip_suffix('\r').unwrap_or(text);
    let (number, letter) = text.split_once(' ')?;
    match letter.as_bytes() {
        [letter] => Some(End { number: number.parse().ok()?, letter: *letter }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WORD: &str = "0123456789abcdef0123456789abcdef";

    /// Feeds `stream` in pieces cut at `cuts`.
    fn scan(stream: &[u8], cuts: &[usize]) -> (Vec<u8>, Option<End>) {
        let mut scanner = Scanner::new(&Nonce::known(WORD));
        let mut seen = Vec::new();
        let mut points: Vec<usize> = cuts.iter().map(|cut| cut % (stream.len() + 1)).collect();
        points.extend([0, stream.len()]);
        points.sort_unstable();
        for pair in points.windows(2) {
            let Ok(()) = scanner.push(&stream[pair[0]..pair[1]], |bytes| {
                seen.extend_from_slice(bytes);
                Ok::<(), std::convert::Infallible>(())
            });
        }
        seen.extend(scanner.finish());
        (seen, scanner.end())
    }

    fn mark(word: &str, status: u32) -> Vec<u8> {
        [&[MARK], format!("{word} {status} c\n").as_bytes()].concat()
    }

    /// Output that knows how marks look, and everything of this one but its last letter.
    fn hostile() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..40),
            Just(vec![MARK]),
            Just(mark("0123456789abcdef0123456789abcde0", 0)),
            (0..33usize).prop_map(|length| mark(WORD, 0)[..length].to_vec()),
        ];
        proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn output_and_status_survive_any_cutting(
            output in hostile(), after in hostile(), status: u32, cuts in proptest::collection::vec(any::<usize>(), 0..20),
        ) {
            let stream = [output.as_slice(), &mark(WORD, status), &after].concat();
            let (seen, end) = scan(&stream, &cuts);
            prop_assert_eq!(end, Some(End { number: status, letter: b'c' }));
            prop_assert_eq!(seen, [output, after].concat());
        }

        #[test]
        fn without_the_mark_everything_is_output(output in hostile(), cuts in proptest::collection::vec(any::<usize>(), 0..20)) {
            let (seen, end) = scan(&output, &cuts);
            prop_assert_eq!(end, None);
            prop_assert_eq!(seen, output);
        }
    }

    #[test]
    fn a_mark_whose_tail_makes_no_sense_is_output() {
        for tail in ["", "x c\n", "1 cc\n", "99999999999 c\n", "1\n", "111111111111111111111111111 c\n"] {
            let stream = [&[MARK], WORD.as_bytes(), b" ", tail.as_bytes(), &mark(WORD, 7)].concat();
            let (seen, end) = scan(&stream, &[3, 40]);
            assert_eq!(end, Some(End { number: 7, letter: b'c' }), "{tail}");
            assert_eq!(seen.len(), stream.len() - mark(WORD, 7).len(), "{tail}");
        }
    }
}
