use super::*;

fn parse(text: &str) -> Url {
    Url::parse(text).expect(text)
}

#[test]
fn a_url_is_a_host_a_port_and_a_path() {
    let url = parse("http://Example.test:8000/a/b?c=d#top");
    assert_eq!((url.host(), url.port(), url.path()), ("example.test", 8000, "/a/b?c=d"));
    assert_eq!(url.to_string(), "http://example.test:8000/a/b?c=d");
    let url = parse("10.7.1.1");
    assert_eq!((url.literal(), url.port(), url.path()), (Some([10, 7, 1, 1].into()), 80, "/"));
    assert_eq!(parse("http://10.7.1.1?x").path(), "/?x");
}

#[test]
fn an_ipv6_address_stands_in_brackets() {
    let url = parse("http://[fd07::1]:81/x");
    assert_eq!(url.literal(), Some("fd07::1".parse().unwrap()));
    assert_eq!((url.port(), url.host_field().as_str()), (81, "[fd07::1]:81"));
}

#[test]
fn what_cannot_be_fetched_says_what_to_write() {
    for (text, what) in [
        ("https://a.test/", "no TLS"),
        ("HTTPS://a.test/", "no TLS"),
        ("ftp://a.test/", "'ftp' is not supported"),
        ("http://", "is not a URL"),
        ("", "is not a URL"),
        ("http://a.test:0/", "is not a URL"),
        ("http://a.test:70000/", "is not a URL"),
        ("http://a b/", "is not a URL"),
        ("http://[fd07::1/", "is not a URL"),
        ("http://[10.7.0.1]/", "is not a URL"),
        ("http://me:secret@a.test/", "user name"),
    ] {
        let message = Url::parse(text).expect_err(text).to_string();
        assert!(message.contains(what), "{text}: {message}");
    }
}

#[test]
fn redirects_are_resolved_against_where_they_came_from() {
    let from = parse("http://a.test:8000/dir/page?old");
    for (location, expected) in [
        ("http://b.test/x", "http://b.test/x"),
        ("//b.test/x", "http://b.test/x"),
        ("/top", "http://a.test:8000/top"),
        ("next", "http://a.test:8000/dir/next"),
        ("../up/./x", "http://a.test:8000/up/x"),
        ("../../../x", "http://a.test:8000/x"),
        ("..", "http://a.test:8000/"),
        ("?new", "http://a.test:8000/dir/page?new"),
        ("next?q=../z#frag", "http://a.test:8000/dir/next?q=../z"),
        ("sub/", "http://a.test:8000/dir/sub/"),
    ] {
        assert_eq!(from.redirect(location).expect(location).to_string(), expected, "{location}");
    }
    assert!(from.redirect("https://a.test/").unwrap_err().to_string().contains("no TLS"));
}
