// The peer for a whole map, of table.bpf.c's type:
// dump fill MAP_ID COUNT   puts COUNT entries into it
// dump MAP_ID              writes one JSON line for each entry
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "text.h"

struct traffic {
    uint64_t packets;
    uint64_t bytes;
};

enum { BATCH = 4096, LINE = 96 };

static uint32_t keys[BATCH];
static struct traffic values[BATCH];

static int fill(int map, uint32_t count)
{
    for (uint32_t done = 0; done < count;) {
        uint32_t batch = count - done < BATCH ? count - done : BATCH;
        for (uint32_t i = 0; i < batch; i++) {
            keys[i] = done + i;
            values[i] = (struct traffic){(done + i) * 3ULL, (done + i) * 1500ULL};
        }
        if (bpf_map_update_batch(map, keys, values, &batch, NULL)) {
            perror("bpf_map_update_batch");
            return 1;
        }
        done += batch;
    }
    return 0;
}

static int dump(int map)
{
    static char buffer[BATCH * LINE];
    uint32_t next = 0, *from = NULL;
    for (int more = 1; more; from = &next) {
        uint32_t count = BATCH;
        if (bpf_map_lookup_batch(map, from, &next, keys, values, &count, NULL)) {
            if (errno != ENOENT) {
                perror("bpf_map_lookup_batch");
                return 1;
            }
            more = 0;
        }
        char *at = buffer;
        for (uint32_t i = 0; i < count; i++) {
            at = PUT(at, "{\"key\":");
            at = put_u64(at, keys[i]);
            at = PUT(at, ",\"value\":{\"packets\":");
            at = put_u64(at, values[i].packets);
            at = PUT(at, ",\"bytes\":");
            at = put_u64(at, values[i].bytes);
            at = PUT(at, "}}\n");
        }
        for (const char *rest = buffer; rest < at;) {
            const ssize_t count_written = write(1, rest, at - rest);
            if (count_written < 0)
                return 1;
            rest += count_written;
        }
    }
    return 0;
}

int main(int argc, char **argv)
{
    const int fills = argc == 4 && !strcmp(argv[1], "fill");
    if (argc != 2 && !fills) {
        fprintf(stderr, "usage: dump [fill] MAP_ID [COUNT]\n");
        return 2;
    }
    const int map = bpf_map_get_fd_by_id((uint32_t)atoi(argv[fills ? 2 : 1]));
    if (map < 0) {
        perror("bpf_map_get_fd_by_id");
        return 1;
    }
    return fills ? fill(map, (uint32_t)atoi(argv[3])) : dump(map);
}
