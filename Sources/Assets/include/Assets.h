// The files that the daemon carries in itself, put in by #embed when the target is compiled.
#pragma once
#include <stddef.h>

extern const unsigned char apiary_v0001_initial_sql[];
extern const size_t apiary_v0001_initial_sql_size;
extern const unsigned char apiary_openapi_json[];
extern const size_t apiary_openapi_json_size;
