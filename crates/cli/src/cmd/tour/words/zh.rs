//! Chinese.

use super::zh_drops::drop_text;
use super::{Arranged, Connects, Words};
use crate::cmd::tour::act::HOSTS;
use crate::cmd::tour::meaning::Meaning;
use crate::cmd::tour::outcome::{Answer, Closed};
use crate::cmd::tour::scene::Name;
use linger_proto::{CloseReason, DropReason, State};
use linger_sim::Loss;
use linger_sim::ladder::{StateRow, Wording};
use std::time::Duration;

pub(super) struct Chinese;

impl Wording for Chinese {
    fn headings(&self) -> [String; 2] {
        ["#".to_owned(), "秒".to_owned()]
    }

    fn lost(&self, loss: Loss) -> String {
        match loss {
            Loss::Fault => "丢失",
            Loss::QueueFull => "链路队列已满",
            _ => "没有通往目的地的链路",
        }
        .to_owned()
    }

    fn dropped(&self, host: &str, reason: DropReason) -> String {
        format!("{host} 丢弃：{}", drop_text(reason))
    }

    fn again(&self) -> String {
        "重传".to_owned()
    }

    fn copy_of(&self, line: usize) -> String {
        format!("{line} 的副本")
    }

    fn arrival_of(&self, line: usize) -> String {
        format!("来自 {line}")
    }

    fn cause(&self, host: &str, row: &StateRow) -> String {
        match (row.states.before, row.states.after) {
            (State::TimeWait, State::Closed) => format!("{host} 的 2*MSL 已满"),
            (_, State::FinWait1 | State::LastAck | State::Closing) => format!("{host} 的应用关闭"),
            (State::Closed, State::SynSent) => format!("{host} 的应用发起连接"),
            (_, State::Closed) => format!("{host} 的应用放弃"),
            (before, after) => format!("{host}：{before} 到 {after}"),
        }
    }
}

const fn scene(name: Name) -> &'static str {
    match name {
        Name::Orderly => "建立、请求、应答、关闭。",
        Name::LostLastAck => {
            "HOST1 看到 HOST2 的 FIN 之后发出的那个包被链路丢失。HOST2 的应用使用 close().await，因此会得知关闭的结果。"
        }
        Name::OldDuplicate => {
            "链路留下一个带正文报文段的副本，在其连接结束之后才送达；此时 HOST1 正从同一端口再次请求。"
        }
        Name::SimultaneousClose => "两边的应用都在各自时钟走到一秒时关闭。",
        Name::HalfClose => "HOST1 的应用发出请求后立即关闭自己这一半；HOST2 的应用过一会儿才应答。",
        Name::Reset => "HOST2 的应用在应答中途失败，放弃连接。",
        Name::SimultaneousOpen => "没有人监听；两边的应用同时发起连接，各自连到对方的端口。",
        Name::Refused => "HOST1 的应用所请求的端口在 HOST2 上无人监听。",
        Name::Reopen => {
            "HOST2 的应用应答后立即先关闭，因此 TIME-WAIT 在 HOST2 上；在它持续期间，HOST1 的应用从同一端口再次请求。"
        }
    }
}

fn seconds(time: Duration) -> String {
    let millis = time.as_millis();
    match millis % 1000 {
        0 => format!("{} 秒", millis / 1000),
        rest => format!("{}.{rest:03} 秒", millis / 1000),
    }
}

const fn reason_text(reason: CloseReason) -> &'static str {
    match reason {
        CloseReason::Graceful => "有序关闭",
        CloseReason::Reset => "连接被对端复位",
        CloseReason::Refused => "连接被拒绝",
        CloseReason::TimedOut => "连接超时",
        CloseReason::Unreachable => "目的地不可达",
        CloseReason::Aborted => "本端放弃了连接",
        _ => "连接已结束",
    }
}

/// What the applications print comes from the library, in English: the common ones are translated.
fn error_text(error: &str) -> String {
    let known = [
        (linger_proto::ConnectError::AddrInUse.to_string(), "这一对地址和端口正在使用或处于 TIME-WAIT"),
        (linger_proto::ConnectError::NoPorts.to_string(), "没有空闲的临时端口"),
        (linger_proto::ConnectError::NoRoute.to_string(), "没有通往目的地的路由"),
        (CloseReason::Reset.to_string(), reason_text(CloseReason::Reset)),
        (CloseReason::Refused.to_string(), reason_text(CloseReason::Refused)),
        (CloseReason::TimedOut.to_string(), reason_text(CloseReason::TimedOut)),
        (CloseReason::Aborted.to_string(), reason_text(CloseReason::Aborted)),
        (crate::cmd::tour::apps::FAILED.to_owned(), "程序在应答中途失败"),
    ];
    known
        .iter()
        .find(|(english, _)| english == error)
        .map_or_else(|| error.to_owned(), |(_, zh)| (*zh).to_owned())
}

