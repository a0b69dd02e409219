//! The real client is the witness: `__test__/ssh-config/witness.test.ts` compares with `ssh -G`. Here is what it cannot show.

use std::path::PathBuf;

use super::*;
use crate::error::Error;
use crate::transport::ssh::HostKeyChecking;

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("xec-config-{name}-{}", std::process::id()));
        std::fs::create_dir_all(folder.join(".ssh")).expect("a folder");
        Self(folder)
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).expect("a file");
        path
    }

    fn local(&self) -> Local {
        Local {
            user: "me".into(),
            uid: nix::unistd::Uid::current().as_raw(),
            home: self.0.clone(),
            host_name: "here.lan".into(),
        }
    }

    fn resolve(&self, text: &str, host: &str) -> Result<Resolved, Error> {
        let which = Which::File(self.file("config", text));
        resolve(&query(host, which), &ConfigFiles::default(), &self.local())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Left behind in the system's folder for such things, at worst.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn query(host: &str, which: Which) -> Query {
    Query { host: host.into(), user: None, port: None, which, exec: false, control_path: None, find: |_| None }
}

#[test]
fn tokens_stand_for_what_they_say() {
    let folder = Folder::new("tokens");
    let text = "Host web\nHostName %h.lan\nPort 2200\nUser you\nIdentityFile ~/k-%h-%n-%p-%r-%u-%i-%L-%l-%%\nIdentityFile %d/x\n\
                CertificateFile /c-%C-%k\nHostKeyAlias Other\nIdentityAgent ~/agent-%r\nUserKnownHostsFile none\n\
                ProxyJump a%p@%h:1,ssh://b@[::1]:2/\n";
    let resolved = folder.resolve(text, "web").expect("a good configuration");
    let (home, uid) = (folder.0.display(), folder.local().uid);
    assert_eq!(
        resolved.identity_files,
        [format!("{home}/k-web.lan-web-2200-you-me-{uid}-here-here.lan-%"), format!("{home}/x"),]
    );
    // printf 'here.lanweb.lan2200youb' would not do: %j is the last hop's host.
    assert_eq!(
        resolved.certificate_files,
        [format!("/c-{}-other", sha1_hex("here.lanweb.lan2200you::1"))].map(|file| file.replace("-other", "-Other"))
    );
    assert_eq!(resolved.identity_agent, Some(AgentChoice::Socket(format!("{home}/agent-you"))));
    assert_eq!(resolved.known_hosts, Some(Vec::new()));
    assert_eq!(resolved.host_key_alias.as_deref(), Some("other"));
    let hop =
        |host: &str, user: &str, port| HopAddress { host: host.into(), user: Some(user.into()), port: Some(port) };
    assert_eq!(
        resolved.via,
        Some(Via::Jump(
            vec![hop("web.lan", "a%p", 1), hop("::1", "b", 2)]
                .into_iter()
                .map(|hop| { HopAddress { user: hop.user.map(|user| user.replace("%p", "2200")), ..hop } })
                .collect()
        ))
    );
}

