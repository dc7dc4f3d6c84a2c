/* lwIP in memory through its raw API, one thread: two copies of Debian's library back to back.
 *
 * usage: lwmem bulk MIB | life LIVES IDLE | seg CONNECTIONS ROUNDTRIPS | tw COUNT
 *
 * The library's options are Debian's: MSS 1460, TCP_WND = TCP_SND_BUF = 65535, malloc for pcbs and pbufs, checksums on.
 * Run it where it may write liba.so and libb.so: dlopen loads a file once, so each stack needs a file. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "lwip/opt.h"
#include "lwip/netif.h"
#include "lwip/tcp.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/pbuf.h"
#include "lwip/ip4.h"

/* One copy of the library. */
typedef struct stack {
    void *h;
    void (*lwip_init)(void);
    struct netif *(*netif_add) (struct netif *, const ip4_addr_t *, const ip4_addr_t *, const ip4_addr_t *,
                                void *, netif_init_fn, netif_input_fn);
    void (*netif_set_default)(struct netif *);
    void (*netif_set_up)(struct netif *);
    void (*netif_set_link_up)(struct netif *);
    err_t (*ip4_input) (struct pbuf *, struct netif *);
    struct pbuf *(*pbuf_alloc) (pbuf_layer, u16_t, pbuf_type);
    u8_t (*pbuf_free) (struct pbuf *);
    u16_t (*pbuf_copy_partial) (const struct pbuf *, void *, u16_t, u16_t);
    err_t (*pbuf_take) (struct pbuf *, const void *, u16_t);
    struct tcp_pcb *(*tcp_new) (void);
    err_t (*tcp_bind) (struct tcp_pcb *, const ip_addr_t *, u16_t);
    struct tcp_pcb *(*tcp_listen_with_backlog) (struct tcp_pcb *, u8_t);
    err_t (*tcp_connect) (struct tcp_pcb *, const ip_addr_t *, u16_t, tcp_connected_fn);
    void (*tcp_accept)(struct tcp_pcb *, tcp_accept_fn);
    void (*tcp_recv)(struct tcp_pcb *, tcp_recv_fn);
    void (*tcp_sent)(struct tcp_pcb *, tcp_sent_fn);
    void (*tcp_err)(struct tcp_pcb *, tcp_err_fn);
    void (*tcp_arg)(struct tcp_pcb *, void *);
    void (*tcp_recved)(struct tcp_pcb *, u16_t);
    err_t (*tcp_write) (struct tcp_pcb *, const void *, u16_t, u8_t);
    err_t (*tcp_output) (struct tcp_pcb *);
    err_t (*tcp_close) (struct tcp_pcb *);
    void (*tcp_abort)(struct tcp_pcb *);
    void (*tcp_slowtmr)(void);
    void (*tcp_fasttmr)(void);
    u32_t *tcp_ticks;
    struct tcp_pcb **tcp_tw_pcbs, **tcp_active_pcbs;
    struct netif nif;
} stack;
#define RING 4096
typedef struct {
    int len;
    unsigned char d[1600];
} frame;
typedef struct {
    frame *f;
    unsigned h, t;
} ring;
static ring ab, ba;
static unsigned long pkts;
static stack A, B;
static double cpu(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static err_t out(struct netif *n, struct pbuf *p, const ip4_addr_t * ip)
{
    stack *s = n->state;
    ring *r = s == &A ? &ab : &ba;
    (void) ip;
    if (r->h - r->t >= RING)
        return ERR_OK;          /* dropped */
    frame *f = &r->f[r->h % RING];
    f->len = p->tot_len;
    s->pbuf_copy_partial(p, f->d, p->tot_len, 0);
    r->h++;
    pkts++;
    return ERR_OK;
}

static err_t nif_init(struct netif *n)
{
    n->output = out;
    n->mtu = 1500;
    n->name[0] = 'm';
    n->name[1] = 'm';
    n->flags = NETIF_FLAG_UP | NETIF_FLAG_LINK_UP;
    return ERR_OK;
}

static int rx(stack * s, ring * r, int max)
{
    int n = 0;
    while (r->t != r->h && n < max) {
        frame *f = &r->f[r->t % RING];
        /* In Debian's build a PBUF_POOL of 1500 octets overruns its element of 616. */
        struct pbuf *p = s->pbuf_alloc(PBUF_RAW, f->len, PBUF_RAM);
        s->pbuf_take(p, f->d, f->len);
        r->t++;
        n++;
        if (s->ip4_input(p, &s->nif) != ERR_OK)
            s->pbuf_free(p);
    }
    return n;
}

static void pump(void)
{
    while (rx(&B, &ab, 64) + rx(&A, &ba, 64));
}

static void ld(stack * s, const char *path, int last)
{
    s->h = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!s->h) {
        puts(dlerror());
        exit(1);
    }
#define S(x) if (!(*(void **)&s->x = dlsym(s->h, #x))) { puts("no " #x); exit(1); }
    S(lwip_init) S(netif_add) S(netif_set_default) S(netif_set_up) S(netif_set_link_up) S(ip4_input)
        S(pbuf_alloc) S(pbuf_free) S(pbuf_copy_partial) S(pbuf_take)
        S(tcp_new) S(tcp_bind) S(tcp_listen_with_backlog) S(tcp_connect) S(tcp_accept) S(tcp_recv) S(tcp_sent)
        S(tcp_err) S(tcp_arg) S(tcp_recved) S(tcp_write) S(tcp_output)
        S(tcp_close) S(tcp_abort) S(tcp_slowtmr) S(tcp_fasttmr) S(tcp_ticks) S(tcp_tw_pcbs) S(tcp_active_pcbs)
        s->lwip_init();
    ip4_addr_t ip, m, g;
    IP4_ADDR(&ip, 10, 0, 0, last);
    IP4_ADDR(&m, 255, 255, 255, 0);
    IP4_ADDR(&g, 0, 0, 0, 0);
    s->netif_add(&s->nif, &ip, &m, &g, s, nif_init, s->ip4_input);
    s->netif_set_default(&s->nif);
    s->netif_set_up(&s->nif);
    s->netif_set_link_up(&s->nif);
}

