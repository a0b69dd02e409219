use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::core::Ticket;

/// A caller's place: higher priority first, then first come, first served.
///
/// A command that the server refused keeps its place, so it goes back to the front of its priority.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    priority: Reverse<i32>,
    ticket: Ticket,
}

impl Place {
    pub fn new(priority: i32, ticket: Ticket) -> Self {
        Self { priority: Reverse(priority), ticket }
    }

    pub fn ticket(self) -> Ticket {
        self.ticket
    }
}

/// Callers that wait for a permit of one key.
#[derive(Debug)]
pub struct WaitQueue<W> {
    waiting: BTreeMap<Place, W>,
}

impl<W> Default for WaitQueue<W> {
    fn default() -> Self {
        Self { waiting: BTreeMap::new() }
    }
}

impl<W> WaitQueue<W> {
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub fn push(&mut self, place: Place, waiter: W) {
        self.waiting.insert(place, waiter);
    }

    pub fn pop_front(&mut self) -> Option<(Place, W)> {
        self.waiting.pop_first()
    }

    pub fn remove(&mut self, place: Place) -> Option<W> {
        self.waiting.remove(&place)
    }

    /// Everybody, front first; the queue is empty afterwards.
    pub fn drain(&mut self) -> impl Iterator<Item = (Place, W)> + use<W> {
        std::mem::take(&mut self.waiting).into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn priority_first_then_first_come() {
        let mut queue = WaitQueue::default();
        for (priority, ticket) in [(0, 1), (5, 2), (0, 3), (5, 4), (-1, 5)] {
            queue.push(Place::new(priority, ticket), ());
        }
        let order: Vec<Ticket> = std::iter::from_fn(|| queue.pop_front()).map(|(place, ())| place.ticket()).collect();
        assert_eq!(order, [2, 4, 1, 3, 5]);
    }

    #[test]
    fn a_refused_command_returns_to_the_front_of_its_priority() {
        let mut queue = WaitQueue::default();
        let first = Place::new(0, 1);
        queue.push(first, ());
        queue.push(Place::new(0, 2), ());
        let (place, ()) = queue.pop_front().unwrap();
        queue.push(place, ());
        assert_eq!(queue.pop_front().unwrap().0, first);
    }
}
