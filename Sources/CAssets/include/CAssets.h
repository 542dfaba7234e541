// The files that the daemon carries in itself, put in by #embed when the target is compiled.
#pragma once
#include <stddef.h>

struct apiary_asset {
    const unsigned char *bytes;
    size_t size;
};

struct apiary_asset apiary_v0001_initial_sql(void);
struct apiary_asset apiary_v0002_durability_sql(void);
struct apiary_asset apiary_v0003_apply_sql(void);
struct apiary_asset apiary_v0004_tokens_sql(void);
struct apiary_asset apiary_openapi_json(void);
