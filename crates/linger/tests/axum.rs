//! An axum service on our listener, through the feature `axum`.

mod common;

use axum::Router;
use axum::routing::get;
use bytes::Bytes;
use common::*;
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;

#[tokio::test(start_paused = true)]
async fn axum_serves_and_stops_in_order() {
    let (server, client) = pair();
    let listener = server.listen(server_addr()).await.expect("free");
    assert_eq!(axum::serve::Listener::local_addr(&listener).expect("bound"), server_addr());
    let app = Router::new().route("/hello", get(|| async { "hello from axum" }));
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = axum::serve(listener, app).with_graceful_shutdown(async move {
        let _ = stopped.await;
    });
    let serving = tokio::spawn(serving.into_future());

    let stream = client.connect(server_addr()).await.expect("connected");
    let (mut send, connection) = handshake(TokioIo::new(stream)).await.expect("ready");
    let connection = tokio::spawn(connection);
    for (path, status) in [("/hello", 200), ("/other", 404)] {
        let request =
            Request::get(path).header("host", "server").body(Empty::<Bytes>::new()).expect("a request");
        let response = send.send_request(request).await.expect("answered");
        assert_eq!(response.status(), status);
        let body = response.into_body().collect().await.expect("whole").to_bytes();
        assert_eq!(body == "hello from axum", status == 200);
    }
    stop.send(()).expect("serving");
    serving.await.expect("task").expect("served");
    connection.await.expect("task").expect("closed in order");
    drop(send);
    past_time_wait().await;
    server.assert_quiescent();
    client.assert_quiescent();
}
