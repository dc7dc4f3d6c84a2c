//! `linger tour` as its users run it: exit statuses, the same bytes from the same seed, captures that tshark reads.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const SCENES: [&str; 9] = [
    "orderly",
    "lost-last-ack",
    "old-duplicate",
    "simultaneous-close",
    "half-close",
    "reset",
    "simultaneous-open",
    "refused",
    "reopen",
];

fn tour(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_linger")).arg("tour").args(args).output().expect("linger starts")
}

fn status(args: &[&str]) -> Option<i32> {
    tour(args).status.code()
}

fn stdout(args: &[&str]) -> String {
    String::from_utf8(tour(args).stdout).expect("UTF-8")
}

/// A folder that goes away with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("linger-tour-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder for the test");
        Self(path)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

#[test]
fn exit_status_says_whether_the_connection_ended_in_order_and_intact() {
    for scene in SCENES {
        let without = status(&["--scene", scene, "--without-time-wait"]);
        let with = status(&["--scene", scene]);
        let expected = match scene {
            "reset" | "refused" => (Some(1), Some(1)),
            "lost-last-ack" | "old-duplicate" => (Some(0), Some(1)),
            _ => (Some(0), Some(0)),
        };
        assert_eq!((with, without), expected, "{scene}");
    }
}

#[test]
fn tour_without_arguments_shows_the_whole_connection() {
    let text = stdout(&[]);
    for part in [
        "SYN-SENT",
        "SYN-RECEIVED",
        "ESTABLISHED",
        "FIN-WAIT-1",
        "FIN-WAIT-2",
        "CLOSE-WAIT",
        "LAST-ACK",
        "TIME-WAIT",
        "CLOSED",
        "GET / HTTP/1.1",
        "HTTP/1.1 200 OK",
        "mss 1460",
        "What each step was for",
        "TIME-WAIT on HOST1: 2*MSL = 60 s",
        "Verdict: the connection ended in order and the octets arrived intact.",
    ] {
        assert!(text.contains(part), "{part} is missing in:\n{text}");
    }
    assert!(!text.contains('\x1b'), "no colour into a pipe");
}

#[test]
fn lost_last_ack_prints_the_result_of_the_close_of_host2() {
    assert!(stdout(&["--scene", "lost-last-ack"]).contains("HOST2 close(): closed in order"));
    let without = stdout(&["--scene", "lost-last-ack", "--without-time-wait"]);
    assert!(without.contains("HOST2 close(): error: connection reset by peer"), "{without}");
}

#[test]
fn old_duplicate_compares_three_settings() {
    let text = stdout(&["--scene", "old-duplicate"]);
    let (_, compared) = text.split_once("The same seed under other settings").expect("the comparison");
    let flat = compared.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("timestamps off"), "the scene says so");
    assert!(flat.contains("is in use or in TIME-WAIT | HOST1 threw the stray away"), "{flat}");
    assert!(flat.contains("the stray's octets were taken for new ones"), "{flat}");
    assert!(flat.contains("timestamps on | HOST1 threw the stray away (timestamp too old (PAWS))"), "{flat}");
}

#[test]
fn same_seed_gives_the_same_bytes_in_twenty_processes() {
    let folder = Folder::new("twenty");
    for scene in ["lost-last-ack", "old-duplicate"] {
        let mut first: Option<(Vec<u8>, Vec<u8>)> = None;
        for _ in 0..20 {
            let capture = folder.file("out.pcapng");
            let output = tour(&["--scene", scene, "--seed", "42", "--json", "--pcap", text(&capture)]);
            let both = (output.stdout, std::fs::read(&capture).expect("the capture was written"));
            assert!(both.1.len() > 4_000, "{scene}: a capture of {} octets", both.1.len());
            let first = first.get_or_insert_with(|| both.clone());
            assert!(*first == both, "{scene}: another process, other bytes");
        }
    }
    assert_ne!(stdout(&["--seed", "1"]), stdout(&["--seed", "2"]));
}

#[test]
fn json_is_one_document_with_every_row_and_the_verdict() {
    for scene in SCENES {
        let document: serde_json::Value =
            serde_json::from_str(&stdout(&["--scene", scene, "--json", "--seed", "9"])).expect("JSON");
        assert_eq!(document["scene"], scene);
        assert_eq!(document["seed"], 9);
        let ladder = document["ladder"].as_array().expect("rows");
        let least = if scene == "refused" { 2 } else { 8 };
        assert!(ladder.len() >= least && ladder[0]["flags"] == "SYN", "{scene}");
        assert_eq!(document["verdict"]["good"], !["reset", "refused"].contains(&scene));
        for step in document["steps"].as_array().expect("steps") {
            assert!(step["text"].as_str().is_some_and(|text| text.len() > 10), "{step}");
        }
    }
}