fn sha1_hex(text: &str) -> String {
    use sha1::Digest;
    sha1::Sha1::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn variables_come_from_the_environment_and_must_be_there() {
    let folder = Folder::new("variables");
    let resolved = folder.resolve("IdentityFile ${PATH}\n", "h").expect("PATH is always set");
    assert_eq!(resolved.identity_files, [std::env::var("PATH").expect("PATH")]);
    let error = folder.resolve("IdentityFile ${XEC_NO_SUCH_THING}\n", "h").expect_err("no such variable");
    assert!(error.to_string().contains("XEC_NO_SUCH_THING"), "{error}");
}

#[test]
fn a_broken_line_is_named_with_its_file() {
    let folder = Folder::new("broken");
    for (text, line, says) in [
        ("Host a\n  Port 99999\n", 2, "99999"),
        ("\n\nUser\n", 3, "needs an argument"),
        ("User \"a\n", 1, "not closed"),
        ("StrictHostKeyChecking maybe\n", 1, "maybe"),
        ("Match\n", 1, "needs an argument"),
        ("Match host\n", 1, "needs an argument"),
        ("Match flavour x\n", 1, "flavour"),
        ("Match all host x\n", 1, "alone"),
        ("Host \"\"\n", 1, "pattern"),
        ("ServerAliveInterval 1x\n", 1, "1x"),
        ("ProxyJump a,,b\n", 1, "jump"),
        ("User a b\n", 1, "more after"),
        ("IdentitiesOnly perhaps\n", 1, "perhaps"),
        ("UserKnownHostsFile a none\n", 1, "alone"),
    ] {
        let error = folder.resolve(text, "h").expect_err(text);
        let message = error.to_string();
        assert_eq!(error.code(), "ESSHCONFIG");
        assert!(message.contains(&format!("config line {line}:")), "{message}");
        assert!(message.contains(says), "{message}");
    }
}

#[test]
fn unknown_keywords_are_passed_over() {
    let folder = Folder::new("unknown");
    let resolved = folder.resolve("UseTheForce yes\nForwardAgent yes\nUser luke # a comment\n", "h").expect("lenient");
    assert_eq!(resolved.user, "luke");
}

#[test]
fn match_exec_runs_only_when_asked_for() {
    let folder = Folder::new("exec");
    let path = folder
        .file("config", "Match exec \"test %h = h\"\n  User asked\nMatch !exec false\n  Port 7\nUser otherwise\n");
    let mut query = query("h", Which::File(path));
    let quiet = resolve(&query, &ConfigFiles::default(), &folder.local()).expect("resolves");
    assert_eq!((quiet.user.as_str(), quiet.port), ("me", 22));
    query.exec = true;
    let asked = resolve(&query, &ConfigFiles::default(), &folder.local()).expect("resolves");
    assert_eq!((asked.user.as_str(), asked.port), ("asked", 7));
}

#[test]
fn the_standard_files_must_be_private_and_may_be_missing() {
    let folder = Folder::new("standard");
    let ask = || resolve(&query("h", Which::Standard), &ConfigFiles::default(), &folder.local());
    assert_eq!(ask().expect("no file is fine").user, "me");
    let path = folder.file(".ssh/config", "User you\nInclude more\n");
    folder.file(".ssh/more", "Port 23\n");
    assert_eq!(ask().map(|resolved| (resolved.user, resolved.port)).expect("one file"), ("you".to_owned(), 23));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).expect("chmod");
        let message = ask().expect_err("anybody could have written that").to_string();
        assert!(message.contains("others may write"), "{message}");
    }
}

#[test]
fn a_file_that_is_named_must_be_there() {
    let folder = Folder::new("named");
    let error = resolve(&query("h", Which::File(folder.0.join("nothing"))), &ConfigFiles::default(), &folder.local());
    let error = error.expect_err("it is missing");
    assert_eq!((error.code(), error.kind().as_str()), ("ESSHCONFIG", "not-found"));
}

#[test]
fn a_changed_file_is_read_again() {
    let folder = Folder::new("changed");
    let files = ConfigFiles::default();
    let path = folder.file("config", "User one\n");
    let ask = || resolve(&query("h", Which::File(path.clone())), &files, &folder.local()).expect("resolves").user;
    assert_eq!(ask(), "one");
    folder.file("config", "User three\n");
    assert_eq!(ask(), "three");
}

#[test]
fn files_that_include_themselves_end_in_an_error() {
    let folder = Folder::new("loop");
    let path = folder.0.join("config");
    let error = folder.resolve(&format!("Include {0}\n", path.display()), "h").expect_err("a loop");
    assert!(error.to_string().contains("deeply"), "{error}");
    // Two includes per level would be 2^16 readings.
    let error =
        folder.resolve(&format!("Match host nobody\nInclude {0} {0}\n", path.display()), "h").expect_err("a fan");
    assert!(error.to_string().contains("deeply") || error.to_string().contains("too many"), "{error}");
}

