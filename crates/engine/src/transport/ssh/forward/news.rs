use std::collections::VecDeque;

use parking_lot::Mutex;

use super::address::Address;
use crate::error::Error;

/// What a forward has to tell.
#[derive(Debug, Clone)]
pub enum News {
    /// A client came, from where (where that is known), and was connected.
    Connected { from: Option<(String, u16)>, to: Address },
    /// A client came and its other end could not be reached; or something else of that size.
    Failed(Error),
    /// The connection to the server was lost.
    Reconnecting,
    /// It was made again.
    Reconnected,
    /// The last word: closed by its owner, or by an error.
    Closed(Option<Error>),
}

/// News that may wait to be fetched. Beyond that the oldest go: nobody fetches.
const CAPACITY: usize = 4_096;

type Wake = Box<dyn Fn() + Send + Sync>;

/// News on their way out.
#[derive(Default)]
pub struct Outlet {
    waiting: Mutex<VecDeque<News>>,
    wake: Mutex<Listener>,
    /// Nobody will ever fetch them.
    unheard: bool,
}

/// Who is to be woken.
#[derive(Default)]
enum Listener {
    #[default]
    NotYet,
    Here(Wake),
    /// The last word is said, and whoever was to be woken for it has been let go.
    NoMore,
}

impl Outlet {
    /// Of what nobody asks: only the log is told.
    pub fn unheard() -> Self {
        Self { unheard: true, ..Self::default() }
    }

    /// `wake` is called after each piece of news, and at once if there is some.
    pub fn set_wake(&self, wake: Wake) {
        let mut listener = self.wake.lock();
        if !self.waiting.lock().is_empty() {
            wake();
        }
        if !matches!(*listener, Listener::NoMore) {
            *listener = Listener::Here(wake);
        }
    }

    pub fn tell(&self, news: News) {
        if self.unheard {
            return tracing::debug!(?news, "of a forward of somebody else's");
        }
        let last = matches!(news, News::Closed(_));
        let mut waiting = self.waiting.lock();
        if waiting.len() >= CAPACITY {
            waiting.pop_front();
        }
        waiting.push_back(news);
        drop(waiting);
        let mut listener = self.wake.lock();
        if let Listener::Here(wake) = &*listener {
            wake();
        }
        if last {
            *listener = Listener::NoMore;
        }
    }

    pub fn drain(&self) -> Vec<News> {
        self.waiting.lock().drain(..).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn a_listener_is_let_go_with_the_last_word_whenever_it_came() {
        let woken = Arc::new(AtomicUsize::new(0));
        let wake = || {
            let woken = Arc::clone(&woken);
            Box::new(move || {
                woken.fetch_add(1, Ordering::SeqCst);
            })
        };
        let outlet = Outlet::default();
        outlet.set_wake(wake());
        outlet.tell(News::Reconnecting);
        assert_eq!((woken.load(Ordering::SeqCst), Arc::strong_count(&woken)), (1, 2));
        outlet.tell(News::Closed(None));
        assert_eq!((woken.load(Ordering::SeqCst), Arc::strong_count(&woken)), (2, 1));
        outlet.set_wake(wake());
        assert_eq!((woken.load(Ordering::SeqCst), Arc::strong_count(&woken)), (3, 1), "told once, and let go");
        assert!(matches!(outlet.drain()[..], [News::Reconnecting, News::Closed(None)]));
    }
}
