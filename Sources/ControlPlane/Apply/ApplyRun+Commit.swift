internal import Linux
internal import Problems
internal import Registry

extension ApplyRun {
    /// Changes over in one transaction; what follows it cannot fail any more, only be late.
    func commit() throws(Problem) -> ApplyOutcome {
        guard hasChanges else {
            return ApplyOutcome(changes: changes, changed: false, revision: node.revision)
        }
        let retired = retiredAttachments()
        let names = retired.map(\.pin) + staged.values.compactMap { $0.old?.row.loadID }
        let now = Clock.realtimeNanoseconds()
        let revision = try node.commit(origin, subject: "apply/\(manifest.owner)") { transaction in
            try writePrograms(transaction, now)
            try writeProbes(transaction)
            for name in names {
                try transaction.put(
                    IntentRow(
                        name: name, kind: name.hasPrefix("o") ? .load : .link,
                        subject: manifest.owner, bootID: node.bootID, startedAtNanoseconds: now))
            }
            for row in ownerRows { try transaction.put(row) }
            for row in prunedEntries { try transaction.removeDeclaredEntry(row) }
            for row in entryRows { try transaction.put(row) }
            try transaction.forgetUndo()
            for change in changes where change.action != .none {
                try transaction.note(origin, subject: change.subject)
            }
        }
        show(revision)
        for record in relabelled where variablesBack[record.row.name] != nil {
            if let loaded = record.loaded { node.setVariables(of: loaded, onlyPending: true) }
        }
        node.snapshotTimer.withLock { $0 }?.wake()
        letGo(retired)
        for stage in staged.values { node.objectHolds.give(stage.object.digest) }
        return ApplyOutcome(changes: changes, changed: true, revision: revision)
    }

    /// Links that nobody has any more.
    private func retiredAttachments() -> [Attachment] {
        placed.compactMap { place in
            guard let before = place.old?.attachment, before !== place.record.attachment else {
                return nil
            }
            return before
        }
    }

    private func writePrograms(_ transaction: Transaction, _ now: UInt64) throws {
        for name in stagedOrder {
            guard let stage = staged[name] else { continue }
            try transaction.put(
                ObjectRow(
                    digest: stage.object.digest, sizeBytes: stage.object.size,
                    createdAtNanoseconds: now))
            try transaction.put(stage.record.row)
            try transaction.removeIntent(stage.record.row.loadID)
            try transaction.removeVariables(of: name)
            try transaction.removeSnapshots(
                of: name,
                but: node.mapsKept(by: stage.record.loaded, from: stage.old?.loaded))
        }
        for record in relabelled { try transaction.put(record.row) }
        for (name, rows) in variablesBack {
            for row in rows { try transaction.put(row, of: name) }
        }
        for record in prunedPrograms {
            var row = record.row
            row.state = .deleting
            try transaction.put(row)
        }
    }

    private func writeProbes(_ transaction: Transaction) throws {
        for place in placed {
            try transaction.put(place.record.row)
            try transaction.removeIntent(place.record.row.pin)
        }
        for record in edited { try transaction.put(record.row) }
        for record in prunedProbes {
            var row = record.row
            row.state = .deleting
            try transaction.put(row)
        }
    }

    private func show(_ revision: Int64) {
        let programs = stagedOrder.compactMap { staged[$0]?.record } + relabelled
        let probes = placed.map(\.record) + edited
        node.state.withLock { state in
            for var record in programs {
                record.row.revision = revision
                state.programs[record.row.name] = record
            }
            for var record in probes {
                record.row.revision = revision
                state.probes[record.row.id] = record
            }
            for row in ownerRows { state.owners.set(row) }
            for record in prunedProbes {
                state.probes[record.row.id] = nil
                state.owners.forget(probe: record.row.id)
            }
            for record in prunedPrograms {
                state.programs[record.row.name] = nil
                state.owners.forget(program: record.row.name)
            }
        }
    }

    /// What does not go now is an intent, or a row that says `deleting`, and goes at the next
    /// start.
    private func letGo(_ retired: [Attachment]) {
        for failure in node.detachAll(retired) {
            node.log.error("a replaced link stays", metadata: ["errno": "\(failure)"])
        }
        node.forget(retired.map(\.pin))
        for name in stagedOrder {
            guard let stage = staged[name] else { continue }
            node.retire(stage.old?.row.loadID, [], for: stage.record)
        }
        let going = Set(prunedPrograms.map(\.row.name))
        let alone = prunedProbes.filter { !going.contains($0.row.program) }
        do throws(Problem) {
            if !alone.isEmpty {
                try node.finishDelete(alone.map(\.row), alone.compactMap(\.attachment))
            }
            for record in prunedPrograms {
                let probes = prunedProbes.filter { $0.row.program == record.row.name }
                try node.finishDelete(
                    record.row, probes.map(\.row), probes.compactMap(\.attachment))
            }
        } catch {
            node.log.error("a delete does not end", metadata: ["why": "\(error.detail)"])
        }
    }

    /// Takes back all that was made, the last first.
    func undo() {
        node.undo(placed.map(\.record), before: placed.compactMap(\.old))
        if !undoRows.isEmpty { node.undoEntries(undoRows.reversed()) }
        for old in detachedEarly { attachAgain(old) }
        for stage in staged.values {
            node.removeLoad(stage.record.row.loadID)
            node.forget([stage.record.row.loadID])
            if !isDryRun { node.objectHolds.give(stage.object.digest) }
        }
        staged = [:]
        placed = []
    }

    /// A probe whose place was needed and is free again.
    private func attachAgain(_ old: ProbeRecord) {
        let loaded = node.state.withLock { $0.programs[old.row.program]?.loaded }
        guard let loaded else { return }
        do throws(Problem) {
            var back = try node.moved(old, to: loaded)
            let row = back.row
            back.row.revision = try node.commit(origin, subject: "probes/\(row.id)") {
                transaction in
                try transaction.put(row)
                try transaction.removeIntent(row.pin)
            }
            let shown = back
            node.state.withLock { $0.probes[row.id] = shown }
        } catch {
            // The next start attaches it.
            node.log.error(
                "an undone probe is not attached",
                metadata: ["probe": "\(old.row.id)", "why": "\(error.detail)"])
        }
    }
}
