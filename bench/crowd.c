// Asks a server at a steady rate beside many open streams: crowd ADDRESS STREAMS RATE SECONDS PATH
// ADDRESS is a Unix socket's path or 127.0.0.1:PORT. Opens STREAMS times GET /v1/events and reads what
// comes, then makes RATE requests a second on eight connections that stay open. A request's time counts
// from the moment it was due, so that one that had to wait for another's answer is not flattered.
// Prints "open N" when the streams are there, then: requests p50_us p99_us most_us errors lines
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { CLIENTS = 8, SAMPLES = 1 << 18 };

static const char *address, *path;
static double rate;
static int64_t began, ends;
static uint64_t lines;

struct client {
    pthread_t thread;
    int number;
    uint32_t *took;
    size_t count;
    uint64_t errors;
};

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void sleep_until(int64_t when)
{
    const struct timespec t = {when / 1000000000, when % 1000000000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL))
        ;
}

static int dial(void)
{
    for (int attempt = 0; attempt < 200; attempt++) {
        int s, result;
        const char *colon = strrchr(address, ':');
        if (address[0] == '/') {
            struct sockaddr_un unix_address = {.sun_family = AF_UNIX};
            strncpy(unix_address.sun_path, address, sizeof unix_address.sun_path - 1);
            s = socket(AF_UNIX, SOCK_STREAM, 0);
            result = connect(s, (struct sockaddr *)&unix_address, sizeof unix_address);
        } else {
            struct sockaddr_in tcp = {.sin_family = AF_INET, .sin_port = htons(atoi(colon + 1))};
            tcp.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
            s = socket(AF_INET, SOCK_STREAM, 0);
            setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
            result = connect(s, (struct sockaddr *)&tcp, sizeof tcp);
        }
        if (!result)
            return s;
        close(s);
        usleep(20000);
    }
    perror("crowd: connect");
    exit(1);
}

// One request and its whole answer, which has a Content-Length.
static bool ask(int s)
{
    char buffer[1 << 16];
    const int size = snprintf(buffer, sizeof buffer, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path);
    if (write(s, buffer, size) != size)
        return false;
    size_t have = 0, wanted = 0;
    while (!wanted || have < wanted) {
        const ssize_t got = read(s, buffer + have, sizeof buffer - 1 - have);
        if (got <= 0)
            return false;
        have += got;
        buffer[have] = 0;
        const char *end = wanted ? NULL : strstr(buffer, "\r\n\r\n");
        if (end) {
            const char *length = strcasestr(buffer, "content-length:");
            wanted = end + 4 - buffer + (length && length < end ? atoi(length + 15) : 0);
        }
        if (wanted >= sizeof buffer)
            return false;
    }
    return !strncmp(buffer, "HTTP/1.1 200", 12);
}

static void *client(void *argument)
{
    struct client *self = argument;
    int s = dial();
    const struct timeval patience = {.tv_sec = 20};
    setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    const double step = CLIENTS / rate * 1e9;
    for (int64_t number = 0; self->count < SAMPLES; number++) {
        const int64_t due = began + (int64_t)((number + (double)self->number / CLIENTS) * step);
        if (due >= ends)
            break;
        sleep_until(due);
        if (!ask(s)) {
            self->errors++;
            close(s);
            s = dial();
        }
        self->took[self->count++] = (now_ns() - due) / 1000;
    }
    close(s);
    return NULL;
}

static void drain(int epoll)
{
    struct epoll_event found[256];
    static char buffer[1 << 16];
    const int count = epoll_wait(epoll, found, 256, 10);
    for (int index = 0; index < count; index++) {
        const ssize_t got = recv(found[index].data.fd, buffer, sizeof buffer, MSG_DONTWAIT);
        if (got == 0)
            epoll_ctl(epoll, EPOLL_CTL_DEL, found[index].data.fd, NULL);
        for (ssize_t at = 0; at < got; at++)
            lines += buffer[at] == '\n';
    }
}

static int ascending(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    if (argc != 6) {
        fprintf(stderr, "usage: crowd ADDRESS STREAMS RATE SECONDS PATH\n");
        return 2;
    }
    address = argv[1];
    const int streams = atoi(argv[2]);
    rate = atof(argv[3]);
    path = argv[5];
    struct rlimit limit = {streams + 100, streams + 100};
    setrlimit(RLIMIT_NOFILE, &limit);
    const int epoll = epoll_create1(0);
    for (int number = 0; number < streams; number++) {
        const int s = dial();
        static const char request[] = "GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n";
        if (write(s, request, sizeof request - 1) < 0)
            perror("crowd: write");
        struct epoll_event wanted = {.events = EPOLLIN, .data.fd = s};
        epoll_ctl(epoll, EPOLL_CTL_ADD, s, &wanted);
        if (number % 64 == 63)
            drain(epoll);
    }
    for (int64_t give_up = now_ns() + 10000000000LL; now_ns() < give_up;)
        drain(epoll);
    printf("open %d\n", streams);
    fflush(stdout);

    struct client clients[CLIENTS] = {0};
    lines = 0;
    began = now_ns() + 100000000;
    ends = began + (int64_t)(atof(argv[4]) * 1e9);
    for (int number = 0; number < CLIENTS; number++) {
        clients[number].number = number;
        clients[number].took = calloc(SAMPLES, sizeof(uint32_t));
        pthread_create(&clients[number].thread, NULL, client, &clients[number]);
    }
    while (now_ns() < ends)
        drain(epoll);
    static uint32_t all[CLIENTS * SAMPLES];
    size_t count = 0;
    uint64_t errors = 0;
    for (int number = 0; number < CLIENTS; number++) {
        pthread_join(clients[number].thread, NULL);
        memcpy(all + count, clients[number].took, clients[number].count * sizeof *all);
        count += clients[number].count;
        errors += clients[number].errors;
    }
    qsort(all, count, sizeof *all, ascending);
    if (count)
        printf("%zu %u %u %u %llu %llu\n", count, all[count / 2], all[count * 99 / 100], all[count - 1],
               (unsigned long long)errors, (unsigned long long)lines);
    return 0;
}
