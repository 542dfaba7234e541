internal import ControlPlane
internal import Events
internal import Problems

/// What of the node an operation touches, for credentials that are only for some programs.
enum Reach: Sendable, Hashable {
    /// Nothing that belongs to a program.
    case open
    /// The program that the path's first variable names.
    case program
    /// The probe that the path's first variable names, and so its program.
    case probe
    /// Several; the handler leaves out, or refuses, what is not in the scope.
    case filtered
    /// The whole node: closed to credentials with a scope. So is every operation of which the
    /// table says nothing and whose path names no program or probe, until somebody has thought
    /// about it.
    case whole

    /// Of an operation of which the table says nothing else: by whose the resource is.
    init(of template: String) {
        if template.hasPrefix("/v1/programs/{") || template.hasPrefix("/v1/maps/{") {
            self = .program
        } else {
            self = template.hasPrefix("/v1/probes/{") ? .probe : .whole
        }
    }
}

extension Service {
    /// - Throws: `forbidden` for what a name alone tells to be out of scope; `not_found` for what
    ///   only its labels do, so that nobody learns of it.
    func checkReach(_ route: Route, _ variables: [String], _ caller: Caller) throws(Problem) {
        guard !caller.scope.isAll else { return }
        switch route.reach {
        case .open, .filtered: return
        case .program:
            let name = variables[0]
            guard caller.scope.allows(name: name) else { throw outOfScope(name, caller) }
            guard !node.hasProgram(name) || node.contains(caller.scope, program: name) else {
                throw Problem(.notFound, "There is no program \(name).")
            }
            try checkValues(route, variables, caller)
        case .probe:
            guard let program = node.program(ofProbe: variables[0]) else { return }
            guard node.contains(caller.scope, program: program) else {
                throw Problem(.notFound, "There is no probe \(variables[0]).")
            }
        case .whole:
            throw Problem(
                .forbidden,
                "\(route.operation) is about the whole node; \(caller.actor) is for some programs "
                    + "only.")
        }
    }

    /// For a program that a body or a query names.
    func checkScope(_ program: String, _ call: Call) throws(Problem) {
        guard !call.caller.scope.isAll else { return }
        guard call.caller.scope.allows(name: program) else {
            throw outOfScope(program, call.caller)
        }
        guard !node.hasProgram(program) || node.contains(call.caller.scope, program: program)
        else { throw Problem(.notFound, "There is no program \(program).") }
    }

    /// Other programs that a load names: whose functions it replaces or traces, whose maps it uses.
    func checkScope(of options: ProgramOptions, _ call: Call) throws(Problem) {
        for target in options.targets.values where target.contains("/") {
            try checkScope(String(target.prefix { $0 != "/" }), call)
        }
        for map in options.maps.values {
            if case .map(let program, _)? = map.reuse { try checkScope(program, call) }
        }
    }

    private func checkValues(_ route: Route, _ variables: [String], _ caller: Caller)
        throws(Problem)
    {
        guard route.method != .get, route.template.hasPrefix("/v1/maps/{program}/{map}/") else {
            return
        }
        let map = try node.map(variables[0], variables[1])
        guard map.holdsObjects else { return }
        throw Problem(
            .forbidden,
            "\(map.program)/\(map.name) is a \(map.info.type.name), whose values are maps or "
                + "programs; \(caller.actor) is for some programs only.")
    }

    /// The labels that a program is to have must leave it in the caller's scope.
    func checkScope(_ program: String, labels: [String: String], _ call: Call) throws(Problem) {
        guard call.caller.scope.contains(program, labels: labels) else {
            let wanted = call.caller.scope.labels.sorted { $0.key < $1.key }
                .map { "\($0.key)=\($0.value)" }.joined(separator: ", ")
            throw Problem(
                .forbidden,
                "\(call.caller.actor) is for programs with the labels \(wanted): give them.")
        }
    }

    private func outOfScope(_ program: String, _ caller: Caller) -> Problem {
        Problem(
            .forbidden,
            "\(caller.actor) is for the programs "
                + (caller.scope.programs ?? ["*"]).joined(separator: ", ") + ", not for \(program)."
        )
    }
}

extension Call {
    /// Whether the caller may see a program and what belongs to it.
    func sees(_ program: String, _ node: Node) -> Bool {
        node.contains(caller.scope, program: program)
    }

    /// Whether one of the programs that write into a stream is in the caller's scope.
    func sees(_ stream: StreamLedger, _ node: Node) -> Bool {
        sees(stream.key.program, node) || stream.sharedWith.contains { sees($0.program, node) }
    }
}
