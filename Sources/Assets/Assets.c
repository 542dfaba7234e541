#include "Assets.h"

const unsigned char apiary_v0001_initial_sql[] = {
#embed "../../migrations/v0001_initial.sql"
};
const size_t apiary_v0001_initial_sql_size = sizeof apiary_v0001_initial_sql;

const unsigned char apiary_openapi_json[] = {
#embed "../../openapi/apiary.json"
};
const size_t apiary_openapi_json_size = sizeof apiary_openapi_json;
