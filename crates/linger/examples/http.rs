//! HTTP over our own TCP, without any privilege: two stacks in one process, a hyper server on one and a hyper client
//! on the other, joined by an in-memory cable.
//!
//! ```text
//! cargo run -p linger --example http
//! ```

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Full};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use linger::device::{Capabilities, Channel};
use linger::{Net, TcpListener};
use std::convert::Infallible;
use std::error::Error;
use std::time::Duration;

async fn serve(listener: TcpListener) -> std::io::Result<()> {
    loop {
        let (stream, peer) = listener.accept().await?;
        stream.set_owner("http server");
        tokio::spawn(async move {
            let answer = service_fn(|request: Request<hyper::body::Incoming>| async move {
                let text = format!("You asked for {}.\n", request.uri().path());
                Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(text))))
            });
            let connection =
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer);
            if let Err(error) = connection.await {
                eprintln!("{peer}: {error}");
            }
        });
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let able = Capabilities { mtu: 1500, checksum_offload: true, segmentation_offload: true };
    let (left, right) = Channel::pair(64, able);
    let server = Net::builder().address(left, [10, 0, 0, 1], 24).spawn()?;
    let client = Net::builder().address(right, [10, 0, 0, 2], 24).spawn()?;
    let listener = server.listen(([10, 0, 0, 1], 80)).await?;
    let serving = tokio::spawn(serve(listener));

    let stream = client.connect(([10, 0, 0, 1], 80)).await?;
    let (mut send, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    for path in ["/first", "/second"] {
        let request = Request::get(path).header("host", "10.0.0.1").body(Empty::<Bytes>::new())?;
        let response = send.send_request(request).await?;
        println!("{}", response.status());
        print!("{}", String::from_utf8_lossy(&response.into_body().collect().await?.to_bytes()));
    }
    for held in server.snapshot().connections {
        let owner = held.owner.unwrap_or_default();
        println!("{} <- {} {} ({owner})", held.tuple.local, held.tuple.remote, held.state);
    }

    drop(send);
    connection.await??;
    let report = client.shutdown(Duration::from_secs(5)).await;
    println!("client: {report:?}");
    let report = server.shutdown(Duration::from_secs(5)).await;
    println!("server: {report:?}");
    // The listener was closed by the shutdown, which is how `serve` ends.
    match serving.await? {
        Err(ended) if ended.kind() == std::io::ErrorKind::NotConnected => Ok(()),
        other => Ok(other?),
    }
}
