//! hyper on both ends of our TCP, unmodified.

mod common;

use bytes::Bytes;
use common::*;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use linger::{Net, TcpListener};
use std::convert::Infallible;

async fn hello(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().to_owned();
    let body = request.into_body().collect().await.map(|body| body.to_bytes().len()).unwrap_or(0);
    let text = format!("{path} got {body} octets").repeat(if path == "/long" { 10_000 } else { 1 });
    Ok(Response::new(Full::new(Bytes::from(text))))
}

async fn serve(listener: TcpListener, connections: usize) {
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..connections {
        let (stream, _peer) = listener.accept().await.expect("accepted");
        let serving = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service_fn(hello));
        tasks.spawn(serving);
    }
    while let Some(done) = tasks.join_next().await {
        done.expect("task").expect("served to the end");
    }
}

async fn dial(client: &Net) -> SendRequest<Full<Bytes>> {
    let stream = client.connect(server_addr()).await.expect("connected");
    let (send, connection) = handshake(TokioIo::new(stream)).await.expect("ready");
    tokio::spawn(async move { connection.await.expect("to the end") });
    send
}

fn request(path: &str, close: bool, body: Bytes) -> Request<Full<Bytes>> {
    let builder = Request::post(path).header("host", "server");
    let builder = if close { builder.header("connection", "close") } else { builder };
    builder.body(Full::new(body)).expect("a request")
}

async fn text_of(response: Response<Incoming>) -> Bytes {
    assert_eq!(response.status(), StatusCode::OK);
    response.into_body().collect().await.expect("whole").to_bytes()
}

#[tokio::test(start_paused = true)]
async fn keep_alive_connection_carries_many_requests_and_closes_in_order() {
    let (server, client) = pair();
    let listener = server.listen(server_addr()).await.expect("free");
    let serving = tokio::spawn(serve(listener, 1));
    let mut send = dial(&client).await;
    for round in 0..20 {
        let body = Bytes::from(vec![0; round * 1000]);
        let response = send.send_request(request("/x", false, body)).await.expect("answered");
        assert_eq!(text_of(response).await, format!("/x got {} octets", round * 1000));
    }
    assert_eq!(server.snapshot().connections.len(), 1);
    drop(send);
    serving.await.expect("task");
    past_time_wait().await;
    server.assert_quiescent();
    client.assert_quiescent();
    assert_eq!(server.counters().resets_sent + client.counters().resets_sent, 0);
}

#[tokio::test(start_paused = true)]
async fn connection_close_ends_each_connection_from_the_server() {
    let (server, client) = pair();
    let listener = server.listen(server_addr()).await.expect("free");
    let serving = tokio::spawn(serve(listener, 50));
    for _ in 0..50 {
        let mut send = dial(&client).await;
        let response = send.send_request(request("/long", true, Bytes::new())).await.expect("answered");
        assert_eq!(text_of(response).await.len(), "/long got 0 octets".len() * 10_000);
    }
    serving.await.expect("task");
    assert_eq!(server.snapshot().time_wait.len(), 50, "who closes first waits");
    past_time_wait().await;
    server.assert_quiescent();
    client.assert_quiescent();
    assert_eq!(server.counters().resets_sent + client.counters().resets_sent, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_clients_at_once_on_several_threads() {
    let (server, client) = pair();
    let listener = server.listen(server_addr()).await.expect("free");
    let serving = tokio::spawn(serve(listener, 64));
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..64 {
        let client = client.clone();
        clients.spawn(async move {
            let mut send = dial(&client).await;
            for _ in 0..5 {
                let response =
                    send.send_request(request("/long", false, Bytes::new())).await.expect("answered");
                assert_eq!(text_of(response).await.len(), "/long got 0 octets".len() * 10_000);
            }
        });
    }
    while let Some(done) = clients.join_next().await {
        done.expect("client");
    }
    serving.await.expect("task");
}
