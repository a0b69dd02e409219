//! A configuration, whatever it holds, says something about a host or is refused.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use xec_engine::transport::ssh::ssh_config::{ConfigFiles, Local, Named, Query, Which, resolve};

fuzz_target!(|data: &[u8]| {
    // In memory, and one per process: several fuzzers may run.
    let folder = if Path::new("/dev/shm").is_dir() { "/dev/shm" } else { "/tmp" };
    let file = format!("{folder}/xec-fuzz-ssh-config-{}", std::process::id());
    // Commands are not run, and includes only lead to this file: anything else on this machine is none of its business.
    let text = String::from_utf8_lossy(data).replace("nclude", &format!("nclude {file} "));
    if std::fs::write(&file, text).is_err() {
        return;
    }
    let query = Query {
        host: "web.example".into(),
        user: None,
        port: None,
        which: Which::File(file.into()),
        exec: false,
        control_path: None,
        // Nor are names looked up.
        find: |name| {
            let alias_of = name.len().is_multiple_of(3).then(|| "alias.test".into());
            name.len().is_multiple_of(2).then_some(Named { alias_of })
        },
    };
    let local = Local { user: "me".into(), uid: 0, home: "/nowhere".into(), host_name: "here.lan".into() };
    let _ = resolve(&query, &ConfigFiles::default(), &local);
});
