internal import BPF
internal import Linux
internal import Problems
internal import Registry

/// What is amiss with an attachment.
enum Trouble: Sendable, Hashable {
    /// The pin was removed.
    case unpinned
    /// Something else is pinned there.
    case foreignPin
    case link(LinkCondition)
    /// What is attached without a link was taken away.
    case residentGone
    /// All is well again with a probe that is `failed`.
    case mended
}

extension Node {
    /// nil: all is as the row says.
    func trouble(
        of record: ProbeRecord, _ attachment: Attachment, _ loaded: LoadedProgram
    ) -> Trouble? {
        guard let kernelID = loaded.kernelIDs[record.row.function] else { return nil }
        for (hold, id, path) in attachment.pinned {
            switch hold {
            case .resident(let resident):
                switch resident.presence() {
                case .gone:
                    return PlaceOnHost(record.attach, self).isThere
                        ? .residentGone
                        : .link(.targetGone(PlaceOnHost(record.attach, self).missing))
                case .runs(kernelID), .unnamed: break
                case .runs(let other): return .link(.exchanged(programID: other))
                }
                if FileSystem.kind(path) == nil { return .unpinned }
            case .link(let link):
                // What the kernel does not tell is not amiss.
                guard let info = try? link.info() else { continue }
                let condition = condition(
                    of: info, record.attach, target: record.row.target, function: kernelID)
                if condition != .sound { return .link(condition) }
                if let trouble = pinTrouble(path, id) { return trouble }
            }
        }
        return record.row.state == .failed ? .mended : nil
    }

    private func pinTrouble(_ path: String, _ id: UInt32) -> Trouble? {
        if lookoutMemory.withLock({ $0.isReadOnly }) { return nil }
        // What is not there has no inode.
        guard let inode = (try? FileSystem.identity(path))?.inode else { return .unpinned }
        if lookoutMemory.withLock({ $0.knows(path, inode) }) { return nil }
        do throws(BPFError) {
            // What does not open as a link is not ours.
            guard try Link(pinned: path).info().id == id else { return .foreignPin }
        } catch {
            return error.isShortage ? nil : .foreignPin
        }
        lookoutMemory.withLock { $0.note(path, inode) }
        return nil
    }

    /// Repairs what may be repaired and says of the rest what it is. The program's lock is held.
    func mend(_ id: String) {
        guard let record = state.withLock({ $0.probes[id] }), let attachment = record.attachment,
            let loaded = state.withLock({ $0.programs[record.row.program] })?.loaded,
            let trouble = trouble(of: record, attachment, loaded)
        else { return }
        do {
            switch trouble {
            case .unpinned: try pinAgain(record, attachment)
            case .foreignPin: try pinElsewhere(record, attachment)
            case .mended: try commitMended(record, "mended")
            case .residentGone:
                let what =
                    attachment.info.typeName == "tc" ? "removed the filter of" : "detached"
                try cutOff(record, attachment, loaded, "Somebody \(what) probe \(id).")
            case .link(.targetGone(let what)):
                try lose(record, attachment, Problem(.targetNotFound, what, errno: "ENOENT"))
            case .link(.cut(let what)):
                try cutOff(
                    record, attachment, loaded,
                    "Somebody detached the link of probe \(id) from \(what).")
            case .link(.exchanged(let other)):
                try takeBack(record, attachment, loaded, from: other)
            case .link(.sound): break
            }
        } catch {
            log.error("a probe is not mended", metadata: ["probe": "\(id)", "why": "\(error)"])
        }
    }

    private func pinAgain(_ record: ProbeRecord, _ attachment: Attachment) throws {
        for (hold, _, path) in attachment.pinned where FileSystem.kind(path) == nil {
            switch hold {
            case .link(let link): try link.pin(path)
            case .resident(let resident):
                try FileSystem.makeSymbolicLink(path, saying: resident.text)
            }
        }
        log.warning(
            "the pin of a probe was gone: pinned again", metadata: ["probe": "\(record.row.id)"])
    }

