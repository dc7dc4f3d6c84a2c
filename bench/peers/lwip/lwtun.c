/* lwIP behind a TUN through its raw API, one thread: HTTP at port 80 (1 KiB), a sink at 5001, a source at 5002.
 *
 * usage: lwtun   in a network namespace of its own, as 10.77.0.2
 *
 * The library is Debian's, with its options: MSS 1460, TCP_WND = TCP_SND_BUF = 65535, checksums on. */
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>
#include "lwip/init.h"
#include "lwip/ip.h"
#include "lwip/netif.h"
#include "lwip/pbuf.h"
#include "lwip/tcp.h"
#include "lwip/priv/tcp_priv.h"

/* Packets read before the timers are looked at. */
#define BATCH 256
/* Milliseconds between two ticks of lwIP's timers. */
#define TICK 250

static int fd;
static char keep[2048], closing[2048];
static int keep_len, closing_len;
static unsigned char text[32768];

static err_t output(struct netif *n, struct pbuf *p, const ip4_addr_t *to) {
    char packet[2000];
    const void *whole = p->payload;
    (void)n;
    (void)to;
    if (p->next) {
        pbuf_copy_partial(p, packet, p->tot_len, 0);
        whole = packet;
    }
    if (write(fd, whole, p->tot_len) < 0)
        perror("write");
    return ERR_OK;
}

static err_t netif_begin(struct netif *n) {
    n->output = output;
    n->mtu = 1500;
    n->name[0] = 't';
    n->name[1] = 'n';
    n->flags = NETIF_FLAG_UP | NETIF_FLAG_LINK_UP;
    return ERR_OK;
}

static err_t http_recv(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t error) {
    char request[2048];
    (void)arg;
    (void)error;
    if (!p) {
        tcp_close(pcb);
        return ERR_OK;
    }
    int n = pbuf_copy_partial(p, request, sizeof request - 1, 0);
    tcp_recved(pcb, p->tot_len);
    pbuf_free(p);
    request[n] = 0;
    /* A client's request always comes in one segment. */
    if (n > 4 && !memcmp(request + n - 4, "\r\n\r\n", 4)) {
        int wants_close = strstr(request, "close\r") != NULL;
        tcp_write(pcb, wants_close ? closing : keep, wants_close ? closing_len : keep_len, 0);
        if (wants_close)
            tcp_close(pcb);
        else
            tcp_output(pcb);
    }
    return ERR_OK;
}

static err_t sink_recv(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t error) {
    (void)arg;
    (void)error;
    if (!p) {
        tcp_close(pcb);
        return ERR_OK;
    }
    tcp_recved(pcb, p->tot_len);
    pbuf_free(p);
    return ERR_OK;
}

static err_t source_sent(void *arg, struct tcp_pcb *pcb, u16_t acknowledged) {
    u16_t room;
    (void)arg;
    (void)acknowledged;
    while ((room = tcp_sndbuf(pcb)) >= 1460) {
        if (room > 14600)
            room = 14600;
        if (tcp_write(pcb, text, room, TCP_WRITE_FLAG_COPY) != ERR_OK)
            break;
    }
    tcp_output(pcb);
    return ERR_OK;
}

static err_t accepted(void *arg, struct tcp_pcb *pcb, err_t error) {
    long port = (long)arg;
    (void)error;
    tcp_nagle_disable(pcb);
    tcp_recv(pcb, port == 80 ? http_recv : sink_recv);
    if (port == 5002) {
        tcp_sent(pcb, source_sent);
        source_sent(arg, pcb, 0);
    }
    return ERR_OK;
}

static int open_tun(void) {
    struct ifreq request;
    memset(&request, 0, sizeof request);
    request.ifr_flags = IFF_TUN | IFF_NO_PI;
    strcpy(request.ifr_name, "tp0");
    fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
    if (fd < 0 || ioctl(fd, TUNSETIFF, &request) < 0) {
        perror("tun");
        return 1;
    }
    return system("ip link set lo up; ip addr add 10.77.0.1/24 dev tp0; "
                  "ip link set tp0 mtu 1500 txqueuelen 4096 up; "
                  "echo 1 > /proc/sys/net/ipv6/conf/tp0/disable_ipv6");
}

static void begin(struct netif *netif) {
    static const long ports[] = {80, 5001, 5002};
    ip4_addr_t ours, mask, gateway;
    lwip_init();
    IP4_ADDR(&ours, 10, 77, 0, 2);
    IP4_ADDR(&mask, 255, 255, 255, 0);
    IP4_ADDR(&gateway, 10, 77, 0, 1);
    netif_add(netif, &ours, &mask, &gateway, NULL, netif_begin, ip4_input);
    netif_set_default(netif);
    netif_set_up(netif);
    netif_set_link_up(netif);
    for (int i = 0; i < 3; i++) {
        struct tcp_pcb *listener = tcp_new();
        tcp_bind(listener, IP4_ADDR_ANY, ports[i]);
        listener = tcp_listen_with_backlog(listener, 255);
        tcp_arg(listener, (void *)ports[i]);
        tcp_accept(listener, accepted);
    }
}

int main(void) {
    static char packet[70000];
    char body[1025];
    struct netif netif;
    struct timespec now;
    long last = 0;
    if (open_tun())
        return 1;
    memset(body, 'x', 1024);
    body[1024] = 0;
    keep_len = sprintf(keep, "HTTP/1.1 200 OK\r\nContent-Length: 1024\r\n\r\n%s", body);
    closing_len = sprintf(closing, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1024\r\n\r\n%s", body);
    begin(&netif);
    for (;;) {
        int n, count = 0;
        while (count++ < BATCH && (n = read(fd, packet, sizeof packet)) > 0) {
            struct pbuf *p = pbuf_alloc(PBUF_RAW, n, PBUF_RAM);
            pbuf_take(p, packet, n);
            if (ip4_input(p, &netif) != ERR_OK)
                pbuf_free(p);
        }
        clock_gettime(CLOCK_MONOTONIC, &now);
        long ms = now.tv_sec * 1000 + now.tv_nsec / 1000000;
        if (ms - last >= TICK) {
            last = ms;
            tcp_tmr();
        }
        if (count <= 1) {
            struct pollfd wait = {fd, POLLIN, 0};
            poll(&wait, 1, 50);
        }
    }
}
