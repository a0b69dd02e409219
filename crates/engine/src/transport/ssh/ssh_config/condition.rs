use super::line::word;
use super::pattern::matches_list;
use super::problem::Problem;

/// What the criteria of a `Match` are held against.
pub struct Facts<'a> {
    pub host: &'a str,
    pub original: &'a str,
    pub user: &'a str,
    pub local_user: &'a str,
    /// This is the second pass.
    pub last_pass: bool,
}

/// The answer to a `Match` line.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    pub holds: bool,
    /// It asks for a second pass.
    pub wants_last_pass: bool,
}

/// Judges the criteria of a `Match` line. `exec` runs a command and answers whether it succeeded, `None` if
/// it must not; it is asked only when everything before it held.
pub fn judge(
    text: &str,
    facts: &Facts<'_>,
    exec: &mut dyn FnMut(&str) -> Result<Option<bool>, Problem>,
) -> Result<Verdict, Problem> {
    let mut verdict = Verdict { holds: true, wants_last_pass: false };
    let mut criteria = Criteria { rest: Some(text) };
    let mut count = 0;
    while let Some(criterion) = criteria.next()? {
        let (negated, name) = match criterion.strip_prefix('!') {
            Some(name) => (true, name),
            None => (false, criterion.as_str()),
        };
        let name = name.to_ascii_lowercase();
        if name == "all" {
            if count > 1 || criteria.next()?.is_some() {
                return Err("'all' must stand alone".to_owned());
            }
            verdict.holds &= !negated;
            return Ok(verdict);
        }
        count += 1;
        let met = match name.as_str() {
            "final" | "canonical" => {
                verdict.wants_last_pass |= name == "final";
                facts.last_pass
            }
            _ => {
                let value = criteria.next()?.ok_or_else(|| format!("'{name}' needs an argument"))?;
                match known(&name, &value, facts)? {
                    Some(met) => met,
                    None if name == "exec" && verdict.holds => exec(&value)?.unwrap_or(negated),
                    // What is not asked for holds in neither form.
                    None => negated,
                }
            }
        };
        verdict.holds &= met != negated;
    }
    if count == 0 {
        return Err("'Match' needs a criterion".to_owned());
    }
    Ok(verdict)
}

/// `None`: not to be known from the facts.
fn known(name: &str, value: &str, facts: &Facts<'_>) -> Result<Option<bool>, Problem> {
    let lower = value.to_ascii_lowercase();
    Ok(Some(match name {
        "host" => matches_list(&facts.host.to_ascii_lowercase(), &lower),
        "originalhost" => matches_list(&facts.original.to_ascii_lowercase(), &lower),
        "user" => matches_list(facts.user, value),
        "localuser" => matches_list(facts.local_user, value),
        // About a session or a network, which we know nothing of here.
        "exec" | "localnetwork" | "tagged" | "command" | "sessiontype" | "version" => return Ok(None),
        _ => return Err(format!("'Match' knows no '{name}'")),
    }))
}

/// The words of the line up to a comment.
struct Criteria<'a> {
    rest: Option<&'a str>,
}

impl Criteria<'_> {
    fn next(&mut self) -> Result<Option<String>, Problem> {
        let Some(rest) = self.rest else { return Ok(None) };
        let Some((next, rest)) = word(rest) else {
            // As ssh does: a quote that is never closed ends the line. The parser has refused those it can tell.
            self.rest = None;
            return Ok(None);
        };
        self.rest = rest;
        if next.is_empty() || next.starts_with('#') {
            self.rest = None;
            return Ok(None);
        }
        Ok(Some(next))
    }
}
