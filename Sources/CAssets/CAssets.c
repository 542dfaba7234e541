#include "CAssets.h"

#define ASSET(name) \
    struct apiary_asset name(void) { \
        return (struct apiary_asset){name##_bytes, sizeof name##_bytes}; \
    }

static const unsigned char apiary_v0001_initial_sql_bytes[] = {
#embed "../../migrations/v0001_initial.sql"
};
ASSET(apiary_v0001_initial_sql)

static const unsigned char apiary_v0002_durability_sql_bytes[] = {
#embed "../../migrations/v0002_durability.sql"
};
ASSET(apiary_v0002_durability_sql)
static const unsigned char apiary_v0003_apply_sql_bytes[] = {
#embed "../../migrations/v0003_apply.sql"
};
ASSET(apiary_v0003_apply_sql)
static const unsigned char apiary_v0004_tokens_sql_bytes[] = {
#embed "../../migrations/v0004_tokens.sql"
};
ASSET(apiary_v0004_tokens_sql)

static const unsigned char apiary_openapi_json_bytes[] = {
#embed "../../openapi/apiary.json"
};
ASSET(apiary_openapi_json)
