// Reads lines from a pipe as a client would and measures them: sink SECONDS PREFIX [check]
// Lines that begin with PREFIX are events; the clock starts at the first of them. With `check`, the
// members "ts" and "seq" of every event are read too: losses and the latency since the record.
// Prints: events bytes nanoseconds lost p50_ns p99_ns   (lost and latencies are 0 without check)
// and then stays, unless its input has ended, so that its source can still be looked at.
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BUFFER = 1 << 20, LATENCIES = 1 << 22 };

static char buffer[BUFFER];
static uint32_t latencies[LATENCIES];
static size_t latency_count;
static uint64_t events, bytes, lost, next_seq;

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

// The last member called `name` in the line: the record's own members come after the envelope's.
static uint64_t member(const char *line, size_t length, const char *name)
{
    const size_t size = strlen(name);
    const char *found = NULL, *at = line;
    while ((at = memmem(at, line + length - at, name, size)))
        found = at += size;
    return found ? strtoull(found, NULL, 10) : 0;
}

static void check(const char *line, size_t length, int64_t now)
{
    const uint64_t seq = member(line, length, "\"seq\":");
    if (events > 1 && seq > next_seq)
        lost += seq - next_seq;
    next_seq = seq + 1;
    const int64_t latency = now - (int64_t)member(line, length, "\"ts\":");
    if (latency_count < LATENCIES && latency > 0)
        latencies[latency_count++] = latency < UINT32_MAX ? latency : UINT32_MAX;
}

static int ascending(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: sink SECONDS PREFIX [check]\n");
        return 2;
    }
    const int64_t length_ns = (int64_t)(atof(argv[1]) * 1e9);
    const char *prefix = argv[2];
    const size_t prefix_size = strlen(prefix);
    const bool checks = argc > 3;
    fcntl(0, F_SETPIPE_SZ, BUFFER);

    size_t held = 0;
    bool ended = false;
    // Nothing at all within ten seconds is an answer too.
    int64_t first = 0, last = 0, give_up = now_ns() + 10000000000LL;
    for (;;) {
        const int64_t end = first ? first + length_ns : give_up;
        struct pollfd input = {.fd = 0, .events = POLLIN};
        const int64_t left_ms = (end - now_ns()) / 1000000;
        if (left_ms <= 0 || poll(&input, 1, (int)left_ms) <= 0)
            break;
        const ssize_t count = read(0, buffer + held, BUFFER - held);
        if (count <= 0) {
            ended = true;
            break;
        }
        const int64_t now = now_ns();
        held += count;
        char *line = buffer, *stop = buffer + held, *newline;
        while ((newline = memchr(line, '\n', stop - line))) {
            const size_t length = newline + 1 - line;
            if (length > prefix_size && !memcmp(line, prefix, prefix_size)) {
                events++;
                bytes += length;
                last = now;
                if (!first)
                    first = now;
                if (checks)
                    check(line, length, now);
            }
            line = newline + 1;
        }
        held = stop - line;
        if (held == BUFFER)
            held = 0;
        memmove(buffer, line, held);
    }

    qsort(latencies, latency_count, sizeof *latencies, ascending);
    const uint32_t p50 = latency_count ? latencies[latency_count / 2] : 0;
    const uint32_t p99 = latency_count ? latencies[latency_count * 99 / 100] : 0;
    printf("%llu %llu %lld %llu %u %u\n", (unsigned long long)events, (unsigned long long)bytes,
           (long long)(last - first), (unsigned long long)lost, p50, p99);
    fclose(stdout);
    if (!ended)
        pause();
    return 0;
}