fn drop_meaning(by: &str, peer: &str, why: DropReason) -> String {
    match why {
        DropReason::Paws => format!(
            "{by} 丢弃该报文段：它的时间戳比 {by} 从 {peer} 见过的最新时间戳更旧，必定来自更早的时候（PAWS，RFC 7323）。它的字节不会到达应用。"
        ),
        DropReason::TimeWaitStray => {
            format!(
                "迷途的报文段遇到处于 TIME-WAIT 的 {by}，后者认得它所属的连接：丢弃它，并用一个 ACK 说明。"
            )
        }
        DropReason::TimeWaitRst => {
            format!("{by} 在 TIME-WAIT 中忽略 RST（RFC 1337）：旧的 RST 不得缩短等待。")
        }
        DropReason::NoConnection => format!("{by} 已不知道这个连接，丢弃该报文段。"),
        DropReason::Duplicate => format!("{by} 已有这段正文，无需再交付。"),
        DropReason::AckOfUnsent => {
            format!("{by} 丢弃该报文段：它确认了 {by} 在这个连接上从未发送过的正文（RFC 5961）。")
        }
        why => format!("{by} 丢弃该报文段：{}。", drop_text(why)),
    }
}

const fn host(side: &usize) -> &'static str {
    HOSTS[*side]
}

const fn peer(side: &usize) -> &'static str {
    HOSTS[1 - *side]
}

/// Segments that open a connection.
fn opening(meaning: &Meaning) -> Option<String> {
    Some(match meaning {
        Meaning::Syn { opener } => format!(
            "{} 请求建立连接。SYN 带有其字节计数的起点序号、可接收的最大报文段，以及它提出的扩展选项。",
            host(opener)
        ),
        Meaning::CrossingSyn { opener } => format!(
            "{} 的 SYN 与对方的 SYN 在途中相遇：双方都在不知道对方也在请求的情况下请求，到 SYN-SENT 才得知。结果是一个连接，而不是两个。",
            host(opener)
        ),
        Meaning::CrossedSynAck { from } => format!(
            "{} 重复自己的 SYN，并确认与它相遇的那个 SYN。对 {} 来说建立就此完成：不需要第三个报文段。",
            host(from),
            peer(from)
        ),
        Meaning::ReopeningSyn { opener } => format!(
            "{} 请求再次建立同一对地址和端口之间的连接，而 {} 仍在 TIME-WAIT 中记得它。这个 SYN 证明自己不是迷途的：它的时间戳或序号高于旧连接所见过的一切（RFC 6191）。所以 {} 立即同意，并从高于旧序号处开始为自己的字节计数。",
            host(opener),
            peer(opener),
            peer(opener)
        ),
        Meaning::SynAgain { opener } => format!("未及时得到回答：{} 重发 SYN。", host(opener)),
        Meaning::SynAck { from } => format!(
            "{} 同意：确认对方的 SYN，并发出自己的 SYN。{} 由此知道两个方向都通。",
            host(from),
            peer(from)
        ),
        Meaning::HandshakeAck { from } => {
            format!("第三个报文段告诉 {} 它的 SYN 也到了：两边都进入 ESTABLISHED。", peer(from))
        }
        _ => return None,
    })
}

/// Text and its acknowledgments.
fn text(meaning: &Meaning) -> Option<String> {
    Some(match meaning {
        Meaning::Request { from } => format!("{} 的 HTTP 请求，是这个方向的第一段正文。", host(from)),
        Meaning::Response { from } => {
            format!("{} 的 HTTP 应答开始。带正文的报文段同时确认了先前收到的内容。", host(from))
        }
        Meaning::Text { from } => format!("{} 的后续正文。", host(from)),
        Meaning::TextAgain { from } => format!("{} 未及时得到对这段正文的确认，于是重发。", host(from)),
        Meaning::TextAck { from } => format!("{} 确认已收到的内容。", host(from)),
        Meaning::RepeatedAck { from } => {
            format!("{} 重申它接下来期待的序号：收到了不合适的报文段。", host(from))
        }
        _ => return None,
    })
}

