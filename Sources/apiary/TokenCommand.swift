internal import ArgumentParser
internal import ControlPlane
internal import JSON
internal import Linux
internal import Registry

/// `apiary token …`: asks the daemon over its socket, or the registry itself while none runs.
struct TokenCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "token", abstract: "Make, list and revoke tokens.",
        subcommands: [Create.self, List.self, Revoke.self])

    struct Create: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make a token and print its text, which is kept nowhere.")

        @OptionGroup var place: RegistryPlace

        @Argument(help: "Its name: 1 to 127 of A-Z a-z 0-9 _ . -")
        var name: String

        @Option(
            name: .long, help: "metrics, read, operate or admin.",
            completion: .list(Settings.roles))
        var role: String

        @Option(
            name: .long,
            help: ArgumentHelp(
                "Only for programs of these names, * for any letters; may be given again.",
                valueName: "pattern"))
        var program: [String] = []

        @Option(
            name: .long,
            help: ArgumentHelp("Only for programs with these labels.", valueName: "name=value"))
        var label: [String] = []

        @Option(
            name: .long,
            help: ArgumentHelp(
                "Its life: 90s, 15m, 12h or 30d. Without: for ever.", valueName: "time"))
        var expiresIn: String?

        func run() throws {
            var request = JSONObject()
            request["name"] = .string(name)
            request["role"] = .string(role)
            if !program.isEmpty { request["programs"] = .array(program.map { .string($0) }) }
            if !label.isEmpty { request["labels"] = .object(try labels) }
            if let expiresIn { request["expires_in_s"] = JSONValue(try Self.seconds(expiresIn)) }
            let answer = try place.ask("POST", "/v1/tokens", .object(request)) { tokens in
                let new = NewToken(
                    name: name, role: try knownRole,
                    scope: Scope(
                        programs: program.isEmpty ? nil : program,
                        labels: Dictionary(
                            try labels.members.map { ($0.name, $0.value.string ?? "") },
                            uniquingKeysWith: { $1 })),
                    expiresInSeconds: try expiresIn.map(Self.seconds))
                return [
                    "token": .string(
                        try tokens.create(new, RegistryPlace.origin("post_token")).text)
                ]
            }
            print(answer["token"]?.string ?? "")
        }

        private var knownRole: Role {
            get throws {
                guard Settings.roles.contains(role), let role = Role(rawValue: role) else {
                    throw ValidationError(
                        "--role \(role) is not one of " + Settings.roles.joined(separator: ", ")
                            + ".")
                }
                return role
            }
        }

        private var labels: JSONObject {
            get throws {
                var labels = JSONObject()
                for text in label {
                    guard let equals = text.firstIndex(of: "=") else {
                        throw ValidationError("--label \(text) is not of the form name=value.")
                    }
                    labels[String(text[..<equals])] = .string(
                        String(text[text.index(after: equals)...]))
                }
                return labels
            }
        }

        private static func seconds(_ text: String) throws -> Int {
            let units = ["s": 1, "m": 60, "h": 3600, "d": 86400]
            guard let unit = text.last.flatMap({ units[String($0)] }),
                let number = Int(text.dropLast()), (1...316_224_000 / unit).contains(number)
            else {
                throw ValidationError("--expires-in \(text) is not of the form 90s, 15m, 12h, 30d.")
            }
            return number * unit
        }
    }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Print the tokens, one a line; never their texts.")

        @OptionGroup var place: RegistryPlace

        func run() throws {
            var path: String? = "/v1/tokens?limit=1000"
            while let next = path {
                let answer = try place.ask("GET", next, nil) { tokens in
                    ["items": .array(tokens.all.map(Self.document))]
                }
                for token in answer["items"]?.array ?? [] { print(Self.line(token)) }
                path = answer["next_cursor"]?.string.map { "/v1/tokens?limit=1000&cursor=\($0)" }
            }
        }

        private static func document(_ token: Token) -> JSONValue {
            [
                "name": .string(token.name), "role": .string(token.role.rawValue),
                "programs": token.scope.programs.map { .array($0.map { .string($0) }) } ?? .null,
                "labels": token.scope.json["labels"] ?? .object(JSONObject()),
                "expires_at": time(token.expiresAtNanoseconds),
                "last_used_at": time(token.lastUsedAtNanoseconds),
            ]
        }

        private static func time(_ nanoseconds: UInt64?) -> JSONValue {
            nanoseconds.map { .string("\(Timestamp(nanoseconds: $0))") } ?? .null
        }

        private static func line(_ token: JSONValue) -> String {
            let programs = (token["programs"]?.array ?? []).compactMap(\.string)
            let labels = (token["labels"]?.object?.members ?? []).map { label in
                "\(label.name)=\(label.value.string ?? "")"
            }
            return [
                token["name"]?.string ?? "", token["role"]?.string ?? "",
                ([programs.isEmpty ? "*" : programs.joined(separator: ",")] + labels)
                    .joined(separator: ","),
                "expires=" + (token["expires_at"]?.string ?? "never"),
                "used=" + (token["last_used_at"]?.string ?? "never"),
            ].joined(separator: "\t")
        }
    }

    struct Revoke: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Revoke a token; its open streams end.")

        @OptionGroup var place: RegistryPlace

        @Argument(help: "Its name.")
        var name: String

        func run() throws {
            _ = try place.ask("DELETE", "/v1/tokens/\(name)", nil) { tokens in
                guard try tokens.revoke(name, RegistryPlace.origin("delete_token")) else {
                    throw CommandRefusal("There is no token \(name).")
                }
                return .null
            }
        }
    }
}

/// `apiary audit verify`.
struct AuditCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "audit", abstract: "Look after the audit log.", subcommands: [Verify.self])

    struct Verify: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Compute the audit log's chain anew; fails where it is broken.")

        @OptionGroup var place: RegistryPlace

        func run() throws {
            let chain = try place.ask("GET", "/v1/audit/chain", nil) { tokens in
                let chain = try tokens.verifyAudit()
                return [
                    "intact": .bool(chain.brokenAt == nil), "rows": JSONValue(chain.rows),
                    "head": .string(chain.head),
                    "broken_at": chain.brokenAt.map { JSONValue($0) } ?? .null,
                ]
            }
            let rows = chain["rows"]?.int ?? 0
            guard chain["intact"]?.bool == true else {
                let broken = chain["broken_at"]?.int ?? 0
                print("broken at row \(broken), after \(rows) rows that hang together")
                throw ExitCode(1)
            }
            print("intact: \(rows) rows, head \(chain["head"]?.string ?? "")")
        }
    }
}