static size_t rss(void)
{
    FILE *f = fopen("/proc/self/statm", "r");
    size_t a, b;
    if (fscanf(f, "%zu %zu", &a, &b) != 2)
        exit(1);
    fclose(f);
    return b * 4096;
}

/* ---- applications ---- */
static size_t got_b, got_a;
static int closed_a, mode;        /* mode 1: lives, 2: echo */
static unsigned char data[65536];
static err_t s_recv(void *arg, struct tcp_pcb *p, struct pbuf *b, err_t e)
{
    (void) arg;
    (void) e;
    if (!b)
        return ERR_OK;
    got_b += b->tot_len;
    B.tcp_recved(p, b->tot_len);
    B.pbuf_free(b);
    if (mode == 1 && got_b == 100) {
        B.tcp_write(p, data, 1024, 0);
        B.tcp_recv(p, NULL);
        B.tcp_close(p);
    } else if (mode == 2) {
        B.tcp_write(p, data, 32, TCP_WRITE_FLAG_COPY);
        B.tcp_output(p);
    }
    return ERR_OK;
}

static err_t s_accept(void *arg, struct tcp_pcb *p, err_t e)
{
    (void) arg;
    (void) e;
    B.tcp_recv(p, s_recv);
    return ERR_OK;
}

static err_t c_recv(void *arg, struct tcp_pcb *p, struct pbuf *b, err_t e)
{
    (void) arg;
    (void) e;
    if (!b) {
        closed_a = 1;
        A.tcp_recv(p, NULL);
        A.tcp_close(p);
        return ERR_OK;
    }
    got_a += b->tot_len;
    A.tcp_recved(p, b->tot_len);
    A.pbuf_free(b);
    return ERR_OK;
}

static err_t c_conn(void *arg, struct tcp_pcb *p, err_t e)
{
    (void) arg;
    (void) e;
    if (mode == 1) {
        A.tcp_write(p, data, 100, TCP_WRITE_FLAG_COPY);
        A.tcp_output(p);
    }
    return ERR_OK;
}

static struct tcp_pcb *dial(unsigned i, int dport)
{
    struct tcp_pcb *p = A.tcp_new();
    ip_addr_t any;
    IP_ADDR4(&any, 10, 0, 0, 1);
    ip_addr_t to;
    IP_ADDR4(&to, 10, 0, 0, 2);
    p->local_port = 1024 + i % 60000;
    p->local_ip = any;          /* in lwIP's favour: no tcp_bind, which scans all ports in use */
    A.tcp_recv(p, c_recv);
    if (A.tcp_connect(p, &to, dport, c_conn) != ERR_OK) {
        puts("connect");
        exit(1);
    }
    return p;
}

static void bulk(size_t total)
{
    struct tcp_pcb *c = dial(0, 80);
    size_t sent = 0;
    pump();
    double t = cpu();
    while (got_b < total) {
        u16_t w = tcp_sndbuf(c);
        if (w > total - sent)
            w = total - sent;
        if (w > 32768)
            w = 32768;
        memset(data, 0x5a, w);
        if (w && A.tcp_write(c, data, w, TCP_WRITE_FLAG_COPY) == ERR_OK)
            sent += w;
        A.tcp_output(c);
        unsigned long before = pkts;
        pump();
        if (pkts == before) {
            A.tcp_fasttmr();
            B.tcp_fasttmr();
        }
    }
    t = cpu() - t;
    printf("bulk_gbps %.3f bulk_ns_per_byte %.4f pkts %lu\n", got_b * 8 / t / 1e9, t * 1e9 / got_b, pkts);
}

