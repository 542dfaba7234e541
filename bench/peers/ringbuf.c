// The peer for events: loads produce.bpf.o, attaches it, and writes one JSON line for each record.
// ringbuf OBJECT [--lean] [--serve SOCKET]
//   --lean   writes the record alone, without Apiary's envelope
//   --serve  answers one HTTP request with the lines, in chunks, instead of writing them to stdout:
//            what a client of HTTP costs is then in both
// Says "ready" on stderr when attached; ends on SIGTERM or when its output is closed.
#define _GNU_SOURCE
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "text.h"

struct event {
    uint64_t ts;
    uint32_t pid;
    uint32_t tid;
    uint32_t cpu;
    int32_t ret;
    uint64_t latency_ns;
    char comm[16];
    uint64_t seq;
    uint64_t arg;
};

enum { FLUSH = 256 << 10, ROOM = FLUSH + 4096 };

// A chunk's size before the lines, and the end of its line: eight digits, then CR LF.
enum { CHUNK_HEAD = 10 };

static char chunk[CHUNK_HEAD + ROOM];
static char *const buffer = chunk + CHUNK_HEAD;
static char *at = chunk + CHUNK_HEAD;
static int output = 1;
static bool serves;
static uint64_t lines;
static bool lean;
static int64_t wall_offset_ns;
static volatile sig_atomic_t stopping;

static void stop(int signal)
{
    (void)signal;
    stopping = 1;
}

static void flush(void)
{
    const char *from = buffer;
    if (serves && at > buffer) {
        char head[CHUNK_HEAD + 1];
        snprintf(head, sizeof head, "%08x\r\n", (unsigned)(at - buffer));
        memcpy(chunk, head, CHUNK_HEAD);
        at = PUT(at, "\r\n");
        from = chunk;
    }
    while (from < at) {
        const ssize_t count = write(output, from, at - from);
        if (count < 0 && errno == EINTR && !stopping)
            continue;
        if (count < 0) {
            stopping = 1;
            break;
        }
        from += count;
    }
    at = buffer;
}

static int64_t clock_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

// RFC 3339 with nanoseconds; the part that changes once a second is made once a second.
static char *put_time(char *to, uint64_t monotonic_ns)
{
    static int64_t made_for = -1;
    static char second[24];
    const int64_t wall = (int64_t)monotonic_ns + wall_offset_ns;
    const int64_t seconds = wall / 1000000000;
    if (seconds != made_for) {
        const time_t time = seconds;
        struct tm parts;
        gmtime_r(&time, &parts);
        strftime(second, sizeof second, "%Y-%m-%dT%H:%M:%S.", &parts);
        made_for = seconds;
    }
    memcpy(to, second, 20);
    to = put_nine(to + 20, (uint32_t)(wall - seconds * 1000000000));
    *to = 'Z';
    return to + 1;
}

static int write_line(void *context, void *bytes, size_t size)
{
    (void)context;
    const struct event *e = bytes;
    if (size < sizeof *e)
        return 0;
    char *to = at;
    if (!lean) {
        to = PUT(to, "{\"kind\":\"event\",\"cursor\":\"");
        to = PUT(to, "c0ffee0011223344.1-");
        to = put_u64(to, lines);
        to = PUT(to, "\",\"seq\":");
        to = put_u64(to, lines);
        to = PUT(to, ",\"time\":\"");
        to = put_time(to, e->ts);
        to = PUT(to, "\",\"program\":\"produce\",\"map\":\"events\",\"type\":\"event\",\"data\":");
    }
    to = PUT(to, "{\"ts\":");
    to = put_u64(to, e->ts);
    to = PUT(to, ",\"pid\":");
    to = put_u64(to, e->pid);
    to = PUT(to, ",\"tid\":");
    to = put_u64(to, e->tid);
    to = PUT(to, ",\"cpu\":");
    to = put_u64(to, e->cpu);
    to = PUT(to, ",\"ret\":");
    to = put_s64(to, e->ret);
    to = PUT(to, ",\"latency_ns\":");
    to = put_u64(to, e->latency_ns);
    to = PUT(to, ",\"comm\":");
    to = put_text(to, e->comm, sizeof e->comm);
    to = PUT(to, ",\"seq\":");
    to = put_u64(to, e->seq);
    to = PUT(to, ",\"arg\":");
    to = put_u64(to, e->arg);
    to = lean ? PUT(to, "}\n") : PUT(to, "}}\n");
    at = to;
    lines++;
    if (at - buffer >= FLUSH)
        flush();
    return stopping ? -EINTR : 0;
}

// Waits for one client, reads its request, and begins the answer.
static int serve(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    unlink(path);
    const int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 1))
        return -1;
    const int client = accept(listener, NULL, NULL);
    close(listener);
    char request[4096];
    if (client < 0 || read(client, request, sizeof request) <= 0)
        return -1;
    dprintf(client, "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n"
                    "Transfer-Encoding: chunked\r\n\r\n");
    return client;
}

int main(int argc, char **argv)
{
    const char *path = NULL;
    for (int i = 2; i < argc; i++) {
        if (!strcmp(argv[i], "--lean"))
            lean = true;
        else if (!strcmp(argv[i], "--serve") && i + 1 < argc)
            path = argv[++i];
    }
    if (argc < 2) {
        fprintf(stderr, "usage: ringbuf OBJECT [--lean] [--serve SOCKET]\n");
        return 2;
    }
    // Without SA_RESTART: a write to a full pipe must not outlive the wish to stop.
    const struct sigaction stops = {.sa_handler = stop};
    sigaction(SIGTERM, &stops, NULL);
    sigaction(SIGINT, &stops, NULL);
    signal(SIGPIPE, SIG_IGN);
    serves = path != NULL;
    if (serves && (output = serve(path)) < 0)
        return 1;
    wall_offset_ns = clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_MONOTONIC);

    struct bpf_object *object = bpf_object__open_file(argv[1], NULL);
    if (!object || bpf_object__load(object))
        return 1;
    struct bpf_program *program = bpf_object__next_program(object, NULL);
    struct bpf_link *link = bpf_program__attach(program);
    const int events = bpf_object__find_map_fd_by_name(object, "events");
    struct ring_buffer *ring = ring_buffer__new(events, write_line, NULL, NULL);
    if (!link || !ring)
        return 1;
    fprintf(stderr, "ready\n");

    while (!stopping) {
        const int result = ring_buffer__poll(ring, 200);
        if (result < 0 && result != -EINTR)
            break;
        flush();
    }
    fprintf(stderr, "lines %llu\n", (unsigned long long)lines);
    ring_buffer__free(ring);
    bpf_link__destroy(link);
    bpf_object__close(object);
    return 0;
}
