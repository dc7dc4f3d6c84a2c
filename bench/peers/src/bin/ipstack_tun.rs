//! ipstack behind a TUN: HTTP at port 80 (1 KiB), a sink at 5001, a source at 5002. One worker thread of tokio: its
//! `Drop` blocks in place, which a current-thread runtime forbids.
//!
//! usage: ipstack_tun MTU   in a namespace of its own; it answers for every address
use ipstack::{IpStack, IpStackConfig, IpStackStream, TcpConfig, TcpOptions};
use peers::{answers, tun_open, wants_close};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
struct Tun(AsyncFd<OwnedFd>);
impl AsyncRead for Tun {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, b: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            let mut g = ready!(self.0.poll_read_ready(cx))?;
            let u = b.initialize_unfilled();
            // SAFETY: the kernel writes at most as much as there is room for.
            let r = unsafe { libc::read(self.0.get_ref().as_raw_fd(), u.as_mut_ptr() as _, u.len()) };
            if r >= 0 {
                b.advance(r as usize);
                return Poll::Ready(Ok(()));
            }
            g.clear_ready();
        }
    }
}
impl AsyncWrite for Tun {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, b: &[u8]) -> Poll<io::Result<usize>> {
        // SAFETY: the buffer is that long.
        let r = unsafe { libc::write(self.0.get_ref().as_raw_fd(), b.as_ptr() as _, b.len()) };
        Poll::Ready(if r < 0 { Err(io::Error::last_os_error()) } else { Ok(r as usize) })
    }
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
async fn run(mtu: u16) {
    let fd = tun_open(usize::from(mtu), false).unwrap();
    let mut cfg = IpStackConfig::default();
    cfg.mtu(mtu).unwrap();
    let mut t = TcpConfig::default();
    t.options = Some(vec![TcpOptions::MaximumSegmentSize(mtu - 40)]);
    t.max_unacked_bytes = 256 << 10;
    cfg.with_tcp_config(t);
    // SAFETY: the descriptor stays in the `AsyncFd`, and nobody takes it out.
    let fd = unsafe { AsyncFd::register(fd) }.unwrap();
    let mut st = IpStack::new(cfg, Tun(fd));
    let [ka, cl] = answers().map(|answer| &*answer.leak());
    while let Ok(s) = st.accept().await {
        if let IpStackStream::Tcp(mut s) = s {
            let port = s.peer_addr().port(); // peer = the address the client dialled
            tokio::spawn(async move {
                let mut b = vec![0u8; if port == 80 { 4096 } else { 65536 }];
                loop {
                    if port == 5002 {
                        if s.write_all(&b).await.is_err() {
                            break;
                        }
                        continue;
                    }
                    let Ok(n) = s.read(&mut b).await else { break };
                    if n == 0 {
                        break;
                    }
                    if port == 80 {
                        let close = wants_close(&b[..n]);
                        if s.write_all(if close { cl } else { ka }).await.is_err() {
                            break;
                        }
                        if close {
                            break;
                        }
                    }
                }
                let _ = s.shutdown().await;
            });
        }
    }
}
fn main() {
    let av: Vec<String> = std::env::args().collect();
    let mtu = av[1].parse().unwrap();
    let rt = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    rt.unwrap().block_on(run(mtu));
}
