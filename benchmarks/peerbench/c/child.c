/* The child every peer runs.  child MODE EV IDX [ARG] [PIDFILE]
 * EV: file to which events are appended, one write each: "K idx pid monotonic_ns extra\n"
 *  K: S started, E about to crash, T got SIGTERM, B spewed bytes, G grandchild, X grandchild in own session
 * modes: sleep | crash MS | spew SECS | spewblk SECS | chat (1,000 lines of 98 bytes a second, ten a write) | term MS (trap SIGTERM and SIGINT, exit MS later; -1: ignore them) | fork | http PORT  */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
static int ev = -1, idx, arg;
static long long now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec * 1000000000LL + t.tv_nsec; }
static void emit(char k, long long extra) {
    char b[96]; int n = snprintf(b, sizeof b, "%c %d %d %lld %lld\n", k, idx, (int)getpid(), now(), extra);
    if (ev >= 0 && write(ev, b, n) != n) _exit(9);
}
static void msleep(int ms) { struct timespec t = { ms / 1000, (ms % 1000) * 1000000L }; while (nanosleep(&t, &t) && errno == EINTR); }
static void onterm(int s) { (void)s; emit('T', arg); if (arg >= 0) { msleep(arg); _exit(0); } }
static void forever(void) { for (;;) pause(); }
static void spew(int secs, int blk) {
    enum { L = 200, B = 320 };                       /* 320 lines of 200 B = 64000 B a block */
    static char buf[L * B]; long long end = now() + secs * 1000000000LL, n = 0, seq = 0; int per = blk ? B : 1;
    memset(buf, 'x', sizeof buf);
    while ((seq & 63) || now() < end) {
        for (int i = 0; i < per; i++) {
            char *p = buf + i * L; long long v = seq++; p[0] = '#'; p[13] = ' '; p[L - 1] = '\n';
            for (int d = 12; d >= 1; d--) { p[d] = '0' + v % 10; v /= 10; }
        }
        for (size_t o = 0, len = (size_t)per * L; o < len;) {
            ssize_t w = write(1, buf + o, len - o);
            if (w < 0) { if (errno == EINTR) continue; if (errno == EAGAIN) { struct pollfd f = {1, POLLOUT, 0}; poll(&f, 1, 100); continue; } _exit(8); }
            o += w; n += w;
        }
    }
    char m[] = "PEERBENCH-LAST-LINE\n"; if (write(1, m, sizeof m - 1) < 0) _exit(8);
    emit('B', n);
    for (int i = 0; i < 64; i++) if (write(1, buf, L) < 0) _exit(8);     /* pushes the last line out of a peer's block buffer */
}
static void chat(void) {
    enum { L = 98 }; static char buf[10 * L]; struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t);
    memset(buf, 'x', sizeof buf); for (int i = 1; i <= 10; i++) buf[i * L - 1] = '\n';
    for (;;) {
        if (write(1, buf, sizeof buf) < 0) _exit(8);
        if ((t.tv_nsec += 10000000L) >= 1000000000L) { t.tv_nsec -= 1000000000L; t.tv_sec++; }
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, 0);
    }
}
static void http(int port) {
    int s = socket(AF_INET, SOCK_STREAM, 0), one = 1; struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port) };
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK); setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(s, (void *)&a, sizeof a) || listen(s, 16)) { perror("bind"); _exit(7); }
    int f = open("hits", O_RDWR | O_CREAT, 0600); if (f < 0 || ftruncate(f, 65536)) _exit(7);   /* one counter per idx in ./hits */
    volatile unsigned long long *hits = mmap(0, 65536, PROT_READ | PROT_WRITE, MAP_SHARED, f, 0);
    emit('S', 0);
    for (;;) {
        int c = accept(s, 0, 0); if (c < 0) continue;
        setsockopt(c, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        struct timeval tv = { 2, 0 }; setsockopt(c, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
        char b[2048]; int n = 0, r;
        while (n < 2047 && (r = read(c, b + n, 2047 - n)) > 0) { n += r; b[n] = 0; if (strstr(b, "\r\n\r\n")) break; }
        static const char ok[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\nok";
        if (n > 0) { hits[idx & 8191]++; if (write(c, ok, sizeof ok - 1) < 0) {} }
        close(c);
    }
}
int main(int c, char **v) {
    if (c < 4) return 64;
    ev = open(v[2], O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600); idx = atoi(v[3]); arg = c > 4 ? atoi(v[4]) : 0;
    if (c > 5) { FILE *f = fopen(v[5], "w"); if (f) { fprintf(f, "%d\n", (int)getpid()); fclose(f); } }
    if (!strcmp(v[1], "term")) { struct sigaction sa = { .sa_handler = onterm }; sigaction(SIGTERM, &sa, 0); sigaction(SIGINT, &sa, 0); }
    if (!strcmp(v[1], "http")) http(arg);
    emit('S', 0);
    if (!strcmp(v[1], "crash")) { msleep(arg); emit('E', 0); _exit(1); }
    if (!strcmp(v[1], "spew")) spew(arg, 0);
    if (!strcmp(v[1], "spewblk")) spew(arg, 1);
    if (!strcmp(v[1], "chat")) chat();
    if (!strcmp(v[1], "fork")) for (int i = 0; i < 4; i++) if (!fork()) {
        if (i >= 2) setsid();
        emit(i >= 2 ? 'X' : 'G', i); forever();
    }
    forever();
}