/// The close, half by half.
fn closing(meaning: &Meaning) -> Option<String> {
    Some(match meaning {
        Meaning::Close { host: side } => format!("{} 的应用已说完，关闭自己这一半。", host(side)),
        Meaning::FirstFin { from } => format!(
            "{} 先关闭。FIN 表示不再有正文；它像一个正文字节一样占用序号，必须得到确认。{} 的应用看到正文结束。",
            host(from),
            peer(from)
        ),
        Meaning::SecondFin { from } => format!(
            "{} 也关闭自己这一半，并在 LAST-ACK 中等待：这个 FIN 一得到确认，它就可以忘掉一切。",
            host(from)
        ),
        Meaning::CrossingFin { from } => format!(
            "{} 的 FIN 与对方的 FIN 在途中相遇：双方都在不知道对方也在关闭的情况下关闭，到 CLOSING 才得知。",
            host(from)
        ),
        Meaning::FinAgain { from } => format!(
            "{} 没有得到关于其 FIN 的任何消息，于是像对待正文一样重发：它无从知道丢的是 FIN 还是对它的确认。",
            host(from)
        ),
        Meaning::HalfClosed { from } => format!(
            "{} 确认这个 FIN。一半已关闭；在另一半里，{} 仍可发送它还有的内容。",
            host(from),
            host(from)
        ),
        Meaning::LastAck { from } => format!(
            "最后的 ACK：{} 确认 {} 的 FIN。没有人确认 ACK，所以 {} 无法知道它是否到达。",
            host(from),
            peer(from),
            host(from)
        ),
        Meaning::CrossedAck { from } => format!("{} 确认与自己的 FIN 相遇的那个 FIN。", host(from)),
        Meaning::FinReAck { from } => format!(
            "这正是 TIME-WAIT 的用途：{} 仍记得这个连接，再次确认 FIN，并从现在起重新等待 2*MSL。{} 的关闭有序完成。",
            host(from),
            peer(from)
        ),
        _ => return None,
    })
}

/// How it ends: RST, TIME-WAIT, CLOSED.
fn ending(meaning: &Meaning) -> Option<String> {
    Some(match meaning {
        Meaning::Refusal { from } => format!(
            "{} 的这个端口无人监听：以 RST 拒绝连接。它确认了 SYN，{} 由此知道它针对的是这次请求，而不是更早的某一次。",
            host(from),
            peer(from)
        ),
        Meaning::ResetUnknown { from } => format!("{} 不知道有这样的连接，只能回答 RST。", host(from)),
        Meaning::ResetAbort { from } => {
            format!("{} 放弃连接：RST 立即结束两半，未交付的内容全部丢失。", host(from))
        }
        Meaning::TimeWaitBegins { host: side } => format!(
            "{} 再无可发可收。它在 2*MSL 内记住这个连接：一来可以再次确认重来的 FIN，二来让这个连接的迷途报文段在其地址和端口再次使用之前消失。",
            host(side)
        ),
        Meaning::TimeWaitEnds { host: side } => {
            format!("2*MSL 过去，再没有 FIN 到来：{} 忘掉这个连接。", host(side))
        }
        Meaning::TimeWaitSkipped { host: side } => format!(
            "这里的 2*MSL 为零：{} 立即忘掉这个连接，无法再确认重来的 FIN，也无法把这个连接的迷途报文段与下一个连接的正文区分开。",
            host(side)
        ),
        Meaning::Ended { host: side } => format!("{} 立即放开这个连接：两个方向都不再收发。", host(side)),
        Meaning::EndedByReset { host: side } => {
            format!("RST 结束了 {} 上的连接：它的应用得到的是错误，而不是有序的结束。", host(side))
        }
        _ => return None,
    })
}

/// What the link and the past do to it.
fn mishap(meaning: &Meaning) -> Option<String> {
    Some(match meaning {
        Meaning::Lost { to, why: Loss::Fault } => format!("链路把它丢了：{} 从未见到它。", host(to)),
        Meaning::Lost { to, why } => format!("它没有到达 {}：{}。", host(to), Chinese.lost(*why)),
        Meaning::LateCopy { to, line } => {
            format!("报文段 {line} 的一个副本滞留在网络中，现在才到达 {}。", host(to))
        }
        Meaning::StrayTaken { by } => format!(
            "这个副本来自同一对地址和端口之间更早的连接。它的序号落在当前连接的窗口内，{} 于是把它的字节当成新流的一部分。",
            host(by)
        ),
        Meaning::Dropped { by, why } => drop_meaning(host(by), peer(by), *why),
        Meaning::Other { from } => format!("{} 的一个报文段，没有进一步的后果。", host(from)),
        _ => return None,
    })
}