static void one_life(unsigned number, int port)
{
    got_a = got_b = 0;
    closed_a = 0;
    dial(number, port);
    pump();
    if (got_a == 1024 && closed_a)
        return;
    A.tcp_fasttmr();
    B.tcp_fasttmr();
    pump();
    if (got_a != 1024 || !closed_a) {
        printf("stuck %zu %zu\n", got_a, got_b);
        exit(1);
    }
}

static void life(int n, int idle)
{
    for (int i = 0; i < idle; i++) {
        dial(i, 81 + i / 60000);
        pump();
    }
    mode = 1;
    pkts = 0;
    double t = cpu();
    for (int i = 0; i < n; i++) {
        one_life(i, 80);
        /* In lwIP's favour: each SYN scans the list of TIME-WAITs, so none is kept. */
        while (*B.tcp_tw_pcbs) {
            struct tcp_pcb *p = *B.tcp_tw_pcbs;
            B.tcp_abort(p);
        }
    }
    t = cpu() - t;
    printf("life_per_s %.0f life_ns %.0f life_pkts_per %.2f\n", n / t, t * 1e9 / n, (double) pkts / n);
}

static void seg(int n, int rounds)
{
    struct tcp_pcb **v = malloc(sizeof(*v) * n);
    size_t before = rss();
    for (int i = 0; i < n; i++) {
        v[i] = dial(i, 81 + i / 60000);
        pump();
    }
    printf("bytes %.0f sizeof_pcb %zu\n", (double) (rss() - before) / n / 2, sizeof(struct tcp_pcb));
    mode = 2;
    for (int random = 0; random < 2; random++) {
        pkts = 0;
        double t = cpu();
        unsigned x = 12345;
        for (int i = 0; i < rounds; i++) {
            x = x * 1664525 + 1013904223;
            struct tcp_pcb *c = v[random ? (x >> 8) % n : n - 1];
            got_a = got_b = 0;
            A.tcp_write(c, data, 32, TCP_WRITE_FLAG_COPY);
            A.tcp_output(c);
            pump();
            if (got_a != 32) {
                printf("stuck %zu %zu\n", got_a, got_b);
                exit(1);
            }
        }
        printf("%s %.1f\n", random ? "seg_random_ns" : "seg_ns", (cpu() - t) * 1e9 / pkts);
    }
    double t = cpu();
    for (int i = 0; i < 50; i++)
        A.tcp_slowtmr();
    printf("slowtmr_ns %.0f\n", (cpu() - t) * 1e9 / 50);
}

static void tw(int n)
{
    mode = 1;
    size_t before = rss();
    double t = cpu();
    for (int i = 0; i < n; i++)
        one_life(i, 80 + i / 60000);
    t = cpu() - t;
    int held = 0;
    for (struct tcp_pcb *p = *B.tcp_tw_pcbs; p; p = p->next)
        held++;
    printf("held %d bytes %.0f life_ns %.0f\n", held, (double) (rss() - before) / n, t * 1e9 / n);
}

int main(int ac, char **av)
{
    const char *library = "/usr/lib/x86_64-linux-gnu/liblwip.so.0.0.0";
    char command[256];
    snprintf(command, sizeof command, "cp -n %s ./liba.so; cp -n %s ./libb.so", library, library);
    if (ac < 3 || system(command)) {
        puts("usage: lwmem bulk MIB | life LIVES IDLE | seg CONNECTIONS ROUNDTRIPS | tw COUNT");
        return 2;
    }
    ab.f = malloc(sizeof(frame) * RING);
    ba.f = malloc(sizeof(frame) * RING);
    memset(ab.f, 1, sizeof(frame) * RING);
    memset(ba.f, 1, sizeof(frame) * RING);
    ld(&A, "./liba.so", 1);
    ld(&B, "./libb.so", 2);
    for (int port = 80; port < 90; port++) {
        struct tcp_pcb *l = B.tcp_new();
        B.tcp_bind(l, dlsym(B.h, "ip_addr_any"), port);
        l = B.tcp_listen_with_backlog(l, 255);
        B.tcp_accept(l, s_accept);
    }
    int n = atoi(av[2]), k = ac > 3 ? atoi(av[3]) : 0;
    if (!strcmp(av[1], "bulk"))
        bulk((size_t) n << 20);
    else if (!strcmp(av[1], "life"))
        life(n, k);
    else if (!strcmp(av[1], "seg"))
        seg(n, k);
    else if (!strcmp(av[1], "tw"))
        tw(n);
    return 0;
}
