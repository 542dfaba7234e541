internal import BPF
internal import JSON
internal import Linux
internal import Loading
internal import Problems
internal import Registry
internal import Synchronization

extension Node {
    /// Attaches a function of `program` and pins its links under `pin`, or `pin_0`, `pin_1` … where
    /// the kind needs several.
    func attach(
        _ document: AttachDocument, function name: String, of program: LoadedProgram, pin: String
    ) throws(Problem) -> Attachment {
        Stint.current?.advance()
        guard let function = program.functions[name],
            let reported = program.report.functions.first(where: { $0.name == name })
        else { throw Problem(.notFound, "Program \(program.name) has no function \(name).") }
        try AttachDocument.checkKind(document.kind, fits: reported)
        let site = AttachSite(
            document: document, function: reported, program: program, node: self, pin: pin)
        guard document.kind.entersNamespace, let namespace = site.text("netns") else {
            return try attach(function, at: site, pin: pin, namespace: nil)
        }
        let path = try namespacePath(namespace)
        let outcome: Result<Attachment, Problem>
        do throws(Errno) {
            outcome = try NetworkNamespace.within(path) {
                do throws(Problem) {
                    return .success(
                        try self.attach(function, at: site, pin: pin, namespace: path))
                } catch {
                    return .failure(error)
                }
            }
        } catch {
            throw Problem(
                .attachRefused, "\(path) cannot be entered as a network namespace: \(error).",
                errno: error.name, pointer: "/attach/netns", cause: error)
        }
        return try outcome.get()
    }

    /// On a thread that is in the right network namespace.
    private func attach(
        _ function: Program, at site: AttachSite, pin: String, namespace: String?
    ) throws(Problem) -> Attachment {
        let kind = site.document.kind
        let handle = Names.handle(of: pin)
        if let resident = try kind.resident(at: site, handle: handle, namespace: namespace) {
            return try attach(function, resident, at: site, pin: pin)
        }
        if let link = try kind.link(at: site) {
            fault(.afterAttach)
            return try pinned([link], at: site, pin: pin)
        }
        var links: [Link] = []
        for target in try kind.targets(at: site) {
            do {
                links.append(try function.attach(to: target, cookie: site.unsigned("cookie")))
            } catch {
                throw explained(error, site)
            }
        }
        fault(.afterAttach)
        return try pinned(links, at: site, pin: pin)
    }

    private func explained(_ error: BPFError, _ site: AttachSite) -> Problem {
        let what = "attach \(site.program.name).\(site.function.name) as \(site.document.kind.name)"
        // A kernel that is older than a kind of link says no more than that.
        if error.errno == .einval, error.log == nil,
            let ability = ability(site.document.kind.name), ability.isAvailable == false
        {
            return site.hostLacks(ability.needs ?? "a later kernel", error)
        }
        if let problem = site.document.kind.explain(error, at: site) { return problem }
        if error.errno == .eexist, let twin = twin(of: site) {
            return site.busy(
                "This place of \(site.program.name).\(site.function.name)",
                link: twin.attachment?.linkIDs.first, program: twin.attachment?.info.programID,
                error)
        }
        return Problem(error, while: what)
    }

    /// The probe by which the function is at the document's place already: the kernel takes it
    /// there once, whatever the cookie.
    private func twin(of site: AttachSite) -> ProbeRecord? {
        func place(_ document: AttachDocument) -> JSONObject {
            var members = document.members
            members["cookie"] = nil
            return members
        }
        let wanted = place(site.document)
        return state.withLock { state in
            state.probes.values.first { record in
                record.attachment != nil && record.row.program == site.program.name
                    && record.row.function == site.function.name
                    && record.attach.kind.name == site.document.kind.name
                    && place(record.attach) == wanted
            }
        }
    }

    private func pinned(_ links: [Link], at site: AttachSite, pin: String) throws(Problem)
        -> Attachment
    {
        // A function that sleeps may run on after a grace period: its event goes with the link.
        if site.function.isSleepable { for link in links { link.takeEvent()?.close() } }
        let paths =
            links.count == 1 ? [pinPath(pin)] : links.indices.map { pinPath("\(pin)_\($0)") }
        do {
            guard links.allSatisfy(\.isPinnable) else {
                let info = LinkInfo(
                    typeName: site.document.kind.linkTypeName,
                    programID: site.program.kernelIDs[site.function.name] ?? 0)
                return Attachment(links.map { .link($0) }, infos: [info], pin: pin, pinPaths: [])
            }
            var infos: [LinkInfo] = []
            for (link, path) in zip(links, paths) {
                infos.append(try link.info())
                try link.pin(path)
            }
            fault(.afterPin)
            return Attachment(links.map { .link($0) }, infos: infos, pin: pin, pinPaths: paths)
        } catch {
            for path in paths {
                // The failure is the news; a pin that stays is a stray of the next start.
                try? FileSystem.unlink(path)
            }
            throw Problem(
                error, while: "pin the link of \(site.program.name).\(site.function.name)")
        }
    }

