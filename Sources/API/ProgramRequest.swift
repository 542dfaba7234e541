internal import Cryptography
internal import ControlPlane
internal import HTTP
internal import JSON
internal import Linux
internal import Problems

/// What `PUT /v1/programs/{name}` carries, in either of its two forms.
enum ProgramRequest {
    static func read(_ call: Call, _ node: Node) throws(Problem) -> (UploadedObject, ProgramOptions)
    {
        switch call.body {
        case .file(let file, let size, let digest):
            guard size > 0 else {
                throw Problem(.objectRefused, "The body is empty: send the ELF, curl -T x.bpf.o.")
            }
            let object = UploadedObject(file: file, size: size, digest: "sha256:" + digest)
            try node.policy.check(object, signature: call.head.header("x-apiary-signature"))
            return (object, try options(call))
        case .bytes:
            for name in ["attach", "label", "global", "verifier_log"]
            where !call.parameters(name).isEmpty {
                throw Problem(
                    .invalidParameter,
                    "With a JSON body \(name) is a member of the document, not a query parameter.")
            }
            return try read(try call.document(), node, nil)
        case .none:
            throw Problem(.objectRefused, "The body is empty: send the ELF, curl -T x.bpf.o.")
        }
    }

    /// The options beside an ELF, from the query.
    private static func options(_ call: Call) throws(Problem) -> ProgramOptions {
        var options = ProgramOptions()
        options.attach = try call.choice("attach", default: ProgramOptions.Attach.none)
        options.labels = try call.labels
        try Fields.checkLabels(options.labels, at: nil)
        options.verifierLog = try verifierLog(call)
        for text in call.parameters("global") {
            guard let equals = text.firstIndex(of: "="), equals != text.startIndex else {
                throw Problem(.invalidParameter, "global=\(text) is not of the form NAME=JSON.")
            }
            let name = String(text[..<equals])
            do {
                options.globals[name] = try JSONValue.parse(
                    String(text[text.index(after: equals)...]))
            } catch {
                throw Problem(
                    .invalidParameter,
                    "global=\(text): what follows the = is not JSON: \(error.reason). A text "
                        + "needs quotes."
                )
            }
        }
        return options
    }

    private static func verifierLog(_ call: Call) throws(Problem) -> VerifierLogLevel {
        guard let text = try call.parameter("verifier_log") else { return .brief }
        guard let level = VerifierLogLevel(rawValue: text) else {
            throw Problem(
                .invalidParameter, "verifier_log=\(text) is not allowed: none, brief, full.")
        }
        return level
    }

    /// The document with all options.
    /// - Parameter objectsDirectory: where a manifest's `object.path` points into, or `.some(nil)`
    ///   where it is not allowed; nil: not of a manifest, there is no such member.
    static func read(_ document: JSONObject, _ node: Node, _ objectsDirectory: String??)
        throws(Problem) -> (UploadedObject, ProgramOptions)
    {
        let fields = try Fields(
            document,
            known: [
                "object", "functions", "globals", "maps", "attach", "events", "labels",
                "verifier_log",
            ])
        var options = ProgramOptions()
        if let functions = try fields.object("functions") {
            let pointer = JSONPointer.root.appending("functions")
            let fields = try Fields(functions, at: pointer, known: ["only", "targets"])
            options.onlyFunctions = try fields.strings("only")
            options.targets = try texts(try fields.object("targets"), pointer.appending("targets"))
        }
        options.globals = try fields.object("globals") ?? JSONObject()
        options.maps = try maps(try fields.object("maps") ?? JSONObject())
        options.attach = try fields.choice("attach", of: ProgramOptions.Attach.self) ?? .none
        for member in try fields.object("events")?.members ?? [] {
            let pointer = JSONPointer.root.appending("events").appending(member.name)
            guard let object = member.value.object else {
                throw Problem(
                    .invalidMember, "An event option is an object: {\"type\": \"event\"}.",
                    pointer: pointer.description)
            }
            options.events[member.name] = try eventOptions(object, pointer)
        }
        options.labels = try fields.labels("labels") ?? [:]
        if let text = try fields.string("verifier_log") {
            guard let level = VerifierLogLevel(rawValue: text) else {
                throw Problem(
                    .invalidMember, "verifier_log must be one of none, brief, full.",
                    pointer: "/verifier_log")
            }
            options.verifierLog = level
        }
        guard let object = try fields.object("object") else { throw fields.missing("object") }
        return (try allowed(object, node, objectsDirectory), options)
    }