impl Words for Chinese {
    fn title(&self, arranged: &Arranged) -> Vec<String> {
        let first = format!("linger tour，场景 {}：{}", arranged.scene.text(), scene(arranged.scene));
        let mut settings =
            vec![format!("种子 {}", arranged.seed), self.settings(arranged.time_wait, arranged.timestamps)];
        if arranged.numbers {
            settings.push("初始序号已安排，每次建立都相同".to_owned());
        }
        vec![first, format!("{}。", settings.join("；"))]
    }

    fn steps_heading(&self) -> String {
        "每一步的用途".to_owned()
    }

    fn countdown_heading(&self, host: &str, time_wait: Duration) -> String {
        format!("{host} 的 TIME-WAIT：2*MSL = {}", seconds(time_wait))
    }

    fn countdown_reading(&self, at: &str, left: Duration) -> String {
        format!("{at:>10} 秒 剩 {:>6.3} 秒", left.as_secs_f64())
    }

    fn countdown_end(&self, host: &str, at: &str) -> String {
        format!("{at:>10} 秒 {host} 进入 CLOSED：该连接已不留任何痕迹")
    }

    fn meaning(&self, meaning: &Meaning) -> String {
        let groups = [opening, text, closing, ending, mishap];
        groups.iter().find_map(|group| group(meaning)).unwrap_or_default()
    }

    fn outcome_heading(&self) -> String {
        "两边的应用得到了什么".to_owned()
    }

    fn connects(&self, host: &str, connects: &Connects) -> String {
        let when = if connects.times > 1 {
            let (first, last) = (seconds(connects.first), seconds(connects.last));
            format!("{first}到 {last}，{} 次", connects.times)
        } else {
            seconds(connects.first)
        };
        match &connects.refused {
            Some(why) => format!("{host} connect（{when}）：{}", error_text(why)),
            None => format!("{host} connect（{when}）：已建立"),
        }
    }

    fn reply(
        &self,
        number: usize,
        served: Option<&Answer>,
        received: Option<&Result<Answer, String>>,
    ) -> String {
        match (served, received) {
            (Some(served), Some(Ok(received))) => {
                let (sign, word) = if served == received { ("=", "相同") } else { ("≠", "不同") };
                let (left, right) = (short(&served.sha256), short(&received.sha256));
                let octets = format!("发出 {} 字节，收到 {} 字节", served.octets, received.octets);
                format!("应答 {number}：{octets}；SHA-256 {left} {sign} {right}（{word}）")
            }
            (Some(served), Some(Err(error))) => {
                format!("应答 {number}：发出 {} 字节，没有收全：{}", served.octets, error_text(error))
            }
            (None, Some(Err(error))) => format!("应答 {number}：没有收到：{}", error_text(error)),
            (Some(served), None) => format!("应答 {number}：发出 {} 字节，没有收到", served.octets),
            (None, Some(Ok(received))) => format!("应答 {number}：收到 {} 字节，并未发出", received.octets),
            (None, None) => format!("应答 {number}：没有发出，也没有收到"),
        }
    }

    fn closed(&self, host: &str, closed: Closed) -> String {
        let how = match closed {
            None => reason_text(CloseReason::Graceful).to_owned(),
            Some(reason) => format!("错误：{}", reason_text(reason)),
        };
        format!("{host} close()：{how}")
    }

    fn failed(&self, host: &str, what: &str) -> String {
        format!("{host} 失败：{}", error_text(what))
    }

    fn verdict(&self, intact: bool, in_order: bool) -> String {
        let octets = if intact { "字节完好到达" } else { "到达的字节与发出的不一致" };
        let close = if in_order { "连接有序结束" } else { "连接没有有序结束" };
        format!("结论：{close}，{octets}。")
    }

    fn invariant(&self, what: &str) -> String {
        format!("模拟器发现了问题：{what}")
    }

    fn compare_heading(&self) -> String {
        "同一种子，不同设置".to_owned()
    }

    fn settings(&self, time_wait: Duration, timestamps: bool) -> String {
        let wait = if time_wait.is_zero() {
            "没有 TIME-WAIT（msl = 0）".to_owned()
        } else {
            format!("TIME-WAIT {}", seconds(time_wait))
        };
        format!("{wait}，时间戳{}", if timestamps { "开" } else { "关" })
    }

    fn stray(&self, taken: usize, dropped: Option<(&str, DropReason)>) -> String {
        match (taken, dropped) {
            (0, None) => "没有迷途报文段到达".to_owned(),
            (0, Some((host, why))) => format!("{host} 丢弃了迷途报文段（{}）", drop_text(why)),
            _ => "迷途报文段的字节被当成了新的字节".to_owned(),
        }
    }
}

/// The first digits of a hash: enough to see that two differ.
fn short(sha256: &str) -> &str {
    sha256.get(..16).unwrap_or(sha256)
}