#[test]
fn chinese_explains_everything_in_chinese() {
    for scene in SCENES {
        let text = stdout(&["--scene", scene, "--lang", "zh"]);
        let (_, explained) = text.split_once("每一步的用途").expect("the heading");
        for line in explained.lines().filter(|line| !line.trim().is_empty()) {
            assert!(line.chars().any(|c| c > '\u{2e80}'), "{scene}: {line}");
        }
    }
}

#[test]
fn own_page_is_fetched() {
    let folder = Folder::new("page");
    let page = folder.file("page.html");
    std::fs::write(&page, "x".repeat(20_000)).expect("the page is written");
    let text = stdout(&["--page", text(&page)]);
    assert!(text.contains("served 20000 octets, received 20000"), "{text}");
}

#[test]
fn wrong_calls_say_in_one_line_what_is_wrong() {
    let folder = Folder::new("wrong");
    let unwritable = folder.file("no/such/folder/out.pcapng");
    let missing = folder.file("missing.html");
    for (args, word) in [
        (vec!["--page", text(&missing)], "missing.html"),
        (vec!["--page", text(&folder.0)], "linger-tour-wrong"),
        (vec!["--pcap", text(&unwritable)], "out.pcapng"),
        (vec!["--scene", "comedy"], "comedy"),
        (vec!["--lang", "xx"], "xx"),
        (vec!["--seed", "many"], "many"),
    ] {
        let output = tour(&args);
        let stderr = String::from_utf8(output.stderr).expect("UTF-8");
        assert_eq!(output.status.code(), Some(2), "{args:?}: {stderr}");
        assert!(stderr.contains(word) && stderr.lines().count() == 1, "{args:?}: {stderr}");
        assert!(output.stdout.is_empty(), "{args:?}");
    }
}

/// What tshark prints about a capture.
fn tshark(capture: &Path, args: &[&str]) -> String {
    let output = Command::new("tshark")
        .args(["-r", text(capture)])
        .args(args)
        .output()
        .expect("tshark is there: apt-get install --no-install-recommends tshark");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn tshark_reads_the_capture_of_every_scene_with_its_comments() {
    let folder = Folder::new("tshark");
    for scene in SCENES {
        let capture = folder.file("out.pcapng");
        tour(&["--scene", scene, "--pcap", text(&capture)]);
        let fields =
            ["-T", "fields", "-e", "frame.interface_name", "-e", "frame.comment", "-e", "_ws.malformed"];
        let packets = tshark(&capture, &fields);
        let mut comments = Vec::new();
        for packet in packets.lines() {
            let [interface, comment, malformed] = packet.split('\t').collect::<Vec<_>>()[..] else {
                panic!("{packet}")
            };
            assert!(["HOST1", "HOST2"].contains(&interface), "{packet}");
            assert!(comment.starts_with(interface) && comment.contains(" -> "), "{packet}");
            assert!(malformed.is_empty(), "{packet}");
            comments.push(comment);
        }
        let least = if scene == "refused" { 2 } else { 14 };
        assert!(comments.len() >= least, "{scene}: {} packets", comments.len());
        if scene == "lost-last-ack" {
            assert!(comments.contains(&"HOST1 TIME-WAIT -> TIME-WAIT; lost on the link"), "{comments:?}");
        }
        if scene == "orderly" {
            assert!(comments.contains(&"HOST1 FIN-WAIT-2 -> TIME-WAIT"), "{comments:?}");
            assert!(comments.contains(&"HOST2 LAST-ACK -> CLOSED"), "{comments:?}");
        }
    }
}

#[test]
fn checksums_in_the_capture_are_right() {
    let folder = Folder::new("checksums");
    let capture = folder.file("out.pcapng");
    tour(&["--pcap", text(&capture)]);
    let checked = ["-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"];
    let fields = ["-T", "fields", "-e", "tcp.checksum.status", "-e", "ip.checksum.status"];
    let text = tshark(&capture, &[&checked[..], &fields[..]].concat());
    assert!(text.lines().count() >= 15);
    assert!(text.lines().all(|line| line == "1\t1"), "{text}");
}