    /// The object, where the configuration lets it be loaded.
    private static func allowed(
        _ document: JSONObject, _ node: Node, _ objectsDirectory: String??
    ) throws(Problem) -> UploadedObject {
        var document = document
        let signature = document["signature"]
        document["signature"] = nil
        guard signature == nil || signature?.string != nil else {
            throw Problem(
                .invalidMember, "object.signature must be a string.", pointer: "/object/signature")
        }
        let object = try self.object(document, node, objectsDirectory)
        try node.policy.check(object, signature: signature?.string)
        return object
    }

    private static func object(
        _ document: JSONObject, _ node: Node, _ objectsDirectory: String??
    ) throws(Problem) -> UploadedObject {
        let fields = try Fields(
            document, at: .root.appending("object"),
            known: ["digest", "base64"] + (objectsDirectory == nil ? [] : ["path"]))
        if let objectsDirectory, let path = try fields.string("path") {
            guard document.count == 1 else {
                throw Problem(
                    .invalidMember,
                    "object has exactly one of \"digest\", \"base64\" and \"path\".",
                    pointer: "/object")
            }
            return try ManifestObject.read(path, below: objectsDirectory)
        }
        switch (try fields.string("digest"), try fields.string("base64")) {
        case (let digest?, nil):
            try checkDigest(digest, pointer: "/object/digest")
            return try node.object(digest)
        case (nil, let text?):
            guard let bytes = Base64.decode(text) else {
                throw Problem(
                    .invalidMember, "object.base64 is not base64 (RFC 4648, padded).",
                    pointer: "/object/base64")
            }
            do {
                let file = try MemoryFile("object", holding: bytes.span)
                try file.seal()
                guard let digest = SHA256.hexDigest(of: bytes.span) else { throw Errno.enomem }
                return UploadedObject(file: file, size: bytes.count, digest: "sha256:" + digest)
            } catch {
                throw Problem(.resourceExhausted, "The object found no memory: \(error).")
            }
        case (nil, nil), (.some, .some):
            throw Problem(
                .invalidMember,
                objectsDirectory == nil
                    ? "object has exactly one of \"digest\" and \"base64\"."
                    : "object has exactly one of \"digest\", \"base64\" and \"path\".",
                pointer: "/object")
        }
    }

    private static func maps(_ document: JSONObject) throws(Problem)
        -> [String: ProgramOptions.MapOptions]
    {
        var maps: [String: ProgramOptions.MapOptions] = [:]
        for member in document.members {
            let pointer = JSONPointer.root.appending("maps").appending(member.name)
            guard let object = member.value.object else {
                throw Problem(
                    .invalidMember, "A map's options are an object: {\"max_entries\": 1024}.",
                    pointer: pointer.description)
            }
            let fields = try Fields(
                object, at: pointer, known: ["max_entries", "reuse", "persist"])
            var options = ProgramOptions.MapOptions()
            if let value = object["max_entries"] {
                guard let number = value.uint64.flatMap({ UInt32(exactly: $0) }), number > 0 else {
                    throw Problem(
                        .invalidMember, "max_entries must be an integer from 1 to 4294967295.",
                        pointer: pointer.appending("max_entries").description)
                }
                options.maxEntries = number
            }
            if let text = try fields.string("reuse") {
                guard let reuse = ProgramOptions.Reuse(text) else {
                    throw Problem(
                        .invalidMember,
                        "reuse is \"keep\", or \"PROGRAM/MAP\" of a loaded program.",
                        pointer: pointer.appending("reuse").description)
                }
                options.reuse = reuse
            }
            if let value = object["persist"] {
                guard let isPersistent = value.bool else {
                    throw Problem(
                        .invalidMember, "persist must be true or false.",
                        pointer: pointer.appending("persist").description)
                }
                options.isPersistent = isPersistent
            }
            maps[member.name] = options
        }
        return maps
    }

    private static func texts(_ object: JSONObject?, _ pointer: JSONPointer) throws(Problem)
        -> [String: String]
    {
        var texts: [String: String] = [:]
        for member in object?.members ?? [] {
            guard let text = member.value.string else {
                throw Problem(
                    .invalidMember, "\(member.name) must be a string.",
                    pointer: pointer.appending(member.name).description)
            }
            texts[member.name] = text
        }
        return texts
    }
}

/// - Throws: `invalid_member` (or with no pointer `not_found`) unless it is `sha256:` and 64 hex
///   digits.
func checkDigest(_ digest: String, pointer: String?) throws(Problem) {
    let digits = Array(digest.utf8.dropFirst(7))
    guard digest.hasPrefix("sha256:"), digits.count == 64,
        digits.allSatisfy({ "0123456789abcdef".utf8.contains($0) })
    else {
        guard let pointer else {
            throw Problem(.notFound, "\(digest) is not a digest of an object.")
        }
        throw Problem(
            .invalidMember, "A digest is sha256: and 64 lower-case hex digits.", pointer: pointer)
    }
}
