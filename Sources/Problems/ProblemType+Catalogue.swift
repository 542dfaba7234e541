extension ProblemType {
    static func row(
        _ code: String, _ status: Int, _ title: String, _ advice: String, retryable: Bool = false
    ) -> ProblemType {
        ProblemType(
            code: code, status: status, title: title, advice: advice, retryable: retryable)
    }

    // 400
    public static let malformedRequest = row(
        "malformed_request", 400, "The request is malformed",
        "Correct what the detail names and send the request again.")
    public static let malformedJSON = row(
        "malformed_json", 400, "The body is not acceptable JSON",
        "Send one JSON document in UTF-8; detail and pointer name the place.")
    public static let malformedYAML = row(
        "malformed_yaml", 400, "The body is not acceptable YAML",
        "Send one YAML 1.2 document in UTF-8, or JSON; the detail names the place.")
    public static let unknownMember = row(
        "unknown_member", 400, "The document has a member that is not known",
        "Remove or correct the member that pointer names.")
    public static let unknownParameter = row(
        "unknown_parameter", 400, "A query parameter is not known here",
        "Remove or correct the parameter that the detail names.")
    public static let invalidParameter = row(
        "invalid_parameter", 400, "A parameter has a value that is not allowed",
        "Give a value of the form that the detail names.")
    public static let invalidName = row(
        "invalid_name", 400, "The name is not allowed",
        "Use 1 to 127 of A-Z a-z 0-9 _ . - and begin with a letter or a digit.")
    public static let invalidCursor = row(
        "invalid_cursor", 400, "The cursor is not one of this daemon's",
        "Use a cursor as this daemon gave it, or since=oldest or since=now.")
    public static let invalidFilter = row(
        "invalid_filter", 400, "The filter is not understood",
        "Compare members of the record with values, pid == 7 && comm ~ \"ssh*\"; the detail says "
            + "at which byte it goes wrong.")
    public static let invalidMember = row(
        "invalid_member", 400, "A member has a value that is not allowed",
        "Give a value of the type and form that the detail names.")
    // 401 to 429
    public static let unauthenticated = row(
        "unauthenticated", 401, "No credential, or none that is known",
        "Send Authorization: Bearer with a token that is neither expired nor revoked.")
    public static let crossOrigin = row(
        "cross_origin", 403, "A browser asked on behalf of another site",
        "Add the site to cors_origins in the configuration if it is meant to be let in.")
    public static let forbidden = row(
        "forbidden", 403, "This caller may not do that",
        "Use a credential that has the role which the detail names.")
    public static let notFound = row(
        "not_found", 404, "There is no such resource",
        "Check the name; the list of the collection shows what there is.")
    public static let methodNotAllowed = row(
        "method_not_allowed", 405, "This resource does not take the method",
        "Use one of the methods in the Allow header.")
    public static let notAcceptable = row(
        "not_acceptable", 406, "No representation that the Accept header allows",
        "Ask for one of the media types that the detail names.")
    public static let conflict = row(
        "conflict", 409, "The request conflicts with the present state",
        "Look at the resource as it is now and decide again.")
    public static let alreadyExists = row(
        "already_exists", 409, "It exists already",
        "Use another name or key, or a call that replaces.")
    public static let programInUse = row(
        "program_in_use", 409, "Something else still uses the program",
        "Remove what the detail names first.")
    public static let attachBusy = row(
        "attach_busy", 409, "Somebody else has the place",
        "Detach the holder that the detail names, or attach elsewhere.")
    public static let lengthRequired = row(
        "length_required", 411, "The request has no length",
        "Send Content-Length, or chunked where it is allowed.")
    public static let preconditionFailed = row(
        "precondition_failed", 412, "The resource is not as the request requires",
        "Read the resource again, take its ETag, and decide again.")
    public static let bodyTooLarge = row(
        "body_too_large", 413, "The body is over the limit",
        "Send less; the limit is in the detail and in the configuration.")
    public static let unsupportedMediaType = row(
        "unsupported_media_type", 415, "The body's type is not taken here",
        "Send one of the content types that the detail names.")
    public static let wrongHost = row(
        "wrong_host", 421, "The Host header names no host of this daemon",
        "Use a host name that the configuration lists.")
    public static let quotaExceeded = row(
        "quota_exceeded", 422, "Over a limit on how much there may be",
        "Remove something, or raise the limit that the detail names in the configuration.")
    public static let objectNotAllowed = row(
        "object_not_allowed", 422, "The object is not one that may be loaded here",
        "Sign it with a configured key, or have its digest added to allowed_objects.")
    public static let objectRefused = row(
        "object_refused", 422, "The object is not a BPF object that can be loaded",
        "Compile for the BPF target with -g; libbpf_log says what it could not read.")
    public static let digestMismatch = row(
        "digest_mismatch", 422, "The bytes do not have the digest that was said",
        "Send the whole file, and its own SHA-256: sha256sum tells it.")
    public static let verifierRefused = row(
        "verifier_refused", 422, "The kernel's verifier refused the program",
        "Correct the program at the place that the verifier's log names.")
    public static let loadRefused = row(
        "load_refused", 422, "The kernel refused to load the program",
        "The detail names the step and the errno.")
    public static let loaderCrashed = row(
        "loader_crashed", 422, "The loader did not survive the object",
        "The object is broken in a way that libbpf does not catch; compile it again.")
    public static let loaderDeadline = row(
        "loader_deadline", 422, "Loading took longer than the limit",
        "Make the program smaller, or raise the loader's deadline in the configuration.")
    public static let invalidValue = row(
        "invalid_value", 422, "The value does not fit its type",
        "Give a value as the type that the detail names wants it.")
    public static let sizeMismatch = row(
        "size_mismatch", 422, "The number of bytes is not what the map takes",
        "Give exactly as many bytes as the detail says.")
    public static let attachRefused = row(
        "attach_refused", 422, "The kernel refused the attachment",
        "Check the parameters that the detail names.")
    public static let wrongKind = row(
        "wrong_kind", 422, "The function cannot be used in this way",
        "Use a kind, or a call, that fits the function's type.")
    public static let targetNotFound = row(
        "target_not_found", 422, "There is nothing of that name to attach to",
        "Check the spelling; near matches are in the hint.")
    public static let unsupportedMapOperation = row(
        "unsupported_map_operation", 422, "This type of map has no such operation",
        "Use what the detail names instead.")
    public static let preconditionRequired = row(
        "precondition_required", 428, "The request must be conditional",
        "Send If-Match with the resource's ETag.")
    public static let tooManyRequests = row(
        "too_many_requests", 429, "Over a limit on how much at once",
        "Wait as long as Retry-After says.", retryable: true)
    // 5xx
    public static let internalError = row(
        "internal_error", 500, "The daemon met a case that it does not know",
        "The log has more under the same request_id; please report it.")
    public static let hostLacks = row(
        "host_lacks", 501, "This host or kernel has no such feature",
        "GET /v1/host tells what this host has, and why not.")
    public static let kernelForbids = row(
        "kernel_forbids", 501, "The kernel does not permit that here",
        "GET /v1/host tells which capability, lockdown or configuration is in the way.")
    public static let notReady = row(
        "not_ready", 503, "The daemon is not ready",
        "Ask again; /v1/ready tells when.", retryable: true)
    public static let stopping = row(
        "stopping", 503, "The daemon is stopping",
        "Connect again after its restart.", retryable: true)
    public static let resourceExhausted = row(
        "resource_exhausted", 503, "The host is out of descriptors or memory",
        "Free some, or raise the daemon's limits.", retryable: true)
    public static let mapFull = row(
        "map_full", 507, "The map is full",
        "Delete entries, or load the program with a larger max_entries.")
    public static let noSpace = row(
        "no_space", 507, "There is no space left on the disk",
        "Free space in the directory that the detail names.", retryable: true)

    public static let storageRefused = row(
        "storage_refused", 507, "The disk does not take what is written",
        "Look after the disk that the detail names; what is attached goes on, and reads do too.",
        retryable: true)

    /// Every problem that the API can answer with, in the order of the documentation.
    public static let all: [ProblemType] = [
        malformedRequest, malformedJSON, malformedYAML, unknownMember, unknownParameter,
        invalidParameter, invalidName, invalidCursor, invalidFilter, invalidMember,
        unauthenticated, crossOrigin, forbidden,
        notFound, methodNotAllowed,
        notAcceptable, conflict, alreadyExists, programInUse, attachBusy, lengthRequired,
        preconditionFailed, bodyTooLarge, unsupportedMediaType, wrongHost, quotaExceeded,
        objectNotAllowed, objectRefused, digestMismatch,
        verifierRefused, loadRefused, loaderCrashed, loaderDeadline, invalidValue, sizeMismatch,
        attachRefused, wrongKind, targetNotFound, unsupportedMapOperation, preconditionRequired,
        tooManyRequests, internalError, hostLacks, kernelForbids, notReady, stopping,
        resourceExhausted, mapFull, noSpace, storageRefused,
    ]
}
