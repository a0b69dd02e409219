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
    wake: Mutex<Option<Wake>>,
}

impl Outlet {
    /// `wake` is called after each piece of news, and at once if there is some.
    pub fn set_wake(&self, wake: Wake) {
        let mut slot = self.wake.lock();
        if !self.waiting.lock().is_empty() {
            wake();
        }
        *slot = Some(wake);
    }

    pub fn tell(&self, news: News) {
        let mut waiting = self.waiting.lock();
        if waiting.len() >= CAPACITY {
            waiting.pop_front();
        }
        waiting.push_back(news);
        drop(waiting);
        if let Some(wake) = &*self.wake.lock() {
            wake();
        }
    }

    pub fn drain(&self) -> Vec<News> {
        self.waiting.lock().drain(..).collect()
    }
}
