// The peer for one map entry: the smallest libmicrohttpd server that looks up the number at the end
// of the path in a map of u32 -> u64: entry MAP_ID PORT [THREADS]. Ends on SIGTERM.
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <microhttpd.h>
#include <signal.h>
#include <stdlib.h>

#include "text.h"

static int map;

static enum MHD_Result send_bytes(struct MHD_Connection *connection, unsigned status, char *bytes,
                                  size_t size)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(size, bytes, MHD_RESPMEM_MUST_COPY);
    if (!response)
        return MHD_NO;
    MHD_add_response_header(response, "Content-Type", "application/json");
    const enum MHD_Result result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result answer(void *context, struct MHD_Connection *connection, const char *path,
                              const char *method, const char *version, const char *upload,
                              size_t *upload_size, void **state)
{
    (void)context, (void)version, (void)upload, (void)upload_size;
    static int seen;
    // The first call is for the headers alone.
    if (!*state) {
        *state = &seen;
        return MHD_YES;
    }
    char body[96], *at = body;
    const char *last = strrchr(path, '/');
    if (!last || strcmp(method, "GET"))
        return send_bytes(connection, MHD_HTTP_NOT_FOUND, body, 0);
    const uint32_t key = (uint32_t)strtoul(last + 1, NULL, 10);
    uint64_t value;
    if (bpf_map_lookup_elem(map, &key, &value))
        return send_bytes(connection, MHD_HTTP_NOT_FOUND, body, 0);
    at = PUT(at, "{\"key\":");
    at = put_u64(at, key);
    at = PUT(at, ",\"value\":");
    at = put_u64(at, value);
    at = PUT(at, "}\n");
    return send_bytes(connection, MHD_HTTP_OK, body, (size_t)(at - body));
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: entry MAP_ID PORT [THREADS]\n");
        return 2;
    }
    map = bpf_map_get_fd_by_id((uint32_t)atoi(argv[1]));
    if (map < 0) {
        perror("bpf_map_get_fd_by_id");
        return 1;
    }
    const unsigned threads = argc > 3 ? (unsigned)atoi(argv[3]) : 1;
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)atoi(argv[2])),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    sigprocmask(SIG_BLOCK, &ends, NULL);
    struct MHD_OptionItem options[] = {
        {MHD_OPTION_SOCK_ADDR, 0, &address},
        // A pool of one is refused.
        {threads > 1 ? MHD_OPTION_THREAD_POOL_SIZE : MHD_OPTION_END, threads, NULL},
        {MHD_OPTION_END, 0, NULL},
    };
    struct MHD_Daemon *daemon =
        MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL,
                         answer, NULL, MHD_OPTION_ARRAY, options, MHD_OPTION_END);
    if (!daemon) {
        fprintf(stderr, "entry: no server on port %s\n", argv[2]);
        return 1;
    }
    int signal;
    sigwait(&ends, &signal);
    MHD_stop_daemon(daemon);
    return 0;
}
