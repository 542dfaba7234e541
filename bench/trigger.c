// Makes produce.bpf.o write records: trigger RATE SECONDS [BURST]
// RATE is records a second, 0 for as many as one core can. Prints how many records it asked for, and
// on a second line how many nanoseconds the calls took, the program's run and its wake-ups in them.
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "produce.h"

static volatile sig_atomic_t stopping;

static void stop(int signal)
{
    (void)signal;
    stopping = 1;
}

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: trigger RATE SECONDS [BURST]\n");
        return 2;
    }
    const int64_t rate = atoll(argv[1]);
    const int64_t length_ns = (int64_t)(atof(argv[2]) * 1e9);
    int64_t burst = argc > 3 ? atoll(argv[3]) : PRODUCE_BURST;
    if (burst < 1 || burst > PRODUCE_BURST)
        burst = PRODUCE_BURST;
    signal(SIGTERM, stop);
    signal(SIGINT, stop);

    const int64_t start = now_ns();
    int64_t asked = 0, inside_ns = 0;
    while (!stopping) {
        const int64_t elapsed = now_ns() - start;
        if (elapsed >= length_ns)
            break;
        if (rate == 0) {
            for (int i = 0; i < 1000; i++)
                syscall(PRODUCE_SYSCALL, burst);
            asked += 1000 * burst;
            inside_ns = now_ns() - start;
            continue;
        }
        // What is due by now, then to sleep until the next millisecond.
        const int64_t due = (int64_t)((__int128)rate * elapsed / 1000000000);
        const int64_t before = now_ns();
        while (asked < due) {
            const int64_t count = due - asked < burst ? due - asked : burst;
            syscall(PRODUCE_SYSCALL, count);
            asked += count;
        }
        inside_ns += now_ns() - before;
        const int64_t next = start + (elapsed / 1000000 + 1) * 1000000;
        const struct timespec until = {next / 1000000000, next % 1000000000};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
    }
    printf("%lld\n%lld\n", (long long)asked, (long long)inside_ns);
    return 0;
}