    /// His thing stays where it is; ours gets another name.
    private func pinElsewhere(_ record: ProbeRecord, _ attachment: Attachment) throws {
        var record = record
        let pin = Names.makeLinkPin()
        let held = attachment.pinned
        let paths =
            held.count == 1 ? [pinPath(pin)] : held.indices.map { pinPath("\(pin)_\($0)") }
        try intend([pin], .link, subject: "probes/\(record.row.id)")
        do {
            for ((hold, _, _), path) in zip(held, paths) {
                guard case .link(let link) = hold else { continue }
                try link.pin(path)
            }
            record.row.pin = pin
            record.attachment = attachment.renamed(pin, paths)
            try commitMended(record, "pin_moved")
        } catch {
            // The failure is the news; a pin that stays is undone at the next start.
            for path in paths { try? FileSystem.unlink(path) }
            forget([pin])
            throw error
        }
        for (_, id, old) in held where pinTrouble(old, id) == nil {
            try FileSystem.unlink(old)
        }
        log.warning(
            "somebody else's thing is pinned where a probe's link was: pinned elsewhere",
            metadata: ["probe": "\(record.row.id)"])
    }

    /// The probe is `failed` from now on; where it was asked to wait, it is looked for its target.
    private func lose(_ record: ProbeRecord, _ attachment: Attachment, _ problem: Problem) throws {
        var problem = problem
        problem.hint =
            record.row.whenGone == .wait
            ? "It is attached again when the target is back."
            : "PATCH {\"enabled\":true} attaches it again; \"when_gone\":\"wait\" makes it come "
                + "back by itself."
        var lost = failed(record, problem)
        lost.attachment = nil
        lost.row.linkIDs = []
        let origin = ChangeOrigin(requestID: "-", actor: "apiary", action: "target_gone")
        _ = try commitProbe(lost, retiring: attachment, origin)
        log.warning(
            "a probe has lost its target",
            metadata: ["probe": "\(record.row.id)", "why": "\(problem.detail)"])
    }

    private func cutOff(
        _ record: ProbeRecord, _ attachment: Attachment, _ loaded: LoadedProgram, _ why: String
    ) throws {
        guard record.row.whenGone == .wait else {
            return try lose(record, attachment, Problem(.conflict, why))
        }
        let origin = ChangeOrigin(requestID: "-", actor: "apiary", action: "attached_again")
        do {
            _ = try exchanged(record, loaded, old: record, origin)
            log.warning("\(why) It is attached again.")
        } catch {
            try lose(record, attachment, Problem(.conflict, why + " " + error.detail))
        }
    }

    private func takeBack(
        _ record: ProbeRecord, _ attachment: Attachment, _ loaded: LoadedProgram,
        from other: UInt32
    ) throws {
        let why = "Somebody put program \(other) in the link of probe \(record.row.id)."
        if record.row.whenGone == .wait, let function = loaded.functions[record.row.function] {
            try attachment.update(to: function)
            try commitMended(record, "taken_back")
            log.warning("\(why) It has its own function again.")
            return
        }
        guard record.row.state != .failed else { return }
        let origin = ChangeOrigin(requestID: "-", actor: "apiary", action: "replaced_by_others")
        var problem = Problem(.conflict, why)
        problem.hint = "PATCH {\"enabled\":true} puts its own function back."
        _ = try commitProbe(failed(record, problem), retiring: nil, origin)
        log.warning("\(why)")
    }

    private func commitMended(_ record: ProbeRecord, _ action: String) throws(Problem) {
        var record = record
        record.row.state = .active
        record.row.problem = nil
        let origin = ChangeOrigin(requestID: "-", actor: "apiary", action: action)
        _ = try commitProbe(record, retiring: nil, origin)
    }

    /// Attaches a probe whose target is back. The program's lock is held.
    func comeBack(_ id: String) {
        guard let record = state.withLock({ $0.probes[id] }), record.row.enabled,
            record.attachment == nil,
            let loaded = state.withLock({ $0.programs[record.row.program] })?.loaded
        else { return }
        let origin = ChangeOrigin(requestID: "-", actor: "apiary", action: "attached_again")
        do {
            _ = try exchanged(record, loaded, old: record, origin)
            lookoutMemory.withLock { $0.retries[id] = nil }
            log.notice("a probe's target is back", metadata: ["probe": "\(id)"])
        } catch {
            let pause = lookoutMemory.withLock { memory in
                let pause = min((memory.retries[id]?.pause ?? 1_000_000_000) * 2, 60_000_000_000)
                memory.retries[id] = (Clock.monotonicNanoseconds() + pause, pause)
                return pause
            }
            log.warning(
                "a probe does not come back",
                metadata: [
                    "probe": "\(id)", "why": "\(error.detail)",
                    "again_in_s": "\(pause / 1_000_000_000)",
                ])
        }
    }
}
