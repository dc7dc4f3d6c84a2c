//! The answers of a site, without a network.

use super::*;
use http_body_util::Empty;

fn peer() -> SocketAddr {
    SocketAddr::from(([10, 7, 0, 1], 40_000))
}

/// A directory of its own for one test, gone at the end.
struct Scratch(std::path::PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("linger-site-{name}-{}", std::process::id()));
        std::fs::create_dir_all(path.join("public/sub")).expect("scratch directory");
        std::fs::write(path.join("secret.txt"), "outside").expect("secret");
        std::fs::write(path.join("public/index.html"), "<h1>index</h1>").expect("index");
        std::fs::write(path.join("public/ten.txt"), "0123456789").expect("file");
        Self(path)
    }

    fn site(&self) -> Site {
        Site::directory(&self.0.join("public"))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

async fn ask(site: &Site, method: Method, path: &str, range: Option<&str>) -> (StatusCode, String, String) {
    let mut request = Request::builder().method(method).uri(path);
    if let Some(range) = range {
        request = request.header(header::RANGE, range);
    }
    let request = request.body(Empty::<Bytes>::new()).expect("request");
    let response = site.answer(request, peer(), &AccessLog::silent()).await;
    let status = response.status();
    let mime = response.headers().get(header::CONTENT_TYPE).map_or("", |v| v.to_str().unwrap()).to_owned();
    let body = response.into_body().collect().await.expect("body").to_bytes();
    (status, mime, String::from_utf8(body.to_vec()).expect("text"))
}

#[tokio::test]
async fn files_come_with_their_mime_type_and_directories_with_their_index() {
    let scratch = Scratch::new("mime");
    let site = scratch.site();
    assert_eq!(
        ask(&site, Method::GET, "/", None).await,
        (StatusCode::OK, "text/html".into(), "<h1>index</h1>".into())
    );
    assert_eq!(
        ask(&site, Method::GET, "/ten.txt", None).await,
        (StatusCode::OK, "text/plain".into(), "0123456789".into())
    );
}

#[tokio::test]
async fn a_range_is_answered_with_that_part() {
    let scratch = Scratch::new("range");
    let (status, _, body) = ask(&scratch.site(), Method::GET, "/ten.txt", Some("bytes=2-4")).await;
    assert_eq!((status, body.as_str()), (StatusCode::PARTIAL_CONTENT, "234"));
    let (status, _, _) = ask(&scratch.site(), Method::GET, "/ten.txt", Some("bytes=50-")).await;
    assert_eq!(status, StatusCode::RANGE_NOT_SATISFIABLE);
}

#[tokio::test]
async fn suffix_longer_than_the_file_is_the_whole_file() {
    let scratch = Scratch::new("suffix");
    let (status, _, body) = ask(&scratch.site(), Method::GET, "/ten.txt", Some("bytes=-3")).await;
    assert_eq!((status, body.as_str()), (StatusCode::PARTIAL_CONTENT, "789"));
    let (status, _, body) = ask(&scratch.site(), Method::GET, "/ten.txt", Some("bytes=-99999")).await;
    assert_eq!((status, body.as_str()), (StatusCode::OK, "0123456789"));
    let (status, _, _) = ask(&scratch.site(), Method::GET, "/ten.txt", Some("bytes=-0")).await;
    assert_eq!(status, StatusCode::RANGE_NOT_SATISFIABLE);
}

#[tokio::test]
async fn several_ranges_and_ranges_under_a_condition_get_the_whole_file() {
    let scratch = Scratch::new("condition");
    let (status, _, body) = ask(&scratch.site(), Method::GET, "/ten.txt", Some("bytes=0-1,3-4")).await;
    assert_eq!((status, body.as_str()), (StatusCode::OK, "0123456789"));
    let request =
        Request::get("/ten.txt").header(header::RANGE, "bytes=0-1").header(header::IF_RANGE, "\"x\"");
    let request = request.body(Empty::<Bytes>::new()).expect("request");
    assert_eq!(scratch.site().answer(request, peer(), &AccessLog::silent()).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn fifo_is_not_opened_and_a_name_that_cannot_exist_is_not_found() {
    let scratch = Scratch::new("fifo");
    let mode = nix::sys::stat::Mode::S_IRUSR;
    nix::unistd::mkfifo(&scratch.0.join("public/fifo"), mode).expect("a fifo");
    nix::unistd::mkfifo(&scratch.0.join("public/sub/index.html"), mode).expect("a fifo");
    for path in ["/fifo", "/%66ifo", "/sub/", &format!("/{}", "x".repeat(300))] {
        assert_eq!(ask(&scratch.site(), Method::GET, path, None).await.0, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn nothing_above_the_directory_is_reachable() {
    let scratch = Scratch::new("above");
    for path in ["/../secret.txt", "/%2e%2e/secret.txt", "/sub/../../secret.txt", "/..%2fsecret.txt"] {
        let (status, _, body) = ask(&scratch.site(), Method::GET, path, None).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
        assert!(!body.contains("outside"), "{path}");
    }
}

#[tokio::test]
async fn what_is_missing_or_not_allowed_says_so() {
    let scratch = Scratch::new("missing");
    let (status, _, body) = ask(&scratch.site(), Method::GET, "/nothing", None).await;
    assert_eq!((status, body.as_str()), (StatusCode::NOT_FOUND, "404 Not Found\n"));
    let (status, _, _) = ask(&scratch.site(), Method::PUT, "/ten.txt", None).await;
    assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn the_built_in_page_is_only_at_the_root() {
    let site = Site::Page("<p>hello</p>");
    let (status, mime, body) = ask(&site, Method::GET, "/", None).await;
    assert_eq!((status, body.as_str()), (StatusCode::OK, "<p>hello</p>"));
    assert_eq!(mime, "text/html; charset=utf-8");
    assert_eq!(ask(&site, Method::GET, "/x", None).await.0, StatusCode::NOT_FOUND);
    assert_eq!(ask(&site, Method::POST, "/", None).await.0, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn log_tells_a_whole_answer_from_one_that_broke_off() {
    let scratch = Scratch::new("log");
    let (log, lines) = AccessLog::to_memory();
    let ask = |path: &'static str| {
        let site = scratch.site();
        let log = log.clone();
        let request = Request::get(path).body(Empty::<Bytes>::new()).expect("request");
        async move { site.answer(request, peer(), &log).await.into_body() }
    };
    // As hyper does: it takes what Content-Length promised and does not ask for the end.
    let mut whole = ask("/ten.txt").await;
    whole.frame().await.expect("a frame").expect("its octets");
    drop(whole);
    drop(ask("/ten.txt?again").await);
    log.finish();
    let text = lines();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert!(
        lines[0].starts_with("10.7.0.1:40000 GET /ten.txt 200 10 ") && lines[0].ends_with("ms"),
        "{text}"
    );
    assert!(lines[1].starts_with("10.7.0.1:40000 GET /ten.txt?again 200 0 "), "{text}");
    assert!(lines[1].ends_with("broken off"), "{text}");
}
