//! Why a host throws a packet away, in Chinese.

use linger_proto::DropReason;

/// The reason in a few words.
pub(super) const fn drop_text(reason: DropReason) -> &'static str {
    match reason {
        DropReason::IpTruncated => "IP 首部不完整",
        DropReason::IpVersion => "IP 版本未知",
        DropReason::IpHeaderLength => "IP 首部长度有误",
        DropReason::IpTotalLength => "IP 长度有误",
        DropReason::IpHeaderChecksum => "IPv4 首部校验和有误",
        DropReason::IpSource => "IP 源地址无效",
        DropReason::NotForUs => "不是发给本主机的",
        DropReason::ExtensionHeader => "IPv6 扩展首部有误",
        DropReason::FragmentMalformed => "分片有误或重叠",
        DropReason::FragmentLimit => "达到分片重组的上限",
        DropReason::FragmentTimeout => "分片重组超时",
        DropReason::UnknownProtocol => "未知的传输协议",
        DropReason::IcmpTruncated => "ICMP 不完整",
        DropReason::IcmpChecksum => "ICMP 校验和有误",
        DropReason::IcmpUnknown => "用不到的 ICMP 类型",
        DropReason::IcmpUnrelated => "ICMP 引用的不是我们的包",
        DropReason::IcmpOutOfFlight => "ICMP 引用的报文段不在途中",
        DropReason::IcmpRateLimited => "ICMP 应答受限速",
        DropReason::UdpTruncated => "UDP 长度有误",
        DropReason::UdpChecksum => "UDP 校验和有误",
        DropReason::UdpNoPort => "UDP 端口关闭",
        DropReason::UdpQueueFull => "UDP 接收队列已满",
        DropReason::TcpTruncated => "TCP 首部不完整",
        DropReason::TcpDataOffset => "TCP 数据偏移有误",
        DropReason::TcpChecksum => "TCP 校验和有误",
        DropReason::TcpPortZero => "TCP 端口为零",
        DropReason::TcpOptions => "TCP 选项有误",
        DropReason::QuietTime => "启动后的静默期",
        DropReason::NoConnection => "没有这样的连接",
        DropReason::NotASyn => "LISTEN 中收到的不是 SYN",
        DropReason::SynQueueFull => "SYN 队列已满",
        DropReason::SynSourceFull => "同一来源的半开连接过多",
        DropReason::HeldSyn => "SYN 等待应用程序决定",
        DropReason::AcceptQueueFull => "accept 队列已满",
        DropReason::ConnectionLimit => "达到连接数上限",
        DropReason::UnacceptableAck => "确认了从未发送的内容",
        DropReason::NoSyn => "SYN-SENT 中收到的既非 SYN 也非 RST",
        DropReason::OutOfWindow => "在接收窗口之外",
        DropReason::Paws => "时间戳太旧（PAWS）",
        DropReason::TimestampMissing => "缺少时间戳",
        DropReason::ForeignEcho => "回显的时间戳属于另一次握手",
        DropReason::RstOutOfWindow => "RST 在窗口之外",
        DropReason::RstChallenged => "RST 不精确，予以质询",
        DropReason::SynChallenged => "已同步的连接上收到 SYN，予以质询",
        DropReason::AckMissing => "缺少 ACK 位",
        DropReason::AckOfUnsent => "确认了未发送的正文",
        DropReason::AckTooOld => "ACK 太旧",
        DropReason::Duplicate => "正文已经收到过",
        DropReason::ReassemblyFull => "乱序队列已满",
        DropReason::TextAfterClose => "关闭之后的正文",
        DropReason::TimeWaitRst => "TIME-WAIT 中的 RST，忽略",
        DropReason::TimeWaitStray => "TIME-WAIT 中的迷途报文段",
        DropReason::TimeWaitSyn => "TIME-WAIT 中的 SYN，拒绝",
        DropReason::HandOverFull => "通往另一分片的队列已满",
        DropReason::ChallengeLimited => "应答受限速",
        other => other.text(),
    }
}

#[cfg(test)]
mod tests {
    use super::drop_text;
    use linger_proto::DropReason;

    #[test]
    fn every_reason_has_a_chinese_text() {
        for reason in DropReason::ALL {
            assert_ne!(drop_text(*reason), reason.text());
        }
    }
}