#[test]
fn commands_get_no_names_that_a_shell_would_act_on() {
    let folder = Folder::new("shell");
    let text = "ProxyCommand nc %h %p\n";
    assert_eq!(folder.resolve(text, "plain").expect("plain").via, Some(Via::Command("nc plain 22".into())));
    for host in ["a;b", "$(x)", "-oProxyCommand", "a|b", "a`b`"] {
        for text in [text, "HostName 127.0.0.1\nProxyCommand nc %k %p\n", "HostName 127.0.0.1\nProxyCommand nc %n %p\n"]
        {
            let error = folder.resolve(text, host).expect_err(host);
            assert!(error.to_string().contains("shell"), "{error}");
        }
    }
}

#[test]
fn the_first_way_there_wins() {
    let folder = Folder::new("via");
    let via = |text: &str| folder.resolve(text, "h").expect("resolves").via;
    assert_eq!(via("ProxyCommand a\nProxyJump b\n"), Some(Via::Command("a".into())));
    assert!(matches!(via("ProxyJump b\nProxyCommand a\n"), Some(Via::Jump(_))));
    // As the real client does.
    assert_eq!(via("ProxyJump none\nProxyCommand a\n"), Some(Via::Command("a".into())));
    assert_eq!(via("ProxyCommand none\nProxyJump b\n"), None);
}

#[test]
fn words_are_what_openssh_makes_of_them() {
    let folder = Folder::new("words");
    let checking =
        |word: &str| folder.resolve(&format!("StrictHostKeyChecking {word}\n"), "h").expect(word).host_key_checking;
    for (word, means) in [
        ("yes", HostKeyChecking::Strict),
        ("ask", HostKeyChecking::Strict),
        ("accept-new", HostKeyChecking::AcceptNew),
        ("no", HostKeyChecking::Off),
        ("off", HostKeyChecking::Off),
    ] {
        assert_eq!(checking(word), Some(means));
    }
}

mod hostile {
    use proptest::prelude::*;

    use super::*;

    /// Pieces that mean something, in any order.
    fn piece() -> impl Strategy<Value = String> {
        prop_oneof![
            proptest::sample::select(vec![
                "Host",
                "Match",
                "Include",
                "HostName",
                "User",
                "Port",
                "IdentityFile",
                "ProxyJump",
                "ProxyCommand",
                "none",
                "final",
                "all",
                "host",
                "originalhost",
                "exec",
                "localuser",
                "canonical",
                " ",
                "\n",
                "\n",
                "\t",
                "=",
                "\"",
                "'",
                "\\",
                "#",
                "!",
                "*",
                "?",
                "%h",
                "%",
                "%%",
                "${HOME}",
                "${",
                "$",
                "~",
                "~/",
                "/",
                ",",
                "[",
                "]",
                "@",
                ":",
                "0",
                "\r",
                "\u{c}",
                "\0",
                "é",
            ])
            .prop_map(str::to_owned),
            "\\PC{0,6}",
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn nothing_panics(pieces in proptest::collection::vec(piece(), 0..60), host in "[a-z.*%-]{1,12}") {
            let folder = Folder::new(&format!("hostile-{:?}", std::thread::current().id()));
            // Whatever comes of it.
            let _ = folder.resolve(&pieces.concat(), &host);
        }

        #[test]
        fn patterns_agree_with_a_simple_reading(text in "[ab]{0,6}", pattern in "[ab*?]{0,6}") {
            prop_assert_eq!(pattern::matches(&text, &pattern), slowly(text.as_bytes(), pattern.as_bytes()));
        }
    }

    fn slowly(text: &[u8], pattern: &[u8]) -> bool {
        match (text, pattern) {
            ([], []) => true,
            (_, [b'*', rest @ ..]) => slowly(text, rest) || (!text.is_empty() && slowly(&text[1..], pattern)),
            ([_, text @ ..], [b'?', rest @ ..]) => slowly(text, rest),
            ([a, text @ ..], [b, rest @ ..]) if a == b => slowly(text, rest),
            _ => false,
        }
    }
}
