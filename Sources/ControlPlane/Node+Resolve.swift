internal import BPF
internal import Linux
internal import Problems

extension Node {
    /// Whether a function could be attached as the document says, as far as can be told without
    /// attaching it: the kind fits, and what it names is there.
    /// - Throws: `wrong_kind`, `target_not_found`, `attach_refused` for the namespace.
    func resolve(
        _ document: AttachDocument, function name: String, of program: LoadedProgram
    ) throws(Problem) {
        guard let reported = program.report.functions.first(where: { $0.name == name }) else {
            throw Problem(.notFound, "Program \(program.name) has no function \(name).")
        }
        try AttachDocument.checkKind(document.kind, fits: reported)
        let site = AttachSite(document: document, function: reported, program: program, node: self)
        guard document.kind.entersNamespace, let namespace = site.text("netns") else {
            return try site.resolve()
        }
        let path = try namespacePath(namespace)
        let problem: Problem?
        do throws(Errno) {
            problem = try NetworkNamespace.within(path) {
                do throws(Problem) { try site.resolve() } catch { return error }
                return nil
            }
        } catch {
            throw Problem(
                .attachRefused, "\(path) cannot be entered as a network namespace: \(error).",
                errno: error.name, pointer: "/attach/netns", cause: error)
        }
        if let problem { throw problem }
    }
}

extension AttachSite {
    /// In the right network namespace.
    fileprivate func resolve() throws(Problem) {
        guard try document.kind.filter(at: self, handle: 1) == nil else { return }
        for target in try document.kind.targets(at: self) {
            guard case .tracepoint(let category, let name) = target else { continue }
            do throws(BPFError) {
                if try Tracepoints.names(category: category).contains(name) { continue }
                throw BPFError("open", .enoent)
            } catch {
                throw document.kind.explain(error, at: self)
                    ?? Problem(error, while: "find \(category)/\(name)")
            }
        }
    }
}
