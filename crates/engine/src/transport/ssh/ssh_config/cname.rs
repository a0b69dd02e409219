//! A name's aliases, by the system's own resolver: whatever it reads (hosts files, DNS, directories), `ssh` would follow them too.

use std::ffi::{CStr, CString};
use std::ptr;

use nix::libc::{AF_UNSPEC, AI_CANONNAME, SOCK_STREAM, addrinfo, freeaddrinfo, getaddrinfo};

/// `None`: it has no address. Else the name it is an alias of, where the resolver says one. Blocks.
#[expect(unsafe_code, reason = "no safe crate that we have asks for AI_CANONNAME")]
pub fn look_up(name: &str) -> Option<Option<String>> {
    let name = CString::new(name).ok()?;
    // SAFETY: of integers and pointers, for which zero and null are values; and what getaddrinfo wants in the fields not set.
    let mut hints: addrinfo = unsafe { std::mem::zeroed() };
    hints.ai_flags = AI_CANONNAME;
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    let mut found: *mut addrinfo = ptr::null_mut();
    // SAFETY: the name ends with a NUL, null is no service, hints and the place for the answer outlive the call.
    let failed = unsafe { getaddrinfo(name.as_ptr(), ptr::null(), &raw const hints, &raw mut found) } != 0;
    if failed || found.is_null() {
        return None;
    }
    // SAFETY: it succeeded, so this is a list of its own making; the canonical name is with its first element, or null.
    let canonical = unsafe { (*found).ai_canonname };
    let alias_of = (!canonical.is_null()).then(|| {
        // SAFETY: not null, so it ends with a NUL, and it lives as long as the list.
        unsafe { CStr::from_ptr(canonical) }.to_string_lossy().into_owned()
    });
    // SAFETY: the list is freed once, and nothing of it is used any more.
    unsafe { freeaddrinfo(found) };
    Some(alias_of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_or_not() {
        assert!(look_up("localhost").is_some());
        // Reserved for what does not exist.
        assert_eq!(look_up("void.invalid."), None);
        assert_eq!(look_up("a\0b"), None);
    }
}