    /// The note comes first: a filter that nobody knows of would stay for ever.
    private func attach(
        _ function: Program, _ resident: Resident, at site: AttachSite, pin: String
    ) throws(Problem) -> Attachment {
        let path = pinPath(pin)
        do { try FileSystem.makeSymbolicLink(path, saying: resident.text) } catch {
            throw Problem(error, while: "note where \(site.program.name) is attached")
        }
        fault(.afterNote)
        do {
            try resident.attach(function)
        } catch {
            // The failure is the news; a note of what is not there goes at the next start.
            try? FileSystem.unlink(path)
            throw explained(error, site)
        }
        fault(.afterAttach)
        let info = LinkInfo(
            typeName: resident.typeName,
            programID: site.program.kernelIDs[site.function.name] ?? 0)
        return Attachment([.resident(resident)], infos: [info], pin: pin, pinPaths: [path])
    }

    /// Opens the pins that an earlier daemon left.
    ///
    /// A link of ours that runs another function, because a replacement did not come to its end or
    /// somebody put one there, is put right where the kernel can; one whose target has gone is not
    /// adopted, and neither is what somebody else has pinned at our path.
    /// - Parameter own: the functions in our load directories as they were before anything was
    ///   undone: what tells ours from foreign in rows of an older release.
    /// - Returns: nil where there is none that does what the row says.
    func adopt(
        _ document: AttachDocument, _ row: ProbeRow, of program: LoadedProgram, own: OwnFunctions
    ) -> Attachment? {
        guard let kernelID = program.kernelIDs[row.function],
            let function = program.functions[row.function]
        else { return nil }
        let pin = row.pin
        let paths = pinPaths(of: pin, count: row.linkIDs.count)
        guard let first = paths.first else { return nil }
        do {
            if FileSystem.kind(first) == .symbolicLink {
                return try adopt(note: first, pin: pin, function, kernelID)
            }
            guard row.linkIDs.isEmpty || row.linkIDs.count == paths.count else { return nil }
            var links: [Link] = []
            var infos: [LinkInfo] = []
            for path in paths {
                let link = try Link(pinned: path)
                var info = try link.info()
                let isOurs =
                    row.linkIDs.isEmpty
                    ? own.contains(info.programID) : row.linkIDs.contains(info.id)
                guard isOurs else { return nil }
                switch condition(of: info, document, target: row.target, function: kernelID) {
                case .sound: break
                case .targetGone, .cut: return nil
                case .exchanged:
                    guard document.kind.isUpdatable else { return nil }
                    try link.update(to: function)
                    info = try link.info()
                }
                links.append(link)
                infos.append(info)
            }
            return Attachment(links.map { .link($0) }, infos: infos, pin: pin, pinPaths: paths)
        } catch {
            log.warning("a link's pin cannot be opened", metadata: ["pin": "\(first): \(error)"])
            return nil
        }
    }

    private func adopt(note path: String, pin: String, _ function: Program, _ kernelID: UInt32)
        throws -> Attachment?
    {
        guard var resident = Resident(text: try FileSystem.resolve(path)) else { return nil }
        switch resident.presence() {
        case .gone: return nil
        case .runs(kernelID), .unnamed: break
        case .runs: resident = try resident.replace(with: function, notedAt: path)
        }
        let info = LinkInfo(typeName: resident.typeName, programID: kernelID)
        return Attachment([.resident(resident)], infos: [info], pin: pin, pinPaths: [path])
    }

    /// Detaches many at once: each waits for RCU by itself, and the waits overlap.
    ///
    /// When it returns none of the functions runs any more. What the kernel still has to do then,
    /// one event after the other, is done by a thread of its own.
    func detachAll(_ attachments: [Attachment]) -> [Errno] {
        let failures = Mutex<[Errno]>([])
        let events = Mutex<[KeptEvent]>([])
        let next = Mutex(0)
        let stint = Stint.current
        let work: @Sendable () -> Void = {
            while true {
                let index = next.withLock { next in
                    defer { next += 1 }
                    return next
                }
                guard index < attachments.count else { return }
                do throws(Errno) {
                    let kept = try attachments[index].detach()
                    events.withLock { $0 += kept }
                } catch {
                    failures.withLock { $0.append(error) }
                }
                stint?.advance()
            }
        }
        var threads: [NamedThread] = []
        for _ in 1..<max(1, min(64, attachments.count)) {
            // Without another thread it takes longer and comes to the same.
            do { threads.append(try NamedThread("detach", work)) } catch { break }
        }
        work()
        for thread in threads { thread.join() }
        close(events.withLock { $0 })
        return failures.withLock { $0 }
    }

    private func close(_ events: [KeptEvent]) {
        if events.isEmpty { return }
        guard GracePeriod.wait() else { return events.forEach { $0.close() } }
        for event in events { closing.later { event.close() } }
    }
}
