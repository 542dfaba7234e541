internal import HTTP

// The table of operations: openapi/apiary.yaml's paths in the same order, held against it by a
// test.

private let paging = ["limit", "cursor", "int64"]
private let change = ["dry_run", "int64"]
private let remove = ["dry_run", "missing_ok"]
private let entryQuery = ["encoding", "cpu", "format", "where", "prefix", "count", "follow"]
private let small = Route.Body.json(limit: 1 << 20)

let routes: [Route] = [
    Route(.get, "/v1", "get_service", .read, getService, reach: .open, needsReady: false),
    Route(.get, "/v1/health", "get_health", .none, getHealth, reach: .open, needsReady: false),
    Route(.get, "/v1/ready", "get_ready", .none, getReady, reach: .open, needsReady: false),
    Route(
        .get, "/v1/host", "get_host", .read, getHost, .worker, takes: ["int64"], reach: .open,
        needsReady: false),
    Route(
        .get, "/v1/openapi.json", "get_openapi", .read, getOpenAPI, reach: .open,
        needsReady: false),
    Route(
        .get, "/metrics", "get_metrics", .metrics, getMetrics, gives: .own, reach: .open,
        needsReady: false),
    Route(.get, "/problems", "list_problems", .none, listProblems, reach: .open, needsReady: false),
    Route(
        .get, "/problems/{code}", "get_problem", .none, getProblem, reach: .open,
        needsReady: false),

    Route(
        .get, "/v1/programs", "list_programs", .read, listPrograms, .worker,
        takes: paging + ["label", "state", "digest"], reach: .filtered),
    Route(
        .get, "/v1/programs/{name}", "get_program", .read, getProgram, .worker, takes: ["int64"]),
    Route(
        .put, "/v1/programs/{name}", "put_program", .admin, putProgram, .load,
        takes: change + ["attach", "label", "global", "verifier_log"],
        body: .object(limit: 32 << 20, jsonLimit: 48 << 20)),
    Route(
        .patch, "/v1/programs/{name}", "patch_program", .operate, patchProgram, .worker,
        takes: change, body: small),
    Route(
        .delete, "/v1/programs/{name}", "delete_program", .admin, deleteProgram, .worker,
        takes: remove + ["purge"]),
    Route(
        .get, "/v1/programs/{name}/object", "get_program_object", .read, getProgramObject, .worker,
        gives: .own),
    Route(
        .get, "/v1/programs/{name}/functions/{function}", "get_function", .read, getFunction,
        .worker, takes: ["int64", "measure_ms"]),
    Route(
        .get, "/v1/programs/{name}/functions/{function}/xlated", "get_xlated", .read, getXlated,
        .worker, gives: .own),
    Route(
        .get, "/v1/programs/{name}/functions/{function}/jited", "get_jited", .admin, getJited,
        .worker, gives: .own),
    Route(
        .post, "/v1/programs/{name}/functions/{function}/test_run", "test_run", .operate, testRun,
        .worker, takes: change, body: small, noted: true),

    Route(
        .get, "/v1/programs/{name}/globals", "list_globals", .read, listGlobals, .worker,
        takes: ["int64"]),
    Route(
        .patch, "/v1/programs/{name}/globals", "patch_globals", .operate, patchGlobals, .worker,
        takes: change, body: small),
    Route(
        .get, "/v1/programs/{name}/globals/{global}", "get_global", .read, getGlobal, .worker,
        takes: ["int64"]),
    Route(
        .patch, "/v1/programs/{name}/globals/{global}", "patch_global", .operate, patchGlobal,
        .worker, takes: change, body: small),

    Route(
        .get, "/v1/probes", "list_probes", .read, listProbes, .worker,
        takes: paging + ["label", "program", "function", "kind", "state"], reach: .filtered),
    Route(
        .post, "/v1/probes", "post_probe", .operate, postProbe, .worker, takes: change,
        body: small, reach: .filtered),
    Route(
        .delete, "/v1/probes", "delete_probes", .operate, deleteProbes, .worker,
        takes: remove + ["program"], reach: .filtered),
    Route(.get, "/v1/probes/{id}", "get_probe", .read, getProbe, .worker, takes: ["int64"]),
    Route(
        .put, "/v1/probes/{id}", "put_probe", .operate, putProbe, .worker, takes: change,
        body: small),
    Route(
        .patch, "/v1/probes/{id}", "patch_probe", .operate, patchProbe, .worker, takes: change,
        body: small),
    Route(
        .delete, "/v1/probes/{id}", "delete_probe", .operate, deleteProbe, .worker, takes: remove),
    Route(
        .get, "/v1/probes/{id}/output", "get_probe_output", .read, getProbeOutput, .worker,
        gives: .own),

    Route(
        .get, "/v1/maps", "list_maps", .read, listMaps, .worker,
        takes: paging + ["program", "type"], reach: .filtered),
    Route(
        .get, "/v1/maps/{program}", "list_program_maps", .read, listProgramMaps, .worker,
        takes: paging + ["type"]),
    Route(
        .get, "/v1/maps/{program}/{map}", "get_map", .read, getMap, .worker, takes: ["int64"]),
    Route(
        .get, "/v1/maps/{program}/{map}/entries", "list_entries", .read, listEntries, .worker,
        takes: paging + entryQuery + ["ticket"], gives: .own),
    Route(
        .delete, "/v1/maps/{program}/{map}/entries", "clear_entries", .operate, clearEntries,
        .worker, takes: ["dry_run"], noted: true),
    Route(
        .get, "/v1/maps/{program}/{map}/entries/{key}", "get_entry", .read, getEntry,
        takes: ["encoding", "int64", "cpu"]),
    Route(
        .put, "/v1/maps/{program}/{map}/entries/{key}", "put_entry", .operate, putEntry,
        takes: change + ["mode", "encoding"], body: small, noted: true),
    Route(
        .delete, "/v1/maps/{program}/{map}/entries/{key}", "delete_entry", .operate, deleteEntry,
        takes: remove + ["encoding"], noted: true),

    Route(
        .post, "/v1/maps/{program}/{map}/freeze", "freeze_map", .operate, freezeMap, .worker,
        takes: change, body: .nothing, noted: true),
    Route(
        .post, "/v1/maps/{program}/{map}/batch", "post_batch", .operate, postBatch, .worker,
        takes: change + ["mode", "encoding", "results", "format"],
        body: .jsonLines(limit: 32 << 20), gives: .own, noted: true),
    Route(
        .post, "/v1/maps/{program}/{map}/push", "push_value", .operate, pushValue,
        takes: change + ["overwrite", "encoding", "type"], body: small, noted: true),
    Route(
        .post, "/v1/maps/{program}/{map}/pop", "pop_value", .operate, popValue,
        takes: change + ["encoding"], body: .nothing, noted: true),
    Route(
        .post, "/v1/maps/{program}/{map}/peek", "peek_value", .operate, peekValue,
        takes: change + ["encoding"], body: .optionalJSON(limit: 1 << 20)),

    Route(
        .get, "/v1/events", "get_events", .read, getEvents,
        takes: EventQuery.parameters, gives: .own, reach: .filtered),
    Route(
        .get, "/v1/events/ledger", "get_ledger", .read, getLedger, takes: ["program", "int64"],
        reach: .filtered),

    Route(
        .get, "/v1/kernel/programs", "list_kernel_programs", .admin, listKernel(.program), .worker,
        takes: paging + ["type", "name", "tag", "map_id", "apiary"]),
    Route(
        .get, "/v1/kernel/programs/{id}", "get_kernel_program", .admin, getKernel(.program),
        .worker,
        takes: ["int64"]),
    Route(
        .get, "/v1/kernel/maps", "list_kernel_maps", .admin, listKernel(.map), .worker,
        takes: paging + ["type", "name", "apiary"]),
    Route(
        .get, "/v1/kernel/maps/{id}", "get_kernel_map", .admin, getKernel(.map), .worker,
        takes: ["int64"]),
    Route(
        .get, "/v1/kernel/maps/{id}/entries", "list_kernel_entries", .admin, listKernelEntries,
        .worker, takes: paging + entryQuery, gives: .own),
    Route(
        .get, "/v1/kernel/maps/{id}/entries/{key}", "get_kernel_entry", .admin, getKernelEntry,
        .worker, takes: ["encoding", "int64", "cpu"]),
    Route(
        .get, "/v1/kernel/links", "list_kernel_links", .admin, listKernel(.link), .worker,
        takes: paging + ["type", "program_id", "apiary"]),
    Route(
        .get, "/v1/kernel/links/{id}", "get_kernel_link", .admin, getKernel(.link), .worker,
        takes: ["int64"]),
    Route(
        .get, "/v1/kernel/btf", "list_kernel_btf", .admin, listKernel(.btf), .worker,
        takes: paging + ["name", "program_id", "map_id", "apiary"]),
    Route(
        .get, "/v1/kernel/btf/{id}", "get_kernel_btf", .admin, getKernel(.btf), .worker,
        takes: ["int64"]),

    Route(.get, "/v1/objects", "list_objects", .read, listObjects, .worker, takes: paging),
    Route(
        .delete, "/v1/objects", "delete_unused_objects", .admin, deleteUnusedObjects, .worker,
        takes: ["unused"] + change),
    Route(
        .get, "/v1/objects/{digest}", "get_object", .read, getObject, .worker, takes: ["int64"],
        gives: .own),
    Route(
        .put, "/v1/objects/{digest}", "put_object", .admin, putObject, .worker, takes: change,
        body: .object(limit: 32 << 20, jsonLimit: nil)),
    Route(
        .delete, "/v1/objects/{digest}", "delete_object", .admin, deleteObject, .worker,
        takes: remove),
    Route(
        .post, "/v1/shutdown", "post_shutdown", .admin, postShutdown, .worker,
        takes: ["detach", "dry_run"], body: .nothing),
    Route(
        .post, "/v1/apply", "post_apply", .admin, postApply, .load, takes: change + ["owner"],
        body: .manifest(limit: 48 << 20, yamlLimit: 16 << 20)),
    Route(
        .get, "/v1/state", "get_state", .read, getState, .worker,
        takes: ["owner", "contents", "int64"]),
    Route(
        .get, "/v1/manifests", "list_manifests", .read, listManifests, takes: paging + ["state"]),
    Route(.get, "/v1/backup", "get_backup", .admin, getBackup, .worker, gives: .own),
    Route(
        .get, "/v1/tokens", "list_tokens", .admin, listTokens, takes: ["limit", "cursor", "int64"]),
    Route(
        .post, "/v1/tokens", "post_token", .admin, postToken, .worker, takes: change, body: small),
    Route(.get, "/v1/tokens/{name}", "get_token", .admin, getToken, takes: ["int64"]),
    Route(
        .delete, "/v1/tokens/{name}", "delete_token", .admin, deleteToken, .worker, takes: remove),
    Route(
        .post, "/v1/stream_tickets", "post_stream_ticket", .read, postTicket, body: small,
        reach: .open),
    Route(
        .get, "/v1/audit", "list_audit", .admin, listAudit, .worker,
        takes: paging + ["actor", "action", "subject", "outcome"]),
    Route(
        .get, "/v1/audit/chain", "get_audit_chain", .admin, getAuditChain, .worker,
        takes: ["int64"]),
]
