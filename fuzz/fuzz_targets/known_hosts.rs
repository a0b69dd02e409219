//! A line of known_hosts, whatever it holds, is read or refused; a name is matched or not.
#![no_main]

use libfuzzer_sys::fuzz_target;
use xec_engine::transport::ssh::known_hosts::Entry;

fuzz_target!(|data: &[u8]| {
    for line in String::from_utf8_lossy(data).lines() {
        if let Ok(Some(entry)) = Entry::parse(line) {
            let _ = entry.hosts.matches("[host.example]:2222");
        }
    }
});
